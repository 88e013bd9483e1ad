"""Finds out whether a framework's initial values follow the law that sowerd plans for a tensor.

A framework initializes a tensor under several seeds, and the daemon draws it in several trials. Three comparisons follow, each of them
for the whole tensor and where it can, for parts of it:

1. *Constants*: the elements that are the same under every seed. These must be the same elements in both, with the same values. It finds
   wrong constants, rows of zeros (padding_idx) and open forget gates.
2. *Products*: the inner products of rows and of columns that are the same under every seed. It finds out whether a matrix is orthogonal.
3. *Law*: the distribution function F of the planned law turns each value x into u = F(x). The u are uniform in (0, 1) if the framework
   follows that law. Their mean, their spread, their extremes and their Kolmogorov-Smirnov distance are tested, for the whole tensor and
   for each index of each axis. A law without a formula is compared with the values of the daemon.

Each test fails with a probability of about SIGNIFICANCE if the laws are equal. With 10^6 tests in a run, a false alarm has the
probability 10^-4. All seeds are fixed, so a run that succeeds does so again with the same versions of the packages.
"""
import math
import re

import numpy
from scipy import special

SIGNIFICANCE = 1e-10
DEVIATIONS = -special.ndtri(SIGNIFICANCE / 2)
# A sample of this size shows that a deviation is wrong by 5 %. A uniform law shows it with fewer, by the ends of its range.
ENOUGH = {"uniform": 2000, "normal": 30000}
SMALLEST_PART = 100  # values of an index of an axis, below which the central limit theorem says nothing
LARGEST_SAMPLE = 1 << 18  # values that are sorted
LARGEST_SIDE = 256  # rows or columns whose products are computed


class Law:
    """A law that has a formula: uniform, normal or truncated normal."""

    def __init__(self, kind, low, high, mean=0.0, std=1.0):
        self.kind, self.low, self.high, self.mean, self.std = kind, low, high, mean, std

    def distribution(self, values):
        """F(x) of each value."""
        values = numpy.asarray(values, dtype=numpy.float64)
        if self.kind == "uniform":
            return numpy.clip((values - self.low) / (self.high - self.low), 0, 1)
        first, last = (special.ndtr((bound - self.mean) / self.std) for bound in (self.low, self.high))
        return numpy.clip((special.ndtr((values - self.mean) / self.std) - first) / (last - first), 0, 1)

    def outside(self, values):
        """How many values the law cannot have. Frameworks compute in f32: one rounding beyond a bound is allowed."""
        slack = 1e-6 * max((abs(bound) for bound in (self.low, self.high) if math.isfinite(bound)), default=0)
        return int(numpy.count_nonzero((values < self.low - slack) | (values > self.high + slack)))


def law_of(plan):
    """The law of a plan, or None if it has no formula here (constants and structures)."""
    low, high = (-math.inf if plan["low"] is None else plan["low"]), (math.inf if plan["high"] is None else plan["high"])
    name, _, arguments = plan["init"].partition("(")
    if low == high or plan["std"] == 0 or name == "sparse":
        return None
    if plan["limit"] is not None:
        return Law("uniform", -plan["limit"], plan["limit"])
    if name == "uniform":
        return Law("uniform", low, high)
    if plan["std"] is not None:
        mean = re.search(r"mean=([^,)]*)", arguments)
        return Law("normal", low, high, float(mean[1]) if mean else 0.0, plan["std"])
    return None


