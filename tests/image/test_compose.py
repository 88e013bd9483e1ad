"""docs/compose.yaml, run by podman-compose: nginx with TLS and a cache, two daemons, one ledger in PostgreSQL."""
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time

import pytest

from conftest import ROOT, TOOLS
from deployments import compose, longest_stop
from engine import PATIENCE, podman
from tokens import Token

NAME, PORT = "sower.test", 18443
SERVICES = {"postgres": "sower_postgres_1", "sower-1": "sower_sower-1_1", "sower-2": "sower_sower-2_1", "nginx": "sower_nginx_1"}
PATH = "/v1/tensor?experiment=compose&name={}&shape=100,100&init=normal"


class Project:
    """The project in a folder of its own, with secrets as docs/compose/prepare makes them, and two tokens."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "docs/compose", folder / "compose", ignore=shutil.ignore_patterns("secrets"))
        shutil.copy(ROOT / "docs/compose.yaml", folder)
        secrets = folder / "compose/secrets"
        for _ in range(2):  # the second time it changes nothing
            subprocess.run([folder / "compose/prepare", NAME], check=True)
        self.tokens = []
        for name in ["one", "two"]:
            printed = podman("run", "--rm", "--network=none", "--entrypoint=sow", "localhost/sower:13", "token", "new", "--name", name,
                             "--scopes", "plan,draw,trials,pin,read,export", "--experiments", "*").split("\n")
            self.tokens.append(next(word for line in printed for word in line.split() if word.startswith("sower_")))
            with open(secrets / "tokens", "a") as file:
                file.write(next(line.strip() for line in printed if line.strip().startswith(name + " ")) + "\n")
        self.trusted = ssl.create_default_context(cafile=secrets / "tls.crt")

    def compose(self, *arguments):
        environment = {**os.environ, "SOWER_IMAGE": "localhost/sower:13", "SOWER_NAME": NAME, "SOWER_PORT": str(PORT)}
        done = subprocess.run([TOOLS / "podman-compose", "-f", self.folder / "compose.yaml", *arguments], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def up(self):
        """As docker compose up, which starts a service when those that it needs are healthy. podman needs systemd to check health."""
        services = compose()["services"]
        for service, container in SERVICES.items():
            assert all(SERVICES[needed] in self.healthy for needed in services[service].get("depends_on", {})), service
            self.compose("up", "-d", "--no-deps", service)
            self.wait_until_healthy(container)

    healthy = set()

    def wait_until_healthy(self, container):
        end = time.monotonic() + PATIENCE
        while podman("healthcheck", "run", container, check=False).returncode != 0:
            assert time.monotonic() < end, podman("logs", container, check=False).stderr[-2000:]
        self.healthy = self.healthy | {container}

    def get(self, path, token=0, method="GET"):
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, timeout=PATIENCE, context=self.trusted)
        connection.sock = self.trusted.wrap_socket(connection._create_connection(("127.0.0.1", PORT), PATIENCE), server_hostname=NAME)
        headers = {"Host": NAME} | ({} if token is None else {"Authorization": f"Bearer {self.tokens[token]}"})
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers["X-Cache"], response.read()
        finally:
            connection.close()

    def ledger(self):
        status, _, body = self.get("/v1/ledger")
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compose")
    for path in [folder, *list(folder.parents)[:2]]:
        path.chmod(0o755)
    project = Project(folder)
    try:
        project.up()
        yield project
    finally:
        for container in SERVICES.values():
            podman("rm", "--force", "--time", "0", container, check=False)
        project.compose("down", "--volumes")


def test_the_file_is_valid(project):
    """By another implementation of the Compose specification, after the variables have their values."""
    code = "import sys; from compose_spec import PyCompose; print(len(PyCompose.from_yaml(sys.stdin.read()).to_spec().services))"
    done = subprocess.run([TOOLS / "python", "-c", code], input=project.compose("config"), text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    assert (done.returncode, done.stdout.strip()) == (0, str(len(SERVICES))), done.stderr


def test_there_is_time_to_stop():
    services = compose()["services"]
    for name in ["sower-1", "sower-2"]:
        assert int(services[name]["stop_grace_period"].removesuffix("s")) >= longest_stop(services[name]["environment"])
    assert services["sower-1"]["volumes"] != services["sower-2"]["volumes"], "each has a writer.key of its own"


def test_only_nginx_is_published():
    assert [name for name, service in compose()["services"].items() if "ports" in service] == ["nginx"]


def test_a_client_needs_a_token(project):
    status, cached, _ = project.get(PATH.format("w"), token=None)
    assert status == 401 and cached != "HIT"


def test_the_second_request_for_a_draw_is_served_from_the_cache(project):
    first, second = (project.get(PATH.format("cached")) for _ in range(2))
    assert (first[:2], second[:2]) == ((200, "MISS"), (200, "HIT")) and first[2] == second[2]


def test_the_cache_keeps_the_draws_of_one_token_from_another(project):
    project.get(PATH.format("own"), token=0)
    assert project.get(PATH.format("own"), token=1)[:2] == (200, "MISS")
    assert project.get(PATH.format("own"), token=None)[0] == 401


def test_what_changes_is_not_cached(project):
    for path in ["/v1/ledger", "/v1/plan?experiment=compose&name=p&shape=2&init=normal", "/readyz"]:
        assert [project.get(path)[:2] for _ in range(2)] == [(200, "MISS")] * 2
    lines = len(project.ledger())
    for _ in range(2):
        assert project.get(PATH.format("head"), method="HEAD")[0] == 200
    assert len(project.ledger()) == lines, "HEAD stays HEAD"


def test_both_daemons_write_to_one_ledger(project):
    for number in range(8):
        assert project.get(PATH.format(f"both{number}"))[0] == 200
    lines = project.ledger()
    assert len({line["writer"] for line in lines}) == 2
    assert [line["ledger"] for line in lines] == list(range(1, len(lines) + 1))


def test_one_daemon_can_be_replaced_without_an_error(project):
    podman("stop", "--time", "50", SERVICES["sower-1"])
    assert podman("wait", SERVICES["sower-1"]) == "0"
    for number in range(6):
        assert project.get(PATH.format(f"replaced{number}"))[0] == 200
    podman("start", SERVICES["sower-1"])
    project.wait_until_healthy(SERVICES["sower-1"])


def test_the_daemons_log_the_client_and_not_nginx(project):
    log = podman("logs", SERVICES["sower-1"], check=False)
    clients = {json.loads(line).get("client") for line in (log.stdout + log.stderr).splitlines() if '"event":"request"' in line}
    nginx = json.loads(podman("inspect", SERVICES["nginx"]))[0]["NetworkSettings"]["Networks"]["sower_default"]["IPAddress"]
    assert clients - {"127.0.0.1", None} and nginx not in clients


def test_a_new_token_counts_after_sighup(project):
    with open(project.folder / "compose/secrets/tokens", "a") as file:
        token = Token("three")
        file.write(token.line + "\n")
    project.tokens.append(token.text)
    assert project.get("/v1/ledger", token=2)[0] == 401
    for service in ["sower-1", "sower-2"]:
        podman("kill", "--signal", "HUP", SERVICES[service])
    end = time.monotonic() + PATIENCE
    while [project.get("/v1/ledger", token=2)[0] for _ in range(4)] != [200] * 4:
        assert time.monotonic() < end


def test_down_and_up_keep_the_ledger(project):
    before, writers = project.ledger(), {line["writer"] for line in project.ledger()}
    project.compose("down", "-t", "60")
    assert podman("ps", "--all", "--quiet") == ""
    project.up()
    assert project.ledger() == before
    assert project.get(PATH.format("after"))[0] == 200 and {line["writer"] for line in project.ledger()} == writers
