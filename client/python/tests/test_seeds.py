"""Keys of jobs and numbers for other generators."""
import random
import sys
import types

import numpy
import pytest

import sower

VARIABLES = ("TORCHELASTIC_RUN_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID")


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("environment, key", [
    ({"SLURM_JOB_ID": "7"}, "slurm:7"),
    ({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "0"}, "slurm:7_0"),
    ({"TORCHELASTIC_RUN_ID": "run"}, "torchrun:run"),
    ({"TORCHELASTIC_RUN_ID": "none", "SLURM_JOB_ID": "7"}, "slurm:7"),
    ({"TORCHELASTIC_RUN_ID": "run", "SLURM_JOB_ID": "7"}, "torchrun:run"),
])
@pytest.mark.parametrize("rank", ["0", "5"])
def test_a_job_has_one_key_on_every_rank(monkeypatch, environment, key, rank):
    for name, value in {**environment, "RANK": rank, "LOCAL_RANK": rank, "SLURM_PROCID": rank}.items():
        monkeypatch.setenv(name, value)
    assert sower.job_key() == key


def test_without_a_job_there_is_no_key(monkeypatch):
    for environment in ({}, {"TORCHELASTIC_RUN_ID": "none"}, {"SLURM_ARRAY_JOB_ID": "7"}, {"SLURM_JOB_ID": ""}):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(sower.SowerError, match="key of your own"):
            sower.job_key()


def test_a_session_of_ray_comes_before_the_job_in_which_ray_runs(monkeypatch):
    context = types.SimpleNamespace(get_experiment_name=lambda: "tune", get_trial_id=lambda: "a1b2_00000")
    monkeypatch.setitem(sys.modules, "ray.train", types.SimpleNamespace(get_context=lambda: context))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert sower.job_key() == "ray:tune:a1b2_00000"
    context.get_trial_id = lambda: None
    assert sower.job_key() == "slurm:7"


def test_a_purpose_has_a_number_of_its_own():
    run = sower.offline("seeds")
    numbers = [run.seed("data"), run.seed("dropout"), sower.offline("seeds", trial=1).seed("data"), sower.offline("other").seed("data")]
    assert len(set(numbers)) == 4 and all(0 <= number < 2**64 for number in numbers) and run.seed("data") == numbers[0]
    for purpose in ("", "a\0", "\ud800", "x" * 257, 7):
        with pytest.raises(sower.InvalidRequest) as caught:
            run.seed(purpose)
        assert caught.value.field == "purpose"


def test_seed_everything_repeats_the_numbers_of_a_trial():
    drawn = []
    for _ in range(2):
        numbers = sower.seed_everything(sower.offline("everything"))
        drawn.append((random.random(), numpy.random.rand()))
    assert drawn[0] == drawn[1] and numbers["python"] == sower.offline("everything").seed("python") and "numpy" in numbers
    sower.seed_everything(sower.offline("everything", trial=1))
    assert (random.random(), numpy.random.rand()) != drawn[0]
