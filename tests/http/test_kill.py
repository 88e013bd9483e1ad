"""SIGKILL, hundreds of times: whatever a client has seen a byte of is in the ledger, and each start goes on from there.

Some clients ask for new draws, known ones, models, trial numbers and pins, all in one thread; when a drawn number of answers or bytes has come, and
sometimes a drawn moment later, the daemon is killed and the next one started on the same state. In between it is killed while it starts.
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

# A sanitizer makes every start take ten times as long.
SANITIZED = b"__asan_init" in open(SOWERD, "rb").read()
KILLS = int(os.environ.get("SOWER_KILLS", 50 if SANITIZED else 500))
PARTS = 5
CLIENTS = 6
SEED = 20260131


class Client:
    """One connection, one request at a time. What it asks for is `ask`: how to note that a byte came, and the whole answer."""

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
        """Reads what is there; returns (bytes, whether that was a whole answer)."""
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
        if self.ask.headers_of_answer is None:
            lines = head.decode().split("\r\n")
            assert lines[0].split(" ", 2)[1] == "200", self.received
            self.ask.headers_of_answer = dict(line.split(": ", 1) for line in lines[1:])
        whole = len(body) >= int(self.ask.headers_of_answer["Content-Length"])
        if whole:
            self.ask.answer = body
        return len(received), whole


class Ask:
    """A request, and what is known of its answer."""

    def __init__(self, kind, method, target, body=b"", headers=None, **about):
        self.kind, self.method, self.target, self.body, self.headers, self.about = kind, method, target, body, headers or {}, about
        self.seen, self.headers_of_answer, self.answer = False, None, None


class World:
    """The state directory and all that was ever seen of it."""

    def __init__(self, state):
        self.state = state
        self.random = random.Random(SEED)
        self.numbers = iter(range(1, 1 << 40))
        self.draws = {}  # name: (line, draw, seed) as a client was told, or None where it saw no more than a byte
        self.models = set()  # experiments of models of which a byte was seen
        self.keys = {}  # key: (experiment, count, first) with first None while nobody knows
        self.given = {}  # (experiment, number): the key or line under which somebody was told it
        self.pins = {}  # line: (experiment, pinned)
        self.chains = Chains()
        self.names, self.lines_of_keys, self.next_trial, self.lines_of_pins, self.lines_of_models = {}, {}, {}, {}, {}
        self.lines_of_trials = {}
        self.answers = 0

    def spawn(self):
        return subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0", "--state", str(self.state), "--log-level", "error"], stderr=subprocess.PIPE)

    def wait_until_it_is_ready(self, process):
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            assert selector.select(PATIENCE), "no word from a daemon that starts"
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
        """The next request of some client."""
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

    def note(self, ask):
        """Notes what a client has seen of an answer, when it is whole or will never be."""
        if not ask.seen:
            return
        if ask.kind == "draw":
            headers = ask.headers_of_answer
            told = headers and (int(headers["Sower-Ledger"]), headers["Sower-Draw"], headers["Sower-Seed"])
            before = self.draws.get(ask.about["name"])
            assert before is None or told is None or before == told
            self.draws[ask.about["name"]] = told or before
        elif ask.kind == "model":
            self.models.add(ask.about["experiment"])
        elif ask.answer is not None and ask.kind == "trials":
            told = json.loads(ask.answer)
            experiment, key, first = ask.about["experiment"], ask.about["key"], told["trial"]
            assert told["count"] == ask.about["count"]
            if key:
                assert self.keys[key][2] in (None, first), (key, self.keys[key], told)
                self.keys[key] = (*self.keys[key][:2], first)
            for number in range(first, first + told["count"]):
                owner = self.given.setdefault((experiment, number), key or ask)
                assert owner == (key or ask), f"{experiment}: {number} was given out twice"
        elif ask.answer is not None and ask.kind == "pin":
            told = json.loads(ask.answer)
            assert told["pinned"] == ask.about["pinned"]
            if told["ledger"] is not None:
                self.pins[told["ledger"]] = (ask.about["experiment"], "pin" if ask.about["pinned"] else "unpin")

    def load(self, process, port):
        """Clients ask until it is time to kill the daemon."""
        answers, size = self.random.choice([(self.random.randrange(1, 60), 1 << 40), (1 << 40, self.random.randrange(1, 20000))])
        moment = self.random.choice([0, 0, self.random.random() * 0.001, self.random.random() * 0.004])
        clients = [Client(port) for _ in range(CLIENTS)]
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.send(self.ask())
            while answers > 0 and size > 0:
                ready = selector.select(PATIENCE)
                assert ready, "no answer"
                for key, _ in ready:
                    received, whole = key.data.read()
                    size -= received
                    if whole:
                        answers -= 1
                        self.answers += 1
                        self.note(key.data.ask)
                        key.data.send(self.ask())
        until = time.perf_counter() + moment
        while time.perf_counter() < until:
            pass
        self.kill(process)
        for client in clients:
            client.read()  # what was sent before the end
            self.note(client.ask)
            client.socket.close()

    def kill_one(self):
        process = self.spawn()
        if self.random.random() < 0.15:  # while it starts
            time.sleep(self.random.random() * 0.02)
            self.kill(process)
            return
        port = self.wait_until_it_is_ready(process)
        self.read_ledger(port)
        self.load(process, port)

    def read_ledger(self, port):
        """The lines that were written since the last look."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/ledger?after={self.chains.count}", timeout=PATIENCE) as answer:
            for text in answer:
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
        """All that was ever seen is in the ledger."""
        process = self.spawn()
        self.read_ledger(self.wait_until_it_is_ready(process))
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
        process.stderr.close()
        for name, told in self.draws.items():
            assert name in self.names and told in (None, self.names[name]), (name, told, self.names.get(name))
        for experiment in self.models:
            lines = self.lines_of_models[experiment]
            assert [line["name"] for line in lines] == ["t0", "t1", "t2"] and len({line["manifest"] for line in lines}) == 1
        assert all(len(lines) == 3 for lines in self.lines_of_models.values()), "a model is written whole or not at all"
        for key, (experiment, count, first) in self.keys.items():
            line = self.lines_of_keys.get(key)
            assert (line is None and first is None) or (line["experiment"], line["count"]) == (experiment, count)
            assert first is None or line["trial"] == first
        for (experiment, number), owner in self.given.items():
            line = self.lines_of_trials[experiment, number]
            assert line.get("key") == (owner if isinstance(owner, str) else None)
        for ledger, pin in self.pins.items():
            assert self.lines_of_pins[ledger] == pin
        assert len(self.chains.heads) <= 1, "one writer, whose key outlives it all"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("killed") / "state")


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_moment_nothing_that_was_seen_is_lost_or_given_twice(world, part):
    for _ in range(KILLS // PARTS):
        world.kill_one()
    world.check()
    assert world.answers >= (part + 1) * KILLS // PARTS, "there was load"
    print(f"{(part + 1) * (KILLS // PARTS)} kills, {world.answers} answers, {world.chains.count} lines")


def test_killed_while_it_starts_for_the_first_time_the_next_one_starts(tmp_path):
    choose = random.Random(SEED)
    for number in range(10 if SANITIZED else 50):
        world = World(tmp_path / f"state-{number}")
        for _ in range(3):
            process = world.spawn()
            time.sleep(choose.random() * 0.02)
            world.kill(process)
        world.check()
        assert [path.name for path in world.state.iterdir() if "writer" in path.name and path.suffix == ".key"] == ["writer.key"]
