"""The ledger in PostgreSQL: several daemons on one database, and failures of the database."""
import concurrent.futures
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from chain import check_chains
from conftest import PATIENCE, SOWERD, why_it_ended
from disks import disk_of, fill
from postgres import Pooler
from tokens import Token, write_tokens


@pytest.fixture
def database(postgres):
    """The URL of a database without a ledger."""
    postgres.query("ledger", "DROP SCHEMA IF EXISTS sower CASCADE")
    return postgres.url("ledger")


@pytest.fixture
def pair(start, database):
    return [start("--ledger", database), start("--ledger", database)]


def tensor(name, **more):
    return dict(experiment="shared", name=str(name), shape="8", init="normal", **more)


def get(daemon, name):
    return daemon.get("/v1/tensor", **tensor(name))


def whole_ledger(daemon):
    """All lines. Checks their numbers and chains."""
    lines = daemon.ledger()
    check_chains(lines)
    return lines


def together(count, work):
    with concurrent.futures.ThreadPoolExecutor(count) as threads:
        return list(threads.map(work, range(count)))


class Load:
    """Clients that request new tensors from the daemons in turn, each until it succeeds. Counts the responses."""

    def __init__(self, daemons, clients=6):
        self.daemons = daemons
        self.changed = threading.Condition()
        self.counts = {}
        self.lines = {}  # {name: line} of the successful responses
        self.stopped = False
        self.threads = [threading.Thread(target=self._work, args=(n,)) for n in range(clients)]
        self.failures = []

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        for thread in self.threads:
            thread.join()
        assert self.failures == []

    def _work(self, client):
        try:
            for number in itertools.count():
                name = f"{client}-{number}"
                while not self.stopped and not self._ask(self.daemons[(client + number) % len(self.daemons)], name):
                    pass
                if self.stopped:
                    return
        except Exception as problem:  # the test shows it
            self.failures.append(problem)

    def _ask(self, daemon, name):
        try:
            response = get(daemon, name)
        except OSError:  # the daemon was killed
            self._count("gone")
            return True
        if response.status == 503:
            assert int(response.headers["Retry-After"]) > 0 and response.problem()["detail"]
        else:
            assert response.status == 200, response.body
            self.lines[name] = int(response.headers["Sower-Ledger"])
        self._count(response.status)
        return response.status == 200

    def _count(self, what):
        with self.changed:
            self.counts[what] = self.counts.get(what, 0) + 1
            self.changed.notify_all()

    def wait_for_more(self, what, count):
        with self.changed:
            wanted = self.counts.get(what, 0) + count
            assert self.changed.wait_for(lambda: self.counts.get(what, 0) >= wanted or self.failures, PATIENCE)
            assert self.failures == []

    def check(self, lines):
        """Each successful response has its line, with the number in the response."""
        numbers = {line["name"]: line["ledger"] for line in lines}
        assert self.lines and all(numbers[name] == number for name, number in self.lines.items())


class Proxy:
    """A proxy between a daemon and the server. It can close the connection when the server reports a commit."""

    def __init__(self, server, directory):
        self.directory = directory
        self.target = str(server.directory / ".s.PGSQL.5432")
        self.cuts = 0
        self.round_trips = 0  # number of round trips: Sync messages of the protocol
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / ".s.PGSQL.5432"))
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            for source, target, watched in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, target, watched), daemon=True).start()

    def _pump(self, source, target, watched):
        try:
            while data := source.recv(65536):
                self.round_trips += 0 if watched else data.count(b"S\0\0\0\4")
                if watched and self.cuts > 0 and b"COMMIT\0" in data:
                    self.cuts -= 1
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


@pytest.fixture
def proxy(postgres, tmp_path_factory):
    proxy = Proxy(postgres, pathlib.Path(tmp_path_factory.mktemp("p")))
    yield proxy
    proxy.close()