def improbable(u):
    """What contradicts that the numbers u are uniform in (0, 1) and independent, or None."""
    u = numpy.ravel(u)
    count = u.size
    for what, values, mean, variance in [("mean", u, 1 / 2, 1 / 12), ("spread", (u - 1 / 2) ** 2, 1 / 12, 1 / 180)]:
        error = (values.mean() - mean) / math.sqrt(variance / count)
        if abs(error) > DEVIATIONS:
            return f"the {what} is {error:+.1f} standard errors away"
    reach = u.max() - u.min()
    if reach <= 0 or count * math.log(reach) < math.log(SIGNIFICANCE):
        return f"{count} values fill only {reach:.3f} of the distribution"
    sample = numpy.sort(u[:: max(1, count // LARGEST_SAMPLE)])
    places = numpy.arange(sample.size + 1) / sample.size
    distance = max((places[1:] - sample).max(), (sample - places[:-1]).max())
    if distance > math.sqrt(-math.log(SIGNIFICANCE / 2) / 2 / sample.size):  # Dvoretzky, Kiefer, Wolfowitz, Massart
        return f"the Kolmogorov-Smirnov distance is {distance:.3f} for {sample.size} values"
    return None


def improbable_part(u, random):
    """The same for each index of each axis. `u` begins with the axis of seeds; `random` says which elements are not constants."""
    weights = numpy.broadcast_to(random, u.shape)
    for axis in range(1, u.ndim):
        others = tuple(other for other in range(u.ndim) if other != axis)
        counts = weights.sum(others)
        kept = numpy.maximum(counts, 1)
        for what, values, mean, variance in [("mean", u, 1 / 2, 1 / 12), ("spread", (u - 1 / 2) ** 2, 1 / 12, 1 / 180)]:
            errors = ((values * weights).sum(others) / kept - mean) / numpy.sqrt(variance / kept)
            errors[counts < SMALLEST_PART] = 0
            worst = int(numpy.abs(errors).argmax()) if errors.size else 0
            if errors.size and abs(errors[worst]) > DEVIATIONS:
                return f"at index {worst} of axis {axis - 1}, the {what} is {errors[worst]:+.1f} standard errors away"
    return None


def constants(samples):
    """(which elements are the same in all samples, these samples' first)"""
    return (samples == samples[0]).all(0), samples[0]


def products(samples):
    """The inner products of the rows and of the columns of the samples, each read as a matrix: first axis by the rest, and the rest by
    the last axis. One array (samples, side, side) for each matrix side that is small enough."""
    if samples.ndim < 3 or samples[0].size == 0:
        return []
    count = len(samples)
    matrices = [samples.reshape(count, samples.shape[1], -1)]
    if samples.ndim > 3:
        matrices.append(samples.reshape(count, -1, samples.shape[-1]))
    found = []
    for matrix in matrices:
        matrix = matrix.astype(numpy.float64)
        for side in (matrix, matrix.transpose(0, 2, 1)):
            if 1 < side.shape[1] <= LARGEST_SIDE:
                found.append(side @ side.transpose(0, 2, 1))
    return found


def constant_products(gram):
    """(which products are the same in all samples, their values)"""
    scale = max(float(numpy.abs(gram).max()), 1e-300)
    return numpy.ptp(gram, axis=0) <= 1e-5 * scale, gram[0]


def difference_of_products(theirs, ours):
    for gram, own in zip(products(theirs), products(ours)):
        (where, values), (own_where, own_values) = constant_products(gram), constant_products(own)
        if (where != own_where).any():
            return (f"{where.sum()} of {where.size} inner products of rows or columns are the same under every seed, "
                    f"sower's are for {own_where.sum()}")
        if not numpy.allclose(values[where], own_values[where], rtol=1e-3, atol=1e-3 * max(1e-300, float(numpy.abs(values).max()))):
            return "the lengths of rows or columns are other constants"
    return None


def difference_of_samples(theirs, ours):
    """Two samples of a law without formula: the Kolmogorov-Smirnov distance."""
    x, y = numpy.sort(theirs, axis=None), numpy.sort(ours, axis=None)
    points = numpy.concatenate([x, y])
    distance = numpy.abs(numpy.searchsorted(x, points, "right") / x.size - numpy.searchsorted(y, points, "right") / y.size).max()
    if distance > math.sqrt(-math.log(SIGNIFICANCE / 2) / 2 * (1 / x.size + 1 / y.size)):
        return f"the Kolmogorov-Smirnov distance of both is {distance:.3f}"
    return None


def difference(theirs, ours, plan, tolerance=0.0):
    """A sentence that says how the values of a framework, an array (seeds, *shape), differ from the plan and the values of the
    daemon, (trials, *shape); None if they agree. `tolerance` is allowed for elements that are the same under every seed."""
    if theirs[0].size == 0:
        return None
    (where, values), (own_where, own_values) = constants(theirs), constants(ours)
    if (where != own_where).any():
        return f"{where.sum()} of {where.size} elements are the same under every seed, sower's are for {own_where.sum()}"
    wrong = numpy.abs(values[where].astype(numpy.float64) - own_values[where]) > tolerance
    if wrong.any():
        at = int(wrong.argmax())
        return f"constants differ: {values[where][at]!s}, sower's is {own_values[where][at]!s} ({int(wrong.sum())} of them)"
    random = ~where
    if not random.any():
        return None
    law = law_of(plan)
    if law is None:
        found = difference_of_samples(theirs[:, random], ours[:, random])
        return found or difference_of_products(theirs, ours)
    if law.outside(theirs[:, random]):
        return f"{law.outside(theirs[:, random])} values are outside of [{law.low}, {law.high}]"
    u = law.distribution(theirs)
    return improbable(u[:, random]) or improbable_part(u, random) or difference_of_products(theirs, ours)
