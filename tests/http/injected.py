"""Faults that are injected into a daemon: tests/faults/faults.c, preloaded."""
import mmap
import os
import pathlib
import struct

import pytest

from conftest import SOWERD

LIBRARY = pathlib.Path(SOWERD).parent / "tests/faults/faults.so"
FIELDS = ["write_error", "sync_error", "clock", "kill_at", "changes", "failed", "hold"]


class Faults:
    """What goes wrong in a daemon that is started with `environment`; a field is set or read at any time."""

    def __init__(self, directory):
        if not LIBRARY.exists():
            pytest.skip(f"{LIBRARY} is not built")
        path = pathlib.Path(directory) / "faults"
        path.write_bytes(bytes(8 * len(FIELDS)))
        with open(path, "r+b") as file:
            object.__setattr__(self, "memory", mmap.mmap(file.fileno(), 8 * len(FIELDS)))
        # The sanitizers' library wants to be first, and does its work behind this one as well.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        object.__setattr__(self, "environment", {"LD_PRELOAD": str(LIBRARY), "SOWER_FAULTS": str(path), "ASAN_OPTIONS": sanitizer.lstrip(":")})

    def __getattr__(self, field):
        return struct.unpack_from("<q", self.memory, 8 * FIELDS.index(field))[0]

    def __setattr__(self, field, value):
        struct.pack_into("<q", self.memory, 8 * FIELDS.index(field), value)


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path)
