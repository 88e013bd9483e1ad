"""The installed service under a real systemd: its start, reload, watchdog, socket, restarts, upgrade and log."""
import collections
import json
import socket
import threading

import pytest

from old_ledgers import LATEST, make_old_ledger
from tokens import Token, write_tokens

DRAW = "/v1/tensor?experiment=service&shape=4,6&init=normal&name="


def main_process(machine):
    return int(machine.show("MainPID"))


def send(machine, number):
    """Sends a signal to the daemon alone. (kill is no program of a small system.)"""
    machine.run("systemctl", "kill", "--kill-whom=main", f"--signal={number}", "sowerd.service")


def ask_by_file(machine, path):
    """The beginning of a response to /healthz on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/{machine.first}/root{path}")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(100)


def give_tokens(machine, *tokens):
    """Replaces the file of the tokens, as the daemon's user."""
    write_tokens(machine.file("/etc/sower/tokens"), *tokens)
    machine.run("chown", "sower:", "/etc/sower/tokens")


def give_root_key(machine):
    path = machine.file("/etc/sower/root-key")
    path.write_text("01" * 32)
    path.chmod(0o600)


def lines_of(machine):
    status, body = machine.get("/v1/ledger")
    assert status == 200
    return [json.loads(line) for line in body.splitlines()]


def events(machine, *options):
    return [json.loads(line) for line in machine.journal(*options).splitlines() if line.startswith("{")]


class Load:
    """Clients that ask again and again, each time on a new connection. Counts outcomes."""

    def __init__(self, machine, path, clients=4):
        self.machine, self.path, self.stopped, self.outcomes = machine, path, False, collections.Counter()
        self.threads = [threading.Thread(target=self._work) for _ in range(clients)]

    def _work(self):
        while not self.stopped:
            try:
                self.outcomes[self.machine.get(self.path)[0]] += 1
            except (OSError, EOFError) as error:
                self.outcomes[type(error).__name__] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        for thread in self.threads:
            thread.join()


def test_the_unit_is_valid_and_confines_the_daemon(service):
    service.run("systemd-analyze", "verify", "--man=no", "sowerd.service", "sowerd.socket")
    service.run("systemctl", "start", "sowerd")
    assert service.show("ActiveState") == "active" and service.get("/healthz")[0] == 200
    line = next(line for line in events(service) if line["event"] == "sandbox")
    assert line["seccomp"] == "yes" and line["private"] == "yes", line
    if line["landlock"] == 0:
        print("LANDLOCK IS NOT TESTED HERE:", line["sentence"])
    assert service.run("stat", "-c", "%U %a", "/var/lib/sower").split() == ["sower", "700"]
    assert float(service.run("systemd-analyze", "security", "--no-pager", "sowerd.service").split("level for sowerd.service: ")[1].split()[0]) <= 1.3


def test_a_reload_reads_the_tokens_again_and_keeps_the_process(service):
    old, new = Token("old"), Token("new")
    give_tokens(service, old)
    service.configure("[Service]\nEnvironment=SOWERD_TOKENS=/etc/sower/tokens\n")
    service.run("systemctl", "start", "sowerd")
    process = main_process(service)
    assert [service.get(DRAW + "w", token.headers)[0] for token in (old, new)] == [200, 401]
    give_tokens(service, new)
    service.run("systemctl", "reload", "sowerd")  # systemd does not wait for the daemon if that is slower than the shell
    service.wait_until(lambda: "reloaded" in [line["event"] for line in events(service)], "no reload")
    assert [service.get(DRAW + "w", token.headers)[0] for token in (old, new)] == [401, 200]
    assert main_process(service) == process and service.show("ActiveState") == "active"


def test_a_daemon_that_hangs_is_restarted(service):
    service.configure("[Service]\nWatchdogSec=2\n")
    service.run("systemctl", "start", "sowerd")
    assert service.get(DRAW + "before")[0] == 200
    process = main_process(service)
    send(service, "SIGSTOP")
    service.wait_until(lambda: main_process(service) not in (0, process) and service.show("ActiveState") == "active", "no restart")
    assert service.show("NRestarts") == "1"
    assert "Watchdog timeout" in service.journal()
    assert [line["name"] for line in lines_of(service)] == ["before"]


