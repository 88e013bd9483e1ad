"""One machine for each release of Debian, which all tests of a module share."""
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "http"))  # old_ledgers

from machine import RELEASES, Impossible, Machine  # noqa: E402


@pytest.fixture(scope="module", params=list(RELEASES))
def machine(request):
    try:
        booted = Machine(request.param)
    except Impossible as reason:
        pytest.skip(f"THE SERVICE IS NOT TESTED ON {request.param}: {reason}")
    yield booted
    booted.close()


@pytest.fixture
def service(machine):
    """The service, stopped, with the settings and the state that it has after installation."""
    machine.run("systemctl", "stop", "sowerd.socket", "sowerd.service")
    machine.configure("")
    machine.run("sh", "-c", "systemctl reset-failed sowerd.service; rm -rf /var/lib/sower /etc/sower/[rt]*")
    machine.since = time.time()
    yield machine
    machine.run("systemctl", "stop", "sowerd.socket", "sowerd.service")
