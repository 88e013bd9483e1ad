"""The exit status of every command: the table under EXIT STATUS in sow.1."""
import json
import re
import resource
import subprocess

import pytest

from conftest import ROOT
from sow_programs import NO_RETRY, PATIENCE, SOW, RawServer, StandIn, environment, page, problem, run

TENSOR = ["-e", "exits", "-n", "w", "-s", "4,6", "-i", "he_normal"]
# For every command that uses a daemon: its arguments, and arguments with which the request is refused (None: there are none).
ASKING = {
    "get": (["get", *TENSOR, "-o", "{tmp}/out"], ["get", *TENSOR[:-1], "he_norml", "-o", "{tmp}/out"]),
    "model": (["model", "-e", "exits", "-m", "{tmp}/m.json", "-o", "{tmp}/out"], ["model", "-e", "", "-m", "{tmp}/m.json", "-o", "{tmp}/out"]),
    "plan": (["plan", *TENSOR], ["plan", *TENSOR[:-1], "he_norml"]),
    "stats": (["stats", *TENSOR], ["stats", *TENSOR[:-1], "he_norml"]),
    "stats of a model": (["stats", "-e", "exits", "-m", "{tmp}/m.json"], ["stats", "-e", "exits", "-m", "{tmp}/bad.json"]),
    "trial": (["trial", "new", "-e", "exits"], ["trial", "new", "-e", ""]),
    "pin": (["pin", "exits"], ["pin", "e" * 257]),
    "unpin": (["pin", "--remove", "exits"], ["pin", "--remove", "e" * 257]),
    "experiments": (["experiments"], ["experiments", "e" * 257]),
    "experiment": (["experiments", "exits"], ["experiments", "nobody has this"]),
    "ledger": (["ledger"], ["ledger", "--limit", "many"]),
    "ledger head": (["ledger", "head"], None),
    "ledger verify": (["ledger", "verify"], None),
    "replay": (["replay", "--online", "{tmp}/ledger.ndjson"], None),
}
NAMES = list(ASKING)


@pytest.fixture(scope="module")
def line(daemon):
    """A line of the ledger of the daemon."""
    run(["get", *TENSOR, "-o", "/dev/null", "--server", daemon.url("")])
    return run(["ledger", "--limit", "1", "--server", daemon.url("")]).stdout


@pytest.fixture
def ask(daemon, line, tmp_path):
    """Runs sow with the files that the commands need."""
    (tmp_path / "m.json").write_text(json.dumps({"tensors": [{"name": "v", "shape": [2], "init": "ones"}]}))
    (tmp_path / "bad.json").write_text(json.dumps({"tensors": [{"name": "v", "shape": [2], "init": "one"}]}))
    (tmp_path / "ledger.ndjson").write_bytes(line)

    def ask(arguments, server=daemon.url(""), *more):
        return run([*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments), "--server", server, *NO_RETRY, *more])

    return ask


@pytest.mark.parametrize("name", NAMES)
def test_0_success(ask, name):
    done = ask(ASKING[name][0])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in NAMES if ASKING[name][1]])
def test_1_the_request_was_refused(ask, name):
    done = ask(ASKING[name][1])
    assert done.returncode == 1 and "refused: " in done.stderr, done.stderr


@pytest.mark.parametrize("status", [400, 401, 403, 409, 429])  # 429 without Retry-After: a limit that is used up
@pytest.mark.parametrize("name", NAMES)
def test_1_the_daemon_refuses(ask, name, status):
    with StandIn(problem(status, "Not so.")) as stand_in:
        done = ask(ASKING[name][0], stand_in.address)
    # For replay a line that the daemon refuses with 409 is a line that differs.
    assert done.returncode == 1 and ("refused: Not so." in done.stderr or name == "replay" and b"Not so." in done.stdout), done.stderr


