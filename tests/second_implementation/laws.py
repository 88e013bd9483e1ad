"""Section 4: laws compute a number from a word. Parameters are doubles; a law rounds them to its format where it uses them.

`form` is the format a law is evaluated in, F64 for tensors of f64 and F32 for all others. `element(w)` is a number of
that format. `parts` are the numbers that it is made of, `least` and `greatest` what it can produce before the clamp.
"""
import math

from .floats import F64
from .normal import WIDTHS, rank, rank32


class Constant:
    def __init__(self, form, number):
        self.form, self.number = form, form.round(number)
        self.parts, self.least, self.greatest = [self.number], self.number, self.number

    def element(self, word):
        return self.number

    def clamp(self, x):
        return x


class Clamp:
    """Section 4, clamping: to the numbers of the format that lie between two doubles."""

    def __init__(self, form, low, high):
        self.low, self.high = form.round_up(low), form.round_down(high)
        self.empty = self.low > self.high

    def __call__(self, x):
        return self.low if x < self.low else self.high if x > self.high else x


class Uniform:
    def __init__(self, form, low, high):
        half = (high - low) / 2
        middle = low + half
        self.form, self.bits = form, 8 * form.size
        self.half, self.middle = form.round(half), form.round(middle)
        self.parts = [self.half, self.middle]
        farthest = 1 - math.ldexp(1, -form.precision)
        self.least, self.greatest = (form.fma(c, self.half, self.middle) for c in (-farthest, farthest))
        self.clamp = Clamp(form, low, math.nextafter(high, -math.inf))

    def element(self, word):
        kept = self.form.precision
        signed = (word >> self.bits - kept) - (word >> self.bits - 1 << kept)
        c = math.ldexp(2 * signed + 1, -kept)
        return self.clamp(self.form.fma(c, self.half, self.middle))


class Normal:
    def __init__(self, form, mean, std):
        self.form, self.bits = form, 8 * form.size
        self.mean, self.std = form.round(mean), form.round(std)
        self.parts = [self.mean, self.std]
        self.least, self.greatest = self.unclamped(0), self.unclamped((1 << self.bits) - 1)

    def unclamped(self, word):
        return self.form.fma(WIDTHS[self.bits].z(word), self.std, self.mean)

    def clamp(self, x):
        return x

    def element(self, word):
        return self.unclamped(word)


class Truncated(Normal):
    def __init__(self, form, mean, std, lower, upper, low, high):
        super().__init__(form, mean, std)
        before, after = (rank(lower), rank(-upper)) if form is F64 else (rank32(lower), rank32(-upper))
        self.first, self.span = before, (1 << self.bits) - before - after
        if before == after == 0:
            self.first, self.span = 1, (1 << self.bits) - 2
        self.least, self.greatest = max(self.least, form.round(low)), min(self.greatest, form.round(high))
        self.clamp = Clamp(form, low, high)

    def element(self, word):
        inside = self.first + (word * self.span + self.span // 2 >> self.bits)
        return self.clamp(self.unclamped(inside))


def uniform(form, low, high):
    if low == high:
        return Constant(form, low)
    law = Uniform(form, low, high)
    return Constant(form, law.middle) if law.clamp.empty else law


def normal(form, mean, std):
    return Constant(form, mean) if std == 0 else Normal(form, mean, std)


def truncated(form, mean, std, lower, upper, low, high):
    if std == 0 or Clamp(form, low, high).empty:
        return Constant(form, mean)
    return Truncated(form, mean, std, lower, upper, low, high)


def span32(lower, upper):
    """The number of 32-bit words between two bounds."""
    return 2 ** 32 - rank32(lower) - rank32(-upper)
