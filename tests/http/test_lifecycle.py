"""Starting and stopping: options, environment, root keys, systemd, signals."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from conftest import PATIENCE, SOWERD, why_it_ended
from stopping import begin_stream, notifications

DRAW = dict(experiment="exp-42", name="w", shape="16", init="normal")


def run(*arguments, environment=None):
    return subprocess.run([SOWERD, *arguments], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, **(environment or {})})


def test_help_names_every_option_and_its_variable_rule():
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ["listen", "state", "ledger", "root-key-file", "threads", "compute-threads", "cache-size",
                   "wait-seconds", "max-preparation", "answer-cache", "max-orthogonal",
                   "connections", "idle-seconds", "drain-seconds", "queue", "known-draws", "log-level", "version"]:
        assert f"--{option}" in done.stdout
    assert "SOWERD_ROOT_KEY_FILE" in done.stdout


def test_version_names_program_and_spec():
    done = run("--version")
    assert done.returncode == 0 and re.fullmatch(r"sowerd \d+\.\d+\.\d+, spec 1\n", done.stdout)


@pytest.mark.parametrize(
    "arguments, names",
    [(["--nonsense", "1"], "--nonsense"), (["nonsense"], "nonsense"), (["--listen"], "--listen"), (["-x"], "-x"), ([""], "option"),
     (["--"], "--"), (["--threads", "x"], "--threads"), (["--threads=-1"], "--threads"), (["--threads", "1025"], "--threads"),
     (["--threads", "99999999999999999999"], "--threads"), (["--threads="], "--threads"), (["--cache-size", "1T"], "--cache-size"),
     (["--cache-size", "99999999999999999G"], "--cache-size"), (["--queue", "0"], "--queue"), (["--connections", "1.5"], "--connections"),
     (["--log-level", "loud"], "--log-level"), (["--state="], "--state"), (["--threads", " 1"], "--threads")],
)
def test_invalid_options_are_named_and_end_with_status_2(arguments, names):
    done = run(*arguments)
    assert done.returncode == 2 and names in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "address",
    ["nonsense", "7697", "127.0.0.1", "127.0.0.1:", ":7697", "::1:7697", "127.0.0.1:http", "127.0.0.1:70000", "[::1]", "x" * 300 + ":1"],
    ids=range(10),
)
def test_invalid_addresses_are_invalid_options(tmp_path, address):
    for done in [run("--listen", address, "--state", str(tmp_path)),
                 run("--state", str(tmp_path), environment={"SOWERD_LISTEN": address})]:
        assert done.returncode == 2 and "is not an address to listen on" in why_it_ended(done.stderr)


def test_an_unknown_host_is_refused_with_a_sentence(tmp_path):
    done = run("--listen", "nowhere.invalid:1", "--state", str(tmp_path))
    assert done.returncode == 1 and "nowhere.invalid" in why_it_ended(done.stderr)


def test_an_address_in_use_is_refused_with_a_sentence(start, tmp_path):
    done = run("--listen", start().address, "--state", str(tmp_path))
    assert done.returncode == 1 and "in use" in done.stderr


def test_variables_set_options_and_the_command_line_overrides_them(start, tmp_path):
    environment = {"SOWERD_LISTEN": "127.0.0.1:1", "SOWERD_LEDGER": f"sqlite:{tmp_path}/by-variable", "SOWERD_THREADS": "1"}
    daemon = start(environment=environment)
    assert daemon.get("/v1/tensor", **DRAW).status == 200 and (tmp_path / "by-variable").exists()
    done = run("--state", str(tmp_path), environment={"SOWERD_THREADS": "many"})
    assert done.returncode == 2 and "SOWERD_THREADS" in done.stderr


@pytest.mark.parametrize("variable", ["STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"])
def test_the_state_directory_comes_from_the_environment(tmp_path, variable):
    clean = {key: value for key, value in os.environ.items() if key not in ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME")}
    value = {"STATE_DIRECTORY": f"{tmp_path}/first:{tmp_path}/second"}.get(variable, str(tmp_path))
    expected = {"STATE_DIRECTORY": "first", "XDG_STATE_HOME": "sower", "HOME": ".local/state/sower"}[variable]
    process = subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, env={**clean, variable: value})
    assert any(b'"ready"' in line for line in process.stderr)
    assert (tmp_path / expected / "ledger.sqlite").exists()
    assert (tmp_path / expected).stat().st_mode & 0o777 == 0o700
    process.terminate()
    assert process.wait(timeout=PATIENCE) == 0
    process.stderr.close()


def test_a_state_that_is_not_a_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("--listen", "127.0.0.1:0", "--state", str(tmp_path / "file"))
    assert done.returncode == 1 and "file" in done.stderr


def test_ipv6(start):
    daemon = start(listen="[::1]:0")
    assert daemon.address.startswith("[::1]:")
    assert daemon.get("/v1/tensor", **DRAW).status == 200
    url = daemon.url("/healthz")
    assert subprocess.run(["curl", "-sS", "--fail", url], capture_output=True, check=True).stdout == b"ok\n"


def test_a_private_root_gives_other_bits_and_forbids_shared_caches(start, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    private = start("--root-key-file", str(key))
    public = start()
    got, other = private.get("/v1/tensor", **DRAW), public.get("/v1/tensor", **DRAW)
    assert got.headers["Sower-Seed"] != other.headers["Sower-Seed"] and got.body != other.body
    assert got.headers["Cache-Control"].startswith("private,")
    assert private.ledger()[0]["root"] != public.ledger()[0]["root"]
    key.write_text(bytes(range(32)).hex() + "\n")
    again = start("--root-key-file", str(key))
    assert again.get("/v1/tensor", **DRAW).body == got.body


def test_a_root_key_is_never_printed(start, tmp_path):
    secret = bytes(range(7, 39))
    key = tmp_path / "key"
    key.write_bytes(secret)
    key.chmod(0o600)
    daemon = start("--root-key-file", str(key), "--log-level", "debug")
    responses = [daemon.get(path, **DRAW) for path in ("/v1/tensor", "/v1/plan")] + [daemon.get("/v1/ledger")]
    daemon.stop()
    log = b"".join(daemon.rest_of_log()) + json.dumps(daemon.log).encode()
    shown = log + b"".join(response.body + str(response.headers).encode() for response in responses)
    for path in pathlib.Path(daemon.state).iterdir():
        shown += path.read_bytes()
    assert secret not in shown and secret.hex().encode() not in shown.lower()


def test_a_root_key_that_others_can_read_is_refused(tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(32))
    for mode in [0o644, 0o604, 0o640 if os.getgid() != 0 else 0o660, 0o602]:
        key.chmod(mode)
        done = run("--root-key-file", str(key), "--listen", "127.0.0.1:0", "--state", str(tmp_path))
        assert done.returncode == 1 and "chmod 600" in done.stderr, oct(mode)


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33), b"g" * 64, b"a" * 63, b"a" * 65, b"a" * 66],
                         ids=["empty", "short", "31 bytes", "33 bytes", "no hex", "63 digits", "65 digits", "66 digits"])
def test_a_root_key_of_the_wrong_form_is_refused(tmp_path, content):
    key = tmp_path / "key"
    key.write_bytes(content)
    key.chmod(0o600)
    done = run("--root-key-file", str(key), "--listen", "127.0.0.1:0", "--state", str(tmp_path))
    assert done.returncode == 1 and "key" in why_it_ended(done.stderr)


def test_a_kernel_can_be_forced_and_gives_the_same_bits(start):
    portable = start(environment={"SOWER_KERNEL": "portable"})
    assert portable.log[-1]["kernel"] == "portable"
    fields = {**DRAW, "shape": "30000"}
    assert portable.get("/v1/tensor", **fields).body == start().get("/v1/tensor", **fields).body


def test_an_unknown_kernel_is_refused(tmp_path):
    done = run("--listen", "127.0.0.1:0", "--state", str(tmp_path), environment={"SOWER_KERNEL": "abacus"})
    assert done.returncode == 1 and "abacus" in done.stderr


def test_the_daemon_notifies_systemd_of_readiness_watchdog_and_stop(start, tmp_path):
    with notifications(tmp_path / "notify") as receiver:
        shell = ["sh", "-c", 'WATCHDOG_PID=$$ exec "$0" "$@"', SOWERD]
        daemon = start(command=shell, environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"})
        assert receiver.recv(4096) == b"READY=1"
        assert receiver.recv(4096) == b"WATCHDOG=1"
        assert receiver.recv(4096) == b"WATCHDOG=1"
        daemon.signal(signal.SIGTERM)
        while (message := receiver.recv(4096)) == b"WATCHDOG=1":
            pass
        assert message == b"STOPPING=1"
        assert daemon.process.wait(timeout=PATIENCE) == 0


def test_a_daemon_started_without_standard_files_does_not_reuse_their_descriptors(tmp_path):
    """Otherwise the log would be written to the file descriptor 2 of a client's connection or of the database."""
    with notifications(tmp_path / "notify") as receiver:
        process = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', SOWERD, "--listen", "127.0.0.1:0", "--state", str(tmp_path / "state")],
                                   env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
        try:
            assert receiver.recv(4096) == b"READY=1"
            assert [os.readlink(f"/proc/{process.pid}/fd/{file}") for file in range(3)] == ["/dev/null"] * 3
        finally:
            process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


