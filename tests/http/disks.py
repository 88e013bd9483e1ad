"""Small file systems that can be really full or really read-only. Only root can mount them."""
import contextlib
import os
import subprocess

import pytest


@contextlib.contextmanager
def disk_of(directory, size):
    """Mounts a file system of `size` bytes on a new directory."""
    directory.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True).returncode != 0:
        pytest.skip("mounting a file system needs root and is not allowed everywhere")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(path):
    """Writes a file until the disk is full."""
    with open(path, "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            assert filler.write(bytes(4096)) > 0


def leave(disk, free):
    """Writes `filler` on a disk so that `free` bytes are left."""
    status = os.statvfs(disk)
    with open(disk / "filler", "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, status.f_bavail * status.f_frsize - free)
