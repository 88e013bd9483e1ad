"""/metrics: every figure is true, the text is what Prometheus reads, and the number of samples does not depend on clients."""
import errno
import json
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from conftest import PATIENCE, ROOT, Response
from exposition import OPEN_METRICS, TEXT, Metrics, parse, parse_text, read
from injected import faults  # noqa: F401
from old_ledgers import make_old_ledger
from tokens import Token, write_tokens

COUNTING = {"counter", "histogram"}


class Connection:
    """Requests on one connection: the daemon has counted a request before it reads the next one."""

    def __init__(self, daemon):
        self.connection = daemon.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body=body, headers=headers or {})
        return Response(self.connection.getresponse())

    def metrics(self):
        return Metrics(parse(self.ask("GET", "/metrics")))


def tensor(name, **fields):
    return "/v1/tensor?" + "&".join(f"{key}={value}" for key, value in {**dict(experiment="e", name=name, shape="4,6", init="normal"), **fields}.items())


def wait_for(daemon, wanted, headers={}):
    """Reads /metrics until `wanted` accepts the figures."""
    deadline = time.monotonic() + PATIENCE
    while not wanted(figures := read(daemon, **headers)):
        assert time.monotonic() < deadline, figures.samples()
    return figures


# The text

ACCEPTED = [
    (None, TEXT),
    ("", TEXT),
    ("*/*", TEXT),
    ("text/plain", TEXT),
    ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
    ("application/openmetrics-text", OPEN_METRICS),
    ("application/openmetrics-text; version=1.0.0", OPEN_METRICS),
    ("Application/OpenMetrics-Text;Version=1.0.0", OPEN_METRICS),
    ("application/openmetrics-text;version=2.0.0", TEXT),
    ("application/openmetrics-text;version=0.0.1", TEXT),
    ("application/openmetrics-text;q=0", TEXT),
    ("application/openmetrics-text;q=0.2,text/plain;q=0.3", TEXT),
    ("application/openmetrics-text;q=0.2,*/*;q=0.3", TEXT),
    ("application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*;q=0.9", OPEN_METRICS),
    ("application/openmetrics-text;q=2", TEXT),
    ("application/openmetrics-text;q=0.0000000000000001", TEXT),
    (",;,;=;q=,application/openmetrics-text", OPEN_METRICS),
    # Prometheus 2.42 and 3.5
    ("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN_METRICS),
    ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN_METRICS),
]


@pytest.mark.parametrize("accept, media", ACCEPTED)
def test_the_form_is_the_one_that_accept_prefers(daemon, accept, media):
    response = daemon.get("/metrics", {} if accept is None else {"Accept": accept})
    assert response.headers["Content-Type"] == media
    assert response.headers["Vary"] == "Accept" and response.headers["Cache-Control"] == "no-store"
    assert parse(response)
    head = daemon.request("HEAD", "/metrics", headers={} if accept is None else {"Accept": accept})
    assert head.headers["Content-Type"] == media and head.body == b""


def test_both_forms_have_the_same_families_and_samples(start):
    with Connection(start()) as connection:
        for path in (tensor("w"), tensor("w"), tensor("q", init="orthogonal"), "/nothing"):
            connection.ask("GET", path)
        connection.metrics(), connection.metrics()  # so that /metrics is among the routes
        plain, other = (parse(connection.ask("GET", "/metrics", headers={"Accept": accept})) for accept in (TEXT, OPEN_METRICS))
    assert {(family.name, family.type, family.help) for family in plain.values()} == {(family.name, family.type, family.help) for family in other.values()}
    assert Metrics(plain).samples().keys() == Metrics(other).samples().keys()


