"""Out of memory: never a wrong value, never a 4xx, never a crash.

The tests fail each allocation of a request in turn, in any thread of the daemon: only this allocation, or this one and all later
ones. The response must be the expected one, byte for byte, or a complete 503. The next response must be the expected one, and the
ledger must have no wrong line.
"""
import http.client
import json
import os
import re
import signal
import sqlite3
import ssl
import subprocess
import time
import urllib.parse

import pytest

from conftest import PATIENCE, ROOT, Daemon
from exposition import parse_text
from injected import Memory
from postgres import Postgres
import sow_programs

# Functions of jansson that are unsafe when memory runs out, or that return a block that free() cannot release.
UNSAFE = re.compile(r"\bjson_(load(s|b|f|fd|_file|_callback)|dump\w*|copy|deep_copy|object_update_(missing|existing|recursive))\s*\(|json_pack\(\"[^\"]*\*")


@pytest.mark.parametrize("room", ["core", "proto", "server", "client"])
def test_only_proto_json_calls_unsafe_functions_of_jansson(room):
    found = []
    for path in sorted((ROOT / room).rglob("*.[ch]")):
        if path != ROOT / "proto/json.c":
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in UNSAFE.finditer(text)]
    assert not found


def test_no_unit_test_frees_text_from_jansson():
    for path in [*(ROOT / "tests/unit").rglob("*.[ch]"), *(ROOT / "tests/fuzz").glob("*.[ch]")]:
        assert "json_dumps(" not in path.read_text(), f"{path}: use sower_json_text"


FOREVER = 1 << 60
ALL = os.environ.get("SOWER_MEMORY_ALL")

# Requests. "{}" is replaced by a number that is different each time and always has the same length.
LAYERS = [{"name": f"blocks.{i}.attention.query.weight", "shape": [16, 16]} for i in range(5)]
MODEL = {"experiment": "models", "trial": 0, "tensors": LAYERS, "rules": [{"match": "*.weight", "init": "normal(std=0.02)", "dtype": "bf16"}]}
RECIPE = {"tensors": [{"name": "wte.weight", "shape": [8, 4]}, {"name": "ln.bias", "shape": [4]}], "recipe": "torchvision_resnet", "defaults": {"init": "zeros"}}
TENSOR = "name=w&shape=4,6&init=normal(std=0.02)"


class Case:
    """One kind of request. `cut`: the response is streamed, and without memory it may be cut off, which the client can see.
    `sample`: of its thousands of similar allocations after the first ones only every n-th fails, unless SOWER_MEMORY_ALL is set."""

    def __init__(self, name, method, target, body=None, headers=None, status=200, cut=False, sample=1):
        self.name, self.method, self.target, self.body = name, method, target, body
        self.headers, self.status, self.cut, self.sample = headers or {}, status, cut, 1 if ALL else sample

    def is_unique(self):
        return "{}" in self.target + str(self.body) + str(self.headers)

    def request(self, number):
        """Method, target, body and headers of the request with this number."""
        body = self.body if isinstance(self.body, (str, type(None))) else json.dumps(self.body)
        filled = [text and text.replace("{}", f"{number:06}") for text in (self.target, body)]
        return self.method, *filled, {name: value.replace("{}", f"{number:06}") for name, value in self.headers.items()}


