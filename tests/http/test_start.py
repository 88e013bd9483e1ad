"""A daemon that cannot work ends with a sentence at start, warns of likely mistakes, and keeps its files private."""
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest

from conftest import PATIENCE, SOWERD, why_it_ended
from disks import disk_of

DRAW = dict(experiment="start", name="w", shape="3", init="normal")


def shell(script):
    """A command that runs a shell script and then the daemon."""
    return ["sh", "-c", f'{script}; exec "$0" "$@"', SOWERD]


def refused_after(script, *options):
    done = subprocess.run([*shell(script), "--listen", "127.0.0.1:0", *options], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done
    return why_it_ended(done.stderr)


@pytest.mark.parametrize("connections", [1024, 200])
def test_too_few_file_descriptors_for_the_connections_are_refused(start, tmp_path, connections):
    options = ["--connections", str(connections), "--threads", "2"]
    sentence = refused_after("ulimit -n 100", "--state", str(tmp_path / "state"), *options)
    needed = int(re.search(r"--connections (\d+) needs (\d+) open files, and the limit is 100\.", sentence)[2])
    assert needed > connections and f"ulimit -n {needed}" in sentence and f"LimitNOFILE={needed}" in sentence
    assert f"the limit is {needed - 1}." in refused_after(f"ulimit -n {needed - 1}", "--state", str(tmp_path / "state"), *options)
    daemon = start(*options, state=tmp_path / "state", command=shell(f"ulimit -n {needed}"))
    sockets = [daemon.connect() for _ in range(connections // 2)]  # limit of connections for one client
    for connection in sockets:
        connection.request("GET", "/healthz")
    assert all(connection.getresponse().read() == b"ok\n" for connection in sockets)
    for connection in sockets:
        connection.close()


def test_a_soft_limit_is_raised(start):
    assert start(command=shell("ulimit -Sn 100")).get("/healthz").status == 200


@pytest.mark.parametrize("mode", [0o770, 0o720, 0o775, 0o707, 0o777, 0o1777], ids=oct)
def test_a_state_directory_writable_by_others_is_refused(tmp_path, mode):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    sentence = refused_after(":", "--state", str(state))
    assert f"mode {mode:04o}" in sentence and "chmod go-w" in sentence
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o711], ids=oct)
def test_a_state_directory_only_readable_by_others_is_accepted(start, tmp_path, mode):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    assert start(state=tmp_path / "state").get("/readyz").status == 200


def test_a_directory_created_in_a_world_writable_one_is_private(start, tmp_path):
    tmp_path.chmod(0o777)
    assert start(state=tmp_path / "own").get("/readyz").status == 200
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700


def modes(directory):
    return {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}


@pytest.mark.parametrize("umask", ["000", "022"])
def test_files_of_the_state_are_private(start, umask):
    daemon = start(command=shell(f"umask {umask}"))
    daemon.get("/v1/tensor", **DRAW)
    assert modes(daemon.state) == dict.fromkeys(["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "writer.key"], 0o600)


def test_files_open_to_others_become_private(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    daemon.get("/v1/tensor", **DRAW)
    daemon.signal(signal.SIGKILL)
    daemon.process.wait(timeout=PATIENCE)
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"]:
        (tmp_path / "state" / name).chmod(0o664)
    daemon = start(state=tmp_path / "state")
    assert set(modes(daemon.state).values()) == {0o600}
    sentences = [line["sentence"] for line in daemon.log if line["event"] == "file_mode"]
    assert len(sentences) == 3 and all("mode 0664" in sentence for sentence in sentences)
    daemon.stop()
    assert not [line for line in start(state=tmp_path / "state").log if line["event"] == "file_mode"]


def warnings(daemon):
    return [line["sentence"] for line in daemon.log if line.get("event") == "unknown_variable"]


@pytest.mark.parametrize("variable, nearest", [("SOWERD_LISTNE", "SOWERD_LISTEN"), ("SOWERD_ROOTKEY_FILE", "SOWERD_ROOT_KEY_FILE"),
                                               ("SOWERD_LOGLEVEL", "SOWERD_LOG_LEVEL"), ("SOWERD_PORT", None), ("SOWERD_XYZZY", None), ("SOWERD_", None),
                                               ("SOWERD_" + "X" * 5000, None)], ids=lambda name: str(name)[:20])
def test_a_warning_names_a_variable_without_an_option(start, variable, nearest):
    daemon = start(environment={variable: "8080"})
    [sentence] = warnings(daemon)
    assert variable[:80] in sentence and sentence.endswith(f"; did you mean {nearest}?" if nearest else "has no effect.")


def test_no_warning_names_variables_of_kubernetes_or_of_options(start):
    daemon = start(environment={
        "SOWERD_SERVICE_HOST": "10.0.0.1", "SOWERD_SERVICE_PORT": "7697", "SOWERD_SERVICE_PORT_HTTP": "7697", "SOWERD_PORT": "tcp://10.0.0.1:7697",
        "SOWERD_PORT_7697_TCP": "tcp://10.0.0.1:7697", "SOWERD_PORT_7697_TCP_PROTO": "tcp", "SOWERD_PORT_7697_TCP_PORT": "7697",
        "SOWERD_PORT_7697_TCP_ADDR": "10.0.0.1", "SOWERD_BLUE_SERVICE_HOST": "10.0.0.2", "SOWERD_BLUE_PORT": "tcp://10.0.0.2:1",
        "SOWERD_THREADS": "1", "SOWERDLY": "1"})
    assert warnings(daemon) == []


@pytest.mark.parametrize("content, words", [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0002f74190d6caea8\nsize 12345\n", "git lfs pull"),
    (b'{"ledger":1,"time":"2026-01-31T12:00:00.000Z"}\n', "sow ledger verify"), (b"\x28\xb5\x2f\xfd", "not a SQLite database"),
    (b"SQLite format 2", "not a SQLite database"), (b"\0" * 8192, "not a SQLite database"), (b"x", "not a SQLite database")], ids=range(6))
def test_a_file_that_is_not_a_ledger_is_not_changed_and_its_kind_is_named(tmp_path, content, words):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    mode = path.stat().st_mode & 0o777
    sentence = refused_after(":", "--state", str(tmp_path))
    assert sentence.startswith(f"The ledger {path} cannot be opened: ") and words in sentence
    assert path.read_bytes() == content and path.stat().st_mode & 0o777 == mode and not (tmp_path / "ledger.sqlite-wal").exists()


def test_an_empty_file_becomes_a_ledger(start, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "ledger.sqlite").touch()
    assert start(state=tmp_path / "state").get("/readyz").status == 200


def test_a_ledger_that_is_not_a_regular_file_is_refused(tmp_path):
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert "is a directory" in refused_after(":", "--state", str(tmp_path), "--ledger", f"sqlite:{tmp_path}/directory")
    assert "is not a file" in refused_after(":", "--state", str(tmp_path), "--ledger", f"sqlite:{tmp_path}/pipe")
    sentence = refused_after(":", "--state", str(tmp_path), "--ledger", f"sqlite:{tmp_path}/none/ledger")
    assert f"no file can be made in {tmp_path}/none: No such file or directory." in sentence


@pytest.mark.parametrize("kept", [["writer.key", "ledger.sqlite"], ["writer.key"], []], ids=str)
def test_a_read_only_volume_is_named(start, tmp_path, kept):
    with disk_of(tmp_path / "volume", "1M") as mounted:
        start(state=mounted / "state").stop()
        for path in (mounted / "state").iterdir():
            if path.name not in kept:
                path.unlink()
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        sentence = refused_after(":", "--state", str(mounted / "state"))
        assert "mounted read-only; mount it for writing." in sentence
        assert "mounted read-only" in refused_after(":", "--state", str(mounted / "new"))
        subprocess.run(["mount", "-o", "remount,rw", mounted], check=True)
        assert start("--ledger-reserve", "0", state=mounted / "state").get("/readyz").status == 200


def test_a_ledger_file_that_is_mounted_read_only_is_named(start, tmp_path):
    """Like docker with -v FILE:FILE:ro."""
    state = tmp_path / "state"
    start(state=state).stop()
    ledger = str(state / "ledger.sqlite")
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", ledger, ledger], capture_output=True).returncode != 0:
        pytest.skip("mounting a file system needs root and is not allowed everywhere")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", ledger], check=True)
        assert f"The ledger {ledger} cannot be opened: its volume is mounted read-only" in refused_after(":", "--state", str(state))
    finally:
        subprocess.run(["umount", ledger], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch to another user")
def test_a_ledger_of_another_user_is_refused_with_both_users_named(start):
    with tempfile.TemporaryDirectory(prefix="sower-user-", dir="/tmp") as directory:
        pathlib.Path(directory).chmod(0o755)
        state = pathlib.Path(directory) / "state"
        start(state=state).stop()
        for path in [state, state / "writer.key"]:
            os.chown(path, 65534, 65534)
        sentence = refused_after('exec setpriv --reuid=65534 --clear-groups "$0" "$@"', "--state", str(state))
    assert "the file belongs to user 0 (mode 0600), and sowerd, as user 65534, may not" in sentence
