"""Hundreds of SIGKILLs: a draw of which a client has received a byte is in the ledger, and the next daemon continues there.

Several clients, all in one thread, request new and known draws, models, trial numbers and pins. After a random number of responses
or bytes, and sometimes a random delay, the test kills the daemon and starts the next one on the same state. Sometimes it kills the
daemon while it starts.
"""
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import pytest

from chain import Chains
from conftest import PATIENCE, SOWERD

# With a sanitizer a start takes ten times as long.
SANITIZED = b"__asan_init" in open(SOWERD, "rb").read()
KILLS = int(os.environ.get("SOWER_KILLS", 50 if SANITIZED else 500))
PARTS = 5
CLIENTS = 6
SEED = 20260131


class Client:
    """One connection with one request at a time, `ask`. It records there whether a byte arrived, and the response."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.received = b""
        self.ask = None

    def send(self, ask):
        self.ask, self.received = ask, b""
        head = f"{ask.method} {ask.target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(ask.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in ask.headers.items())
        self.socket.send(head.encode() + b"\r\n" + ask.body)

    def read(self):
        """Reads the available bytes; returns (number of bytes, whether the response is complete)."""
        try:
            received = self.socket.recv(1 << 20)
        except BlockingIOError:
            return 0, False
        except OSError:
            return 0, False
        if received and self.ask.seen is False:
            self.ask.seen = True
        self.received += received
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return len(received), False
        if self.ask.response_headers is None:
            lines = head.decode().split("\r\n")
            assert lines[0].split(" ", 2)[1] == "200", self.received
            self.ask.response_headers = dict(line.split(": ", 1) for line in lines[1:])
        whole = len(body) >= int(self.ask.response_headers["Content-Length"])
        if whole:
            self.ask.response = body
        return len(received), whole


class Ask:
    """A request, and what the client has received of its response."""

    def __init__(self, kind, method, target, body=b"", headers=None, **about):
        self.kind, self.method, self.target, self.body, self.headers, self.about = kind, method, target, body, headers or {}, about
        self.seen, self.response_headers, self.response = False, None, None


class Observed:
    """The state directory, and everything that clients have received from daemons on it."""

    def __init__(self, state):
        self.state = state
        self.random = random.Random(SEED)
        self.numbers = iter(range(1, 1 << 40))
        self.draws = {}  # name: (line, draw, seed) of the response, or None if less than its headers arrived
        self.models = set()  # experiments of models of which a byte arrived
        self.keys = {}  # key: (experiment, count, first); first is None until a response arrived
        self.given = {}  # (experiment, number): the key, or the request without a key, that got the number
        self.pins = {}  # line: (experiment, pinned)
        self.chains = Chains()
        self.names, self.lines_of_keys, self.next_trial, self.lines_of_pins, self.lines_of_models = {}, {}, {}, {}, {}
        self.lines_of_trials = {}
        self.responses = 0

    def spawn(self):
        return subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0", "--state", str(self.state), "--log-level", "error"], stderr=subprocess.PIPE)

    def wait_until_ready(self, process):
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            assert selector.select(PATIENCE), "the daemon logs nothing at start"
        line = process.stderr.readline()
        assert b'"listening"' in line, line + process.stderr.read()
        line = process.stderr.readline()
        assert b'"ready"' in line, line + process.stderr.read()
        return int(json.loads(line)["address"].rsplit(":", 1)[1])

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
        process.stderr.close()

    def ask(self):
        """A random next request."""
        number, choice = next(self.numbers), self.random.choices(range(6), [6, 3, 1, 2, 2, 1])[0]
        if choice == 1 and self.draws:
            return self.ask_draw(self.random.choice(list(self.draws)))
        if choice == 2:
            body = {"experiment": f"model-{number}", "tensors": [{"name": f"t{n}", "shape": [2, n + 1]} for n in range(3)], "defaults": {"init": "normal"}}
            return Ask("model", "POST", "/v1/model", json.dumps(body).encode(), experiment=body["experiment"])
        if choice == 3:
            return self.ask_trials(f"trials-{number % 3}", self.random.randrange(1, 4), None)
        if choice == 4:
            if self.keys and self.random.random() < 0.5:
                key = self.random.choice(list(self.keys))
                return self.ask_trials(*self.keys[key][:2], key)
            key = f"key-{number}"
            self.keys[key] = (f"trials-{number % 3}", self.random.randrange(1, 4), None)
            return self.ask_trials(*self.keys[key][:2], key)
        if choice == 5:
            pinned = self.random.random() < 0.5
            return Ask("pin", "PUT" if pinned else "DELETE", f"/v1/experiments/pins-{number % 2}/pin", experiment=f"pins-{number % 2}", pinned=pinned)
        return self.ask_draw(f"w{number}")

    def ask_draw(self, name):
        query = urllib.parse.urlencode(dict(experiment="draws", name=name, shape="5,7", init="he_normal"))
        return Ask("draw", "GET", f"/v1/tensor?{query}", name=name)

    def ask_trials(self, experiment, count, key):
        headers = {"Idempotency-Key": key} if key else {}
        return Ask("trials", "POST", f"/v1/experiments/{experiment}/trials?count={count}", b"", headers, experiment=experiment, count=count, key=key)

    def record(self, ask):
        """Records what a client received of a response that is complete or that the kill cut off."""
        if not ask.seen:
            return
        if ask.kind == "draw":
            headers = ask.response_headers
            given = headers and (int(headers["Sower-Ledger"]), headers["Sower-Draw"], headers["Sower-Seed"])
            before = self.draws.get(ask.about["name"])
            assert before is None or given is None or before == given
            self.draws[ask.about["name"]] = given or before
        elif ask.kind == "model":
            self.models.add(ask.about["experiment"])
        elif ask.response is not None and ask.kind == "trials":
            given = json.loads(ask.response)
            experiment, key, first = ask.about["experiment"], ask.about["key"], given["trial"]
            assert given["count"] == ask.about["count"]
            if key:
                assert self.keys[key][2] in (None, first), (key, self.keys[key], given)
                self.keys[key] = (*self.keys[key][:2], first)
            for number in range(first, first + given["count"]):
                owner = self.given.setdefault((experiment, number), key or ask)
                assert owner == (key or ask), f"{experiment}: {number} was given out twice"
        elif ask.response is not None and ask.kind == "pin":
            given = json.loads(ask.response)
            assert given["pinned"] == ask.about["pinned"]
            if given["ledger"] is not None:
                self.pins[given["ledger"]] = (ask.about["experiment"], "pin" if ask.about["pinned"] else "unpin")

    def load(self, process, port):
        """Clients send requests until the random number of responses or bytes; then kills the daemon."""
        responses, size = self.random.choice([(self.random.randrange(1, 60), 1 << 40), (1 << 40, self.random.randrange(1, 20000))])
        moment = self.random.choice([0, 0, self.random.random() * 0.001, self.random.random() * 0.004])
        clients = [Client(port) for _ in range(CLIENTS)]
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.send(self.ask())
            while responses > 0 and size > 0:
                ready = selector.select(PATIENCE)
                assert ready, "no response"
                for key, _ in ready:
                    received, whole = key.data.read()
                    size -= received
                    if whole:
                        responses -= 1
                        self.responses += 1
                        self.record(key.data.ask)
                        key.data.send(self.ask())
        until = time.perf_counter() + moment
        while time.perf_counter() < until:
            pass
        self.kill(process)
        for client in clients:
            client.read()  # bytes that the daemon sent before the kill
            self.record(client.ask)
            client.socket.close()

    def kill_one(self):
        process = self.spawn()
        if self.random.random() < 0.15:  # kill during the start
            time.sleep(self.random.random() * 0.02)
            self.kill(process)
            return
        port = self.wait_until_ready(process)
        self.read_ledger(port)
        self.load(process, port)

    def read_ledger(self, port):
        """Reads the lines that are new since the last call."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/ledger?after={self.chains.count}", timeout=PATIENCE) as response:
            for text in response:
                line = json.loads(text)
                self.chains.add(line)
                experiment = line["experiment"]
                if line["kind"] == "trials":
                    assert line["trial"] == self.next_trial.get(experiment, 0), line
                    self.next_trial[experiment] = line["trial"] + line["count"]
                    for number in range(line["trial"], line["trial"] + line["count"]):
                        self.lines_of_trials[experiment, number] = line
                    if "key" in line:
                        assert line["key"] not in self.lines_of_keys, line
                        self.lines_of_keys[line["key"]] = line
                elif line["kind"] == "draw" and experiment == "draws":
                    self.names[line["name"]] = (line["ledger"], line["draw"], line["seed"])
                elif line["kind"] == "draw":
                    self.lines_of_models.setdefault(experiment, []).append(line)
                else:
                    self.lines_of_pins[line["ledger"]] = (experiment, line["kind"])

    def check(self):
        """Checks that everything that clients received is in the ledger."""
        process = self.spawn()
        self.read_ledger(self.wait_until_ready(process))
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
        process.stderr.close()
        for name, given in self.draws.items():
            assert name in self.names and given in (None, self.names[name]), (name, given, self.names.get(name))
        for experiment in self.models:
            lines = self.lines_of_models[experiment]
            assert [line["name"] for line in lines] == ["t0", "t1", "t2"] and len({line["manifest"] for line in lines}) == 1
        assert all(len(lines) == 3 for lines in self.lines_of_models.values()), "a model is written completely or not at all"
        for key, (experiment, count, first) in self.keys.items():
            line = self.lines_of_keys.get(key)
            assert (line is None and first is None) or (line["experiment"], line["count"]) == (experiment, count)
            assert first is None or line["trial"] == first
        for (experiment, number), owner in self.given.items():
            line = self.lines_of_trials[experiment, number]
            assert line.get("key") == (owner if isinstance(owner, str) else None)
        for ledger, pin in self.pins.items():
            assert self.lines_of_pins[ledger] == pin
        assert len(self.chains.heads) <= 1, "one writer: its key survives every kill"


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    return Observed(tmp_path_factory.mktemp("killed") / "state")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_loses_nothing_that_a_client_received_and_no_number_is_given_twice(observed, part):
    for _ in range(KILLS // PARTS):
        observed.kill_one()
    observed.check()
    assert observed.responses >= (part + 1) * KILLS // PARTS, "there was load"
    print(f"{(part + 1) * (KILLS // PARTS)} kills, {observed.responses} responses, {observed.chains.count} lines")


def test_a_daemon_starts_after_kills_during_the_first_start(tmp_path):
    rng = random.Random(SEED)
    for number in range(10 if SANITIZED else 50):
        observed = Observed(tmp_path / f"state-{number}")
        for _ in range(3):
            process = observed.spawn()
            time.sleep(rng.random() * 0.02)
            observed.kill(process)
        observed.check()
        assert [path.name for path in observed.state.iterdir() if "writer" in path.name and path.suffix == ".key"] == ["writer.key"]