def refused(url, *options, environment=None):
    """The error sentence of a daemon that cannot start."""
    done = subprocess.run([SOWERD, "--listen", "127.0.0.1:0", "--ledger", url, *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE, env={**os.environ, **(environment or {})})
    assert done.returncode == 1 and done.stdout == "", done
    assert why_it_ended(done.stderr).startswith("The ledger")
    assert "secret" not in done.stderr
    return why_it_ended(done.stderr)


def test_a_line_of_one_daemon_is_known_to_the_other(pair):
    first = get(pair[0], "w")
    second = get(pair[1], "w")
    assert first.headers["Sower-Ledger"] == second.headers["Sower-Ledger"] == "1" and first.body == second.body
    assert pair[1].get("/v1/tensor", **{**tensor("w"), "shape": "9"}).headers["Sower-Drift"] == "1"
    lines = whole_ledger(pair[0])
    assert lines == whole_ledger(pair[1]) and len({line["writer"] for line in lines}) == 2


def test_lines_are_the_same_as_on_sqlite(start, database):
    """All fields except time, writer and link."""
    on_each = []
    for options in ([], ["--ledger", database]):
        daemon = start(*options)
        for name in ["w", "ünïcode/🌱'\"\\", "x" * 512]:
            assert get(daemon, name).status == 200
        assert daemon.post("/v1/tensor", dict(experiment="e" * 256, trial=9223372036854775807, name="s", shape=[], init="ones")).status == 200
        assert daemon.post("/v1/experiments/a/trials", {"count": 3}, headers={"Idempotency-Key": "k'1"}).status == 200
        assert daemon.get("/v1/tensor", **{**tensor("w"), "dtype": "f16"}).headers["Sower-Drift"] == "1"
        on_each.append([{key: value for key, value in line.items() if key not in ("time", "writer", "link")}
                        for line in whole_ledger(daemon)])
        assert daemon.ledger(experiment="shared", limit=2)[1]["ledger"] == 2
    assert on_each[0] == on_each[1]


def test_two_daemons_give_each_trial_number_once_and_without_gaps(pair):
    def work(client):
        taken = []
        for number in range(15):
            fields = {"count": number % 3 + 1}
            response = pair[(client + number) % 2].post("/v1/experiments/e/trials", fields).json()
            taken += range(response["trial"], response["trial"] + response["count"])
        return taken

    numbers = sorted(itertools.chain(*together(8, work)))
    assert numbers == list(range(8 * 30))
    whole_ledger(pair[0])


def test_a_key_at_two_daemons_gets_one_number(pair):
    def work(client):
        headers = {"Idempotency-Key": f"job-{client // 4}"}
        return client // 4, pair[client % 2].post("/v1/experiments/e/trials", {}, headers=headers).json()["trial"]

    assert len(set(together(16, work))) == 4 and len(pair[0].ledger()) == 4


def test_a_model_requested_at_two_daemons_is_written_once(pair):
    tensors = [{"name": f"t{number}", "shape": [number % 3 + 1], "init": "normal"} for number in range(200)]

    def work(client):
        ordered = tensors[:: 1 if client < 4 else -1]
        return pair[client % 2].post("/v1/model", {"experiment": "m", "tensors": ordered}).status

    assert set(together(8, work)) == {200}
    assert len(whole_ledger(pair[0])) == 200


def test_a_pin_of_one_daemon_applies_to_the_other(pair):
    get(pair[0], "w")
    assert pair[0].request("PUT", "/v1/experiments/shared/pin").status == 200
    other = {**tensor("w"), "shape": "9"}
    assert pair[1].get("/v1/tensor", **other).status == pair[0].get("/v1/tensor", **other).status == 409
    assert pair[1].request("DELETE", "/v1/experiments/shared/pin").status == 200
    assert pair[0].get("/v1/tensor", **other).headers["Sower-Drift"] == "1"
    assert [line["kind"] for line in whole_ledger(pair[1])] == ["draw", "pin", "unpin", "draw"]


def test_the_same_new_names_at_two_daemons_get_one_line_each(pair):
    def work(client):
        return [get(pair[client % 2], f"w{number}").headers["Sower-Ledger"] for number in range(30)]

    responses = together(8, work)
    assert all(response == responses[0] for response in responses)
    assert sorted(map(int, responses[0])) == list(range(1, 31)) and len(whole_ledger(pair[0])) == 30


def test_a_reader_misses_no_line_while_two_daemons_write(pair):
    seen = []
    with Load(pair) as load:
        while len(seen) < 300:
            seen += pair[len(seen) % 2].ledger(after=len(seen), limit=50)
    assert [line["ledger"] for line in seen] == list(range(1, len(seen) + 1))
    lines = whole_ledger(pair[0])
    assert seen == lines[: len(seen)]
    load.check(lines)


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT], ids=["crash", "restart"])
def test_a_server_that_restarts_under_load_loses_no_recorded_draw(postgres, pair, number):
    known = [get(daemon, "known") for daemon in pair]
    with Load(pair) as load:
        load.wait_for_more(200, 40)
        postgres.stop(number)
        try:
            load.wait_for_more(503, 20)
            for daemon, before in zip(pair, known):
                assert get(daemon, "known").body == before.body
                while daemon.get("/readyz").status == 200:  # after a recent successful write, /readyz does not test the database
                    pass
                assert daemon.get("/readyz").status == 503 and daemon.get("/healthz").status == 200
                refusal = daemon.get("/v1/ledger")
                assert refusal.status == 503 and "database cannot be reached: " in refusal.problem()["detail"]
                assert "/" not in refusal.problem()["detail"]
        finally:
            postgres.start()
        load.wait_for_more(200, 60)
    assert [daemon.get("/readyz").status for daemon in pair] == [200, 200]
    lines = whole_ledger(pair[0])
    load.check(lines)
    assert lines == whole_ledger(pair[1])


