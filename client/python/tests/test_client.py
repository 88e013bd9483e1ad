"""The package with a real daemon."""
import json
import os
import threading
import urllib.request

import pytest

import sower

MANIFEST = sower.Manifest({"tensors": [{"name": "a", "shape": [64, 32], "init": "he_normal"}, {"name": "b", "shape": [32], "init": "zeros", "dtype": "bf16"},
                                       {"name": "c", "shape": [64, 32], "same_as": "a"}]})


@pytest.fixture
def client(daemon):
    return sower.Client(daemon.url)


def get(daemon, path):
    with urllib.request.urlopen(daemon.url + path) as answer:
        return answer.read()


def lines(daemon, experiment):
    return [json.loads(line) for line in get(daemon, f"/v1/ledger?experiment={experiment}").splitlines()]


def test_a_draw_is_recorded_and_has_the_daemons_bytes(client, daemon):
    draw = client.run("one", trial=3).draw("w", (40, 30), "he_normal", layout="io")
    [line] = lines(daemon, "one")
    assert draw.recorded and (line["ledger"], line["draw"], line["seed"], line["trial"]) == (draw.ledger, draw.id, draw.seed, 3)
    bytes_of_daemon = get(daemon, "/v1/tensor?experiment=one&trial=3&name=w&shape=40,30&init=he_normal&layout=io&format=raw")
    assert draw.numpy().tobytes() == bytes_of_daemon
    assert client.run("one", trial=3).draw("w", (40, 30), "he_normal", layout="io").ledger == draw.ledger


def test_a_model_is_recorded_once_and_has_the_daemons_bytes(client, daemon):
    run = client.run("model", trial=0)
    receipt = run.record(MANIFEST)
    assert run.record(MANIFEST) == receipt and receipt.recorded and receipt.manifest == MANIFEST.hash
    recorded = lines(daemon, "model")
    assert [line["name"] for line in recorded] == ["a", "b"] and receipt.ledger == recorded[-1]["ledger"]
    with run.model(MANIFEST) as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    for name in ("a", "b"):
        first, last = header[name]["data_offsets"]
        elements = bytearray(receipt.draws[name].nbytes)
        receipt.draws[name].fill(elements)
        assert elements == data[start + first:start + last]
    assert header["__metadata__"]["c"] == "a"


def test_a_model_can_be_asked_in_part(client):
    run = client.run("parts", trial=0)
    with run.model(MANIFEST, tensors="b") as file:
        first = file.read(8)
        assert "b" in (header := json.loads(file.read(int.from_bytes(first, "little")))) and "a" not in header
    buffer = bytearray(16)
    with run.model(MANIFEST, shard="0:1/4") as file:
        assert file.readinto(buffer) == 16
    assert run.record(MANIFEST).recorded  # the connection that was not read to its end is not used again


def test_a_model_can_be_asked_by_boxes(client):
    run = client.run("slices", trial=0)
    with run.model(MANIFEST, slices={"a": ((16, 32), (0, 8)), "b": "30:"}) as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        assert header["a"]["shape"] == [16, 8] and header["b"]["shape"] == [2]
        assert file.read(16 * 8 * 4) == run.record(MANIFEST).draws["a"].numpy(((16, 32), (0, 8))).tobytes()


def test_the_same_key_gives_the_same_trial_and_no_key_the_next(client, daemon):
    runs = [client.run("keys/ü", key="job 7"), client.run("keys/ü", key="job 7"), client.run("keys/ü"), client.run("keys/ü")]
    assert [run.trial for run in runs] == [0, 0, 1, 2]
    assert len({run.seed("data") for run in runs}) == 3


