"""Keras: keras.initializers and the defaults of its layers, in layout io."""
import types

import numpy
import pytest

pytest.importorskip("jax")
keras = pytest.importorskip("keras")
from keras.src.initializers import ALL_OBJECTS_DICT, random_initializers  # noqa: E402

import names  # noqa: E402
from compare import IO, KINDS, assert_as_planned, assert_same_distribution, orthogonality_error  # noqa: E402

K = keras.initializers
SEED = 20240229
MODES = ["fan_in", "fan_out", "fan_avg"]
DISTRIBUTIONS = ["truncated_normal", "untruncated_normal", "uniform"]
# {expression of Sower: the same in Keras}
RANDOM = {
    "uniform": K.RandomUniform(seed=SEED),
    "uniform(low=0,high=2)": K.RandomUniform(0.0, 2.0, seed=SEED),
    "normal": K.RandomNormal(seed=SEED),
    "normal(mean=1,std=0.5)": K.RandomNormal(1.0, 0.5, seed=SEED),
    "truncated_normal": K.TruncatedNormal(seed=SEED),
    "truncated_normal(mean=0.5,std=2)": K.TruncatedNormal(0.5, 2.0, seed=SEED),
    "variance_scaling": K.VarianceScaling(seed=SEED),
    "glorot_uniform": K.GlorotUniform(seed=SEED),
    "glorot_normal": K.GlorotNormal(seed=SEED),
    "he_uniform": K.HeUniform(seed=SEED),
    "he_normal": K.HeNormal(seed=SEED),
    "lecun_uniform": K.LecunUniform(seed=SEED),
    "lecun_normal": K.LecunNormal(seed=SEED),
}
for mode in MODES:
    for distribution in DISTRIBUTIONS:
        RANDOM[f"variance_scaling(scale=1.5,mode={mode},distribution={distribution})"] = K.VarianceScaling(
            1.5, mode, distribution, seed=SEED
        )
EXACT = {
    "zeros": K.Zeros(),
    "ones": K.Ones(),
    "constant": K.Constant(),
    "constant(value=-0.1)": K.Constant(-0.1),
}
# STFT is a table of the discrete Fourier transform, not an initializer of weights.
NOT_INITIALIZERS = {"Initializer", "STFT"}


class Recorder(types.SimpleNamespace):
    """Replaces keras.random. Records the range or the deviation that an initializer requests, as a double."""

    def uniform(self, shape, minval, maxval, **_):
        self.plan = {"low": minval, "high": maxval}
        if minval == -maxval:
            self.plan["limit"] = maxval

    def normal(self, shape, mean, stddev, **_):
        self.plan = {"mean_expected": mean, "std": stddev}

    truncated_normal = normal


def initialized(initializer, shape):
    return numpy.asarray(initializer(shape, dtype="float32"))


def test_every_initializer_of_keras_is_in_the_map():
    classes = {name for name in dir(K) if isinstance(getattr(K, name), type)}
    distinct = {getattr(K, name).__name__ for name in classes}
    assert distinct - NOT_INITIALIZERS == {name for name in names.KERAS if "." not in name}


def test_every_name_in_the_map_is_compared():
    with_own_test = {
        "identity": test_identity,
        "orthogonal": test_orthogonal,
        "lstm_bias": test_lstm_bias,
    }
    compared = {names.initializer(expression) for expression in [*RANDOM, *EXACT]}
    assert compared | with_own_test.keys() == set(names.KERAS.values())


def test_every_name_of_the_catalogue_that_keras_has_too_is_compared(sower):
    for entry in sower.catalogue():
        for name in [entry["name"], *entry["aliases"]]:
            if name in ALL_OBJECTS_DICT:  # a name that Keras accepts as kernel_initializer
                assert names.KERAS[ALL_OBJECTS_DICT[name].__name__] == entry["name"]


def test_layout_io_has_the_axes_of_keras_layers():
    dense, conv, embedding = keras.layers.Dense(256), keras.layers.Conv2D(128, 3), keras.layers.Embedding(5000, 128)
    dense.build((None, 512))
    conv.build((None, 32, 32, 64))
    embedding.build()
    assert IO == {"dense": dense.kernel.shape, "conv": conv.kernel.shape, "embedding": embedding.embeddings.shape}