def test_a_server_that_restarted_without_load_is_used_again_at_once(postgres, pair):
    get(pair[0], "w")
    pair[1].ledger()
    postgres.stop(signal.SIGINT)
    postgres.start()
    assert [get(daemon, "x").status for daemon in pair] == [200, 200]
    assert len(whole_ledger(pair[1])) == 2


def test_a_request_does_not_wait_forever_for_a_server_that_hangs(postgres, pair):
    known = get(pair[0], "known")
    postgres.freeze()
    try:
        assert get(pair[0], "known").body == known.body
        round_trips = [lambda: get(pair[0], "w"), lambda: pair[1].get("/v1/ledger"), lambda: pair[1].post("/v1/experiments/e/trials", {})]
        for response in together(3, lambda n: round_trips[n]()):
            assert response.status == 503 and "does not answer" in response.problem()["detail"]
            assert int(response.headers["Retry-After"]) > 0
    finally:
        postgres.thaw()
    while get(pair[0], "w").status != 200 or get(pair[1], "v").status != 200:
        pass
    assert len(whole_ledger(pair[1])) == 3


def test_a_stop_does_not_wait_for_a_server_that_hangs(postgres, start, database):
    daemon = start("--ledger", database, "--drain-seconds", "0")
    connections = [daemon.connect() for _ in range(8)]
    postgres.freeze()
    try:
        for number, connection in enumerate(connections):
            target = daemon.url("/v1/tensor", experiment="e", name=f"w{number}", shape="4", init="normal") if number % 2 else daemon.url("/v1/ledger")
            connection.request("GET", target.split(daemon.address)[1])
        assert daemon.get("/healthz").status == 200
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 5
        assert {connection.getresponse().status for connection in connections} == {503}
    finally:
        postgres.thaw()
    for connection in connections:
        connection.close()


def test_a_commit_whose_response_is_lost_is_found_by_the_next_request(postgres, start, database, proxy):
    daemon = start("--ledger", database.replace(str(postgres.directory), str(proxy.directory)))
    get(daemon, "before")
    proxy.cuts = 1
    assert get(daemon, "w").status == 503 and proxy.cuts == 0
    assert get(daemon, "w").headers["Sower-Ledger"] == "2"
    proxy.cuts = 1
    key = {"Idempotency-Key": "k"}
    assert daemon.post("/v1/experiments/e/trials", {}, headers=key).status == 503 and proxy.cuts == 0
    assert daemon.post("/v1/experiments/e/trials", {}, headers=key).json() | {"seed": ""} == {
        "experiment": "e", "trial": 0, "count": 1, "seed": "", "ledger": 3}
    assert get(daemon, "after").headers["Sower-Ledger"] == "4"
    assert len(whole_ledger(daemon)) == 4


