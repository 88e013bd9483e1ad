"""FSDP2 over tensor parallelism: torchrun --nproc-per-node 4 two_dimensions.py"""
import sower
import sower.torch
from common import EXPERIMENT, LAWS, on_meta, show, start
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

mesh = init_device_mesh("cpu", (2, start() // 2), mesh_dim_names=("data", "tensor"))
model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)
for block in model.blocks.values():
    parallelize_module(block, mesh["tensor"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    fully_shard(block, mesh=mesh["data"])
fully_shard(model, mesh=mesh["data"])
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
show(model)
