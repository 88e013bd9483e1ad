"""schemathesis finds nothing: the daemon answers thousands of generated requests, right and wrong ones, as proto/openapi.json says."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import Daemon
from tokens import Token, write_tokens

HERE = pathlib.Path(__file__).resolve().parent
SCHEMATHESIS = pathlib.Path(sys.executable).parent / "schemathesis"


def check(daemon, directory, examples, description, *options):
    """`examples`: random requests for each operation. The phase "coverage" adds thousands that are not random."""
    command = [SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", description, "--url", daemon.url("/"), "--no-color",
               "--max-examples", str(examples), *options]
    variables = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=directory, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    figures = re.search(r"^ +(\d+) generated, (\d+) passed", done.stdout, re.M)
    assert done.returncode == 0 and figures, done.stdout
    assert int(figures[1]) > 5000 and daemon.stop() == 0
    print(figures[0])


def test_a_daemon_answers_as_its_description_says(tmp_path):
    daemon = Daemon(tmp_path / "state")
    check(daemon, tmp_path, 20, daemon.url("/openapi.json"))


def with_tokens(daemon, path):
    """A file with the description as it is for a daemon with tokens: no request goes without, {}. So schemathesis looks for ways around."""
    description = daemon.get("/openapi.json").json()
    for part in [description, *(operation for item in description["paths"].values() for operation in item.values())]:
        if "security" in part:
            part["security"] = [needed for needed in part["security"] if needed != {}]
    path.write_text(json.dumps(description))
    return path


def test_a_strict_daemon_with_a_root_key_and_tokens_does_so_too(tmp_path):
    token, key = Token("all"), tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    daemon = Daemon(tmp_path / "state", "--strict", "--root-key-file", str(key), "--tokens", str(write_tokens(tmp_path / "tokens", token)))
    description = with_tokens(daemon, tmp_path / "openapi.json")
    check(daemon, tmp_path, 8, description, "--header", f"Authorization: {token.headers['Authorization']}")
