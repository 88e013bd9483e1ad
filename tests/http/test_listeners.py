"""The daemon listens on several addresses at once: TCP, IPv6, Unix sockets, and sockets that systemd passes."""
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import threading

import pytest

from conftest import PATIENCE, SOWERD, Daemon, Response, why_it_ended
from ports import free_port

DRAW = dict(experiment="listeners", name="w", shape="3", init="normal")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, host="sower.example"):
        super().__init__(host, timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def get(connection, path="/healthz", headers=None):
    connection.request("GET", path, headers=headers or {})
    return Response(connection.getresponse())


def listeners_of(daemon):
    return next(line for line in daemon.log if line["event"] == "ready")["listeners"].split(",")


def connection_to(url):
    if url.startswith("unix:"):
        return UnixConnection(url[5:])
    host, port = url.removeprefix("http://").rsplit(":", 1)
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE)


def refused(*options, status, environment=None):
    done = subprocess.run([SOWERD, *options], capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **(environment or {})})
    assert done.returncode == status, done
    return why_it_ended(done.stderr)


def test_every_listener_serves_the_same_ledger(start, tmp_path):
    daemon = start("--listen", "[::1]:0", "--listen", f"unix:{tmp_path}/a,unix:{tmp_path}/b")
    urls = listeners_of(daemon)
    assert urls[0] == f"http://{daemon.address}" and urls[1].startswith("http://[::1]:") and urls[2:] == [f"unix:{tmp_path}/a", f"unix:{tmp_path}/b"]
    tags = set()
    for url in urls:
        response = get(connection_to(url), "/v1/tensor?" + "&".join(f"{key}={value}" for key, value in DRAW.items()))
        assert response.status == 200
        tags.add((response.headers["ETag"], response.headers["Sower-Ledger"]))
    assert len(tags) == 1 and len(daemon.ledger()) == 1
    assert daemon.stop() == 0
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_the_variable_has_several_addresses_and_the_command_line_replaces_them(start, tmp_path):
    variable = {"SOWERD_LISTEN": f"127.0.0.1:0,unix:{tmp_path}/variable"}
    assert listeners_of(start(listen=None, environment=variable))[1:] == [f"unix:{tmp_path}/variable"]
    daemon = start(listen=f"unix:{tmp_path}/given", environment=variable)
    assert listeners_of(daemon) == [daemon.address] == [f"unix:{tmp_path}/given"]


@pytest.mark.parametrize("options, words", [
    (["--listen", "unix:"], "needs the path"), (["--listen", "unix:/" + "p" * 107], "too long"), (["--listen", "127.0.0.1:0,"], "is not an address"),
    (["--listen", ",".join(["127.0.0.1:0"] * 17)], "at most 16"), (["--socket-mode", "0680"], "octal"), (["--socket-mode", "1777"], "octal"),
    (["--listen", "h" * 200 + ":1"], "longer than"),
])
def test_wrong_addresses_and_modes_are_invalid_options(options, words):
    assert words in refused(*options, status=2)


@pytest.mark.parametrize("mode, wanted", [(None, 0o660), ("0600", 0o600), ("666", 0o666)])
def test_a_unix_socket_has_the_given_permissions(start, tmp_path, mode, wanted):
    start(*(["--socket-mode", mode] if mode else []), listen=f"unix:{tmp_path}/socket")
    assert (tmp_path / "socket").stat().st_mode & 0o7777 == wanted


