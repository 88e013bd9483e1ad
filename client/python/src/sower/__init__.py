"""Sower: the same tensors, bit for bit, on every machine, with a record of each.

    import sower

    run = sower.Client().run("exp-42", trial=0)                # the daemon in SOW_SERVER
    weight = run.draw("w", (4096, 1024), "he_normal").numpy()  # recorded there, computed here

`sower.torch` fills models of PyTorch, also sharded ones.
"""
from ._client import Client
from ._errors import (
    BadReceipt,
    BufferMismatch,
    Conflict,
    Drift,
    Forbidden,
    InvalidRequest,
    MissingServer,
    SowerError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    WrongRoot,
)
from ._fields import Box
from ._manifest import Manifest
from ._native import version as __version__
from ._receipt import Draw, Receipt
from ._run import Plan, Run, offline
from ._seeds import job_key, seed_everything

__all__ = [
    "BadReceipt",
    "Box",
    "BufferMismatch",
    "Client",
    "Conflict",
    "Draw",
    "Drift",
    "Forbidden",
    "InvalidRequest",
    "Manifest",
    "MissingServer",
    "Plan",
    "Receipt",
    "Run",
    "SowerError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "WrongRoot",
    "__version__",
    "job_key",
    "offline",
    "seed_everything",
]
