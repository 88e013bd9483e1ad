"""Weights for torch.distributed.checkpoint, computed where a file would be read."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, Metadata, TensorProperties, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner
from torch.distributed.checkpoint.storage import StorageReader
from torch.futures import Future

from .._errors import SowerError
from .._receipt import Receipt
from ._boxes import Part
from ._names import DTYPES
from ._target import Target, fill_target, share

_TYPES = {name: dtype for dtype, name in DTYPES.items()}


def reader(receipt: Receipt, *, prefix: str = "", threads: int = 0) -> StorageReader:
    """A reader for `torch.distributed.checkpoint.load(state_dict, storage_reader=...)` that has the tensors of a receipt.

    Each rank computes the parts that it loads; there is no file. Other entries of the state dict (an optimizer, buffers that are not
    in the manifest) are missing for torch: load them from elsewhere, or use DefaultLoadPlanner(allow_partial_load=True).

    prefix: what the names of the state dict have before those of the receipt: "model." for {"model": model.state_dict()}.
    threads: as for fill_.
    """
    return _Reader(receipt, prefix, threads)


class _Reader(StorageReader):
    def __init__(self, receipt: Receipt, prefix: str, threads: int) -> None:
        self._receipt = receipt
        self._prefix = prefix
        self._threads = threads

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        pass

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return False  # no path leads to a receipt

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        return Metadata({self._prefix + name: _described(draw.shape, draw.dtype) for name, draw in self._receipt.draws.items()})

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        pass

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        for item in plan.items:
            if item.type != LoadItemType.TENSOR:
                raise SowerError(f"{item.storage_index.fqn!r} is no tensor in the state dict, but it is one in the receipt.")
            name, tensor = item.storage_index.fqn, planner.resolve_tensor(item).detach()
            draw = self._receipt.draws[name.removeprefix(self._prefix)]
            if DTYPES.get(tensor.dtype) != draw.dtype:
                raise SowerError(f"{name!r} has the type {tensor.dtype} in the state dict, and {draw.dtype} in the receipt.")
            whole = tuple((start, start + size) for start, size in zip(item.storage_offsets, item.lengths))
            fill_target(Target(name, tensor, [Part(whole, tuple((0, size) for size in tensor.shape))]), draw, self._threads or share())
            planner.commit_tensor(item, tensor)
        done: Future[None] = Future()
        done.set_result(None)
        return done


def _described(shape: tuple[int, ...], dtype: str) -> TensorStorageMetadata:
    """A tensor in one piece, of which every rank may read any part."""
    whole = ChunkStorageMetadata(torch.Size([0] * len(shape)), torch.Size(shape))
    return TensorStorageMetadata(TensorProperties(dtype=_TYPES[dtype]), torch.Size(shape), [whole])
