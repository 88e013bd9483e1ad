"""Stages of a pipeline: torchrun --nproc-per-node 2 pipeline.py

A stage keeps the names that its tensors have in the whole model. The first stage has the embedding and the last one the output layer
with the same weight: the tie makes them equal although they are on two ranks.
"""
import sower
import sower.torch
import torch.distributed as dist
from common import EXPERIMENT, LAWS, on_meta, show, start

stages = start()
stage = dist.get_rank()
model = on_meta()
manifest = sower.torch.manifest(model, **LAWS)  # of the whole model: fans and numbers of layers are those of the whole
for index in list(model.blocks):
    if int(index) * stages // 4 != stage:
        del model.blocks[index]
if stage > 0:
    model.embedding = None
if stage < stages - 1:
    model.output = None
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
show(model)
