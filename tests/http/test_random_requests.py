"""Twelve thousand random requests and some manifests: the daemon and the second implementation agree.

Each worker runs random_requests.py or random_manifests.py with a fixed seed, so the requests are the same every time.
A request that disagrees is printed as a curl command.
"""
import collections
import json
import pathlib
import subprocess
import sys

from second_implementation import catalogue, requests
from second_implementation.floats import DTYPES

HERE = pathlib.Path(__file__).resolve().parent
WORKERS, EACH, MANIFESTS = 4, 3000, 800
# All refusals that must occur: "status param".
REFUSED = {f"400 {field}" for field in requests.FIELDS} | {"413 shape", "400 "}


def ask(daemon, program, seed, count):
    command = [sys.executable, HERE / program, daemon.address, "--seed", f"fixed {seed}", "--count", str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_random_requests_agree_and_cover_all_cases(daemon):
    outputs = [worker.communicate()[0] for worker in [ask(daemon, "random_requests.py", number, EACH) for number in range(WORKERS)]]
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


def test_random_manifests_agree(daemon):
    output = ask(daemon, "random_manifests.py", 0, MANIFESTS).communicate()[0]
    last = output.splitlines()[-1]
    assert last.startswith("{"), output[-3000:]
    counts = json.loads(last)
    assert "differ" not in counts, output[:10000]
    assert counts["kept"] > MANIFESTS / 2 and counts["refused"] > 0
