"""Fills the tensors of a model, on one process or on every rank of a group."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from .._errors import SowerError, invalid
from .._manifest import Manifest
from .._receipt import Draw, Receipt
from .._run import Run
from ._names import DTYPES, Slot, matches, slots
from ._stream import tensors_of
from ._target import Target, copy_target, fill_target, local_of, parts_of, share

_Note = TypeVar("_Note")
_Answer = TypeVar("_Answer")

# Methods that compute a module's buffers again. The second one is torchtune's.
_RESETTERS = ("reset_buffers", "rope_init")


class _Work(NamedTuple):
    ties: list[tuple[Slot, Slot]]  # the first shall have the tensor of the second
    resets: list[Callable[[], Any]]  # compute buffers


class _Here(NamedTuple):
    """What rank 0 must know of a rank before it records."""

    failure: SowerError | None
    manifest: str
    trial: tuple[str, int] | None
    names: bytes  # for each name of the manifest 1 if this rank has the tensor; compressed, for there may be many ranks


def fill_(
    model: nn.Module,
    run: Run | None,
    manifest: Manifest,
    *,
    via: Literal["local", "http"] = "local",
    threads: int = 0,
    keep: Sequence[str] = (),
    group: dist.ProcessGroup | None = None,
) -> Receipt:
    """Records the tensors of a manifest once, and fills those that this rank has, in place. Returns the receipt.

    model: on a real device (after `to_empty`); plain tensors, or DTensors of any placements but Partial. It may be a part of the
        manifest's model, such as a pipeline's stage: together the ranks must have every tensor of the manifest.
    run: only the group's rank 0 records, and the others may give None (not with via="http").
    via: "local" computes the bits on this rank; "http" fetches exactly its parts from the daemon.
    threads: for each rank; 0: the processors of this machine, divided by the ranks on it (LOCAL_WORLD_SIZE).
    keep: globs of tensors that are not in the manifest and keep the values that they have.
    group: the ranks that call fill_ together; None: all. Without torch.distributed: this process alone.

    Every tensor of the model must be in the manifest, or be named by `keep`, or be a buffer that its module computes again: by
    a method `reset_buffers` or `rope_init`; num_batches_tracked of a norm becomes 0. Names that are tied in the manifest are made
    one tensor again if to_empty() made them two.

    Before anything is recorded, rank 0 compares the manifests, experiments and trials of all ranks. A failure on one rank is raised
    on every rank. InvalidRequest, and the errors of Run.record: nothing was filled. Other errors while tensors are filled
    say which ones have their values; fill_ may be called again.
    """
    note, work = _prepared(model, manifest, via, run, keep)
    receipt = Receipt.from_json(_together(group, note, lambda notes: _recorded(manifest, run, notes)))
    _together(group, _attempt(lambda: _fill(model, work, run, manifest, receipt, via, threads or share())), _raise_first)
    return receipt


def init_(tensor: torch.Tensor, run: Run, name: str, init: str | Mapping[str, Any], *, threads: int = 0, **fields: Any) -> Draw:
    """Records one tensor, and fills it, or this rank's part of a DTensor, in place. Returns the draw.

    name, init, fields: as for Run.draw; shape and dtype are those of the (whole) tensor. Each rank asks the daemon; the draw is
    recorded once. For a model use fill_, in which only one rank asks.
    """
    _check_tensor(name, tensor)
    target = Target(name, tensor, parts_of(tensor))
    draw = run.draw(name, tuple(tensor.shape), init, DTYPES[tensor.dtype], **fields)
    fill_target(target, draw, threads or share())
    return draw


# ---- Before anything is recorded


def _prepared(model: nn.Module, manifest: Manifest, via: str, run: Run | None, keep: Sequence[str]) -> tuple[_Here, _Work]:
    """What rank 0 must know of this rank, and the work of it. Never raises, since the other ranks wait for this one."""
    try:
        if via not in ("local", "http"):
            raise invalid("via", f"via is 'local' or 'http', not {via!r}.")
        if via == "http" and run is None:
            raise invalid("run", "With via='http' every rank needs a run: it asks the daemon by itself.")
        _reshard(model)
        table = slots(model)
        work = _Work(_targets(table, manifest)[1], _resets(table, manifest, keep))
        here = set(_resolved(manifest, table))
        names = zlib.compress(bytes(name in here for name in manifest))
        return _Here(None, manifest.hash, (run.experiment, run.trial) if run else None, names), work
    except Exception as failure:
        told = failure if isinstance(failure, SowerError) else SowerError(f"{type(failure).__name__}: {failure}")
        told.__cause__ = None if told is failure else failure
        return _Here(told, "", None, b""), _Work([], [])


def _targets(table: Mapping[str, Slot], manifest: Manifest) -> tuple[list[Target], list[tuple[Slot, Slot]]]:
    """What is to be filled, and the pairs of which the first shall have the tensor of the second."""
    targets: dict[str, Target] = {}
    owners: dict[str, Slot] = {}
    names: dict[int, str] = {}
    ties: list[tuple[Slot, Slot]] = []
    for name, slot in table.items():
        if name not in manifest:
            continue
        tensor, draw = slot.tensor, manifest.ties.get(name, name)
        _check_tensor(name, tensor)
        _check_fields(name, tensor, manifest.fields[name]["shape"], manifest.fields[draw]["dtype"])
        if names.setdefault(id(tensor), draw) != draw:
            raise invalid("tensors", f"{name!r} and {names[id(tensor)]!r} are one tensor in this model, and two in the manifest.")
        if draw not in targets:
            targets[draw], owners[draw] = Target(draw, tensor, parts_of(tensor)), slot
        elif targets[draw].tensor is not tensor:
            _check_alike(name, tensor, draw, targets[draw].tensor)
            ties.append((slot, owners[draw]))
    return list(targets.values()), ties


def _check_tensor(name: str, tensor: torch.Tensor) -> None:
    if local_of(tensor).is_meta:
        raise invalid("tensors", f"{name!r} is on the meta device and has no memory. Call model.to_empty(device=...) first.")
    if tensor.dtype not in DTYPES:
        raise invalid("dtype", f"{name!r} has the type {tensor.dtype}, which Sower does not make.")
    if tensor.layout is not torch.strided:
        raise invalid("tensors", f"{name!r} has the layout {tensor.layout}; only torch.strided can be filled.")


def _check_fields(name: str, tensor: torch.Tensor, shape: list[int], dtype: str) -> None:
    if list(tensor.shape) != shape:
        raise invalid("shape", f"{name!r} has the shape {list(tensor.shape)} here, and {shape} in the manifest.")
    if DTYPES[tensor.dtype] != dtype:
        raise invalid("dtype", f"{name!r} has the type {DTYPES[tensor.dtype]} here, and {dtype} in the manifest. Make the manifest "
                               "from a model of the same types.")


def _check_alike(name: str, tensor: torch.Tensor, other: str, kept: torch.Tensor) -> None:
    """Two tensors can be made one again only if they are cut in the same way."""
    both = (tensor, kept)
    if [_placed(one) for one in both] != [_placed(kept)] * 2:
        raise invalid("tensors", f"{name!r} is tied to {other!r} in the manifest, but they are cut or placed in different ways here: "
                                 f"{_placed(tensor)} and {_placed(kept)}.")


def _placed(tensor: torch.Tensor) -> tuple[Any, ...]:
    return (tensor.device_mesh, tensor.placements) if isinstance(tensor, DTensor) else (tensor.device,)


def _resets(table: Mapping[str, Slot], manifest: Manifest, keep: Sequence[str]) -> list[Callable[[], Any]]:
    """What computes the tensors that are not in the manifest."""
    resets: dict[tuple[int, str], Callable[[], Any]] = {}
    lost = []
    for name, slot in table.items():
        if name in manifest or matches(name, keep):
            continue
        method = next((method for method in _RESETTERS if callable(getattr(slot.module, method, None))), None)
        if not slot.is_parameter and method is not None:
            resets[id(slot.module), method] = getattr(slot.module, method)
        elif not slot.is_parameter and slot.attribute == "num_batches_tracked" and not slot.tensor.is_meta:
            resets[id(slot.tensor), ""] = slot.tensor.zero_
        else:
            lost.append(name)
    if lost:
        raise invalid("tensors", f"The manifest lacks {_list(lost)}, and the module does not compute it again. If it has its value, name it in "
                                 "keep; else add it to the manifest, or give its module a method reset_buffers.")
    return list(resets.values())


def _recorded(manifest: Manifest, run: Run | None, notes: list[_Here]) -> str:
    """Rank 0: compares the ranks, and records. The receipt as JSON."""
    first = notes[0]
    _raise_first([note.failure for note in notes])
    for rank, note in enumerate(notes):
        if note.manifest != first.manifest:
            raise invalid("manifest", f"Rank {rank} has the manifest {note.manifest[:12]}, and rank 0 has {first.manifest[:12]}. Give every rank "
                                      "the manifest of the same whole model. Nothing was recorded.")
        if note.trial not in (None, first.trial):
            raise invalid("trial", f"Rank {rank} has the experiment and trial {note.trial}, and rank 0 has {first.trial}. Give all ranks the same "
                                   "trial or key, or the others None. Nothing was recorded.")
    held = {zlib.decompress(names) for names in {note.names for note in notes}}
    missing = [name for index, name in enumerate(manifest) if not any(names[index] for names in held)]
    if missing:
        raise invalid("tensors", f"No rank has {_list(missing)} of the manifest. Is it the manifest of this model? For a part of it use "
                                 "manifest.only(names). Nothing was recorded.")
    if run is None:
        raise invalid("run", "Rank 0 records, so it needs a run.")
    return run.record(manifest).to_json()


def _resolved(manifest: Manifest, names: Mapping[str, Any]) -> Iterator[str]:
    """The names of the manifest that a rank covers: a tensor under its name or a tied one."""
    draws = {manifest.ties.get(name, name) for name in names if name in manifest}
    return (name for name in manifest if manifest.ties.get(name, name) in draws)


# ---- Filling


def _fill(model: nn.Module, work: _Work, run: Run | None, manifest: Manifest, receipt: Receipt, via: str, threads: int) -> None:
    done = 0
    current = "a buffer"
    try:
        for reset in work.resets:
            reset()
        for slot, other in work.ties:
            slot.tensors[slot.attribute] = other.tensor
        # A module may have made its buffers anew.
        targets, current = _targets(slots(model), manifest)[0], "the first tensor"
        if via == "http" and run is not None:
            for target, box, elements in tensors_of(run, manifest, targets):
                current = repr(target.name)
                copy_target(target, box, elements)
                done += 1
        else:
            for target in targets:
                current = repr(target.name)
                fill_target(target, receipt.draws[target.name], threads)
                done += 1
    except Exception as failure:
        raise SowerError(f"{current} could not be filled, and may be written in part: {failure} {done} tensors have their values, and the "
                         "rest are untouched. Call fill_ again.") from failure


def _reshard(model: nn.Module) -> None:
    """After a forward pass FSDP2 may still have whole parameters, which are copies."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


