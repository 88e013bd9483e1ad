"""The log: one JSON object per line, with the fields to find a draw or a request, and who sent it."""
import fcntl
import http.client
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest

from conftest import PATIENCE, SOWERD, Response, why_it_ended
from ports import free_port
from sockets import receive_all
from tokens import Token, write_tokens

DRAW = dict(experiment="exp \"42\" \\ ü\n\t", name="w\x7f\u2028", shape="16", init="normal", trial="7")

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
# A line feed, a quote, DEL, C1, a line separator, marks that reverse text, a byte that is not UTF-8.
HOSTILE = b'x\r\n{"level":"error"} \x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xff'


def last_request(daemon, response):
    return daemon.wait_for(lambda line: line.get("request") == response.headers["Sower-Request"])


def test_a_tensor_request_is_logged_with_all_fields(start):
    daemon = start()
    response = daemon.get("/v1/tensor", **DRAW, headers={"User-Agent": "trainer/1.0", "X-Request-Id": "job-7:3", "traceparent": TRACEPARENT})
    line = last_request(daemon, response)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert 0 <= line.pop("seconds") < 3600
    assert line == {
        "time": line["time"], "level": "info", "event": "request", "request": response.headers["Sower-Request"], "method": "GET",
        "path": "/v1/tensor", "status": 200, "experiment": DRAW["experiment"], "trial": 7, "name": DRAW["name"],
        "seed": response.headers["Sower-Seed"], "ledger": 1, "bytes": len(response.body), "end": "complete",
        "client": "127.0.0.1", "agent": "trainer/1.0", "outer_id": "job-7:3", "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
    }


def test_a_refused_request_is_logged_with_the_reason_and_without_a_seed(start):
    daemon = start()
    response = daemon.get("/v1/tensor", experiment="e")
    line = last_request(daemon, response)
    assert line["status"] == 400 and "seed" not in line and "ledger" not in line
    assert (line["problem"], line["field"], line["sentence"]) == ("invalid", response.problem()["param"], response.problem()["detail"])


