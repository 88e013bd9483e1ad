"""sow replay: a ledger line is enough to compute its tensor again, and a false line gives no tensor."""
import hashlib
import json
import sys

import pytest

import sow_programs as sow
from trials import take

# All dtypes, all members of a layout, an alias, a choice, no elements, a scalar, special characters, initializers with factors.
DRAWS = [
    dict(name="w", shape="33,65", init="he_normal"),
    dict(name="layers.0/weight", shape="8,4,3", init="variance_scaling(2,fan_out,uniform)", dtype="bf16", trial="7"),
    dict(name="ü=&%\n", shape="2,3,4,5", init="glorot_uniform", dtype="f64", layout="io", in_axis="-1,0", out_axis="2", batch_axis="1"),
    dict(name="bias", shape="7", init="fan_uniform(fan_in=9)", dtype="f16"),
    dict(name="scalar", shape="", init="constant(-0.1)", dtype="f8_e4m3"),
    dict(name="none", shape="0,5", init="normal", dtype="f8_e5m2"),
    dict(name="fans", shape="6,5", init="kaiming_normal(nonlinearity=relu)", fan_in="4", fan_out="3"),
    dict(name="heavy", shape="96,200", init="orthogonal(gain=1.5)"),
    dict(name="tall", shape="200,96", init="orthogonal", dtype="f64"),
    dict(name="sparse", shape="30,20", init="sparse(sparsity=0.5,std=0.01)"),
    dict(name="padded", shape="50,16", init="normal", dtype="bf16", zero_rows="0,-1", zero_columns="3"),
]


@pytest.fixture(scope="module")
def drawn(daemon, tmp_path_factory):
    """The lines of the draws, and the bytes that the daemon sent for them."""
    bodies = [daemon.get("/v1/tensor", experiment="replay", format="raw", **fields).body for fields in DRAWS]
    lines = daemon.ledger()
    assert [line["name"] for line in lines] == [fields["name"] for fields in DRAWS]
    return lines, bodies


@pytest.fixture
def export(tmp_path):
    def write(lines):
        path = tmp_path / "ledger.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path
    return write


def replay(*arguments):
    """Runs sow replay; `rows` has the printed columns: line, name, digest, result."""
    done = sow.run(["replay", *arguments])
    done.rows = [row.split("\t") for row in done.stdout.decode().splitlines()]
    return done


def digest(body):
    return hashlib.blake2b(body, digest_size=32).hexdigest()


def test_every_line_gives_the_bytes_that_were_sent(drawn, export):
    lines, bodies = drawn
    done = replay(export(lines))
    assert done.returncode == 0, done.stderr
    names = [name.replace("\n", "?") for name in (line["name"] for line in lines)]
    assert done.rows == [[str(line["ledger"]), name, digest(body), "ok"] for line, name, body in zip(lines, names, bodies)]


def test_online_compares_the_responses_of_the_daemon(daemon, drawn, export):
    lines, bodies = drawn
    done = replay(export(lines), "--online", "--server", f"http://{daemon.address}")
    assert done.returncode == 0 and [row[2:] for row in done.rows] == [[digest(body), "ok"] for body in bodies]
    assert len(daemon.ledger()) == len(lines), "the draws were recorded before"


def test_the_tensors_are_written_as_npy_under_safe_names(daemon, drawn, export, tmp_path):
    lines, bodies = drawn
    directory = tmp_path / "tensors"
    directory.mkdir()
    assert replay(export(lines), "-o", directory).returncode == 0
    assert sorted(path.name for path in directory.iterdir()) == sorted(
        ["1-w.npy", "2-layers.0_weight.npy", "3-______.npy", "4-bias.npy", "5-scalar.npy", "6-none.npy", "7-fans.npy", "8-heavy.npy",
         "9-tall.npy", "10-sparse.npy", "11-padded.npy"])
    for fields, line in zip(DRAWS, lines):
        (written,) = directory.glob(f"{line['ledger']}-*.npy")
        assert written.read_bytes() == daemon.get("/v1/tensor", experiment="replay", **fields).body
    assert replay(export(lines), "-o", tmp_path / "nowhere").returncode == 2


