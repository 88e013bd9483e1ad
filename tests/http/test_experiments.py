"""Reads of the ledger: the experiments, the draws of an experiment, the draws of a seed."""
import http.client
import json
import select
import sqlite3
import urllib.parse

import pytest

from broken_ledgers import Unreadable
from experiment_names import NAMES, quoted
from sow_programs import StandIn, environment, page, run


def draw(daemon, experiment, name="w", trial=0, shape="2"):
    response = daemon.get("/v1/tensor", experiment=experiment, trial=trial, name=name, shape=shape, init="zeros")
    assert response.status == 200, response.body
    return int(response.headers["Sower-Ledger"])


def experiments(daemon, **fields):
    """All pages in order."""
    found, target = [], "/v1/experiments" + ("?" + urllib.parse.urlencode(fields) if fields else "")
    while target:
        response = daemon.get(target)
        assert response.status == 200 and response.headers["Content-Type"] == "application/json"
        body = response.json()
        assert list(body) == ["experiments", "next"]
        found.append(body["experiments"])
        target = body["next"]
    return found


def lines(daemon, **fields):
    return [line["ledger"] for line in daemon.ledger(**fields)]


def test_an_empty_ledger_has_no_experiments(start):
    daemon = start()
    assert daemon.get("/v1/experiments").json() == {"experiments": [], "next": None}


def test_an_experiment_has_counts_times_and_trials(start):
    daemon = start()
    draw(daemon, "first", trial=3)
    draw(daemon, "first", trial=3, name="v")
    draw(daemon, "first", trial=1)
    daemon.request("POST", "/v1/experiments/first/trials?count=5")
    times = [line["time"] for line in daemon.ledger()]
    response = daemon.get("/v1/experiments/first").json()
    assert list(response) == ["experiment", "root", "draws", "trials", "first", "last", "pinned", "drawn", "next", "ledger"]
    assert response["draws"] == 3 and response["trials"] == 5 and response["pinned"] is False
    assert (response["first"], response["last"]) == (times[0], times[-1]) and response["root"] == daemon.ledger()[0]["root"]
    assert response["drawn"] == [{"trial": 1, "draws": 1, "first": times[2], "last": times[2]},
                               {"trial": 3, "draws": 2, "first": times[0], "last": times[1]}]
    assert response["next"] is None
    assert lines(daemon, experiment="first") == [json.loads(line)["ledger"] for line in daemon.get(response["ledger"]).body.splitlines()]
    listed = daemon.get("/v1/experiments").json()["experiments"]
    assert listed == [{key: value for key, value in response.items() if key not in ("drawn", "next", "ledger")}]


def test_trial_numbers_or_a_pin_alone_make_an_experiment(start):
    daemon = start()
    daemon.request("POST", "/v1/experiments/numbers/trials")
    daemon.request("PUT", "/v1/experiments/pinned/pin")
    pinned, numbers = daemon.get("/v1/experiments").json()["experiments"]
    assert (numbers["experiment"], numbers["draws"], numbers["trials"], numbers["pinned"]) == ("numbers", 0, 1, False)
    assert (pinned["experiment"], pinned["draws"], pinned["trials"], pinned["pinned"]) == ("pinned", 0, 0, True)
    assert daemon.get("/v1/experiments/numbers").json()["drawn"] == []


def test_experiments_come_newest_first_and_page_by_page(start):
    daemon = start()
    for number in range(7):
        draw(daemon, f"e{number}")
    draw(daemon, "e0", name="another")
    names = [f"e{number}" for number in reversed(range(7))]
    assert [[one["experiment"] for one in page] for page in experiments(daemon)] == [names]
    for limit in range(1, 9):
        pages = [[one["experiment"] for one in page] for page in experiments(daemon, limit=limit)]
        assert pages == [names[at:at + limit] for at in range(0, 7, limit)]


def test_trials_of_an_experiment_come_in_order_and_page_by_page(start):
    daemon = start()
    trials = [0, 1, 5, 7, 1000, 2**63 - 1]
    for trial in reversed(trials):
        draw(daemon, "a/b?", trial=trial)
    target, found = "/v1/experiments/a%2Fb%3F?limit=4", []
    while target:
        response = daemon.get(target).json()
        found.append([one["trial"] for one in response["drawn"]])
        target = response["next"]
    assert found == [trials[:4], trials[4:]]
    assert [one["trial"] for one in daemon.get("/v1/experiments/a%2Fb%3F?from=6").json()["drawn"]] == trials[3:]
    assert daemon.get(f"/v1/experiments/a%2Fb%3F?from={2**63 - 1}").json()["drawn"][0]["trial"] == 2**63 - 1


