"""--lame-duck-seconds: a daemon that stops tells load balancers before it refuses connections.

HAProxy, with health checks of /readyz and without retries, balances two daemons: every request that a daemon loses is a failure.
"""
import http.client
import itertools
import json
import signal
import socket
import threading
import time

import pytest

from caches import Cache
from conftest import PATIENCE
from ports import free_port
from stopping import begin_stream, notifications

DRAW = dict(experiment="exp-42", name="w", shape="16", init="normal")


class Balancer(Cache):
    """Checks a daemon every `interval`, and takes it out after two failed checks. Sends each request to the next daemon."""

    program = "haproxy"

    def __init__(self, directory, ports, interval):
        self.interval = interval
        super().__init__(directory, ports)
        self.wait_until({"daemon0": "UP", "daemon1": "UP"})

    def prepare(self, found, ports):
        self.stats = self.directory / "stats"
        servers = "\n".join(f"  server daemon{number} 127.0.0.1:{port}" for number, port in enumerate(ports))
        (self.directory / "haproxy.cfg").write_text(
            f"""global
  nbthread 1
  stats socket {self.stats} level admin
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
  timeout check 5s
  retries 0
frontend front
  bind 127.0.0.1:{self.port}
  default_backend sower
backend sower
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter {self.interval} rise 1 fall 2
{servers}
"""
        )
        return [found, "-d", "-f", f"{self.directory}/haproxy.cfg"], "Using epoll"

    def states(self):
        """What HAProxy thinks of each daemon: {"daemon0": "UP"}."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.stats))
            connection.sendall(b"show stat\n")
            header, *lines = connection.makefile().read().lstrip("# ").splitlines()
        rows = [dict(zip(header.split(","), line.split(","))) for line in lines if line]
        return {row["svname"]: row["status"].split()[0] for row in rows if row["svname"].startswith("daemon")}

    def wait_until(self, wanted):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                states = self.states()
            except (FileNotFoundError, ConnectionRefusedError):  # HAProxy prints that it runs before it listens
                states = None
            if states is not None and all(states[name] == state for name, state in wanted.items()):
                return
            assert time.monotonic() < end and self.process.poll() is None, states
            time.sleep(0.01)


@pytest.fixture
def balancer(tmp_path):
    started = []

    def start_balancer(ports, interval):
        started.append(Balancer(tmp_path, ports, interval))
        return started[0]

    yield start_balancer
    for running in started:
        running.stop()


def start_on(start, tmp_path, port, *options):
    return start(*options, listen=f"127.0.0.1:{port}", state=tmp_path / f"state-of-{port}")


class Load:
    """Threads that draw all the time through the balancer, known and new tensors, and keep everything that goes wrong."""

    def __init__(self, port):
        self.port, self.ends, self.faults, self.answered = port, threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        for count in itertools.count():
            if self.ends.is_set():
                break
            try:
                connection.request("POST", "/v1/tensor", body=json.dumps({**DRAW, "shape": [16], "name": f"{number}.{count // 4}"}))
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or "Sower-Ledger" not in response.headers:
                    self.faults.append((response.status, body))
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(error)
                connection.close()
        connection.close()

    def stop(self):
        self.ends.set()
        for thread in self.threads:
            thread.join(timeout=PATIENCE)
        return self.faults


def test_a_rolling_restart_under_load_loses_no_request(start, balancer, tmp_path):
    ports = [free_port(), free_port()]
    options = ["--lame-duck-seconds", "2"]
    daemons = [start_on(start, tmp_path, port, *options) for port in ports]
    proxy = balancer(ports, "100ms")
    load = Load(proxy.port)
    try:
        for number, (daemon, port) in enumerate(zip(daemons, ports)):
            daemon.wait_for(lambda line: line.get("path") == "/v1/tensor")
            daemon.signal(signal.SIGTERM)
            daemon.wait_for(lambda line: line["event"] == "lame_duck")
            proxy.wait_until({f"daemon{number}": "DOWN", f"daemon{1 - number}": "UP"})
            assert daemon.process.poll() is None, "the balancer knows it while the daemon still serves"
            assert daemon.process.wait(timeout=PATIENCE) == 0
            after = [line["event"] for line in map(json.loads, daemon.rest_of_log())]
            assert after[-3:] == ["stopping", "drained", "stopped"]
            again = start_on(start, tmp_path, port, *options)
            again.wait_for(lambda line: line.get("path") == "/v1/tensor")
    finally:
        faults = load.stop()
    assert faults == [] and load.answered > 1000, (faults[:3], len(faults), load.answered)


def statuses(proxy, count=2):
    return sorted(proxy.get(**DRAW).status for _ in range(count))


def test_without_it_the_balancer_sends_requests_to_a_daemon_that_is_gone(start, balancer, tmp_path):
    """The test above can fail: until its next check, the balancer uses a daemon that refuses connections."""
    ports = [free_port(), free_port()]
    gone, _ = [start_on(start, tmp_path, port) for port in ports]
    proxy = balancer(ports, "1h")
    assert statuses(proxy) == [200, 200]
    assert gone.stop() == 0
    assert statuses(proxy) == [200, 503] and proxy.states() == {"daemon0": "UP", "daemon1": "UP"}


def test_with_it_requests_are_served_until_the_balancer_checks_again(start, balancer, tmp_path):
    ports = [free_port(), free_port()]
    daemon, _ = start_on(start, tmp_path, ports[0], "--lame-duck-seconds", "3600"), start_on(start, tmp_path, ports[1])
    proxy = balancer(ports, "1h")
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "lame_duck")
    assert daemon.get("/readyz").status == 503
    assert statuses(proxy, 20) == [200] * 20


def test_a_lame_duck_serves_new_connections_and_ends_each_after_its_response(start):
    daemon = start("--lame-duck-seconds", "3600")
    kept = daemon.connect()
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b"ok\n"
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "lame_duck")
    kept.request("GET", "/healthz")
    last = kept.getresponse()
    assert last.read() == b"ok\n" and last.headers["Connection"].lower() == "close"
    refused = daemon.get("/readyz")
    assert refused.status == 503 and "is stopping" in refused.problem()["detail"] and refused.headers["Retry-After"]
    assert daemon.get("/healthz").status == 200
    for _ in range(2):  # the second response comes from memory
        drawn = daemon.get("/v1/tensor", **DRAW)
        assert drawn.status == 200 and drawn.headers["Sower-Ledger"] == "1" and drawn.headers["Connection"].lower() == "close"


def test_without_it_readyz_says_no_on_a_kept_connection_after_a_signal(start):
    daemon = start()
    stream, response, _ = begin_stream(daemon)
    kept = daemon.connect()
    kept.request("GET", "/readyz")
    assert kept.getresponse().read() == b"ok\n"
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "stopping")
    kept.request("GET", "/readyz")
    assert kept.getresponse().status == 503
    assert "lame_duck" not in [line["event"] for line in daemon.log]
    response.close()
    stream.close()
    kept.close()
    assert daemon.process.wait(timeout=PATIENCE) == 0


def test_it_ends_after_its_time_and_then_the_daemon_drains(start):
    daemon = start("--lame-duck-seconds", "1")
    stream, response, head = begin_stream(daemon)
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "stopping")
    assert time.monotonic() - began >= 0.99
    with pytest.raises(ConnectionRefusedError):
        daemon.socket()
    assert len(head + response.read()) == int(response.headers["Content-Length"]), "streams of before the signal finish"
    stream.close()
    assert daemon.process.wait(timeout=PATIENCE) == 0


def test_the_second_signal_drains_at_once_and_the_third_ends_the_process(start):
    daemon = start("--lame-duck-seconds", "3600", "--drain-seconds", "3600")
    stream, _, _ = begin_stream(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "lame_duck")
    daemon.signal(signal.SIGINT)
    daemon.wait_for(lambda line: line["event"] == "stopping")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=PATIENCE) in (-signal.SIGTERM, 128 + signal.SIGTERM)  # ThreadSanitizer delays handlers
    stream.close()


def test_sighup_reloads_a_lame_duck_and_does_not_end_it(start):
    daemon = start("--lame-duck-seconds", "3600")
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line["event"] == "lame_duck")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line["event"] == "reloaded")
    assert daemon.get("/v1/tensor", **DRAW).status == 200


def test_systemd_is_told_how_long_it_takes(start, tmp_path):
    with notifications(tmp_path / "notify") as receiver:
        daemon = start("--lame-duck-seconds", "3600", "--drain-seconds", "20", environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert receiver.recv(4096) == b"READY=1"
        daemon.signal(signal.SIGTERM)
        assert receiver.recv(4096) == b"STOPPING=1"
        assert receiver.recv(4096) == b"EXTEND_TIMEOUT_USEC=3630000000"
        assert daemon.get("/v1/tensor", **DRAW).status == 200
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=PATIENCE) == 0
