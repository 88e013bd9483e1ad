"""The unit of systemd is valid, and confines the daemon as far as systemd can judge."""
import pathlib
import shutil
import subprocess

import pytest

UNITS = pathlib.Path(__file__).resolve().parents[2] / "systemd"
HIGHEST = 13  # tenths; systemd-analyze calls up to 1.9 "OK", and a unit without any limits 9.6

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="THE UNIT IS NOT TESTED: there is no systemd-analyze here")


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", "--no-pager", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def test_the_units_exposure_is_low():
    code, text = analyze("security", "--offline=true", f"--threshold={HIGHEST}", UNITS / "sowerd.service")
    assert code == 0 and "Overall exposure level" in text, text


def test_the_unit_and_the_socket_are_valid(tmp_path):
    for name in ("sowerd.service", "sowerd.socket"):
        (tmp_path / name).write_text((UNITS / name).read_text().replace("/usr/local/bin/sowerd", "/bin/true"))
    assert analyze("verify", "--man=no", tmp_path / "sowerd.service", tmp_path / "sowerd.socket") == (0, "")