def test_a_page_has_100_entries_by_default(start):
    daemon = start()
    for trial in range(102):
        draw(daemon, "many", trial=trial)
    response = daemon.get("/v1/experiments/many").json()
    assert len(response["drawn"]) == 100 and response["next"] == "/v1/experiments/many?from=100"
    assert len(daemon.get("/v1/experiments/many", limit=1000).json()["drawn"]) == 102


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_every_name_works_in_urls_and_links(daemon, name):
    for trial in range(2):
        draw(daemon, name, trial=trial)
    response = daemon.get(f"/v1/experiments/{quoted(name)}", limit=1).json()
    assert response["experiment"] == name and response["draws"] == 2 and [one["trial"] for one in response["drawn"]] == [0]
    following = daemon.get(response["next"]).json()
    assert following["experiment"] == name and [one["trial"] for one in following["drawn"]] == [1] and following["next"] is None
    assert {json.loads(line)["experiment"] for line in daemon.get(response["ledger"]).body.splitlines()} == {name}
    assert name in [one["experiment"] for one in daemon.get("/v1/experiments").json()["experiments"]]


def test_an_unknown_experiment_is_404(daemon):
    response = daemon.get("/v1/experiments/nobody")
    assert response.status == 404 and response.problem()["param"] == "experiment"
    assert daemon.request("HEAD", "/v1/experiments/nobody").status == 404


