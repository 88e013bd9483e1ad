"""Containers and volumes for the tests of the image."""
import os
import pathlib
import sys
import uuid

import pytest

from engine import OPEN, Container, podman

TOOLS = pathlib.Path(os.environ["BUILD"]) / "image/tools/bin"
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http"))  # old_ledgers, tokens


@pytest.fixture(params=["12", "13"], ids=["debian-12", "debian-13"])
def image(request):
    return f"localhost/sower:{request.param}"


@pytest.fixture
def start(image):
    """Starts containers of an image, open to everybody unless `options` say more."""
    started = []

    def start_container(*options, image=image, **keywords):
        started.append(Container(image, *OPEN, *options, **keywords))
        return started[-1]

    yield start_container
    for container in started:
        container.remove()


@pytest.fixture
def volume():
    """The name of a volume that does not exist yet."""
    name = f"sower-{uuid.uuid4().hex}"
    yield name
    podman("volume", "rm", "--force", name, check=False)


@pytest.fixture
def outside(tmp_path):
    """A folder of this machine that containers can use as a volume."""
    for path in [tmp_path, *list(tmp_path.parents)[:2]]:
        path.chmod(0o755)
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder
