"""Runs the real daemon for the tests. A test starts its own, or shares that of its module, on a free port with an empty state."""
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import uuid

import pytest

from postgres import Postgres

# A shell starts a background program with SIGINT ignored, and nohup with SIGHUP ignored. The daemons would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # second_implementation
SOWERD = os.environ.get("SOWERD") or str(pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "sowerd")
# Seconds before a test gives up waiting: far more than a loaded machine needs.
PATIENCE = 60


class Response:
    """An HTTP response, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def problem(self):
        assert self.headers["Content-Type"] == "application/problem+json", (self.status, self.body)
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["type"] == "about:blank" and problem["title"]
        assert problem["detail"].endswith((".", "?")), problem
        return problem


class Daemon:
    """A running sowerd. A thread reads its log."""

    def __init__(self, state, *options, environment=None, command=None, listen="127.0.0.1:0", pass_fds=(), until="ready",
                 hosts="x,sower"):  # x: in requests that tests write by hand; sower: the upstream in a proxy
        self.state = pathlib.Path(state)
        arguments = ["--listen", listen] if listen else []
        arguments += ["--hosts", hosts] if hosts else []
        arguments += ["--state", str(state), *options]
        self.process = subprocess.Popen(
            (command or [SOWERD]) + arguments,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            pass_fds=pass_fds,
        )
        self.lines = queue.Queue()
        self.log = []
        threading.Thread(target=self._read_log, daemon=True).start()
        started = self.wait_for(lambda line: line.get("event") == until)
        self.address = started["address"]
        self.library = started["libmicrohttpd"]
        host, port = self.address.rsplit(":", 1) if not self.address.startswith("unix:") else ("", 0)
        self.host, self.port = host.strip("[]"), int(port)

    def _read_log(self):
        for line in self.process.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, wanted):
        """Reads the log up to the first line that `wanted` accepts, and returns this line."""
        while True:
            text = self.lines.get(timeout=PATIENCE)
            assert text is not None, f"sowerd ended before it logged the line; its log: {self.log}"
            try:
                line = json.loads(text)
            except ValueError:
                line = {"text": text.decode(errors="replace")}
            self.log.append(line)
            if wanted(line):
                return line

    def rest_of_log(self):
        """All lines that were not read yet. Waits until the daemon ends."""
        rest = []
        while (text := self.lines.get(timeout=PATIENCE)) is not None:
            rest.append(text)
        return rest

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def socket(self):
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, headers=None, **fields):
        return self.request("GET", with_query(path, fields), headers=headers)

    def post(self, path, fields, headers=None):
        return self.request("POST", path, body=json.dumps(fields), headers=headers)

    def url(self, path, **fields):
        return f"http://{self.address}{with_query(path, fields)}"

    def ledger(self, **fields):
        response = self.get("/v1/ledger", **fields)
        assert response.status == 200, response.body
        return [json.loads(line) for line in response.body.splitlines()]

    def status_kib(self, name):
        """A value of /proc/PID/status in KiB. VmHWM, for example, is the peak resident set."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise KeyError(name)

    def peak_memory(self):
        """The peak resident set in KiB. Skips the test for a daemon built with a sanitizer, which keeps freed memory."""
        if self.status_kib("VmSize") > 1 << 30:
            pytest.skip("a sanitizer uses memory of its own")
        return self.status_kib("VmHWM")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Ends the daemon as systemd does (SIGTERM) and returns the exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


def why_it_ended(stderr):
    """The sentence of a daemon that cannot start: the last line of its log. `stderr` is text or bytes."""
    log = [json.loads(line) for line in stderr.splitlines()]
    assert all({"time", "level", "event"} <= line.keys() for line in log), stderr
    assert log[-1]["level"] == "error" and log[-1]["event"] == "start_failed" and log[-1]["sentence"].endswith((".", "?")), stderr
    return log[-1]["sentence"]


def with_query(path, fields):
    return path + ("?" + urllib.parse.urlencode(fields) if fields else "")


@pytest.fixture
def start(tmp_path):
    """Starts daemons with given options. At the end of the test each must stop with status 0."""
    started = []

    def start_daemon(*options, state=None, **keywords):
        daemon = Daemon(state or tmp_path / f"state-{len(started)}", *options, **keywords)
        started.append(daemon)
        return daemon

    yield start_daemon
    for daemon in started:
        was_running = daemon.process.poll() is None
        status = daemon.stop()
        assert not was_running or status == 0, (status, daemon.rest_of_log())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon for all tests of a module that do not disturb each other."""
    shared = Daemon(tmp_path_factory.mktemp("daemon") / "state")
    yield shared
    assert shared.stop() == 0, shared.rest_of_log()


@pytest.fixture(scope="module")
def postgres():
    """A PostgreSQL server with an empty database named ledger."""
    server = Postgres()
    server.create("ledger")
    yield server
    server.close()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def recorder(request, start):
    """A daemon with an empty ledger of each kind."""
    if request.param == "SQLite":
        return start()
    server = request.getfixturevalue("postgres")
    database = f"recorder_{uuid.uuid4().hex}"
    server.create(database)
    return start("--ledger", server.url(database))


@pytest.fixture(scope="module", params=["bookworm", "trixie", "sid"])
def library(request):
    """The environment in which a daemon uses the libmicrohttpd of a Debian release."""
    folder = ROOT / "build/libmicrohttpd" / request.param
    if not (folder / "version").exists():
        pytest.skip(f"libmicrohttpd of Debian's {request.param} is missing: run make library-versions")
    return {"LD_LIBRARY_PATH": str(folder)}


@pytest.fixture
def draw(request):
    """Fields of a small draw that no other test requests."""
    return {"experiment": request.node.name[:200], "name": "w", "shape": "4,6", "init": "normal(std=0.02)"}
