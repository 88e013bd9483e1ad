"""sow checks a response against the expected one: a wrong response leaves no file, and the message says what was received from which server."""
import hashlib
import json
import os
import signal
import struct
import subprocess
import threading

import pytest

from sow_programs import NO_RETRY, PATIENCE, Breaking, StandIn, page, raw, run, send_headers, tensor_headers
from sow_programs import start as start_sow

FORMATS = ["npy", "raw", "safetensors"]
NPY = ["-e", "exp-42", "-n", "w", "-s", "4,6", "-i", "he_normal"]
LONG = ["-e", "exp-42", "-n", "w", "-s", "600,500", "-i", "he_normal"]


def sow(address, *arguments):
    return run([*arguments, "--server", address])


def true_response(daemon, arguments):
    """The bytes that the daemon sends for a tensor."""
    done = sow(daemon.url(""), "get", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def respond_with(body, head, status=200):
    def response(handler, _):
        send_headers(handler, status, {name: value for name, value in head.items() if value is not None})
        handler.wfile.write(body)
    return response


def get_refuses(tmp_path, response, arguments, *more):
    """Runs sow get on a response that must be refused; returns the message."""
    with StandIn(response) as stand_in:
        done = run(["get", *arguments, "--server", stand_in.address, *NO_RETRY, "-o", tmp_path / "w", *more])
    assert done.returncode == 3 and os.listdir(tmp_path) == [], done.stderr
    assert stand_in.address in done.stderr, done.stderr
    return done.stderr


# Tensors


def test_four_bytes_are_not_a_tensor(tmp_path):
    """Found in use: four bytes of a foreign server, "abcd", were written as x.npy."""
    message = get_refuses(tmp_path, page(200, "abcd", "text/plain"), NPY)
    assert '"Content-Type" is "text/plain", expected "application/x-npy"' in message


@pytest.mark.parametrize("field, wrong", [
    ("Content-Type", "text/html"), ("Content-Type", "application/x-npyz"), ("Content-Type", None),
    ("Sower-Draw", "d7" * 32), ("Sower-Draw", None), ("Sower-Draw", "x" * 64), ("Sower-Draw", "5B" * 32),
    ("Sower-Seed", "d7" * 32), ("Sower-Seed", None), ("Sower-Seed", ""), ("Sower-Seed", "5b"),
    ("Sower-Ledger", None), ("Sower-Ledger", "0"), ("Sower-Ledger", "-1"), ("Sower-Ledger", "none"), ("Sower-Ledger", "9" * 40),
    ("Sower-Drift", "17"), ("Sower-Drift", "99"), ("Sower-Drift", "x"), ("Sower-Drift", "-3"),
    ("Sower-Spec", "2"), ("Sower-Spec", None), ("Sower-Shape", "6,4"), ("Sower-Shape", "24"), ("Sower-Shape", None),
    ("Sower-Dtype", "bf16"), ("Sower-Dtype", None), ("Sower-Fan", "4,6"), ("Sower-Fan", None),
])
def test_a_wrong_header_field_is_named(daemon, tmp_path, field, wrong):
    body = true_response(daemon, NPY)
    head = tensor_headers(len(body), tuple(NPY))
    with StandIn(respond_with(body, head)) as stand_in:
        assert sow(stand_in.address, "get", *NPY).stdout == body, "the unchanged response is accepted"
    assert field in get_refuses(tmp_path, respond_with(body, {**head, field: wrong}), NPY)


@pytest.mark.parametrize("change", [-1, 1, -128, 4096, 1 << 40])
def test_a_wrong_length_is_reported(daemon, tmp_path, change):
    body = true_response(daemon, NPY)
    head = {**tensor_headers(len(body), tuple(NPY)), "Content-Length": str(len(body) + change)}
    assert f"it has {len(body) + change} bytes, expected {len(body)}" in get_refuses(tmp_path, respond_with(body, head), NPY)


@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_every_byte_before_the_elements_is_compared(daemon, tmp_path, form):
    arguments = [*NPY, "-f", form]
    body = true_response(daemon, arguments)
    prefix = 128 if form == "npy" else 8 + struct.unpack("<Q", body[:8])[0]
    root = body.find(b"sower.root") if form != "npy" else prefix
    for at in [*range(0, prefix, 7), prefix - 1]:
        wrong = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
        message = get_refuses(tmp_path, respond_with(wrong, tensor_headers(len(body), tuple(arguments))), arguments)
        assert f"from byte {at} on, in the header: " in message, (at, root)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 299, 302, 304])