def test_1_verify_and_replay_found_a_fault(line, tmp_path):
    line = json.loads(line)
    for change in {"name": "other"}, {"ledger": 2}:
        (tmp_path / "changed.ndjson").write_text(json.dumps({**line, **change}) + "\n")
        assert run(["ledger", "verify", tmp_path / "changed.ndjson"]).returncode == 1
    (tmp_path / "changed.ndjson").write_text(json.dumps({**line, "seed": "00" * 32}) + "\n")
    assert run(["replay", tmp_path / "changed.ndjson"]).returncode == 1


@pytest.mark.parametrize("more", [["--bananas"], ["--server"], ["--server", "http://[oops"], ["--retry-seconds", "x"], ["--stall-seconds", "-1"],
                                  ["--ca-file", "/nowhere"]], ids=" ".join)
@pytest.mark.parametrize("name", NAMES)
def test_2_the_command_line_was_wrong(ask, name, more, tmp_path):
    arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in ASKING[name][0]]
    done = run([*arguments, *more], environment(SOW_SERVER="http://127.0.0.1:1"))
    assert done.returncode == 2 and "usage: sow " in done.stderr, done.stderr


@pytest.mark.parametrize("command", ["get", "model", "ledger head"])
def test_2_the_output_cannot_be_opened(ask, command):
    arguments = [argument for argument in ASKING[command][0] if argument not in ("-o", "{tmp}/out")]
    done = ask([*arguments, "-o", "/nowhere/out"])
    assert done.returncode == 2 and "cannot write /nowhere/out" in done.stderr


def silent(connection, number, head):
    pass


@pytest.mark.parametrize("fault", ["closed port", "busy", "too many", "broken", "silent", "page", "wrong response"])
@pytest.mark.parametrize("name", NAMES)
def test_3_a_temporary_or_local_failure(ask, name, fault, tmp_path):
    stand_ins = {"busy": lambda: StandIn(problem(503, "Not now.")), "too many": lambda: StandIn(problem(429, "Not now.", Retry_After="60")),
                 "broken": lambda: StandIn(problem(500, "Not ever.")), "silent": lambda: RawServer(silent),
                 "page": lambda: StandIn(page(404, "<title>Not here</title>", "text/html")), "wrong response": lambda: StandIn(page(200, "{}", "application/json"))}
    if fault == "closed port":
        done = ask(ASKING[name][0], "http://127.0.0.1:1")
    else:
        with stand_ins[fault]() as stand_in:
            done = ask(ASKING[name][0], stand_in.address)
    # For replay, wrong bytes are a line that differs.
    assert done.returncode == (1 if (name, fault) == ("replay", "wrong response") else 3), done.stderr
    assert done.stdout == b"" or name == "replay"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("get", "model")])
def test_3_the_output_cannot_be_written(ask, daemon, name, tmp_path):
    arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in ASKING[name][0]]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([SOW, *arguments, "--server", daemon.url("")], env=environment(), stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 3 and b"cannot write standard output" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["get", "model"])
def test_3_a_file_cannot_be_written(daemon, name, ask, tmp_path):
    """The file size is limited to 8 bytes, which has the same effect as a full disk."""
    arguments = [argument.replace("{tmp}", str(tmp_path)) for argument in ASKING[name][0]]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))  # noqa: E731
    done = subprocess.run(["sh", "-c", 'trap "" XFSZ; exec "$0" "$@"', SOW, *arguments, "--server", daemon.url("")], env=environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE, preexec_fn=limit)
    assert done.returncode == 3 and b"cannot write " in done.stderr and not (tmp_path / "out").exists()


def test_the_manual_has_the_table():
    table = re.search(r"\.Sh EXIT STATUS\n(.*?)\.Sh ", (ROOT / "client/sow/sow.1").read_text(), re.S).group(1)
    assert re.findall(r"^\.It (\d+)$", table, re.M) == ["0", "1", "2", "3"]
    assert re.findall(r"SOW_\w+ = (\d+)", (ROOT / "client/sow/command.h").read_text()) == ["0", "1", "2", "3"]
