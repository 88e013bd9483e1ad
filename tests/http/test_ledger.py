"""The ledger: every draw is recorded once, before its bytes are sent; and failures of the ledger."""
import concurrent.futures
import pathlib
import signal
import sqlite3

import pytest

from broken_ledgers import Full, Locked, Moved, refused, refused_to_start
from conftest import PATIENCE
from write_ahead_log import commits


def tensor(number, **more):
    return dict(experiment="ledger", name=f"w{number}", shape="8", init="normal", **more)


def disk_state(daemon):
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
            for path in pathlib.Path(daemon.state).iterdir() if not path.name.endswith("-shm")}


def test_lines_have_the_fields_of_the_requests_in_order(start):
    daemon = start()
    for number in range(3):
        daemon.get("/v1/tensor", **tensor(number, trial=str(number)))
    daemon.post("/v1/tensor", dict(experiment="other", name="ü", shape=[], init={"type": "he_normal"}, dtype="bf16"))
    lines = daemon.ledger()
    assert [line["ledger"] for line in lines] == [1, 2, 3, 4]
    assert [(line["name"], line["trial"]) for line in lines] == [("w0", 0), ("w1", 1), ("w2", 2), ("ü", 0)]
    assert lines[3]["shape"] == [] and lines[3]["dtype"] == "bf16" and lines[3]["init"] == "he_normal"
    plan = daemon.get("/v1/plan", **tensor(2, trial="2")).json()
    assert lines[2]["draw"] == plan["draw"] and lines[2]["seed"] == plan["seed"]
    assert sorted(line["time"] for line in lines) == [line["time"] for line in lines]


def test_a_draw_is_recorded_once_for_all_equivalent_requests(start):
    daemon = start()
    numbers = set()
    for format in ["npy", "raw"]:
        for init in ["normal", "normal(std=0.05)", " normal( mean = 0 )"]:
            response = daemon.get("/v1/tensor", **{**tensor(1), "init": init}, format=format)
            numbers.add(response.headers["Sower-Ledger"])
    numbers.add(daemon.get("/v1/tensor", **tensor(1), slice="2:3").headers["Sower-Ledger"])
    assert numbers == {"1"} and len(daemon.ledger()) == 1


def test_the_ledger_can_be_filtered(start):
    daemon = start()
    for number in range(10):
        daemon.get("/v1/tensor", **{**tensor(number), "experiment": f"e{number % 2}"})
    assert [line["ledger"] for line in daemon.ledger(after=7)] == [8, 9, 10]
    assert [line["ledger"] for line in daemon.ledger(after=2, limit=3)] == [3, 4, 5]
    assert [line["ledger"] for line in daemon.ledger(experiment="e1")] == [2, 4, 6, 8, 10]
    assert [line["ledger"] for line in daemon.ledger(experiment="e1", after=4, limit=2)] == [6, 8]
    assert daemon.ledger(limit=0) == daemon.ledger(after=10) == daemon.ledger(experiment="e2") == []


@pytest.mark.parametrize(
    "query, param",
    [("after=x", "after"), ("after=", "after"), ("after", "after"), ("after=-1", "after"), ("after=9223372036854775808", "after"),
     ("limit=1.5", "limit"), ("limit=%2B1", "limit"), ("limit=1&limit=2", "limit"), ("experiment=", "experiment"),
     ("experiment=" + "x" * 257, "experiment"), ("experiment=%ff", "experiment"), ("experiment=a%00b", "experiment"),
     ("trial=1", "trial"), ("Limit=1", "Limit")],
    ids=lambda text: text[:30],
)
def test_invalid_filters_of_the_ledger_are_refused(daemon, query, param):
    response = daemon.get("/v1/ledger?" + query)
    assert response.status == 400 and response.problem()["param"] == param


def test_a_long_ledger_is_streamed_completely_in_order_and_in_constant_memory(start):
    daemon = start()
    rows = 20000
    daemon.get("/v1/tensor", **tensor(0))
    with sqlite3.connect(pathlib.Path(daemon.state) / "ledger.sqlite") as database:
        columns = "time, kind, experiment, trial, seed, spec, name, shape, dtype, init, layout, writer, link"
        database.execute(
            "WITH RECURSIVE count(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM count WHERE n < ?)"
            f" INSERT INTO line (ledger, sequence, draw, {columns})"
            f" SELECT n, n, CAST(printf('%032d', n) AS BLOB), {columns} FROM line, count WHERE line.ledger = 1",
            (rows,),
        )
    database.close()
    before = daemon.status_kib("VmHWM")
    lines = daemon.ledger()
    assert [line["ledger"] for line in lines] == list(range(1, rows + 1))
    assert daemon.peak_memory() - before < 4096, "the response has some 8 MB"


