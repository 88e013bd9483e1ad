"""Fetches this rank's parts of a model from the daemon, as one safetensors file that is read once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import torch

from .._errors import SowerError, Unavailable
from .._manifest import Manifest
from .._run import Run
from ._boxes import Box, Part
from ._target import Target, memory

_HEADER_MAX = 512 << 20


def tensors_of(run: Run, manifest: Manifest, wanted: Sequence[Target]) -> Iterator[tuple[Target, Box, torch.Tensor]]:
    """One request for everything that this rank has: each tensor, a box of it, and the box's elements.

    The box is the smallest that has all parts. A tensor arrives as a whole before it is handed out.
    """
    here = {target.name: target for target in wanted if target.parts}
    if not here:
        return
    hulls = {name: _hull(target.parts) for name, target in here.items()}
    cut = {name: box for name, box in hulls.items() if list(box) != [(0, size) for size in here[name].tensor.shape]}
    with run.model(manifest.only(list(here)), slices=cut or None) as stream:
        for name, shape in _header(stream):
            if name not in here or shape != _sizes(hulls[name]):
                raise SowerError(f"The daemon sent {name!r} with the shape {list(shape)}, which was not asked for.")
            staged = torch.empty(shape, dtype=here[name].tensor.dtype, device="cpu")
            _read(stream, memoryview(memory(staged)).cast("B"))
            yield here.pop(name), hulls[name], staged
    if here:
        raise SowerError(f"The daemon's file lacks {next(iter(here))!r}.")


def _hull(parts: Sequence[Part]) -> Box:
    axes = zip(*(part.whole for part in parts))
    return tuple((min(start for start, _ in axis), max(stop for _, stop in axis)) for axis in axes)


def _sizes(box: Box) -> tuple[int, ...]:
    return tuple(stop - start for start, stop in box)


def _header(stream: BinaryIO) -> list[tuple[str, tuple[int, ...]]]:
    """The names and shapes, in the order of the bytes, which follow each other without gaps (SPEC.md, section 15)."""
    size = bytearray(8)
    _read(stream, memoryview(size))
    length = int.from_bytes(size, "little")
    if length > _HEADER_MAX:
        raise SowerError("The daemon sent no safetensors file.")
    text = bytearray(length)
    _read(stream, memoryview(text))
    entries: dict[str, Any] = json.loads(text)
    entries.pop("__metadata__", None)
    ordered = sorted(entries.items(), key=lambda entry: (entry[1]["data_offsets"][0], entry[1]["data_offsets"][1]))
    return [(name, tuple(entry["shape"])) for name, entry in ordered]


def _read(stream: BinaryIO, view: memoryview) -> None:
    """Fills the view. Raises Unavailable if the stream ends before."""
    while len(view) > 0:
        count: int = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise Unavailable("The daemon ended the answer early.")
        view = view[count:]
