"""What the examples share: a small model, and a digest of its weights that does not depend on how the model is cut."""
import hashlib
import os
import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

EXPERIMENT = "examples"
# torch_default cannot tell an embedding from a linear layer without bias by its shape, so a rule says it.
LAWS = {"recipe": "torch_default", "rules": [{"match": "embedding.weight", "init": "normal(std=0.02)"}]}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class Model(nn.Module):
    """Blocks between an embedding and an output layer with the same weight."""

    def __init__(self, words=1000, width=64, blocks=4):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.blocks = nn.ModuleDict({str(index): Block(width) for index in range(blocks)})
        self.output = nn.Linear(width, words, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, x):
        x = self.embedding(x) if self.embedding is not None else x
        for block in self.blocks.values():
            x = block(x)
        return self.output(x) if self.output is not None else x


def on_meta():
    """The whole model: shapes and names without memory."""
    with torch.device("meta"):
        return Model()


def start():
    """Joins the ranks that torchrun started. Returns how many they are."""
    dist.init_process_group("gloo")
    return dist.get_world_size()


def show(model):
    """Prints one digest of all the weights that the ranks have together. Every example prints the same one for the same trial."""
    mine = {}
    for name, tensor in model.state_dict().items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        mine[name] = hashlib.blake2b(whole.contiguous().view(torch.uint8).numpy(), digest_size=16).hexdigest()
    everything = [mine]
    if dist.is_initialized():
        everything = [None] * dist.get_world_size()
        dist.all_gather_object(everything, mine)
    weights = {}
    for part in everything:
        for name, digest in part.items():
            assert weights.setdefault(name, digest) == digest, f"two ranks differ in {name}"
    if int(os.environ.get("RANK", "0")) == 0:
        print("weights", hashlib.blake2b(repr(sorted(weights.items())).encode(), digest_size=16).hexdigest())
    if dist.is_initialized():
        leave()


def leave():
    """Ends this rank. Now and then gloo of torch 2.13 aborts while Python ends, after all work is done, so Python does not end here."""
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)
