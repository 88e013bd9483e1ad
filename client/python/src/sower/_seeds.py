"""Keys of jobs, and seeds of other random generators."""
from __future__ import annotations

import os
import sys
from typing import Any

from ._errors import SowerError
from ._run import Run


def job_key() -> str:
    """A key for Client.run that is the same on every rank of this job, and after a restart of it.

    It is the first of these that there is:

    - Ray: the experiment and the trial id of the trial of Ray Tune that this process belongs to;
    - torchrun: its run id (--rdzv-id), unless it is the default, "none";
    - SLURM: the array job and the task, or else the job. A second srun in the same job has the same key.

    A rank is never part of it. Optuna has no such environment: give the key f"optuna:{study._study_id}:{trial.number}".
    Raises SowerError if there is none of them: then give a trial or a key of your own.
    """
    for key in (_ray_key(), _torchrun_key(), _slurm_key()):
        if key is not None:
            return key
    raise SowerError("This process belongs to no job of Ray, torchrun (with --rdzv-id) or SLURM. Give trial=, or a key of your own.")


def _torchrun_key() -> str | None:
    run_id = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return None if run_id in ("", "none") else f"torchrun:{run_id}"


def _slurm_key() -> str | None:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"slurm:{array}_{task}"
    job = os.environ.get("SLURM_JOB_ID")
    return f"slurm:{job}" if job else None


def _ray_key() -> str | None:
    """Only if the program imported Ray: a process of a Ray session did."""
    for module in ("ray.train", "ray.tune"):
        if module in sys.modules:
            try:
                context: Any = sys.modules[module].get_context()
                experiment, trial = context.get_experiment_name(), context.get_trial_id()
            except Exception:  # Ray raises errors of several kinds outside of a session.
                continue
            if experiment and trial:
                return f"ray:{experiment}:{trial}"
    return None


def seed_everything(run: Run) -> dict[str, int]:
    """Seeds Python's `random`, and numpy and torch where this program imported them. Returns the numbers by purpose.

    The purposes are "python", "numpy" and "torch" (run.seed). A library that is imported later is not seeded, so call this
    after the imports. All ranks get the same numbers.
    """
    import random

    numbers = {"python": run.seed("python")}
    random.seed(numbers["python"])
    if "numpy" in sys.modules:
        numbers["numpy"] = run.seed("numpy")
        # numpy's old generator takes words of 32 bits.
        sys.modules["numpy"].random.seed([numbers["numpy"] & 0xFFFFFFFF, numbers["numpy"] >> 32])
    if "torch" in sys.modules:
        numbers["torch"] = run.seed("torch")
        sys.modules["torch"].manual_seed(numbers["torch"])
    return numbers
