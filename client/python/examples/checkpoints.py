"""Checkpoints of torch.distributed: torchrun --nproc-per-node 2 checkpoints.py FOLDER

Three ways to the same weights: computed where a checkpoint would be read; written once as a seed checkpoint, for programs that
load one; and from the receipt alone, without a daemon.
"""
import sys

import sower
import sower.torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from common import EXPERIMENT, LAWS, on_meta, show, start
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


def cut():
    model = on_meta()
    fully_shard(model, mesh=mesh)
    model.to_empty(device="cpu")
    model.output.weight = model.embedding.weight
    return model


folder = sys.argv[1]
mesh = init_device_mesh("cpu", (start(),))
first = cut()
manifest = sower.torch.manifest(on_meta(), **LAWS)
receipt = sower.torch.fill_(first, sower.Client().run(EXPERIMENT, trial=0), manifest)
dcp.save(first.state_dict(), checkpoint_id=folder)  # a seed checkpoint: any number of ranks can load it
if dist.get_rank() == 0:
    with open(f"{folder}/receipt.json", "w") as file:
        file.write(receipt.to_json())  # keep it with the checkpoints of the training

loaded = cut()
dcp.load(loaded.state_dict(), checkpoint_id=folder)

dist.barrier()
with open(f"{folder}/receipt.json") as file:
    kept = sower.Receipt.from_json(file.read())
computed = cut()
dcp.load(computed.state_dict(), storage_reader=sower.torch.reader(kept))  # no file of weights, and no daemon

for name, tensor in first.state_dict().items():
    for other in (loaded, computed):
        assert other.state_dict()[name].full_tensor().equal(tensor.full_tensor()), name
show(computed)
