"""An answer is held against what is known of it before: what does not fit leaves no file, and says what came from where."""
import hashlib
import json
import os
import signal
import struct
import subprocess
import threading

import pytest

from sow_programs import NO_RETRY, PATIENCE, Breaking, StandIn, page, raw, run, send_head, tensor_head
from sow_programs import start as start_sow

FORMATS = ["npy", "raw", "safetensors"]
NPY = ["-e", "exp-42", "-n", "w", "-s", "4,6", "-i", "he_normal"]
LONG = ["-e", "exp-42", "-n", "w", "-s", "600,500", "-i", "he_normal"]


def sow(address, *arguments):
    return run([*arguments, "--server", address])


def true_answer(daemon, arguments):
    """The daemon's own bytes for a tensor."""
    done = sow(daemon.url(""), "get", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(body, head, status=200):
    def answer(handler, _):
        send_head(handler, status, {name: value for name, value in head.items() if value is not None})
        handler.wfile.write(body)
    return answer


def get_fails(tmp_path, answer, arguments, *more):
    """What sow says of an answer that it must not take."""
    with StandIn(answer) as stand_in:
        done = run(["get", *arguments, "--server", stand_in.address, *NO_RETRY, "-o", tmp_path / "w", *more])
    assert done.returncode == 3 and os.listdir(tmp_path) == [], done.stderr
    assert stand_in.address in done.stderr, done.stderr
    return done.stderr


# Tensors


def test_four_bytes_are_no_tensor(tmp_path):
    """What began it: a server's "abcd" became x.npy."""
    told = get_fails(tmp_path, page(200, "abcd", "text/plain"), NPY)
    assert '"Content-Type" is "text/plain", expected "application/x-npy"' in told


@pytest.mark.parametrize("field, lie", [
    ("Content-Type", "text/html"), ("Content-Type", "application/x-npyz"), ("Content-Type", None),
    ("Sower-Draw", "d7" * 32), ("Sower-Draw", None), ("Sower-Draw", "x" * 64), ("Sower-Draw", "5B" * 32),
    ("Sower-Seed", "d7" * 32), ("Sower-Seed", None), ("Sower-Seed", ""), ("Sower-Seed", "5b"),
    ("Sower-Ledger", None), ("Sower-Ledger", "0"), ("Sower-Ledger", "-1"), ("Sower-Ledger", "none"), ("Sower-Ledger", "9" * 40),
    ("Sower-Drift", "17"), ("Sower-Drift", "99"), ("Sower-Drift", "x"), ("Sower-Drift", "-3"),
    ("Sower-Spec", "2"), ("Sower-Spec", None), ("Sower-Shape", "6,4"), ("Sower-Shape", "24"), ("Sower-Shape", None),
    ("Sower-Dtype", "bf16"), ("Sower-Dtype", None), ("Sower-Fan", "4,6"), ("Sower-Fan", None),
])
def test_a_header_that_does_not_fit_is_named(daemon, tmp_path, field, lie):
    body = true_answer(daemon, NPY)
    head = tensor_head(len(body), tuple(NPY))
    with StandIn(answers(body, head)) as stand_in:
        assert sow(stand_in.address, "get", *NPY).stdout == body, "the same answer without the lie is taken"
    assert field in get_fails(tmp_path, answers(body, {**head, field: lie}), NPY)


@pytest.mark.parametrize("change", [-1, 1, -128, 4096, 1 << 40])
def test_another_length_is_told(daemon, tmp_path, change):
    body = true_answer(daemon, NPY)
    head = {**tensor_head(len(body), tuple(NPY)), "Content-Length": str(len(body) + change)}
    assert f"it has {len(body) + change} bytes, expected {len(body)}" in get_fails(tmp_path, answers(body, head), NPY)


@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_every_byte_before_the_elements_is_compared(daemon, tmp_path, form):
    arguments = [*NPY, "-f", form]
    body = true_answer(daemon, arguments)
    prefix = 128 if form == "npy" else 8 + struct.unpack("<Q", body[:8])[0]
    root = body.find(b"sower.root") if form != "npy" else prefix
    for at in [*range(0, prefix, 7), prefix - 1]:
        wrong = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        told = get_fails(tmp_path, answers(wrong, tensor_head(len(body), tuple(arguments))), arguments)
        assert f"from byte {at} on, in the header: " in told, (at, root)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 299, 302, 304])
