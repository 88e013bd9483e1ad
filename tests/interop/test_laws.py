"""The comparisons of laws.py find wrong laws, and accept right ones."""
import numpy
import pytest

import laws

SHAPE = (64, 48)
NORMAL = {"init": "normal(mean=0,std=0.02)", "std": 0.02, "limit": None, "low": None, "high": None}
UNIFORM = {"init": "glorot_uniform", "std": None, "limit": 0.1, "low": -0.1, "high": 0.1}
TRUNCATED = {"init": "truncated_normal(mean=0,std=0.02,lower=-2,upper=2)", "std": 0.02, "limit": None, "low": -0.04, "high": 0.04}
ZEROS = {"init": "zeros", "std": None, "limit": None, "low": 0.0, "high": 0.0}
ORTHOGONAL = {"init": "orthogonal(gain=1)", "std": None, "limit": None, "low": None, "high": None}


def normal(seed, std=0.02, shape=SHAPE):
    return numpy.random.default_rng(seed).normal(0, std, (8, *shape)).astype("f4")


def uniform(seed, limit=0.1, shape=SHAPE):
    return numpy.random.default_rng(seed).uniform(-limit, limit, (8, *shape)).astype("f4")


def truncated(seed, std=0.02, shape=SHAPE):
    values = numpy.random.default_rng(seed).normal(0, 1, (8, 2 * numpy.prod(shape)))
    return numpy.stack([std * sample[abs(sample) <= 2][: numpy.prod(shape)].reshape(shape) for sample in values]).astype("f4")


def orthogonal(seed, rows=64, columns=48):
    values = numpy.random.default_rng(seed).normal(0, 1, (8, max(rows, columns), min(rows, columns)))
    factors = numpy.linalg.qr(values)[0].astype("f4")
    return factors if rows >= columns else factors.transpose(0, 2, 1)


RIGHT = {"normal": (normal, NORMAL), "uniform": (uniform, UNIFORM), "truncated": (truncated, TRUNCATED), "orthogonal": (orthogonal, ORTHOGONAL)}


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("name", RIGHT)
def test_the_right_law_is_accepted(name, seed):
    make, plan = RIGHT[name]
    assert laws.difference(make(2 * seed), make(2 * seed + 1), plan) is None


def with_row(values, number):
    values = values.copy()
    values[:, 3] = number
    return values


def half_doubled(values):
    values = values.copy()
    values[:, :, :4] *= 2
    return values


# For each: the framework's values, the daemon's values and plan.
WRONG = {
    "a normal's deviation is 5 % too large": (normal(1, 0.021), normal(2), NORMAL),
    "a normal's deviation is 5 % too small": (normal(1, 0.019), normal(2), NORMAL),
    "a uniform range is 5 % too large": (uniform(1, 0.105), uniform(2), UNIFORM),
    "a uniform range is 5 % too small": (uniform(1, 0.095), uniform(2), UNIFORM),
    "a truncated deviation is 5 % too small": (truncated(1, 0.019), truncated(2), TRUNCATED),
    "uniform for normal of the same deviation": (uniform(1, 0.02 * 3**0.5), normal(2), NORMAL),
    "normal for uniform": (normal(1, 0.1 / 3**0.5), uniform(2), UNIFORM),
    "not truncated": (normal(1), truncated(2), TRUNCATED),
    "truncated": (truncated(1), normal(2), NORMAL),
    "truncated, of the deviation after truncation": (truncated(1, 0.02 / 0.87962566103423978), normal(2), NORMAL),
    "the mean is a tenth of a deviation": (normal(1) + numpy.float32(0.002), normal(2), NORMAL),
    "one row is zero": (with_row(normal(1), 0), normal(2), NORMAL),
    "one row is zero in sower's values only": (normal(1), with_row(normal(2), 0), NORMAL),
    "some columns have twice the deviation": (half_doubled(normal(1)), normal(2), NORMAL),
    "orthogonal for normal of the same deviation": (orthogonal(1), normal(2, 1 / 8), {**NORMAL, "init": "normal(mean=0,std=0.125)", "std": 1 / 8}),
    "wide orthogonal for normal": (orthogonal(1, 48, 64), normal(2, 1 / 8, (48, 64)), {**NORMAL, "std": 1 / 8}),
    "normal for orthogonal": (normal(1, 1 / 8), orthogonal(2), ORTHOGONAL),
    "orthogonal of another gain": (2**0.5 * orthogonal(1), orthogonal(2), ORTHOGONAL),
    "orthogonal per gate": (numpy.concatenate([orthogonal(seed, 48, 48) for seed in range(4)], 1), orthogonal(2, 192, 48), ORTHOGONAL),
    "zeros for normal": (numpy.zeros((8, *SHAPE), "f4"), normal(2), NORMAL),
    "normal for zeros": (normal(1), numpy.zeros((8, *SHAPE), "f4"), ZEROS),
    "ones for zeros": (numpy.ones((8, *SHAPE), "f4"), numpy.zeros((8, *SHAPE), "f4"), ZEROS),
    "another constant": (numpy.full((8, 3), 1e-6, "f4"), numpy.full((8, 3), 1e-5, "f4"), ZEROS),
    "an open forget gate": (numpy.repeat([[0, 1, 0, 0]], 8, 0).astype("f4"), numpy.zeros((8, 4), "f4"), ZEROS),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_law_is_found(name):
    assert laws.difference(*WRONG[name]) is not None


def test_few_values_of_a_law_are_found_wrong_together():
    # 30,000 values as the harness collects them for a bias of 10 elements: 3000 seeds.
    law = laws.law_of(NORMAL)
    assert laws.improbable(law.distribution(normal(1, 0.021, (3750,)))) is not None
    assert laws.improbable(law.distribution(normal(1, 0.02, (3750,)))) is None
    law = laws.law_of(UNIFORM)
    assert laws.improbable(law.distribution(uniform(1, 0.095, (250,)))) is not None
    assert laws.improbable(law.distribution(uniform(1, 0.1, (250,)))) is None
