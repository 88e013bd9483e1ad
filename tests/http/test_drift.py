"""Drift: a different tensor under a name that has one already is served, and the drift is reported."""
import json
import select

import pytest

from broken_ledgers import Unreadable
from conftest import PATIENCE
from sow_programs import StandIn, environment, raw, run, send_headers, tensor_headers

FIELDS = dict(experiment="e", name="w", shape="2", init="zeros")


def get(daemon, path="/v1/tensor", headers=None, **fields):
    return daemon.get(path, headers=headers, **{**FIELDS, **fields})


def plan(daemon, **fields):
    response = get(daemon, "/v1/plan", **fields)
    assert response.status == 200, response.body
    return response.json()


def test_no_drift_is_reported_without_drift(start):
    daemon = start()
    for fields in [dict(), dict(), dict(format="raw"), dict(name="v"), dict(trial=1), dict(experiment="f"), dict(init=" zeros ( ) "),
                   dict(dtype="float32"), dict(shard="0:0/2")]:
        response = get(daemon, **fields)
        assert response.status == 200 and "Sower-Drift" not in response.headers
    assert all("drift" not in line for line in daemon.ledger())


@pytest.mark.parametrize("fields", [dict(shape="3"), dict(shape="1,2"), dict(init="ones"), dict(dtype="f16"), dict(layout="io"), dict(fan_in="7"),
                                    dict(zero_rows="1"), dict(zero_columns="1")],
                         ids=str)
def test_another_shape_dtype_initializer_or_layout_drifts(start, fields):
    daemon = start()
    get(daemon, name="before")
    first = get(daemon)
    for turn in range(3):
        response = get(daemon, **fields)
        assert response.status == 200 and response.headers["Sower-Drift"] == "2" and response.headers["Sower-Ledger"] == "3"
        assert response.headers["Sower-Seed"] == first.headers["Sower-Seed"]
    assert [line.get("drift") for line in daemon.ledger()] == [None, None, 2]
    assert "Sower-Drift" not in get(daemon).headers, "the first tensor does not drift"


def test_every_drift_names_the_first_line(start):
    daemon = start()
    assert [get(daemon, shape=str(size)).headers["Sower-Drift"] for size in range(1, 6)] == [None, "1", "1", "1", "1"]


