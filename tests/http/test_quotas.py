"""The limits of a token: lines a second, and lines in all. Refused requests record nothing; what is recorded is always served."""
import concurrent.futures
import http.client
import json
import signal
import sqlite3
import threading
import time
import urllib.parse
import uuid

import pytest

from chain import check_chains
from conftest import PATIENCE, with_query
from injected import Memory
from tokens import Token, write_tokens
from trials import path

DRAW = {"experiment": "quota", "shape": "2", "init": "normal"}


def model(experiment, count):
    return {"experiment": experiment, "tensors": [{"name": f"t{n}", "shape": [1]} for n in range(count)], "defaults": {"init": "normal"}}


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger(request, tmp_path):
    """Options of a daemon with an empty ledger of each kind."""
    if request.param == "SQLite":
        return ["--ledger", f"sqlite:{tmp_path}/ledger.sqlite"]
    return on_postgres(request.getfixturevalue("postgres"))


def on_postgres(server):
    database = f"quotas_{uuid.uuid4().hex}"
    server.create(database)
    return ["--ledger", server.url(database)]


def draw(daemon, token, name, experiment="quota"):
    return daemon.get("/v1/tensor", headers=token.headers, **{**DRAW, "experiment": experiment}, name=name)


def post(daemon, token, where, fields):
    return daemon.post(where, fields, headers=token.headers)


def lines_of(daemon, token, **fields):
    response = daemon.get("/v1/ledger", headers=token.headers, **fields)
    assert response.status == 200, response.body
    return [json.loads(line) for line in response.body.splitlines()]


def limited(response, *words):
    """Asserts that a response is the refusal of a quota that is used up."""
    assert response.status == 429, (response.status, response.body)
    assert response.headers["Retry-After"] is None and "Sower-Seed" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    detail = response.problem()["detail"]
    assert all(word in detail for word in words), detail
    return True


def reload_tokens(daemon, file, *tokens):
    write_tokens(file, *tokens)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line.get("event") == "reloaded")


def with_limit(token, *limits):
    """The same token with other limits."""
    token.line = " ".join(token.line.split()[:4] + list(limits))
    return token


def test_a_token_adds_as_many_lines_as_it_may_and_no_more(start, tmp_path, ledger):
    ci, free = Token("ci", "plan,draw,trials,pin,read", "*", "lines=6"), Token("free")
    file = write_tokens(tmp_path / "tokens", ci, free)
    daemon = start("--tokens", str(file), *ledger, state=tmp_path / "state")
    assert [draw(daemon, ci, f"w{n}").status for n in range(3)] == [200] * 3
    assert [draw(daemon, ci, "w0").status for n in range(3)] == [200] * 3, "a recorded draw costs nothing"
    key = {**ci.headers, "Idempotency-Key": "k"}
    assert daemon.request("POST", path("quota"), headers=key).json()["trial"] == 0
    assert daemon.request("PUT", "/v1/experiments/other/pin", headers=ci.headers).status == 200
    before = lines_of(daemon, free)
    assert limited(post(daemon, ci, "/v1/model", model("two", 2)), '"ci"', "6 lines", "has added 5")
    assert limited(post(daemon, ci, "/v1/draws", model("two", 2)))
    assert lines_of(daemon, free) == before, "a model is added whole or not at all"
    assert post(daemon, ci, "/v1/draws", model("one", 1)).status == 200
    for turn in range(2):
        assert limited(draw(daemon, ci, "new"), "has added 6")
        assert limited(post(daemon, ci, "/v1/draws", {**DRAW, "shape": [2], "name": "new"}))
        assert limited(post(daemon, ci, "/v1/model", model("new", 1)))
        assert limited(daemon.request("POST", path("quota"), headers=ci.headers))
        assert limited(daemon.request("DELETE", "/v1/experiments/other/pin", headers=ci.headers))
        assert daemon.get("/readyz").status == 200, "the ledger is well"
        assert draw(daemon, ci, "w1").status == 200
        assert daemon.request("HEAD", with_query("/v1/tensor", {**DRAW, "name": "new"}), headers=ci.headers).status == 200
        assert daemon.get("/v1/plan", headers=ci.headers, **DRAW, name="new").status == 200
        assert len(post(daemon, ci, "/v1/draws", model("one", 1)).json()["draws"]) == 1
        assert daemon.request("POST", path("quota"), headers=key).json()["trial"] == 0
        assert daemon.request("PUT", "/v1/experiments/other/pin", headers=ci.headers).status == 200
        assert len(lines_of(daemon, free)) == 6 + turn
        assert draw(daemon, free, f"free-{turn}").status == 200, "another token has its own limits"
        assert daemon.stop() == 0
        daemon = start("--tokens", str(file), *ledger, state=tmp_path / "state")
    reload_tokens(daemon, file, with_limit(ci, "lines=7"), free)
    assert draw(daemon, ci, "new").status == 200 and limited(draw(daemon, ci, "newer"), "7 lines")
    twin = Token("ci")  # the same name without a limit: its lines count too
    reload_tokens(daemon, file, ci, twin, free)
    assert draw(daemon, twin, "newer").status == 200
    reload_tokens(daemon, file, with_limit(ci, "lines=8"), free)
    assert limited(draw(daemon, ci, "newest"), "has added 8")
    check_chains(lines_of(daemon, free))


