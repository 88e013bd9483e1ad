"""Bounded time, and what one client may cost another: nobody waits long, whatever somebody else asks for."""
import json
import pathlib
import signal
import socket
import time

import pytest

from conftest import PATIENCE
from loads import GREEDY, OTHER, Load, Other, dribble, idle, orthogonal, statistics

SMALL = 2  # seconds that a small request may take beside any load
PROBE = 0.5  # and a probe


def receive_all(connection):
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def seconds_until_end(connection):
    begun = time.monotonic()
    receive_all(connection)
    return time.monotonic() - begun


def assert_others_are_served(daemon):
    times = Other(daemon).times()
    assert {kind: seconds for kind, seconds in times.items() if seconds > SMALL} == {}
    assert times["healthz"] < PROBE and times["readyz"] < PROBE, times


@pytest.mark.parametrize("text", ["", "GET /healthz HTTP/1.1\nHost: x\nX: ", "GET /healthz HTTP/1.1\nHost: x\n\nGET /he"],
                         ids=["nothing", "the first headers", "a second request"])
def test_headers_that_do_not_end_are_cut_after_header_seconds(start, text):
    daemon = start("--header-seconds", "2")
    with Load(daemon) as load:
        connection = load.send(text)
        load.keep_sending()
        assert 1 < seconds_until_end(connection) < 8


def test_a_body_that_does_not_end_is_cut_after_request_seconds(start):
    daemon = start("--request-seconds", "2", "--header-seconds", "1")
    with Load(daemon) as load:
        connection = load.send("POST /v1/plan HTTP/1.1\nHost: x\nContent-Length: 1000\n\n")
        load.keep_sending()
        assert 1 < seconds_until_end(connection) < 8


def test_requests_that_their_clients_cut_short_leave_no_connection_behind(start):
    daemon = start("--header-seconds", "3600", "--idle-seconds", "3600")
    files = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
    assert daemon.get("/healthz").status == 200
    before = len(list(files.iterdir()))
    for _ in range(20):
        with daemon.socket() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the end leaves with the bytes
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHo")
    end = time.monotonic() + PATIENCE
    while len(list(files.iterdir())) > before:
        assert time.monotonic() < end


@pytest.mark.parametrize("cause", [dribble, idle])
def test_connections_of_one_client_do_not_keep_others_out(start, cause):
    daemon = start("--connections", "16")
    with Load(daemon) as load:
        cause(load, 20)
        daemon.wait_for(lambda line: line.get("event") == "crowded" and line["client"] == GREEDY)
        assert_others_are_served(daemon)
    daemon.stop()
    assert sum(b'"crowded"' in line for line in daemon.rest_of_log()) == 0, "it is said once"


def test_a_client_at_its_share_gets_a_place_of_its_own_that_only_waits(start):
    daemon = start("--connections", "8")
    with Load(daemon) as load:
        dribble(load, 4)
        assert daemon.get("/healthz").status == 200
        assert receive_all(load.connections[0]) == b""


def test_a_full_house_closes_who_has_been_idle_longest(start):
    daemon = start("--connections", "4", "--connections-per-client", "4", "--header-seconds", "60")
    connections = [daemon.connect() for _ in range(4)]
    for connection in connections:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    assert Other(daemon).seconds("GET", "/healthz", {}) < SMALL
    assert receive_all(connections[0].sock) == b""
    for connection in connections[1:]:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    for connection in connections:
        connection.close()


LARGE = dict(experiment="fairness", name="large", shape="100000000", init="normal")


def test_a_client_whose_connections_are_all_in_use_waits_and_others_come_in(start):
    daemon = start("--connections", "4")
    with Load(daemon) as load:
        streams = [load.ask("/v1/tensor", **LARGE) for _ in range(2)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        waiting = load.send("GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n")
        daemon.wait_for(lambda line: line.get("event") == "crowded" and line["client"] == GREEDY)
        assert Other(daemon).seconds("GET", "/healthz", {}) < SMALL
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):
            waiting.recv(1)
        waiting.settimeout(PATIENCE)
        streams[0].close()
        assert receive_all(waiting).startswith(b"HTTP/1.1 200 ")


def test_newcomers_of_others_are_not_kept_from_the_line(start):
    """Two clients have all places, and half of the line each: a third one's newcomer gets the next place."""
    daemon = start("--connections", "4")
    with Load(daemon) as load, Load(daemon) as more:
        streams = [load.ask("/v1/tensor", **LARGE) for _ in range(2)] + [more.ask("/v1/tensor", client="127.0.0.3", **LARGE) for _ in range(2)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        for _ in range(4):  # two of each find room in line
            load.send("GET /healthz HTTP/1.1\nHost: x\n\n")
            more.send("GET /healthz HTTP/1.1\nHost: x\n\n", client="127.0.0.3")
        with Load(daemon) as other:
            waiting = other.send("GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n", client=OTHER)
            daemon.wait_for(lambda line: line.get("event") == "crowded" and "client" not in line)
            streams[0].close()
            assert receive_all(waiting).startswith(b"HTTP/1.1 200 ")


def test_a_reader_that_takes_nothing_is_cut_after_idle_seconds(start):
    daemon = start("--idle-seconds", "1")
    with Load(daemon) as load:
        load.ask("/v1/tensor", **LARGE)
        assert daemon.wait_for(lambda line: line.get("path") == "/v1/tensor")["end"] == "timeout"


HEAVY = {"statistics": (statistics, 64, ()), "orthogonal": (lambda load, count: orthogonal(load, count, 2048), 6, ("--cache-size", "100M"))}


@pytest.mark.parametrize("cause", HEAVY)
def test_heavy_work_of_one_client_does_not_keep_others_waiting_nor_the_end(start, cause):
    load_with, count, options = HEAVY[cause]
    daemon = start("--drain-seconds", "1", *options)
    with Load(daemon) as load:
        load_with(load, count)
        assert_others_are_served(daemon)
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 1 + 5


def test_what_is_queued_is_answered_503_at_the_end(start):
    daemon = start("--drain-seconds", "0")
    with Load(daemon) as load:
        statistics(load, 8)
        assert Other(daemon).seconds("GET", "/healthz", {}) < SMALL
        daemon.signal(signal.SIGTERM)
        for connection in load.connections:
            head, body = receive_all(connection).split(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in head
            assert json.loads(body)["detail"] == "The daemon is stopping; ask again when it is back."
        assert daemon.process.wait(timeout=PATIENCE) == 0
