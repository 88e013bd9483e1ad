"""The sandbox: what an attacker's code could do in the running daemon, in each of its threads, and that the daemon itself can do
all that it needs. The other tests over HTTP run with the sandbox too, since it is on by default."""
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from conftest import SOWERD
from intruder import ATTEMPTS, Intruder, threads_of
from ports import free_port
from postgres import Postgres

DRAW = {"experiment": "sandbox", "name": "w", "shape": "4,6", "init": "normal(std=0.02)"}
# The outcome of each attempt in a daemon with a ledger on SQLite, which opens no connections, and on PostgreSQL.
COMMON = {
    "read a file": "EACCES", "create a file": "EACCES", "list a directory": "EACCES", "receive packets": "EPERM",
    "use an abstract socket": "EPERM", "signal another process": "EPERM", "fork": "EPERM", "map writable code": "EPERM",
    "make code from data": "EPERM", "leave a namespace": "ENOSYS", "make a ring": "ENOSYS", "ask for keys": "ENOSYS",
    "be dumped": "EPERM", "open its own files": "possible",
}
SQLITE = {**COMMON, "connect": "EPERM", "bind": "EPERM", "send datagrams": "EPERM"}
POSTGRESQL = {**COMMON, "connect": "EACCES", "bind": "EACCES", "send datagrams": "possible"}
DEADLY = ["execute a program", "execute a file", "trace", "read memory by its address"]
# The version of Landlock that an attempt needs. The others need seccomp.
LANDLOCK = {"read a file": 1, "create a file": 1, "list a directory": 1, ("EACCES", "connect"): 4, ("EACCES", "bind"): 4,
            "use an abstract socket": 6}


@pytest.fixture
def intruder(tmp_path):
    return Intruder(tmp_path)


@pytest.fixture
def listener():
    """A foreign service: a port, and the name of an abstract socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind("\0sower-intruder")
        yield server.getsockname()[1]


def confined(daemon):
    """The log's line on the sandbox. Skips the test if there is no sandbox here."""
    line = next(line for line in daemon.log if line.get("event") == "sandbox")
    if "landlock" not in line:
        pytest.skip(line["sentence"])
    if line["seccomp"] == "no":
        pytest.skip("THE SANDBOX IS NOT TESTED. " + line["sentence"])
    return line


def expected(outcomes, version):
    """The outcomes on this kernel: without a new Landlock some attempts are possible."""
    needs = lambda attempt: LANDLOCK.get(attempt) or LANDLOCK.get((outcomes[attempt], attempt)) or 0
    return {attempt: outcome if needs(attempt) <= version else "possible" for attempt, outcome in outcomes.items()}


def begin(start, intruder, port, *options):
    intruder.port, intruder.process = port, os.getpid()
    daemon = start("--threads", "2", "--compute-threads", "2", *options, environment=intruder.environment)
    assert daemon.get("/v1/tensor", **DRAW).status == 200
    return daemon


def all_outcomes(intruder, daemon, attempts):
    return {thread: {attempt: intruder.tries(daemon.process, thread, attempt) for attempt in attempts}
            for thread in threads_of(daemon.process)}


def test_an_intruder_in_any_thread_reaches_nothing_beyond_the_state(start, intruder, listener):
    daemon = begin(start, intruder, listener)
    version = confined(daemon)["landlock"]
    outcomes = all_outcomes(intruder, daemon, SQLITE)
    assert len(outcomes) >= 15
    assert outcomes == dict.fromkeys(outcomes, expected(SQLITE, version))
    assert daemon.get("/v1/tensor", **{**DRAW, "name": "after"}).headers["Sower-Ledger"] == "2"


def test_with_postgresql_only_the_databases_port_can_be_reached(start, intruder, listener, postgres):
    daemon = begin(start, intruder, listener, "--ledger", postgres.url("ledger"))
    version = confined(daemon)["landlock"]
    outcomes = all_outcomes(intruder, daemon, POSTGRESQL)
    assert outcomes == dict.fromkeys(outcomes, expected(POSTGRESQL, version))


