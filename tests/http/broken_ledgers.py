"""Context managers that make the ledger of a running daemon fail, and checks of how the daemon refuses."""
import fcntl
import pathlib
import resource
import sqlite3
import subprocess

from conftest import PATIENCE, SOWERD, why_it_ended
from write_ahead_log import wal


class Locked:
    """Another connection holds the write lock of the ledger. To SQLite, a connection is like another process."""

    def __init__(self, daemon):
        self.path = pathlib.Path(daemon.state) / "ledger.sqlite"

    def __enter__(self):
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


class Full:
    """The daemon cannot write any file beyond the current size of the write-ahead log, as on a full disk."""

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        self.limits = resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE)
        size = wal(self.daemon).stat().st_size
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (size, self.limits[1]))

    def __exit__(self, *_):
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, self.limits)


class Moved:
    """The file of the ledger has another name."""

    def __init__(self, daemon):
        self.path = pathlib.Path(daemon.state) / "ledger.sqlite"

    def __enter__(self):
        self.path.rename(self.path.with_suffix(".away"))

    def __exit__(self, *_):
        self.path.with_suffix(".away").rename(self.path)


class Unreadable:
    """Another process holds all reader locks of the write-ahead log: every reader waits."""

    def __init__(self, daemon):
        self.path = daemon.state / "ledger.sqlite-shm"

    def __enter__(self):
        self.file = open(self.path, "r+b")
        fcntl.lockf(self.file, fcntl.LOCK_EX, 5, 123)  # WAL_READ_LOCK(0) to (4), at the offsets of SQLite's file format
        return self

    def __exit__(self, *_):
        self.file.close()


def refused(response):
    """Asserts that a response is the 503 of a ledger that cannot be written."""
    assert response.status == 503, (response.status, response.body)
    assert int(response.headers["Retry-After"]) >= 1
    assert "ledger" in response.problem()["detail"]
    assert "Sower-Seed" not in response.headers
    return True


def refused_to_start(*options):
    """The error sentence of a daemon that cannot start with these options."""
    done = subprocess.run([SOWERD, "--listen", "127.0.0.1:0", *options], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    return why_it_ended(done.stderr)
