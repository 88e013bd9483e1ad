"""Connections that are cut off, slow, too large or too many, and the daemon keeps working."""
import contextlib
import json
import random
import socket
import struct

import pytest

from broken_ledgers import Locked
from sockets import receive_all

DRAW = dict(experiment="connections", name="w", shape="16", init="normal")
LARGE = dict(experiment="connections", name="large", shape="100000000", init="normal")


def send(daemon, text, more=b""):
    connection = daemon.socket()
    connection.sendall(text.replace("\n", "\r\n").encode() + more)
    return connection


def path_of(daemon, **fields):
    return daemon.url("/v1/tensor", **fields).split(daemon.address)[1]


def reset(connection):
    """Resets the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_connection_stays_usable_after_every_kind_of_refusal(daemon):
    connection = daemon.connect()
    local = connection.connect() or connection.sock.getsockname()
    for method, path, body, status in [
        ("GET", "/v1/tensor?shape=x", None, 400), ("POST", "/v1/tensor", "{", 400), ("POST", "/v1/tensor", "", 400),
        ("GET", "/nothing", None, 404), ("POST", "/nothing", "{}", 404), ("DELETE", "/v1/tensor", None, 405),
        ("POST", "/v1/tensor", "x" * (1 << 20), 400), ("POST", "/v1/tensor", "x" * ((1 << 20) + 1), 413),
        ("POST", "/v1/plan", "[" * 100000, 400), ("GET", "/v1/ledger?limit=x", None, 400),
        ("GET", path_of(daemon, **DRAW), None, 200), ("POST", "/v1/tensor?a=b", "{}", 400), ("GET", "/healthz", None, 200),
    ]:
        connection.request(method, path, body=body)
        response = connection.getresponse()
        response.read()
        assert response.status == status, (method, path)
        assert connection.sock is not None and connection.sock.getsockname() == local, (method, path)
    connection.close()


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_long_name_in_a_query_string_gets_a_problem_that_names_the_field(daemon, size):
    response = daemon.get("/v1/tensor", **{**DRAW, "name": "n" * size})
    assert response.status == 400 and response.problem()["param"] == "name"
    response = daemon.post("/v1/tensor", {**DRAW, "name": "n" * size, "shape": [16]})
    assert response.status == 400 and response.problem()["param"] == "name"


def test_a_query_string_of_100_KiB_reaches_the_parser(daemon):
    response = daemon.get("/v1/tensor?experiment=e&name=" + "n" * (100 * 1024 - 20))
    assert response.status == 400 and response.problem()["param"] == "name"


def test_a_query_string_of_1_MB_is_refused(daemon):
    response = daemon.get("/v1/tensor?name=" + "n" * 1_000_000)
    assert response.status in (414, 431)
    assert daemon.get("/healthz").status == 200


def test_a_query_of_many_fields_is_refused(start):
    daemon = start("--idle-seconds", "1")
    response = daemon.get("/v1/tensor?" + "&".join(f"f{number}=1" for number in range(200)))
    assert response.status == 400 and response.problem()["detail"]
    # libmicrohttpd 0.9.75 runs out of memory for the fields and then closes the connection without a response.
    received = receive_all(send(daemon, "GET /v1/tensor?" + "a&" * 60000 + " HTTP/1.1\nHost: x\n\n"))
    assert received == b"" or received.split(b" ")[1] in (b"400", b"414", b"431")
    assert daemon.get("/healthz").status == 200


@pytest.mark.parametrize("size", [(1 << 20) + 1, 20_000_000])
def test_a_client_that_sends_all_of_a_too_large_body_gets_413(daemon, size):
    response = daemon.request("POST", "/v1/tensor", body=b" " * size)
    assert response.status == 413 and "1048576" in response.problem()["detail"]


def test_a_huge_content_length_is_refused_before_the_body(daemon):
    connection = send(daemon, f"POST /v1/tensor HTTP/1.1\nHost: x\nContent-Length: {1 << 40}\n\n")
    assert receive_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_with_expect_100_continue_is_refused_at_once(daemon):
    connection = send(daemon, "POST /v1/tensor HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 2000000\n\n")
    assert receive_all(connection).startswith(b"HTTP/1.1 413 ")
    body = json.dumps({**DRAW, "shape": [16]})
    connection = send(daemon, "POST /v1/tensor HTTP/1.1\nHost: x\nConnection: close\nExpect: 100-continue\n"
                              f"Content-Length: {len(body)}\n\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
    connection.sendall(body.encode())
    assert receive_all(connection).startswith(b"HTTP/1.1 200 ")


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CHUNKED = "POST /v1/tensor HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n\n"


def test_a_chunked_body_is_read_with_any_chunk_sizes(daemon):
    body = json.dumps({**DRAW, "shape": [16]}).encode()
    whole = daemon.get("/v1/tensor", **DRAW).body
    for pieces in [[body], [bytes([byte]) for byte in body], [body[:5], body[5:]]]:
        assert receive_all(send(daemon, CHUNKED, chunked(*pieces))).endswith(whole)


def test_a_chunked_body_too_large_is_413(daemon):
    connection = send(daemon, CHUNKED, chunked(*[b" " * 65536] * 17))
    assert receive_all(connection).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "text",
    ["GARBAGE\n\n", "GET\n\n", "GET /healthz HTTP/9.9\nHost: x\n\n", "GET /healthz HTTP/1.1\n\n",
     "POST /v1/tensor HTTP/1.1\nHost: x\nContent-Length: x\n\n", "POST /v1/tensor HTTP/1.1\nHost: x\nContent-Length: -5\n\n",
     "POST /v1/tensor HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nzz\n", "\0\0\0\0\n\n", "GET /" + "x" * 300000],
    ids=["garbage", "bare method", "version", "no host", "length of letters", "negative length", "chunk size", "NULs", "long path"],
)
def test_malformed_http_is_refused_or_closed_and_the_daemon_keeps_working(daemon, text):
    connection = send(daemon, text)
    with contextlib.suppress(OSError):  # the daemon may have reset the connection already
        connection.shutdown(socket.SHUT_WR)
    received = receive_all(connection)
    assert received == b"" or received.split(b" ")[1][:1] in (b"4", b"5"), received[:100]
    assert daemon.get("/healthz").status == 200


def test_pipelined_requests_get_responses_in_order(daemon):
    names = [f"p{number}" for number in range(20)]
    text = "".join(f"GET {path_of(daemon, **{**DRAW, 'name': name, 'format': 'raw'})} HTTP/1.1\nHost: x\n\n" for name in names)
    received = receive_all(send(daemon, text + "GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n"))
    bodies = [daemon.get("/v1/tensor", **{**DRAW, "name": name, "format": "raw"}).body for name in names]
    places = [received.index(body) for body in bodies]
    assert places == sorted(places)


def test_an_idle_or_slow_connection_is_closed(start):
    daemon = start("--idle-seconds", "1")
    for text in ["", "GET /healthz HTT", "POST /v1/tensor HTTP/1.1\nHost: x\nContent-Length: 10\n\nabc"]:
        assert b"200 OK" not in receive_all(send(daemon, text))


def test_a_connection_that_waits_for_the_ledger_is_not_idle(start):
    """A connection that waits for the daemon is not closed as idle, however short the limit is."""
    daemon = start("--idle-seconds", "1")
    assert daemon.get("/v1/tensor", **DRAW).status == 200


@pytest.mark.parametrize("threads", ["1", "3"])
def test_connections_beyond_the_limit_wait_until_others_end(start, threads):
    daemon = start("--connections", "40", "--connections-per-client", "4", "--threads", threads)
    streams = [send(daemon, f"GET {path_of(daemon, **LARGE)} HTTP/1.1\nHost: x\n\n") for _ in range(4)]
    for stream in streams:
        assert stream.recv(12) == b"HTTP/1.1 200"
    waiting = [send(daemon, "GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n") for _ in range(20)]
    for stream in streams:
        stream.close()
    assert all(receive_all(connection).startswith(b"HTTP/1.1 200 ") for connection in waiting)


def test_clients_that_disconnect_at_any_moment_leak_nothing(start):
    """With AddressSanitizer, a leak or a use after free ends the daemon with another status."""
    daemon = start()
    rng = random.Random(1)
    body = json.dumps({**DRAW, "shape": [16]}).encode()
    requests = [
        f"GET {path_of(daemon, **LARGE)} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        b"POST /v1/tensor HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
        b"POST /v1/tensor HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n" + b" " * 200000,
        b"POST /v1/tensor HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*[b" " * 999] * 99),
        b"GET /v1/ledger HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
        b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
    ]
    for turn in range(300):
        text = rng.choice(requests).replace(b'"w"', b'"w%d"' % turn)
        connection = daemon.socket()
        connection.sendall(text[: rng.randrange(1, len(text) + 1)])
        if rng.random() < 0.3:
            connection.settimeout(0.001)
            try:
                connection.recv(rng.choice([1, 100, 100000]))
            except TimeoutError:
                pass
        rng.choice([reset, socket.socket.close])(connection)
    assert daemon.get("/v1/tensor", **DRAW).status == 200


def test_clients_that_disconnect_while_they_wait_for_the_ledger_leak_nothing(start):
    daemon = start()
    assert daemon.get("/readyz").status == 200
    with Locked(daemon):
        connections = [send(daemon, f"GET {path_of(daemon, **{**DRAW, 'name': f'w{number}'})} HTTP/1.1\nHost: x\n\n")
                       for number in range(40)]
        assert daemon.get("/healthz").status == 200
        for connection in connections:
            reset(connection)
    assert daemon.get("/v1/tensor", **DRAW).status == 200
    assert "w0" in [line["name"] for line in daemon.ledger()]


def test_requests_that_wait_for_the_ledger_get_a_response_when_the_daemon_stops(start):
    daemon = start()
    with Locked(daemon):
        connections = [send(daemon, f"GET {path_of(daemon, **{**DRAW, 'name': f'w{number}'})} HTTP/1.1\nHost: x\n\n")
                       for number in range(20)]
        assert daemon.get("/healthz").status == 200
        daemon.process.terminate()
        daemon.wait_for(lambda line: line.get("event") == "stopping")
    responses = [receive_all(connection) for connection in connections]
    assert {response.split(b" ")[1] for response in responses if response} <= {b"200", b"503"}
    assert daemon.process.wait(timeout=60) == 0


def test_a_stream_of_any_length_takes_little_memory(start):
    daemon = start()
    connection = daemon.connect()
    connection.request("GET", path_of(daemon, **{**LARGE, "shape": str(1 << 29)}))
    response = connection.getresponse()
    left = int(response.headers["Content-Length"])
    assert left > 2 << 30
    buffer = bytearray(1 << 20)
    while count := response.readinto(buffer):
        left -= count
    assert left == 0
    connection.close()
    assert daemon.peak_memory() < 48 * 1024


def test_many_streams_at_a_time_take_little_memory(start):
    daemon = start()
    connections = []
    for _ in range(256):
        connection = daemon.connect()
        connection.request("GET", path_of(daemon, **LARGE))
        connections.append(connection)
    responses = [connection.getresponse() for connection in connections]
    for _ in range(3):
        for response in responses:
            assert len(response.read(300_000)) == 300_000
    assert daemon.peak_memory() < 160 * 1024
    for connection in connections:
        connection.close()
