"""A tensor of a model, and how the elements of a draw get into its memory."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.distributed.tensor import DTensor

from .._receipt import Draw
from ._boxes import Box, Part, boxes

_STAGED_MAX = 256 << 20  # bytes of a buffer on the way to a device



class Target(NamedTuple):
    """A tensor that is to be filled, and what of it is on this rank."""

    name: str  # of the draw: not of a tied tensor
    tensor: torch.Tensor
    parts: list[Part]


def parts_of(tensor: torch.Tensor) -> list[Part]:
    """What this rank has of the whole tensor."""
    if isinstance(tensor, DTensor):
        return boxes(tensor)
    whole = tuple((0, size) for size in tensor.shape)
    return [Part(whole, whole)] if tensor.numel() else []


def local_of(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank has of a tensor, without its history."""
    with torch.no_grad():
        return (tensor.to_local() if isinstance(tensor, DTensor) else tensor).detach()


def fill_target(target: Target, draw: Draw, threads: int) -> None:
    """Writes the elements of a draw into the parts of a tensor. Bits are never converted."""
    local = local_of(target.tensor)
    for part in target.parts:
        view = local[tuple(slice(*axis) for axis in part.local)]
        if view.device.type == "cpu" and view.is_contiguous():
            draw.fill(memory(view), part.whole, threads)
            continue
        for rows, box in _bands(part.whole, view.element_size()):
            staged = _host(tuple(stop - start for start, stop in box), view)
            draw.fill(memory(staged), box, threads)
            view[rows].copy_(staged)
    torch.autograd.graph.increment_version(local)


def copy_target(target: Target, box: Box, elements: torch.Tensor) -> None:
    """Copies the parts of a tensor from the elements of a box that has them all."""
    local = local_of(target.tensor)
    for part in target.parts:
        inside = tuple(slice(start - low, stop - low) for (start, stop), (low, _) in zip(part.whole, box))
        local[tuple(slice(*axis) for axis in part.local)].copy_(elements[inside])
    torch.autograd.graph.increment_version(local)


def memory(tensor: torch.Tensor) -> ctypes.Array[ctypes.c_char]:
    """The bytes of a contiguous tensor of the CPU. The tensor must outlive them."""
    return (ctypes.c_char * (tensor.numel() * tensor.element_size())).from_address(tensor.data_ptr())


def share() -> int:
    """The threads of this rank: the processors that it may use, divided by the ranks of this machine."""
    return max(1, len(os.sched_getaffinity(0)) // max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1)))


def _bands(box: Box, itemsize: int) -> Iterator[tuple[Any, Box]]:
    """The box cut along its first axis into pieces of a bounded size, each with its rows in the box."""
    if not box:
        yield ..., box
        return
    (start, stop), rest = box[0], box[1:]
    step = max(1, _STAGED_MAX // (itemsize * math.prod(high - low for low, high in rest)))
    for low in range(start, stop, step):
        high = min(low + step, stop)
        yield slice(low - start, high - start), ((low, high), *rest)


def _host(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    return torch.empty(shape, dtype=like.dtype, device="cpu", pin_memory=like.device.type == "cuda")
