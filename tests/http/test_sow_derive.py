"""sow derive: the bytes of the daemon, without the daemon."""
import json
import os
import subprocess
import urllib.parse

import pytest

from receipts import MANIFEST, query_of, receipt
from sow_programs import PATIENCE, SOW, TENSOR, Terminal, environment, run
from sow_programs import start as start_sow


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    return path


def derive(tmp_path, *arguments):
    """The bytes that sow derive writes to a file."""
    done = run(["derive", *arguments, "-o", tmp_path / "out"])
    assert done.returncode == 0, done.stderr
    return (tmp_path / "out").read_bytes()


def test_the_seed_of_a_tensor_is_enough_for_its_elements(daemon, tmp_path):
    law = ["-s", "300,70", "-i", "orthogonal", "-d", "bf16", "--slice", "3:40"]
    fields = ["-e", "e", "-t", "3", "-n", "w"]
    seed = run(["seed", *fields]).stdout.decode().strip()
    assert derive(tmp_path, "--seed", seed, *law) == derive(tmp_path, *fields, *law)
    assert derive(tmp_path, "--seed", seed, *law) == daemon.request("GET", "/v1/tensor?" + query_of(fields + law)).body


@pytest.mark.parametrize("arguments, word", [
    (["--seed", "00"], "64"), (["--seed", "x" * 64], "64"), (["--seed", "0" * 64, "-n", "w"], "--name"), (["--seed", "0" * 64, "-t", "1"], "--trial"),
    (["--seed", "0" * 64, "-k", "key"], "--root-key-file"), (["--seed", "0" * 64, "-f", "safetensors"], "names"),
])
def test_a_seed_that_cannot_be_meant_is_refused(tmp_path, arguments, word):
    done = run(["derive", "-s", "4", "-i", "normal", "-o", tmp_path / "out", *arguments])
    assert done.returncode == 2 and word in done.stderr and not (tmp_path / "out").exists()


# The same bytes as the daemon's


@pytest.mark.parametrize("arguments", [
    ["-e", "e", "-n", "w", "-s", "300,70", "-i", "he_normal"],
    ["-e", "e", "-t", "7", "-n", "w", "-s", "2000,1100", "-i", "normal(std=0.02)", "-d", "bf16", "-f", "raw"],
    ["-e", "e", "-n", "w", "-s", "700,900", "-i", "orthogonal", "--slice", "3:640,-11:"],
    ["-e", "e", "-n", "w", "-s", "64,64", "-i", "he_normal", "--shard", "0:3/8", "-f", "safetensors"],
    ["-e", "ä b", "-n", "w", "-s", "", "-i", "uniform(low=-1,high=1)", "-d", "f64"],
    ["-e", "e", "-n", "w", "-s", "0,4", "-i", "zeros"],
    ["-e", "e", "-n", "w", "-s", "16,4", "-i", "he_normal", "--layout", "io", "--zero-rows", "0,-1", "--fan-in", "9"],
])
@pytest.mark.parametrize("threads", [1, 5])
def test_a_tensor_has_the_bytes_of_the_response(daemon, tmp_path, arguments, threads):
    assert derive(tmp_path, *arguments, "-j", threads) == daemon.get("/v1/tensor?" + query_of(arguments)).body


def test_a_model_has_the_bytes_of_the_response(daemon, tmp_path, manifest):
    assert derive(tmp_path, "-m", manifest) == daemon.post("/v1/model", MANIFEST).body


@pytest.mark.parametrize("fields", [{}, {"tensors": "[eqä]*"}, {"part": "1/3"}, {"shard": "0:1/3"},
                                    {"tensors": "lm_head.*", "shard": "1:0/2"}])
def test_a_receipt_gives_the_model_of_the_daemon(daemon, tmp_path, fields):
    path = receipt(daemon, tmp_path)
    options = [word for key, value in fields.items() for word in (f"--{key}", value)]
    of_model = {"experiment": "derive", "trial": 5, "manifest": json.loads(path.read_text())["manifest"], **fields}
    response = daemon.get("/v1/model?" + urllib.parse.urlencode(of_model))
    assert response.status == 200, response.body
    assert derive(tmp_path, "--receipt", path, *options) == response.body


