"""The dashboard (docs/grafana.json) and the alert rules (docs/alerts.yaml), asked of a real Prometheus that scrapes real daemons."""
import errno
import json
import math
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

from conftest import PATIENCE, ROOT
from injected import Faults
from ports import free_port
from tokens import Token, write_tokens

DASHBOARD = json.loads((ROOT / "docs/grafana.json").read_text())
RULES = ROOT / "docs/alerts.yaml"
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
# These have a series only when something is refused. The test provokes that.
ON_ERRORS = {"Refusals by reason", "Tokens and limits: 401, 403, 429"}
DAEMONS = ["good", "faulty", "restarted", "busy", "full"]

needs_prometheus = pytest.mark.skipif(not (shutil.which("prometheus") and shutil.which("promtool")), reason="prometheus is missing: apt install prometheus")


class Prometheus:
    """Prometheus on a free port. It scrapes every half second."""

    def __init__(self, directory, targets, token):
        self.port = free_port()
        configs = [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": "sower", "name": name}}],
                    **({"authorization": {"credentials": token.text}} if name == "good" else {})} for name, port in targets.items()]
        config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}, "scrape_configs": configs}
        (directory / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
        with open(directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}"], stdout=log, stderr=log)
        self.wait_until(lambda: self.query("vector(1)"))

    def query(self, expression):
        """The series that have a number: [(labels, number)]. None: Prometheus does not answer yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query", urllib.parse.urlencode({"query": expression}).encode(), timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            assert error.code == 503, (expression, error.read())
            return None
        except urllib.error.URLError:
            return None
        return [(each["metric"], float(each["value"][1])) for each in result if not math.isnan(float(each["value"][1]))]

    def wait_until(self, wanted, what=""):
        deadline = time.monotonic() + PATIENCE
        while not (found := wanted()):
            assert self.process.poll() is None and time.monotonic() < deadline, what
            time.sleep(0.1)
        return found

    def scrapes(self, name):
        """Waits until this daemon's figures of now were scraped."""
        before = time.time()
        self.wait_until(lambda: (self.query(f'timestamp(sower_ready{{name="{name}"}})') or [({}, 0)])[0][1] > before, name)


class Traffic:
    """Requests of many kinds to a daemon, until the end of a `with`."""

    def __init__(self, daemon, headers):
        self.daemon, self.headers, self.ended, self.problem = daemon, headers, threading.Event(), None
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(PATIENCE)
        assert self.problem is None

    def ask(self, path, **fields):
        assert self.daemon.get(path, self.headers, **fields).status == 200

    def run(self):
        number = 0
        try:
            while not self.ended.wait(0.01):
                number += 1
                tensor = dict(experiment="e", name=f"w{number}", shape="8,8", init="normal")
                for _ in range(3):
                    self.ask("/v1/tensor", **tensor)
                self.ask("/v1/tensor", **{**tensor, "name": f"q{number}", "init": "orthogonal"})
                self.ask("/v1/tensor", **{**tensor, "name": f"q{number}", "init": "orthogonal"})
                self.ask("/v1/tensor", **{**tensor, "name": "long", "shape": "300,400"})
                self.ask("/v1/plan", **tensor)
                self.ask("/v1/ledger", limit=3)
                self.ask("/healthz")
        except BaseException as reason:
            self.problem = reason
            raise


def filled_in(expression):
    """The query as Grafana would send it, for all jobs and instances."""
    for variable, value in {"$job": ".*", "$instance": ".*", "$__rate_interval": "10s"}.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def alerts():
    """{name: expression} of the rules, as Prometheus understood them."""
    text = RULES.read_text()
    found = dict(re.findall(r"- alert: (\w+)\n\s+expr: (?:>-\n)?(.+?)\n\s+(?:for|labels):", text, re.S))
    assert len(found) == text.count("- alert:")
    return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Prometheus, and the ports and options of the daemons that the tests start."""
    directory = tmp_path_factory.mktemp("prometheus")
    token = Token("operator")
    ports = {name: free_port() for name in DAEMONS}
    prometheus = Prometheus(directory, ports, token)
    prometheus.ports, prometheus.token, prometheus.directory = ports, token, directory
    yield prometheus
    prometheus.process.terminate()
    prometheus.process.wait(PATIENCE)


@pytest.fixture
def starts(scene, start):
    def start_named(name, *options, **keywords):
        return start(*options, listen=f"127.0.0.1:{scene.ports[name]}", state=scene.directory / name, **keywords)

    return start_named


@pytest.fixture
def good(scene, starts):
    tokens = write_tokens(scene.directory / "tokens", scene.token, Token("weak", "plan"))
    daemon = starts("good", "--tokens", str(tokens), "--ledger-max", "10G", "--log-level", "warning")
    scene.scrapes("good")
    return daemon


@needs_prometheus
def test_every_query_of_the_dashboard_has_a_series_under_load_and_no_alert_fires(scene, good):
    weak = Token("weak", "plan")
    with Traffic(good, scene.token.headers) as traffic:
        normal = [(title, filled_in(query)) for title, query in QUERIES if title not in ON_ERRORS]
        for title, query in normal:
            scene.wait_until(lambda: scene.query(query) or traffic.problem, (title, query))
        fired = {name: scene.query(f"({expression}) and on(instance) sower_build_info{{name=\"good\"}}") for name, expression in alerts().items()}
        assert not any(fired.values()), fired
        for title, query in QUERIES:
            if title in ON_ERRORS:
                assert scene.query(filled_in(query)) == [], title
        for path in ("/v1/plan", "/v1/tensor", "/nothing") * 2:  # a series has a rate from its second scrape on
            good.get(path, weak.headers)
            good.get(path)
            scene.scrapes("good")
        for title, query in QUERIES:
            if title in ON_ERRORS:
                scene.wait_until(lambda: any(value > 0 for _, value in scene.query(filled_in(query))), title)
    assert scene.query('sower_token_requests_total{token="operator"}') and scene.query("sower_token_lines_total")


def fires(scene, *names):
    """Each of these alerts has a series now or soon. (`for` is tested by promtool.)"""
    for name in names:
        scene.wait_until(lambda: scene.query(alerts()[name]), name)


def twice(scene, name, provoke):
    """Provokes something before and after a scrape, so that counters rise between two scrapes."""
    for _ in range(2):
        provoke()
        scene.scrapes(name)


def ask_in_background(daemon, count, **fields):
    """Sends requests for `count` different tensors, and returns the open connections."""
    connections = []
    for number in range(count):
        connection = daemon.socket()
        path = daemon.url("/v1/tensor", experiment="e", name=f"{time.monotonic_ns()}", **fields).split(daemon.address)[1]
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connections.append(connection)
    return connections


@needs_prometheus
def test_a_failing_ledger_slow_commits_a_full_queue_and_a_wrong_clock_raise_their_alerts(scene, starts, tmp_path):
    faults = Faults(tmp_path)
    daemon = starts("faulty", "--queue", "7", environment=faults.environment)
    new = dict(shape="8", init="normal")
    scene.scrapes("faulty")
    faults.write_error = errno.ENOSPC
    twice(scene, "faulty", lambda: [daemon.get("/v1/tensor", experiment="e", name="w", **new) for _ in range(5)])
    fires(scene, "SowerNotReady", "SowerLedgerFails", "SowerRefusesForWantOfResources")
    faults.write_error = 0
    assert daemon.get("/v1/tensor", experiment="e", name="first", **new).status == 200
    faults.hold = 1
    connections = ask_in_background(daemon, 1, **new)
    scene.wait_until(lambda: scene.query('sower_requests_waiting{name="faulty"} == 1'))
    connections += ask_in_background(daemon, 6, **new)
    fires(scene, "SowerLedgerQueue")
    scene.scrapes("faulty")
    faults.hold = 0
    for connection in connections:
        assert connection.recv(100)
        connection.close()
    fires(scene, "SowerSlowCommits")
    faults.clock = 100_000
    assert daemon.get("/v1/tensor", experiment="e", name="ahead", **new).status == 200
    faults.clock = 0
    fires(scene, "SowerClockBehind")


@needs_prometheus
def test_tokens_that_are_refused_raise_an_alert(scene, good):
    twice(scene, "good", lambda: [good.get("/v1/plan") for _ in range(400)])
    fires(scene, "SowerTokensRefused")


@needs_prometheus
def test_a_daemon_that_restarts_and_ends_raises_alerts(scene, starts):
    for _ in range(4):
        daemon = starts("restarted")
        scene.scrapes("restarted")
        assert daemon.stop() == 0
    fires(scene, "SowerRestarts", "SowerDown")


@needs_prometheus
def test_connections_and_preparations_at_their_limits_raise_alerts(scene, starts):
    daemon = starts("busy", "--connections", "160", "--connections-per-client", "160", "--compute-threads", "1")
    scene.scrapes("busy")
    connections = ask_in_background(daemon, 150, shape="2048,2048", init="orthogonal")  # 128 may wait
    fires(scene, "SowerConnections", "SowerPreparationsRefused")
    for connection in connections:
        connection.close()


@needs_prometheus
def test_a_ledger_near_its_limit_raises_an_alert(scene, starts):
    daemon = starts("full", "--ledger-reserve", str(int(shutil.disk_usage(scene.directory).free * 0.6)))
    assert daemon.get("/v1/tensor", experiment="e", name="w", shape="8", init="normal").status == 200
    fires(scene, "SowerLedgerNearlyFull")


@needs_prometheus
def test_promtool_accepts_the_rules_and_their_tests():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
    done = subprocess.run(["promtool", "test", "rules", pathlib.Path(__file__).parent / "alerts.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_the_rules_have_every_alert_once_firing_and_once_not():
    tested = re.findall(r"alertname: (\w+)", (pathlib.Path(__file__).parent / "alerts.yaml").read_text())
    assert sorted(tested) == sorted([*alerts()] * 2)


def test_the_dashboard_can_be_imported():
    """What Grafana needs of an imported file: ids, places that do not overlap, and the datasource as a variable."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) and DASHBOARD["uid"] == "sower" and "id" not in DASHBOARD
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells
    for part in [*PANELS, *(target for panel in PANELS for target in panel["targets"])]:
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]
    assert [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"] == ["Now", "Traffic", "Latency", "Record", "Capacity", "Errors"]


@pytest.mark.parametrize("text", [query for _, query in QUERIES] + [*alerts().values()])
def test_queries_name_only_families_that_the_daemon_has(text):
    source = (ROOT / "server/handlers/metrics.c").read_text()
    for name in re.findall(r"\b(?:sower|process)_[a-z_]+", text):
        if not name.startswith("process_cpu_") or name.endswith("_total"):
            assert f'"{re.sub("_(total|bucket|sum|count|info)$", "", name)}"' in source, name
