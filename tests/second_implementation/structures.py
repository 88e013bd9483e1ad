"""Section 7, structures: initializers whose elements are not independent draws of one law.

Each has element(index, flat): the double at an index of the whole tensor, whose number in C order is `flat`.
"""
import math

from .elementary import cos, exp, inverse_softplus, ln, sin
from .floats import F32, F64
from .normal import z32
from .seeds import Stream, sparse_seed


class Channels:
    """The out, in and spatial axes of a convolution's weight, in either layout."""

    def __init__(self, shape, layout):
        self.layout = layout
        self.outs, self.ins, self.sizes = self.parts(shape)

    def parts(self, index):
        """The out channel's index, the in channel's, and those of the spatial axes; or the sizes, if given a shape."""
        if self.layout == "oi":
            return index[0], index[1], index[2:]
        return index[-1], index[-2], index[:-2]


class Identity:
    def __init__(self, gain):
        self.gain = gain

    def element(self, index, flat):
        return self.gain if index[0] == index[1] else 0.0


class Dirac:
    def __init__(self, channels, groups):
        self.channels, self.groups = channels, groups

    def element(self, index, flat):
        out, inside, place = self.channels.parts(index)
        centred = all(at == size // 2 for at, size in zip(place, self.channels.sizes))
        return float(centred and inside == out % (self.channels.outs // self.groups))


class Bilinear:
    def __init__(self, channels):
        self.channels = channels

    def element(self, index, flat):
        out, inside, place = self.channels.parts(index)
        if out != inside and self.channels.outs != 1 and self.channels.ins != 1:
            return 0.0
        weight = 1.0
        for at, size in reversed(list(zip(place, self.channels.sizes))):
            weight *= triangle(at, size)
        return weight


def triangle(place, size):
    reach = float((size + 1) // 2)
    middle = reach - 1 if size % 2 else reach - 0.5
    return 1 - abs(place - middle) / reach


class LstmBias:
    def __init__(self, size, forget):
        self.quarter, self.forget = size // 4, forget

    def element(self, index, flat):
        return self.forget if index[0] // self.quarter == 1 else 0.0


class Progression:
    """`arange`, or its logarithm."""

    def __init__(self, start, step, logarithm):
        self.start, self.step, self.logarithm = start, step, logarithm

    def element(self, index, flat):
        number = F64.fma(float(index[-1]), self.step, self.start)
        return ln(number) if self.logarithm else number


class Tril:
    def __init__(self, value, above):
        self.value, self.above = value, above

    def element(self, index, flat):
        return self.value if index[-1] <= index[-2] else self.above


def frequency(base, i, n):
    return exp(-(i * ln(base) / n))


class InverseFrequency:
    def __init__(self, base, columns):
        self.base, self.columns = base, columns

    def element(self, index, flat):
        return frequency(self.base, index[-1], self.columns)


class Sinusoid:
    def __init__(self, base, order, endpoint, columns):
        self.base, self.halves, self.half = base, order == "halves", columns // 2
        self.n = self.half - 1 if endpoint else self.half

    def element(self, index, flat):
        cosine, i = divmod(index[-1], self.half) if self.halves else reversed(divmod(index[-1], 2))
        angle = index[-2] * frequency(self.base, i, self.n)
        return cos(angle) if cosine else sin(angle)


class DtBias:
    def __init__(self, seed, low, high, floor, places):
        self.words, self.places, self.floor = Stream(seed), places, floor
        self.half = (ln(high) - ln(low)) / 2
        self.middle = ln(low) + self.half

    def element(self, index, flat):
        c = self.places.element(self.words.word(flat, self.places.form.size))
        return inverse_softplus(max(exp(F64.fma(c, self.half, self.middle)), self.floor))


class Sparse:
    """The elements of a law, some of them replaced by zeros."""

    def __init__(self, seed, shape, sparsity, law):
        self.keys, self.words, self.law = Stream(sparse_seed(seed)), Stream(seed), law
        self.rows, self.width = shape[0], -(-shape[1] // 8) * 8
        self.count = math.ceil(sparsity * shape[0])
        self.zeros = {}

    def element(self, index, flat):
        row, column = index
        if column not in self.zeros:
            rows = range(self.rows if self.count else 0)
            order = sorted((self.keys.word(i * self.width + column, 8), i) for i in rows)
            self.zeros[column] = {i for _, i in order[:self.count]}
        return 0.0 if row in self.zeros[column] else self.law.element(self.words.word(flat, self.law.form.size))


class Orthogonal:
    """A Haar matrix. Its factors are computed once, its elements one by one."""

    CHAIN = 240

    def __init__(self, seed, rows, columns, gain, form):
        self.n, self.m, self.tall = max(rows, columns), min(rows, columns), rows > columns
        self.stream, self.double, self.gain = Stream(seed), form is F64, gain
        self.pivots = [self.n - self.m + l for l in range(self.m)]
        reflectors = [self.reflector(l) for l in range(self.m)]
        self.vectors, self.scales, self.signs = zip(*reflectors)
        self.gram = [[self.product(k, l) for l in range(k)] for k in range(self.m)]
        self.columns = {}

    def gaussian(self, i, l):
        return z32(self.stream.word(i * self.m + l if self.tall else l * self.n + i, 4))

    def reflector(self, l):
        """V's column l down to its pivot, c and s."""
        vector = [self.gaussian(i, l) for i in range(self.pivots[l] + 1)]
        x = vector.pop()
        if self.pivots[l] == 0:
            return [0.0], 0.0, math.copysign(1.0, x)
        tail = 0.0
        for number in vector:
            tail += number * number
        pivot = F32.round(x + math.copysign(math.sqrt(tail + x * x), x))
        return vector + [pivot], -2 / (tail + pivot * pivot), -math.copysign(1.0, x)

    def at(self, i, l):
        return self.vectors[l][i] if i <= self.pivots[l] else 0.0

    def chain(self, start, terms):
        for a, b in terms:
            start = F64.fma(a, b, start)
        return start

    def single(self, start, terms):
        """`start` plus chains in f32, one for each CHAIN terms."""
        for first in range(0, len(terms), self.CHAIN):
            total = 0.0
            for a, b in terms[first:first + self.CHAIN]:
                total = F32.fma(a, b, total)
            start += total
        return start

    def product(self, k, l):
        """G[k][l]."""
        terms = list(zip(self.vectors[k], self.vectors[l]))  # as long as the shorter vector, that of l
        kept = len(terms) if self.double else self.CHAIN
        total = 0.0
        for a, b in terms[:kept]:
            total += a * b  # fma, since the product of two numbers of f32 is exact
        return self.single(total, terms[kept:])

    def column(self, j):
        """N's column j."""
        if j not in self.columns:
            column = [0.0] * self.m
            for k in range(j, self.m):
                terms = [(self.gram[k][l], column[l]) for l in range(j, k)]
                column[k] = self.scales[k] * self.chain(self.at(self.pivots[j], k), terms)
            self.columns[j] = column if self.double else [F32.round(x) for x in column]
        return self.columns[j]

    def value(self, row, column):
        i, j = (row, column) if self.tall else (column, row)
        terms = [(self.at(i, l), number) for l, number in enumerate(self.column(j))]
        start = float(i == self.pivots[j])
        total = self.chain(start, terms) if self.double else self.single(start, terms)
        return total * (self.signs[j] * self.gain)


class OrthogonalTensor:
    """A tensor that is a matrix, with its axes flattened."""

    def __init__(self, seed, shape, layout, gain, form):
        rows = shape[0] if layout == "oi" else math.prod(shape[:-1])
        self.width = math.prod(shape) // rows
        self.matrix = Orthogonal(seed, rows, self.width, gain, form)

    def element(self, index, flat):
        return self.matrix.value(*divmod(flat, self.width))


class DeltaOrthogonal:
    """A matrix at the centre of a convolution."""

    def __init__(self, seed, channels, gain, form):
        self.channels, self.turned = channels, channels.layout == "io"
        sides = (channels.ins, channels.outs) if self.turned else (channels.outs, channels.ins)
        self.matrix = Orthogonal(seed, *sides, gain, form)

    def element(self, index, flat):
        out, inside, place = self.channels.parts(index)
        if any(at != (size - 1) // 2 for at, size in zip(place, self.channels.sizes)):
            return 0.0
        return self.matrix.value(inside, out) if self.turned else self.matrix.value(out, inside)