def test_the_longest_path_is_served(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = "p" * 107
    start(listen=f"unix:{path}")
    assert get(UnixConnection(path)).status == 200


def test_the_socket_of_a_killed_daemon_is_replaced(start, tmp_path):
    path = tmp_path / "socket"
    killed = Daemon(tmp_path / "killed", listen=f"unix:{path}")
    killed.process.kill()
    killed.process.wait()
    assert path.is_socket()
    start(listen=f"unix:{path}")
    assert get(UnixConnection(path)).status == 200


def test_the_socket_of_a_running_daemon_and_other_files_are_left_alone(start, tmp_path):
    path, file, other = tmp_path / "socket", tmp_path / "file", tmp_path / "state-2"
    start(listen=f"unix:{path}")
    assert "another program listens there" in refused("--listen", f"unix:{path}", "--state", str(other), status=1)
    assert get(UnixConnection(path)).status == 200
    file.write_text("kept")
    assert "not a socket" in refused("--listen", f"unix:{file}", "--state", str(other), status=1)
    assert file.read_text() == "kept"
    assert "No such file" in refused("--listen", f"unix:{tmp_path}/missing/socket", "--state", str(other), status=1)


def test_a_failed_start_leaves_no_socket_file(start, tmp_path):
    port = start().port
    refused("--listen", f"unix:{tmp_path}/socket,127.0.0.1:{port}", "--state", str(tmp_path / "other"), status=1)
    assert not (tmp_path / "socket").exists()


def test_a_daemon_does_not_remove_the_file_of_its_successor(tmp_path):
    path = tmp_path / "socket"
    first = Daemon(tmp_path / "first", listen=f"unix:{path}")
    path.unlink()
    second = Daemon(tmp_path / "second", listen=f"unix:{path}")
    assert first.stop() == 0
    assert get(UnixConnection(path)).status == 200
    assert second.stop() == 0 and not path.exists()


def test_of_daemons_that_start_together_one_gets_the_path(tmp_path):
    path = tmp_path / "socket"
    for number in range(5):
        with socket.socket(socket.AF_UNIX) as dead:  # a file without a listening program
            dead.bind(str(path))
        started = [subprocess.Popen([SOWERD, "--listen", f"unix:{path}", "--state", str(tmp_path / f"state-{number}-{rank}")], stderr=subprocess.PIPE, text=True)
                   for rank in range(4)]
        endings = []
        for process in started:  # a loser ends; the winner logs that it is ready
            for line in process.stderr:
                if '"ready"' in line or '"start_failed"' in line:
                    endings.append(line)
                    break
        assert sum('"ready"' in ending for ending in endings) == 1 and sum("another program listens" in ending for ending in endings) == 3, endings
        assert get(UnixConnection(path)).status == 200
        for process in started:
            process.terminate()
            process.communicate()
        assert not path.exists()


def test_a_unix_socket_accepts_any_host_and_a_tcp_socket_of_the_same_daemon_does_not(start, tmp_path):
    daemon = start("--listen", f"localhost:0,unix:{tmp_path}/socket", hosts=None)
    assert get(UnixConnection(tmp_path / "socket", "evil.example"), "/v1/initializers").status == 200
    assert daemon.get("/v1/initializers", headers={"Host": "evil.example"}).status == 421
    ipv6 = start(listen="[::1]:0", hosts=None)  # must not be taken for a Unix socket
    assert ipv6.get("/v1/initializers", headers={"Host": "evil.example"}).status == 421


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"])
def test_a_listener_that_other_machines_reach_needs_tokens_or_the_word_open(start, tmp_path, address):
    sentence = refused("--listen", f"unix:{tmp_path}/socket", "--listen", address, "--state", str(tmp_path / "refused"), status=1)
    assert "Other machines can reach" in sentence and "--tokens FILE" in sentence and "--open yes" in sentence
    assert not (tmp_path / "socket").exists()
    assert start("--open", "yes", listen=address).get("/healthz").status == 200
    tokens = tmp_path / "tokens"
    tokens.touch(0o600)
    assert start("--tokens", str(tokens), listen=address).get("/healthz").status == 200


def test_an_inherited_socket_that_other_machines_reach_needs_tokens_too(start, tmp_path):
    pass_socket = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
                   "os.execv(sys.argv[2], sys.argv[2:])")
    with socket.create_server(("0.0.0.0", 0)) as listening:
        command = ["python3", "-c", pass_socket, str(listening.fileno()), SOWERD]
        done = subprocess.run([*command, "--state", str(tmp_path / "refused")], capture_output=True, text=True, pass_fds=[listening.fileno()], timeout=PATIENCE)
        assert done.returncode == 1 and "Other machines can reach 0.0.0.0:" in why_it_ended(done.stderr)
        assert start("--open", command=command, pass_fds=[listening.fileno()], listen=None).get("/healthz").status == 200