def test_a_single_line_is_enough_and_can_be_chosen(drawn, export):
    lines, bodies = drawn
    assert replay(export(lines[3:4])).rows == [["4", "bias", digest(bodies[3]), "ok"]]
    assert replay(export(lines), "--line", "8").rows == [["8", "heavy", digest(bodies[7]), "ok"]]
    done = replay(export(lines), "--line", "99")
    assert done.returncode == 1 and "has no line 99" in done.stderr
    for number in ["0", "x", "-1", "1.0"]:
        assert replay(export(lines), f"--line={number}").returncode == 2


def test_lines_come_from_standard_input_too(drawn):
    lines, bodies = drawn
    text = (json.dumps(lines[0]) + "\n").encode()
    for arguments in [["replay"], ["replay", "-"]]:
        done = sow.subprocess.run([sow.SOW, *arguments], env=sow.environment(), input=text, capture_output=True, timeout=sow.PATIENCE)
        assert done.returncode == 0 and digest(bodies[0]).encode() in done.stdout


def test_a_database_is_replayed_like_its_export(daemon, drawn):
    done = replay(daemon.state / "ledger.sqlite")
    assert done.returncode == 0 and [row[2] for row in done.rows] == [digest(body) for body in drawn[1]]


@pytest.mark.parametrize(
    "key, value",
    [("experiment", "other"), ("trial", 1), ("name", "v"), ("shape", [65, 33]), ("dtype", "f16"), ("init", "he_uniform"), ("layout", "io"),
     ("seed", "ab" * 32), ("draw", "ab" * 32), ("root", "ab" * 32), ("init", "he_normal()"), ("init", "no_such"), ("dtype", "float32"),
     ("layout", "oi,slice=0:1"), ("spec", 2)])
def test_a_false_line_gives_no_tensor_and_the_others_are_replayed(drawn, export, tmp_path, key, value):
    lines, bodies = drawn
    done = replay(export([{**lines[0], key: value}, lines[3]]), "-o", tmp_path)
    assert done.returncode == 1
    assert done.rows[0][2] == "-" and done.rows[0][3] != "ok"
    assert done.rows[1] == ["4", "bias", digest(bodies[3]), "ok"]
    assert [path.name for path in tmp_path.glob("*.npy")] == ["4-bias.npy"]


def test_lines_of_other_kinds_are_skipped_with_a_message(start, export):
    daemon = start()
    take(daemon, "e")
    assert daemon.get("/v1/tensor", experiment="e", name="w", shape="2", init="zeros").status == 200
    done = replay(export(daemon.ledger()))
    assert done.returncode == 0 and [row[0] for row in done.rows] == ["2"]
    assert done.stderr == "line 1 is of kind trials: it has no tensor.\n"


def test_a_malformed_line_ends_the_replay(drawn, export, tmp_path):
    lines, _ = drawn
    path = export([lines[0], {"no": "line"}])
    done = replay(path)
    assert done.returncode == 1 and len(done.rows) == 1 and "line 2 is not a ledger line" in done.stderr
    assert replay(tmp_path / "none").returncode == 3


def test_a_private_root_needs_its_key_or_the_daemon(start, export, tmp_path):
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    daemon = start("--root-key-file", str(key))
    body = daemon.get("/v1/tensor", experiment="e", name="w", shape="5", init="normal", format="raw").body
    path = export(daemon.ledger())
    done = replay(path)
    assert done.returncode == 1 and done.rows[0][2] == "-" and "root" in done.rows[0][3]
    for options in [["--root-key-file", key], ["--online", "--server", f"http://{daemon.address}"]]:
        done = replay(path, *options)
        assert done.returncode == 0 and done.rows == [["1", "w", digest(body), "ok"]]
    assert replay(path, "--online", "--server", f"http://{start().address}").returncode == 1, "another daemon has another root"