def test_head_of_the_ledger_has_no_lines(daemon):
    head = daemon.request("HEAD", "/v1/ledger")
    assert head.status == 200 and head.body == b"" and head.headers["Content-Type"] == "application/x-ndjson"


def test_a_stream_of_a_growing_ledger_ends_at_the_line_that_was_last_at_its_start(start):
    daemon = start()
    for number in range(200):
        daemon.get("/v1/tensor", **tensor(number))
    connection = daemon.connect()
    connection.request("GET", "/v1/ledger")
    response = connection.getresponse()
    first = response.readline()
    for number in range(200, 210):
        daemon.get("/v1/tensor", **tensor(number))
    assert len([first, *response.read().splitlines()]) == 200
    connection.close()


def test_a_recorded_draw_is_served_without_touching_the_disk(start):
    daemon = start()
    for number in range(5):
        daemon.get("/v1/tensor", **tensor(number))
    before = disk_state(daemon)
    for number in range(5):
        for format in ["npy", "raw"]:
            assert daemon.get("/v1/tensor", **tensor(number), format=format).status == 200
    assert disk_state(daemon) == before


def test_a_recorded_draw_that_is_not_in_memory_is_found_and_not_written_again(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    for number in range(5):
        daemon.get("/v1/tensor", **tensor(number))
    daemon.stop()
    again = start(state=tmp_path / "state")
    before = disk_state(again)
    for number in range(5):
        assert again.get("/v1/tensor", **tensor(number)).headers["Sower-Ledger"] == str(number + 1)
    assert disk_state(again) == before
    assert again.get("/v1/tensor", **tensor(5)).headers["Sower-Ledger"] == "6"


def test_a_draw_evicted_from_memory_is_still_in_the_ledger(start):
    daemon = start("--known-draws", "8")
    for turn in range(3):
        for number in range(60):
            assert daemon.get("/v1/tensor", **tensor(number)).headers["Sower-Ledger"] == str(number + 1)
    assert len(daemon.ledger()) == 60


def test_draws_that_wait_together_share_a_commit(start):
    daemon = start()
    daemon.get("/v1/tensor", **tensor("first"))
    before = commits(daemon)
    clients = 64
    with Locked(daemon):
        connections = [daemon.connect() for _ in range(clients)]
        for number, connection in enumerate(connections):
            connection.request("GET", daemon.url("/v1/tensor", **tensor(number)).split(daemon.address)[1])
        assert daemon.get("/healthz").status == 200
    assert [connection.getresponse().status for connection in connections] == [200] * clients
    for connection in connections:
        connection.close()
    assert len(daemon.ledger()) == clients + 1
    assert commits(daemon) - before < clients / 4


def test_concurrent_requests_for_the_same_new_draw_get_one_line(start):
    daemon = start()
    with Locked(daemon):
        connections = [daemon.connect() for _ in range(32)]
        for connection in connections:
            connection.request("GET", daemon.url("/v1/tensor", **tensor(0)).split(daemon.address)[1])
    responses = [connection.getresponse() for connection in connections]
    assert {response.status for response in responses} == {200}
    assert {response.headers["Sower-Ledger"] for response in responses} == {"1"}
    assert len({response.read() for response in responses}) == 1 and len(daemon.ledger()) == 1
    for connection in connections:
        connection.close()


def test_concurrent_new_draws_are_all_recorded_and_numbered_without_gaps(start):
    daemon = start()

    def work(client):
        connection = daemon.connect()
        numbers = []
        for number in range(50):
            connection.request("GET", daemon.url("/v1/tensor", **tensor(f"{client}-{number}")).split(daemon.address)[1])
            response = connection.getresponse()
            response.read()
            numbers.append(int(response.headers["Sower-Ledger"]))
        connection.close()
        return numbers

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        numbers = [number for part in pool.map(work, range(16)) for number in part]
    assert sorted(numbers) == list(range(1, 801)) == [line["ledger"] for line in daemon.ledger()]


def check_failure_and_recovery(daemon, broken):
    """While the ledger is broken, new draws are refused and recorded draws are served. Afterwards the daemon works as before."""
    daemon.get("/v1/tensor", **tensor("known"))
    with broken:
        assert refused(daemon.get("/v1/tensor", **tensor("new")))
        assert refused(daemon.get("/readyz"))
        assert daemon.get("/healthz").status == 200
        assert daemon.get("/v1/tensor", **tensor("known")).status == 200
    assert daemon.get("/readyz").status == 200
    assert daemon.get("/v1/tensor", **tensor("new")).headers["Sower-Ledger"] == "2"
    assert [line["name"] for line in daemon.ledger()] == ["wknown", "wnew"]
    daemon.wait_for(lambda line: line.get("event") == "ledger_failed")
    daemon.wait_for(lambda line: line.get("event") == "ledger_recovered")


def test_a_locked_ledger_refuses_new_draws_until_it_is_free(start):
    daemon = start()
    check_failure_and_recovery(daemon, Locked(daemon))


def test_a_full_disk_refuses_new_draws_until_there_is_room(start):
    daemon = start()
    check_failure_and_recovery(daemon, Full(daemon))


def test_a_ledger_that_was_moved_away_refuses_new_draws_until_it_is_back(start):
    daemon = start()
    check_failure_and_recovery(daemon, Moved(daemon))


def test_a_full_queue_refuses_requests_at_once(start):
    daemon = start("--queue", "1")
    with Locked(daemon):
        connections = [daemon.connect() for _ in range(16)]
        for number, connection in enumerate(connections):
            connection.request("GET", daemon.url("/v1/tensor", **tensor(number)).split(daemon.address)[1])
        assert daemon.get("/healthz").status == 200
    statuses = [connection.getresponse().status for connection in connections]
    assert set(statuses) <= {200, 503} and 503 in statuses
    assert len(daemon.ledger()) == statuses.count(200)
    for connection in connections:
        connection.close()


def test_a_line_is_on_disk_before_the_first_byte_is_sent(start, tmp_path):
    state = tmp_path / "state"
    for number in range(5):
        daemon = start(state=state)
        connection = daemon.connect()
        connection.request("GET", daemon.url("/v1/tensor", **{**tensor(number), "shape": "50000000"}).split(daemon.address)[1])
        assert connection.getresponse().status == 200
        daemon.signal(signal.SIGKILL)
        daemon.process.wait(timeout=PATIENCE)
        connection.close()
    assert [line["name"] for line in start(state=state).ledger()] == [f"w{number}" for number in range(5)]


def test_a_ledger_of_a_newer_version_is_refused_with_a_sentence(start, tmp_path):
    start(state=tmp_path / "state").stop()
    path = tmp_path / "state" / "ledger.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    content = path.read_bytes()
    assert "newer sowerd" in refused_to_start("--state", str(tmp_path / "state"))
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE draw (a)")
    database.close()
    assert "another program" in refused_to_start("--ledger", f"sqlite:{path}")
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)
    database.close()


