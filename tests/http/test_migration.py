"""Migration of a ledger of an older version when the daemon starts: complete, also after a kill."""
import os
import signal
import sqlite3
import subprocess

import pytest

from broken_ledgers import refused_to_start
from chain import check_chains
from conftest import PATIENCE, SOWERD, Daemon
from injected import faults  # noqa: F401
from old_ledgers import BLOCKS, LATEST, TIMES, make_old_ledger
from trials import take

MANIFEST = {"tensors": [{"name": f"layers.{n}.weight", "shape": [3, n + 1]} for n in range(5)], "defaults": {"init": "he_normal"}}
TENSORS = [
    dict(name="w", shape="4,6", init="normal"),
    dict(name="w", shape="4,6", init="normal(std=0.5)"),  # drifts from the previous draw
    dict(name="scalar", shape="", init="zeros"),
    dict(name="ü/=\n", shape="2,3,4,5", init="he_normal", dtype="bf16", layout="io", in_axis="-1,0", out_axis="2", batch_axis="1"),
    dict(name="w", shape="6,4", init="normal"),  # drifts too
    dict(name="w", shape="4,6", init="normal", trial="9223372036854775807"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Lines of draws and rows of manifests that an older daemon would have written, under two roots."""
    state = tmp_path_factory.mktemp("written") / "state"
    key = state.parent / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    for options in [(), ("--root-key-file", str(key))]:
        daemon = Daemon(state, *options)
        for fields in TENSORS:
            assert daemon.get("/v1/tensor", experiment="e", **fields).status == 200
        assert daemon.post("/v1/model", {**MANIFEST, "experiment": "model"}).status == 200
        for number in range(20):
            assert daemon.get("/v1/tensor", experiment=f"e{number % 3}", name=f"{number}", shape="2", init="normal").status == 200
        lines = daemon.ledger()
        assert daemon.stop() == 0
    database = sqlite3.connect(state / "ledger.sqlite")
    manifests = database.execute("SELECT hash, time, text FROM manifest").fetchall()
    database.close()
    assert len(lines) == 2 * 31 and len(manifests) == 1
    return lines, manifests


def check_migrated(daemon, old):
    """Every old line is there and draws keep their numbers. The chain is complete. New lines follow."""
    lines = daemon.ledger()
    draws = [line for line in old if line["kind"] == "draw"]
    blocks = [line for line in old if line["kind"] == "trials"]
    place = {"ledger", "writer", "sequence", "link"}
    stripped = [{key: value for key, value in line.items() if key not in place} for line in lines]
    assert [{"ledger": line["ledger"], **rest} for line, rest in zip(lines, stripped)][: len(draws)] == draws
    order = lambda line: sorted((key, str(value)) for key, value in line.items())
    assert sorted(stripped[len(draws) :], key=order) == sorted(blocks, key=order)
    chains = check_chains(lines)
    assert list(chains.heads) == [daemon.log[-1]["writer"]], "one chain, of the daemon that migrated the ledger"
    assert {line.get("drift") for line in lines if line["name" if line["kind"] == "draw" else "kind"] == "w" and line["experiment"] == "e"} == {
        None, 1, 32}
    for line in draws[:10]:
        fields = {key: line[key] for key in ["experiment", "trial", "name", "dtype", "init"]} | {"shape": ",".join(map(str, line["shape"]))}
        if line["layout"] == "oi":
            response = daemon.get("/v1/tensor", **fields)
            assert (response.status, response.headers["Sower-Ledger"]) == (200, str(line["ledger"]))
    assert daemon.ledger() == lines
    if blocks:
        assert take(daemon, "e", key="a key", count=3) == [0, 1, 2] and take(daemon, "e", key="b", count=1000000)[0] == 4
        assert take(daemon, "only trials", key="a key") == [0] and daemon.ledger() == lines
    first = BLOCKS[-1][0] + BLOCKS[-1][1] if blocks else 0
    assert take(daemon, "e") == [first] and take(daemon, "only trials") == [1 if blocks else 0]
    assert daemon.get("/v1/tensor", experiment="new", name="w", shape="3", init="normal").headers["Sower-Ledger"] == str(len(lines) + 3)
    check_chains(daemon.ledger())


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_old_ledger_is_migrated_line_by_line(start, tmp_path, written, version):
    path = tmp_path / "state" / "ledger.sqlite"
    old = make_old_ledger(path, version, written)
    daemon = start(state=tmp_path / "state")
    events = [line["event"] for line in daemon.log if line["event"] not in ("file_mode", "sandbox")]
    assert events == ["listening", "ledger_upgrade", "ready"], "the migration is logged before it is done"
    check_migrated(daemon, old)
    kept = daemon.get("/v1/manifests", manifest=written[1][0][0].hex())
    assert kept.status == (404 if version == 1 else 200)
    assert version == 1 or kept.body == written[1][0][2] + b"\n"
    lines = daemon.ledger()
    daemon.stop()
    assert start(state=tmp_path / "state").ledger() == lines


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_migrated_ledger_has_the_tables_and_indexes_of_a_new_one(start, tmp_path, written, version):
    make_old_ledger(tmp_path / "old" / "ledger.sqlite", version, written)
    schemas = []
    for state in ["old", "new"]:
        start(state=tmp_path / state).stop()
        database = sqlite3.connect(tmp_path / state / "ledger.sqlite")
        assert database.execute("PRAGMA user_version").fetchone() == (LATEST,)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schemas.append(sorted(database.execute("SELECT name, sql FROM sqlite_schema").fetchall()))
        database.close()
    assert schemas[0] == schemas[1]


def test_an_empty_old_ledger_is_migrated(start, tmp_path):
    make_old_ledger(tmp_path / "state" / "ledger.sqlite", 2, ([], []))
    daemon = start(state=tmp_path / "state")
    assert daemon.ledger() == [] and take(daemon, "e") == [0]


@pytest.mark.parametrize("version", [1, 3])
def test_decreasing_times_in_an_old_ledger_are_kept(start, tmp_path, written, version):
    old = make_old_ledger(tmp_path / "state" / "ledger.sqlite", version, written, times=TIMES[::-1])
    assert old[0]["time"] > old[1]["time"]
    check_migrated(start(state=tmp_path / "state"), old)


def kill_at(faults, state, number):
    """Starts a daemon that is killed at its n-th change of the ledger's files. Returns False if the daemon makes fewer and stops."""
    faults.kill_at, faults.changes = number, 0
    process = subprocess.Popen([SOWERD, "--listen", "127.0.0.1:0", "--state", str(state)], stderr=subprocess.PIPE,
                               env={**os.environ, **faults.environment})
    started = any(b'"ready"' in line for line in iter(process.stderr.readline, b""))
    if started:
        process.send_signal(signal.SIGTERM)
    status = process.wait(timeout=PATIENCE)
    process.stderr.close()
    assert status == -signal.SIGKILL or (started and status == 0), (status, started)
    return status != 0


@pytest.mark.parametrize("version", [1, 2, 3])
def test_repeated_kills_during_a_migration_lose_nothing(start, tmp_path, written, faults, version):  # noqa: F811
    state = tmp_path / "state"
    old = make_old_ledger(state / "ledger.sqlite", version, written)
    kills = 0
    for number in range(1, 10_000):
        if not kill_at(faults, state, number):
            break
        kills += 1
    assert kills > 20, "a migration makes many changes"
    check_migrated(start(state=state), old)


def test_one_kill_at_any_moment_of_a_migration_loses_nothing(start, tmp_path, written, faults):  # noqa: F811
    """Starts from the old file each time, so that the kills cover the whole first migration."""
    source = tmp_path / "source"
    old = make_old_ledger(source / "ledger.sqlite", 3, written)
    content = (source / "ledger.sqlite").read_bytes()
    for number in range(1, 10_000, 7):
        state = tmp_path / f"killed-{number}"
        state.mkdir()
        (state / "ledger.sqlite").write_bytes(content)
        if not kill_at(faults, state, number):
            break
        check_migrated(start(state=state), old)
    assert number > 20


def test_an_old_ledger_with_a_damaged_line_is_refused_and_not_changed(tmp_path, written):
    path = tmp_path / "state" / "ledger.sqlite"
    make_old_ledger(path, 2, written)
    database = sqlite3.connect(path)
    root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'draw'").fetchone()[0]
    size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : root * size] = b"\xff" * size
    path.write_bytes(content)
    sentence = refused_to_start("--state", str(path.parent))
    assert "malformed" in sentence and sentence.endswith(".")
    assert path.read_bytes() == content


@pytest.mark.parametrize("version", [-1, 0, LATEST + 1, 2**31 - 1])
def test_an_unknown_version_is_refused_with_a_sentence(start, tmp_path, version):
    path = tmp_path / "state" / "ledger.sqlite"
    start(state=tmp_path / "state").stop()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    content = path.read_bytes()
    assert ("newer sowerd" if version > LATEST else "another program") in refused_to_start("--state", str(tmp_path / "state"))
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [100, 4096, 5000, -4096])
def test_a_truncated_file_is_refused_with_a_sentence(start, tmp_path, size):
    daemon = start(state=tmp_path / "state")
    for number in range(50):
        daemon.get("/v1/tensor", experiment="e", name=f"w{number}", shape="2", init="normal")
    daemon.stop()
    path = tmp_path / "state" / "ledger.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[:size])
    sentence = refused_to_start("--state", str(tmp_path / "state"))
    assert sentence.startswith("The ledger ") and sentence.endswith(".")