def draw_many(daemons, token, names, statuses):
    """Draws over connections that stay open, until a daemon is gone."""
    connections = [http.client.HTTPConnection(daemon.host, daemon.port, timeout=PATIENCE) for daemon in daemons]
    try:
        for turn, name in enumerate(names):
            connection = connections[turn % len(connections)]
            connection.request("GET", "/v1/tensor?" + urllib.parse.urlencode({**DRAW, "name": name}), headers=token.headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
    except (OSError, http.client.HTTPException):
        pass
    finally:
        for connection in connections:
            connection.close()


def in_threads(daemons, token, prefix, threads=8, count=60):
    statuses = []
    running = [threading.Thread(target=draw_many, args=(daemons, token, [f"{prefix}-{thread}-{n}" for n in range(count)], statuses))
               for thread in range(threads)]
    for thread in running:
        thread.start()
    return running, statuses


def test_concurrent_draws_and_kills_use_a_quota_exactly(start, tmp_path, ledger):
    ci = Token("ci", "draw,export", "*", "lines=400")
    file = write_tokens(tmp_path / "tokens", ci)
    for turn in range(3):
        daemon = start("--tokens", str(file), *ledger, state=tmp_path / "state")
        running, statuses = in_threads([daemon], ci, f"turn-{turn}", count=10000)
        deadline = time.monotonic() + PATIENCE
        while len(statuses) < 40:
            assert time.monotonic() < deadline and all(thread.is_alive() for thread in running)
        daemon.process.kill()
        daemon.process.wait(timeout=PATIENCE)
        for thread in running:
            thread.join()
        assert set(statuses) <= {200, 429}
    daemon = start("--tokens", str(file), *ledger, state=tmp_path / "state")
    running, statuses = in_threads([daemon], ci, "last")
    for thread in running:
        thread.join()
    assert 429 in statuses
    lines = lines_of(daemon, ci)
    assert len(lines) == 400, "each line is counted, and none is lost with a daemon that was killed"
    check_chains(lines)


def test_two_daemons_on_one_ledger_share_a_quota(start, tmp_path, postgres):
    ci = Token("ci", "draw,export", "*", "lines=300")
    file, options = write_tokens(tmp_path / "tokens", ci), on_postgres(postgres)
    daemons = [start("--tokens", str(file), *options) for _ in range(2)]
    running, statuses = in_threads(daemons, ci, "shared")
    for thread in running:
        thread.join()
    assert statuses.count(200) == 300 and statuses.count(429) == 180
    assert len(lines_of(daemons[0], ci)) == 300


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_large_models_of_one_token_are_recorded_whole_within_its_quota(start, tmp_path, postgres, kind):
    """Each takes two commits, between which the others are processed."""
    ci = Token("ci", "draw,export", "*", "lines=45000")
    file = write_tokens(tmp_path / "tokens", ci)
    options = ["--ledger", f"sqlite:{tmp_path}/ledger.sqlite"] if kind == "SQLite" else on_postgres(postgres)
    daemons = [start("--tokens", str(file), *options) for _ in range(1 if kind == "SQLite" else 2)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda n: post(daemons[n % len(daemons)], ci, "/v1/draws", model(f"large-{n}", 20000)), range(4)))
    assert sorted(response.status for response in responses) == [200, 200, 429, 429]
    assert all(limited(response, "45000 lines") for response in responses if response.status == 429)
    assert sum(len(response.json()["draws"]) for response in responses if response.status == 200) == 40000
    assert lines_of(daemons[0], ci, after=40000) == [] and len(lines_of(daemons[0], ci, after=39999)) == 1
    assert post(daemons[0], ci, "/v1/draws", model("small", 5000)).status == 200, "nothing of the quota was lost"
    assert limited(draw(daemons[0], ci, "new"), "has added 45000")


