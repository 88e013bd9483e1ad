"""JAX: jax.nn.initializers, in layout io and with given axes."""
import types

import numpy
import pytest

jax = pytest.importorskip("jax")
import jax._src.nn.initializers as source  # noqa: E402

import names  # noqa: E402
from compare import IO, KINDS, assert_as_planned, assert_same_distribution, orthogonality_error  # noqa: E402

J = jax.nn.initializers
KEY = jax.random.key(20240229)
# {name of a distribution in Sower: name in JAX}
DISTRIBUTIONS = {"truncated_normal": "truncated_normal", "untruncated_normal": "normal", "uniform": "uniform"}
# JAX also has the mode fan_geo_avg, which Sower does not have.
MODES = ["fan_in", "fan_out", "fan_avg"]
# {expression of Sower: the same in JAX}. JAX's defaults of uniform and normal (scale and std 0.01) differ from those of Sower and Keras.
RANDOM = {
    "uniform(low=0,high=0.01)": J.uniform(),
    "uniform(low=0,high=3)": J.uniform(3.0),
    "normal(std=0.01)": J.normal(),
    "normal(std=2)": J.normal(2.0),
    "truncated_normal(std=0.01)": J.truncated_normal(),
    "truncated_normal(std=2,lower=-1,upper=3)": J.truncated_normal(2.0, lower=-1.0, upper=3.0),
    "truncated_normal(std=1,lower=1,upper=inf)": J.truncated_normal(1.0, lower=1.0, upper=float("inf")),
    "glorot_uniform": J.glorot_uniform(),
    "glorot_normal": J.glorot_normal(),
    "he_uniform": J.he_uniform(),
    "he_normal": J.he_normal(),
    "lecun_uniform": J.lecun_uniform(),
    "lecun_normal": J.lecun_normal(),
}
for mode in MODES:
    for distribution, theirs in DISTRIBUTIONS.items():
        RANDOM[f"variance_scaling(scale=0.5,mode={mode},distribution={distribution})"] = J.variance_scaling(
            0.5, mode, theirs
        )
EXACT = {
    "zeros": J.zeros,
    "ones": J.ones,
    "constant(value=-7.1)": J.constant(-7.1),
}
# (shape, in_axis, out_axis, batch_axis) of weights that name their axes.
AXES = [
    ((512, 8, 64), (0,), (1, 2), ()),  # attention: the queries of all heads
    ((8, 64, 512), (0, 1), (2,), ()),  # attention: the output
    ((4, 512, 256), (-2,), (-1,), (0,)),  # a stack of experts
    ((256, 512), (1,), (0,), ()),  # PyTorch's order
    ((4, 3, 3, 16, 32), (3,), (4,), (0,)),  # a stack of convolutions
    ((3, 3, 2, 16, 32), (-2,), (-1,), (0, 2)),
    ((6, 5, 4), (1,), (2,), ()),
]


def initialized(initializer, shape):
    return numpy.asarray(initializer(KEY, shape, "float32"))


def axes_fields(in_axis, out_axis, batch_axis):
    fields = {"in_axis": in_axis, "out_axis": out_axis, "batch_axis": batch_axis}
    return {key: ",".join(map(str, axes)) for key, axes in fields.items() if axes}


def scale_of(initializer, shape, monkeypatch):
    """The factor of an initializer's random numbers, in f32: its result when all random numbers are 1."""
    one = lambda *_, **__: jax.numpy.float32(1)  # noqa: E731
    ones = types.SimpleNamespace(uniform=one, normal=one, truncated_normal=one)
    with monkeypatch.context() as patch:
        patch.setattr(source, "random", ones)
        return float(initializer(KEY, shape, numpy.dtype("float32")))


def test_every_initializer_of_jax_is_in_the_map():
    assert {name for name in dir(J) if name[0].islower() and callable(getattr(J, name))} == set(names.JAX)


def test_every_name_in_the_map_is_compared():
    with_own_test = {
        "orthogonal": test_orthogonal,
        "delta_orthogonal": test_delta_orthogonal,
    }
    compared = {names.initializer(expression) for expression in [*RANDOM, *EXACT]}
    assert compared | with_own_test.keys() == set(names.JAX.values())


def test_every_name_of_the_catalogue_that_jax_has_too_is_compared(sower):
    """Except four names that have PyTorch's meaning in Sower and another meaning in JAX."""
    torchs = {"xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"}
    for entry in sower.catalogue():
        for name in [entry["name"], *entry["aliases"]]:
            if hasattr(J, name) and name not in torchs:
                assert names.JAX[name] == entry["name"]


