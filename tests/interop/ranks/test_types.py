"""The types of sower.torch, checked with those of torch. make check-python checks the rest of the package, without torch."""
import subprocess
import sys

import pytest
from conftest import ROOT, SOWERD

pytest.importorskip("torch")


def test_the_types_are_strict():
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", SOWERD.parent / "mypy", "src/sower"]
    done = subprocess.run(command, cwd=ROOT / "client/python", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
