"""HTTP while the ledger is being opened. The migration of an older ledger takes minutes: /healthz succeeds, so that a supervisor does
not kill the daemon, /readyz fails, and requests that need the ledger are refused."""
import contextlib
import errno
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess

import pytest

from broken_ledgers import refused
from conftest import PATIENCE, SOWERD, why_it_ended
from injected import faults  # noqa: F401
from old_ledgers import LATEST, make_old_ledger
from writing_requests import requests_that_write

FIELDS = dict(experiment="opening", name="w", shape="8", init="normal")


@pytest.fixture
def opening(start, tmp_path, faults):  # noqa: F811
    """A daemon that is stopped in the middle of a migration until `release` is called."""
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    faults.hold = 1
    daemon = start(state=tmp_path / "state", environment=faults.environment, until="listening")
    daemon.wait_for(lambda line: line.get("event") == "ledger_upgrade")
    daemon.release = lambda: setattr(faults, "hold", 0)
    yield daemon
    daemon.release()


def test_the_daemon_is_healthy_and_not_ready_until_the_ledger_is_open(opening):
    assert opening.get("/healthz").status == 200
    response = opening.get("/readyz")
    assert refused(response) and "being opened" in response.problem()["detail"]
    opening.release()
    opening.wait_for(lambda line: line.get("event") == "ready")
    assert opening.get("/readyz").status == 200


def test_systemd_is_notified_when_the_ledger_is_open(start, tmp_path, faults):  # noqa: F811
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    faults.hold = 1
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        daemon = start(state=tmp_path / "state", environment={**faults.environment, "NOTIFY_SOCKET": str(tmp_path / "notify")}, until="listening")
        assert daemon.get("/healthz").status == 200
        with pytest.raises(BlockingIOError):
            receiver.recv(4096, socket.MSG_DONTWAIT)
        faults.hold = 0
        receiver.settimeout(PATIENCE)
        assert receiver.recv(4096) == b"READY=1"
        daemon.wait_for(lambda line: line.get("event") == "ready")


def test_requests_that_need_the_ledger_are_refused_and_others_are_served(opening):
    for what, ask in requests_that_write(opening):
        assert refused(ask()), what
    for path in ["/v1/ledger", "/v1/ledger/head", "/v1/experiments", "/v1/experiments/opening", "/v1/experiments/opening/pin",
                 f"/v1/manifests?manifest={'0' * 64}", f"/v1/model?manifest={'0' * 64}&experiment=e"]:
        assert refused(opening.get(path)), path
    plan = opening.get("/v1/plan", **FIELDS)
    assert plan.status == 200 and "ledger" not in plan.json()
    assert opening.get("/v1/stats", **FIELDS).status == 200 and opening.get("/v1/initializers").status == 200
    opening.release()
    opening.wait_for(lambda line: line.get("event") == "ready")
    assert opening.ledger() == [], "refused requests recorded nothing"
    assert [ask().status for _, ask in requests_that_write(opening)] == [200] * 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_at_once_and_the_next_start_migrates(opening, start, tmp_path, number):
    with contextlib.closing(opening.connect()) as connection:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        opening.signal(number)
        assert opening.process.wait(timeout=PATIENCE) == -number
    start(state=tmp_path / "state").stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (LATEST,)


def test_a_signal_ends_a_daemon_with_process_id_1(start, tmp_path, faults):  # noqa: F811
    shell = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*shell, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this user cannot create namespaces")
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    faults.hold = 1
    daemon = start(state=tmp_path / "state", environment=faults.environment, until="listening", command=[*shell, SOWERD])
    daemon.wait_for(lambda line: line.get("event") == "ledger_upgrade")
    os.kill(int(pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text()), signal.SIGTERM)
    assert daemon.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM


def test_a_ledger_that_cannot_be_opened_ends_the_daemon_with_a_sentence(start, tmp_path, faults):  # noqa: F811
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    faults.hold = 1
    daemon = start(state=tmp_path / "state", environment=faults.environment, until="listening")
    daemon.wait_for(lambda line: line.get("event") == "ledger_upgrade")
    with contextlib.closing(daemon.connect()) as connection:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        faults.write_error = errno.ENOSPC
        faults.hold = 0
        assert daemon.process.wait(timeout=PATIENCE) == 1
    sentence = why_it_ended(daemon.rest_of_log()[-1])
    assert sentence.startswith("The ledger ") and "full" in sentence
