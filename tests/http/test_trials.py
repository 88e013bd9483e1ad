"""Trial numbers: each is given out once, also after failures of clients, the daemon or the disk."""
import collections
import concurrent.futures
import http.client
import json
import sqlite3
import threading

import pytest

from broken_ledgers import Full, Locked, Moved, refused
from conftest import PATIENCE
from sow_programs import StandIn, environment, page, problem, run
from trials import path, take
from write_ahead_log import commits


def test_numbers_of_each_experiment_begin_at_0_without_gaps(daemon):
    assert [take(daemon, "first") for _ in range(3)] == [[0], [1], [2]]
    assert take(daemon, "second", count=5) == [0, 1, 2, 3, 4]
    assert take(daemon, "second") == [5] and take(daemon, "first") == [3]


def test_a_response_has_the_seed_of_the_first_trial(daemon):
    for experiment, count in [("seeded", 1), ("seeded", 3), ("se/ed", 2)]:
        response = daemon.request("POST", path(experiment, count=count))
        assert response.headers["Content-Type"] == "application/json"
        given = response.json()
        assert list(given) == ["experiment", "trial", "count", "seed", "ledger"] and given["count"] == count
        assert daemon.ledger(after=given["ledger"] - 1, limit=1)[0]["kind"] == "trials"
        offline = run(["seed", "-e", experiment, "-t", given["trial"]])
        assert offline.stdout.decode().strip() == given["seed"]


def test_a_count_is_given_in_the_query_or_in_json(daemon):
    assert take(daemon, "counted", count=4) == [0, 1, 2, 3]
    assert daemon.post(path("counted"), {"count": 2}).json()["trial"] == 4
    assert daemon.post(path("counted"), {}).json()["trial"] == 6
    assert len(take(daemon, "counted", count=1_000_000)) == 1_000_000
    assert take(daemon, "counted") == [1_000_007]