CASES = [
    Case("healthz", "GET", "/healthz"),
    Case("healthz, head", "HEAD", "/healthz"),
    Case("readyz", "GET", "/readyz"),
    Case("openapi", "GET", "/openapi.json"),
    Case("openapi, range", "GET", "/openapi.json", headers={"Range": "bytes=100-150"}, status=206),
    Case("tensor, drawn for the first time", "GET", "/v1/tensor?experiment=new&trial=1{}&" + TENSOR),
    Case("tensor, known", "GET", "/v1/tensor?experiment=known&" + TENSOR),
    Case("tensor, known, head", "HEAD", "/v1/tensor?experiment=known&" + TENSOR),
    Case("tensor, range", "GET", "/v1/tensor?experiment=known&" + TENSOR, headers={"Range": "bytes=100-150"}, status=206),
    Case("tensor, posted", "POST", "/v1/tensor", {"experiment": "new", "trial": 7, "name": "w{}", "shape": [4, 6], "init": {"type": "normal", "std": 0.02}, "dtype": "bf16"}),
    Case("tensor, safetensors of a shard", "GET", "/v1/tensor?experiment=new&trial=1{}&name=s&shape=8,8&init=he_normal&format=safetensors&shard=0:1/2"),
    Case("tensor, stream", "GET", "/v1/tensor?experiment=known&name=long&shape=300,400&init=he_normal", cut=True),
    Case("tensor, orthogonal", "GET", "/v1/tensor?experiment=new&trial=1{}&name=q&shape=40,30&init=orthogonal", cut=True),
    Case("tensor, sparse", "GET", "/v1/tensor?experiment=new&trial=1{}&name=p&shape=20,30&init=sparse(sparsity=0.5)", cut=True),
    Case("plan", "GET", "/v1/plan?experiment=known&" + TENSOR),
    Case("plan, posted", "POST", "/v1/plan", {"experiment": "new", "name": "{}", "shape": [3, 4], "init": "orthogonal"}),
    Case("stats", "GET", "/v1/stats?experiment=known&" + TENSOR),
    Case("stats, posted", "POST", "/v1/stats", {"experiment": "e", "name": "q", "shape": [8, 8], "init": "orthogonal"}),
    Case("manifest, posted", "POST", "/v1/manifests", RECIPE),
    Case("manifest, new", "POST", "/v1/manifests", {**RECIPE, "tensors": [{"name": "m{}", "shape": [4]}]}),
    Case("manifest", "GET", "/v1/manifests?manifest=HASH"),
    Case("model index", "GET", "/v1/model/index?manifest=HASH&parts=2"),
    Case("model, posted", "POST", "/v1/model", MODEL, cut=True),
    Case("model, drawn for the first time", "POST", "/v1/model", {**MODEL, "experiment": "new{}"}, cut=True),
    Case("model, with slices", "POST", "/v1/model?part=0/1", {**MODEL, "slices": {LAYERS[3]["name"]: ":,4:8", LAYERS[1]["name"]: "0:2"}}, cut=True),
    Case("problem, slices", "POST", "/v1/model", {**MODEL, "slices": {"x": ":,4:8"}}, status=422),
    Case("model, by its recipe", "POST", "/v1/model", {**RECIPE, "experiment": "recipes"}, cut=True),
    Case("model, by its hash", "GET", "/v1/model?manifest=HASH&experiment=new&trial=1{}&part=0/1", cut=True),
    Case("model, head", "HEAD", "/v1/model?manifest=HASH&experiment=known"),
    Case("draws of a model", "POST", "/v1/draws", {**MODEL, "experiment": "draws", "tensors": LAYERS + [{"name": "tied", "shape": [16, 16], "same_as": LAYERS[0]["name"]}]}, cut=True),
    Case("draws, for the first time", "POST", "/v1/draws?part=0/1", {**MODEL, "experiment": "new{}"}, cut=True),
    Case("draws, of one tensor", "POST", "/v1/draws", {"experiment": "new", "trial": 8, "name": "w{}", "shape": [4, 6], "init": "he_normal"}, cut=True),
    Case("draw, unknown", "GET", "/v1/draws/" + "0" * 64, status=404),
    Case("draw, by its id", "GET", "/v1/draws/DRAW"),
    Case("stats of a model", "GET", "/v1/stats?manifest=HASH&experiment=known"),
    Case("metrics", "GET", "/metrics"),
    Case("metrics, OpenMetrics", "GET", "/metrics", headers={"Accept": "application/openmetrics-text"}),
    Case("recipes", "GET", "/v1/recipes", sample=97),
    Case("recipe", "GET", "/v1/recipes?name=hf_gpt2"),
    Case("initializers", "GET", "/v1/initializers"),
    Case("initializer", "GET", "/v1/initializers?name=he_normal"),
    Case("experiments", "GET", "/v1/experiments?before=3&limit=2"),
    Case("experiment", "GET", "/v1/experiments/known"),
    Case("trials, by a key", "POST", "/v1/experiments/keyed/trials", {"count": 3}, {"Idempotency-Key": "k{}"}),
    Case("trials, with purposes", "POST", "/v1/experiments/keyed/trials", {"purposes": ["data", "dropout"]}, {"Idempotency-Key": "p{}"}),
    Case("seed", "GET", "/v1/seed?experiment=keyed&purposes=data,dropout"),
    Case("pin", "PUT", "/v1/experiments/pinned{}/pin"),
    Case("unpin", "DELETE", "/v1/experiments/strict/pin"),
    Case("pinned", "GET", "/v1/experiments/strict/pin"),
    Case("ledger", "GET", "/v1/ledger?limit=3", cut=True),
    Case("ledger, narrowed", "GET", "/v1/ledger?experiment=known&trial=0&name=w", cut=True),
    Case("ledger head", "GET", "/v1/ledger/head"),
    Case("problem, initializer", "GET", "/v1/tensor?experiment=e&name=w&shape=4&init=normall", status=400),
    Case("problem, unknown field", "GET", "/v1/plan?experiment=e&nome=w", status=400),
    Case("problem, not JSON", "POST", "/v1/tensor", '{"experiment":"e","name":"\\u00e4",', status=400),
    Case("problem, of one of many tensors", "POST", "/v1/model", {**MODEL, "tensors": LAYERS + [{"name": "x", "shape": [-1]}]}, status=400),
    Case("problem, path", "GET", "/v1/nothing", status=404),
    Case("problem, method", "DELETE", "/v1/plan", status=405),
    Case("problem, no such manifest", "GET", "/v1/model?experiment=e&manifest=" + "0" * 64, status=404),
    Case("problem, range", "GET", "/v1/tensor?experiment=known&" + TENSOR, headers={"Range": "bytes=9999-"}, status=416),
    Case("not modified", "GET", "/v1/tensor?experiment=known&" + TENSOR, headers={"If-None-Match": "*"}, status=304),
]