# ---- Ranks


def _together(group: dist.ProcessGroup | None, note: _Note, decide: Callable[[list[_Note]], _Answer]) -> _Answer:
    """Rank 0 decides from the notes of all ranks. Every rank gets the answer, or raises what rank 0 raised."""
    if not (dist.is_available() and dist.is_initialized()):
        return decide([note])
    if dist.get_rank(group) < 0:
        raise invalid("group", "This rank is not in the group.")
    source = dist.get_global_rank(group, 0) if group is not None else 0
    is_first = dist.get_rank(group) == 0
    notes: list[Any] | None = [None] * dist.get_world_size(group) if is_first else None
    dist.gather_object(note, notes, dst=source, group=group)
    answer: list[Any] = [None, None]
    if notes is not None:
        try:
            answer[0] = decide(notes)
        except BaseException as failure:
            answer[1] = failure if isinstance(failure, SowerError) else SowerError(f"Rank 0 failed: {failure!r}.")
            dist.broadcast_object_list(answer, src=source, group=group)
            raise
    dist.broadcast_object_list(answer, src=source, group=group)
    if answer[1] is not None:
        raise answer[1]
    decided: _Answer = answer[0]
    return decided


def _attempt(action: Callable[[], None]) -> SowerError | None:
    try:
        action()
    except SowerError as failure:
        return failure
    return None


def _raise_first(failures: list[SowerError | None]) -> None:
    for rank, failure in enumerate(failures):
        if failure is None:
            continue
        if len(failures) == 1:
            raise failure
        told = type(failure)(f"Rank {rank}: {failure}")
        told.field, told.status, told.request = failure.field, failure.status, failure.request
        raise told


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