def test_promtool_finds_nothing_to_complain_about(daemon):
    if not shutil.which("promtool"):
        pytest.skip("promtool is missing: apt install prometheus")
    daemon.get(tensor("w"))
    done = subprocess.run(["promtool", "check", "metrics"], input=daemon.get("/metrics").body, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_client_library_of_prometheus_reads_the_same_figures(daemon):
    pytest.importorskip("prometheus_client", reason="the package python3-prometheus-client is missing")
    from prometheus_client import parser
    from prometheus_client.openmetrics import parser as openmetrics_parser

    daemon.get(tensor("w"))
    for accept, read_text in ((TEXT, parser), (OPEN_METRICS, openmetrics_parser)):
        response = daemon.get("/metrics", {"Accept": accept})
        theirs = {(sample.name, frozenset(sample.labels.items())): sample.value
                  for family in read_text.text_string_to_metric_families(response.body.decode()) for sample in family.samples}
        assert theirs == Metrics(parse(response)).samples()


@pytest.mark.parametrize("text", [
    "sower_x 1\n", "# TYPE sower_x gauge\nsower_x 1\n", "# HELP sower_x A.\n# TYPE sower_x gauge\nsower_x 1", "# HELP sower_x A.\n# TYPE sower_x gauge\nsower_x 1\nsower_x 1\n",
    "# HELP sower_x A.\n# TYPE sower_x counter\nsower_x 1\n", '# HELP sower_x A.\n# TYPE sower_x gauge\nsower_x{a="b" 1\n', '# HELP sower_x A.\n# TYPE sower_x gauge\nsower_x{a="b",} 1\n',
    "# HELP sower_x A.\n# TYPE sower_x gauge\nsower_x -1\n", "# HELP sower_x A.\n# TYPE sower_x gauge\nsower_y 1\n", "# HELP sower_x A.\n# TYPE sower_x gauge\n\nsower_x 1\n",
    '# HELP sower_x A.\n# TYPE sower_x histogram\nsower_x_bucket{le="1.0"} 2\nsower_x_bucket{le="+Inf"} 1\nsower_x_sum 1\nsower_x_count 1\n',
    '# HELP sower_x A.\n# TYPE sower_x histogram\nsower_x_bucket{le="1.0"} 1\nsower_x_sum 1\nsower_x_count 1\n',
])
def test_the_parser_of_these_tests_refuses_what_is_wrong(text):
    with pytest.raises((AssertionError, AttributeError, KeyError)):
        parse_text(text, open_metrics=False)


def test_metrics_takes_no_fields(daemon):
    assert daemon.get("/metrics?name=x").status == daemon.get("/metrics?x").status == 400


def test_metrics_follows_the_rules_for_hosts(daemon):
    assert daemon.get("/metrics", {"Host": "elsewhere.example"}).status == 421
    assert daemon.get("/metrics", {"Origin": "https://elsewhere.example"}).status == 403


# The figures

def test_every_request_is_counted_once_under_its_route_method_and_status(start):
    asked = [
        ("GET", tensor("w"), None, "/v1/tensor", 200), ("GET", tensor("w"), None, "/v1/tensor", 200), ("GET", tensor("w"), None, "/v1/tensor", 200),
        ("HEAD", tensor("w"), None, "/v1/tensor", 200), ("GET", tensor("w", shape="x"), None, "/v1/tensor", 400), ("GET", "/v1/tensor", None, "/v1/tensor", 400),
        ("POST", "/v1/plan", json.dumps(dict(experiment="e", name="w", shape=[4, 6], init="normal")), "/v1/plan", 200),
        ("PUT", "/v1/experiments/e/pin", None, "/v1/experiments/{experiment}/pin", 200), ("DELETE", "/v1/experiments/e/pin", None, "/v1/experiments/{experiment}/pin", 200),
        ("GET", "/v1/experiments/e", None, "/v1/experiments/{experiment}", 200), ("GET", "/v1/experiments/never", None, "/v1/experiments/{experiment}", 404),
        ("POST", "/v1/experiments/e/trials", None, "/v1/experiments/{experiment}/trials", 200), ("DELETE", "/v1/tensor", None, "/v1/tensor", 405),
        ("BREW", "/v1/tensor", None, "/v1/tensor", 405), ("GET", "/v1/ledger?limit=2", None, "/v1/ledger", 200), ("GET", "/", None, "unknown", 404),
        ("BREW", "/coffee", None, "unknown", 404), ("GET", "/healthz", None, "/healthz", 200), ("GET", "/readyz", None, "/readyz", 200),
    ]
    expected, sent, reasons = {}, {}, {}
    with Connection(start()) as connection:
        for method, path, body, route, status in asked:
            response = connection.ask(method, path, body)
            assert response.status == status, (path, response.body)
            labels = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other", route, str(status)
            expected[labels] = expected.get(labels, 0) + 1
            sent[route, str(status)] = sent.get((route, str(status)), 0) + len(response.body)
            if status >= 400:
                reason = {400: "invalid", 404: "not_found", 405: "method"}[status]
                reasons[reason] = reasons.get(reason, 0) + 1
        figures = connection.metrics()
    requests = {tuple(dict(labels)[key] for key in ("method", "route", "status")): value
                for (name, labels), value in figures.samples().items() if name == "sower_requests_total"}
    assert requests == expected
    for (route, status), size in sent.items():
        assert figures("sower_response_bytes_total", route=route, status=status) == size, route
        assert figures("sower_request_seconds_count", route=route, status=status) == figures("sower_requests_total", route=route, status=status)
    assert {dict(labels)["reason"]: value for (name, labels), value in figures.samples().items() if name == "sower_refusals_total" and value} == reasons
    assert figures("sower_connections_accepted_total") == figures("sower_connections") == 1
    assert figures("sower_requests_in_progress") == 1 and figures("sower_requests_waiting") == figures("sower_streams") == 0


def test_lines_commits_caches_and_the_ledger_are_counted(recorder):
    with Connection(recorder) as connection:
        before = connection.metrics()
        assert before("sower_ready") == 1 and before("sower_ledger_last_line") == before("sower_ledger_lines_total") == 0
        for _ in range(4):  # new; known; known and kept; from the kept responses
            connection.ask("GET", tensor("w"))
        manifest = dict(experiment="e", tensors=[dict(name=f"m{n}", shape=[3], init="zeros") for n in range(5)])
        connection.ask("POST", "/v1/draws", json.dumps(manifest))
        connection.ask("POST", "/v1/draws", json.dumps(manifest))
        connection.ask("POST", "/v1/experiments/e/trials", json.dumps(dict(count=3)))
        connection.ask("PUT", "/v1/experiments/e/pin")
        connection.ask("PUT", "/v1/experiments/e/pin")
        connection.ask("GET", "/readyz")
        figures = connection.metrics()
    assert figures("sower_ledger_lines_total") == figures("sower_ledger_last_line") == 1 + 5 + 1 + 1
    assert figures("sower_ledger_commit_seconds_count") == 4
    assert figures("sower_ledger_failures_total") == figures("sower_ledger_queue") == 0
    assert figures("sower_cache_hits_total", cache="answers") == 2 and figures("sower_cache_misses_total", cache="answers") == 2
    assert 0 < figures("sower_cache_bytes", cache="answers") < figures("sower_cache_limit_bytes", cache="answers")
    assert figures("sower_known_draws_hits_total") >= 1 and figures("sower_known_draws_misses_total") >= 1


def test_after_a_restart_the_counters_begin_again_and_the_last_line_stays(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    daemon.get(tensor("w"))
    assert read(daemon)("sower_ledger_lines_total") == 1
    daemon.stop()
    daemon = start(state=tmp_path / "state")
    figures = read(daemon)
    assert figures("sower_ledger_lines_total") == 0 and figures("sower_ledger_last_line") == 1
    daemon.get(tensor("w"))
    assert read(daemon)("sower_ledger_lines_total") == 0


def test_preparations_and_their_cache_are_counted(start):
    daemon = start()
    with Connection(daemon) as connection:
        for name in ("p", "q", "q"):
            connection.ask("GET", tensor(name, init="orthogonal", shape="32,32"))
        figures = connection.metrics()
    assert figures("sower_preparation_seconds_count") == figures("sower_cache_misses_total", cache="sources") == 2
    assert figures("sower_cache_hits_total", cache="sources") == 1
    assert 0 < figures("sower_cache_bytes", cache="sources") < figures("sower_cache_limit_bytes", cache="sources")
    assert figures("sower_preparations") == figures("sower_preparations_waiting") == 0


def test_requests_that_wait_and_streams_are_seen_while_they_last(start):
    daemon = start()
    with daemon.socket() as long, daemon.socket() as heavy:
        long.sendall(b"GET " + tensor("long", shape="2147483648").encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        long.recv(1000)
        heavy.sendall(b"GET " + tensor("heavy", init="orthogonal", shape="4096,4096").encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        figures = wait_for(daemon, lambda figures: figures("sower_preparations") == 1)
        assert figures("sower_requests_waiting") == 1 and figures("sower_streams") == 1
        assert figures("sower_requests_in_progress") == 3 and figures("sower_connections") >= 3
    wait_for(daemon, lambda figures: figures("sower_requests_total", route="/v1/tensor") == 2 and
             figures("sower_streams") == figures("sower_requests_waiting") == figures("sower_preparations") == 0)


def test_a_ledger_that_fails_is_not_ready_and_its_failures_are_counted(start, faults):  # noqa: F811
    daemon = start(environment=faults.environment)
    assert read(daemon)("sower_ready") == 1
    faults.write_error = errno.EIO
    assert daemon.get(tensor("w")).status == 503
    figures = read(daemon)
    assert figures("sower_ready") == 0 and figures("sower_ledger_failures_total") == 1
    assert figures("sower_refusals_total", reason="unavailable") == 1 and figures("sower_ledger_lines_total") == 0
    faults.write_error = 0
    assert daemon.get(tensor("w")).status == 200
    figures = read(daemon)
    assert figures("sower_ready") == 1 and figures("sower_ledger_lines_total") == 1


def test_requests_without_sound_headers_are_counted(start):
    daemon = start()
    for text in (b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nX"):
        with daemon.socket() as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(PATIENCE)
            while connection.recv(1000):
                pass
    wait_for(daemon, lambda figures: figures("sower_requests_unread_total") == 2)


def test_the_build_and_the_start_are_named(daemon):
    figures = read(daemon)
    (_, labels), = [key for key in figures.samples() if key[0] == "sower_build_info"]
    version = re.search(r'SOWER_VERSION "(.+)"', (ROOT / "proto/version.h").read_text())[1]
    assert dict(labels)["version"] == version and dict(labels)["libmicrohttpd"] == daemon.library and dict(labels)["kernel"]
    assert 0 < time.time() - figures("process_start_time_seconds") < 3600
    assert 0 < figures("process_cpu_seconds_total") < 3600


def test_a_clock_that_is_behind_the_ledger_is_seen(start, faults, tmp_path):  # noqa: F811
    ahead = start(environment=faults.environment, state=tmp_path / "state")
    faults.clock = 100_000
    assert ahead.get(tensor("w")).status == 200
    ahead.stop()
    faults.clock = 0
    daemon = start(environment=faults.environment, state=tmp_path / "state")
    assert daemon.get("/readyz").status == 200
    assert 0 < read(daemon)("sower_clock_behind_seconds") <= 100


def test_requests_and_lines_are_counted_by_the_name_of_their_token(start, tmp_path):
    draws, plans, scrapes = Token("draws", "draw"), Token("plans", "plan"), Token("scrapes", "metrics")
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens", draws, plans, scrapes)))
    with Connection(daemon) as connection:
        for name in ("v", "w", "w"):
            assert connection.ask("GET", tensor(name), headers=draws.headers).status == 200
        assert connection.ask("GET", tensor("w"), headers=plans.headers).status == 403
        assert connection.ask("GET", tensor("w"), headers=Token("draws").headers).status == 401
        assert connection.ask("GET", "/metrics").status == 401 and connection.ask("GET", "/metrics", headers=draws.headers).status == 403
    figures = wait_for(daemon, lambda figures: figures("sower_requests_total", status="401") == figures("sower_requests_total", status="403") == 2, scrapes.headers)
    by_token = {(name, dict(labels)["token"]): value for (name, labels), value in figures.samples().items() if dict(labels).get("token") in ("draws", "plans")}
    assert by_token == {("sower_token_requests_total", "draws"): 4, ("sower_token_requests_total", "plans"): 1, ("sower_token_lines_total", "draws"): 2,
                        ("sower_token_lines_total", "plans"): 0}, by_token
    assert figures("sower_refusals_total", reason="unauthenticated") == figures("sower_refusals_total", reason="forbidden") == 2


def test_the_size_of_the_ledger_and_its_limits_are_seen(start):
    daemon = start("--ledger-max", "1M", "--ledger-reserve", "4096")
    assert read(daemon)("sower_ledger_limit_bytes") == 1 << 20
    daemon.get(tensor("w"))
    daemon.get("/readyz")
    daemon.get(tensor("v"))
    figures, files = read(daemon), [daemon.state / name for name in ("ledger.sqlite", "ledger.sqlite-wal")]
    assert 0 < figures("sower_ledger_size_bytes") <= sum(path.stat().st_size for path in files)
    assert figures("sower_ledger_free_bytes") > figures("sower_ledger_reserve_bytes") == 4096 and figures("sower_ledger_full") == 0
    full = start("--ledger-reserve", str(1 << 62))
    assert full.get(tensor("w")).status == 503
    figures = read(full)
    assert figures("sower_ledger_full") == 1 and figures("sower_ready") == figures("sower_ledger_lines_total") == figures("sower_ledger_failures_total") == 0


# What clients cannot do to it

def hostile(number):
    """Requests with text of their own in every place where a request can have some."""
    text = f"n{number}"
    yield "GET", tensor(text).replace("experiment=e", f"experiment={text}"), {}
    yield "GET", f"/v1/experiments/{text}", {}
    yield "GET", f"/v1/draws/{number:064x}", {}
    yield "GET", f"/{text}/..%2f{text}?{text}", {}
    yield "GET", f"/metrics/{text}", {}
    yield f"M{number}", "/v1/tensor", {}
    yield f"M{number}", f"/{text}", {"User-Agent": text, "Accept": text, "X-Request-Id": text}
    yield "GET", "/v1/plan", {"Host": f"{text}.example"}
    yield "GET", f"/v1/stats?{text}={text}", {"Origin": f"https://{text}.example"}


def test_10000_experiments_paths_names_and_methods_add_no_sample(start):
    daemon = start("--log-level", "warning")
    with Connection(daemon) as connection:
        def send(number):
            for method, path, headers in hostile(number):
                if connection.ask(method, path, headers=headers).headers["Connection"] == "close":
                    connection.connection.close()

        send(0)
        connection.metrics()
        before = connection.metrics()
        for number in range(1, 10000 // len(list(hostile(0))) + 2):
            send(number)
        after = connection.metrics()
    assert after.samples().keys() == before.samples().keys()
    assert after("sower_requests_total") - before("sower_requests_total") > 10000


def test_scrapes_under_load_never_see_a_counter_fall(start):
    daemon = start("--threads", "4", "--log-level", "warning")
    ended, faults_seen, counts = threading.Event(), [], []

    def load(number):
        with Connection(daemon) as connection:
            while not ended.is_set():
                connection.ask("GET", tensor(f"w{number}"))
                connection.ask("GET", "/nothing")
                connection.ask("GET", tensor(f"{time.monotonic_ns()}"))

    def scrape():
        before, count = None, 0
        with Connection(daemon) as connection:
            while not ended.is_set() and not faults_seen:
                figures = connection.metrics()  # this checks that each histogram is consistent
                types = {name: family.type for name, family in figures.families.items()}
                now = {key: value for name, family in figures.families.items() if types[name] in COUNTING for key, value in family.samples.items()}
                faults_seen.extend((key, value, now.get(key)) for key, value in (before or {}).items() if now.get(key, -1) < value)
                before, count = now, count + 1
        counts.append(count)

    def guarded(function, *arguments):
        try:
            function(*arguments)
        except BaseException as reason:  # a failed assertion of the parser, for example
            faults_seen.append(reason)
            raise

    threads = [threading.Thread(target=guarded, args=(load, n)) for n in range(4)] + [threading.Thread(target=guarded, args=(scrape,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    ended.wait(3)
    ended.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not faults_seen and min(counts) > 3
    figures = read(daemon)
    assert figures("sower_requests_total", route="/metrics") >= sum(counts)


# When it works

def test_metrics_works_while_the_ledger_is_being_opened(start, tmp_path, faults):  # noqa: F811
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    faults.hold = 1  # in the migration
    daemon = start(state=tmp_path / "state", environment=faults.environment, until="listening")
    daemon.wait_for(lambda line: line.get("event") == "ledger_upgrade")
    assert read(daemon)("sower_ready") == 0
    assert daemon.get(tensor("w")).status == 503
    figures = read(daemon)
    assert figures("sower_ledger_refusals_total", reason="opening") == figures("sower_refusals_total", reason="unavailable") == 1
    faults.hold = 0
    daemon.wait_for(lambda line: line.get("event") == "ready")
    assert read(daemon)("sower_ready") == 1


def test_metrics_works_while_the_daemon_drains(start):
    daemon = start("--drain-seconds", "30")
    with daemon.socket() as long, Connection(daemon) as connection:
        connection.metrics()
        long.sendall(b"GET " + tensor("long", shape="2147483648").encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        long.recv(1000)
        daemon.signal(15)
        daemon.wait_for(lambda line: line.get("event") == "stopping")
        figures = connection.metrics()
        assert figures("sower_stopping") == 1 and figures("sower_ready") == 0 and figures("sower_streams") == 1
    assert daemon.process.wait(PATIENCE) == 0


def test_a_scrape_reads_no_file_and_waits_for_no_commit(start, faults):  # noqa: F811
    daemon = start(environment=faults.environment)
    faults.hold = 1  # writes to the disk wait
    with daemon.socket() as waiting:
        waiting.sendall(b"GET " + tensor("w").encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        figures = wait_for(daemon, lambda figures: figures("sower_requests_waiting") == 1)
        assert figures("sower_ready") == 1 and figures("sower_ledger_lines_total") == 0
        wait_for(daemon, lambda figures: figures("sower_ready") == 0)  # after five seconds
        faults.hold = 0
        assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
    figures = read(daemon)
    assert figures("sower_ready") == 1 and figures("sower_ledger_commit_seconds_sum") > 5