class Asker:
    """Sends requests on a connection that was opened while memory was available."""

    def __init__(self, daemon):
        self.connection = daemon.connect()

    def ask(self, request):
        """(status, headers, body), or None without a response. The body is None if it was cut off."""
        method, target, body, headers = request
        try:
            self.connection.request(method, target, body=body, headers=headers)
            response = self.connection.getresponse()
            status, kept = response.status, {name: value for name, value in response.getheaders() if name not in VARYING}
            return status, kept, response.read()
        except http.client.IncompleteRead:
            self.connection.close()
            return status, kept, None
        except (http.client.RemoteDisconnected, ConnectionError):
            self.connection.close()
            return None


# Headers that differ between equal responses.
VARYING = {"Date", "Sower-Request", "Connection"}


def without_time(response):
    """The response without the time and the signature of a head, and without the numbers of /metrics."""
    status, headers, body = response
    if body is not None and body.startswith(b"# HELP"):
        families = parse_text(body.decode(), "openmetrics" in headers["Content-Type"])
        headers, body = {**headers, "Content-Length": None}, sorted(families)
    if body is not None and b'"signature"' in body:
        head = json.loads(body)
        head = {name: value for name, value in head.items() if name not in ("time", "signature")}
        headers, body = {**headers, "Content-Length": None}, head
    return status, headers, body


def check(case, where, response, right):
    """Compares the response that was sent without memory with the expected one."""
    assert response is not None, f"{where}: no response"
    status, headers, body = response
    if status == 503:
        assert headers["Retry-After"] == "1" and headers["Content-Type"] == "application/problem+json", where
        assert case.method == "HEAD" or json.loads(body)["status"] == 503, where
        return
    if body is None:
        assert case.cut, f"{where}: cut off"
        assert (status, headers) == right[:2], where
        return
    assert without_time(response) == without_time(right), where


# Blocks that may still be allocated at the end of a case: the last request is released after its response. A leak of one block
# per request would be more.
RELEASED_LATER = 60
SAMPLED_FROM = 300


