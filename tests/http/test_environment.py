"""Programs that start in another floating-point environment: another rounding mode, or flushing of denormals.

tests/faults/environment.c is preloaded and sets the environment before main(), as a library built with -ffast-math does.
"""
import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import SOWERD
from sow_programs import environment, run

LIBRARY = pathlib.Path(SOWERD).parent / "tests/faults/environment.so"
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto/vectors"
DRAWS = [vector for name in ("draws", "cells", "edges") for vector in json.loads((VECTORS / f"{name}.json").read_text())["draws"]]
NAMES = ["upward", "downward", "towardzero", "flush", "flush-upward", "trap"]
LARGE = 1 << 20  # elements; tests/unit/core/vectors.c reads larger vectors


def preloaded(name):
    assert LIBRARY.exists(), f"{LIBRARY} is not built: make unit-tests"
    # AddressSanitizer requires to be the first library, but also works after this one.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": str(LIBRARY), "SOWER_ENVIRONMENT": name, "ASAN_OPTIONS": sanitizer.lstrip(":")}


@pytest.fixture(params=NAMES)
def hostile(request):
    return preloaded(request.param)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "trap"])
def test_the_environment_reaches_a_program_that_does_not_set_its_own(name):
    program = "import struct; print(struct.pack('<3d', 1 / 10.0, -1 / 10.0, float.fromhex('0x1p-1074') * 1.0).hex())"
    command = [sys.executable, "-X", "utf8", "-c", program.replace("10.0", "float('10')")]
    printed = [subprocess.run(command, env={**os.environ, **changes}, check=True, capture_output=True).stdout
            for changes in ({}, preloaded(name))]
    assert printed[0] != printed[1]


def test_the_daemon_sends_every_vector_with_the_same_bits(start, hostile):
    daemon = start(environment=hostile)
    wrong = []
    for vector in DRAWS:
        if vector["elements"] > LARGE:
            continue
        response = daemon.post("/v1/tensor", {**vector["request"], "format": "raw"})
        right = (200, vector["draw"], vector["seed"], vector["blake2b_256"])
        digest = hashlib.blake2b(response.body, digest_size=32).hexdigest()
        if (response.status, response.headers.get("Sower-Draw"), response.headers.get("Sower-Seed"), digest) != right:
            wrong.append(vector["request"])
    assert not wrong


def test_plans_statistics_and_lines_are_the_same(start, daemon, hostile):
    other = start(environment=hostile)
    fields = {"experiment": "environment", "name": "w", "shape": [300, 20], "init": "truncated_normal(0.1,0.3,-1,2.5)"}
    for changes in ({}, {"init": "normal(1e-310,0.1)", "dtype": "f64"}, {"init": "orthogonal(0.1)"}, {"init": {"type": "constant", "value": 0.3}}):
        asked = {**fields, **changes}
        plans = [one.post("/v1/plan", asked).json() for one in (daemon, other)]
        for plan in plans:
            plan.pop("ledger"), plan.pop("drift")
        assert plans[0] == plans[1]
        statistics = [one.post("/v1/stats", asked).body for one in (daemon, other)]
        assert statistics[0] == statistics[1]
        refusals = [one.post("/v1/tensor", {**asked, "dtype": "f16", "init": "normal(1e6,0.1)"}).problem() for one in (daemon, other)]
        assert refusals[0] == refusals[1] and refusals[0]["param"] == "init"


@pytest.fixture(scope="module")
def recorded(daemon, tmp_path_factory):
    """A ledger of the vectors that are whole tensors of at most LARGE elements, and {draw: digest}."""
    digests = {}
    for vector in DRAWS:
        if vector["elements"] == math.prod(vector["request"]["shape"]) <= LARGE:
            assert daemon.post("/v1/tensor", {**vector["request"], "format": "raw"}).status == 200
            digests[vector["draw"]] = vector["blake2b_256"]
    path = tmp_path_factory.mktemp("environment") / "ledger.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in daemon.ledger(experiment="vectors")))
    return path, digests


def test_sow_replays_every_vector_with_the_same_bits(recorded, hostile):
    path, digests = recorded
    done = run(["replay", path], env=environment(**hostile))
    assert done.returncode == 0, done.stderr
    draws = [json.loads(line)["draw"] for line in path.read_text().splitlines()]
    found = [row.split("\t")[2:] for row in done.stdout.decode().splitlines()]
    assert len(draws) > 150
    assert found == [[digests[draw], "ok"] for draw in draws]


@pytest.mark.parametrize("init", ["he_normal", "normal(0.1,0.3)", "uniform(1e-310,0.7)", "truncated_normal(0.1,0.3,-1,2.5)"])
def test_sow_plans_the_same(hostile, init):
    plan = ["plan", "--offline", "--json", "-e", "environment", "-n", "s", "-s", "64,32", "-i", init]
    plans = [run(plan, env=environment(**changes)) for changes in ({}, hostile)]
    assert plans[0].returncode == 0 and plans[0].stdout == plans[1].stdout
