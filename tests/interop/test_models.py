"""Whole models: fetched as one safetensors file, loaded by PyTorch and run forward. Moments must be those of the recipes."""
import json
import math
import http.client

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors")
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

DTYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}
DEVIATIONS = 6  # allowed error of a mean or a standard deviation, in standard errors


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.c_attn(x).split(width, -1))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(batch, length, width))


class Mlp(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.c_proj(functional.gelu(self.c_fc(x), approximate="tanh"))


class Gpt2Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width), Mlp(width)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    """GPT-2 124M with the names of Hugging Face. The head is the matrix of the embedding."""

    def __init__(self, layers=12, width=768, heads=12, words=50257, places=1024):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(places, width)
        self.h = nn.ModuleList(Gpt2Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return self.ln_f(x) @ self.wte.weight.T


class LlamaBlock(nn.Module):
    def __init__(self, width, inner, heads, groups):
        super().__init__()
        self.head, kept = width // heads, width // heads * groups
        self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.self_attn, self.mlp = nn.Module(), nn.Module()
        for name, size in [("q_proj", width), ("k_proj", kept), ("v_proj", kept), ("o_proj", width)]:
            setattr(self.self_attn, name, nn.Linear(width, size, bias=False))
        for name, sizes in [("gate_proj", (width, inner)), ("up_proj", (width, inner)), ("down_proj", (inner, width))]:
            setattr(self.mlp, name, nn.Linear(*sizes, bias=False))

    def forward(self, x):
        # Rotary embeddings have no weights, so they are left out.
        y, attention = self.input_layernorm(x), self.self_attn
        q, k, v = (project(y).view(*y.shape[:2], -1, self.head).transpose(1, 2)
                   for project in (attention.q_proj, attention.k_proj, attention.v_proj))
        k, v = (part.repeat_interleave(q.shape[1] // part.shape[1], 1) for part in (k, v))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + attention.o_proj(y)
        y = self.post_attention_layernorm(x)
        return x + self.mlp.down_proj(functional.silu(self.mlp.gate_proj(y)) * self.mlp.up_proj(y))


class Llama(nn.Module):
    """The shapes of Llama 3.2 1B with the names of Hugging Face. The head is the matrix of the embedding."""

    def __init__(self, layers=16, width=2048, inner=8192, heads=32, groups=8, words=128256):
        super().__init__()
        self.embed_tokens = nn.Embedding(words, width)
        self.layers = nn.ModuleList(LlamaBlock(width, inner, heads, groups) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        for block in self.layers:
            x = block(x)
        return functional.linear(self.norm(x), self.embed_tokens.weight)


class Bottleneck(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        self.downsample = None
        if stride != 1 or before != 4 * width:
            self.downsample = nn.Sequential(nn.Conv2d(before, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 with the names of torchvision."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for number, (width, depth) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 1):
            blocks = []
            for i in range(depth):
                blocks.append(Bottleneck(before, width, 2 if i == 0 and number > 1 else 1))
                before = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def make(model, dtype=torch.float32):
    """(the module without weights, its tensors in the form of a manifest)"""
    with torch.device("meta"):
        module = model().to(dtype)
    tensors = [{"name": name, "shape": list(tensor.shape), "dtype": DTYPES[tensor.dtype]}
               for name, tensor in module.state_dict().items() if tensor.is_floating_point()]
    return module, tensors


def fetch(sower, manifest, path):
    """POSTs the manifest and writes the response to a file, block by block."""
    connection = http.client.HTTPConnection("127.0.0.1", sower.port)
    connection.request("POST", "/v1/model", json.dumps({"experiment": "interop", "trial": 1, **manifest}))
    response = connection.getresponse()
    assert response.status == 200, response.read()
    with open(path, "wb") as file:
        while block := response.read(1 << 22):
            file.write(block)
    assert path.stat().st_size == int(response.headers["Content-Length"])
    connection.close()


def assert_moments(name, tensor, mean, std):
    values, count = tensor.float(), tensor.numel()
    if std == 0:
        assert bool((values == mean).all()), name
        return
    # bf16 rounds by at most 2^-9 of a value, which is negligible here.
    assert abs(values.mean().item() - mean) < DEVIATIONS * std / math.sqrt(count), name
    assert abs(values.std(unbiased=False).item() / std - 1) < DEVIATIONS / math.sqrt(count) + 1e-3, name


def assert_equals_single_tensor(sower, manifest, loaded, name):
    """Asserts that a tensor of the model equals the single tensor."""
    stored = json.loads(sower.post("/v1/manifests", manifest))["manifest"]
    _, _, body = sower.exchange("GET", f"/v1/manifests?manifest={stored}")
    (tensor,) = [tensor for tensor in json.loads(body)["tensors"] if tensor["name"] == name]
    alone = sower.post("/v1/tensor", {**tensor, "experiment": "interop", "trial": 1, "format": "raw"})
    assert loaded[name].view(torch.uint8).numpy().tobytes() == alone


def test_gpt2_124m_loads_strictly_and_has_its_recipes_moments(sower, tmp_path):
    module, tensors = make(Gpt2)
    manifest = {"tensors": tensors, "recipe": "hf_gpt2"}
    fetch(sower, manifest, tmp_path / "gpt2.safetensors")
    loaded = load_file(tmp_path / "gpt2.safetensors")
    assert sum(tensor.numel() for tensor in loaded.values()) == 124_439_808
    module.load_state_dict(loaded, strict=True, assign=True)
    with torch.no_grad():
        logits = module(torch.arange(32)[None])
    assert logits.shape == (1, 32, 50257) and bool(logits.isfinite().all())
    # Before training all words have about the same probability.
    loss = functional.cross_entropy(logits[0, :-1], torch.arange(1, 32)).item()
    assert abs(loss - math.log(50257)) < 0.5
    for name, tensor in loaded.items():
        std = 0.02 / math.sqrt(2 * 12) if name.endswith("c_proj.weight") else 0.02
        is_one, is_zero = ".ln_" in "." + name and name.endswith("weight"), name.endswith("bias")
        assert_moments(name, tensor, 1 if is_one else 0, 0 if is_one or is_zero else std)
    assert_equals_single_tensor(sower, manifest, loaded, "h.7.mlp.c_proj.weight")


def test_llama_1b_in_bf16_loads_strictly_and_runs(sower, tmp_path):
    module, tensors = make(Llama, torch.bfloat16)
    manifest = {"tensors": tensors, "recipe": "hf_llama"}
    fetch(sower, manifest, tmp_path / "llama.safetensors")
    loaded = load_file(tmp_path / "llama.safetensors")
    assert sum(tensor.numel() for tensor in loaded.values()) == 1_235_814_400
    module.load_state_dict(loaded, strict=True, assign=True)
    with torch.no_grad():
        logits = module(torch.arange(8)[None])
    assert logits.dtype == torch.bfloat16 and bool(logits.isfinite().all())
    for name, tensor in loaded.items():
        is_norm = "norm" in name
        assert_moments(name, tensor, 1 if is_norm else 0, 0 if is_norm else 0.02)
    assert_equals_single_tensor(sower, manifest, loaded, "layers.3.self_attn.k_proj.weight")


def test_resnet50_loads_except_its_counters_and_runs(sower, tmp_path):
    module, tensors = make(ResNet50)
    fetch(sower, {"tensors": tensors, "recipe": "torchvision_resnet"}, tmp_path / "resnet.safetensors")
    loaded = load_file(tmp_path / "resnet.safetensors")
    module = ResNet50().eval()
    missing, unexpected = module.load_state_dict(loaded, strict=False)
    assert unexpected == [] and all(name.endswith("num_batches_tracked") for name in missing)
    assert sum(parameter.numel() for parameter in module.parameters()) == 25_557_032
    with torch.no_grad():
        scores = module(torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)))
    assert scores.shape == (2, 1000) and bool(scores.isfinite().all()) and scores.std() > 0
    for name, tensor in loaded.items():
        if tensor.dim() == 4:
            out, _, height, width = tensor.shape
            assert_moments(name, tensor, 0, math.sqrt(2 / (out * height * width)))
        elif name.startswith("fc."):
            assert_moments(name, tensor, 0, 1 / math.sqrt(3 * 2048))
            assert tensor.abs().max() <= 1 / math.sqrt(2048)
        else:
            assert_moments(name, tensor, 1 if name.endswith(("weight", "running_var")) else 0, 0)


@pytest.mark.parametrize("layer, init", [
    (lambda: nn.Linear(300, 200), None),
    (lambda: nn.Conv2d(16, 32, 3), None),
    (lambda: nn.LSTM(40, 60, 2), None),
    (lambda: nn.BatchNorm2d(50), None),
    (lambda: nn.LayerNorm(50), None),
    (lambda: nn.GRU(40, 60), None),
])
def test_torch_default_has_the_range_of_torchs_own_defaults(sower, tmp_path, layer, init):
    module = layer()
    own = {name: tensor.clone() for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    tensors = [{"name": f"m.{name}", "shape": list(tensor.shape)} for name, tensor in own.items()]
    fetch(sower, {"tensors": tensors, "recipe": "torch_default"}, tmp_path / "m.safetensors")
    for name, ours in load_file(tmp_path / "m.safetensors").items():
        theirs = own[name[2:]]
        if theirs.min() == theirs.max():
            assert torch.equal(ours, theirs), name
            continue
        # Both are uniform in the same range, and the largest element is near the bound.
        count = min(ours.numel(), theirs.numel())
        assert abs(ours.abs().max() / theirs.abs().max() - 1) < 12 / count, name
        assert abs(ours.std() / theirs.std() - 1) < 2 * DEVIATIONS / math.sqrt(count), name


def test_scalars_and_empty_tensors_are_read_by_the_real_library(sower, tmp_path):
    tensors = [{"name": "scalar", "shape": []}, {"name": "none", "shape": [0, 4]}, {"name": "odd", "shape": [3], "dtype": "bf16"},
               {"name": "f8", "shape": [5], "dtype": "f8_e4m3"}, {"name": "é\"\\\n", "shape": [2, 2], "dtype": "f64"}]
    fetch(sower, {"tensors": tensors, "defaults": {"init": "normal(std=1)"}}, tmp_path / "odd.safetensors")
    loaded = load_file(tmp_path / "odd.safetensors")
    assert {name: list(tensor.shape) for name, tensor in loaded.items()} == {t["name"]: t["shape"] for t in tensors}
    with safetensors.safe_open(tmp_path / "odd.safetensors", "pt") as file:
        assert file.metadata()["sower.experiment"] == "interop" and file.metadata()["format"] == "pt"