def used(server, options):
    """Lines that were added and lines that are promised, of all daemons."""
    database = options[1].partition("@/")[2].partition("?")[0]
    return [int(number or 0) for number in server.query(database, "SELECT sum(lines), sum(promised) FROM sower.quota")[0]]


def test_a_kill_in_the_middle_of_a_large_model_gives_its_promise_back(start, tmp_path, postgres):
    ci = Token("ci", "draw,export", "*", "lines=60001")
    file, options = write_tokens(tmp_path / "tokens", ci), on_postgres(postgres)
    killed, other = [start("--tokens", str(file), *options, state=tmp_path / name) for name in ("killed", "other")]
    large = model("large", 60000)
    connection = killed.connect()
    connection.request("POST", "/v1/draws", body=json.dumps(large), headers=ci.headers)
    deadline = time.monotonic() + PATIENCE
    while used(postgres, options)[0] == 0:
        assert time.monotonic() < deadline
    killed.process.kill()
    killed.process.wait(timeout=PATIENCE)
    connection.close()
    assert draw(other, ci, "one").status == 200 and limited(draw(other, ci, "two"), "has added 60001")
    added, promised = used(postgres, options)
    assert added >= 16385 and promised > 0 and added + promised == 60001, "killed between two of its commits"
    again = start("--tokens", str(file), *options, state=tmp_path / "killed")
    assert used(postgres, options) == [added, 0]
    assert len(post(again, ci, "/v1/draws", large).json()["draws"]) == 60000, "the rest of the model still fits"
    assert used(postgres, options) == [60001, 0] and limited(draw(again, ci, "two"))


def test_a_token_adds_lines_at_its_rate(start, tmp_path, ledger):
    """A large model is one request, and leaves a debt. It survives a reload of the tokens."""
    ci, other = Token("ci", "plan,draw,trials,pin,read", "*", "lines/s=5"), Token("other", "draw,export", "*", "lines/s=1")
    file = write_tokens(tmp_path / "tokens", ci, other)
    daemon = start("--tokens", str(file), *ledger)
    key = {**ci.headers, "Idempotency-Key": "k"}
    assert daemon.request("POST", path("quota"), headers=key).status == 200
    assert post(daemon, ci, "/v1/draws", model("large", 3000)).status == 200
    for turn in range(2):
        for response in [draw(daemon, ci, "new"), post(daemon, ci, "/v1/model", model("new", 2)), post(daemon, ci, "/v1/draws", model("new", 1)),
                         daemon.request("POST", path("quota"), headers=ci.headers), daemon.request("PUT", "/v1/experiments/e/pin", headers=ci.headers)]:
            assert response.status == 429, response.body
            assert 500 < int(response.headers["Retry-After"]) <= 3001 / 5 - 10 + 1
            assert '"ci"' in response.problem()["detail"] and response.headers["Retry-After"] + " seconds" in response.problem()["detail"]
        assert len(post(daemon, ci, "/v1/draws", model("large", 3000)).json()["draws"]) == 3000, "what is recorded costs nothing"
        assert daemon.request("POST", path("quota"), headers=key).json()["trial"] == 0
        assert daemon.get("/v1/plan", headers=ci.headers, **DRAW, name="new").status == 200 and daemon.get("/readyz").status == 200
        assert post(daemon, ci, "/v1/manifests", model("large", turn + 1)).status == 200, "a manifest is no line"
        assert len(lines_of(daemon, other, limit=5000)) == 3001
        reload_tokens(daemon, file, ci, other)
    assert draw(daemon, other, "w").status == 200
    reload_tokens(daemon, file, with_limit(ci, "lines/s=1000000"), other)
    assert draw(daemon, ci, "new").status == 200, "a higher rate pays the debt sooner"


