"""Every dtype, read by NumPy, ml_dtypes (of JAX), PyTorch and safetensors."""
import json
import struct

import numpy
import pytest

SHAPE = (300, 500)
# Narrow dtypes with a normal that reaches their denormals, and a normal near their largest number, for f8 above it.
NARROW = {
    "f16": ["normal(std=0.02)", "normal(std=1e-6)", "normal(std=10000)"],
    "bf16": ["normal(std=0.02)", "normal(std=1e-38)", "uniform(low=-1e30,high=1e30)"],
    "f8_e4m3": ["normal(std=0.02)", "normal(std=0.003)", "normal(std=300)"],
    "f8_e5m2": ["normal(std=0.02)", "normal(std=2e-5)", "normal(std=40000)"],
}
CASES = [(dtype, init) for dtype, inits in NARROW.items() for init in [*inits, "orthogonal", "sparse(sparsity=0.3)"]]


def ml_dtype(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    names = {"bf16": "bfloat16", "f8_e4m3": "float8_e4m3fn", "f8_e5m2": "float8_e5m2"}
    return numpy.dtype(numpy.float16 if name == "f16" else getattr(ml_dtypes, names[name]))


def rounded(values, dtype):
    """f32 values rounded by ml_dtypes. ml_dtypes does not saturate, so they are clipped to the largest f8 first."""
    if dtype.itemsize == 1:
        largest = {"float8_e4m3fn": 448, "float8_e5m2": 57344}[dtype.name]
        values = numpy.clip(values, -largest, largest)
    return values.astype(dtype)


@pytest.mark.parametrize(("dtype", "theirs"), [("f64", "<f8"), ("f32", "<f4"), ("f16", "<f2")])
def test_numpy_reads_a_dtype(sower, dtype, theirs):
    array = sower.array("normal", SHAPE, dtype=dtype)
    assert array.dtype == numpy.dtype(theirs) and array.shape == SHAPE and array.flags.c_contiguous
    assert array.std() == pytest.approx(0.05, rel=0.02)
    assert array.tobytes() == sower.raw("normal", SHAPE, dtype=dtype)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 0, 3), (2, 1, 2, 1, 2, 1, 2, 1)], ids=str)
def test_numpy_reads_every_rank(sower, shape):
    assert sower.array("normal", shape).shape == shape


@pytest.mark.parametrize(("dtype", "init"), CASES)
def test_values_are_f32_values_rounded_once(sower, dtype, init):
    expected = rounded(sower.array(init, SHAPE), ml_dtype(dtype))
    array = sower.array(init, SHAPE, dtype=dtype)
    assert array.shape == SHAPE
    if array.dtype.kind == "V":  # NumPy has no such type
        array = array.view(ml_dtype(dtype))
    assert array.dtype == expected.dtype
    assert array.tobytes() == expected.tobytes()


def test_the_cases_reach_denormals_and_the_largest_numbers(sower):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for dtype, (_, small, large) in NARROW.items():
        limits = ml_dtypes.finfo(ml_dtype(dtype))
        values = numpy.abs(sower.array(small, SHAPE))
        assert (values < float(limits.smallest_normal)).any()
        if dtype != "bf16":  # f8 saturates; a value too large for f16 is refused
            reached = float(limits.max) if dtype.startswith("f8") else float(limits.max) / 2
            assert (numpy.abs(sower.array(large, SHAPE)) > reached).any()


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16"])
def test_torch_accepts_the_array(sower, dtype):
    torch = pytest.importorskip("torch")
    array = sower.array("normal", SHAPE, dtype=dtype)
    tensor = torch.from_numpy(array)
    assert tensor.dtype == {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16}[dtype]
    assert tensor.shape == SHAPE and numpy.array_equal(tensor.numpy(), array)


def test_jax_accepts_the_array(sower):
    jax = pytest.importorskip("jax")
    array = sower.array("normal", SHAPE, dtype="bf16").view(ml_dtype("bf16"))
    assert jax.numpy.asarray(array).dtype == jax.numpy.bfloat16
    assert numpy.asarray(jax.numpy.asarray(array)).tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", NARROW)
def test_torch_and_safetensors_read_raw_bytes(sower, dtype):
    torch = pytest.importorskip("torch")
    load = pytest.importorskip("safetensors.torch").load
    theirs, name = {
        "f16": (torch.float16, "F16"),
        "bf16": (torch.bfloat16, "BF16"),
        "f8_e4m3": (torch.float8_e4m3fn, "F8_E4M3"),
        "f8_e5m2": (torch.float8_e5m2, "F8_E5M2"),
    }[dtype]
    init = NARROW[dtype][0]
    raw = sower.raw(init, SHAPE, dtype=dtype)
    expected = torch.from_numpy(sower.array(init, SHAPE)).to(theirs)
    tensor = torch.frombuffer(bytearray(raw), dtype=theirs).reshape(SHAPE)
    assert torch.equal(tensor.float(), expected.float())
    header = json.dumps({"w": {"dtype": name, "shape": SHAPE, "data_offsets": [0, len(raw)]}}).encode()
    loaded = load(struct.pack("<Q", len(header)) + header + raw)["w"]
    assert loaded.dtype == theirs and torch.equal(loaded.float(), expected.float())