@pytest.mark.parametrize("shape", [*IO.values(), (3, 7, 5), (4, 5, 6, 3, 2), (1, 1), (9,), ()], ids=str)
def test_fans(sower, shape):
    plan = sower.plan("glorot_uniform", shape, layout="io")
    assert (plan["fan_in"], plan["fan_out"]) == random_initializers.compute_fans(shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", RANDOM)
def test_distribution(sower, expression, kind):
    plan, ours = sower.plan(expression, IO[kind], layout="io"), sower.array(expression, IO[kind], layout="io")
    theirs = initialized(RANDOM[expression], IO[kind])
    assert_same_distribution(ours, theirs)
    assert_as_planned(plan, ours)
    assert_as_planned(plan, theirs)


@pytest.mark.parametrize("shape", [*IO.values(), (9,), ()], ids=str)
@pytest.mark.parametrize("expression", RANDOM)
def test_std_or_limit(sower, expression, shape, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(random_initializers, "random", recorder)
    RANDOM[expression](shape)
    plan = sower.plan(expression, shape, layout="io")
    for key, value in recorder.plan.items():
        if key == "mean_expected" and "truncated" in expression:
            continue  # the plan has the mean after truncation; symmetric bounds do not change the mean
        if key == "limit" and names.initializer(expression) == "uniform":
            continue  # a range in the request is not a limit computed from fans
        assert plan[key] == pytest.approx(value, rel=1e-15, abs=0), key


def test_a_distribution_called_normal_is_refused(sower):
    """In Keras it means the truncated normal, in JAX the untruncated one. Sower has a name for each."""
    assert K.VarianceScaling(distribution="normal").distribution == "truncated_normal"
    assert sower.ask("/v1/plan", init="variance_scaling(distribution=normal)", shape=(4, 4))[0] == 400


def test_axes_keep_the_receptive_field(sower):
    """In Keras only input_axes and output_axes determine the fans. In Sower, as in JAX, the fans include all remaining axes. Both
    agree where no axis remains, as in attention."""
    shape = (64, 8, 16)
    plan = sower.plan("glorot_uniform", shape, in_axis="0", out_axis="1,2")
    assert (plan["fan_in"], plan["fan_out"]) == random_initializers.compute_fans(shape, (0,), (1, 2))
    plan = sower.plan("glorot_uniform", shape, in_axis="0", out_axis="1")
    assert (plan["fan_in"], plan["fan_out"]) == (64 * 16, 8 * 16)
    assert random_initializers.compute_fans(shape, (0,), (1,)) == (64, 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", EXACT)
def test_same_values(sower, expression, kind):
    assert numpy.array_equal(sower.array(expression, IO[kind], layout="io"), initialized(EXACT[expression], IO[kind]))


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3)], ids=str)
@pytest.mark.parametrize("gain", [1, -0.3])
def test_identity(sower, gain, shape):
    ours = sower.array(f"identity(gain={gain})", shape, layout="io")
    assert numpy.array_equal(ours, initialized(K.Identity(gain), shape))


@pytest.mark.parametrize("gain", [1, 2])
@pytest.mark.parametrize("shape", [*IO.values(), (300, 300), (3, 4, 5), (2, 2, 5)], ids=str)
def test_orthogonal(sower, shape, gain):
    ours = sower.array(f"orthogonal(gain={gain})", shape, layout="io")
    theirs = initialized(K.Orthogonal(gain, seed=SEED), shape)
    # Keras flattens all axes except the last, like Sower in layout io.
    assert orthogonality_error(theirs.reshape(-1, shape[-1]), gain) <= 5e-6 * gain
    assert orthogonality_error(ours.reshape(-1, shape[-1]), gain) <= 2e-6 * gain
    if ours.size > 1000:
        assert_same_distribution(ours, theirs)


def test_lstm_bias(sower):
    layer = keras.layers.LSTM(6, unit_forget_bias=True)
    layer.build((None, None, 4))
    theirs = numpy.asarray(layer.cell.bias)
    assert numpy.array_equal(sower.array("lstm_bias", theirs.shape), theirs)
    assert numpy.array_equal(sower.array("lstm_bias(forget=1,gates=ifco)", theirs.shape), theirs)


@pytest.mark.parametrize(
    ("kind", "layer", "expression"),
    [
        ("dense", lambda: keras.layers.Dense(256), "glorot_uniform"),
        ("conv", lambda: keras.layers.Conv2D(128, 3), "glorot_uniform"),
        ("embedding", lambda: keras.layers.Embedding(5000, 128), "uniform"),
    ],
)
def test_default_weights_of_the_layers(sower, kind, layer, expression):
    keras.utils.set_random_seed(SEED)
    built = layer()
    built.build({"dense": (None, 512), "conv": (None, 32, 32, 64), "embedding": None}[kind])
    theirs = numpy.asarray(built.weights[0])
    assert_same_distribution(sower.array(expression, IO[kind], layout="io"), theirs)