NAMES = ["a/b", "a b", "ü", "..", ".", "/", "a/trials", "{experiment}", "100%", "%2F", "a+b", "?", "#", "x" * 256, "\U0001f407" * 64,
         "\n", "trials", "&count=9"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_every_name_of_an_experiment_has_its_own_numbers(daemon, name):
    assert take(daemon, name) == [0] and take(daemon, name, count=2) == [1, 2]


def test_draws_with_other_trial_numbers_do_not_affect_the_numbers(daemon):
    fields = dict(experiment="chosen", name="w", shape="4", init="normal")
    assert daemon.get("/v1/tensor", **fields, trial=0).status == 200
    assert daemon.get("/v1/tensor", **fields, trial=7).status == 200
    assert take(daemon, "chosen", count=3) == [0, 1, 2]


def test_a_line_has_the_numbers_and_the_key(start):
    daemon = start()
    take(daemon, "e", count=3)
    take(daemon, "e", key="k")
    take(daemon, "e", key="k")
    lines = daemon.ledger()
    assert [(line["kind"], line["experiment"], line["trial"], line["count"], line.get("key")) for line in lines] == [
        ("trials", "e", 0, 3, None), ("trials", "e", 3, 1, "k")]


def test_a_private_root_has_its_own_numbers(start, tmp_path):
    state, key = tmp_path / "state", tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    public = start(state=state)
    take(public, "rooted", key="k", count=5)
    seed = public.request("POST", path("rooted", count=5), headers={"Idempotency-Key": "k"}).json()["seed"]
    public.stop()
    private = start("--root-key-file", str(key), state=state)
    response = private.request("POST", path("rooted", count=4), headers={"Idempotency-Key": "k"}).json()
    assert response["trial"] == 0 and response["seed"] != seed


def test_concurrent_clients_get_every_number_once(start):
    daemon = start()

    def work(client):
        connection = daemon.connect()
        numbers = []
        for turn in range(40):
            count = 1 + (client + turn) % 3
            connection.request("POST", path("crowd", count=count))
            given = json.loads(connection.getresponse().read())
            numbers += range(given["trial"], given["trial"] + count)
        connection.close()
        return numbers

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        numbers = [number for part in pool.map(work, range(16)) for number in part]
    assert sorted(numbers) == list(range(len(numbers)))


def test_two_daemons_on_one_ledger_give_every_number_once(start, tmp_path):
    daemons = [start("--ledger", f"sqlite:{tmp_path}/shared") for _ in range(2)]

    def work(client):
        return [number for _ in range(20) for number in take(daemons[client % 2], "shared")]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = [number for part in pool.map(work, range(8)) for number in part]
    assert sorted(numbers) == list(range(160))


def test_requests_that_wait_together_share_a_commit(start):
    daemon = start()
    take(daemon, "together")
    before = commits(daemon)
    connections = [daemon.connect() for _ in range(64)]
    with Locked(daemon):
        for connection in connections:
            connection.request("POST", path("together"))
        assert daemon.get("/healthz").status == 200
    numbers = [json.loads(connection.getresponse().read())["trial"] for connection in connections]
    assert sorted(numbers) == list(range(1, 65)) and commits(daemon) - before < 16
    for connection in connections:
        connection.close()


def test_a_key_gives_the_same_numbers_also_after_a_restart(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    first = daemon.request("POST", path("e", count=3), headers={"Idempotency-Key": "a key"})
    assert take(daemon, "e") == [3]
    again = daemon.post(path("e"), {"count": 3}, headers={"Idempotency-Key": "a key"})
    assert again.status == 200 and again.body == first.body
    assert take(daemon, "e", key="another", count=3) == [4, 5, 6]
    assert take(daemon, "other", key="a key") == [0]
    daemon.stop()
    daemon = start(state=tmp_path / "state")
    assert daemon.request("POST", path("e", count=3), headers={"idempotency-key": "a key"}).body == first.body
    assert take(daemon, "e") == [7]


def test_whitespace_around_a_key_is_not_part_of_it(daemon):
    """RFC 9110, 5.5, for every header."""
    for value in [b"a key", b"a key ", b" a key", b"a key\t", b"\t a key \t "]:
        with daemon.socket() as connection:
            connection.sendall(b"POST /v1/experiments/blanks/trials HTTP/1.1\r\nHost: x\r\nIdempotency-Key:" + value +
                               b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            response = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b" 200 " in response.splitlines()[0] and b'"trial": 0,' in response, value
    assert daemon.ledger(experiment="blanks")[0]["key"] == "a key"


def test_concurrent_requests_with_one_key_get_the_same_number(start):
    daemon = start()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert {tuple(numbers) for numbers in pool.map(lambda _: take(daemon, "e", key="k"), range(64))} == {(0,)}
    assert take(daemon, "e") == [1]


def test_a_key_with_another_count_is_refused_and_takes_nothing(daemon):
    take(daemon, "key", key="k", count=2)
    response = daemon.request("POST", path("key"), headers={"Idempotency-Key": "k"})
    assert response.status == 422 and response.problem()["param"] == "Idempotency-Key" and "another count" in response.problem()["detail"]
    assert take(daemon, "key") == [2] and take(daemon, "key", key="k", count=2) == [0, 1]


def test_a_number_that_a_client_received_is_not_given_again_after_a_kill(start, tmp_path):
    """SIGKILL during requests: a number in a response stays given, and a repeated key returns the number of the first request."""
    state = tmp_path / "state"
    seen, unsure = [], {}

    def work(daemon, turn, client, enough):
        connection = daemon.connect()
        try:
            for number in range(100_000):
                key = f"{turn}-{client}-{number}"
                unsure[key] = None
                connection.request("POST", path("killed"), headers={"Idempotency-Key": key})
                unsure[key] = json.loads(connection.getresponse().read())["trial"]
                if len(seen) >= 50 * turn:
                    enough.set()
                seen.append(unsure[key])
        except (OSError, http.client.HTTPException, ValueError):
            pass
        finally:
            connection.close()

    for turn in range(1, 7):
        daemon, enough = start(state=state), threading.Event()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for client in range(8):
                pool.submit(work, daemon, turn, client, enough)
            assert enough.wait(PATIENCE)
            daemon.process.kill()
            daemon.process.wait(timeout=PATIENCE)
    daemon = start(state=state)
    assert max(collections.Counter(seen).values()) == 1
    for key, number in unsure.items():
        again = take(daemon, "killed", key=key)
        assert number is None or again == [number]
    assert take(daemon, "killed") == [len(unsure)], "no number is lost, and no number belongs to two keys"


@pytest.mark.parametrize("broken", [Locked, Full, Moved])
def test_while_the_ledger_fails_no_number_is_given_out(start, broken):
    daemon = start()
    assert take(daemon, "e", key="known") == [0]
    with broken(daemon):
        assert refused(daemon.request("POST", path("e")))
        assert refused(daemon.request("POST", path("e", count=5), headers={"Idempotency-Key": "new"}))
        assert daemon.get("/healthz").status == 200
        assert take(daemon, "e", key="known") == [0]
    assert take(daemon, "e", key="new", count=5) == [1, 2, 3, 4, 5]
    assert take(daemon, "e") == [6]


def test_numbers_end_at_the_greatest_trial(start):
    daemon = start()
    take(daemon, "e")
    with sqlite3.connect(daemon.state / "ledger.sqlite") as database:
        database.execute("UPDATE experiment SET given = ?", (2**63 - 3,))
    database.close()
    response = daemon.request("POST", path("e", count=4))
    assert response.status == 409 and response.problem()["param"] == "count"
    assert take(daemon, "e", count=3) == [2**63 - 3, 2**63 - 2, 2**63 - 1]
    assert daemon.request("POST", path("e")).status == 409
    shown = daemon.get("/v1/experiments/e").json(), daemon.get("/v1/experiments").json()["experiments"][0]
    assert [experiment["trials"] for experiment in shown] == [2**63 - 1] * 2, "the count of trials has the same maximum"
    assert daemon.get("/v1/plan", experiment="e", trial=2**63 - 1, name="w", shape="1", init="zeros").status == 200


WRONG = [("?count=0", "count"), ("?count=-1", "count"), ("?count=1000001", "count"), ("?count=99999999999999999999", "count"),
         ("?count=many", "count"), ("?count=", "count"), ("?count", "count"), ("?count=1.0", "count"), ("?count=%00", "count"),
         ("?count=1&count=1", "count"), ("?Count=1", "Count"), ("?experiment=x", "experiment"), ("?trial=1", "trial")]


@pytest.mark.parametrize("query, param", WRONG)
def test_an_invalid_field_in_the_query_is_named(daemon, query, param):
    response = daemon.request("POST", "/v1/experiments/wrong/trials" + query)
    assert response.status == 400 and response.problem()["param"] == param


@pytest.mark.parametrize("body", ['{"count":0}', '{"count":-1}', '{"count":1000001}', '{"count":1e3}', '{"count":"1"}', '{"count":null}',
                                  '{"count":[1]}', '{"count":true}', '{"count":1,"count":1}', '{"trial":1}', "[]", "1", "count=1", "{", "\0"])
def test_an_invalid_body_is_refused(daemon, body):
    response = daemon.request("POST", "/v1/experiments/wrong/trials", body=body)
    assert response.status == 400 and response.problem()
    assert response.problem().get("param") in ({"count"} if "count\"" in body else {"trial", None})


def test_a_query_and_a_body_together_are_refused(daemon):
    assert daemon.post("/v1/experiments/wrong/trials?count=2", {"count": 2}).status == 400


@pytest.mark.parametrize("name", ["", "%ff", "%c3", "%c0%af", "%ed%a0%80", "x" * 257, "%C3%BC" * 129, "x" * 50_000],
                         ids=lambda name: name[:12] or "empty")
def test_an_invalid_name_of_an_experiment_is_refused(daemon, name):
    response = daemon.request("POST", f"/v1/experiments/{name}/trials")
    assert response.status == 400 and response.problem()["param"] == "experiment"


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb", "\x7f", " ", " \t "], ids=range(7))
def test_an_invalid_key_is_refused(daemon, key):
    response = daemon.request("POST", "/v1/experiments/wrong/trials", headers={"Idempotency-Key": key.encode()})
    assert response.status == 400 and response.problem()["param"] == "Idempotency-Key"


def test_two_keys_are_refused(daemon):
    with daemon.socket() as connection:
        connection.sendall(b"POST /v1/experiments/wrong/trials HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\r\nIdempotency-Key: a\r\n"
                           b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 400 " in response.splitlines()[0] and b'"param": "Idempotency-Key"' in response


def test_invalid_requests_took_no_number(daemon):
    for query, _ in WRONG:
        daemon.request("POST", "/v1/experiments/untouched/trials" + query)
    assert take(daemon, "untouched") == [0]


@pytest.mark.parametrize("target", ["/v1/experiments/a/trial", "/v1/experiments/a/trials/", "/v1/experiments/a/b/trials",
                                    "/v1/experiments/a/trialsx", "/v1%2Fexperiments/{experiment}/trials"])
def test_other_paths_are_404(daemon, target):
    response = daemon.request("POST", target)
    assert response.status == 404 and "/trials" in response.problem()["detail"]


def test_other_methods_are_405_and_give_out_nothing(daemon):
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]:
        response = daemon.request(method, path("a/b methods"))
        assert response.status == 405 and response.headers["Allow"] == "POST"
    assert take(daemon, "a/b methods") == [0]


def test_a_request_whose_headers_never_end_takes_no_number(start):
    daemon = start()
    for text in [b"POST /v1/experiments/cut/trials HTTP/1.1\r\n", b"POST /v1/experiments/cut/trials HTTP/1.1\r\nHost: x\r\n",
                 b"GET /v1/tensor HTTP/1.1\r\nno header\r\n\r\n"]:
        with daemon.socket() as connection:
            connection.sendall(text)
    assert take(daemon, "cut") == [0]


def sow(daemon, *arguments):
    return run(["trial", *arguments], environment(SOW_SERVER=daemon.url("")))


def test_sow_prints_the_numbers(daemon):
    assert sow(daemon, "new", "-e", "sow").stdout == b"0\n"
    assert sow(daemon, "new", "--experiment", "sow", "--count", "3").stdout == b"1\n2\n3\n"
    done = sow(daemon, "new", "-e", "sow", "--json")
    assert done.returncode == 0 and done.stderr == ""
    given = json.loads(done.stdout)
    assert given["trial"] == 4 and given["count"] == 1 and len(given["seed"]) == 64
    assert [sow(daemon, "new", "-e", "sow", "-c", "2", "--idempotency-key", "a b").stdout for _ in range(2)] == [b"5\n6\n"] * 2


@pytest.mark.parametrize("name", ["../sow/..", "...", "a  b", "ü/%2F", "-?#+&"])
def test_sow_accepts_every_name(daemon, name):
    assert sow(daemon, "new", f"--experiment={name}").stdout == b"0\n" and take(daemon, name) == [1]


@pytest.mark.parametrize("arguments, status, words", [
    ([], 2, "sow trial new"), (["old", "-e", "x"], 2, "sow trial new"), (["new"], 2, "--experiment is missing"),
    (["new", "-e", ""], 1, "1 to 256"), (["new", "-e", "x" * 257], 1, "257 bytes"), (["new", "-e", "x", "-c", "0"], 1, "count"),
    (["new", "-e", "x", "-c", "1000001"], 1, "1000000"), (["new", "-e", "x", "-c", "two"], 1, "two"), (["new", "-e", "x", "-k", ""], 1, "key"),
    (["new", "-e", "x", "-k", "a\r\nX: y"], 1, "printable"), (["new", "-e", "x", "-k", " "], 1, "no space"),
    (["new", "-e", "x", "-k", " job"], 1, "no space"), (["new", "-e", "x", "-k", "job "], 1, "no space"),
    (["new", "-e", "x", "y"], 2, "'y'")], ids=range(14))
def test_sow_refuses_invalid_arguments_without_a_request(arguments, status, words):
    with StandIn(page(200, "{}", "application/json")) as stand_in:
        done = run(["trial", *arguments], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == status and words in done.stderr and done.stdout == b"" and stand_in.requests == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"trial":1}', '{"trial":1,"count":2}', '{"trial":"1","count":1}', '{"trial":-1,"count":1}',
                                  "x" * 100_000], ids=range(8))
def test_sow_refuses_a_malformed_response_for_numbers(text):
    with StandIn(page(200, text, "application/json")) as stand_in:
        done = run(["trial", "new", "-e", "x"], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == 3 and stand_in.address + " responded, but " in done.stderr and done.stdout == b""


def test_sow_reports_a_refusal_of_the_daemon(daemon):
    assert sow(daemon, "new", "-e", "refused", "-k", "k").stdout == b"0\n"
    done = sow(daemon, "new", "-e", "refused", "-k", "k", "-c", "2")
    assert done.returncode == 1 and "another count" in done.stderr and done.stdout == b""
    with StandIn(problem(503, "The ledger cannot be used now.")) as stand_in:
        done = run(["trial", "new", "-e", "x"], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == 3 and "Try again later" in done.stderr and done.stdout == b""


def test_sow_get_accepts_the_number(daemon, tmp_path):
    number = sow(daemon, "new", "-e", "used").stdout.decode().strip()
    done = run(["get", "-e", "used", "-t", number, "-n", "w", "-s", "4", "-i", "normal", "-o", tmp_path / "w.npy"],
               environment(SOW_SERVER=daemon.url("")))
    assert done.returncode == 0, done.stderr