def test_a_long_drain_does_not_trip_the_watchdog(service):
    service.configure("[Service]\nWatchdogSec=1\nEnvironment=SOWERD_DRAIN_SECONDS=4\n")
    service.run("systemctl", "start", "sowerd")
    with service.joined():
        stream = socket.create_connection(("127.0.0.1", 7697))
    stream.sendall(b"GET /v1/tensor?experiment=e&name=n&shape=1000000000&init=normal HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert stream.recv(100)
    service.run("systemctl", "stop", "sowerd")
    stream.close()
    assert service.show("Result") == "success"
    assert [line["event"] for line in events(service)][-1] == "stopped"


def test_a_killed_daemon_is_restarted_and_has_all_lines(service):
    service.run("systemctl", "start", "sowerd")
    names = [f"n{number}" for number in range(20)]
    assert all(service.get(DRAW + name)[0] == 200 for name in names)
    process = main_process(service)
    send(service, "SIGKILL")
    service.wait_until(lambda: main_process(service) not in (0, process) and service.show("ActiveState") == "active", "no restart")
    assert [line["name"] for line in lines_of(service)] == names


def test_no_connection_is_refused_while_a_daemon_with_a_socket_restarts(service):
    service.run("systemctl", "start", "sowerd.socket", "sowerd.service")
    with Load(service, "/healthz") as load:
        for number in range(3):
            service.run("systemctl", "restart", "sowerd.service")
            assert service.get(DRAW + str(number))[0] == 200
    print(service.release, dict(load.outcomes))
    assert load.outcomes["ConnectionRefusedError"] == 0 and load.outcomes[200] > 50, load.outcomes


def test_without_the_socket_connections_are_refused_during_a_restart(service):
    """So the test before can fail."""
    service.run("systemctl", "start", "sowerd.service")
    with Load(service, "/healthz") as load:
        service.run("systemctl", "restart", "sowerd.service")
    assert load.outcomes["ConnectionRefusedError"] > 0, load.outcomes


def test_the_socket_starts_the_daemon_when_somebody_connects(service):
    service.run("systemctl", "start", "sowerd.socket")
    assert service.show("ActiveState") == "inactive"
    assert service.get("/healthz")[0] == 200 and service.show("ActiveState") == "active"


def test_the_socket_unit_may_have_several_sockets(service):
    service.configure("[Socket]\nListenStream=\nListenStream=127.0.0.1:7697\nListenStream=/run/sower-test.socket\n", "sowerd.socket")
    service.run("systemctl", "start", "sowerd.socket", "sowerd.service")
    assert service.get("/healthz")[0] == 200 and ask_by_file(service, "/run/sower-test.socket").startswith(b"HTTP/1.1 200")
    service.run("systemctl", "restart", "sowerd.service")
    assert ask_by_file(service, "/run/sower-test.socket").startswith(b"HTTP/1.1 200")
    service.run("systemctl", "stop", "sowerd.socket", "sowerd.service")
    service.configure("", "sowerd.socket")


def test_the_daemon_may_have_a_unix_socket_in_its_runtime_directory(service):
    service.configure("[Service]\nEnvironment=SOWERD_LISTEN=127.0.0.1:7697,unix:/run/sower/sowerd.socket\n")
    service.file("/etc/sower/sowerd.conf").unlink()  # it overrides the unit's environment
    for verb in ("start", "restart"):
        service.run("systemctl", verb, "sowerd.service")
        assert ask_by_file(service, "/run/sower/sowerd.socket").startswith(b"HTTP/1.1 200")
    service.run("systemctl", "stop", "sowerd.service")
    assert not service.file("/run/sower").exists()


@pytest.mark.parametrize("version", range(1, LATEST))
def test_an_old_ledger_is_upgraded_at_the_start(service, tmp_path, version):
    service.run("systemctl", "start", "sowerd")
    assert all(service.get(DRAW + str(number))[0] == 200 for number in range(5))
    give_root_key(service)
    service.run("chown", "sower:", "/etc/sower/root-key")
    service.configure("[Service]\nEnvironment=SOWERD_ROOT_KEY_FILE=/etc/sower/root-key\n")
    service.run("systemctl", "restart", "sowerd")
    assert service.get(DRAW + "other")[0] == 200
    lines = lines_of(service)
    service.run("systemctl", "stop", "sowerd")
    make_old_ledger(tmp_path / "old/ledger.sqlite", version, (lines, []))
    state = service.file("/var/lib/sower")
    for file in state.iterdir():
        file.unlink()
    (state / "ledger.sqlite").write_bytes((tmp_path / "old/ledger.sqlite").read_bytes())
    service.run("chown", "sower:", "/var/lib/sower/ledger.sqlite")
    service.run("systemctl", "start", "sowerd")
    assert "ledger_upgrade" in [line["event"] for line in events(service)]
    assert [line["name"] for line in lines_of(service) if line["kind"] == "draw"] == [line["name"] for line in lines]
    assert service.get(DRAW + "new")[0] == 200


def test_systemd_gives_the_root_key_and_the_tokens(service):
    token = Token("only")
    write_tokens(service.file("/etc/sower/tokens"), token)
    give_root_key(service)  # root's: the daemon's user cannot read it
    service.configure("[Service]\nLoadCredential=root-key:/etc/sower/root-key\nEnvironment=SOWERD_ROOT_KEY_FILE=%d/root-key\n"
                      "LoadCredential=tokens:/etc/sower/tokens\nEnvironment=SOWERD_TOKENS=%d/tokens\n")
    service.run("systemctl", "start", "sowerd")
    root = next(line["root"] for line in events(service) if line["event"] == "ready")
    assert [service.get(DRAW + "w", headers)[0] for headers in ({}, token.headers)] == [401, 200]
    service.run("systemctl", "stop", "sowerd")
    service.configure("")
    service.run("systemctl", "start", "sowerd")
    assert next(line["root"] for line in reversed(events(service)) if line["event"] == "ready") != root


@pytest.mark.parametrize("call, missing", [("landlock_create_ruleset", "Landlock"), ("seccomp", "seccomp")])
def test_the_log_warns_of_what_the_kernel_does_not_have(service, call, missing):
    service.configure(f"[Service]\nSystemCallFilter=~{call}\n")
    service.run("systemctl", "start", "sowerd")
    line = next(line for line in events(service) if line["event"] == "sandbox")
    assert line["level"] == "warning" and missing in line["sentence"]
    assert service.get(DRAW + "w")[0] == 200


def test_the_journal_has_the_priority_of_each_line(service):
    service.configure("[Service]\nEnvironment=SOWERD_NO_OPTION=1\n")
    service.run("systemctl", "start", "sowerd")
    warnings, all_lines = events(service, "--priority=warning"), events(service)
    assert "unknown_variable" in [line["event"] for line in warnings]
    assert warnings == [line for line in all_lines if line["level"] in ("warning", "error")] != all_lines


def test_wrong_options_are_no_reason_for_restarts(service):
    service.configure("[Service]\nEnvironment=SOWERD_QUEUE=many\n")
    assert service.try_run("systemctl", "start", "sowerd").returncode != 0
    assert service.show("ActiveState") == "failed" and service.show("NRestarts") == "0"
    assert "SOWERD_QUEUE" in service.journal()
