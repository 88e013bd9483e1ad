"""Backups of the ledger while the daemon writes, and daemons on restored backups."""
import concurrent.futures
import itertools
import shutil
import sqlite3
import subprocess
import threading

import pytest

from chain import Chains, check_chains
from conftest import PATIENCE
from trials import path, take

DRAW = dict(experiment="backup", shape="8", init="normal")


def online_backup(source, target):
    """SQLite's online backup inside a read transaction, a few pages at a time, so that the daemon writes in between."""
    with sqlite3.connect(source, isolation_level=None) as reader, sqlite3.connect(target) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM sqlite_schema").fetchone()
        reader.backup(writer, pages=5)
        reader.execute("COMMIT")
    reader.close()
    writer.close()


def vacuum(source, target):
    with sqlite3.connect(source, isolation_level=None) as reader:
        reader.execute("VACUUM INTO ?", (str(target),))
    reader.close()


def run_shell(source, *commands):
    if shutil.which("sqlite3") is None:
        pytest.skip("the sqlite3 shell is not installed")
    subprocess.run(["sqlite3", source, ".timeout 10000", *commands], check=True, timeout=PATIENCE, stdout=subprocess.DEVNULL)


def shell_vacuum(source, target):
    run_shell(source, f"VACUUM INTO '{target}'")


def shell_backup(source, target):
    run_shell(source, "BEGIN", "SELECT 1 FROM sqlite_schema", f".backup '{target}'")


def enlarge(ledger):
    """Adds 30 MiB, so that the daemon writes while a backup runs."""
    with sqlite3.connect(ledger) as database:
        columns = [name for _, name, *_ in database.execute("PRAGMA table_info(manifest)")]
        assert columns == ["hash", "time", "text"]
        database.executemany("INSERT INTO manifest VALUES (?, 0, ?)", ((number.to_bytes(32, "big"), bytes(1 << 20)) for number in range(30)))
    database.close()


@pytest.mark.parametrize("back_up", [online_backup, vacuum, shell_backup, shell_vacuum])
def test_a_backup_while_the_daemon_writes_is_a_complete_ledger(start, tmp_path, back_up):
    daemon = start(state=tmp_path / "state")
    for number in range(200):
        daemon.get("/v1/tensor", **DRAW, name=f"before-{number}")
    take(daemon, "backup", key="key", count=3)
    enlarge(tmp_path / "state" / "ledger.sqlite")
    done, recorded = threading.Event(), []

    def write(client):
        for number in itertools.count():
            response = daemon.get("/v1/tensor", **DRAW, name=f"{client}-{number}")
            recorded.append((response.headers["Sower-Ledger"], response.headers["Sower-Draw"]))
            if done.is_set():
                return

    restored = tmp_path / "restored"
    restored.mkdir()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, client) for client in range(3)]
        try:
            while not recorded:
                daemon.get("/healthz")
            at_least = len(recorded)
            back_up(tmp_path / "state" / "ledger.sqlite", restored / "ledger.sqlite")
        finally:
            done.set()
        [writer.result() for writer in writers]
    shutil.copy(tmp_path / "state" / "writer.key", restored)
    lines = daemon.ledger()
    check_chains(lines)
    copy = start(state=restored)
    kept = copy.ledger()
    assert kept == lines[: len(kept)] and len(kept) >= 201 + at_least
    assert take(copy, "backup", key="key", count=3) == [0, 1, 2]
    for line in kept[-5:]:
        assert line["kind"] != "draw" or copy.get("/v1/tensor", **DRAW, name=line["name"]).headers["Sower-Ledger"] == str(line["ledger"])


def back_up_and_continue(start, tmp_path):
    """Backs up the state of a daemon, which then writes more. Returns the backup and all lines of the daemon."""
    state, backup = tmp_path / "state", tmp_path / "backup"
    daemon = start(state=state)
    daemon.get("/v1/tensor", **DRAW, name="w")
    assert take(daemon, "backup") == [0]
    backup.mkdir()
    online_backup(state / "ledger.sqlite", backup / "ledger.sqlite")
    shutil.copy(state / "writer.key", backup)
    assert take(daemon, "backup") == [1]
    daemon.get("/v1/tensor", **DRAW, name="later")
    lines = daemon.ledger()
    daemon.stop()
    return backup, lines


def test_an_older_backup_with_the_same_key_forks_the_chain(start, tmp_path):
    """The documentation warns of this: two lines have the same place in one chain. Saved lines or a saved head show the fork."""
    backup, lines = back_up_and_continue(start, tmp_path)
    restored = start(state=backup)
    assert restored.ledger() == lines[:2]
    assert take(restored, "backup", count=2) == [1, 2], "trial 1 is given out again"
    forked = restored.ledger()
    check_chains(forked)
    assert forked[2]["sequence"] == lines[2]["sequence"] and forked[2]["writer"] == lines[2]["writer"]
    assert forked[2]["link"] != lines[2]["link"]


def test_an_older_backup_with_a_new_key_starts_a_new_chain(start, tmp_path):
    """The documentation says to do this: a new chain, and a request that skips the trial numbers given out since the backup."""
    backup, lines = back_up_and_continue(start, tmp_path)
    (backup / "writer.key").unlink()
    restored = start(state=backup)
    assert restored.request("POST", path("backup", count=1000)).status == 200
    assert take(restored, "backup") == [1001]
    seed = next(line["seed"] for line in lines if line.get("name") == "later")
    assert restored.get("/v1/tensor", **DRAW, name="later").headers["Sower-Seed"] == seed, "the same names give the same bits"
    chains = Chains()
    for line in restored.ledger():
        chains.add(line)
    assert len(chains.heads) == 2
    places = [(line["writer"], line["sequence"]) for line in restored.ledger()[2:] + lines]
    assert len(set(places)) == len(places), "no two lines have the same place in a chain"
