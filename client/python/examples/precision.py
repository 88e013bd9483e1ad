"""Weights in f32 and in bf16 are one array: python precision.py"""
import sower
import sower.torch
import torch
from common import EXPERIMENT, LAWS, on_meta, show


def filled(dtype):
    model = on_meta().to(dtype)
    manifest = sower.torch.manifest(model, **LAWS)
    model.to_empty(device="cpu")
    return model, sower.torch.fill_(model, run, manifest)


run = sower.Client().run(EXPERIMENT, trial=0)
master, _ = filled(torch.float32)
half, receipt = filled(torch.bfloat16)
for name, tensor in half.state_dict().items():
    assert tensor.equal(master.state_dict()[name].bfloat16()), name  # each bf16 element is the f32 element, rounded once more
# A draw of the same name in another type has a line of its own, and says which line was there first.
print("drift", receipt.draws["embedding.weight"].drift)
show(master)
