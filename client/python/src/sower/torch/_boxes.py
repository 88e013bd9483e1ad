"""Which part of the whole tensor a rank has, for every placement of a DTensor.

A dimension of the local tensor is a sequence of index ranges of the whole one. Each mesh dimension that cuts it takes a part of
that sequence. So uneven and empty parts, several mesh dimensions on one tensor dimension, and `_StridedShard` need no special case.
`compute_local_shape_and_global_offset` of torch 2.13 knows only one range for each dimension.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement, _StridedShard

from .._errors import invalid

Ranges = list[tuple[int, int]]  # of indices, each start < stop, in the order of the local tensor
Box = tuple[tuple[int, int], ...]  # start, stop of each axis


class Part(NamedTuple):
    """A box of the whole tensor, and where this rank has it: a box of the local tensor, of the same sizes."""

    whole: Box
    local: Box


def boxes(tensor: DTensor) -> list[Part]:
    """The parts of the whole tensor that this rank has. None if it has nothing or is not in the mesh.

    Almost every tensor has one part. A `_StridedShard` that no other placement completes gives several.
    Raises InvalidRequest for a placement whose elements are no elements of the whole tensor (Partial), or that is unknown.
    """
    coordinate = tensor.device_mesh.get_coordinate()
    if coordinate is None or math.prod(tensor.shape) == 0:
        return []
    local = tuple(tensor.to_local().shape)
    spec = getattr(tensor, "_spec", None)
    for steps in _readings(tensor.placements, tensor.device_mesh, getattr(spec, "shard_order", None)):
        ranges = cut(tuple(tensor.shape), steps, tensor.device_mesh.shape, coordinate)
        sizes = tuple(map(_length, ranges))
        if sizes == local or math.prod(sizes) == math.prod(local) == 0:
            return parts(ranges)
    raise invalid("", f"The local tensor has the shape {list(local)}, which the placements {list(tensor.placements)} of a tensor of "
                      f"shape {list(tensor.shape)} do not give.")


def cut(shape: tuple[int, ...], steps: list[tuple[int, Placement]], sizes: tuple[int, ...], coordinate: Sequence[int]) -> list[Ranges]:
    """The ranges of each axis after the mesh dimensions of `steps` have cut it, one after the other."""
    ranges: list[Ranges] = [[(0, size)] if size else [] for size in shape]
    for mesh_dim, placement in steps:
        if isinstance(placement, _StridedShard):
            pieces = _chunks(ranges[placement.dim], int(placement.split_factor))
            ranges[placement.dim] = _joined(_chunks(piece, sizes[mesh_dim])[coordinate[mesh_dim]] for piece in pieces)
        elif isinstance(placement, Shard):
            ranges[placement.dim] = _chunks(ranges[placement.dim], sizes[mesh_dim])[coordinate[mesh_dim]]
    return ranges


def parts(ranges: list[Ranges]) -> list[Part]:
    """Every combination of one range for each axis, with its place in the local tensor."""
    axes = []
    for axis in ranges:
        ends = list(itertools.accumulate(stop - start for start, stop in axis))
        axes.append([(whole, (end - (whole[1] - whole[0]), end)) for whole, end in zip(axis, ends)])
    return [Part(tuple(w for w, _ in chosen), tuple(p for _, p in chosen)) for chosen in itertools.product(*axes)]


def _readings(placements: tuple[Placement, ...], mesh: DeviceMesh, order: object) -> list[list[tuple[int, Placement]]]:
    """The cuts that the placements can mean, the likely meaning first.

    FSDP2 over a tensor-parallel parameter cuts the parallel part, but comes first in the mesh. It says so by a `_StridedShard` whose
    factor is the number of parts that were cut before it. With uneven parts this is not what cutting from left to right gives, which
    is what `distribute_tensor` does for the same placements. The shape of the local tensor tells the two apart.
    """
    for placement in placements:
        if not isinstance(placement, (Replicate, Shard, _StridedShard)):
            raise invalid("", f"The placement {placement!r} has no part of the whole tensor. Redistribute it to Shard or Replicate.")
    left_to_right = list(enumerate(placements))
    if any(isinstance(placement, _StridedShard) for placement in placements):
        decoded = _decoded(placements, mesh)
        return [decoded, left_to_right] if decoded is not None else [left_to_right]
    if isinstance(order, tuple) and order:
        return [[(mesh_dim, Shard(entry.tensor_dim)) for entry in order for mesh_dim in entry.mesh_dims]]
    return [left_to_right]


def _decoded(placements: tuple[Placement, ...], mesh: DeviceMesh) -> list[tuple[int, Placement]] | None:
    """The order of plain cuts that the factors stand for. None if no order has these factors."""
    orders: dict[int, list[int]] = {}
    for mesh_dim, placement in reversed(list(enumerate(placements))):
        if not isinstance(placement, (Shard, _StridedShard)):
            continue
        order = orders.setdefault(placement.dim, [])
        before = list(itertools.accumulate((mesh.size(dim) for dim in order), operator.mul, initial=1))
        factor = int(placement.split_factor) if isinstance(placement, _StridedShard) else 1
        if factor not in before:
            return None
        order.insert(before.index(factor), mesh_dim)
    return [(mesh_dim, Shard(dim)) for dim, order in orders.items() for mesh_dim in order]


def _length(ranges: Ranges) -> int:
    return sum(stop - start for start, stop in ranges)


def _chunks(ranges: Ranges, count: int) -> list[Ranges]:
    """As torch.chunk cuts, with empty parts at the end: all have the size of the first but the last that is not empty."""
    length = _length(ranges)
    size = -(-length // count)
    return [_between(ranges, min(size * i, length), min(size * (i + 1), length)) for i in range(count)]


def _between(ranges: Ranges, first: int, last: int) -> Ranges:
    """The indices from position `first` to position `last` of the sequence."""
    found: Ranges = []
    position = 0
    for start, stop in ranges:
        low, high = max(first - position, 0), min(last - position, stop - start)
        if low < high:
            found.append((start + low, start + high))
        position += stop - start
    return found


def _joined(pieces: Iterable[Ranges]) -> Ranges:
    """The pieces one after the other; neighbours become one range."""
    joined: Ranges = []
    for start, stop in itertools.chain.from_iterable(pieces):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