def test_a_status_other_than_200_is_not_a_tensor(daemon, tmp_path, status):
    body = true_response(daemon, NPY)
    message = get_refuses(tmp_path, respond_with(body if status not in (204, 304) else b"", tensor_headers(len(body), tuple(NPY)), status), NPY)
    assert f"status {status}" in message


def test_elements_are_compared_only_with_verify(daemon, tmp_path):
    body = true_response(daemon, NPY)
    wrong = body[:131] + bytes([body[131] ^ 0x80]) + body[132:]
    head = tensor_headers(len(body), tuple(NPY))
    with StandIn(respond_with(wrong, head)) as stand_in:
        assert sow(stand_in.address, "get", *NPY).stdout == wrong, "without --verify the elements are not known"
    assert "its bytes differ from byte 131 on, in w: " in get_refuses(tmp_path, respond_with(wrong, head), NPY, "--verify")


def test_verify_writes_nothing_wrong_to_a_pipe(daemon):
    body = true_response(daemon, LONG)
    wrong = body[:1_000_000] + bytes([body[1_000_000] ^ 1]) + body[1_000_001:]
    with StandIn(respond_with(wrong, tensor_headers(len(body), tuple(LONG)))) as stand_in:
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
def test_correct_responses_pass_verify(daemon, tmp_path, arguments, form):
    done = sow(daemon.url(""), "get", *arguments, "-f", form, "--verify", "-o", tmp_path / "w")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w").read_bytes() == true_response(daemon, [*arguments, "-f", form])


# Other roots


@pytest.fixture
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "key"
    path.write_bytes(bytes(range(32)))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_private_root_is_accepted_without_its_key_and_checked_with_it(start, key, tmp_path, form):
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


def test_a_key_that_is_not_the_key_of_the_daemon_is_refused(daemon, key, tmp_path):
    done = sow(daemon.url(""), "get", *NPY, "-k", key, "-o", tmp_path / "w")
    assert done.returncode == 3 and "Sower-" in done.stderr and os.listdir(tmp_path) == []


def test_the_draw_id_must_follow_from_a_private_root(daemon, tmp_path):
    """The plan has another root and a draw id that does not follow from it."""
    body = true_response(daemon, NPY)

    def response(handler, _):
        if handler.path.startswith("/v1/plan"):
            plan = json.dumps({"root": "77" * 32, "draw": "00" * 32}).encode()
            send_headers(handler, 200, {"Content-Type": "application/json", "Content-Length": str(len(plan))})
            handler.wfile.write(plan)
        else:
            send_headers(handler, 200, {**tensor_headers(len(body), tuple(NPY)), "Sower-Draw": "d7" * 32})
            handler.wfile.write(body)

    message = get_refuses(tmp_path, response, NPY)
    assert "the draw id of its plan does not follow from the root id" in message and "Sower-Draw" in message and message.count("responded, but") == 1


# Connections that break


def test_a_broken_transfer_of_a_tensor_resumes_with_its_tag(daemon, tmp_path):
    with Breaking(daemon, 300_000) as between:
        done = sow(f"http://{between.address}", "get", *LONG, "-o", tmp_path / "w", "--verify")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w").read_bytes() == true_response(daemon, LONG)
    size = 128 + 600 * 500 * 4
    assert [headers.get("Range") for headers in between.asked] == [None, *[f"bytes={at}-{size - 1}" for at in range(300_000, size, 300_000)]]
    assert all(headers["If-Range"].startswith('"') for headers in between.asked[1:])


def test_a_pipe_gets_the_whole_tensor_after_a_broken_transfer(daemon):
    with Breaking(daemon, 300_000) as between:
        done = sow(f"http://{between.address}", "get", *LONG)
    assert done.returncode == 0 and done.stdout == true_response(daemon, LONG)