@pytest.mark.parametrize("limits", [[], ["lines=100000", "lines/s=100000"]], ids=["free", "limited"])
def test_a_write_of_any_size_takes_three_round_trips(postgres, start, database, proxy, tmp_path, limits):
    """Also when the lines of a token are looked up and counted."""
    ci = Token("ci", "draw", "*", *limits)
    daemon = start("--ledger", database.replace(str(postgres.directory), str(proxy.directory)), "--tokens", str(write_tokens(tmp_path / "tokens", ci)))
    for count in (1, 700):
        before = proxy.round_trips
        tensors = [{"name": f"{count}-{number}", "shape": [1], "init": "zeros"} for number in range(count)]
        assert daemon.post("/v1/model", {"experiment": "m", "tensors": tensors}, headers=ci.headers).status == 200
        assert proxy.round_trips - before == 3
    before = proxy.round_trips
    daemon.get("/v1/tensor", headers=ci.headers, experiment="e", name="w", shape="4", init="normal")
    assert proxy.round_trips - before == 3
    daemon.get("/v1/tensor", headers=ci.headers, experiment="e", name="w", shape="4", init="normal")
    assert proxy.round_trips - before == 3, "known draws are in memory"


def test_a_kill_during_commits_leaves_no_gap(start, database, tmp_path):
    other = start("--ledger", database)
    received = {}
    for turn in range(4):
        daemon = start("--ledger", database, state=tmp_path / "killed")
        with Load([daemon, other], clients=8) as load:
            load.wait_for_more(200, 30 + 7 * turn)
            daemon.signal(signal.SIGKILL)
            daemon.process.wait()
            load.wait_for_more("gone", 1)
            load.wait_for_more(200, 10)
        for name, number in load.lines.items():
            assert received.setdefault(name, number) == number
    lines = whole_ledger(other)
    numbers = {line["name"]: line["ledger"] for line in lines}
    assert all(numbers[name] == number for name, number in received.items())
    assert len({line["writer"] for line in lines}) == 2


