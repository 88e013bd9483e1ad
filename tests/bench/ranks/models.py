"""The two models that ranks start: GPT-2 124M in f32, and a Llama of 1.1 billion parameters in bf16. Names are those of transformers."""
import torch
from torch import nn


class Block(nn.Module):
    """Layers of the given sizes by dotted names. There is no forward pass: only the weights matter here."""

    def __init__(self, linear, norms, bias):
        super().__init__()
        for name, (into, out) in linear.items():
            self._add(name, nn.Linear(into, out, bias=bias))
        for name, norm in norms.items():
            self._add(name, norm())

    def _add(self, path, layer):
        *parents, last = path.split(".")
        module = self
        for parent in parents:
            if parent not in module._modules:
                module.add_module(parent, nn.Module())
            module = module._modules[parent]
        module.add_module(last, layer)


class GPT2(nn.Module):
    recipe, dtype = "hf_gpt2", torch.float32

    def __init__(self, width=768, layers=12, words=50257, places=1024):
        super().__init__()
        linear = {"attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width), "mlp.c_fc": (width, 4 * width), "mlp.c_proj": (4 * width, width)}
        self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(places, width)
        self.h = nn.ModuleList(Block(linear, dict.fromkeys(("ln_1", "ln_2"), lambda: nn.LayerNorm(width)), True) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)
        self.tie()

    def tie(self):
        self.lm_head.weight = self.wte.weight

    def blocks(self):
        return self.h


class Llama(nn.Module):
    recipe, dtype = "hf_llama", torch.bfloat16

    def __init__(self, width=2048, layers=16, words=32000, inner=8192):
        super().__init__()
        linear = {f"self_attn.{name}_proj": (width, width) for name in "qkvo"}
        linear |= {"mlp.gate_proj": (width, inner), "mlp.up_proj": (width, inner), "mlp.down_proj": (inner, width)}
        norms = dict.fromkeys(("input_layernorm", "post_attention_layernorm"), lambda: nn.RMSNorm(width))
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(words, width)
        self.model.layers = nn.ModuleList(Block(linear, norms, False) for _ in range(layers))
        self.model.norm = nn.RMSNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)

    def tie(self):
        pass

    def blocks(self):
        return self.model.layers


MODELS = {"GPT-2 124M f32": GPT2, "Llama 1.1B bf16": Llama}


def on_meta(name):
    with torch.device("meta"):
        return MODELS[name]().to(MODELS[name].dtype)


@torch.no_grad()
def initialize(model):
    """What the recipes say, with torch's own functions and generator, for plain tensors and DTensors."""
    blocks = len(model.blocks())
    for name, module in model.named_modules():
        if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
            module.reset_parameters()
        elif isinstance(module, (nn.Linear, nn.Embedding)) and name != "lm_head" or module is model.lm_head and not model.recipe == "hf_gpt2":
            nn.init.normal_(module.weight, 0, 0.02 / (2 * blocks) ** 0.5 if name.endswith("c_proj") else 0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