def test_a_transfer_resumes_after_the_daemon_was_killed_and_restarted(start, tmp_path):
    """The daemon is killed in the middle of a tensor. After its restart it sends the same response with the same tag."""
    draw = ["-e", "killed", "-n", "w", "-s", "4096,4096", "-i", "he_normal", "-f", "raw"]
    first = start(state=tmp_path / "state")
    sow = start_sow(["get", *draw, "--server", first.url("")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest, begun, killed = hashlib.blake2b(digest_size=32), threading.Event(), threading.Event()

    def read():
        digest.update(sow.stdout.read(1 << 20))
        begun.set()
        assert killed.wait(PATIENCE)  # the rest is more than all buffers hold
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


def test_the_rest_of_another_response_is_refused(daemon, tmp_path):
    """The response has changed between two requests: the server sends the new one in full."""
    body = true_response(daemon, LONG)

    def response(handler, stand_in):
        first = len(stand_in.requests) == 1
        send_headers(handler, 200, {**tensor_headers(len(body), tuple(LONG)), "ETag": '"first"' if first else '"second"'})
        handler.wfile.write(body[:1000] if first else body)

    with StandIn(response) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "the response has changed" in done.stderr and os.listdir(tmp_path) == []


@pytest.mark.parametrize("ranges", ["bytes 0-999/1200128", "bytes 1000-1200127/1200129", "bytes 1001-1200127/1200128", ""])
def test_a_range_that_was_not_requested_is_refused(daemon, tmp_path, ranges):
    body = true_response(daemon, LONG)

    def response(handler, stand_in):
        if len(stand_in.requests) == 1:
            send_headers(handler, 200, tensor_headers(len(body), tuple(LONG)))
            handler.wfile.write(body[:1000])
        else:
            send_headers(handler, 206, {**tensor_headers(len(body) - 1000, tuple(LONG)), "Content-Range": ranges})
            handler.wfile.write(body[1000:])

    with StandIn(response) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "it is not the byte range that was requested" in done.stderr and os.listdir(tmp_path) == []


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_tag_no_transfer_resumes(daemon, tmp_path, tag):
    body = true_response(daemon, LONG)
    with StandIn(respond_with(body[:1000], {**tensor_headers(len(body), tuple(LONG)), "ETag": tag})) as stand_in:
        done = sow(stand_in.address, "get", *LONG, "-o", tmp_path / "w")
    assert done.returncode == 3 and "broke after 1000 of 1200128 bytes" in done.stderr and len(stand_in.requests) == 1


def test_a_server_that_sends_a_byte_per_connection_is_given_up(daemon, tmp_path):
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


class Changing:
    """Forwards requests to the daemon and changes the responses that have a model."""

    def __init__(self, daemon, change):
        def response(handler, stand_in):
            _, _, _, body = stand_in.requests[-1]
            got = daemon.request(handler.command, handler.path, body=body, headers={"Range": handler.headers["Range"]} if handler.headers["Range"] else {})
            headers, bytes_ = dict(got.headers), got.body
            if handler.path.startswith("/v1/model?"):
                start = int(headers.get("Content-Range", "bytes 0-").split()[1].split("-")[0])
                bytes_, headers = change(start, bytearray(bytes_), headers)
            send_headers(handler, got.status, {key: value for key, value in headers.items() if key not in ("Connection", "Date") and value is not None})
            handler.wfile.write(bytes_)

        self.stand_in = StandIn(response)

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
        with Changing(daemon, flip(place)) as server:
            done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", jobs, "--verify")
        assert done.returncode == 3 and f"from byte {place} on, in {name}: " in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()


def test_the_header_of_a_model_is_compared_without_verify(daemon, manifest, tmp_path):
    for place in range(0, 500, 61):
        with Changing(daemon, flip(place)) as server:
            done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out")
        assert done.returncode == 3 and f"from byte {place} on, in the header: " in done.stderr, done.stderr


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_no_other_connection_starts_before_the_header_of_a_model_is_correct(daemon, manifest, tmp_path, options):
    """Otherwise elements would be compared with those of a root that the daemon may not have."""
    with Changing(daemon, flip(100)) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", 16, *options)
    assert done.returncode == 3 and "in the header" in done.stderr
    assert [path for _, path, _, _ in server.requests] == ["/v1/manifests", "/v1/model", "/v1/plan"]


@pytest.mark.parametrize("field, wrong", [("Sower-Manifest", "00" * 32), ("Sower-Tensors", "3"), ("Sower-Spec", None), ("Content-Type", "text/html"),
                                        ("Sower-Drift", "0")])
def test_a_wrong_header_field_of_a_model_is_named(daemon, manifest, tmp_path, field, wrong):
    with Changing(daemon, lambda start, body, headers: (body, {**headers, field: wrong})) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out")
    assert done.returncode == 3 and field in done.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [[], ["-j", "1"]])
def test_a_model_under_a_private_root_is_accepted_without_its_key(start, key, manifest, tmp_path, options):
    daemon = start("--root-key-file", str(key))
    done = sow(daemon.url(""), "model", "-m", manifest, "-o", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == daemon.post("/v1/model", MANIFEST).body


def test_a_cache_without_ranges_sends_the_whole_model(daemon, manifest, tmp_path):
    """sow wants several connections, and the first response has all bytes."""
    def response(handler, stand_in):
        _, _, _, body = stand_in.requests[-1]
        got = daemon.request(handler.command, handler.path, body=body)
        send_headers(handler, got.status, {key: value for key, value in got.headers.items() if key not in ("Connection", "Date")})
        handler.wfile.write(got.body)

    with StandIn(response) as server:
        done = sow(server.address, "model", "-m", manifest, "-o", tmp_path / "out", "-j", "4", "--verify")
    assert done.returncode == 0 and (tmp_path / "out").read_bytes() == daemon.post("/v1/model", MANIFEST).body
    assert [path for _, path, _, _ in server.requests] == ["/v1/manifests", "/v1/model"]


# Drift


def test_a_drift_warning_says_what_differs(daemon, tmp_path):
    draw = ["-e", "drifting", "-n", "w"]
    assert sow(daemon.url(""), "get", *draw, "-s", "8,4", "-i", "zeros", "-o", tmp_path / "w").returncode == 0
    line = daemon.ledger(experiment="drifting")[0]["ledger"]
    done = sow(daemon.url(""), "get", *draw, "-s", "8,5", "-i", "he_normal", "-d", "bf16", "--layout", "io", "-o", tmp_path / "w")
    assert done.returncode == 0 and done.stderr == (
        f"sow get: warning: w drifts from line {line} of the ledger: shape 8,4 there and 8,5 here, dtype f32 there and bf16 here, "
        "init zeros there and he_normal here, layout oi there and io here.\n")
    assert sow(daemon.url(""), "get", *draw, "-s", "8,5", "-i", "ones", "-o", tmp_path / "w", "-q").stderr == ""


def test_a_drift_warning_of_a_model_names_the_tensor(daemon, tmp_path):
    manifest = tmp_path / "m.json"
    for shape in [2], [3]:
        manifest.write_text(json.dumps({"tensors": [{"name": "kept", "shape": [2], "init": "ones"}, {"name": "changed", "shape": shape, "init": "ones"}]}))
        done = sow(daemon.url(""), "model", "-e", "drifting model", "-m", manifest, "-o", tmp_path / "out")
    assert "warning: changed drifts from line" in done.stderr and "shape 2 there and 3 here." in done.stderr


def test_a_drift_is_reported_when_its_line_cannot_be_fetched(tmp_path):
    def response(handler, stand_in):
        if handler.path.startswith("/v1/ledger"):
            return page(200, "{}\n", "application/x-ndjson")(handler, stand_in)
        send_headers(handler, 200, {**tensor_headers(3), "Sower-Drift": "5"})
        handler.wfile.write(b"abc")

    with StandIn(response) as stand_in:
        done = sow(stand_in.address, "get", *raw(3))
    assert done.returncode == 0 and "has the experiment, trial and name of line 5 of the ledger" in done.stderr
