"""One trial of an experiment: where draws are asked for."""
from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, TypedDict

from . import _fields, _native
from ._errors import SowerError
from ._fields import Box, Init
from ._manifest import Manifest
from ._receipt import Draw, Receipt


class Plan(TypedDict, total=False):
    """What a request resolves to, as GET /v1/plan says it (SPEC.md, section 11). Nothing is recorded."""

    name: str
    shape: list[int]
    dtype: str
    init: str
    layout: str
    draw: str
    seed: str
    root: str
    experiment: str
    trial: int
    spec: int
    fan_in: int
    fan_out: int
    gain: float | None
    std: float | None
    limit: float | None
    mean_expected: float | None
    std_expected: float | None
    low: float | None
    high: float | None
    elements: int
    bytes: int
    ledger: int | None
    drift: int | None


class Run(ABC):
    """A trial of an experiment. Client.run gives one whose draws are recorded, and offline() one whose draws are not."""

    #: The experiment's name.
    experiment: str
    #: The trial's number.
    trial: int
    #: Whether a ledger has the draws of this run.
    recorded: bool

    def __init__(self, experiment: str, trial: int) -> None:
        self.experiment = _fields.text("experiment", experiment, 256)
        self.trial = _fields.trial(trial)

    def draw(self, name: str, shape: Sequence[int], init: Init, dtype: str = "f32", **fields: Any) -> Draw:
        """Records one tensor, and returns it.

        name: 1 to 512 bytes of UTF-8. The bits depend on it, and not on the order of calls.
        shape: the sizes of the axes; () for a scalar.
        init: an initializer ("he_normal", "normal(std=0.02)").
        dtype: f64, f32, f16, bf16, f8_e4m3, f8_e5m2, or another name of one ("bfloat16").
        fields: layout="io", in_axis, out_axis, batch_axis, fan_in, fan_out, zero_rows, zero_columns (SPEC.md, section 9).

        Raises InvalidRequest, Drift, Unavailable and the other errors of a daemon.
        """
        body = _fields.tensor(self.experiment, self.trial, name, shape, init, dtype, fields)
        receipt = self._receipt(body)
        return next(iter(receipt.draws.values()))

    def plan(self, name: str, shape: Sequence[int], init: Init, dtype: str = "f32", **fields: Any) -> Plan:
        """What draw() would return, with its fans and expected moments. Records nothing. Fields as for draw()."""
        return self._plan(_fields.tensor(self.experiment, self.trial, name, shape, init, dtype, fields))

    @abstractmethod
    def record(self, manifest: Manifest) -> Receipt:
        """Records every draw of a model, all or none, and returns the receipt. Repeating it records nothing more.

        On many ranks one of them records, and the others get the receipt from it. Raises as draw() does.
        """

    @abstractmethod
    def seed(self, purpose: str) -> int:
        """A number from 0 to 2^64 - 1 for other randomness of this trial: "data", "dropout". Records nothing.

        It depends on the root, the experiment, the trial and the purpose (SPEC.md, section 2). Numbers of different
        purposes have nothing to do with each other or with the tensors.
        """

    @abstractmethod
    def model(self, manifest: Manifest, *, slices: Mapping[str, Box | str] | None = None, tensors: str | None = None,
              part: str | None = None, shard: str | None = None) -> BinaryIO:
        """Records a model, and returns it as a safetensors file to read once (SPEC.md, section 15).

        slices: for each tensor that is cut, its box, or its slice as a text ("0:512,:").
        tensors, part, shard: a glob of names, "1/4", "0:3/8".

        Close it, or use it in a `with` statement. run.record() and Draw.fill() make the same tensors without sending them.
        """

    @abstractmethod
    def _receipt(self, body: bytes) -> Receipt: ...

    @abstractmethod
    def _plan(self, body: bytes) -> Plan: ...

    def __repr__(self) -> str:
        return f"<Run of {self.experiment!r}, trial {self.trial}{'' if self.recorded else ', not recorded'}>"


class _Offline(Run):
    """Computes what a daemon with this root would answer."""

    recorded = False

    def __init__(self, experiment: str, trial: int, root: bytes) -> None:
        super().__init__(experiment, trial)
        self._root = root
        self._trial_seed = _native.trial_seed(root, experiment, trial)

    def record(self, manifest: Manifest) -> Receipt:
        opened = [manifest._tensors.draw(index, self.experiment, self.trial, self._root)
                  for index, name in enumerate(manifest) if name not in manifest.ties]
        return self._receipt_of([json.loads(tensor.plan()) for tensor in opened], manifest.hash, manifest.ties)

    def seed(self, purpose: str) -> int:
        return _native.purpose_seed(self._trial_seed, _fields.text("purpose", purpose, 256))

    def model(self, manifest: Manifest, *, slices: Mapping[str, Box | str] | None = None, tensors: str | None = None,
              part: str | None = None, shard: str | None = None) -> BinaryIO:
        raise SowerError("A run without a daemon has no model files. Use run.record() and Draw.fill(), or sow derive.")

    def _receipt(self, body: bytes) -> Receipt:
        return self._receipt_of([json.loads(_native.open_request(body, self._root).plan())], None, {})

    def _plan(self, body: bytes) -> Plan:
        plan: Plan = json.loads(_native.open_request(body, self._root).plan())
        return plan

    def _receipt_of(self, plans: list[dict[str, Any]], manifest: str | None, ties: Mapping[str, str]) -> Receipt:
        draws = [{**{member: plan[member] for member in ("name", "draw", "seed", "shape", "dtype", "init", "layout")},
                  "ledger": None, "drift": None} for plan in plans]
        return Receipt({"experiment": self.experiment, "trial": self.trial, "root": _native.root_id(self._root).hex(),
                        "spec": _native.spec, "manifest": manifest, "ledger": None, "draws": draws, "ties": dict(ties)})


def offline(experiment: str, *, trial: int = 0, root: bytes | str | None = None) -> Run:
    """A run without a daemon: the same bits, but nothing is recorded, and `recorded` is False everywhere.

    root: the 32 bytes of a private root, or 64 hex digits; None: the public root.
    """
    key = _native.public_root() if root is None else _fields.key("root", root)
    return _Offline(_fields.text("experiment", experiment, 256), _fields.trial(trial), key)
