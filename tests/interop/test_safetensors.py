"""A model as one file: the safetensors library reads the same tensors as single requests give."""
import numpy
import pytest
import safetensors

TENSORS = {
    "wte.weight": ((50, 8), "f32", "normal(std=0.02)"),
    "h.0.attn.weight": ((24, 8), "bf16", "orthogonal"),
    "h.0.attn.bias": ((3,), "f16", "uniform(low=-1,high=1)"),
    "h.0.scale": ((), "f64", "constant(value=2.5)"),
    "none": ((0, 4), "f32", "ones"),
    "quantized": ((5, 7), "f8_e4m3", "normal(std=2)"),
}


@pytest.fixture(scope="module")
def model(sower):
    tensors = [
        {"name": name, "shape": shape, "dtype": dtype, "init": init} for name, (shape, dtype, init) in TENSORS.items()
    ]
    return sower.post("/v1/model", {"experiment": "interop", "trial": 3, "tensors": tensors})


@pytest.fixture
def file(model, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(model)
    with safetensors.safe_open(tmp_path / "model.safetensors", "numpy") as opened:
        yield opened


def test_numpy_reads_a_model(sower, file):
    assert set(file.keys()) == TENSORS.keys()
    for name, (shape, dtype, init) in TENSORS.items():
        if dtype in ("f64", "f32", "f16"):  # the reader for NumPy supports only these
            expected = sower.array(init, shape, dtype=dtype, name=name, trial=3)
            array = file.get_tensor(name)
            assert array.dtype == expected.dtype and numpy.array_equal(array, expected)


def test_torch_reads_a_model(sower, model):
    torch = pytest.importorskip("torch")
    loaded = pytest.importorskip("safetensors.torch").load(model)
    assert loaded.keys() == TENSORS.keys()
    for name, (shape, dtype, init) in TENSORS.items():
        assert tuple(loaded[name].shape) == shape
        raw = sower.raw(init, shape, dtype=dtype, name=name, trial=3)
        assert bytes(loaded[name].reshape(-1).view(torch.uint8).numpy()) == raw


def test_a_file_with_tied_tensors_is_like_that_of_save_model_and_loads_strictly(sower, tmp_path):
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.norm, self.lm_head = torch.nn.Embedding(16, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 16, bias=False)
            self.lm_head.weight = self.wte.weight

    library.save_model(Tied(), tmp_path / "saved")
    with safetensors.safe_open(tmp_path / "saved", "pt") as saved:
        ((alias, other),) = saved.metadata().items()
        kept = set(saved.keys())
    tensors = [{"name": name, "shape": list(tensor.shape), **({"same_as": other} if name == alias else {"init": "normal"})}
               for name, tensor in Tied().state_dict().items()]
    (tmp_path / "made").write_bytes(sower.post("/v1/model", {"experiment": "interop", "tensors": tensors}))
    with safetensors.safe_open(tmp_path / "made", "pt") as made:
        assert made.metadata()[alias] == other and set(made.keys()) == kept
    module = Tied()
    assert library.load_model(module, tmp_path / "made", strict=True) == (set(), [])
    assert module.lm_head.weight is module.wte.weight
    assert torch.equal(module.wte.weight, library.load_file(tmp_path / "made")[other])


def test_the_file_has_its_metadata(file):
    metadata = file.metadata()
    assert metadata["sower.experiment"] == "interop" and metadata["sower.trial"] == "3"