def test_without_the_sandbox_the_same_attempts_succeed(start, intruder, listener):
    """So the attempts are real ones. (Without root's rights one of them fails for another reason.)"""
    daemon = begin(start, intruder, listener, "--sandbox=no")
    line = next(line for line in daemon.log if line.get("event") == "sandbox")
    assert "landlock" not in line and "not confined" in line["sentence"]
    attempts = [attempt for attempt in [*SQLITE, "trace", "read memory by its address"] if attempt != "receive packets" or os.geteuid() == 0]
    outcomes = all_outcomes(intruder, daemon, attempts)
    if "sanitizer" not in line["sentence"]:
        assert outcomes == dict.fromkeys(outcomes, dict.fromkeys(attempts, "possible"))
    assert intruder.tries(daemon.process, daemon.process.pid, "execute a program") == "ended with 0"


@pytest.mark.parametrize("attempt", DEADLY)
def test_an_intruder_that_executes_or_traces_ends_the_process(start, intruder, attempt):
    daemon = begin(start, intruder, 1)
    confined(daemon)
    assert intruder.tries(daemon.process, threads_of(daemon.process)[-1], attempt) == "killed"


def test_each_attempt_is_tested():
    assert sorted([*SQLITE, *DEADLY]) == sorted(POSTGRESQL.keys() | DEADLY) == sorted(ATTEMPTS)


def test_each_thread_is_filtered_and_no_core_is_written(start):
    daemon = start()
    confined(daemon)
    for status in pathlib.Path(f"/proc/{daemon.process.pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        assert [fields[name].strip() for name in ("NoNewPrivs", "Seccomp")] == ["1", "2"]
    limits = pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text()
    assert next(line for line in limits.splitlines() if line.startswith("Max core")).split()[4:6] == ["0", "0"]


def test_a_ledger_behind_a_link_can_be_written(start, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/ledger.sqlite").symlink_to(tmp_path / "real/ledger.sqlite")
    for line in ("1", "2"):
        daemon = start("--ledger", f"sqlite:{tmp_path}/linked/ledger.sqlite", state=tmp_path / "state")
        assert daemon.get("/v1/tensor", **{**DRAW, "name": line}).headers["Sower-Ledger"] == line
        assert daemon.stop() == 0
    assert (tmp_path / "real/ledger.sqlite").exists()


@pytest.fixture
def encrypted(tmp_path):
    """A PostgreSQL that accepts TLS over TCP, and a certificate for it."""
    server = Postgres()
    server.stop()
    port = free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", server.data / "server.key", "-out", server.data / "server.crt"],
                   check=True, stderr=subprocess.DEVNULL)
    for name in ("server.key", "server.crt"):
        (server.data / name).chmod(0o600)
        if server.as_user:
            os.chown(server.data / name, server.data.stat().st_uid, server.data.stat().st_gid)
    certificate = tmp_path / "certificates/root.crt"
    certificate.parent.mkdir()
    certificate.write_bytes((server.data / "server.crt").read_bytes())
    with open(server.data / "pg_hba.conf", "a") as file:
        file.write("hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n")
    with open(server.data / "postgresql.auto.conf", "a") as file:
        file.write(f"listen_addresses = 'localhost'\nport = {port}\nssl = on\n")
    server.start()
    server.port = port
    subprocess.run([server.programs / "createdb", "-h", server.directory, "-p", str(port), "-U", "sower", "-T", "template0", "ledger"], check=True)
    yield server, f"postgresql://sower@localhost:{port}/ledger?sslmode=verify-full&sslrootcert={certificate}"
    server.close()


def test_a_database_over_tls_is_reached_again_after_its_restart(start, encrypted):
    server, url = encrypted
    daemon = start("--ledger", url)
    confined(daemon)
    assert daemon.get("/v1/tensor", **DRAW).headers["Sower-Ledger"] == "1"
    server.stop(signal.SIGQUIT)
    assert daemon.get("/v1/tensor", **{**DRAW, "name": "down"}).status == 503
    server.start()
    while (response := daemon.get("/v1/tensor", **{**DRAW, "name": "again"})).status == 503:
        pass
    assert response.headers["Sower-Ledger"] == "2"


def test_help_and_the_variable_know_the_sandbox(start):
    assert "--sandbox[=yes|no]" in subprocess.run([SOWERD, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    daemon = start(environment={"SOWERD_SANDBOX": "no"})
    assert "Seccomp:\t0" in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