def test_another_status_than_200_brings_no_tensor(daemon, tmp_path, status):
    body = true_answer(daemon, NPY)
    told = get_fails(tmp_path, answers(body if status not in (204, 304) else b"", tensor_head(len(body), tuple(NPY)), status), NPY)
    assert f"status {status}" in told


def test_elements_are_compared_with_verify_alone(daemon, tmp_path):
    body = true_answer(daemon, NPY)
    wrong = body[:131] + bytes([body[131] ^ 0x80]) + body[132:]
    head = tensor_head(len(body), tuple(NPY))
    with StandIn(answers(wrong, head)) as stand_in:
        assert sow(stand_in.address, "get", *NPY).stdout == wrong, "which elements come is not known without deriving them"
    assert "its bytes differ from byte 131 on, in w: " in get_fails(tmp_path, answers(wrong, head), NPY, "--verify")


def test_verify_writes_nothing_wrong_to_a_pipe(daemon):
    body = true_answer(daemon, LONG)
    wrong = body[:1_000_000] + bytes([body[1_000_000] ^ 1]) + body[1_000_001:]
    with StandIn(answers(wrong, tensor_head(len(body), tuple(LONG)))) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "--verify", *NO_RETRY)
    assert done.returncode == 3 and len(done.stdout) <= 1_000_000 and body.startswith(done.stdout)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("arguments", [
    NPY, LONG, ["-e", "e", "-n", "w", "-s", "", "-i", "ones"], ["-e", "e", "-n", "w", "-s", "0,4", "-i", "ones"],
    ["-e", "größe", "-n", "a\"b\\c\n", "-s", "7", "-i", "normal", "-d", "bf16"], [*LONG, "--slice", "1:599,3:400", "-d", "f64"],
    [*LONG, "--shard", "1:2/3", "-d", "f8_e4m3"], ["-e", "e", "-n", "o", "-s", "60,40", "-i", "orthogonal", "--layout", "io"],
    ["-e", "e", "-n", "s", "-s", "2,3,4,5,6", "-i", "dirac", "-t", str(2**63 - 1)],
    ["-e", "e", "-n", "sparse", "-s", "50,40", "-i", "sparse(sparsity=0.5)", "-d", "f16"],
], ids=lambda arguments: " ".join(arguments).encode("ascii", "replace").decode()[:40])
def test_true_answers_are_verified(daemon, tmp_path, arguments, form):
    done = sow(daemon.url(""), "get", *arguments, "-f", form, "--verify", "-o", tmp_path / "w")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w").read_bytes() == true_answer(daemon, [*arguments, "-f", form])


# Other roots


@pytest.fixture
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_private_root_is_served_without_its_key_and_judged_with_it(start, key, tmp_path, form):
    daemon = start("--root-key-file", str(key))
    arguments = ["get", *NPY, "-f", form, "-o", tmp_path / "w"]
    done = sow(daemon.url(""), *arguments, "-v")
    assert done.returncode == 0 and "root    private, so the seed was not checked\n" in done.stderr, done.stderr
    first = (tmp_path / "w").read_bytes()
    assert sow(daemon.url(""), *arguments, "-k", key, "--verify").returncode == 0
    assert (tmp_path / "w").read_bytes() == first
    assert len(daemon.ledger()) == 1
    (tmp_path / "w").unlink()
    done = sow(daemon.url(""), *arguments, "--verify")
    assert done.returncode == 3 and "--verify needs --root-key-file FILE" in done.stderr and not (tmp_path / "w").exists()