@pytest.mark.parametrize("name", [tensor["name"] for tensor in MANIFEST["tensors"]])
def test_a_receipt_gives_each_tensor_of_the_model(daemon, tmp_path, name):
    path = receipt(daemon, tmp_path)
    tensor = next(tensor for tensor in MANIFEST["tensors"] if tensor["name"] == name)
    if "same_as" in tensor:
        tensor = next(other for other in MANIFEST["tensors"] if other["name"] == tensor["same_as"])
    expected = daemon.post("/v1/tensor", {**tensor, "experiment": "derive", "trial": 5, "format": "safetensors"}).body
    assert derive(tmp_path, "--receipt", path, "-n", name, "-f", "safetensors") == expected


def test_a_receipt_of_one_tensor_needs_no_name(daemon, tmp_path):
    fields = {"experiment": "e", "name": "w", "shape": [40, 30], "init": "he_normal"}
    path = receipt(daemon, tmp_path, fields)
    assert derive(tmp_path, "--receipt", path, "--slice", "3:5") == daemon.post("/v1/tensor", {**fields, "slice": "3:5"}).body


def test_a_receipt_of_a_private_root_needs_no_key(start, tmp_path):
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "key").chmod(0o600)
    daemon = start("--root-key-file", str(tmp_path / "key"))
    path = receipt(daemon, tmp_path)
    expected = daemon.post("/v1/model", MANIFEST).body
    assert derive(tmp_path, "--receipt", path) == expected
    assert derive(tmp_path, "--receipt", path, "--root-key-file", tmp_path / "key") == expected


def test_a_receipt_that_no_daemon_wrote_says_so(daemon, tmp_path):
    offline = json.loads(receipt(daemon, tmp_path).read_bytes())
    offline["ledger"] = None
    for draw in offline["draws"]:
        draw["ledger"] = None
    (tmp_path / "offline.json").write_text(json.dumps(offline))
    assert derive(tmp_path, "--receipt", tmp_path / "offline.json") == derive(tmp_path, "--receipt", tmp_path / "receipt.json")
    assert "not recorded" in run(["derive", "--receipt", tmp_path / "offline.json"]).stderr


def test_a_line_gives_its_tensor(daemon, tmp_path):
    response = daemon.get("/v1/tensor?experiment=line&name=w&shape=30,20&init=orthogonal&layout=io&zero_rows=0")
    lines = daemon.get("/v1/ledger?experiment=line").body
    (tmp_path / "line").write_bytes(lines)
    assert derive(tmp_path, "--line", tmp_path / "line") == response.body
    piped = subprocess.run([SOW, "derive", "--line", "-"], input=lines, capture_output=True, env=environment(), timeout=PATIENCE)
    assert (piped.stdout, piped.stderr) == (response.body, b"")


def test_of_several_lines_a_name_chooses(daemon, tmp_path):
    wanted = daemon.get("/v1/tensor?experiment=lines&name=w&shape=30,20&init=orthogonal").body
    daemon.get("/v1/tensor?experiment=lines&name=v&shape=30,20&init=orthogonal")
    (tmp_path / "lines").write_bytes(daemon.get("/v1/ledger?experiment=lines").body)
    assert derive(tmp_path, "--line", tmp_path / "lines", "-n", "w") == wanted
    done = run(["derive", "--line", tmp_path / "lines"])
    assert done.returncode == 2 and "--name" in done.stderr


# What it says


def test_it_says_that_nothing_is_recorded():
    done = run(["derive", *TENSOR])
    assert done.returncode == 0 and "not recorded" in done.stderr


@pytest.mark.parametrize("source", ["quiet", "receipt"])
def test_it_says_nothing_in_a_pipe(daemon, tmp_path, source):
    done = run(["derive", *TENSOR, "--quiet"] if source == "quiet" else ["derive", "--receipt", receipt(daemon, tmp_path)])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_shows_progress_and_a_summary(tmp_path):
    terminal = Terminal()
    program = start_sow(["derive", "-e", "e", "-n", "w", "-s", "8192,8192", "-i", "normal", "-o", tmp_path / "out"], stderr=terminal.slave)
    terminal.leave_to_program()
    text = terminal.read_all()
    assert program.wait(PATIENCE) == 0 and "256.0 MiB in" in text and "iB/s" in text


def test_it_does_not_write_numbers_to_a_terminal():
    terminal = Terminal()
    program = start_sow(["derive", *TENSOR], stdout=terminal.slave, stderr=subprocess.PIPE)
    assert "-o FILE" in program.communicate(timeout=PATIENCE)[1].decode() and program.returncode == 2
    terminal.leave_to_program()
    assert terminal.read_all() == ""