@pytest.mark.parametrize("header, words", [("Sower-Draw", "draw id"), ("Sower-Seed", "seed"), (None, "bytes")])
def test_a_different_response_is_reported(drawn, export, header, words):
    lines, bodies = drawn

    def response(handler, _):
        body = bodies[3] if header else bodies[3][:-1] + b"x"
        head = {**sow.tensor_headers(len(body)), "Sower-Seed": lines[3]["seed"], "Sower-Draw": lines[3]["draw"]}
        sow.send_headers(handler, 200, {**head, header: "ab" * 32} if header else head)
        handler.wfile.write(body)

    with sow.StandIn(response) as stand_in:
        done = replay(export(lines[3:4]), "--online", "--server", stand_in.address)
        fields = stand_in.requests[0][2]
    assert done.returncode == 1 and f"the daemon's {words} differ" in done.rows[0][3]
    assert fields["init"] == lines[3]["init"] and fields["format"] == "raw"


def test_a_line_that_the_daemon_refuses_differs_and_the_others_are_compared(start, export):
    """A draw that drifts, in an experiment that was pinned later."""
    daemon = start()
    draws = [dict(name="w", shape="4"), dict(name="w", shape="5"), dict(name="v", shape="6"), dict(name="w", shape="7")]
    bodies = [daemon.get("/v1/tensor", experiment="e", init="normal", format="raw", **fields).body for fields in draws]
    path = export(daemon.ledger())
    assert daemon.request("PUT", "/v1/experiments/e/pin").status == 200
    done = replay(path, "--online", "--server", f"http://{daemon.address}")
    assert done.returncode == 1 and done.stderr == ""
    assert [row[:3] for row in done.rows] == [[str(1 + i), draws[i]["name"], digest(body)] for i, body in enumerate(bodies)]
    assert [row[3] for row in done.rows[::2]] == ["ok", "ok"]
    for row in done.rows[1::2]:
        assert row[3].startswith("the daemon refuses it: ") and row[3].endswith("."), row
    assert replay(path).returncode == 0, "without the daemon nothing is refused"


@pytest.mark.parametrize("status, response", [(1, sow.problem(400, "This is too much.", "shape")), (3, sow.problem(503, "Not now.")),
                                            (3, sow.page(409, "<p>No", "text/html"))], ids=["400", "503", "foreign page"])
def test_the_line_that_could_not_be_compared_is_named(drawn, export, status, response):
    """A line that could be compared comes before it."""
    lines, bodies = drawn

    def respond(handler, stand_in):
        if len(stand_in.requests) > 1:
            return response(handler, stand_in)
        sow.send_headers(handler, 200, {**sow.tensor_headers(len(bodies[3])), "Sower-Seed": lines[3]["seed"], "Sower-Draw": lines[3]["draw"]})
        handler.wfile.write(bodies[3])

    with sow.StandIn(respond) as stand_in:
        done = replay(export([lines[3], lines[4], lines[5]]), "--online", "--server", stand_in.address, *sow.NO_RETRY)
    assert done.returncode == status, done.stderr
    assert [row[3] for row in done.rows] == ["ok"] and "line 5 could not be compared" in done.stderr


def test_an_unreachable_daemon_ends_the_replay(drawn, export):
    done = replay(export(drawn[0]), "--online", "--server", "http://127.0.0.1:1", *sow.NO_RETRY)
    assert done.returncode == 3 and done.rows == [] and "line 1 could not be compared" in done.stderr


def test_a_large_tensor_takes_no_more_memory_than_a_small_one(start, export, tmp_path):
    """256 MiB of elements, in blocks of 8."""
    daemon = start()
    assert daemon.get("/v1/tensor", experiment="e", name="w", shape="8192,8192", init="normal", slice="0:1,0:1").status == 200
    if b"asan" in sow.subprocess.run(["ldd", sow.SOW], capture_output=True).stdout:
        pytest.skip("a sanitizer takes memory of its own")
    code = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
            " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = sow.subprocess.run([sys.executable, "-c", code, sow.SOW, "replay", export(daemon.ledger())], env=sow.environment(),
                              capture_output=True, timeout=sow.PATIENCE, check=True)
    assert int(done.stdout) < 64 * 1024, "KiB"
