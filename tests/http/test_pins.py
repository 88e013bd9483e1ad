"""Pins: in a pinned experiment a drifting tensor is refused, whenever it was first drawn."""
import json
import signal

import pytest

from broken_ledgers import Full, Locked, Moved, Unreadable, refused
from conftest import PATIENCE
from experiment_names import NAMES, quoted
from sow_programs import StandIn, environment, page, run


def pin(daemon, experiment, method="PUT"):
    response = daemon.request(method, f"/v1/experiments/{quoted(experiment)}/pin")
    assert response.status == 200 and response.headers["Content-Type"] == "application/json", response.body
    body = response.json()
    assert list(body) == ["experiment", "pinned", "ledger"] and body["experiment"] == experiment
    return body["pinned"], body["ledger"]


def ask(daemon, experiment, path="/v1/tensor", method="GET", name="w", shape="2", init="zeros", **fields):
    target = daemon.url(path, experiment=experiment, name=name, shape=shape, init=init, **fields).split(daemon.address)[1]
    return daemon.request(method, target)


def model(daemon, experiment, *tensors):
    return daemon.post("/v1/model", {"experiment": experiment, "tensors": [{"name": name, "shape": shape, "init": "zeros"}
                                                                          for name, shape in tensors]})


def conflict(response, word="pinned"):
    assert response.status == 409, (response.status, response.body)
    problem = response.problem()
    assert problem["param"] == "name" and word in problem["detail"] and "Sower-Seed" not in response.headers
    return True


def test_a_pin_writes_a_line_and_a_repeated_pin_writes_none(start):
    daemon = start()
    assert pin(daemon, "e", "GET") == (False, None) and pin(daemon, "e", "DELETE") == (False, None)
    assert [pin(daemon, "e") for _ in range(3)] == [(True, 1)] * 3 and pin(daemon, "e", "GET") == (True, 1)
    assert pin(daemon, "e", "DELETE") == (False, 2)
    assert pin(daemon, "e", "DELETE") == pin(daemon, "e", "GET") == (False, None)
    assert pin(daemon, "e") == (True, 3)
    assert [(line["kind"], line["experiment"]) for line in daemon.ledger()] == [("pin", "e"), ("unpin", "e"), ("pin", "e")]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_every_name_can_be_pinned(daemon, name):
    pinned, line = pin(daemon, name)
    assert pinned and pin(daemon, name, "GET") == (True, line)
    assert daemon.get(f"/v1/experiments/{quoted(name)}").json()["pinned"] is True
    assert daemon.ledger(experiment=name)[-1]["kind"] == "pin"
    assert pin(daemon, name, "DELETE")[0] is False and daemon.get(f"/v1/experiments/{quoted(name)}").json()["pinned"] is False