@pytest.mark.parametrize("url", ["mysql:x", "ledger.sqlite", "sqlite", "SQLITE:x", ":memory:"])
def test_a_ledger_of_an_unknown_kind_is_refused_with_a_sentence(url):
    sentence = refused_to_start("--ledger", url)
    assert f'begins with "{url.split(":")[0]}"' in sentence and "sqlite:PATH or postgresql://" in sentence


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("not a database, but long enough to be looked at by SQLite as one" * 100)
    assert "not a SQLite database" in refused_to_start("--ledger", f"sqlite:{path}")
    assert "cannot be opened" in refused_to_start("--ledger", f"sqlite:{tmp_path}/none/ledger")
    assert "write-ahead log" in refused_to_start("--ledger", "sqlite::memory:")


def test_a_ledger_can_be_anywhere_and_the_writers_key_stays_in_the_state(start, tmp_path):
    daemon = start("--ledger", f"sqlite:{tmp_path}/mine.db")
    daemon.get("/v1/tensor", **tensor(0))
    assert (tmp_path / "mine.db").exists()
    assert [path.name for path in daemon.state.iterdir()] == ["writer.key"]


@pytest.mark.parametrize("column, value", [("kind", 0), ("kind", 5), ("kind", 1_000_000_000), ("kind", -1), ("shape", "x,y"), ("shape", "1," * 200 + "1"),
                                           ("name", ""), ("spec", 0), ("time", 1 << 62), ("sequence", 0)],
                         ids=lambda value: str(value)[:12])
def test_a_damaged_line_is_named_and_the_other_lines_are_still_read(start, column, value):
    daemon = start()
    for number in range(3):
        daemon.get("/v1/tensor", **tensor(number))
    with sqlite3.connect(pathlib.Path(daemon.state) / "ledger.sqlite") as database:
        database.execute(f"UPDATE line SET {column} = ? WHERE ledger = 2", (value,))
    database.close()
    response = daemon.get("/v1/ledger")
    assert response.status == 503 and response.json()["detail"].startswith("Line 2 of the ledger is damaged: "), response.body
    assert [line["ledger"] for line in daemon.ledger(after="2")] == [3]
    assert daemon.get("/v1/tensor", **tensor(7)).headers["Sower-Ledger"] == "4"


def test_an_impossible_count_in_the_ledger_gives_out_no_numbers(start):
    daemon = start()
    assert daemon.request("POST", "/v1/experiments/e/trials").status == 200
    with sqlite3.connect(pathlib.Path(daemon.state) / "ledger.sqlite") as database:
        database.execute("UPDATE experiment SET given = -1")
    database.close()
    response = daemon.request("POST", "/v1/experiments/e/trials")
    assert 400 <= response.status < 500 and len(daemon.ledger()) == 1, response.body