def test_a_token_may_add_lines_again_after_retry_after(start, tmp_path):
    ci = Token("ci", "draw", "*", "lines/s=100")
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens", ci)))
    assert post(daemon, ci, "/v1/draws", model("debt", 1150)).status == 200
    begin = time.monotonic()
    response = draw(daemon, ci, "w0")
    seconds = int(response.headers["Retry-After"])
    assert response.status == 429 and 1 <= seconds <= 2
    while (response := draw(daemon, ci, "w0")).status == 429:
        assert time.monotonic() - begin < PATIENCE
    assert response.headers["Sower-Ledger"] == "1151" and time.monotonic() - begin < seconds + 5


def test_a_ledger_of_an_earlier_daemon_counts_from_then_on(start, tmp_path):
    ci = Token("ci", "draw,export", "*", "lines=2")
    file = write_tokens(tmp_path / "tokens", ci)
    daemon = start("--tokens", str(file), state=tmp_path / "state")
    assert [draw(daemon, ci, f"w{n}").status for n in range(3)] == [200, 200, 429]
    daemon.stop()
    with sqlite3.connect(tmp_path / "state" / "ledger.sqlite") as database:
        database.execute("DROP TABLE quota")  # as the earlier daemon made it
    database.close()
    daemon = start("--tokens", str(file), state=tmp_path / "state")
    assert [draw(daemon, ci, f"new-{n}").status for n in range(3)] == [200, 200, 429]
    check_chains(lines_of(daemon, ci))


@pytest.mark.parametrize("onward", [False, True], ids=["one", "onward"])
def test_each_allocation_of_a_request_with_limits_may_fail(start, tmp_path, onward):
    """Each request is the first one of its token, and gets its draw or a 503. The counts are those of the lines."""
    memory = Memory(tmp_path)
    tokens = [Token(f"t{n}", "draw,export", "*", "lines=1", "lines/s=1") for n in range(400)]
    daemon = start("--threads", "1", "--compute-threads", "1", "--tokens", str(write_tokens(tmp_path / "tokens", *tokens)),
                   environment=memory.environment)
    assert draw(daemon, tokens[0], "w0").status == 200
    failed, undisturbed = 0, 0
    for number, token in enumerate(tokens[1:], 1):
        connection = daemon.connect()
        connection.request("GET", with_query("/v1/initializers", {"name": "zeros"}), headers=token.headers)
        connection.getresponse().read()
        memory.arm(number, 1 << 60 if onward else number)
        connection.request("GET", with_query("/v1/tensor", {**DRAW, "name": f"w{number}"}), headers=token.headers)
        response = connection.getresponse()
        body = response.read()
        memory.armed = 0
        assert response.status in (200, 503), body
        connection.close()
        assert draw(daemon, token, f"w{number}").status == 200
        assert limited(draw(daemon, token, "new"), "has added 1"), "also a draw whose request got 503 is counted"
        failed += memory.failed > 0
        undisturbed = undisturbed + 1 if memory.failed == 0 else 0
        if undisturbed == 2:
            break
    assert failed > 20 and undisturbed == 2
    with sqlite3.connect(f"file:{daemon.state}/ledger.sqlite?mode=ro", uri=True) as database:
        assert database.execute("SELECT sum(lines), sum(promised) FROM quota").fetchone() == (number + 1, 0)
        assert database.execute("SELECT count(*) FROM line").fetchone() == (number + 1,)
    database.close()
