"""On each rank: every combination of placements that torch allows, for many shapes and meshes."""
import itertools

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import _StridedShard

import sower.torch

# Even, uneven, and smaller than the mesh; 0 and 1 too.
SHAPES = [(8, 8), (7, 5), (9, 16), (3, 10), (1, 2), (0, 4), (17,), (5,), (2, 3, 4)]
MESHES = {1: [(1,), (1, 1)], 2: [(2,), (2, 1), (1, 2)], 3: [(3,)], 4: [(4,), (2, 2), (4, 1)], 8: [(8,), (2, 4), (4, 2), (2, 2, 2)]}


def of_mesh(mesh, rank):
    """All placements of a tensor of this rank without _StridedShard."""
    return itertools.product([Replicate(), *(Shard(dim) for dim in range(rank))], repeat=mesh.ndim)


def filled(tensor, whole):
    """Whether the boxes write exactly what the rank has of the whole, and each element once."""
    local = tensor.to_local()
    written = torch.full_like(local, -1)
    count = 0
    for part in sower.torch.boxes(tensor):
        written[tuple(slice(*axis) for axis in part.local)] = whole[tuple(slice(*axis) for axis in part.whole)]
        count += torch.Size(stop - start for start, stop in part.local).numel()
    return count == local.numel() and torch.equal(written, local)


def everywhere():
    """How many combinations were tried: plain ones, strided ones, and how many of the latter had several boxes."""
    full()
    return agree(), *strided()


def agree():
    count = 0
    for sizes in MESHES[torch.distributed.get_world_size()]:
        mesh = init_device_mesh("cpu", sizes)
        for shape in SHAPES:
            whole = torch.arange(torch.Size(shape).numel(), dtype=torch.int32).view(shape)
            for placements in of_mesh(mesh, len(shape)):
                tensor = distribute_tensor(whole, mesh, placements, src_data_rank=None)
                assert filled(tensor, whole), (shape, sizes, placements, tensor.to_local(), sower.torch.boxes(tensor))
                count += 1
    return count


def strided():
    """_StridedShard alone (several boxes) and before other cuts, where the parts are even."""
    count = several = 0
    for sizes in MESHES[torch.distributed.get_world_size()]:
        mesh = init_device_mesh("cpu", sizes)
        for size, factor, dim in itertools.product((16, 32, 48), (2, 4), (0, 1)):
            whole = torch.arange(size * 64, dtype=torch.int32).view((size, 64) if dim == 0 else (64, size))
            for rest in itertools.product((Replicate(), Shard(0), Shard(1)), repeat=mesh.ndim - 1):
                tensor = distribute_tensor(whole, mesh, (_StridedShard(dim, split_factor=factor), *rest), src_data_rank=None)
                assert filled(tensor, whole), (whole.shape, sizes, tensor.placements, sower.torch.boxes(tensor))
                several += len(sower.torch.boxes(tensor)) > 1
                count += 1
    return count, several


def full():
    """What full_tensor() puts together from parts that were filled by their boxes is the whole, also if parts are uneven."""
    for sizes in MESHES[torch.distributed.get_world_size()]:
        mesh = init_device_mesh("cpu", sizes)
        for shape in ((9, 7), (5,)):
            whole = torch.arange(torch.Size(shape).numel(), dtype=torch.float32).view(shape)
            for placements in of_mesh(mesh, len(shape)):
                tensor = distribute_tensor(torch.zeros_like(whole), mesh, placements, src_data_rank=None)
                for part in sower.torch.boxes(tensor):
                    tensor.to_local()[tuple(slice(*axis) for axis in part.local)] = whole[tuple(slice(*axis) for axis in part.whole)]
                assert torch.equal(tensor.full_tensor(), whole), (shape, sizes, placements)


def fsdp_on_parallel(sizes):
    """fully_shard of tensor-parallel modules, with sizes that do not divide: the local shards, as torch makes them."""
    from torch import nn
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    mesh = init_device_mesh("cpu", sizes, mesh_dim_names=("dp", "tp"))
    several = 0
    for rows, columns in ((16, 8), (9, 7), (11, 5), (7, 9), (13, 13)):
        model = nn.Sequential(nn.Linear(columns, rows), nn.Linear(rows, columns))
        whole = {}
        for name, parameter in model.named_parameters():
            whole[name] = torch.arange(parameter.numel(), dtype=torch.float32).view(parameter.shape)
            parameter.data.copy_(whole[name])
        parallelize_module(model, mesh["tp"], {"0": ColwiseParallel(), "1": RowwiseParallel()})
        try:
            fully_shard(model, mesh=mesh["dp"])
        except NotImplementedError:
            continue
        for name, parameter in model.named_parameters():
            assert filled(parameter.detach(), whole[name]), (name, rows, columns, parameter.placements, parameter.to_local(), sower.torch.boxes(parameter))
            several += 1
    return several


def partial():
    mesh = init_device_mesh("cpu", (2,))
    tensor = distribute_tensor(torch.ones(4), mesh, [Partial()], src_data_rank=None)
    try:
        sower.torch.boxes(tensor)
    except sower.InvalidRequest as failure:
        return str(failure)