def test_a_restored_backup_continues_where_it_ended(postgres, start, database, tmp_path):
    daemon = start("--ledger", database, state=tmp_path / "state")
    tensors = [{"name": name, "shape": [4], "init": "normal"} for name in "ab"]
    assert daemon.post("/v1/model", {"experiment": "m", "tensors": tensors}).status == 200
    daemon.post("/v1/experiments/e/trials", {"count": 2}, headers={"Idempotency-Key": "k"})
    get(daemon, "w")
    before = whole_ledger(daemon)
    daemon.stop()
    postgres.run("pg_dump", "--dbname", "ledger", "--file", tmp_path / "dump.sql")
    restored = postgres.create("restored")
    postgres.run("psql", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", "restored", "--file", tmp_path / "dump.sql")
    daemon = start("--ledger", restored, state=tmp_path / "state")
    assert get(daemon, "w").headers["Sower-Ledger"] == "4" and get(daemon, "x").headers["Sower-Ledger"] == "5"
    assert daemon.post("/v1/experiments/e/trials", {"count": 2}, headers={"Idempotency-Key": "k"}).json()["trial"] == 0
    assert daemon.post("/v1/experiments/e/trials", {}).json()["trial"] == 2
    lines = whole_ledger(daemon)
    assert lines[:4] == before and len(lines) == 6 and len({line["writer"] for line in lines}) == 1


@pytest.mark.parametrize("change", ["kind = 30000", "kind = 0", "shape = 'x,y'"])
def test_a_damaged_line_is_named_and_the_other_lines_are_still_read(postgres, start, database, change):
    daemon = start("--ledger", database)
    for name in range(3):
        get(daemon, name)
    postgres.query("ledger", f"UPDATE sower.line SET {change} WHERE ledger = 2")
    response = daemon.get("/v1/ledger")
    assert response.status == 503 and response.json()["detail"].startswith("Line 2 of the ledger is damaged: "), response.body
    assert [line["ledger"] for line in daemon.ledger(after="2")] == [3]


def test_a_user_with_a_password_and_its_own_schema_is_enough(postgres, start, database):
    postgres.query("ledger", "CREATE ROLE guarded LOGIN PASSWORD 'right'; CREATE SCHEMA sower AUTHORIZATION guarded")
    assert "password authentication failed" in refused(postgres.url("ledger", "guarded", "secret"))
    assert "no password supplied" in refused(postgres.url("ledger", "guarded"))
    assert get(start("--ledger", postgres.url("ledger", "guarded", "right")), "w").status == 200
    daemon = start("--ledger", postgres.url("ledger", "guarded").replace("postgresql:", "postgres:"), environment={"PGPASSWORD": "right"})
    assert get(daemon, "w").headers["Sower-Ledger"] == "1"


def test_a_database_that_cannot_hold_a_ledger_is_refused_with_a_sentence(postgres):
    with socket.socket() as unresponsive:
        unresponsive.bind(("127.0.0.1", 0))
        closed = f"postgresql://u:secret@127.0.0.1:{unresponsive.getsockname()[1]}/d"
        assert "Connection refused" in refused(closed)
        unresponsive.listen()
        assert "timeout expired" in refused(closed + "?connect_timeout=2")
    assert 'database "nowhere" does not exist' in refused(postgres.url("nowhere"))
    assert "could not translate host name" in refused("postgresql://u:secret@host.invalid/d")
    postgres.create("latin", encoding="LATIN1")
    assert "encoding is LATIN1" in refused(postgres.url("latin"))
    assert "USER@HOST:PORT/DATABASE" in refused("postgresql://u:secret%@h/d")
    assert 'begins with "postgresq"' in refused("postgresq://u:secret@h/d")
    assert "read-only" in refused(postgres.url("postgres") + "&options=-cdefault_transaction_read_only%3Don")


@pytest.fixture
def pooler(postgres, database):
    program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (make deps-ci)")
    started = []

    def start_pooler(*settings):
        started.append(Pooler(program, postgres, "ledger", *settings))
        return started[-1].url

    yield start_pooler
    for one in started:
        one.stop()


@pytest.mark.parametrize("settings", [("transaction",), ("transaction", "server_round_robin = 1"), ("transaction", "default_pool_size = 1"),
                                      ("transaction", "min_pool_size = 5"), ("statement",)], ids=str)
def test_a_pooler_without_sessions_is_refused_at_start(pooler, settings):
    sentence = refused(pooler(*settings))
    assert "a pooler gives the daemon single transactions" in sentence and "pool_mode = session" in sentence


def test_a_pooler_with_sessions_works_like_the_database(start, pooler):
    url = pooler("session")
    pair = [start("--ledger", url), start("--ledger", url)]
    assert [get(daemon, "w").headers["Sower-Ledger"] for daemon in pair] == ["1", "1"]
    assert all(daemon.get("/readyz").status == 200 for daemon in pair) and len(whole_ledger(pair[0])) == 1


def test_a_daemon_whose_database_is_full_is_not_ready(postgres, start):
    """The tables are on a small disk. A commit that changes a row still works there when no new line fits."""
    with disk_of(postgres.directory / "small", "16M") as mounted:
        shutil.chown(mounted, *(["postgres", "postgres"] if os.geteuid() == 0 else []))
        mounted.chmod(0o700)
        postgres.query("postgres", f"CREATE TABLESPACE small LOCATION '{mounted}'")
        try:
            postgres.query("postgres", "CREATE DATABASE small TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C' TABLESPACE small")
            daemon = start("--ledger", postgres.url("small"))
            assert get(daemon, "w0").status == 200
            fill(mounted / "filler")
            refusal = next(response for response in (get(daemon, f"w{number}") for number in range(1, 500)) if response.status != 200)
            assert refusal.status == 503 and "full" in refusal.problem()["detail"]
            for _ in range(2):
                response = daemon.get("/readyz")
                assert response.status == 503 and "full" in response.problem()["detail"]
            (mounted / "filler").unlink()
            assert daemon.get("/readyz").status == 200 and get(daemon, "later").status == 200
            whole_ledger(daemon)
            daemon.stop()
        finally:
            postgres.query("postgres", "DROP DATABASE IF EXISTS small WITH (FORCE)")
            postgres.query("postgres", "DROP TABLESPACE small")