def test_xavier_in_jax_is_glorot_and_kaiming_is_he():
    for name in ["xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]:
        assert getattr(J, name) is getattr(J, names.JAX[name])


@pytest.mark.parametrize("shape", [*IO.values(), (3, 7, 5), (4, 5, 6, 3, 2), (1, 1)], ids=str)
def test_fans(sower, shape):
    plan = sower.plan("glorot_uniform", shape, layout="io")
    assert (plan["fan_in"], plan["fan_out"]) == source._compute_fans(shape)


@pytest.mark.parametrize(("shape", "in_axis", "out_axis", "batch_axis"), AXES, ids=str)
def test_axes(sower, shape, in_axis, out_axis, batch_axis, monkeypatch):
    fields = {"layout": "io", **axes_fields(in_axis, out_axis, batch_axis)}
    fans = source._compute_fans(shape, in_axis, out_axis, batch_axis)
    for mode in MODES:
        initializer = J.variance_scaling(2.0, mode, "normal", in_axis, out_axis, batch_axis)
        plan = sower.plan(f"variance_scaling(scale=2,mode={mode},distribution=untruncated_normal)", shape, **fields)
        assert (plan["fan_in"], plan["fan_out"]) == fans
        assert plan["std"] == pytest.approx(scale_of(initializer, shape, monkeypatch), rel=1e-6)
    for name in ["glorot_normal", "he_normal", "lecun_normal"]:
        initializer = getattr(J, name)(in_axis=in_axis, out_axis=out_axis, batch_axis=batch_axis)
        assert_same_distribution(sower.array(name, shape, **fields), initialized(initializer, shape))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", RANDOM)
def test_distribution(sower, expression, kind):
    plan, ours = sower.plan(expression, IO[kind], layout="io"), sower.array(expression, IO[kind], layout="io")
    theirs = initialized(RANDOM[expression], IO[kind])
    assert_same_distribution(ours, theirs)
    assert_as_planned(plan, ours)
    assert_as_planned(plan, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", RANDOM)
def test_std_or_limit(sower, expression, kind, monkeypatch):
    plan = sower.plan(expression, IO[kind], layout="io")
    ours = plan["std"] or plan["limit"] or plan["high"]
    assert ours == pytest.approx(scale_of(RANDOM[expression], IO[kind], monkeypatch), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", EXACT)
def test_same_values(sower, expression, kind):
    assert numpy.array_equal(sower.array(expression, IO[kind], layout="io"), initialized(EXACT[expression], IO[kind]))


@pytest.mark.parametrize("gain", [1, 2])
@pytest.mark.parametrize("shape", [*IO.values(), (300, 300), (3, 4, 5), (2, 2, 5)], ids=str)
def test_orthogonal(sower, shape, gain):
    ours = sower.array(f"orthogonal(gain={gain})", shape, layout="io")
    theirs = initialized(J.orthogonal(gain), shape)
    assert orthogonality_error(theirs.reshape(-1, shape[-1]), gain) <= 5e-6 * gain
    assert orthogonality_error(ours.reshape(-1, shape[-1]), gain) <= 2e-6 * gain
    if ours.size > 1000:
        assert_same_distribution(ours, theirs)


@pytest.mark.parametrize("column_axis", [0, 1, 2, -1])
def test_orthogonal_with_another_column_axis(sower, column_axis):
    """JAX's column axis is the out axis; all other axes together are the other side of the matrix."""
    shape = (12, 20, 16)
    ours = sower.array("orthogonal", shape, out_axis=column_axis, in_axis=(column_axis + 1) % 3)
    theirs = initialized(J.orthogonal(column_axis=column_axis), shape)
    for values in (ours, theirs):
        assert orthogonality_error(numpy.moveaxis(values, column_axis, -1).reshape(-1, shape[column_axis])) <= 5e-6
    assert_same_distribution(ours, theirs)


def test_a_batch_is_jaxs_initializer_for_each_key(sower):
    theirs = numpy.asarray(jax.vmap(lambda key: J.orthogonal()(key, (24, 10)))(jax.random.split(KEY, 6)))
    for axis in range(3):
        ours = sower.array("orthogonal", numpy.moveaxis(theirs, 0, axis).shape, batch_axis=axis, layout="io")
        for one, other in zip(numpy.moveaxis(ours, axis, 0), theirs):
            assert orthogonality_error(one) <= 2e-6 and orthogonality_error(other) <= 5e-6
        assert_same_distribution(ours, numpy.moveaxis(theirs, 0, axis))


@pytest.mark.parametrize("gain", [1, 0.5])
@pytest.mark.parametrize(
    "shape", [(3, 8, 16), (4, 8, 8), IO["conv"], (4, 2, 5, 6), (1, 1, 3, 3), (3, 4, 5, 6, 7), (2, 2, 2, 5, 5)], ids=str
)
def test_delta_orthogonal(sower, shape, gain):
    ours = sower.array(f"delta_orthogonal(gain={gain})", shape, layout="io")
    theirs = initialized(J.delta_orthogonal(gain), shape)
    # The centre of an axis of size k is (k - 1) / 2 rounded down, as in JAX.
    centre = tuple((size - 1) // 2 for size in shape[:-2])
    for values in (ours, theirs):
        assert numpy.count_nonzero(values[centre]) == shape[-2] * shape[-1] == numpy.count_nonzero(values)
        assert orthogonality_error(values[centre], gain) <= 2e-6
    if ours[centre].size > 1000:
        assert_same_distribution(ours[centre], theirs[centre])


def test_delta_orthogonal_in_pytorchs_order(sower):
    shape = (16, 8, 3, 4)  # out, in, and the axes of the kernel
    values = sower.array("delta_orthogonal", shape, layout="oi")
    theirs = initialized(J.delta_orthogonal(), (3, 4, 8, 16)).transpose(3, 2, 0, 1)
    assert numpy.array_equal(values != 0, theirs != 0)
    assert orthogonality_error(values[:, :, 1, 1]) <= 2e-6
    assert sower.ask("/v1/plan", init="delta_orthogonal", shape=(8, 16, 3, 4), layout="oi")[0] == 400


@pytest.mark.parametrize("shape", [(3, 3, 8, 4), (8, 8), (1, 1, 1, 1, 4, 4)], ids=str)
def test_delta_orthogonal_refuses_what_jax_refuses(sower, shape):
    with pytest.raises(ValueError):
        initialized(J.delta_orthogonal(), shape)
    assert sower.ask("/v1/plan", init="delta_orthogonal", shape=shape, layout="io")[0] == 400
