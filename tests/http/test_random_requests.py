"""Twelve thousand random requests get the same answer from the daemon as from the second implementation.

Each worker is a process of random_requests.py with a seed of its own, so that the requests are the same every time; a
request that disagrees is printed as a command of curl. More of them: see there.
"""
import collections
import json
import pathlib
import subprocess
import sys

from second_implementation import catalogue, requests
from second_implementation.floats import DTYPES

PROGRAM = pathlib.Path(__file__).resolve().parent / "random_requests.py"
WORKERS, EACH = 4, 3000
# What a request may be refused for, as (status, param).
REFUSED = {f"400 {field}" for field in requests.FIELDS} | {"413 shape", "400 "}


def ask(daemon, worker):
    command = [sys.executable, PROGRAM, daemon.address, "--seed", f"fixed {worker}", "--count", str(EACH)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_random_requests_agree_and_reach_everything(daemon):
    outputs = [worker.communicate()[0] for worker in [ask(daemon, number) for number in range(WORKERS)]]
    sums = collections.defaultdict(collections.Counter)
    for output in outputs:
        last = output.splitlines()[-1]
        assert last.startswith("{"), output[-3000:]
        for name, counts in json.loads(last).items():
            sums[name].update(counts)
    assert sums["counts"]["differ"] == 0, "\n".join(output[:10000] for output in outputs)
    assert sums["counts"]["agree"] >= 10_000
    assert set(sums["cells"]) == {f"{entry.name} {dtype}" for entry in catalogue.ENTRIES for dtype in DTYPES}
    assert set(sums["refused"]) >= REFUSED