@pytest.mark.parametrize("status, problem, request_bytes", [
    (404, "invalid", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"),
    (405, "invalid", b"DELETE /v1/tensor HTTP/1.1\r\nHost: x\r\n\r\n"),
    (421, "invalid", b"GET /v1/ledger HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    (403, "invalid", b"GET /v1/ledger HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n\r\n"),
    (400, "invalid", b"GET /v1/ledger HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    (400, "invalid", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
    (413, "too_large", b"POST /v1/tensor HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")], ids=lambda value: value if isinstance(value, int) else "")
def test_every_refusal_is_logged_with_the_sentence_that_the_client_got(start, status, problem, request_bytes):
    daemon = start()
    with daemon.socket() as connection:
        connection.sendall(request_bytes)
        response = Response(first_response(connection))
    line = last_request(daemon, response)
    assert (line["status"], line["problem"], line["sentence"]) == (status, problem, response.problem()["detail"])


def first_response(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400), (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414), (b"GET /healthz HTTP/4.1\r\nHost: x\r\n\r\n", 505)], ids=["no host", "headers", "target", "version"])
def test_what_the_library_refuses_is_logged_too(start, library, request_bytes, status):
    daemon = start(environment=library)
    with daemon.socket() as connection:
        try:
            connection.sendall(request_bytes)
        except ConnectionResetError:
            pass
        receive_all(connection)
    line = daemon.wait_for(lambda line: line["event"] in ("refused", "request"))
    assert line["status"] == status and line["sentence"].endswith((".", ";")) and "<" not in line["sentence"]


def test_a_request_whose_headers_do_not_arrive_is_logged_with_its_client(start):
    daemon = start()
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/ledger?secret=1 HTTP/1.1\r\nHost: x\r\n")
        daemon.get("/healthz")
    line = daemon.wait_for(lambda line: line["event"] == "incomplete")
    assert line["client"] == "127.0.0.1" and line["path"] == "/v1/ledger" and "request" not in line


def test_probes_are_logged_only_at_level_debug_unless_they_fail(start):
    for options, logged in [([], [("/healthz", 405, "info")]),
                            (["--log-level", "debug"], [("/healthz", 200, "debug"), ("/healthz", 405, "info"), ("/readyz", 200, "debug")])]:
        daemon = start(*options)
        assert daemon.get("/healthz").status == daemon.get("/readyz").status == 200
        assert daemon.request("DELETE", "/healthz").status == 405
        daemon.stop()
        requests = [line for line in map(json.loads, daemon.rest_of_log()) if line["event"] == "request"]
        assert sorted((line["path"], line["status"], line["level"]) for line in requests) == logged


@pytest.mark.parametrize("value", [b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"x", b"", HOSTILE.replace(b"\r\n", b""), TRACEPARENT.encode() + b"-x",
                                   TRACEPARENT.upper().encode(), b"ff" + TRACEPARENT[2:].encode()], ids=range(7))
def test_a_malformed_trace_or_request_id_is_not_logged(start, value):
    daemon = start()
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/recipes HTTP/1.1\r\nHost: x\r\ntraceparent: " + value + b"\r\nX-Request-Id: a b" + value + b"\r\n\r\n")
        first_response(connection)
    line = daemon.wait_for(lambda line: line["event"] == "request")
    assert "trace" not in line and "outer_id" not in line


def test_two_traces_or_request_ids_are_ambiguous_and_not_logged(start):
    daemon = start()
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/recipes HTTP/1.1\r\nHost: x\r\n" + 2 * f"traceparent: {TRACEPARENT}\r\nX-Request-Id: a\r\n".encode() + b"\r\n")
        first_response(connection)
    line = daemon.wait_for(lambda line: line["event"] == "request")
    assert "trace" not in line and "outer_id" not in line


def test_hostile_text_cannot_write_a_line_or_hide_a_part_of_one(start):
    daemon = start()
    text = HOSTILE.replace(b"\r\n", b"") + b"y" * 5000
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/tensor?experiment=" + urllib.parse.quote_from_bytes(HOSTILE).encode() + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + text + b"\r\n\r\n")
        first_response(connection)
    with daemon.socket() as connection:
        connection.sendall(b"GET /" + urllib.parse.quote_from_bytes(HOSTILE).encode() + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: x" + 300 * "\u202e".encode() + b"\r\n\r\n")
        first_response(connection)
    daemon.stop()
    lines = [line for line in daemon.rest_of_log() if json.loads(line)["event"] in ("request", "refused")]
    assert len(lines) == 2 and all(len(line) <= 4096 for line in lines)
    for line in lines:
        text = line.rstrip(b"\n").decode()  # valid UTF-8
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200e\u200f]", text)
    assert any(json.loads(line)["agent"].startswith('x{"level":"error"} ') for line in lines if "agent" in json.loads(line)) or daemon.library == "0.9.75"


def test_secrets_are_never_logged(start):
    daemon = start("--log-level", "debug")
    for number, headers in enumerate([{"Authorization": "Bearer SECRET"}, {"Cookie": "session=SECRET"}, {"Proxy-Authorization": "Basic SECRET"}, {"X-Api-Key": "SECRET"}]):
        daemon.get("/v1/tensor", headers=headers, experiment="e", name="w", shape="2", init="normal", password=f"SECRET{number}")
        daemon.get("/nowhere", headers=headers, token="SECRET")
        daemon.post("/v1/tensor", {"experiment": "e", "password": "SECRET"}, headers=headers)
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/ledger?token=SECRET HTTP/1.1\r\nHost: x\r\nAuthorization: SECRET\r\nAuthorization SECRET\r\n\r\n")
        receive_all(connection)
    daemon.stop()
    log = daemon.rest_of_log()
    assert len(log) > 12 and not any(b"SECRET" in line for line in log)


def test_the_name_of_the_token_is_logged_and_never_the_token(start, tmp_path):
    ci, unknown = Token("ci", "plan"), Token("unknown")
    daemon = start("--log-level", "debug", "--tokens", str(write_tokens(tmp_path / "tokens", ci)))
    fields = dict(experiment="e", name="w", shape="2", init="normal")
    for path, headers, status, problem, name in [
            ("/v1/plan", ci.headers, 200, None, "ci"), ("/v1/tensor", ci.headers, 403, "forbidden", "ci"),
            ("/v1/plan", unknown.headers, 401, "unauthenticated", None), ("/v1/plan", {}, 401, "unauthenticated", None),
            ("/v1/plan", {"Authorization": ci.text}, 401, "unauthenticated", None)]:
        line = last_request(daemon, daemon.get(path, headers=headers, **fields))
        assert (line["status"], line.get("problem"), line.get("token")) == (status, problem, name)
    daemon.stop()
    log = json.dumps(daemon.log) + b"".join(daemon.rest_of_log()).decode()
    assert not any(text in log for token in (ci, unknown) for text in (token.text, token.text[6:20], token.hash))


def test_the_client_of_a_unix_socket_is_unix(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        pass_socket = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
                       "os.execv(sys.argv[2], sys.argv[2:])")
        for options, headers, client in [([], "", "unix"), ([], "X-Forwarded-For: 192.0.2.1\r\n", "unix"),
                                         (["--trusted-proxies", "unix,10.0.0.0/8"], "X-Forwarded-For: 192.0.2.1, 10.1.2.3\r\n", "192.0.2.1")]:
            daemon = start(*options, command=[sys.executable, "-c", pass_socket, str(listening.fileno()), SOWERD], pass_fds=(listening.fileno(),))
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(tmp_path / "socket"))
                connection.sendall(f"GET /v1/recipes HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
                assert first_response(connection).status == 200
            assert daemon.wait_for(lambda line: line["event"] == "request")["client"] == client
            daemon.stop()


@pytest.mark.parametrize("trusted, headers, client", [
    (None, ["X-Forwarded-For: 192.0.2.1"], "127.0.0.1"), ("10.0.0.0/8", ["X-Forwarded-For: 192.0.2.1"], "127.0.0.1"),
    ("127.0.0.1", ["X-Forwarded-For: 192.0.2.1"], "192.0.2.1"), ("127.0.0.0/8", ["Forwarded: for=192.0.2.1;proto=https"], "192.0.2.1"),
    ("127.0.0.1,10.0.0.0/8", ["X-Forwarded-For: 1.1.1.1, 192.0.2.1", "x-forwarded-for: 10.0.0.2, 10.0.0.1"], "192.0.2.1"),
    ("127.0.0.1", ["X-Forwarded-For: 1.1.1.1, 192.0.2.1, nonsense"], "127.0.0.1"),
    ("127.0.0.1,10.0.0.1", ["X-Forwarded-For: 1.1.1.1, nonsense, 10.0.0.1"], "10.0.0.1"),
    ("127.0.0.1", ['Forwarded: for="[2001:db8::17]:4711"'], "2001:db8::17"),
    ("127.0.0.1", ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.2"], "127.0.0.1"),
    ("127.0.0.1", ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"], "192.0.2.1")], ids=range(10))
def test_a_forwarded_address_counts_only_from_trusted_proxies(start, trusted, headers, client):
    daemon = start(*(["--trusted-proxies", trusted] if trusted else []))
    with daemon.socket() as connection:
        connection.sendall("\r\n".join(["GET /v1/recipes HTTP/1.1", "Host: x", *headers, "", ""]).encode())
        assert first_response(connection).status == 200
    assert daemon.wait_for(lambda line: line["event"] == "request")["client"] == client


@pytest.mark.parametrize("text", ["nonsense", "127.0.0.1,", ",", "10.0.0.1/8", "10.0.0.0/33", "::1/129", "10.0.0.0/", "10.0.0.0/-1", "[::1]", "127.0.0.1:80", "Unix"])
def test_a_malformed_list_of_proxies_is_an_invalid_option(tmp_path, text):
    done = subprocess.run([SOWERD, "--listen", "127.0.0.1:0", "--state", str(tmp_path), "--trusted-proxies", text], capture_output=True, timeout=PATIENCE)
    assert done.returncode == 2 and "--trusted-proxies" in why_it_ended(done.stderr)


def test_a_cut_off_stream_is_logged_with_the_bytes_that_were_generated(start):
    daemon = start()
    connection = daemon.connect()
    connection.request("GET", daemon.url("/v1/tensor", **{**DRAW, "shape": "1000000000"}).split(daemon.address)[1])
    response = connection.getresponse()
    response.read(1000)
    response.close()
    connection.close()
    line = daemon.wait_for(lambda line: line.get("request") == response.headers["Sower-Request"])
    assert line["end"] == "cut" and 1000 <= line["bytes"] < 4_000_000_000


def test_hostile_paths_and_methods_do_not_break_lines(start):
    daemon = start()
    for path in ["/%0a%22%5c", "/%ff%fe%c3", "/" + "x" * 5000, "/%e2%82%ac"]:
        line = last_request(daemon, daemon.get(path))
        assert line["status"] == 404 and len(line["path"]) < 200
    assert last_request(daemon, daemon.request("x" * 3000, "/"))["status"] in (404, 405)


def test_every_line_is_one_json_object(start):
    daemon = start("--log-level", "debug")
    for name in ["\x01\x02", "\"", "ö" * 256, "\U0001f407" * 128]:
        daemon.get("/v1/tensor", **{**DRAW, "name": name})
    daemon.socket().close()
    daemon.stop()
    lines = [json.loads(line) for line in daemon.rest_of_log()] + daemon.log
    assert all({"time", "level", "event"} <= line.keys() for line in lines)


def test_the_level_selects_the_lines(start):
    quiet = start("--log-level", "warning")
    quiet.get("/v1/tensor", **DRAW)
    assert [line["event"] for line in quiet.log] == ["listening", "ready"], "the address is logged at every level"
    quiet.stop()
    assert quiet.rest_of_log() == []


def start_with_pipe(tmp_path, *options):
    """A daemon whose log goes into a pipe of 16 KiB that nobody reads yet, and the reading end."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 16384)
    port = free_port()
    process = subprocess.Popen([SOWERD, "--listen", f"127.0.0.1:{port}", "--state", str(tmp_path / "state"), *options], stderr=writing)
    os.close(writing)
    return process, port, os.fdopen(reading, "rb")


def ask(port, count):
    """Sends requests one after the other, until the daemon has answered all."""
    for _ in range(count):
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                connection.request("GET", "/v1/recipes")
                assert connection.getresponse().read()
                break
            except ConnectionRefusedError:
                time.sleep(0.01)  # the log is what says that the daemon listens, and this test does not read it


def test_a_log_that_nobody_reads_stops_neither_requests_nor_the_end_and_the_lost_lines_are_counted(tmp_path):
    process, port, log = start_with_pipe(tmp_path)
    ask(port, 500)
    lines = [json.loads(next(log))]
    assert lines[0]["event"] != "log_dropped"
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in log))
    reader.start()
    ask(port, 1)
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 0
    reader.join(timeout=PATIENCE)
    log.close()
    dropped = [line["lines"] for line in lines if line["event"] == "log_dropped"]
    assert sum(dropped) + sum(line["event"] == "request" for line in lines) == 501 and dropped[0] > 400
    assert lines[-1]["event"] == "stopped"


def test_a_daemon_whose_log_is_never_read_ends_on_a_signal(tmp_path):
    process, port, log = start_with_pipe(tmp_path)
    ask(port, 100)
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 0
    log.close()


def test_a_daemon_whose_log_was_closed_goes_on(tmp_path):
    process, port, log = start_with_pipe(tmp_path)
    ask(port, 1)
    log.close()
    ask(port, 100)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/metrics")
    assert int(re.search(rb"^sower_log_lines_dropped_total (\d+)$", connection.getresponse().read(), re.M)[1]) >= 99
    connection.close()
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 0


def test_a_failed_start_is_a_plain_sentence_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([SOWERD, "--threads", "x"], stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 4096).decode() == 'sowerd: --threads is "x"; it takes a whole number from 0 to 1024.\r\n'
    assert process.wait(timeout=PATIENCE) == 2
    os.close(ours)


@pytest.mark.parametrize("journal", [True, False])
def test_lines_for_the_journal_begin_with_their_priority(tmp_path, journal):
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    process = subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0", "--state", str(tmp_path / "none" / "x"), "--root-key-file", "/nowhere"], stderr=theirs,
                               env={**os.environ, "SOWERD_NONSENSE": "1", "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + (not journal)}"})
    theirs.close()
    lines = receive_all(ours).splitlines()
    assert process.wait(timeout=PATIENCE) == 1
    assert [line[:4] for line in lines] == ([b"<4>{", b"<3>{"] if journal else [b'{"ti', b'{"ti'])
    assert [json.loads(line.removeprefix(line[:3] if journal else b""))["event"] for line in lines] == ["unknown_variable", "start_failed"]


def test_a_daemon_under_the_journal_logs_into_its_socket(tmp_path):
    """The socket stays writable for the daemon after it has confined itself."""
    ours, theirs = socket.socketpair()
    status, port = os.fstat(theirs.fileno()), free_port()
    process = subprocess.Popen([SOWERD, "--listen", f"127.0.0.1:{port}", "--state", str(tmp_path / "state")], stderr=theirs,
                               env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    theirs.close()
    ask(port, 3)
    process.terminate()
    lines = receive_all(ours).splitlines()
    assert process.wait(timeout=PATIENCE) == 0
    events = [json.loads(line.removeprefix(b"<6>").removeprefix(b"<4>"))["event"] for line in lines]
    assert events.count("request") == 3 and events[-1] == "stopped"