def test_a_key_that_is_not_the_daemons_fits_nothing(daemon, key, tmp_path):
    done = sow(daemon.url(""), "get", *NPY, "-k", key, "-o", tmp_path / "w")
    assert done.returncode == 3 and "Sower-" in done.stderr and os.listdir(tmp_path) == []


def test_who_claims_a_private_root_must_have_its_draw_id(daemon, tmp_path):
    """A plan of another root, consistent in itself, and a draw id that is not of it."""
    body = true_answer(daemon, NPY)

    def answer(handler, _):
        if handler.path.startswith("/v1/plan"):
            plan = json.dumps({"root": "77" * 32, "draw": "00" * 32}).encode()
            send_head(handler, 200, {"Content-Type": "application/json", "Content-Length": str(len(plan))})
            handler.wfile.write(plan)
        else:
            send_head(handler, 200, {**tensor_head(len(body), tuple(NPY)), "Sower-Draw": "d7" * 32})
            handler.wfile.write(body)

    told = get_fails(tmp_path, answer, NPY)
    assert "the draw id of its plan does not follow from the root id" in told and "Sower-Draw" in told and told.count("answered, but") == 1


# Connections that break


def test_a_tensor_that_is_cut_is_taken_up_by_its_tag(daemon, tmp_path):
    with Breaking(daemon, 300_000) as between:
        done = sow(f"http://{between.address}", "get", *LONG, "-o", tmp_path / "w", "--verify")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w").read_bytes() == true_answer(daemon, LONG)
    size = 128 + 600 * 500 * 4
    assert [headers.get("Range") for headers in between.asked] == [None, *[f"bytes={at}-{size - 1}" for at in range(300_000, size, 300_000)]]
    assert all(headers["If-Range"].startswith('"') for headers in between.asked[1:])


def test_a_pipe_gets_a_tensor_that_was_cut_in_one_piece(daemon):
    with Breaking(daemon, 300_000) as between:
        done = sow(f"http://{between.address}", "get", *LONG)
    assert done.returncode == 0 and done.stdout == true_answer(daemon, LONG)


