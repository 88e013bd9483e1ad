"""A disk that is full, read-only or broken, a locked ledger, a clock that goes back: the daemon serves no new draw, still serves
recorded draws, and recovers without a restart."""
import errno
import json
import os
import resource
import subprocess

import pytest

from broken_ledgers import Locked, Moved, refused, refused_to_start
from chain import check_chains
from conftest import PATIENCE
from disks import disk_of, fill
from injected import faults  # noqa: F401
from sow_programs import SOW
from trials import take
from writing_requests import DRAW, requests_that_write


class Injected:
    """Injects faults until the end of the block."""

    def __init__(self, faults, **fields):  # noqa: F811
        self.faults, self.fields = faults, fields

    def __enter__(self):
        for field, value in self.fields.items():
            setattr(self.faults, field, value)

    def __exit__(self, *_):
        for field in self.fields:
            setattr(self.faults, field, 0)


class Full:
    """No file of the daemon can grow, as on a full disk."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.limits = resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (0, self.limits[1]))

    def __exit__(self, *_):
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, self.limits)


# {name: (function that breaks the ledger, a word of the refusal)}
BROKEN = {
    "full": (lambda daemon, faults: Full(daemon), "disk"),
    "no space": (lambda daemon, faults: Injected(faults, write_error=errno.ENOSPC), "full"),
    "write": (lambda daemon, faults: Injected(faults, write_error=errno.EIO), "I/O error"),
    "read-only": (lambda daemon, faults: Injected(faults, write_error=errno.EROFS), "I/O error"),
    "flush": (lambda daemon, faults: Injected(faults, sync_error=errno.EIO), "I/O error"),
    "locked": (lambda daemon, faults: Locked(daemon), "locked"),
    "moved": (lambda daemon, faults: Moved(daemon), "moved"),
    "clock": (lambda daemon, faults: Injected(faults, clock=8000 * 365 * 86400_000), "clock"),  # a year with five digits
}


def start_on(faults, start, state):  # noqa: F811
    daemon = start(state=state, environment=faults.environment)
    daemon.get("/v1/tensor", **DRAW, name="known")
    assert daemon.get("/v1/tensor", **DRAW, name="forgotten").headers["Sower-Ledger"] == "2"
    assert take(daemon, "faults", key="known") == [0]
    return daemon


@pytest.mark.parametrize("broken", BROKEN)
def test_nothing_new_is_served_during_a_fault_and_the_daemon_recovers(start, tmp_path, faults, broken):  # noqa: F811
    start_on(faults, start, tmp_path / "state").stop()
    daemon = start(state=tmp_path / "state", environment=faults.environment)
    daemon.get("/v1/tensor", **DRAW, name="known")
    daemon.request("PUT", "/v1/experiments/other/pin")  # creates the write-ahead log, and the daemon reads the clock
    lines = daemon.ledger()
    make, words = BROKEN[broken]
    with make(daemon, faults):
        for what, ask in requests_that_write(daemon):
            response = ask()
            assert refused(response), what
            assert words in response.problem()["detail"], (what, response.body)
        for _ in range(2):
            response = daemon.get("/readyz")
            assert refused(response) and words in response.problem()["detail"]
        assert daemon.get("/healthz").status == 200
        assert daemon.get("/v1/tensor", **DRAW, name="known").headers["Sower-Ledger"] == "1"
        assert daemon.get("/v1/tensor", **DRAW, name="forgotten").headers["Sower-Ledger"] == "2", "looked up on disk"
        assert take(daemon, "faults", key="known") == [0]
        assert daemon.ledger() == lines
    recovered = daemon.get("/readyz")
    assert recovered.status == 200, recovered.body
    assert [ask().status for _, ask in requests_that_write(daemon)] == [200] * 5
    assert [line["kind"] for line in daemon.ledger()[len(lines) :]] == ["draw", "draw", "trials", "trials", "pin"]
    check_chains(daemon.ledger())
    lines = daemon.ledger()
    daemon.stop()
    events = [json.loads(line).get("event") for line in daemon.rest_of_log()]
    assert events.count("ledger_failed") == events.count("ledger_recovered") == 1, "logged once at the begin and once at the end"
    assert start(state=tmp_path / "state").ledger() == lines


def clock_events(daemon):
    return [line["event"] for line in daemon.log if line.get("event", "").startswith("clock")]


@pytest.mark.parametrize("milliseconds", [-1, -4000, -3600_000, -20 * 365 * 86400_000])
def test_times_of_lines_never_decrease_when_the_clock_goes_back(start, tmp_path, faults, milliseconds):  # noqa: F811
    """Lines get the time of the last line of their chain until the clock has passed it. Begin and end are logged once each."""
    daemon = start_on(faults, start, tmp_path / "state")
    with Injected(faults, clock=milliseconds):
        assert [ask().status for _, ask in requests_that_write(daemon)] == [200] * 5 and daemon.get("/readyz").status == 200
    lines = daemon.ledger()
    check_chains(lines)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert len({line["time"] for line in lines[3:]}) == 1 or milliseconds >= -4000  # four seconds may pass during the test
    assert daemon.get("/v1/tensor", **DRAW, name="later").status == 200
    daemon.stop()
    daemon.log += [json.loads(line) for line in daemon.rest_of_log()]
    assert clock_events(daemon) == ([] if milliseconds >= -4000 else ["clock_behind", "clock_caught_up"])


def test_lines_are_written_after_the_clock_was_ahead(start, tmp_path, faults):  # noqa: F811
    faults.clock = 30 * 365 * 86400_000
    daemon = start_on(faults, start, tmp_path / "state")
    latest = daemon.ledger()[-1]["time"]
    daemon.stop()
    for turn in range(2):
        daemon = start(state=tmp_path / "state", environment=faults.environment)
        faults.clock = 0
        assert daemon.get("/readyz").status == 200
        behind = daemon.wait_for(lambda line: line.get("event") == "clock_behind")
        assert behind["level"] == "warning" and latest in behind["sentence"]
        for name in ["new", "newer"]:
            assert daemon.get("/v1/tensor", **DRAW, name=f"{name}-{turn}").status == 200
        lines = daemon.ledger()
        assert lines[-1]["time"] == lines[-2]["time"] == latest and len(check_chains(lines).heads) == 1
        daemon.stop()
    assert subprocess.run([SOW, "ledger", "verify", tmp_path / "state" / "ledger.sqlite"], capture_output=True).returncode == 0


def test_no_head_is_signed_with_a_year_of_five_digits(start, faults):  # noqa: F811
    daemon = start(environment=faults.environment)
    with Injected(faults, clock=8000 * 365 * 86400_000):
        assert refused(daemon.get("/v1/ledger/head"))
    assert daemon.get("/v1/ledger/head").status == 200


@pytest.mark.parametrize("fault", ["write_error", "sync_error"])
def test_a_failed_commit_does_not_reappear_and_later_commits_are_not_lost(start, tmp_path, faults, fault):  # noqa: F811
    """Also after a kill: the next daemon flushes the write-ahead log before it reads lines from it."""
    daemon = start_on(faults, start, tmp_path / "state")
    for turn in range(3):
        with Injected(faults, **{fault: errno.EIO}):
            assert refused(daemon.get("/v1/tensor", **DRAW, name=f"failed-{turn}"))
        if turn < 2:
            assert daemon.get("/v1/tensor", **DRAW, name=f"after-{turn}").status == 200
    before = daemon.ledger()
    assert not any(line.get("name", "").startswith("failed") for line in before)
    daemon.process.kill()
    daemon.process.wait(timeout=PATIENCE)
    again = start(state=tmp_path / "state", environment=faults.environment)
    lines = again.ledger()
    assert lines[: len(before)] == before and len(lines) <= len(before) + 1
    for name in ["failed-2", "after-2"]:
        assert again.get("/v1/tensor", **DRAW, name=name).status == 200
    check_chains(again.ledger())


def test_the_daemon_does_not_start_when_it_cannot_flush_the_write_ahead_log(start, tmp_path, faults):  # noqa: F811
    """Lines in the write-ahead log may be only in the kernel's memory. The daemon must write them again first."""
    daemon = start_on(faults, start, tmp_path / "state")
    daemon.process.kill()
    daemon.process.wait(timeout=PATIENCE)
    os.environ.update(faults.environment)
    try:
        with Injected(faults, sync_error=errno.EIO):
            sentence = refused_to_start("--state", str(tmp_path / "state"))
    finally:
        for name in faults.environment:
            del os.environ[name]
    assert "write-ahead log" in sentence and sentence.endswith(".")
    assert len(start(state=tmp_path / "state").ledger()) == 3


