"""An attacker's code inside a daemon: the test's side of tests/faults/intruder.c."""
import ctypes
import errno
import os
import pathlib
import signal
import time

from conftest import PATIENCE
from injected import Injected

# In the order of tests/faults/intruder.c.
ATTEMPTS = ["read a file", "create a file", "list a directory", "receive packets", "connect", "bind", "send datagrams",
            "use an abstract socket", "signal another process", "fork", "map writable code", "make code from data",
            "leave a namespace", "make a ring", "ask for keys", "be dumped", "open its own files",
            "execute a program", "execute a file", "trace", "read memory by its address"]
HANG = len(ATTEMPTS)


class Intruder(Injected):
    LIBRARY, VARIABLE = "intruder.so", "SOWER_INTRUDER"
    FIELDS = ["attempt", "port", "process", "outcome", "count"]

    def tries(self, process, thread, attempt):
        """Makes an attempt in a thread. Returns "possible", the name of the error, or "killed"."""
        before = self.count
        self.begin(process, thread, ATTEMPTS.index(attempt))
        end = time.monotonic() + PATIENCE
        while self.count == before:
            if process.poll() is not None:
                return "killed" if process.returncode == -signal.SIGSYS else f"ended with {process.returncode}"
            assert time.monotonic() < end
            time.sleep(0.001)
        return errno.errorcode[self.outcome] if self.outcome else "possible"

    def begin(self, process, thread, number):
        libc = ctypes.CDLL(None, use_errno=True)
        self.attempt = number
        assert libc.tgkill(process.pid, thread, signal.SIGUSR2) == 0, os.strerror(ctypes.get_errno())


def threads_of(process):
    return sorted(int(path.name) for path in pathlib.Path(f"/proc/{process.pid}/task").iterdir())