def test_drift_is_found_after_a_restart(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    get(daemon), get(daemon, shape="3")
    daemon.stop()
    daemon = start(state=tmp_path / "state")
    assert get(daemon, shape="4").headers["Sower-Drift"] == get(daemon, shape="3").headers["Sower-Drift"] == "1"
    assert "Sower-Drift" not in get(daemon).headers


def test_a_model_reports_the_drift_of_its_first_drifting_tensor(start):
    daemon = start()
    get(daemon, name="b"), get(daemon, name="c")
    manifest = {"experiment": "e", "tensors": [{"name": name, "shape": [4], "init": "zeros"} for name in ["a", "b", "c"]]}
    for _ in range(2):
        response = daemon.post("/v1/model", manifest)
        assert response.status == 200 and response.headers["Sower-Drift"] == "1"
    assert [line.get("drift") for line in daemon.ledger()] == [None, None, None, 1, 2]
    assert "Sower-Drift" not in daemon.post("/v1/model", {**manifest, "experiment": "f"}).headers


def test_no_cache_keeps_a_drifting_tensor(start):
    daemon = start()
    assert "immutable" in get(daemon).headers["Cache-Control"]
    for _ in range(2):
        drifting = get(daemon, shape="3")
        assert drifting.headers.get_all("Cache-Control") == ["no-store"] and drifting.headers["ETag"]
    assert get(daemon, shape="3", headers={"Range": "bytes=0-3"}).headers.get_all("Cache-Control") == ["no-store"]


def test_a_plan_reports_the_line_of_its_draw_and_the_drift(start):
    daemon = start()
    get(daemon, name="before")
    assert (plan(daemon)["ledger"], plan(daemon)["drift"]) == (None, None)
    assert len(daemon.ledger()) == 1, "a plan writes nothing"
    get(daemon)
    assert (plan(daemon)["ledger"], plan(daemon)["drift"]) == (2, None)
    assert (plan(daemon, shape="3")["ledger"], plan(daemon, shape="3")["drift"]) == (None, 2)
    get(daemon, shape="3")
    assert (plan(daemon, shape="3")["ledger"], plan(daemon, shape="3")["drift"]) == (3, 2)
    posted = daemon.post("/v1/plan", {**FIELDS, "shape": [3]}).json()
    assert (posted["ledger"], posted["drift"]) == (3, 2)
    assert daemon.request("HEAD", daemon.url("/v1/plan", **FIELDS).split(daemon.address)[1]).status == 200


def test_a_plan_finds_the_line_of_a_draw_that_is_not_in_memory(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    get(daemon)
    daemon.stop()
    assert plan(start(state=tmp_path / "state"))["ledger"] == 1


def test_a_plan_works_without_the_ledger(start):
    daemon = start("--queue", "1")
    whole = plan(daemon)
    connections = [daemon.connect() for _ in range(16)]
    with Unreadable(daemon):
        # One waits in the ledger's thread and one in the queue. The others are refused at once.
        for part in [connections[:8], connections[8:]]:
            for number, connection in enumerate(part):
                connection.request("GET", daemon.url("/v1/tensor", **{**FIELDS, "name": f"{number}"}).split(daemon.address)[1])
            assert select.select([connection.sock for connection in part], [], [], PATIENCE)[0]
        response = plan(daemon)
    assert whole.keys() - response.keys() == {"ledger", "drift"} and response["draw"] == whole["draw"]
    for connection in connections:
        connection.close()


# sow

def sow(daemon, *arguments):
    return run(arguments, environment(SOW_SERVER=daemon.url("")))


TENSOR = ["-e", "sow", "-n", "w", "-i", "zeros"]


def test_sow_get_warns_of_drift_also_in_a_pipe(start):
    daemon = start()
    assert sow(daemon, "get", *TENSOR, "-s", "2").stderr == ""
    done = sow(daemon, "get", *TENSOR, "-s", "3")
    assert done.returncode == 0 and len(done.stdout) == 128 + 12
    assert done.stderr.startswith("sow get: warning: ") and "line 1 of the ledger" in done.stderr and done.stderr.count("\n") == 1
    assert sow(daemon, "get", *TENSOR, "-s", "3", "--quiet").stderr == ""


def test_sow_model_warns_of_drift(start, tmp_path):
    daemon = start()
    sow(daemon, "get", *TENSOR, "-s", "2")
    (tmp_path / "m.json").write_text('{"tensors": [{"name": "w", "shape": [3], "init": "zeros"}]}')
    arguments = ["model", "-e", "sow", "-m", tmp_path / "m.json", "-o", tmp_path / "m.safetensors"]
    done = sow(daemon, *arguments)
    assert done.returncode == 0 and done.stderr.startswith("sow model: warning: ") and "line 1 of the ledger" in done.stderr
    assert sow(daemon, *arguments, "-q").stderr == ""
    assert sow(daemon, *arguments[:2], "other", *arguments[3:]).stderr == ""


def test_sow_plan_shows_drift(start):
    daemon = start()
    sow(daemon, "get", *TENSOR, "-s", "2")
    assert "\nledger         line 1\n" in (shown := sow(daemon, "plan", *TENSOR, "-s", "2").stdout.decode()) and "drift" not in shown
    assert "\ndrift          from line 1\n" in (shown := sow(daemon, "plan", *TENSOR, "-s", "3").stdout.decode()) and "ledger" not in shown
    assert json.loads(sow(daemon, "plan", "-j", *TENSOR, "-s", "3").stdout)["drift"] == 1


def test_a_malformed_drift_header_is_refused_and_not_printed():
    def answer(handler, _):
        send_headers(handler, 200, {**tensor_headers(4), "Sower-Drift": "\x1b[31m7"})
        handler.wfile.write(b"abcd")

    with StandIn(answer) as stand_in:
        done = run(["get", *raw(4)], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == 3 and "\x1b" not in done.stderr and "its Sower-Drift is not the number of an earlier line" in done.stderr