def test_a_failed_checkpoint_loses_nothing(start, tmp_path, faults):  # noqa: F811
    """If the checkpoint at the end fails, the write-ahead log stays."""
    daemon = start_on(faults, start, tmp_path / "state")
    lines = daemon.ledger()
    faults.sync_error = errno.EIO
    assert daemon.stop() == 0
    assert faults.failed > 0 and (tmp_path / "state" / "ledger.sqlite-wal").exists()
    faults.sync_error = 0
    again = start(state=tmp_path / "state")
    assert again.ledger() == lines and take(again, "faults") == [1]


@pytest.fixture
def small_disk(tmp_path):
    with disk_of(tmp_path / "small", "1M") as mounted:
        yield mounted


def test_a_ready_daemon_can_record_a_draw(start, tmp_path):
    """For disks of increasing size, around the size where the first draw fits."""
    ready, served = [], []
    for pages in range(44, 72, 2):
        with disk_of(tmp_path / f"{pages}", f"{4 * pages}k") as mounted:
            try:
                daemon = start("--ledger-reserve", "0", state=mounted / "state")
            except AssertionError:  # not even an empty ledger fits
                continue
            for number in range(3):
                ready.append(daemon.get("/readyz").status)
                served.append(daemon.get("/v1/tensor", **DRAW, name=f"w{number}").status)
                # After a recent successful write, /readyz does not test the disk again.
                assert ready[-1] == 503 or served[-1] == 200 or number > 0, (pages, ready, served)
            if served[-1] == 503:
                assert daemon.get("/readyz").status == 503 and "full" in daemon.get("/readyz").problem()["detail"]
            assert len(daemon.ledger()) == served[-3:].count(200), "a probe adds no line"
            daemon.stop()
    assert 503 in ready and 200 in ready


def test_the_daemon_recovers_from_a_really_full_disk(start, small_disk):
    daemon = start("--ledger-reserve", "0", state=small_disk / "state")
    daemon.get("/v1/tensor", **DRAW, name="known")
    fill(small_disk / "filler")
    refusals = [daemon.get("/v1/tensor", **DRAW, name=f"new-{n}") for n in range(3)]
    assert all(refused(response) for response in refusals) and "full" in refusals[0].problem()["detail"]
    assert refused(daemon.get("/readyz")) and daemon.get("/v1/tensor", **DRAW, name="known").status == 200
    (small_disk / "filler").unlink()
    assert daemon.get("/readyz").status == 200 and daemon.get("/v1/tensor", **DRAW, name="new-0").headers["Sower-Ledger"] == "2"
    check_chains(daemon.ledger())
    assert daemon.stop() == 0


def test_the_daemon_does_not_start_on_a_read_only_disk(start, small_disk):
    start("--ledger-reserve", "0", state=small_disk / "state").stop()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    sentence = refused_to_start("--state", str(small_disk / "state"))
    assert "cannot be" in sentence and sentence.startswith("The ") and sentence.endswith(".")
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert start("--ledger-reserve", "0", state=small_disk / "state").get("/readyz").status == 200
