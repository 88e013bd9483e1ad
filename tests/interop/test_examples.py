"""Each script of client/python/examples runs, and gives the same weights for the same trial, however the model is cut."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

from conftest import ROOT

pytest.importorskip("torch")

EXAMPLES = ROOT / "client/python/examples"
SECONDS = 240
RANKS = [("fsdp2", 1), ("fsdp2", 3), ("tensor_parallel", 2), ("two_dimensions", 4), ("hsdp", 4), ("pipeline", 2)]
ALONE = ["one_process", "precision", "buffers"]


@pytest.fixture
def run(sower):
    """Runs a script as its first line says. Returns what it printed: {"weights": …}."""

    def start(script, *arguments, ranks=None, options=("--standalone",)):
        launch = [] if ranks is None else ["-m", "torch.distributed.run", *options, "--nproc-per-node", str(ranks)]
        environment = {**os.environ, "SOW_SERVER": f"http://127.0.0.1:{sower.port}", "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *launch, EXAMPLES / f"{script}.py", *arguments], env=environment, capture_output=True, text=True,
                              timeout=SECONDS)
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
        return dict(line.split(" ", 1) for line in done.stdout.splitlines() if re.match(r"(weights|trial|drift|buffers) ", line))

    return start


@pytest.fixture
def weights(run):
    return run("one_process")["weights"]


@pytest.mark.parametrize("script, ranks", RANKS)
def test_a_cut_model_has_the_weights_of_one_process(run, weights, script, ranks):
    assert run(script, ranks=ranks) == {"weights": weights}


def test_a_checkpoint_and_a_receipt_have_the_weights_of_one_process(run, weights, tmp_path):
    assert run("checkpoints", tmp_path, ranks=2) == {"weights": weights}


def test_another_precision_has_the_array_of_one_process(run, weights):
    found = run("precision")
    assert found["weights"] == weights and int(found["drift"]) > 0


def test_buffers_have_their_values(run):
    assert run("buffers") == {"buffers": "1.frequencies, 2.running_mean, 2.running_var, 2.num_batches_tracked"}


def test_a_job_that_is_started_again_has_its_trial_and_weights(run):
    def job(name, ranks):
        return run("restart", ranks=ranks, options=("--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--rdzv-id", name))

    first = job("job-17", 2)
    assert job("job-17", 3) == first
    other = job("job-18", 1)
    assert other["trial"] != first["trial"] and other["weights"] != first["weights"]


def test_every_example_is_run_here():
    tested = {script for script, _ in RANKS} | {*ALONE, "checkpoints", "restart"}
    assert {path.stem for path in pathlib.Path(EXAMPLES).glob("*.py")} == tested | {"common"}
