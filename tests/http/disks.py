"""Small file systems, so that a disk is really full or really read-only. Only root can mount them."""
import contextlib
import os
import subprocess

import pytest


@contextlib.contextmanager
def disk_of(directory, size):
    """A file system of its own, of so many bytes."""
    directory.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True).returncode != 0:
        pytest.skip("only root can mount, and not everywhere")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(path):
    with open(path, "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            assert filler.write(bytes(4096)) > 0