def test_threads_with_one_key_take_one_number(client):
    trials = []
    threads = [threading.Thread(target=lambda: trials.append(client.run("ranks", key="job").trial)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trials == [0] * 16


def test_a_plan_records_nothing(client, daemon):
    plan = client.run("plan", trial=0).plan("w", (3, 2), "glorot_uniform")
    assert plan["ledger"] is None and plan["fan_in"] == 2
    assert lines(daemon, "plan") == []


def test_seeds_of_purposes_are_the_same_offline_and_under_a_private_root(client, start, tmp_path):
    assert client.run("seeds", trial=4).seed("data") == sower.offline("seeds", trial=4).seed("data")
    root = bytes(range(32))
    (tmp_path / "root").write_text(root.hex() + "\n")
    os.chmod(tmp_path / "root", 0o600)
    private = sower.Client(start("--root-key-file", tmp_path / "root").url)
    run = private.run("seeds", trial=4)
    assert run.seed("data") == sower.offline("seeds", trial=4, root=root).seed("data") != client.run("seeds", trial=4).seed("data")
    receipt = run.record(MANIFEST)
    assert receipt.draws["a"].numpy().tobytes() == sower.offline("seeds", trial=4, root=root).record(MANIFEST).draws["a"].numpy().tobytes()


def test_another_root_is_found_before_anything_is_recorded(daemon):
    client = sower.Client(daemon.url, expect_root="ab" * 32)
    for ask in (lambda: client.run("root", trial=0), lambda: client.run("root", key="k"), lambda: client.run("root")):
        with pytest.raises(sower.WrongRoot):
            ask()
    assert lines(daemon, "root") == []
    public = sower.offline("root").draw("w", (), "zeros")
    assert public.recorded is False
    right = sower.Client(daemon.url, expect_root=sower.offline("e").record(MANIFEST).root)
    assert right.run("root", key="k").draw("w", (2,), "ones").recorded


def test_a_refusal_is_the_daemons_sentence(client):
    with pytest.raises(sower.InvalidRequest, match="std") as caught:
        client.run("refused", trial=0).draw("w", (2,), "normal(std=-1)")
    assert (caught.value.field, caught.value.status) == ("init", 400) and len(caught.value.request) == 16


def test_drift_is_marked_and_refused_in_a_pinned_experiment(client, daemon):
    run = client.run("drift", trial=0)
    first = run.draw("w", (2,), "zeros")
    assert run.draw("w", (3,), "zeros").drift == first.ledger
    urllib.request.urlopen(urllib.request.Request(daemon.url + "/v1/experiments/drift/pin", method="PUT")).close()
    with pytest.raises(sower.Drift) as caught:
        run.draw("w", (4,), "zeros")
    assert isinstance(caught.value, sower.Conflict) and caught.value.field == "name"


@pytest.mark.filterwarnings("ignore:This process")  # which has threads
def test_a_forked_child_uses_connections_of_its_own(client):
    run = client.run("fork", trial=0)
    run.draw("parent", (2,), "zeros")
    child = os.fork()
    if child == 0:
        os._exit(0 if all(run.draw(f"child {index}", (2,), "zeros").recorded for index in range(20)) else 1)
    recorded = [run.draw(f"parent {index}", (2,), "zeros").name for index in range(20)]
    assert recorded == [f"parent {index}" for index in range(20)] and os.waitpid(child, 0)[1] == 0


def test_threads_share_a_client(client):
    run, names = client.run("threads", trial=0), []
    threads = [threading.Thread(target=lambda index=index: names.append(run.draw(f"w{index}", (2,), "zeros").name)) for index in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(f"w{index}" for index in range(24))


def test_the_server_is_named_by_the_environment_or_not_at_all(daemon, monkeypatch):
    monkeypatch.setenv("SOW_SERVER", daemon.url + "/")
    assert sower.Client().run("environment").trial == 0
    monkeypatch.delenv("SOW_SERVER")
    with pytest.raises(sower.MissingServer):
        sower.Client()


def test_a_daemon_that_starts_late_is_waited_for(start):
    first = start()
    url = first.url
    assert first.stop() == 0
    client = sower.Client(url, retry_seconds=60)
    trials = []
    thread = threading.Thread(target=lambda: trials.append(client.run("late").trial))
    thread.start()
    start("--listen", url.removeprefix("http://"))
    thread.join()
    assert trials == [0]
