"""The unit of systemd confines the daemon as far as systemd can judge."""
import pathlib
import shutil
import subprocess

import pytest

UNIT = pathlib.Path(__file__).resolve().parents[2] / "systemd/sowerd.service"
HIGHEST = 13  # tenths; systemd-analyze calls up to 1.9 "OK", and a unit without any limits 9.6


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="THE UNIT'S EXPOSURE IS NOT TESTED: there is no systemd-analyze here")
def test_the_units_exposure_is_low():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={HIGHEST}", "--no-pager", UNIT],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and "Overall exposure level" in done.stdout, done.stdout
