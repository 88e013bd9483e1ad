"""Two clients: one puts load on the daemon, the other measures the times of its small requests.

Run as a program, this file prints the measured times: /usr/bin/python3 tests/http/loads.py [PROGRAM]
"""
import contextlib
import http.client
import pathlib
import resource
import signal
import socket
import sys
import tempfile
import threading
import time

GREEDY, OTHER = "127.0.0.1", "127.0.0.2"  # two clients of a daemon that listens on loopback


def allow_files(count):
    """Raises the limit of open files of this process: each connection needs a file descriptor here too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


class Load:
    """Connections of the greedy client, kept until the end of a `with`."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.connections = []
        self.ended = threading.Event()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        for connection in self.connections:
            connection.close()

    def send(self, text, client=GREEDY):
        connection = socket.create_connection((self.daemon.host, self.daemon.port), timeout=60, source_address=(client, 0))
        self.connections.append(connection)
        connection.sendall(text.replace("\n", "\r\n").encode())
        return connection

    def ask(self, path, client=GREEDY, **fields):
        return self.send(f"GET {self.daemon.url(path, **fields).split(self.daemon.address)[1]} HTTP/1.1\nHost: x\n\n", client)

    def keep_sending(self):
        """Sends a byte on every connection every 3 s."""
        def send():
            while not self.ended.wait(3):
                for connection in self.connections:
                    with contextlib.suppress(OSError):
                        connection.send(b"x")

        threading.Thread(target=send, daemon=True).start()


def statistics(load, count):
    """Requests that take minutes each."""
    for number in range(count):
        load.ask("/v1/stats", experiment="load", name=f"s{number}", shape="17179869184", init="normal")


def dribble(load, count):
    """Requests whose headers arrive byte by byte and never end."""
    for _ in range(count):
        load.send("GET /healthz HTTP/1.1\nHost: x\nX: ")
    load.keep_sending()


def idle(load, count):
    """Connections that stay open after a response."""
    for _ in range(count):
        connection = load.send("GET /healthz HTTP/1.1\nHost: x\n\n")
        with contextlib.suppress(OSError, TimeoutError):
            connection.settimeout(1)  # connections beyond a limit get no response
            connection.recv(1000)


def orthogonal(load, count, side=4096):
    for number in range(count):
        load.ask("/v1/tensor", experiment="load", name=f"q{number}", shape=f"{side},{side}", init="orthogonal")


class Other:
    """The second client. It measures how long each of its small requests takes."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.number = 0

    def seconds(self, method, path, fields):
        self.number += 1
        begun = time.monotonic()
        connection = http.client.HTTPConnection(self.daemon.host, self.daemon.port, timeout=60, source_address=(OTHER, 0))
        try:
            connection.request(method, self.daemon.url(path, **fields).split(self.daemon.address)[1])
            response = connection.getresponse()
            response.read()
            assert response.status == 200, (path, fields, response.status)
        finally:
            connection.close()
        return time.monotonic() - begun

    def small_requests(self):
        """One request of each kind: {name: (method, path, fields)}."""
        new = f"other-{time.monotonic_ns()}"
        tensor = dict(experiment="other", name=new, shape="16,16", init="normal")
        return {
            "healthz": ("GET", "/healthz", {}),
            "readyz": ("GET", "/readyz", {}),
            "new draw": ("GET", "/v1/tensor", tensor),
            "tensor": ("GET", "/v1/tensor", tensor),
            "orthogonal": ("GET", "/v1/tensor", dict(tensor, name=new + "q", shape="64,64", init="orthogonal")),
            "stats": ("GET", "/v1/stats", tensor),
            "plan": ("GET", "/v1/plan", dict(tensor, name=new + "p")),
            "trial": ("POST", "/v1/experiments/other/trials", {}),
            "ledger": ("GET", "/v1/ledger", dict(limit=10)),
        }

    def times(self):
        return {name: self.seconds(*request) for name, request in self.small_requests().items()}


def measure(start, program):
    cases = [("100 stats of 64 GiB", statistics, 100), ("1030 dribbling headers", dribble, 1030),
             ("1024 idle connections", idle, 1024), ("16 orthogonal 4096x4096", orthogonal, 16),
             ("64 stats of 64 GiB", statistics, 64)]
    allow_files(8192)
    for name, cause, count in cases:
        with tempfile.TemporaryDirectory() as state:
            daemon = start(pathlib.Path(state) / "state", "--drain-seconds", "3", "--log-level", "warning", command=[program])
            with Load(daemon) as load:
                cause(load, count)
                time.sleep(1)
                other, times = Other(daemon), {}
                for kind, request in other.small_requests().items():
                    try:
                        times[kind] = f"{other.seconds(*request):.2f}"
                    except Exception as reason:  # the kind of failure is the result
                        times[kind] = type(reason).__name__ + str(reason)[-5:]
                begun = time.monotonic()
                daemon.signal(signal.SIGTERM)
                daemon.process.wait(timeout=600)
                times["SIGTERM"] = f"{time.monotonic() - begun:.2f}"
            print(name, " ".join(f"{kind}: {value}" for kind, value in times.items()), sep=" | ", flush=True)


if __name__ == "__main__":
    from conftest import SOWERD, Daemon

    measure(Daemon, sys.argv[1] if len(sys.argv) > 1 else SOWERD)
