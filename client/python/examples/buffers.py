"""What a model has besides parameters: python buffers.py

A buffer that is in the state dict is in the manifest, if it is of a floating-point type. One that is not in the state dict has no value
after to_empty(): its module computes it in a method reset_buffers, which fill_ calls.
"""
import sower
import sower.torch
import torch
from common import EXPERIMENT
from torch import nn


class Rotary(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width
        self.register_buffer("frequencies", torch.empty(width // 2), persistent=False)
        self.reset_buffers()

    def reset_buffers(self):
        self.frequencies.copy_(10000.0 ** (-torch.arange(0, self.width, 2) / self.width))


with torch.device("meta"):
    model = nn.Sequential(nn.Linear(8, 8), Rotary(8), nn.BatchNorm1d(8))
manifest = sower.torch.manifest(model, recipe="torch_default")
model.to_empty(device="cpu")
sower.torch.fill_(model, sower.Client().run(EXPERIMENT, trial=0), manifest)
assert model[1].frequencies[0] == 1
assert model[2].running_mean.eq(0).all() and model[2].running_var.eq(1).all() and model[2].num_batches_tracked == 0
print("buffers", ", ".join(name for name, _ in model.named_buffers()))