def test_a_daemon_that_is_killed_and_comes_back_is_taken_up(start, tmp_path):
    """Between two bytes of a tensor: the one that comes back has the same answer, under the same tag."""
    draw = ["-e", "killed", "-n", "w", "-s", "4096,4096", "-i", "he_normal", "-f", "raw"]
    first = start(state=tmp_path / "state")
    sow = start_sow(["get", *draw, "--server", first.url("")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest, begun, killed = hashlib.blake2b(digest_size=32), threading.Event(), threading.Event()

    def read():
        digest.update(sow.stdout.read(1 << 20))
        begun.set()
        assert killed.wait(PATIENCE)  # more is on its way than all buffers hold
        while block := sow.stdout.read(1 << 20):
            digest.update(block)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(PATIENCE)
    first.signal(signal.SIGKILL)
    first.process.wait(PATIENCE)
    killed.set()
    assert b"retrying for up to 60 s" in sow.stderr.readline()
    second = start(state=tmp_path / "state", listen=first.address)
    reader.join(PATIENCE)
    assert sow.wait(PATIENCE) == 0, sow.stderr.read()
    stats = json.loads(run(["stats", "-j", *draw[:-2], "--server", second.url("")]).stdout)
    assert digest.hexdigest() == stats["digest"]


def test_the_rest_of_another_answer_is_not_taken(daemon, tmp_path):
    """The server has changed in between: it sends all of what it has now."""
    body = true_answer(daemon, LONG)

    def answer(handler, stand_in):
        first = len(stand_in.requests) == 1
        send_head(handler, 200, {**tensor_head(len(body), tuple(LONG)), "ETag": '"first"' if first else '"second"'})
        handler.wfile.write(body[:1000] if first else body)

    with StandIn(answer) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "the response has changed" in done.stderr and os.listdir(tmp_path) == []


@pytest.mark.parametrize("ranges", ["bytes 0-999/1200128", "bytes 1000-1200127/1200129", "bytes 1001-1200127/1200128", ""])
def test_a_part_that_was_not_asked_for_is_not_taken(daemon, tmp_path, ranges):
    body = true_answer(daemon, LONG)

    def answer(handler, stand_in):
        if len(stand_in.requests) == 1:
            send_head(handler, 200, tensor_head(len(body), tuple(LONG)))
            handler.wfile.write(body[:1000])
        else:
            send_head(handler, 206, {**tensor_head(len(body) - 1000, tuple(LONG)), "Content-Range": ranges})
            handler.wfile.write(body[1000:])

    with StandIn(answer) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "it is not the byte range that was requested" in done.stderr and os.listdir(tmp_path) == []


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_tag_nothing_is_taken_up(daemon, tmp_path, tag):
    body = true_answer(daemon, LONG)
    with StandIn(answers(body[:1000], {**tensor_head(len(body), tuple(LONG)), "ETag": tag})) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "broke after 1000 of 1200128 bytes" in done.stderr and len(stand_in.requests) == 1


def test_one_that_brings_a_byte_at_a_time_is_given_up(daemon, tmp_path):
    with Breaking(daemon, 1) as between:
        done = sow(f"http://{between.address}", "get", *LONG, "-o", tmp_path / "w", "--retry-seconds", "1")
    assert done.returncode == 3 and "broke" in done.stderr and os.listdir(tmp_path) == []


# Models


MANIFEST = {"experiment": "checked", "tensors": [{"name": "a", "shape": [200, 300], "init": "he_normal"}, {"name": "empty", "shape": [0], "init": "ones"},
                                                 {"name": "o", "shape": [60, 40], "init": "orthogonal"}, {"name": "z", "shape": [1000], "init": "zeros"}]}


@pytest.fixture
def manifest(tmp_path_factory):
    path = tmp_path_factory.mktemp("manifests") / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    return path


class Lying:
    """Passes questions on to the daemon, and changes the answers with a model."""

    def __init__(self, daemon, change):
        def answer(handler, stand_in):
            _, _, _, body = stand_in.requests[-1]
            got = daemon.request(handler.command, handler.path, body=body, headers={"Range": handler.headers["Range"]} if handler.headers["Range"] else {})
            headers, bytes_ = dict(got.headers), got.body
            if handler.path.startswith("/v1/model?"):
                start = int(headers.get("Content-Range", "bytes 0-").split()[1].split("-")[0])
                bytes_, headers = change(start, bytearray(bytes_), headers)
            send_head(handler, got.status, {key: value for key, value in headers.items() if key not in ("Connection", "Date") and value is not None})
            handler.wfile.write(bytes_)

        self.stand_in = StandIn(answer)

    def __enter__(self):
        self.stand_in.__enter__()
        return self.stand_in

    def __exit__(self, *_):
        self.stand_in.__exit__()


def flip(place):
    def change(start, body, headers):
        if start <= place < start + len(body):
            body[place - start] ^= 1
        return body, headers
    return change


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_byte_of_a_model_is_compared_with_verify(daemon, manifest, tmp_path, jobs):
    body = daemon.post("/v1/model", MANIFEST).body
    header = 8 + struct.unpack("<Q", body[:8])[0]
    for place, name in (header, "a"), (header + 240_000 + 17, "o"), (len(body) - 1, "z"), (header // 2, "the header"):
        with Lying(daemon, flip(place)) as server:
            done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", jobs, "--verify")
        assert done.returncode == 3 and f"from byte {place} on, in {name}: " in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()


def test_the_header_of_a_model_is_compared_without_verify(daemon, manifest, tmp_path):
    for place in range(0, 500, 61):
        with Lying(daemon, flip(place)) as server:
            done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out")
        assert done.returncode == 3 and f"from byte {place} on, in the header: " in done.stderr, done.stderr


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_no_other_connection_begins_before_the_header_of_a_model_fits(daemon, manifest, tmp_path, options):
    """Its elements would be compared with those of a root that the daemon may not have."""
    with Lying(daemon, flip(100)) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", 16, *options)
    assert done.returncode == 3 and "in the header" in done.stderr
    assert [path for _, path, _, _ in server.requests] == ["/v1/manifests", "/v1/model", "/v1/plan"]


@pytest.mark.parametrize("field, lie", [("Sower-Manifest", "00" * 32), ("Sower-Tensors", "3"), ("Sower-Spec", None), ("Content-Type", "text/html"),
                                        ("Sower-Drift", "0")])
def test_a_header_of_a_model_that_does_not_fit_is_named(daemon, manifest, tmp_path, field, lie):
    with Lying(daemon, lambda start, body, headers: (body, {**headers, field: lie})) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out")
    assert done.returncode == 3 and field in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [[], ["-j", "1"]])
def test_a_model_under_a_private_root_is_served_without_its_key(start, key, manifest, tmp_path, options):
    daemon = start("--root-key-file", str(key))
    done = sow(daemon.url(""), "model", "-m", manifest, "-o", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == daemon.post("/v1/model", MANIFEST).body


def test_a_cache_that_knows_no_parts_brings_the_whole(daemon, manifest, tmp_path):
    """Several connections are asked for, and the first answer is all of it."""
    def answer(handler, stand_in):
        _, _, _, body = stand_in.requests[-1]
        got = daemon.request(handler.command, handler.path, body=body)
        send_head(handler, got.status, {key: value for key, value in got.headers.items() if key not in ("Connection", "Date")})
        handler.wfile.write(got.body)

    with StandIn(answer) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", "4", "--verify")
    assert done.returncode == 0 and (tmp_path / "out").read_bytes() == daemon.post("/v1/model", MANIFEST).body
    assert [path for _, path, _, _ in server.requests] == ["/v1/manifests", "/v1/model"]


# Drift


def test_a_drift_is_told_by_what_differs(daemon, tmp_path):
    draw = ["-e", "drifting", "-n", "w"]
    assert sow(daemon.url(""), "get", *draw, "-s", "8,4", "-i", "zeros", "-o", tmp_path / "w").returncode == 0
    line = daemon.ledger(experiment="drifting")[0]["ledger"]
    done = sow(daemon.url(""), "get", *draw, "-s", "8,5", "-i", "he_normal", "-d", "bf16", "--layout", "io", "-o", tmp_path / "w")
    assert done.returncode == 0 and done.stderr == (
        f"sow get: warning: w drifts from line {line} of the ledger: shape 8,4 there and 8,5 here, dtype f32 there and bf16 here, "
        "init zeros there and he_normal here, layout oi there and io here.\n")
    assert sow(daemon.url(""), "get", *draw, "-s", "8,5", "-i", "ones", "-o", tmp_path / "w", "-q").stderr == ""


def test_a_drift_of_a_model_names_the_tensor(daemon, tmp_path):
    manifest = tmp_path / "m.json"
    for shape in [2], [3]:
        manifest.write_text(json.dumps({"tensors": [{"name": "kept", "shape": [2], "init": "ones"}, {"name": "changed", "shape": shape, "init": "ones"}]}))
        done = sow(daemon.url(""), "model", "-e", "drifting model", "-m", manifest, "-o", tmp_path / "out")
    assert "warning: changed drifts from line" in done.stderr and "shape 2 there and 3 here." in done.stderr


def test_a_drift_whose_line_cannot_be_had_is_still_told(tmp_path):
    def answer(handler, stand_in):
        if handler.path.startswith("/v1/ledger"):
            return page(200, "{}\n", "application/x-ndjson")(handler, stand_in)
        send_head(handler, 200, {**tensor_head(3), "Sower-Drift": "5"})
        handler.wfile.write(b"abc")

    with StandIn(answer) as stand_in:
        done = sow(stand_in.address, "get", *raw(3))
    assert done.returncode == 0 and "has the experiment, trial and name of line 5 of the ledger" in done.stderr
