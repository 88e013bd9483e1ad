"""A small model with everything that is hard to cut: tied embeddings, a fused matrix, experts, an orthogonal law, uneven sizes."""
import torch
from torch import nn
from torch.nn import functional

RULES = [
    {"match": "wte.weight", "init": "normal(std=0.02)"},
    {"match": "*.proj.weight", "init": "orthogonal"},
    {"match": "*.experts", "init": "he_normal", "batch_axis": 0, "layout": "io"},
    {"match": {"name": "*.weight", "rank": 2}, "init": "normal(std=0.02/sqrt(2*layers))"},
    {"match": "*", "init": "uniform(low=-1,high=1)"},
]


class Block(nn.Module):
    def __init__(self, width, inner, experts):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.experts = nn.Parameter(torch.empty(experts, width, width))

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        x = x + self.proj(torch.softmax(q @ k.transpose(-1, -2), -1) @ v)
        x = x + self.down(functional.gelu(self.up(x)))
        return x + torch.einsum("bti,eij->btj", x, self.experts)


class Model(nn.Module):
    def __init__(self, words=37, width=24, inner=40, layers=2, experts=3):
        super().__init__()
        self.wte = nn.Embedding(words, width)
        self.layers = nn.ModuleDict({str(i): Block(width, inner, experts) for i in range(layers)})
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.wte(tokens) if self.wte is not None else tokens
        for block in self.layers.values():
            x = block(x)
        return self.head(self.norm(x)) if self.head is not None else x


def on_meta(dtype=torch.float32, **sizes):
    with torch.device("meta"):
        return Model(**sizes).to(dtype)
