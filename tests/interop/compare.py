"""Comparisons of two random tensors. All seeds are fixed: with the same versions of the frameworks, a test that passes once always
passes."""
import math

import numpy

# Shapes of usual layers: 512 inputs and 256 outputs; 3 x 3 from 64 to 128 channels; 5000 words.
OI = {"dense": (256, 512), "conv": (128, 64, 3, 3), "embedding": (5000, 128)}  # PyTorch's order of axes
IO = {"dense": (512, 256), "conv": (3, 3, 64, 128), "embedding": (5000, 128)}  # Keras' and JAX's
KINDS = list(OI)

# Probability that two samples of the same distribution fail a comparison.
SIGNIFICANCE = 1e-6


def ks_distance(x, y):
    """The two-sample Kolmogorov-Smirnov statistic: the largest difference of the empirical distribution functions."""
    x, y = numpy.sort(x, axis=None), numpy.sort(y, axis=None)
    points = numpy.concatenate([x, y])
    of_x = numpy.searchsorted(x, points, side="right") / x.size
    of_y = numpy.searchsorted(y, points, side="right") / y.size
    return numpy.abs(of_x - of_y).max()


def ks_bound(x, y):
    """The bound that the distance exceeds with probability SIGNIFICANCE if both have the same distribution (asymptotic)."""
    return math.sqrt(-math.log(SIGNIFICANCE / 2) / 2 * (x.size + y.size) / (x.size * y.size))


def assert_same_distribution(ours, theirs):
    ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype == numpy.float32
    assert ks_distance(ours, theirs) <= ks_bound(ours, theirs)


def assert_as_planned(plan, values):
    """Asserts that the mean, the deviation and the range of a sample, of Sower or of a framework, are those of the plan."""
    values = numpy.asarray(values, dtype=numpy.float64)
    mean, std = plan["mean_expected"], plan["std_expected"]
    # Six standard errors. The fourth moment of each of these laws is at most that of a normal, 3 std^4.
    assert abs(values.mean() - mean) <= 6 * std / math.sqrt(values.size)
    assert abs(values.var() - std * std) <= 6 * std * std * math.sqrt(2 / values.size)
    # Frameworks compute in f32: a value may be one rounding outside of a bound that f32 cannot represent.
    slack = 1e-6 * max(abs(plan["low"] or 0), abs(plan["high"] or 0))
    assert plan["low"] is None or values.min() >= plan["low"] - slack
    assert plan["high"] is None or values.max() <= plan["high"] + slack


def orthogonality_error(matrix, gain=1):
    """max |QQ' - gain^2 I| over the smaller side."""
    matrix = numpy.asarray(matrix, dtype=numpy.float64)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return numpy.abs(product - gain * gain * numpy.eye(len(product))).max()
