"""Section 7, structures: initializers whose elements are not independent draws of one law.

Each has element(index, flat): the double at an index of the whole tensor, whose number in C order is `flat`.
"""
import math

from .elementary import cos, exp, inverse_softplus, ln, sin
from .floats import F32, F64
from .normal import z32
from .seeds import Stream, sparse_seed


class Groups:
    """The axes of a weight in groups, and the place of an index in each of them: its number in C order along the group's axes."""

    def __init__(self, shape, sets):
        self.shape, (self.ins, self.outs, self.batches) = shape, sets
        self.space = [axis for axis in range(len(shape)) if axis not in (*self.ins, *self.outs, *self.batches)]

    def size(self, axes):
        return math.prod(self.shape[axis] for axis in axes)

    def place(self, index, axes):
        number = 0
        for axis in axes:
            number = number * self.shape[axis] + index[axis]
        return number

    def centred(self, index, centre):
        return all(index[axis] == centre(self.shape[axis]) for axis in self.space)


class Identity:
    def __init__(self, groups, gain):
        self.groups, self.gain = groups, gain

    def element(self, index, flat):
        return self.gain if self.groups.place(index, self.groups.ins) == self.groups.place(index, self.groups.outs) else 0.0


class Dirac:
    def __init__(self, groups, count):
        self.groups, self.period = groups, groups.size(groups.outs) // count

    def element(self, index, flat):
        out, inside = (self.groups.place(index, axes) for axes in (self.groups.outs, self.groups.ins))
        return float(self.groups.centred(index, lambda size: size // 2) and inside == out % self.period)


class Bilinear:
    def __init__(self, groups):
        self.groups = groups

    def element(self, index, flat):
        groups = self.groups
        if groups.place(index, groups.outs) != groups.place(index, groups.ins) and 1 not in (groups.size(groups.outs), groups.size(groups.ins)):
            return 0.0
        weight = 1.0
        for axis in reversed(groups.space):
            weight *= triangle(index[axis], groups.shape[axis])
        return weight


def triangle(place, size):
    reach = float((size + 1) // 2)
    middle = reach - 1 if size % 2 else reach - 0.5
    return 1 - abs(place - middle) / reach


class LstmBias:
    def __init__(self, axis, size, forget):
        self.axis, self.quarter, self.forget = axis, size // 4, forget

    def element(self, index, flat):
        return self.forget if index[self.axis] // self.quarter == 1 else 0.0


class Entries:
    """A table for each batch entry: the axes of the table are those that are no batch axes."""

    def __init__(self, groups, table):
        self.axes, self.table = [axis for axis in range(len(groups.shape)) if axis not in groups.batches], table

    def element(self, index, flat):
        return self.table.element([index[axis] for axis in self.axes], flat)


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

    def __init__(self, seed, groups, rows, columns, sparsity, law):
        self.keys, self.words, self.law = Stream(sparse_seed(seed)), Stream(seed), law
        self.groups, self.axes = groups, (groups.batches, rows, columns)
        self.rows, self.width = groups.size(rows), -(-groups.size(columns) // 8) * 8
        self.count = math.ceil(sparsity * self.rows)
        self.zeros = {}

    def element(self, index, flat):
        entry, row, column = (self.groups.place(index, axes) for axes in self.axes)
        if (entry, column) not in self.zeros:
            rows = range(self.rows if self.count else 0)
            order = sorted((self.keys.word((entry * self.rows + i) * self.width + column, 8), i) for i in rows)
            self.zeros[entry, column] = {i for _, i in order[:self.count]}
        return 0.0 if row in self.zeros[entry, column] else self.law.element(self.words.word(flat, self.law.form.size))


class Orthogonal:
    """A Haar matrix whose words begin with word `first`. Its factors are computed once, its elements one by one."""

    CHAIN = 240

    def __init__(self, seed, first, rows, columns, gain, form):
        self.first = first
        self.n, self.m, self.tall = max(rows, columns), min(rows, columns), rows > columns
        self.stream, self.double, self.gain = Stream(seed), form is F64, gain
        self.pivots = [self.n - self.m + l for l in range(self.m)]
        reflectors = [self.reflector(l) for l in range(self.m)]
        self.vectors, self.scales, self.signs = zip(*reflectors)
        self.gram = [[self.product(k, l) for l in range(k)] for k in range(self.m)]
        self.columns = {}

    def gaussian(self, i, l):
        return z32(self.stream.word(self.first + (i * self.m + l if self.tall else l * self.n + i), 4))

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


class Matrices:
    """The matrices of all entries and blocks. `outs` and `others` are the axes of their sides."""

    def __init__(self, seed, groups, outs, others, blocks, gain, form):
        self.seed, self.groups, self.blocks, self.gain, self.form = seed, groups, blocks, gain, form
        self.outs, self.others, self.turned = outs, others, max(outs + others) in outs
        self.sides = groups.size(outs) // blocks, groups.size(others)
        self.matrices = {}

    def element(self, index, flat):
        block, out = divmod(self.groups.place(index, self.outs), self.sides[0])
        other = self.groups.place(index, self.others)
        matrix = self.matrix(self.groups.place(index, self.groups.batches) * self.blocks + block)
        return matrix.value(other, out) if self.turned else matrix.value(out, other)

    def matrix(self, number):
        if number not in self.matrices:
            rows, columns = reversed(self.sides) if self.turned else self.sides
            self.matrices[number] = Orthogonal(self.seed, number * rows * columns, rows, columns, self.gain, self.form)
        return self.matrices[number]


class DeltaOrthogonal:
    """Matrices at the centre of convolutions."""

    def __init__(self, groups, matrices):
        self.groups, self.matrices = groups, matrices

    def element(self, index, flat):
        centred = self.groups.centred(index, lambda size: (size - 1) // 2)
        return self.matrices.element(index, flat) if centred else 0.0