def test_systemd_passes_several_sockets(tmp_path):
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed")
    port, path = free_port(), tmp_path / "socket"
    process = subprocess.Popen([program, f"--listen=127.0.0.1:{port}", f"--listen={path}", f"--setenv=SOWERD_STATE={tmp_path}/state", SOWERD],
                               stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if f"Listening on {path}" in line:
                break
        waiting = UnixConnection(path)
        waiting.connect()  # starts the daemon
        assert get(waiting).status == 200
        assert get(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)).status == 200
        for line in process.stderr:
            if line.startswith("{") and json.loads(line)["event"] == "ready":
                assert json.loads(line)["listeners"] == f"http://127.0.0.1:{port},unix:{path}"
                break
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert path.exists()  # it belongs to systemd


def test_something_that_is_not_a_listening_socket_is_refused(tmp_path):
    code = ("import os, sys; os.dup2(0, 3); os.dup2(0, 4); os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()));"
            "os.execv(sys.argv[1], sys.argv[1:])")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = subprocess.run(["python3", "-c", code.replace("dup2(0, 3)", f"dup2({listening.fileno()}, 3)"), SOWERD, "--state", str(tmp_path / "state")],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, pass_fds=[listening.fileno()], timeout=PATIENCE)
    assert done.returncode == 1 and "other than listening stream sockets" in why_it_ended(done.stderr)


def test_a_thousand_connections_mixed_over_listeners_are_all_served(start, tmp_path, library):
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) + resource.getrlimit(resource.RLIMIT_NOFILE)[1:])
    daemon = start("--listen", f"[::1]:0,unix:{tmp_path}/a,unix:{tmp_path}/b", "--connections", "1024", "--connections-per-client", "1024",
                   "--threads", "2", environment=library)
    connections = [connection_to(url) for _ in range(250) for url in listeners_of(daemon)]
    for _ in range(2):
        for connection in connections:
            connection.request("GET", "/healthz")
        assert all(connection.getresponse().read() == b"ok\n" for connection in connections)
    for connection in connections:
        connection.close()


def test_one_limit_holds_for_all_listeners(start, tmp_path):
    daemon = start("--listen", f"unix:{tmp_path}/socket", "--connections", "4", "--connections-per-client", "4")
    busy = [connection_to(url) for url in listeners_of(daemon) * 2]
    for connection in busy:
        get(connection)
    newcomer = UnixConnection(tmp_path / "socket")
    assert get(newcomer).status == 200  # an idle connection is closed for it
    assert daemon.wait_for(lambda line: line["event"] == "crowded")
    closed = 0
    for connection in busy:
        connection.sock.settimeout(0.2)
        try:
            closed += connection.sock.recv(1) == b""
        except TimeoutError:
            pass
    assert closed == 1


def test_draining_closes_every_listener_and_finishes_streams_of_each(start, tmp_path):
    daemon = start("--listen", f"unix:{tmp_path}/socket")
    streams = [connection_to(url) for url in listeners_of(daemon)]
    for stream in streams:
        stream.request("GET", "/v1/tensor?experiment=drain&name=w&shape=10000000&init=normal")
    responses = [stream.getresponse() for stream in streams]
    daemon.signal(15)
    daemon.wait_for(lambda line: line["event"] == "stopping")
    assert not (tmp_path / "socket").exists()
    for url in listeners_of(daemon):
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            connection_to(url).connect()
    readers = [threading.Thread(target=lambda response=response: sizes.append(len(response.read()))) for response in responses]
    sizes = []
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert sizes == [int(response.headers["Content-Length"]) for response in responses]
    assert daemon.process.wait(timeout=PATIENCE) == 0
