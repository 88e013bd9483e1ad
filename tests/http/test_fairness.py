"""Time limits, and fairness between clients: a small request is served soon, whatever another client requests."""
import json
import pathlib
import signal
import socket
import time

import pytest

from conftest import PATIENCE
from loads import GREEDY, OTHER, Load, Other, dribble, idle, orthogonal, statistics
from sockets import receive_all

SMALL = 2  # a small request takes at most this many seconds under any load
PROBE = 0.5  # and a probe (/healthz, /readyz) this many


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
def test_a_connection_whose_headers_do_not_end_is_closed_after_header_seconds(start, text):
    daemon = start("--header-seconds", "2")
    with Load(daemon) as load:
        connection = load.send(text)
        load.keep_sending()
        assert 1 < seconds_until_end(connection) < 8


def test_a_connection_whose_body_does_not_end_is_closed_after_request_seconds(start):
    daemon = start("--request-seconds", "2", "--header-seconds", "1")
    with Load(daemon) as load:
        connection = load.send("POST /v1/plan HTTP/1.1\nHost: x\nContent-Length: 1000\n\n")
        load.keep_sending()
        assert 1 < seconds_until_end(connection) < 8


def test_the_daemon_closes_a_connection_that_its_client_closes_inside_a_request(start):
    daemon = start("--header-seconds", "3600", "--idle-seconds", "3600")
    files = pathlib.Path(f"/proc/{daemon.process.pid}/fd")
    assert daemon.get("/healthz").status == 200
    before = len(list(files.iterdir()))
    for _ in range(20):
        with daemon.socket() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # sends the bytes and FIN in one segment
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHo")
    end = time.monotonic() + PATIENCE
    while len(list(files.iterdir())) > before:
        assert time.monotonic() < end


@pytest.mark.parametrize("cause", [dribble, idle])
def test_many_connections_of_one_client_do_not_keep_other_clients_out(start, cause):
    daemon = start("--connections", "16")
    with Load(daemon) as load:
        cause(load, 20)
        daemon.wait_for(lambda line: line.get("event") == "crowded" and line["client"] == GREEDY)
        assert_others_are_served(daemon)
    daemon.stop()
    assert sum(b'"crowded"' in line for line in daemon.rest_of_log()) == 0, "the daemon logs it once"


def test_a_client_at_its_limit_gets_the_place_of_its_own_connection_that_only_waits(start):
    daemon = start("--connections", "8")
    with Load(daemon) as load:
        dribble(load, 4)
        assert daemon.get("/healthz").status == 200
        assert receive_all(load.connections[0]) == b""


def test_at_the_limit_of_connections_the_one_that_is_idle_longest_is_closed(start):
    daemon = start("--connections", "4", "--connections-per-client", "4", "--header-seconds", "60")
    connections = [daemon.connect() for _ in range(4)]
    for connection in connections:
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    # The other connections stay in use. Connections that become idle within the same milliseconds have no certain order.
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        for connection in connections[1:]:
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


def test_a_client_whose_connections_are_all_in_use_waits_and_other_clients_do_not(start):
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


def test_a_full_queue_of_two_clients_does_not_keep_a_third_client_out(start):
    """Two clients have all places and each half of the queue. The new connection of a third client gets the next place."""
    daemon = start("--connections", "4")
    with Load(daemon) as load, Load(daemon) as more:
        streams = [load.ask("/v1/tensor", **LARGE) for _ in range(2)] + [more.ask("/v1/tensor", client="127.0.0.3", **LARGE) for _ in range(2)]
        for stream in streams:
            assert stream.recv(12) == b"HTTP/1.1 200"
        for _ in range(4):  # two of each client find room in the queue
            load.send("GET /healthz HTTP/1.1\nHost: x\n\n")
            more.send("GET /healthz HTTP/1.1\nHost: x\n\n", client="127.0.0.3")
        with Load(daemon) as other:
            waiting = other.send("GET /healthz HTTP/1.1\nHost: x\nConnection: close\n\n", client=OTHER)
            daemon.wait_for(lambda line: line.get("event") == "crowded" and "client" not in line)
            streams[0].close()
            assert receive_all(waiting).startswith(b"HTTP/1.1 200 ")


def test_a_connection_whose_client_reads_nothing_is_closed_after_idle_seconds(start):
    daemon = start("--idle-seconds", "1")
    with Load(daemon) as load:
        load.ask("/v1/tensor", **LARGE)
        assert daemon.wait_for(lambda line: line.get("path") == "/v1/tensor")["end"] == "timeout"


HEAVY = {"statistics": (statistics, 64, ()), "orthogonal": (lambda load, count: orthogonal(load, count, 2048), 6, ("--cache-size", "100M"))}


@pytest.mark.parametrize("cause", HEAVY)
def test_heavy_work_of_one_client_delays_neither_other_clients_nor_the_stop(start, cause):
    load_with, count, options = HEAVY[cause]
    daemon = start("--drain-seconds", "1", *options)
    with Load(daemon) as load:
        load_with(load, count)
        assert_others_are_served(daemon)
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 1 + 5


def test_clients_behind_a_trusted_proxy_are_told_apart(start):
    """All connections come from one address, as those of a proxy do. The proxy names the clients."""
    daemon = start("--drain-seconds", "0", "--connections-per-client", "1024", "--trusted-proxies", GREEDY)
    with Load(daemon) as load:
        for number in range(500):  # as one client, the small request would wait for a piece of each
            path = daemon.url("/v1/stats", experiment="load", name=f"s{number}", shape="17179869184", init="normal").split(daemon.address)[1]
            load.send(f"GET {path} HTTP/1.1\nHost: x\nX-Forwarded-For: 192.0.2.1\n\n")
        begun = time.monotonic()
        small = daemon.get("/v1/stats", experiment="load", name="w", shape="1000", init="normal", headers={"X-Forwarded-For": "192.0.2.2"})
        assert small.status == 200 and time.monotonic() - begun < SMALL
        assert daemon.stop() == 0


def test_queued_requests_get_503_when_the_daemon_stops(start):
    daemon = start("--drain-seconds", "0")
    with Load(daemon) as load:
        statistics(load, 8)
        assert Other(daemon).seconds("GET", "/healthz", {}) < SMALL
        daemon.signal(signal.SIGTERM)
        for connection in load.connections:
            header, body = receive_all(connection).split(b"\r\n\r\n")
            assert header.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in header
            assert json.loads(body)["detail"] == "The daemon is stopping; ask again when it is back."
        assert daemon.process.wait(timeout=PATIENCE) == 0
