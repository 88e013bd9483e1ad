"""FSDP2: torchrun --nproc-per-node 4 fsdp2.py"""
import sower
import sower.torch
from common import EXPERIMENT, LAWS, on_meta, show, start
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

mesh = init_device_mesh("cpu", (start(),))
model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)  # of the whole model, before it is cut
for block in model.blocks.values():
    fully_shard(block, mesh=mesh)
fully_shard(model, mesh=mesh)
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
show(model)