class FailingDaemon:
    """A daemon in which a test can make allocations fail."""

    def __init__(self, directory, *options):
        self.memory = Memory(directory)
        self.daemon = Daemon(directory / "state", "--threads", "2", "--compute-threads", "2", *options, environment=self.memory.environment)
        self.number = self.total = 0
        self.drawn = {("known", 0, "w"), ("strict", 0, "w")}  # draws that may be in the ledger
        for experiment, _, _ in self.drawn:
            assert self.daemon.get(f"/v1/tensor?experiment={experiment}&{TENSOR}").status == 200
        assert self.daemon.request("PUT", "/v1/experiments/strict/pin").status == 200
        self.hash = self.daemon.post("/v1/manifests", RECIPE).json()["manifest"]
        self.draw = self.daemon.get(f"/v1/plan?experiment=known&{TENSOR}").json()["draw"]

    def next(self, case):
        """The next request of the case. Adds its draws to `drawn`."""
        self.number += 1
        method, target, body, headers = case.request(self.number)
        target = target.replace("HASH", self.hash).replace("DRAW", self.draw)
        path, _, query = target.partition("?")
        fields = json.loads(body) if body and case.status == 200 else dict(urllib.parse.parse_qsl(query))
        if path in ("/v1/tensor", "/v1/model", "/v1/draws") and case.status == 200 and method != "HEAD":
            tensors = fields.get("tensors", RECIPE["tensors"] if path == "/v1/model" else [fields])
            self.drawn |= {(fields["experiment"], int(fields.get("trial", 0)), tensor["name"]) for tensor in tensors if "same_as" not in tensor}
        return method, target, body, headers

    def fail_each(self, case, onward, recovers=False):
        """Fails each allocation of a request in turn, with `onward` also all later ones. `recovers`: the daemon may need some time
        until it sends the expected response again."""
        asker, allocation, undisturbed = Asker(self.daemon), 1, 0
        assert asker.ask(self.next(case))[0] == case.status
        held = self.memory.held
        while undisturbed < 2:
            request = self.next(case)
            self.memory.arm(allocation, FOREVER if onward else allocation)
            response = asker.ask(request)
            self.memory.armed = 0
            right = asker.ask(request)
            deadline = time.monotonic() + PATIENCE
            while recovers and right is not None and right[0] == 503 and time.monotonic() < deadline:
                right = asker.ask(request)
            where = f"{case.name}, allocation {allocation}"
            assert self.daemon.process.poll() is None, f"{where}: {self.daemon.rest_of_log()}"
            assert right is not None and right[0] == case.status, f"{where}: then {right}"
            check(case, where, response, right)
            undisturbed = undisturbed + 1 if self.memory.failed == 0 else 0
            self.total += self.memory.failed > 0
            allocation += case.sample if allocation >= SAMPLED_FROM else 1
        assert case.is_unique() or self.memory.held - held < RELEASED_LATER, f"{case.name}: {self.memory.held - held} blocks more"


@pytest.fixture(scope="module")
def failing_daemon(tmp_path_factory):
    failing_daemon = FailingDaemon(tmp_path_factory.mktemp("short"))
    yield failing_daemon
    assert failing_daemon.daemon.stop() == 0, failing_daemon.daemon.rest_of_log()