def test_a_pin_survives_a_kill(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    assert ask(daemon, "e").status == 200 and pin(daemon, "e") == (True, 2)
    daemon.signal(signal.SIGKILL)
    daemon.process.wait(timeout=PATIENCE)
    daemon = start(state=tmp_path / "state")
    assert pin(daemon, "e", "GET") == (True, 2) and conflict(ask(daemon, "e", shape="3"))


def test_a_drifting_tensor_is_refused_in_a_pinned_experiment(start):
    daemon = start()
    assert ask(daemon, "e").status == 200
    pin(daemon, "e")
    for drifting in [dict(shape="3"), dict(init="ones"), dict(dtype="f64"), dict(layout="io"), dict(shape="2,1")]:
        for method in ["GET", "HEAD"]:
            response = ask(daemon, "e", method=method, **drifting)
            assert response.status == 409 and "Sower-Seed" not in response.headers
        assert conflict(ask(daemon, "e", **drifting)) and conflict(ask(daemon, "e", path="/v1/plan", **drifting))
    assert len(daemon.ledger()) == 2


LAW = dict(shape="4,6", init="normal(std=0.02)")


def in_dtype(dtype, **fields):
    return {"name": "w", "shape": [4, 6], "init": "normal(std=0.02)", "dtype": dtype, **fields}


def served_and_marked(response, line=1):
    assert response.status == 200, (response.status, response.body)
    assert response.headers["Sower-Drift"] == str(line) and response.headers["Cache-Control"] == "no-store"
    return True


@pytest.mark.parametrize("first", ["f32", "bf16", "f8_e4m3"])
def test_the_same_array_in_another_precision_is_marked_and_served_in_a_pinned_experiment(recorder, first):
    assert ask(recorder, "e", dtype=first, **LAW).status == 200
    pin(recorder, "e")
    for dtype in {"f32", "f16", "bf16", "f8_e4m3"} - {first}:
        assert ask(recorder, "e", path="/v1/plan", dtype=dtype, **LAW).json()["drift"] == 1
        assert served_and_marked(ask(recorder, "e", dtype=dtype, **LAW))
        assert served_and_marked(ask(recorder, "e", dtype=dtype, **LAW)), "it is known now"
        line = recorder.ledger()[-1]
        assert (line["dtype"], line["drift"]) == (dtype, 1)
    assert conflict(ask(recorder, "e", dtype="f64", **LAW)), "f64 elements come from other words of the stream"
    for change in [dict(init="normal(std=0.03)"), dict(shape="6,4"), dict(layout="io")]:
        assert conflict(ask(recorder, "e", **{**LAW, "dtype": "f16", **change}))
    assert len(recorder.ledger()) == 5


def test_models_and_receipts_have_another_precision_in_a_pinned_experiment_and_no_other_array(recorder):
    assert ask(recorder, "e", **LAW).status == 200
    pin(recorder, "e")
    for path in ["/v1/model", "/v1/draws"]:
        assert conflict(recorder.post(path, {"experiment": "e", "tensors": [in_dtype("bf16", name="new"), in_dtype("f64")]}))
        assert len(recorder.ledger()) == 2, "refused as a whole"
    assert served_and_marked(recorder.post("/v1/model", {"experiment": "e", "tensors": [in_dtype("f16")]}))
    draw, = recorder.post("/v1/draws", {"experiment": "e", "tensors": [in_dtype("bf16")]}).json()["draws"]
    assert (draw["dtype"], draw["drift"]) == ("bf16", 1)
    assert recorder.post("/v1/draws", {"experiment": "e", **in_dtype("f8_e5m2")}).json()["draws"][0]["drift"] == 1
    assert conflict(recorder.post("/v1/draws", {"experiment": "e", **in_dtype("f64")}))


def test_a_law_that_a_dtype_cannot_hold_is_refused_as_invalid_also_in_a_pinned_experiment(start):
    daemon = start()
    law = dict(shape="4", init="constant(70000)")
    assert ask(daemon, "e", **law).status == 200
    pin(daemon, "e")
    assert ask(daemon, "e", dtype="f16", **law).status == 400 and served_and_marked(ask(daemon, "e", dtype="bf16", **law))


def test_a_draw_is_compared_with_the_first_line_and_with_no_later_one(recorder):
    for drawn in [dict(dtype="f64"), dict(dtype="f32"), dict(dtype="bf16")]:
        assert ask(recorder, "e", **drawn).status == 200
    pin(recorder, "e")
    assert ask(recorder, "e", dtype="f64").status == 200
    assert conflict(ask(recorder, "e", dtype="f32")) and conflict(ask(recorder, "e", dtype="f16"))


@pytest.mark.parametrize("fields", [dict(), dict(format="raw"), dict(slice="0:1")], ids=["npy", "raw", "slice"])
def test_a_tensor_that_drifted_before_the_pin_is_refused_after_it(start, fields):
    daemon = start()
    assert ask(daemon, "e").status == 200
    for _ in range(3):  # until the response is in the cache
        assert ask(daemon, "e", shape="3", **fields).headers["Sower-Drift"] == "1"
    pin(daemon, "e")
    assert conflict(ask(daemon, "e", shape="3", **fields))
    assert ask(daemon, "e", method="HEAD", shape="3", **fields).status == 409
    pin(daemon, "e", "DELETE")
    assert ask(daemon, "e", shape="3", **fields).headers["Sower-Drift"] == "1"


def test_tensors_without_drift_are_served_in_a_pinned_experiment(start):
    daemon = start()
    first = ask(daemon, "e")
    ask(daemon, "e", shape="3")
    pin(daemon, "e")
    again = ask(daemon, "e")
    assert again.status == 200 and again.headers["Sower-Ledger"] == first.headers["Sower-Ledger"] == "1" and again.body == first.body
    assert ask(daemon, "e", slice="0:1", format="raw").status == 200
    assert ask(daemon, "e", name="new").status == ask(daemon, "e", trial=1, shape="3").status == 200
    assert ask(daemon, "f", shape="3").status == ask(daemon, "f").status == 200, "another experiment is not affected"
    assert daemon.request("POST", "/v1/experiments/e/trials").status == 200


def test_a_pin_may_come_before_the_first_draw(start):
    daemon = start()
    pin(daemon, "e")
    assert ask(daemon, "e").status == 200 and conflict(ask(daemon, "e", shape="3"))


def test_a_model_with_one_drifting_tensor_is_refused_as_a_whole(start):
    daemon = start()
    assert ask(daemon, "e", name="b").status == 200
    pin(daemon, "e")
    response = model(daemon, "e", ("a", [2]), ("b", [3]), ("c", [2]))
    assert conflict(response) and '"b"' in response.problem()["detail"] and len(daemon.ledger()) == 2
    assert model(daemon, "e", ("a", [2]), ("b", [2])).status == 200


def test_a_model_that_drifted_before_the_pin_is_refused_after_it(start):
    daemon = start()
    assert ask(daemon, "e", name="b").status == 200
    for _ in range(2):
        response = model(daemon, "e", ("a", [2]), ("b", [3]))
        assert response.status == 200 and response.headers["Sower-Drift"] == "1"
    fields = dict(manifest=response.headers["Sower-Manifest"], experiment="e")
    pin(daemon, "e")
    lines = daemon.ledger()
    assert conflict(model(daemon, "e", ("a", [2]), ("b", [3])))
    assert conflict(daemon.get("/v1/model", **fields))
    head = daemon.request("HEAD", daemon.url("/v1/model", **fields).split(daemon.address)[1])
    assert head.status == 409 and "Sower-Manifest" not in head.headers and head.body == b""
    assert daemon.get("/v1/model", **fields, tensors="a").status == 200
    assert daemon.ledger() == lines


def test_a_strict_daemon_refuses_drift_in_every_experiment(start, tmp_path):
    usual = start(state=tmp_path / "state")
    assert ask(usual, "e").status == ask(usual, "e", shape="3").status == model(usual, "e", ("w", [4])).status == 200
    usual.stop()
    strict = start("--strict", state=tmp_path / "state")
    assert ask(strict, "e").status == 200
    for response in [ask(strict, "e", shape="3"), ask(strict, "e", shape="5"), ask(strict, "e", path="/v1/plan", shape="3"),
                   model(strict, "e", ("w", [4])), model(strict, "e", ("new", [4]), ("w", [6]))]:
        assert conflict(response, "strict")
    assert served_and_marked(ask(strict, "e", dtype="bf16")) and conflict(ask(strict, "e", dtype="f64"), "strict")
    assert ask(strict, "e", name="new").status == model(strict, "e", ("w", [2]), ("v", [2])).status == 200


def test_a_pin_of_another_root_is_another_pin(start, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    public = start(state=tmp_path / "state")
    pin(public, "e")
    public.stop()
    private = start("--root-key-file", str(key), state=tmp_path / "state")
    assert pin(private, "e", "GET") == (False, None)
    assert ask(private, "e").status == ask(private, "e", shape="3").status == 200


def test_a_pin_applies_to_all_daemons_on_the_ledger(start, tmp_path):
    one, other = [start("--ledger", f"sqlite:{tmp_path}/shared") for _ in range(2)]
    assert ask(other, "e").status == ask(other, "e", shape="3").status == ask(other, "e", shape="3").status == 200
    pin(one, "e")
    assert pin(other, "e", "GET")[0] and conflict(ask(other, "e", shape="3")) and ask(other, "e").status == 200


@pytest.mark.parametrize("broken", [Locked, Full, Moved])
def test_while_the_ledger_fails_nothing_is_pinned(start, broken):
    daemon = start()
    assert ask(daemon, "e").status == 200
    with broken(daemon):
        assert refused(daemon.request("PUT", "/v1/experiments/e/pin"))
        assert daemon.get("/healthz").status == 200
    assert pin(daemon, "e", "GET") == (False, None) and pin(daemon, "e") == (True, 2)


def test_a_request_that_waits_for_a_pin_does_not_delay_others(start):
    daemon = start("--threads", "1")
    ask(daemon, "e")
    connection = daemon.connect()
    with Unreadable(daemon):
        connection.request("PUT", "/v1/experiments/e/pin")
        assert daemon.get("/healthz").status == 200
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_a_pin_accepts_no_fields_and_no_body(daemon, method):
    assert daemon.request(method, "/v1/experiments/wrong/pin?pinned=1").problem()["status"] == 400
    assert daemon.request(method, "/v1/experiments/wrong/pin", body="{}").problem()["status"] == 400
    assert daemon.request(method, "/v1/experiments//pin").problem()["param"] == "experiment"
    assert daemon.request(method, f"/v1/experiments/{'x' * 257}/pin").problem()["param"] == "experiment"
    assert pin(daemon, "wrong", "GET") == (False, None)


def test_other_methods_are_405(daemon):
    response = daemon.request("POST", "/v1/experiments/e/pin")
    assert response.status == 405 and response.headers["Allow"] == "GET, HEAD, PUT, DELETE"
    assert response.problem()["detail"].endswith("it takes GET, HEAD, PUT and DELETE.")


# sow

def sow(daemon, *arguments):
    return run(arguments, environment(SOW_SERVER=daemon.url("")))


@pytest.mark.parametrize("name", ["e", "a/b", "..", "100%", "ü?#"])
def test_sow_pins_and_unpins(daemon, name):
    name = f"sow {name}"
    done = sow(daemon, "pin", name)
    assert done.returncode == 0 and done.stderr == "" and done.stdout.decode().startswith(f"{name} is pinned by line ")
    assert pin(daemon, name, "GET")[0] is True
    assert json.loads(sow(daemon, "pin", "--json", name).stdout) == {"experiment": name, "pinned": True, "ledger": pin(daemon, name, "GET")[1]}
    assert sow(daemon, "pin", "--remove", name).stdout.decode().startswith(f"{name} is unpinned by line ")
    assert sow(daemon, "pin", name, "--remove").stdout.decode() == f"{name} is not pinned.\n"
    assert pin(daemon, name, "GET") == (False, None)


def test_sow_reports_a_refusal_by_a_pin(daemon, tmp_path):
    tensor = ["get", "-e", "sow", "-n", "w", "-i", "zeros", "-o", tmp_path / "w.npy"]
    assert sow(daemon, *tensor, "-s", "2").returncode == sow(daemon, "pin", "sow").returncode == 0
    content = (tmp_path / "w.npy").read_bytes()
    done = sow(daemon, *tensor, "-s", "3")
    assert done.returncode == 1 and "pinned" in done.stderr and (tmp_path / "w.npy").read_bytes() == content
    assert sow(daemon, "plan", "-e", "sow", "-n", "w", "-i", "zeros", "-s", "3").returncode == 1
    (tmp_path / "m.json").write_text('{"tensors": [{"name": "w", "shape": [3], "init": "zeros"}]}')
    done = sow(daemon, "model", "-e", "sow", "-m", tmp_path / "m.json", "-o", tmp_path / "m.safetensors")
    assert done.returncode == 1 and "pinned" in done.stderr and not (tmp_path / "m.safetensors").exists()


def test_sow_gets_another_precision_in_a_pinned_experiment_and_says_so(daemon, tmp_path):
    tensor = ["get", "-e", "precise", "-n", "w", "-i", "he_normal", "-s", "4,6", "-o", tmp_path / "w.npy"]
    assert sow(daemon, *tensor).returncode == sow(daemon, "pin", "precise").returncode == 0
    line = daemon.ledger(experiment="precise")[0]["ledger"]
    done = sow(daemon, *tensor, "-d", "f16", "--verify")
    assert done.returncode == 0 and done.stderr == (f"sow get: warning: w drifts from line {line} of the ledger: dtype f32 there and f16 here: "
                                                    "the same array in another precision.\n")
    done = sow(daemon, *tensor, "-d", "f64")
    assert done.returncode == 1 and "pinned" in done.stderr


@pytest.mark.parametrize("arguments, status, words", [
    ([], 2, "EXPERIMENT is missing"), ([""], 1, "1 to 256"), (["x" * 257], 1, "257 bytes"), (["a", "b"], 2, "'b'")], ids=range(4))
def test_sow_refuses_invalid_arguments_without_a_request(arguments, status, words):
    with StandIn(page(200, "{}", "application/json")) as stand_in:
        done = run(["pin", *arguments], environment(SOW_SERVER=stand_in.address))
    assert done.returncode == status and words in done.stderr and stand_in.requests == []
