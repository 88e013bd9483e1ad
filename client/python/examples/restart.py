"""A job that is started again: torchrun --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint localhost:0 --rdzv-id my-job restart.py

The run id stands for the job. The daemon gives the job a trial number, and the same one when the job starts again, on any number of
ranks. Only rank 0 needs a run.
"""
import sower
import sower.torch
import torch.distributed as dist
from common import EXPERIMENT, LAWS, on_meta, show, start
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

mesh = init_device_mesh("cpu", (start(),))
model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)
fully_shard(model, mesh=mesh)
model.to_empty(device="cpu")
run = sower.Client().run(EXPERIMENT, key=sower.job_key()) if dist.get_rank() == 0 else None
receipt = sower.torch.fill_(model, run, manifest)
if run:
    print("trial", receipt.trial)
show(model)
