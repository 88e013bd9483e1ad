"""One build of the daemon with libmicrohttpd of three Debian releases: no client is affected by the library's bugs."""
import contextlib
import pathlib
import selectors
import signal
import urllib.parse

import pytest

from sockets import receive_all


def test_the_log_names_the_version_of_the_library_that_runs(start, library):
    daemon = start(environment=library)
    assert daemon.library == pathlib.Path(library["LD_LIBRARY_PATH"], "version").read_text().strip()
    assert daemon.get("/healthz").status == 200


def without_headers(length):
    """Requests without headers. The query ends in a field without a value."""
    for query in ("a" * length, "b=1&" + "a" * length, "a" * length + "&", "=&" * 200 + "a" * length):
        for version in ("1.0", "1.1"):
            yield f"GET /healthz?{query} HTTP/{version}\r\n\r\n".encode()


def without_headers_but_long(length):
    """The same, and the bytes before the target fill the library's buffer."""
    yield b"A" * length + b" /healthz?a HTTP/1.0\r\n\r\n"
    yield b"GET" + b" " * length + b"/healthz?a=b&b HTTP/1.0\r\n\r\n"


# At about half (58 KB) and at all of the memory of a connection, the library's buffer is nearly full.
LENGTHS = [*range(57_000, 60_000, 150), *range(116_000, 119_000, 300), 600, 1_100, 14_000, 30_000, 100_000]


def test_no_request_without_headers_ends_the_daemon(start, library):
    daemon = start("--header-seconds", "1", environment=library)  # 0.9.75 keeps a request that it has no room for until this timeout
    requests = [request for length in LENGTHS for request in without_headers(length)]
    requests += [request for length in (116_900, 117_174, 117_300, 118_000) for request in without_headers_but_long(length)]
    assert len(requests) >= 150
    connections = [daemon.socket() for _ in requests]  # all at once, so that such requests are kept at the same time
    for connection, request in zip(connections, requests):
        with contextlib.suppress(OSError):  # the daemon may have cut the connection already
            connection.sendall(request)
    for connection, request in zip(connections, requests):
        received = receive_all(connection)
        assert received == b"" or received.split(b" ")[1] in (b"200", b"400", b"405", b"414", b"431"), (request[:40], len(request), received[:80])
    assert daemon.get("/healthz").status == 200


def test_a_long_query_whose_last_field_has_no_value_is_refused_with_a_sentence(start, library):
    daemon = start(environment=library)
    response = daemon.get("/healthz?" + "a" * 2000)
    assert response.status == 400 and "NAME=VALUE" in response.problem()["detail"] and response.headers["Connection"] == "close"
    assert daemon.get("/healthz?" + "a" * 100).status == daemon.get("/healthz?a=" + "a" * 2000).status == 200


@pytest.mark.parametrize("bare, named", [("trial", "trial"), ("trial&", "trial"), ("fan_in=2&tri%61l", "trial"), ("x+y", "x y"), ("trial=1&trial", "trial"), ("&", "")])
def test_a_short_query_whose_last_field_has_no_value_is_read_normally(start, library, draw, bare, named):
    daemon = start(environment=library)
    response = daemon.get("/v1/tensor?" + urllib.parse.urlencode(draw) + "&" + bare)
    assert response.status == 400 and response.problem().get("param", "") == named, response.body
    assert daemon.request("POST", "/v1/tensor?" + bare.split("&")[-1], body="{}").problem()["detail"].endswith("it has a query string as well.") or bare.endswith("&")
    assert daemon.request("PUT", "/v1/experiments/e/pin?x").status == 400


@pytest.mark.parametrize("clients", [127, 128, 129, 256, 384])
def test_any_number_of_simultaneous_clients_is_served_at_once(start, library, clients):
    """All requests have arrived before the only thread looks. It has no other work, so all responses follow at once."""
    daemon = start("--threads", "1", "--idle-seconds", "60", environment=library)
    connections = [daemon.socket() for _ in range(clients)]
    for connection in connections:  # the library has accepted each by now
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    for turn in range(5):
        daemon.process.send_signal(signal.SIGSTOP)
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        daemon.process.send_signal(signal.SIGCONT)
        with selectors.DefaultSelector() as ready:
            for connection in connections:
                ready.register(connection, selectors.EVENT_READ)
            while ready.get_map():
                events = ready.select(timeout=20)  # a stall lasts until the idle timeout
                assert events, f"{len(ready.get_map())} of {clients} wait in turn {turn}"
                for key, _ in events:
                    assert key.fileobj.recv(1000).startswith(b"HTTP/1.1 200 ")
                    ready.unregister(key.fileobj)
    for connection in connections:
        connection.close()