def test_another_root_has_its_own_experiments(start, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    public = start(state=tmp_path / "state")
    draw(public, "shared")
    public.stop()
    private = start("--root-key-file", str(key), state=tmp_path / "state")
    assert private.get("/v1/experiments/shared").status == 404
    assert private.ledger(experiment="shared") == [] and len(private.ledger()) == 1
    draw(private, "shared", trial=5)
    assert [one["trial"] for one in private.get("/v1/experiments/shared").json()["drawn"]] == [5]
    newest, oldest = private.get("/v1/experiments").json()["experiments"]
    assert newest["experiment"] == oldest["experiment"] == "shared" and newest["root"] != oldest["root"]


WRONG = [("?limit=0", "limit"), ("?limit=1001", "limit"), ("?limit=x", "limit"), ("?limit=", "limit"), ("?limit", "limit"),
         ("?limit=-1", "limit"), ("?limit=1&limit=1", "limit"), ("?Limit=1", "Limit"), ("?after=1", "after"),
         ("?limit=99999999999999999999", "limit")]


@pytest.mark.parametrize("query, param", WRONG + [("?before=0", "before"), ("?before=x", "before"), ("?from=1", "from"),
                                                  ("?before=9223372036854775808", "before")])
def test_an_invalid_field_in_a_request_for_experiments_is_named(daemon, query, param):
    response = daemon.get("/v1/experiments" + query)
    assert response.status == 400 and response.problem()["param"] == param


@pytest.mark.parametrize("query, param", WRONG + [("?from=-1", "from"), ("?from=x", "from"), ("?before=1", "before"),
                                                  ("?from=9223372036854775808", "from")])
def test_an_invalid_field_in_a_request_for_an_experiment_is_named(daemon, query, param):
    response = daemon.get("/v1/experiments/e" + query)
    assert response.status == 400 and response.problem()["param"] == param


@pytest.mark.parametrize("name", ["", "%ff", "x" * 257, "%C3%BC" * 129], ids=lambda name: name[:12] or "empty")
def test_an_invalid_name_of_an_experiment_is_refused(daemon, name):
    response = daemon.get(f"/v1/experiments/{name}")
    assert response.status == 400 and response.problem()["param"] == "experiment"


def test_no_name_of_an_experiment_has_a_nul_byte(daemon):
    for name in ["%00", "a%00b"]:
        assert daemon.get(f"/v1/experiments/{name}").status == 400
        assert daemon.request("POST", f"/v1/experiments/{name}/trials").status == 400
        assert daemon.request("POST", f"/v1/experiments/a/trials{name}").status == 400


def test_experiments_accept_only_get(daemon):
    for path in ["/v1/experiments", "/v1/experiments/e", "/v1/experiments/trials"]:
        for method in ["POST", "PUT", "DELETE"]:
            response = daemon.request(method, path)
            assert response.status == 405 and response.headers["Allow"] == "GET, HEAD"


def test_the_ledger_is_filtered_by_trial_and_name(start):
    daemon = start()
    for trial in range(3):
        for name in ["v", "w"]:
            draw(daemon, "e", trial=trial, name=name)
    draw(daemon, "other", trial=1)
    assert lines(daemon, experiment="e", trial=1) == [3, 4]
    assert lines(daemon, experiment="e", name="w") == [2, 4, 6]
    assert lines(daemon, experiment="e", name="w", trial=2) == [6]
    assert lines(daemon, experiment="e", name="w", after=2, limit=1) == [4]
    assert lines(daemon, experiment="e", trial=9) == lines(daemon, experiment="e", name="x") == []
    assert lines(daemon, experiment="e", trial=9, name="w") == []
    daemon.request("POST", "/v1/experiments/e/trials?count=2")
    assert lines(daemon, experiment="e", trial=0) == [1, 2, 8] and lines(daemon, experiment="e", trial=1) == [3, 4]


def test_the_ledger_is_filtered_by_seed(start):
    daemon = start()
    draw(daemon, "e", name="v")
    seed = daemon.get("/v1/plan", experiment="e", name="w", shape="2", init="zeros").json()["seed"]
    assert lines(daemon, seed=seed) == []
    draw(daemon, "e"), draw(daemon, "f"), draw(daemon, "e", shape="3")
    assert lines(daemon, seed=seed) == lines(daemon, seed=seed.upper()) == lines(daemon, experiment="e", trial=0, name="w") == [2, 4]
    assert lines(daemon, seed=seed, limit=1) == [2] and lines(daemon, seed=seed, after=2) == [4]
    assert lines(daemon, seed=seed, experiment="f") == lines(daemon, seed=seed, experiment="e", trial=0, name="v") == []
    assert lines(daemon, seed=seed, experiment="e", trial=0, name="w") == [2, 4]


def test_the_ledger_is_filtered_by_manifest(start):
    daemon = start()
    tensors = [{"name": name, "shape": [2], "init": "zeros"} for name in ["a", "b"]]
    draw(daemon, "e")
    manifest = daemon.post("/v1/model", {"experiment": "e", "tensors": tensors}).headers["Sower-Manifest"]
    daemon.post("/v1/model", {"experiment": "f", "trial": 4, "tensors": tensors})
    other = daemon.post("/v1/model", {"experiment": "e", "tensors": [*tensors, {"name": "c", "shape": [2], "init": "ones"}]})
    assert lines(daemon, manifest=manifest) == [2, 3, 4, 5] and lines(daemon, manifest=other.headers["Sower-Manifest"]) == [6]
    assert lines(daemon, manifest=manifest, experiment="f") == [4, 5]
    assert lines(daemon, manifest=manifest, experiment="e", trial=0, name="b") == [3]
    assert lines(daemon, manifest="0" * 64) == []


@pytest.mark.parametrize("query, param", [
    ("trial=1", "trial"), ("name=w", "name"), ("trial=1&name=w", "trial"), ("experiment=e&trial=x", "trial"), ("experiment=e&trial=", "trial"),
    ("experiment=e&trial=-1", "trial"), ("experiment=e&trial=9223372036854775808", "trial"), ("experiment=e&name=", "name"),
    ("experiment=e&name=" + "x" * 513, "name"), ("experiment=e&name=%00", "name"), ("seed=5b", "seed"), ("seed=", "seed"), ("seed", "seed"),
    ("seed=" + "g" * 64, "seed"), ("seed=" + "0" * 63, "seed"), ("seed=" + "0" * 66, "seed"), ("manifest=x", "manifest"),
    ("manifest=" + "0" * 65, "manifest"), ("experiment=e&name=w&manifest=" + "0" * 64, "manifest"),
    ("experiment=e&trial=1&manifest=" + "0" * 64, "manifest"), ("root=" + "0" * 64, "root"), ("Seed=" + "0" * 64, "Seed")],
    ids=lambda text: text[:30])
def test_an_invalid_filter_of_the_ledger_is_refused(daemon, query, param):
    response = daemon.get("/v1/ledger?" + query)
    assert response.status == 400 and response.problem()["param"] == param


def test_a_reader_of_the_ledger_does_not_delay_others(start):
    daemon = start("--threads", "1")
    draw(daemon, "e")
    questions = ["/v1/ledger", "/v1/experiments", "/v1/experiments/e", "/v1/experiments/e/pin"]
    connections = [daemon.connect() for _ in questions]
    with Unreadable(daemon):
        for connection, question in zip(connections, questions):
            connection.request("GET", question)
        assert daemon.get("/healthz").status == 200
        assert daemon.get("/v1/tensor", experiment="e", name="w", shape="2", init="zeros").status == 200, "a known draw needs no read"
        assert select.select([connection.sock for connection in connections], [], [], 0)[0] == [], "the others wait"
    for connection in connections:
        assert connection.getresponse().status == 200
        connection.close()


def add_lines(daemon, count):
    """Adds copies of the first line to the database file, without the write-ahead log. Their links are not valid."""
    database = sqlite3.connect(daemon.state / "ledger.sqlite", isolation_level=None)
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(line)") if name != "ledger"]
    database.execute(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
        f" INSERT INTO line ({', '.join(columns)}) SELECT {', '.join(columns)} FROM line, number WHERE ledger = 1", (count,))
    assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    database.close()


def test_a_ledger_stream_that_fails_is_cut_off_and_has_no_valid_end(start):
    daemon = start()
    draw(daemon, "e")
    add_lines(daemon, 40_000)
    connection = daemon.connect()
    connection.request("GET", "/v1/ledger")
    response = connection.getresponse()
    assert response.status == 200 and json.loads(response.readline())["ledger"] == 1
    with open(daemon.state / "ledger.sqlite", "r+b") as file:
        size = file.seek(0, 2)
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    connection.close()
    assert daemon.get("/healthz").status == 200


def test_a_daemon_stops_while_a_ledger_is_being_sent(start):
    daemon = start("--drain-seconds", "1")
    draw(daemon, "e")
    add_lines(daemon, 40_000)
    connection = daemon.connect()
    connection.request("GET", "/v1/ledger")
    response = connection.getresponse()
    assert response.readline()
    assert daemon.stop() == 0
    connection.close()


# sow

def sow(daemon, *arguments):
    return run(arguments, environment(SOW_SERVER=daemon.url("")))


def test_sow_lists_experiments_and_the_trials_of_one(start):
    daemon = start()
    for number in range(3):
        draw(daemon, f"e/{number}", trial=number)
    done = sow(daemon, "experiments")
    assert done.returncode == 0 and done.stderr == ""
    assert [json.loads(line) for line in done.stdout.splitlines()] == daemon.get("/v1/experiments").json()["experiments"]
    assert len(sow(daemon, "experiments", "--limit", "2").stdout.splitlines()) == 2
    whole, trial = [json.loads(line) for line in sow(daemon, "experiments", "e/2").stdout.splitlines()]
    response = daemon.get("/v1/experiments/e%2F2").json()
    assert whole["experiment"] == "e/2" and whole["ledger"] == response["ledger"] and "drawn" not in whole and [trial] == response["drawn"]


def test_sow_follows_the_pages_up_to_its_limit():
    entry = {"experiment": "e", "root": "0" * 64, "draws": 1, "trials": 0, "first": "2026-01-31T12:00:00.000Z",
             "last": "2026-01-31T12:00:00.000Z", "pinned": False}

    def answer(handler, stand_in):
        start = int(stand_in.requests[-1][2].get("before", 6))
        body = {"experiments": [entry] * 2, "next": f"/v1/experiments?before={start - 2}" if start > 2 else None}
        page(200, json.dumps(body), "application/json")(handler, stand_in)

    with StandIn(answer) as stand_in:
        done = run(["experiments"], environment(SOW_SERVER=stand_in.address))
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 6
        assert [request[2] for request in stand_in.requests] == [{"limit": "1000"}, {"before": "4"}, {"before": "2"}]
        done = run(["experiments", "-l", "3"], environment(SOW_SERVER=stand_in.address))
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("body", ["[]", "{}", "x", '{"experiments":{}}', '{"experiments":[],"next":"@evil.example/"}',
                                  '{"experiments":[],"next":"//evil.example/"}', "{" * 100_000, " " * 9_000_000], ids=range(8))
def test_sow_refuses_a_malformed_response_for_experiments(body):
    with StandIn(page(200, body, "application/json")) as stand_in:
        done = run(["experiments"], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == 3 and "not a sowerd" in done.stderr and done.stdout == b"" and len(stand_in.requests) == 1


@pytest.mark.parametrize("arguments, status, words", [
    (["--limit", "0"], 2, "--limit"), (["--limit", "x"], 2, "--limit"), ([""], 1, "1 to 256"), (["x" * 257], 1, "257 bytes"),
    (["a", "b"], 2, "'b'")], ids=range(5))
def test_sow_refuses_invalid_arguments_without_a_request(arguments, status, words):
    with StandIn(page(200, "{}", "application/json")) as stand_in:
        done = run(["experiments", *arguments], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == status and words in done.stderr and stand_in.requests == []


def test_sow_reports_an_unknown_experiment(daemon):
    done = sow(daemon, "experiments", "nobody")
    assert done.returncode == 1 and "no experiment of this name" in done.stderr and done.stdout == b""


def test_sow_filters_the_ledger(start):
    daemon = start()
    for trial in range(2):
        for name in ["v", "w"]:
            draw(daemon, "e", trial=trial, name=name)
    seed = sow(daemon, "seed", "-e", "e", "-n", "w").stdout.decode().strip()
    for arguments, numbers in [(["-e", "e", "--trial", "1"], [3, 4]), (["-e", "e", "--name", "w"], [2, 4]), (["--seed", seed], [2]),
                               (["-e", "e", "-t", "1", "-n", "v"], [3]), (["--manifest", "0" * 64], [])]:
        done = sow(daemon, "ledger", *arguments)
        assert done.returncode == 0 and [json.loads(line)["ledger"] for line in done.stdout.splitlines()] == numbers
    done = sow(daemon, "ledger", "--name", "w")
    assert done.returncode == 1 and "experiment=" in done.stderr
