"""One client that floods the daemon with everything that its token may do, in turn, and another whose small draws are measured.

Run as a program, this file prints the 99th percentile of the other client's draws, quiet and under each flood:
/usr/bin/python3 tests/http/hostile.py [PROGRAM [FLOOD ...]]
"""
import contextlib
import http.client
import itertools
import json
import multiprocessing
import pathlib
import selectors
import socket
import sys
import tempfile
import time

from tokens import Token, write_tokens

GREEDY, OTHER = "127.0.0.1", "127.0.0.2"
FLOOD_CONNECTIONS = 64
MANIFEST = {"tensors": [{"name": f"layers.{n}.w", "shape": [64, 64], "init": "normal"} for n in range(2000)]}


def request(token, method, path, body=None):
    text = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n"
    head += f"Authorization: Bearer {token}\r\n" if token else ""
    return head.encode() + b"\r\n" + text


def tensor(name, **fields):
    fields = {"experiment": "greedy", "name": name, "shape": "16,16", "init": "normal", **fields}
    return "?" + "&".join(f"{key}={value}" for key, value in fields.items())


# What one client can send without end: {name: (token, number) -> request}
FLOODS = {
    "known draws": lambda token, n: request(token, "GET", "/v1/tensor" + tensor("known")),
    "new draws": lambda token, n: request(token, "GET", "/v1/tensor" + tensor(f"new{n}")),
    "large draws": lambda token, n: request(token, "GET", "/v1/tensor" + tensor("large", shape="100000000")),
    "heavy draws": lambda token, n: request(token, "GET", "/v1/tensor" + tensor(f"heavy{n}", shape="2048,2048", init="orthogonal")),
    "plans": lambda token, n: request(token, "GET", "/v1/plan" + tensor(f"plan{n}")),
    "statistics": lambda token, n: request(token, "GET", "/v1/stats" + tensor(f"stats{n}", shape="17179869184")),
    "trials": lambda token, n: request(token, "POST", "/v1/experiments/greedy/trials"),
    "pins": lambda token, n: request(token, "PUT" if n % 2 else "DELETE", "/v1/experiments/greedy/pin"),
    "models": lambda token, n: request(token, "POST", "/v1/draws", {**MANIFEST, "experiment": "greedy", "trial": n}),
    "manifests": lambda token, n: request(token, "POST", "/v1/manifests", {"tensors": [{"name": f"w{n}", "shape": [2], "init": "zeros"}, *MANIFEST["tensors"]]}),
    "ledger": lambda token, n: request(token, "GET", "/v1/ledger?experiment=greedy"),
    "heads": lambda token, n: request(token, "GET", "/v1/ledger/head"),
    "experiments": lambda token, n: request(token, "GET", "/v1/experiments?limit=1000"),
    "unknown tokens": lambda token, n: request(None, "GET", "/v1/tensor" + tensor("known")),
    "malformed requests": lambda token, n: b"GET /v1/tensor HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
}


class Connection:
    """A connection of the greedy client with one request at a time. It opens another one when the daemon closes it."""

    def __init__(self, address, selector, requests):
        self.address, self.selector, self.requests = address, selector, requests
        self.socket = None
        self.open()

    def open(self):
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
        self.socket = socket.create_connection(self.address, timeout=60, source_address=(GREEDY, 0))
        self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.left, self.head = None, b""
        with contextlib.suppress(OSError):
            self.socket.sendall(next(self.requests))

    def read(self):
        try:
            data = self.socket.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            return self.open()
        if self.left is None:
            self.head += data
            if b"\r\n\r\n" not in self.head:
                return None
            head, data = self.head.split(b"\r\n\r\n", 1)
            fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
            self.left = int(fields.get(b"content-length", -1))
        if self.left < 0:  # chunked: until the last chunk
            if data.endswith(b"0\r\n\r\n"):
                self.send()
            return None
        self.left -= len(data)
        if self.left <= 0:
            self.send()
        return None

    def send(self):
        self.left, self.head = None, b""
        with contextlib.suppress(OSError):
            self.socket.sendall(next(self.requests))


def flood(address, make, token, began):
    """Sends requests of one kind on many connections until the process is ended."""
    requests = (make(token, n) for n in itertools.count(time.monotonic_ns()))
    selector = selectors.DefaultSelector()
    for _ in range(FLOOD_CONNECTIONS):
        Connection(address, selector, requests)
    began.set()
    while True:
        for key, _ in selector.select():
            key.data.read()


@contextlib.contextmanager
def flooded(daemon, name):
    began = multiprocessing.Event()
    process = multiprocessing.Process(target=flood, args=((daemon.host, daemon.port), FLOODS[name], daemon.greedy.text, began), daemon=True)
    process.start()
    assert began.wait(60)
    try:
        yield
    finally:
        process.kill()
        process.join()


class Other:
    """The other client: its small draws, one at a time on one connection."""

    def __init__(self, daemon):
        self.headers = daemon.other.headers
        self.connection = http.client.HTTPConnection(daemon.host, daemon.port, timeout=60, source_address=(OTHER, 0))

    def seconds(self, name):
        began = time.monotonic()
        self.connection.request("GET", f"/v1/tensor?experiment=other&name={name}&shape=16,16&init=normal", headers=self.headers)
        response = self.connection.getresponse()
        body = response.read()
        seconds = time.monotonic() - began
        assert response.status == 200 and len(body) > 1024, (response.status, body)
        return seconds

    def measure(self, count):
        """The 99th percentile of the seconds for known and for new draws."""
        known = sorted(self.seconds("known") for _ in range(count))
        new = sorted(self.seconds(f"new{time.monotonic_ns()}") for _ in range(count))
        return {"known": known[count * 99 // 100], "new": new[count * 99 // 100]}


def start(daemon_class, directory, *options, **keywords):
    """A daemon with the tokens of the two clients."""
    greedy, other = Token("greedy"), Token("other", "draw", "other")
    file = write_tokens(directory / "tokens", greedy, other)
    daemon = daemon_class(directory / "state", "--tokens", str(file), *options, **keywords)
    daemon.greedy, daemon.other = greedy, other
    return daemon


def main(program):
    from conftest import Daemon

    with tempfile.TemporaryDirectory() as directory:
        daemon = start(Daemon, pathlib.Path(directory), "--log-level", "warning", command=[program])
        other = Other(daemon)
        other.measure(200)
        for name in sys.argv[2:] or FLOODS:
            quiet = other.measure(1000)
            with flooded(daemon, name):
                time.sleep(0.5)
                busy = other.measure(1000)
            time.sleep(1)
            print(f"{name:20} " + "   ".join(f"{kind} {1000 * quiet[kind]:6.2f} -> {1000 * busy[kind]:7.2f} ms ({busy[kind] / quiet[kind]:4.1f})"
                                             for kind in quiet), flush=True)
        daemon.stop()


if __name__ == "__main__":
    from conftest import SOWERD

    main(sys.argv[1] if len(sys.argv) > 1 else SOWERD)
