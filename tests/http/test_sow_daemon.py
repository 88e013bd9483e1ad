"""sow and sowerd together: requests and responses follow the same contract."""
import json
import os
import urllib.parse
import urllib.request

import pytest

from sow_programs import NO_RETRY, PATIENCE, environment, run

DRAW = ["-e", "exp-42", "-t", "7", "-n", "layers.0.weight", "-s", "64,48", "-i", "he_normal"]


@pytest.fixture
def server(daemon):
    return daemon.url("")


def sow(server, *arguments):
    return run(arguments, environment(SOW_SERVER=server))


def good(server, *arguments):
    done = sow(server, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ledger(server, *arguments):
    return [json.loads(line) for line in good(server, "ledger", *arguments).splitlines()]


def test_the_file_has_the_bytes_that_any_http_client_gets(server, tmp_path):
    good(server, "get", *DRAW, "-o", tmp_path / "w.npy")
    query = urllib.parse.urlencode({"experiment": "exp-42", "trial": 7, "name": "layers.0.weight", "shape": "64,48",
                                    "init": "he_normal"})
    with urllib.request.urlopen(f"{server}/v1/tensor?{query}", timeout=PATIENCE) as response:
        assert (tmp_path / "w.npy").read_bytes() == response.read()
    assert (tmp_path / "w.npy").stat().st_size == 128 + 64 * 48 * 4


def test_a_shard_has_the_bits_of_the_whole_tensor(server):
    whole = good(server, "get", *DRAW, "-f", "raw")
    assert good(server, "get", *DRAW, "-f", "raw", "--shard", "0:3/8") == whole[3 * 8 * 48 * 4:4 * 8 * 48 * 4]
    assert good(server, "get", *DRAW, "-f", "raw", "--slice", "-1:,:") == whole[-48 * 4:]


@pytest.mark.parametrize("shape, size", [("0,4", 0), ("", 4)])
def test_an_empty_tensor_and_a_scalar_are_tensors(server, shape, size):
    assert len(good(server, "get", "-e", "e", "-n", "n", "-s", shape, "-i", "ones", "-f", "raw")) == size


def test_the_plan_is_the_same_from_the_daemon_and_offline(server):
    arguments = ["plan", "--json", *DRAW, "--layout", "io", "--in-axis", "-1", "--out-axis", "0", "--fan-out", "9",
                 "--slice", "0:8,:", "-d", "bf16"]
    plan = json.loads(good(server, *arguments))
    assert {"ledger", "drift"} == plan.keys() & {"ledger", "drift"}, "only the daemon has a ledger"
    del plan["ledger"], plan["drift"]
    assert plan == json.loads(good(server, *arguments, "--offline"))


def test_the_seed_is_the_same_from_the_daemon_and_offline(server):
    done = sow(server, "get", *DRAW, "--verbose")
    seed = good(server, "seed", "-e", "exp-42", "-t", "7", "-n", "layers.0.weight").decode().strip()
    assert f"seed    {seed}\n" in done.stderr
    assert json.loads(good(server, "plan", "--json", *DRAW))["seed"] == seed


def test_the_catalogue_is_the_same_from_the_daemon_and_offline(server):
    with urllib.request.urlopen(f"{server}/v1/initializers", timeout=PATIENCE) as response:
        assert json.load(response) == json.loads(good(server, "initializers", "--json"))


def test_a_draw_is_in_the_ledger_once_and_a_plan_is_not(server):
    draw = ["-e", "recorded", "-n", "w", "-s", "4", "-i", "zeros"]
    good(server, "plan", *draw)
    assert ledger(server, "-e", "recorded") == []
    good(server, "get", *draw)
    good(server, "get", *draw, "--slice", "0:2")
    line, = ledger(server, "--experiment", "recorded")
    assert (line["name"], line["shape"], line["init"]) == ("w", [4], "zeros")
    assert ledger(server, "--after", line["ledger"] - 1, "--limit", 1) == [line]


@pytest.mark.parametrize("arguments, option", [
    (["-e", "", "-n", "n", "-s", "4", "-i", "zeros"], "--experiment"),
    (["-e", "bad", "-n", "n" * 100000, "-s", "4", "-i", "zeros"], "--name"),
    (["-e", "bad", "-n", "n", "-s", "4,-4", "-i", "zeros"], "--shape"),
    (["-e", "bad", "-n", "n", "-s", "9223372036854775807,2", "-i", "zeros"], "--shape"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "he_norml"], "sow initializers"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "normal(std=-1)"], "sow initializers"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "zeros", "-t", "-1"], "--trial"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "zeros", "-d", "f31"], "--dtype"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "zeros", "--in-axis", "1"], "--in-axis"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "zeros", "--shard", "0:8/8"], "--shard"),
    (["-e", "bad", "-n", "n", "-s", "4", "-i", "zeros", "--spec", "99"], "--spec"),
])
def test_a_refusal_names_the_option_and_leaves_no_file(server, tmp_path, arguments, option):
    done = sow(server, "get", *arguments, "-o", tmp_path / "w.npy")
    assert done.returncode == 1 and done.stderr.startswith("sow get: refused: ")
    assert option in done.stderr.splitlines()[1] and os.listdir(tmp_path) == []
    assert ledger(server, "-e", "bad") == []
    assert sow(server, "plan", "--offline", *arguments).returncode == 1


def test_a_refused_ledger_request_names_the_option(server):
    done = sow(server, "ledger", "--limit", "many")
    assert done.returncode == 1 and "limit" in done.stderr and done.stdout == b""


def test_a_stopped_daemon_cannot_be_reached(start):
    daemon = start()
    good(daemon.url(""), "ledger")
    daemon.stop()
    done = sow(daemon.url(""), "ledger", *NO_RETRY)
    assert done.returncode == 3 and daemon.url("") in done.stderr
