"""--ledger-max and --ledger-reserve: the ledger ends before its disk does, says so, and goes on when there is room again."""
import json
import os
import sqlite3
import time

import pytest

from broken_ledgers import refused
from chain import check_chains
from conftest import PATIENCE
from disks import disk_of, leave
from trials import take
from writing_requests import DRAW, MODEL, requests_that_write

MODEL_OF_MANY = {"experiment": "many", "tensors": [{"name": f"t{n}", "shape": [1]} for n in range(20000)], "defaults": {"init": "normal"}}


def size(state):
    """Bytes of the SQLite ledger."""
    return sum((state / name).stat().st_size for name in ["ledger.sqlite", "ledger.sqlite-wal"] if (state / name).exists())


def draw_until_refused(daemon, name, attempts=20000):
    for number in range(attempts):
        response = daemon.get("/v1/tensor", **DRAW, name=f"{name}-{number}")
        if response.status != 200:
            assert refused(response)
            return response.problem()["detail"]
    raise AssertionError("no draw was refused")


def events(daemon):
    """Stops the daemon. The events of its log about the ledger, in their order."""
    assert daemon.stop() == 0
    found = daemon.log + [json.loads(line) for line in daemon.rest_of_log()]
    return [line["event"] for line in found if line.get("event", "").startswith("ledger_")]


def record_one_of_each(daemon):
    daemon.get("/v1/tensor", **DRAW, name="known")
    assert daemon.post("/v1/model", MODEL).status == 200
    assert take(daemon, "faults", key="known") == [0]


def check_that_only_recorded_things_are_served(daemon, words):
    for what, ask in requests_that_write(daemon):
        response = ask()
        if what != "model":  # is recorded
            assert refused(response), what
            assert words in response.problem()["detail"]
        else:
            assert response.status == 200
    response = daemon.get("/readyz")
    assert refused(response) and words in response.problem()["detail"]
    assert refused(daemon.post("/v1/model", {**MODEL, "experiment": "new"})) and refused(daemon.post("/v1/draws", {**MODEL, "experiment": "new"}))
    assert refused(daemon.post("/v1/manifests", {**MODEL, "tensors": [{"name": "other", "shape": [3]}]}))
    assert daemon.get("/healthz").status == 200
    assert daemon.get("/v1/tensor", **DRAW, name="known").status == 200
    assert daemon.post("/v1/draws", MODEL).json()["draws"][0]["name"] == "t"
    assert take(daemon, "faults", key="known") == [0]


def test_a_sqlite_ledger_does_not_grow_beyond_its_maximum(start, tmp_path):
    """The write-ahead log counts, but it is emptied before a draw is refused: the database itself reaches the maximum."""
    state, maximum = tmp_path / "state", 600 << 10
    daemon = start("--ledger-max", "600K", state=state)
    record_one_of_each(daemon)
    detail = draw_until_refused(daemon, "new")
    assert "--ledger-max" in detail and f"may have {maximum} bytes" in detail and f"has {size(state)} bytes" in detail
    assert maximum <= size(state) < maximum + (128 << 10) and (state / "ledger.sqlite").stat().st_size > maximum * 0.8
    check_that_only_recorded_things_are_served(daemon, "--ledger-max")
    lines = daemon.ledger()
    assert events(daemon) == ["ledger_nearly_full", "ledger_full"], "logged once each"
    again = start("--ledger-max", "600K", state=state)
    assert "--ledger-max" in again.get("/readyz").problem()["detail"], "also after a restart, when nothing is in memory"
    check_that_only_recorded_things_are_served(again, "--ledger-max")
    assert again.ledger() == lines
    assert again.stop() == 0
    larger = start("--ledger-max", "100M", state=state)
    assert [ask().status for _, ask in requests_that_write(larger)] == [200] * 5 and larger.get("/readyz").status == 200
    check_chains(larger.ledger())


def test_a_write_ahead_log_that_somebody_reads_does_not_hold_the_daemon_above_the_limit_for_ever(start, tmp_path):
    state = tmp_path / "state"
    daemon = start("--ledger-max", "2M", state=state)
    daemon.get("/v1/tensor", **DRAW, name="known")
    reader = sqlite3.connect(state / "ledger.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM line").fetchone()  # the log cannot be emptied while this transaction is open
    draw_until_refused(daemon, "new")
    assert (state / "ledger.sqlite").stat().st_size < 1 << 20 and refused(daemon.get("/readyz"))
    reader.execute("COMMIT")
    reader.close()
    deadline = time.monotonic() + PATIENCE
    while daemon.get("/readyz").status != 200:  # tries to empty the log once a second
        assert time.monotonic() < deadline
    assert daemon.get("/v1/tensor", **DRAW, name="later").status == 200 and size(state) < 2 << 20
    check_chains(daemon.ledger())
    assert events(daemon) == ["ledger_nearly_full", "ledger_full", "ledger_recovered"]


