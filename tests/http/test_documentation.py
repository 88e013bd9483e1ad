"""What the documents say is what the programs do."""
import hashlib
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from conftest import ROOT

README = (ROOT / "README.md").read_text()
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()


def test_the_catalogue_in_the_spec_is_the_programs():
    subprocess.run([ROOT / "tests/documentation", BUILD], check=True)


def test_the_digest_in_the_readme_is_the_daemons(daemon):
    seed, draw, digest = (re.search(rf"^{key} +([0-9a-f]{{64}})", README, re.M).group(1) for key in ("seed", "draw", "digest"))
    answer = daemon.get("/v1/tensor?experiment=exp-42&name=w&shape=4096,4096&init=he_normal&format=raw")
    assert (answer.headers["Sower-Seed"], answer.headers["Sower-Draw"]) == (seed, draw)
    assert hashlib.blake2b(answer.body, digest_size=32).hexdigest() == digest


CURLS = [line for line in re.findall(r"^(curl .*(?:\\\n.*)*)", README, re.M) if "7697/" in line]
SOWS = re.findall(r"^(sow .*?)(?: +#.*)?$", README, re.M)


def test_the_readme_has_examples():
    assert len(CURLS) >= 5 and len(SOWS) >= 4


@pytest.mark.parametrize("command", CURLS)
def test_a_curl_example_of_the_readme_works(daemon, tmp_path, command):
    """With a smaller tensor, and this daemon's port."""
    command = command.replace("127.0.0.1:7697", f"127.0.0.1:{daemon.port}").replace("\\\n", " ")
    command = command.replace("4096,4096", "64,64")
    subprocess.run(["curl", "-sSf", *shlex.split(command)[1:]], cwd=tmp_path, check=True)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where the examples with sow run, in their order, with the files that the README writes."""
    path = tmp_path_factory.mktemp("examples")
    for name, text in re.findall(r"^cat > (\S+) <<'END'\n(.*?)^END$", README, re.M | re.S):
        (path / name).write_text(text)
    return path


@pytest.mark.parametrize("command", SOWS)
def test_a_sow_example_of_the_readme_works(daemon, directory, command):
    environment = {**os.environ, "SOW_SERVER": f"http://127.0.0.1:{daemon.port}"}
    arguments = shlex.split(command.replace("4096,4096", "64,64"))[1:]
    subprocess.run([BUILD / "sow", *arguments], cwd=directory, env=environment, check=True)
