"""A real daemon, and a server that answers what a test tells it to.

BUILD is the folder with sowerd (default: build at the top of the tree).
"""
import http.server
import json
import os
import pathlib
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = ROOT / "proto/vectors"
SOWERD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "sowerd"


class Daemon:
    """A running sowerd."""

    def __init__(self, state, *options):
        self.process = subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0", "--state", state, *options], stderr=subprocess.PIPE)
        for line in self.process.stderr:
            event = json.loads(line)
            if event.get("event") == "ready":
                self.url = f"http://{event['address']}"
                break
        else:
            raise RuntimeError(f"sowerd ended with {self.process.wait()} before it was ready")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        return self.process.wait()


class Fake(http.server.ThreadingHTTPServer):
    """Answers each request with the next of `answers`: (status, headers, body). Keeps the requests."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers = list(answers)
        self.requests = []  # (method, path, headers, body)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answering(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, self.headers, body))
        status, headers, sent = self.server.answers.pop(0)
        if status is None:  # no answer at all
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(sent)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        if "Content-Length" in headers:  # the answer ends early
            self.close_connection = True

    do_GET = do_POST = answer

    def log_message(self, *ignored):
        pass


@pytest.fixture
def start(tmp_path):
    """Starts daemons with given options."""
    started = []

    def start_daemon(*options, state="state"):
        started.append(Daemon(tmp_path / state, *options))
        return started[-1]

    yield start_daemon
    for daemon in started:
        assert daemon.process.poll() is not None or daemon.stop() == 0


@pytest.fixture(scope="session")
def daemon(tmp_path_factory):
    """One daemon for all tests that do not disturb each other. Each uses an experiment of its own."""
    running = Daemon(tmp_path_factory.mktemp("sowerd") / "state")
    yield running
    assert running.stop() == 0


@pytest.fixture
def fake():
    servers = []

    def start_fake(*answers):
        servers.append(Fake(answers))
        return servers[-1]

    yield start_fake
    for server in servers:
        server.shutdown()
        server.server_close()