def test_a_socket_passed_by_systemd_is_served(start):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        pass_socket = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
                     "os.execv(sys.argv[2], sys.argv[2:])")
        command = [sys.executable, "-c", pass_socket, str(listening.fileno()), SOWERD]
        daemon = start(command=command, pass_fds=(listening.fileno(),), listen="127.0.0.1:1")
        assert daemon.address == f"127.0.0.1:{port}"
        assert daemon.get("/v1/tensor", **DRAW).status == 200
        assert daemon.stop() == 0
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()  # the socket queues this connection for the next daemon


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_daemon_at_once_with_status_0(start, number):
    daemon = start("--drain-seconds", "3600")
    connection = daemon.connect()  # an open idle connection does not delay the end
    connection.request("GET", "/healthz")
    connection.getresponse().read()
    daemon.signal(number)
    assert daemon.process.wait(timeout=PATIENCE) == 0
    connection.close()
    assert any(b'"stopped"' in line for line in daemon.rest_of_log())
    assert not (daemon.state / "ledger.sqlite-wal").exists(), "the ledger was closed cleanly"


def test_after_sigterm_streams_finish_and_no_new_connection_is_accepted(start):
    daemon = start()
    connection, response, head = begin_stream(daemon)
    kept = daemon.connect()
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line.get("event") == "stopping")
    kept.request("GET", "/healthz")
    last = kept.getresponse()
    assert last.status == 200 and last.headers["Connection"].lower() == "close"
    last.read()
    with pytest.raises(ConnectionRefusedError):
        daemon.socket()
    body = head + response.read()
    assert len(body) == int(response.headers["Content-Length"])
    connection.close()
    assert daemon.process.wait(timeout=PATIENCE) == 0