def test_a_model_that_has_no_room_is_refused_before_its_first_step(start, tmp_path):
    """Its 20,000 draws would be recorded in two steps. The ledger is not full: smaller requests go on."""
    daemon = start("--ledger-max", "8M", state=tmp_path / "state")
    response = daemon.post("/v1/draws", MODEL_OF_MANY)
    assert refused(response) and "no request that adds some 21" in response.problem()["detail"]
    assert daemon.ledger() == [] and daemon.get("/readyz").status == 200
    assert daemon.get("/v1/tensor", **DRAW, name="small").status == 200
    assert events(daemon) == []
    larger = start("--ledger-max", "1G", state=tmp_path / "state")
    assert len(larger.post("/v1/draws", MODEL_OF_MANY).json()["draws"]) == 20000
    assert larger.stop() == 0
    small = start("--ledger-max", "8M", state=tmp_path / "state")
    assert len(small.post("/v1/draws", MODEL_OF_MANY).json()["draws"]) == 20000, "it is recorded, which needs no room"


def test_the_reserve_of_a_disk_from_the_first_warning_to_the_recovery(start, tmp_path):
    with disk_of(tmp_path / "disk", "16M") as disk:
        daemon = start("--ledger-reserve", "4M", state=disk / "state")
        record_one_of_each(daemon)
        leave(disk, 6 << 20)
        assert daemon.get("/v1/tensor", **DRAW, name="warned").status == 200
        line = daemon.wait_for(lambda line: line.get("event") == "ledger_nearly_full")
        assert line["level"] == "warning" and "4.0 MiB" in line["sentence"] and str(disk) not in line["sentence"]
        detail = draw_until_refused(daemon, "new")
        assert "--ledger-reserve" in detail and "4.0 MiB" in detail
        line = daemon.wait_for(lambda line: line.get("event") == "ledger_full")
        assert line["level"] == "error" and "--ledger-reserve" in line["sentence"]
        check_that_only_recorded_things_are_served(daemon, "--ledger-reserve")
        status = os.statvfs(disk)
        assert status.f_bavail * status.f_frsize > 3 << 20, "the reserve is untouched, but for one transaction"
        (disk / "filler").unlink()
        assert daemon.get("/readyz").status == 200
        assert daemon.get("/v1/tensor", **DRAW, name="recovered").status == 200
        check_chains(daemon.ledger())
        assert events(daemon) == ["ledger_nearly_full", "ledger_full", "ledger_recovered"]


def test_64_mebibytes_stay_free_by_default_and_0_uses_the_disk_to_its_end(start, tmp_path):
    with disk_of(tmp_path / "disk", "60M") as disk:
        daemon = start(state=disk / "state")
        assert "64.0 MiB" in daemon.get("/readyz").problem()["detail"] and refused(daemon.get("/v1/tensor", **DRAW, name="w"))
        daemon.stop()
        daemon = start("--ledger-reserve", "0", state=disk / "state")
        assert daemon.get("/readyz").status == 200 and daemon.get("/v1/tensor", **DRAW, name="w").status == 200
        leave(disk, 0)
        assert "full" in draw_until_refused(daemon, "new")
        assert events(daemon) == ["ledger_failed"]


def test_a_postgresql_ledger_does_not_grow_much_beyond_its_maximum(start, postgres):
    """Its size is asked for every few seconds. The reserve has no effect, as the daemon does not know the database's disk."""
    postgres.create("limited")
    daemon = start("--ledger", postgres.url("limited"), "--ledger-max", "4M", "--ledger-reserve", "1000G")
    record_one_of_each(daemon)
    assert daemon.get("/readyz").status == 200
    many = {**MODEL_OF_MANY, "tensors": MODEL_OF_MANY["tensors"][:14000]}
    assert daemon.post("/v1/draws", many).status == 200
    deadline = time.monotonic() + PATIENCE
    while daemon.get("/readyz").status == 200:
        assert time.monotonic() < deadline
    assert "--ledger-max" in daemon.get("/readyz").problem()["detail"]
    check_that_only_recorded_things_are_served(daemon, "--ledger-max")
    assert daemon.post("/v1/draws", many).status == 200
    assert [event for event in events(daemon) if event != "ledger_nearly_full"] == ["ledger_full"]
    larger = start("--ledger", postgres.url("limited"), "--ledger-max", "1G")
    assert [ask().status for _, ask in requests_that_write(larger)] == [200] * 5
    check_chains(larger.ledger())
