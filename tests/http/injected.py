"""Injects faults into a program with a preloaded library of tests/faults."""
import mmap
import os
import pathlib
import struct

import pytest

from conftest import SOWERD


class Injected:
    """Controls the library in a program that is started with `environment`. A test may set and read a field at any time."""

    LIBRARY, VARIABLE, FIELDS = None, None, None

    def __init__(self, directory):
        library = pathlib.Path(SOWERD).parent / "tests/faults" / self.LIBRARY
        if not library.exists():
            pytest.skip(f"{library} is not built")
        path = pathlib.Path(directory) / self.LIBRARY
        path.write_bytes(bytes(8 * len(self.FIELDS)))
        with open(path, "r+b") as file:
            object.__setattr__(self, "memory", mmap.mmap(file.fileno(), 8 * len(self.FIELDS)))
        # AddressSanitizer requires to be the first library, but also works after this one.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        object.__setattr__(self, "environment", {"LD_PRELOAD": str(library), self.VARIABLE: str(path), "ASAN_OPTIONS": sanitizer.lstrip(":")})

    def __getattr__(self, field):
        return struct.unpack_from("<q", self.memory, 8 * self.FIELDS.index(field))[0]

    def __setattr__(self, field, value):
        struct.pack_into("<q", self.memory, 8 * self.FIELDS.index(field), value)


class Faults(Injected):
    """Faults of writes, of flushes and of the clock: tests/faults/faults.c."""

    LIBRARY, VARIABLE = "faults.so", "SOWER_FAULTS"
    FIELDS = ["write_error", "sync_error", "clock", "kill_at", "changes", "failed", "hold"]


class Memory(Injected):
    """Failing allocations: tests/faults/memory.c."""

    LIBRARY, VARIABLE = "memory.so", "SOWER_MEMORY"
    FIELDS = ["armed", "first", "last", "count", "failed", "held", "started", "forks_at", "onward", "from", "most", "step"]
    AT_MAIN, AT_LIBCURL = 1, 2
    # Messages of crashes outside of the program: OpenSSL 3.5 when libcurl initializes it, AddressSanitizer for a new thread.
    ENDS_OF_OTHERS = [b"OpenSSL internal error: assertion failed", b"AddressSanitizer: CHECK failed: sanitizer_"]

    def arm(self, first, last):
        """From now on the allocations with these numbers fail, counted from 1."""
        self.first, self.last, self.count, self.failed = first, last, 0, 0
        self.armed = 1

    def fork_each(self, point, onward, start=1, most=1 << 60, step=1):
        """A program that is started from now on has a child for each of these allocations."""
        self.armed, self.forks_at, self.onward, self.most, self.step = 0, point, onward, most, step
        setattr(self, "from", start)


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path)