def test_draining_ends_at_its_time_limit(start):
    daemon = start("--drain-seconds", "0")
    connection, _, _ = begin_stream(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=PATIENCE) == 0
    connection.close()
    assert any(b'"end":"stopped"' in line for line in daemon.rest_of_log())


def test_a_second_signal_ends_the_daemon_at_once(start):
    daemon = start("--drain-seconds", "3600")
    connection, _, _ = begin_stream(daemon)
    daemon.signal(signal.SIGTERM)
    daemon.wait_for(lambda line: line.get("event") == "stopping")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(timeout=PATIENCE) == -signal.SIGTERM
    connection.close()


def test_a_second_signal_ends_a_daemon_with_process_id_1(start):
    shell = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*shell, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("this user cannot create namespaces")
    daemon = start("--drain-seconds", "3600", command=[*shell, SOWERD])
    first = int(pathlib.Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text())
    connection, _, _ = begin_stream(daemon)
    os.kill(first, signal.SIGTERM)
    daemon.wait_for(lambda line: line.get("event") == "stopping")
    os.kill(first, signal.SIGTERM)
    assert daemon.process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
    connection.close()


def test_a_daemon_under_nohup_survives_sighup(start):
    daemon = start(command=["sh", "-c", 'trap "" HUP; exec "$0" "$@"', SOWERD])
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    masks = {mask: int(re.search(rf"^{mask}:\s*(\w+)$", status, re.M)[1], 16) for mask in ("SigIgn", "SigBlk", "SigCgt")}
    assert [masks[mask] >> signal.SIGHUP - 1 & 1 for mask in masks] == [1, 0, 0]
    daemon.signal(signal.SIGHUP)
    assert daemon.get("/healthz").status == 200
    assert daemon.stop() == 0


def test_the_ledger_continues_after_a_restart(start, tmp_path):
    first = start(state=tmp_path / "state")
    first.get("/v1/tensor", **DRAW)
    lines = first.ledger()
    assert first.stop() == 0
    second = start(state=tmp_path / "state")
    assert second.ledger() == lines
    assert second.get("/v1/tensor", **{**DRAW, "name": "v"}).headers["Sower-Ledger"] == "2"
