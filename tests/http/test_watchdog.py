"""The watchdog of systemd gets its sign of life only while the threads that serve requests are alive."""
import pathlib
import socket
import threading

import pytest

from certificates import Authority
from conftest import PATIENCE
from injected import faults  # noqa: F401
from intruder import HANG, Intruder, threads_of

SIGN = b"WATCHDOG=1"
PERIOD = 0.4  # seconds; a sign is due every fourth part
DRAW = {"experiment": "watchdog", "name": "w", "shape": "4,6", "init": "normal(std=0.02)"}


@pytest.fixture
def manager(tmp_path):
    """The socket on which a service manager receives notifications."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(PATIENCE)
        yield receiver


@pytest.fixture
def intruder(tmp_path):
    return Intruder(tmp_path)


@pytest.fixture
def daemon(start, manager, intruder):
    environment = {**intruder.environment, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(int(PERIOD * 1e6))}
    daemon = start("--threads", "3", "--compute-threads", "1", environment=environment)
    assert manager.recv(4096) == b"READY=1" and manager.recv(4096) == SIGN
    return daemon


def named(process, name):
    return [thread for thread in threads_of(process)
            if pathlib.Path(f"/proc/{process.pid}/task/{thread}/comm").read_text().startswith(name)]


def signs_end(manager, patience=5 * PERIOD):
    """Whether there is no sign of life for longer than the manager waits. Some may be on their way."""
    manager.settimeout(patience)
    try:
        for _ in range(10):
            manager.recv(4096)
    except TimeoutError:
        return True
    finally:
        manager.settimeout(PATIENCE)
    return False


def test_each_worker_must_be_alive(daemon, manager, intruder):
    workers_must_be_alive(daemon, 3, manager, intruder)


def test_each_worker_with_and_without_tls_must_be_alive(start, manager, intruder, tmp_path):
    environment = {**intruder.environment, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(int(PERIOD * 1e6))}
    daemon = start("--threads", "2", "--compute-threads", "1", "--listen", f"unix:{tmp_path}/socket", *Authority(tmp_path).issue("server").options(),
                   environment=environment)
    assert manager.recv(4096) == b"READY=1"
    workers_must_be_alive(daemon, 4, manager, intruder)


def workers_must_be_alive(daemon, count, manager, intruder):
    workers = named(daemon.process, "MHD-worker")
    assert len(workers) == count
    for worker in workers:
        assert manager.recv(4096) == SIGN
        intruder.begin(daemon.process, worker, HANG)
        assert signs_end(manager)
        intruder.attempt = 0
        assert manager.recv(4096) == SIGN


def test_the_ledgers_thread_must_take_requests(daemon, manager, intruder):
    intruder.begin(daemon.process, threads_of(daemon.process)[-1], HANG)
    assert not signs_end(manager), "nothing waits for the ledger"
    responses = []
    client = threading.Thread(target=lambda: responses.append(daemon.get("/v1/tensor", **DRAW)))
    client.start()
    assert signs_end(manager)
    intruder.attempt = 0
    assert manager.recv(4096) == SIGN
    client.join()
    assert responses[0].status == 200


def test_a_disk_that_does_not_respond_is_no_reason_for_a_restart(start, manager, faults):  # noqa: F811
    environment = {**faults.environment, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": str(int(PERIOD * 1e6))}
    daemon = start(environment=environment)
    assert manager.recv(4096) == b"READY=1"
    faults.hold = 1
    client = threading.Thread(target=daemon.get, args=("/v1/tensor",), kwargs=DRAW)
    client.start()
    assert not signs_end(manager)
    faults.hold = 0
    client.join()


def test_signs_go_on_under_load_and_while_all_connections_are_used(daemon, manager):
    connections = [daemon.socket() for _ in range(300)]
    for connection in connections:
        connection.sendall(b"GET /v1/tensor?experiment=e&name=n&shape=100000000&init=normal HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not signs_end(manager)
    for connection in connections:
        connection.close()
    assert daemon.get("/healthz").status == 200


def test_a_reload_is_reported(daemon, manager):
    daemon.signal(1)
    while (message := manager.recv(4096)) == SIGN:
        pass
    first, second = message.splitlines()
    assert first == b"RELOADING=1" and int(second.removeprefix(b"MONOTONIC_USEC=")) > 0
    while (message := manager.recv(4096)) == SIGN:
        pass
    assert message == b"READY=1"