@pytest.mark.parametrize("arguments, word", [
    (["derive"], "--experiment"),
    (["derive", *TENSOR, "--threads", "0"], "--threads"),
    (["derive", *TENSOR, "--threads", "x"], "--threads"),
    (["derive", *TENSOR, "--tensors", "*"], "--tensors"),
    (["derive", *TENSOR, "--recipe", "hf_gpt2"], "--recipe"),
    (["derive", *TENSOR, "--receipt", "r.json"], "--experiment"),
    (["derive", "--receipt", "r.json", "--line", "l"], "--line"),
    (["derive", "--receipt", "r.json", "--trial", "3"], "--trial"),
    (["derive", *TENSOR, "-q", "-p"], "--quiet"),
])
def test_a_wrong_command_line_is_refused(arguments, word):
    done = run(arguments)
    assert done.returncode == 2 and word in done.stderr and done.stdout == b""


# Receipts and lines that are wrong


def change(receipt, path, value):
    *outer, last = path
    place = receipt
    for key in outer:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value


@pytest.mark.parametrize("path, value", [
    (["draws", 0, "seed"], "00" * 32), (["draws", 0, "draw"], "00" * 32), (["draws", 0, "shape"], [64, 300]),
    (["draws", 0, "dtype"], "f64"), (["draws", 0, "dtype"], "torch.float32"), (["draws", 0, "init"], "normal(mean=0,std=0.03)"),
    (["draws", 0, "layout"], "io"), (["draws", 0, "layout"], "oi,zero_rows=0]"), (["draws", 0, "name"], "other"),
    (["draws", 0, "shape"], None), (["draws", 0, "more"], 1), (["draws", 0], 7), (["draws"], {}), (["draws"], None),
    (["experiment"], "other"), (["trial"], 6), (["trial"], -1), (["trial"], "5"), (["root"], "11" * 32), (["root"], "x"),
    (["spec"], 2), (["manifest"], "x"), (["ledger"], -1), (["ties"], []), (["ties"], {"a": 1}), (["ties"], {"a": "nobody"}),
    (["ties"], None), (["more"], 1),
])
def test_a_wrong_receipt_is_refused_before_a_file_is_written(daemon, tmp_path, path, value):
    changed = json.loads(receipt(daemon, tmp_path).read_bytes())
    change(changed, path, value)
    (tmp_path / "wrong.json").write_text(json.dumps(changed))
    done = run(["derive", "--receipt", tmp_path / "wrong.json", "-o", tmp_path / "out"])
    assert done.returncode == 1 and done.stderr != "" and not (tmp_path / "out").exists()


def test_a_receipt_that_is_cut_anywhere_is_refused(daemon, tmp_path):
    whole = receipt(daemon, tmp_path).read_bytes()
    for size in range(0, len(whole) - 2, 37):
        (tmp_path / "wrong.json").write_bytes(whole[:size])
        done = run(["derive", "--receipt", tmp_path / "wrong.json", "-o", tmp_path / "out"])
        assert done.returncode == 1 and not (tmp_path / "out").exists(), size


def test_draws_of_one_name_are_refused(daemon, tmp_path):
    changed = json.loads(receipt(daemon, tmp_path).read_bytes())
    changed["draws"].append(changed["draws"][0])
    (tmp_path / "wrong.json").write_text(json.dumps(changed))
    for name in ([], ["-n", changed["draws"][0]["name"]]):
        assert run(["derive", "--receipt", tmp_path / "wrong.json", *name]).returncode == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}\n", "x\n", "\n\n"])
def test_lines_that_are_not_of_a_ledger_are_refused(tmp_path, text):
    (tmp_path / "line").write_text(text)
    assert run(["derive", "--line", tmp_path / "line"]).returncode == 1


def test_lines_of_two_trials_are_refused(daemon, tmp_path):
    for trial in (0, 1):
        daemon.get(f"/v1/tensor?experiment=two&trial={trial}&name=w&shape=3&init=zeros")
    (tmp_path / "line").write_bytes(daemon.get("/v1/ledger?experiment=two").body)
    done = run(["derive", "--line", tmp_path / "line"])
    assert done.returncode == 1 and "trials" in done.stderr


def test_a_file_that_is_missing_is_a_failure_of_this_machine(tmp_path):
    assert run(["derive", "--receipt", tmp_path / "none"]).returncode == 3


def test_a_full_disk_leaves_no_file_and_fails():
    done = run(["derive", *TENSOR, "-o", "/dev/full"])
    assert done.returncode == 3 and os.strerror(28) in done.stderr
