"""Tensor parallelism: torchrun --nproc-per-node 4 tensor_parallel.py"""
import sower
import sower.torch
from common import EXPERIMENT, LAWS, on_meta, show, start
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

mesh = init_device_mesh("cpu", (start(),))
model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)
for block in model.blocks.values():
    parallelize_module(block, mesh, {"up": ColwiseParallel(), "down": RowwiseParallel()})
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
show(model)