@pytest.mark.parametrize("onward", [False, True], ids=["one", "onward"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_allocation_of_a_request_may_fail(failing_daemon, case, onward):
    failing_daemon.fail_each(case, onward)


def test_a_connection_without_memory_is_closed_or_gets_a_response(failing_daemon):
    """Without the memory of a connection, in libmicrohttpd or in the daemon, no response is possible."""
    case = CASES[0]
    right = Asker(failing_daemon.daemon).ask(case.request(0))
    for onward in (False, True):
        undisturbed = allocation = 0
        while undisturbed < 2:
            allocation += 1
            failing_daemon.memory.arm(allocation, FOREVER if onward else allocation)
            response = Asker(failing_daemon.daemon).ask(case.request(0))
            failing_daemon.memory.armed = 0
            assert Asker(failing_daemon.daemon).ask(case.request(0)) == right
            if response is not None:
                check(case, f"connection, allocation {allocation}", response, right)
            undisturbed = undisturbed + 1 if failing_daemon.memory.failed == 0 else 0
            failing_daemon.total += failing_daemon.memory.failed > 0


def check_ledger(failing_daemon, command):
    verified = sow_programs.run(command)
    assert verified.returncode == 0, verified.stderr
    lines = [line for line in failing_daemon.daemon.ledger() if line["kind"] == "draw"]
    drawn = [(line["experiment"], line["trial"], line["name"]) for line in lines]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == failing_daemon.drawn


def test_the_ledger_has_only_the_requested_draws(failing_daemon, capsys):
    with capsys.disabled():
        print(f"\n{failing_daemon.total} times the daemon's memory ran out at another place; {len(failing_daemon.drawn)} draws", end=" ")
        if not ALL:
            sampled = ", ".join(f"one of {case.sample} of {case.name}" for case in CASES if case.sample > 1)
            print(f"(LEFT OUT: a ledger in PostgreSQL; SAMPLED: {sampled}; SOWER_MEMORY_ALL=1 takes all)", end=" ")
    check_ledger(failing_daemon, ["ledger", "verify", failing_daemon.daemon.state / "ledger.sqlite"])


# Requests that read or write the ledger, for a ledger in PostgreSQL. They take minutes: libpq may lose a result for which it has
# no memory, and the daemon then waits some seconds for it. (A plan that cannot read the ledger has no line.)
USES_LEDGER = {"trials, by a key", "trials, with purposes", "tensor, drawn for the first time", "model, drawn for the first time", "pin", "manifest, new", "experiment",
                 "ledger, narrowed", "ledger head"}
needs_minutes = pytest.mark.skipif(not ALL, reason="takes minutes: SOWER_MEMORY_ALL=1 runs it")


@pytest.fixture(scope="module")
def failing_daemon_on_postgres(tmp_path_factory):
    server = Postgres()
    server.create("ledger")
    failing_daemon = FailingDaemon(tmp_path_factory.mktemp("short"), "--ledger", server.url("ledger"))
    yield failing_daemon
    assert failing_daemon.daemon.stop() == 0, failing_daemon.daemon.rest_of_log()
    server.close()


@needs_minutes
@pytest.mark.parametrize("case", [case for case in CASES if case.name in USES_LEDGER], ids=lambda case: case.name)
def test_each_allocation_of_a_request_may_fail_with_a_ledger_in_postgres(failing_daemon_on_postgres, case):
    failing_daemon_on_postgres.fail_each(case, onward=False, recovers=True)


@needs_minutes
def test_the_ledger_in_postgres_has_only_the_requested_draws(failing_daemon_on_postgres, capsys):
    with capsys.disabled():
        print(f"\n{failing_daemon_on_postgres.total} times with a ledger in PostgreSQL", end=" ")
    check_ledger(failing_daemon_on_postgres, ["ledger", "verify", "--server", f"http://{failing_daemon_on_postgres.daemon.address}"])


# sow. For each allocation a command runs in a new directory. The files that it writes are compared too.
DRAW = ["--experiment", "known", "--name", "w", "--shape", "4,6", "--init", "normal(std=0.02)"]
LONG = ["--experiment", "known", "--name", "w" * 400, "--shape", "4,6", "--init", "normal(mean=0.25,std=0.02)"]
MANY = ["--experiment", "known", "--manifest", "MANIFEST"]
COMMANDS = {
    "get": ["get", *DRAW, "--format", "raw"],
    "get, to a file": ["get", *DRAW, "--output", "w.npy"],
    "get, refused": ["get", *DRAW, "--fan-in", "0"],
    "plan": ["plan", *DRAW],
    "plan, long": ["plan", *LONG, "--trial", "7", "--json"],
    "plan, offline": ["plan", *DRAW, "--offline"],
    "stats": ["stats", *DRAW],
    "stats of a model": ["stats", *MANY],
    "model": ["model", *MANY, "--verify", "--output", "m.safetensors"],
    "model, in two jobs": ["model", *MANY, "--trial", "3", "--jobs", "2", "--output", "m.safetensors"],
    "model, like another": ["model", "--experiment", "known", "--like", "LIKE", "--init", "zeros", "--output", "m.safetensors"],
    "model, with options": ["model", *MANY, "--same-as", "another=tied", "--leave-out", "none*", "--blocks", "h", "--constant", "scale=0.5",
                            "--layers", "2", "--init", "zeros", "--output", "m.safetensors"],
    "trial new": ["trial", "new", "--experiment", "keyed", "--count", "3", "--idempotency-key", "key"],
    "seed": ["seed", "--experiment", "known", "--name", "w"],
    "ledger": ["ledger", "--limit", "5"],
    "ledger head": ["ledger", "head"],
    "ledger verify": ["ledger", "verify", "LINES"],
    "ledger verify, of SQLite": ["ledger", "verify", "SQLITE"],
    "derive": ["derive", *DRAW, "--output", "w.npy"],
    "derive, of a model": ["derive", *MANY, "--output", "m.safetensors"],
    "derive, from a receipt": ["derive", "--receipt", "RECEIPT", "--output", "m.safetensors"],
    "derive, from a line": ["derive", "--line", "DRAWS", "--name", "w", "--output", "w.npy"],
    "verify": ["verify", "LIKE", "--receipt", "RECEIPT"],
    "verify, by the daemon's manifest": ["verify", "LIKE", "--server", "SERVER"],
    "verify, by a manifest": ["verify", "LIKE", "--manifest", "MANIFEST"],
    "verify, of NumPy": ["verify", "NPY", *DRAW],
    "replay": ["replay", "LINES", "--output", "."],
    "replay, online": ["replay", "LINES", "--line", "1", "--online"],
    "experiments": ["experiments", "--limit", "3"],
    "experiment": ["experiments", "known"],
    "pin": ["pin", "pinned"],
    "initializers": ["initializers"],
    "initializer": ["initializers", "he_normal", "--json"],
    "recipes": ["recipes", "--json"],
    "recipe": ["recipes", "hf_gpt2"],
    "help": ["get", "--help"],
}

# Commands with thousands of allocations in a library: only every n-th fails, unless SOWER_MEMORY_ALL is set.
SAMPLED = {"ledger verify, of SQLite": 5, "recipes": 97}
SAMPLED_START = 10
PROCESSES = 2


class Sow:
    """A daemon with some lines in its ledger, and the files that commands read."""

    def __init__(self, directory):
        self.total, self.sampled, self.ended_by_others = 0, [], 0
        self.daemon = Daemon(directory / "state", "--threads", "2", "--compute-threads", "2")
        for name in "wv":
            assert self.daemon.get(f"/v1/tensor?experiment=known&trial=0&{TENSOR}".replace("=w", "=" + name)).status == 200
        assert self.daemon.request("PUT", "/v1/experiments/pinned/pin").status == 200
        tied = {**LAYERS[0], "name": "tied", "same_as": LAYERS[0]["name"]}
        manifest = {"tensors": [*LAYERS[:2], tied], "rules": MODEL["rules"]}
        self.files = {name: str(directory / name) for name in ("MANIFEST", "LIKE", "LINES", "SQLITE", "RECEIPT", "DRAWS", "NPY")}
        self.files["SERVER"] = f"http://{self.daemon.address}"
        (directory / "MANIFEST").write_text(json.dumps(manifest))
        (directory / "LIKE").write_bytes(self.daemon.post("/v1/model", {**manifest, "experiment": "like"}).body)
        (directory / "RECEIPT").write_bytes(self.daemon.post("/v1/draws", {**manifest, "experiment": "like"}).body)
        (directory / "DRAWS").write_bytes(self.daemon.get("/v1/ledger?experiment=known").body)
        (directory / "NPY").write_bytes(self.daemon.get(f"/v1/tensor?experiment=known&trial=0&{TENSOR}").body)
        (directory / "LINES").write_bytes(self.daemon.get("/v1/ledger").body)
        with sqlite3.connect(directory / "state/ledger.sqlite") as ledger, sqlite3.connect(directory / "SQLITE") as copy:
            ledger.backup(copy)
        self.environment = sow_programs.environment(SOW_SERVER=f"http://{self.daemon.address}")

    def start(self, name, memory, results):
        results.mkdir()
        arguments = [self.files.get(argument, argument) for argument in COMMANDS[name]]
        if arguments[0] not in ("seed", "initializers", "recipes", "derive"):
            arguments += ["--retry-seconds", "0"]
        environment = {**self.environment, **memory.environment, "SOWER_MEMORY_RESULTS": str(results)}
        environment["ASAN_OPTIONS"] += ":detect_leaks=0"  # OpenSSL leaks when its initialization fails
        return sow_programs.start(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def fail_each(self, name, directory, point, onward=False, most=FOREVER, sample=1):
        """Fails each allocation of a command in turn, or every `sample`-th. With `onward` all later ones fail too."""
        if sample > 1 and not ALL:
            self.sampled.append(f"one of {sample} of {'the start' if most < FOREVER else name}")
        else:
            sample = 1
        running = []
        for i in range(PROCESSES):
            own = directory / str(i)
            own.mkdir()
            memory = Memory(own)
            memory.fork_each(point, onward, start=1 + i * sample, most=most, step=PROCESSES * sample)
            running.append((own / "results", self.start(name, memory, own / "results")))
        ends = {}
        for results, process in running:
            for line in process.communicate()[0].decode().splitlines():
                number, status, failed = map(int, line.split())
                ends[number] = read_end(results / str(number), status), failed
        self.judge(name, ends, starting=most < FOREVER)

    def judge(self, name, ends, starting):
        right, _ = ends[max(ends)]
        wrong = []
        for number, (end, failed) in ends.items():
            if end["status"] == 3:
                good = re.fullmatch(rb"(.*\n)*sow\b.+\n(.*\n)*", end["stderr"]) and {*end} <= {*right}
            else:
                good = {**end, "stderr": b""} == {**right, "stderr": b""}
            # OpenSSL 3.5 (Debian 13) deadlocks when libcurl initializes it without memory. Older versions do not.
            hangs = starting and ssl.OPENSSL_VERSION_INFO >= (3, 5) and end["status"] == -signal.SIGALRM
            if hangs or (end["status"] != 3 and any(text in end["stderr"] for text in Memory.ENDS_OF_OTHERS)):
                self.ended_by_others += 1
            elif not good:
                wrong.append((number, end["status"], [*end], end["stderr"].decode()))
            self.total += failed > 0
        assert not wrong, f"sow {name}: of {len(ends)} allocations {len(wrong)}, first {sorted(wrong)[:3]}"


def read_end(directory, status):
    """The exit status of a command and the files in its directory. Of a ledger's head only the fields without time and signature."""
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    if b'"signature"' in files["stdout"]:
        head = json.loads(files["stdout"])
        files["stdout"] = (head["ledger"], head["chains"])
    return {"status": os.waitstatus_to_exitcode(status), **files}


@pytest.fixture(scope="module")
def sow(tmp_path_factory):
    sow = Sow(tmp_path_factory.mktemp("sow"))
    yield sow
    assert sow.daemon.stop() == 0, sow.daemon.rest_of_log()


@pytest.mark.parametrize("onward", [False, True], ids=["one", "onward"])
@pytest.mark.parametrize("command", COMMANDS)
def test_each_allocation_of_a_command_may_fail(sow, tmp_path, command, onward):
    sow.fail_each(command, tmp_path, Memory.AT_LIBCURL, onward, sample=SAMPLED.get(command, 1))


@pytest.mark.parametrize("onward", [False, True], ids=["one", "onward"])
def test_each_allocation_of_the_start_of_sow_may_fail(sow, tmp_path, onward):
    memory = Memory(tmp_path)
    memory.arm(0, 0)
    assert sow_programs.run(["--version"], env={**sow.environment, **memory.environment}).returncode == 0
    sow.fail_each("recipe", tmp_path, Memory.AT_MAIN, onward, most=memory.started, sample=SAMPLED_START)


def test_print_the_counts_of_sow(sow, capsys):
    with capsys.disabled():
        print(f"\n{sow.total} times sow's memory ran out at another place", end=" ")
        if sow.ended_by_others:
            print(f"({sow.ended_by_others} of them were ENDED BY OPENSSL OR THE SANITIZER itself)", end=" ")
        if sow.sampled:
            print(f"(SAMPLED: {', '.join(sow.sampled)}; SOWER_MEMORY_ALL=1 takes all)", end=" ")
