"""Seeds and streams compared with other implementations of BLAKE2b, ChaCha20 and the inverse normal distribution."""
import hashlib

import numpy
import pytest

SHAPE = (123, 457)


def blake2b(message, key=b"", person=b""):
    return hashlib.blake2b(message, key=key, person=person, digest_size=32).digest()


def seed_of(experiment, trial, name):
    experiment_seed = blake2b(experiment.encode(), blake2b(b"sower public root"), b"sower.experiment")
    trial_seed = blake2b(trial.to_bytes(8, "little"), experiment_seed, b"sower.trial")
    return blake2b(name.encode(), trial_seed, b"sower.tensor")


def words(headers, dtype):
    """The stream of the seed in the response's headers, computed by libsodium."""
    deterministic = pytest.importorskip("nacl.utils").randombytes_deterministic
    count = SHAPE[0] * SHAPE[1]
    stream = deterministic(count * numpy.dtype(dtype).itemsize, bytes.fromhex(headers["Sower-Seed"]))
    return numpy.frombuffer(stream, dtype=dtype).reshape(SHAPE)


@pytest.mark.parametrize(
    ("experiment", "trial", "name"),
    [
        ("exp-42", 0, "w"),
        ("exp-42", 2**63 - 1, "layers.0.attn.wq.weight"),
        ("тест", 7, "重み"),
        ("e" * 256, 1, "n" * 512),
    ],
    ids=["first", "last trial", "not ASCII", "longest"],
)
def test_hashlib_derives_the_seed(sower, experiment, trial, name):
    headers, _ = sower.get("/v1/tensor", init="zeros", shape=(1,), experiment=experiment, trial=trial, name=name)
    assert headers["Sower-Seed"] == seed_of(experiment, trial, name).hex()


@pytest.mark.parametrize(("dtype", "word", "bits"), [("f32", "<i4", 24), ("f64", "<i8", 53)])
def test_a_uniform_tensor_is_libsodiums_stream(sower, dtype, word, bits):
    """Between -1 and 1 the law is (2s + 1) / 2^bits, where s has the upper bits of a signed word."""
    fields = {"init": "uniform(low=-1,high=1)", "shape": SHAPE, "dtype": dtype}
    headers, _ = sower.get("/v1/tensor", **fields)
    signed = words(headers, word) >> (8 if dtype == "f32" else 11)
    array = sower.array(**fields)
    assert numpy.array_equal(array, ((2 * signed.astype(word) + 1) * 2.0**-bits).astype(array.dtype))


@pytest.mark.parametrize(("dtype", "word", "tolerance"), [("f32", "<u4", 2.5e-7), ("f64", "<u8", 2e-15)])
def test_a_normal_tensor_is_the_inverse_normal_of_libsodiums_stream(sower, dtype, word, tolerance):
    ndtri = pytest.importorskip("scipy.special").ndtri
    fields = {"init": "normal(mean=0,std=1)", "shape": SHAPE, "dtype": dtype}
    headers, _ = sower.get("/v1/tensor", **fields)
    w = words(headers, word)
    bits = 8 * w.itemsize
    # From the nearer tail, where a double has all digits of the probability.
    from_end = numpy.minimum(w, ~w)
    exact = ndtri((from_end.astype(numpy.float64) + 0.5) * 2.0**-bits)
    exact = numpy.where(w < 2 ** (bits - 1), exact, -exact)
    error = numpy.abs(sower.array(**fields) - exact) / numpy.maximum(1, numpy.abs(exact))
    assert error.max() <= tolerance
