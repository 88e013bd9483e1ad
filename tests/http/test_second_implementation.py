"""A second implementation of the contract, written from proto/SPEC.md alone, against the published vectors.

Pure Python and exact: a binary floating-point number is a pair (m, e) of integers that stands for m * 2**e, and every
rounding is spelt out. It knows nothing of the C code, and needs no daemon.
"""
import hashlib
import json
import math
import pathlib
import struct

import pytest

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"
DRAWS = json.loads((VECTORS / "draws.json").read_text())["draws"]
SEEDS = json.loads((VECTORS / "seeds.json").read_text())["seeds"]
NORMAL_TABLE = json.loads((VECTORS / "normal_table.json").read_text())

# Above this many elements only the first and last are made.
WHOLE_UP_TO = 500


# Seeds and stream

def blake2b(message, key=b"", person=b""):
    return hashlib.blake2b(message, digest_size=32, key=key, person=person).digest()


PUBLIC_ROOT = blake2b(b"sower public root")


def root_id(root):
    return blake2b(b"sower root id", root)


def experiment_seed(root, experiment):
    return blake2b(experiment.encode(), root, b"sower.experiment")


def trial_seed(experiment, trial):
    return blake2b(trial.to_bytes(8, "little"), experiment, b"sower.trial")


def tensor_seed(trial, name):
    return blake2b(name.encode(), trial, b"sower.tensor")


def chacha20_block(key, counter):
    """RFC 8439, section 2.3, under the nonce LibsodiumDRG."""
    initial = struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key)
    initial += (counter,) + struct.unpack("<3I", b"LibsodiumDRG")
    state = list(initial)

    def quarter(a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            mixed = state[z] ^ state[x]
            state[z] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, initial)))


class Stream:
    def __init__(self, seed):
        self.seed, self.blocks = seed, {}

    def word(self, index, size):
        """The little-endian word of `size` bytes at byte size * index."""
        block, offset = divmod(index * size, 64)
        if block not in self.blocks:
            self.blocks[block] = chacha20_block(self.seed, block)
        return int.from_bytes(self.blocks[block][offset:offset + size], "little")


# Floating point: the formats, and rounding to nearest even

class Format:
    def __init__(self, exponent_bits, mantissa_bits, largest, beyond):
        self.precision = mantissa_bits + 1
        self.least = 2 - 2 ** (exponent_bits - 1) - mantissa_bits  # the exponent of the last bit of a denormal
        self.mantissa_bits, self.largest, self.beyond = mantissa_bits, largest, beyond
        self.size = (1 + exponent_bits + mantissa_bits) // 8

    def round(self, number):
        m, e = number
        shift = max(abs(m).bit_length() - self.precision, self.least - e)
        if m == 0 or shift <= 0:
            return m, e
        quotient, rest = divmod(abs(m), 1 << shift)
        half = 1 << (shift - 1)
        quotient += rest > half or (rest == half and quotient & 1)
        return (quotient if m > 0 else -quotient), e + shift

    def fma(self, a, b, c):
        """a * b + c with one rounding."""
        product, exponent = a[0] * b[0], a[1] + b[1]
        low = min(exponent, c[1])
        return self.round(((product << (exponent - low)) + (c[0] << (c[1] - low)), low))

    def encode(self, number):
        """The bit pattern of a number, rounded."""
        m, e = self.round(number)
        sign, m = m < 0, abs(m)
        bits = 0
        if m:
            shift = min(self.precision - m.bit_length(), e - self.least)
            m, e = (m << shift if shift >= 0 else m >> -shift), e - shift
            bits = m if m.bit_length() < self.precision else ((e - self.least) << self.mantissa_bits) + m
        elif number[0] < 0:
            sign = True  # a negative number that was rounded to zero
        bits = self.beyond if bits > self.largest else bits
        return sign << (8 * self.size - 1) | bits

    def decode(self, bits):
        m, sign = bits & ((1 << 8 * self.size - 1) - 1), bits >> (8 * self.size - 1)
        field, m = m >> self.mantissa_bits, m & ((1 << self.mantissa_bits) - 1)
        e = self.least + max(field, 1) - 1
        m |= (field > 0) << self.mantissa_bits
        return (-m if sign else m), e


F64 = Format(11, 52, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000)
F32 = Format(8, 23, 0x7F7FFFFF, 0x7F800000)
FORMATS = {
    "f64": F64,
    "f32": F32,
    "f16": Format(5, 10, 0x7BFF, 0x7C00),
    "bf16": Format(8, 7, 0x7F7F, 0x7F80),
    "f8_e4m3": Format(4, 3, 0x7E, 0x7E),
    "f8_e5m2": Format(5, 2, 0x7B, 0x7B),
}


def pair(x):
    """A finite double as (m, e)."""
    numerator, denominator = x.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def value(number):
    return math.ldexp(*number)


def less(a, b):
    low = min(a[1], b[1])
    return a[0] << (a[1] - low) < b[0] << (b[1] - low)


def round_up(wide, x):
    """The least number of the format that is not below the double x."""
    number = wide.round(pair(x))
    while less(number, pair(x)):
        # the next number up: one more in the last place
        step = max(abs(number[0]).bit_length() - wide.precision + number[1], wide.least)
        number = wide.round((number[0] * 4 + (1 << (step - number[1] + 2) if step >= number[1] - 2 else 1), number[1] - 2))
    return number


def round_down(wide, x):
    m, e = round_up(wide, -x)
    return -m, e


# The inverse normal CDF

def load_table(name, form):
    table = NORMAL_TABLE[name]
    numbers = [[form.decode(int(bits, 16)) for bits in row] for row in table["coefficients"]]
    return [int(centre, 16) for centre in table["centre"]], numbers, form.decode(int(table["scale"], 16))


TABLES = {32: (F32,) + load_table("f32", F32), 64: (F64,) + load_table("f64", F64)}


def normal(word, bits):
    form, centres, table, scale = TABLES[bits]
    negative = word < 1 << (bits - 1)
    r = word if negative else (1 << bits) - 1 - word
    n = bits - (r | 1).bit_length()
    d = form.round((r - centres[n], 0))
    d = d[0] * scale[0], d[1] + scale[1]
    z = table[-1][n]
    for row in reversed(table[:-1]):
        z = form.fma(z, d, row[n])
    return (-z[0] if negative else z[0]), z[1]


def rank(z):
    """How many 64-bit words have a normal below z."""
    if math.isinf(z):
        return 0 if z < 0 else 2 ** 64 - 1
    low, high = 0, 2 ** 64 - 1
    while low < high:
        middle = (low + high) // 2
        if less(normal(middle, 64), pair(z)):
            low = middle + 1
        else:
            high = middle
    return low


# Laws: functions from a word to an element

class Constant:
    def __init__(self, number):
        self.number = pair(number)

    def element(self, word, bits):
        return (F64 if bits == 64 else F32).round(self.number)


class Uniform:
    def __init__(self, low, high):
        half = (high - low) / 2
        self.bounds, self.half, self.middle = (low, math.nextafter(high, -math.inf)), half, low + half

    def element(self, word, bits):
        form = F64 if bits == 64 else F32
        kept = form.precision
        signed = (word >> (bits - kept)) - ((word >> (bits - 1)) << kept)
        c = 2 * signed + 1, -kept
        x = form.fma(c, form.round(pair(self.half)), form.round(pair(self.middle)))
        return clamp(form, x, *self.bounds, pair(self.middle))


def clamp(form, x, low, high, middle):
    if not math.isinf(low):
        x = max(x, round_up(form, low), key=value)
    if not math.isinf(high):
        x = min(x, round_down(form, high), key=value)
    empty = not math.isinf(low) and not math.isinf(high) and less(round_down(form, high), round_up(form, low))
    return form.round(middle) if empty else x


class Normal:
    def __init__(self, mean, std):
        self.mean, self.std = pair(mean), pair(std)

    def element(self, word, bits):
        form = F64 if bits == 64 else F32
        return form.fma(normal(word, bits), form.round(self.std), form.round(self.mean))


class TruncatedNormal(Normal):
    def __init__(self, mean, std, lower, upper, low, high):
        super().__init__(mean, std)
        self.low, self.high = low, high
        self.ranks = rank(lower), rank(-upper)

    def element(self, word, bits):
        below, above = self.ranks
        if bits == 32:
            below, above = ((r >> 32) + (r % 2 ** 32 > 2 ** 31) for r in self.ranks)
        first, span = below, 2 ** bits - below - above
        if below == above == 0:
            first, span = 1, 2 ** bits - 2
        inside = first + (word * span + span // 2 >> bits)
        return clamp(F64 if bits == 64 else F32, super().element(inside, bits), self.low, self.high, self.mean)


def uniform_law(limit):
    return Uniform(-limit, limit)


def normal_law(mean, std):
    return Normal(mean, std) if std else Constant(mean)


# The catalogue

TRUNCATED_STD = 0.87962566103423978
KERAS = {"glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in"), "lecun": (1.0, "fan_in")}


def variance_scaling(scale, mode, distribution, fan_in, fan_out):
    n = max({"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode], 1.0)
    if distribution == "uniform":
        return uniform_law(math.sqrt(3 * scale / n))
    if distribution == "untruncated_normal":
        return normal_law(0.0, math.sqrt(scale / n))
    std = math.sqrt(scale / n) / TRUNCATED_STD
    return TruncatedNormal(0.0, std, -2.0, 2.0, -2 * std, 2 * std)


def pytorch_gain(nonlinearity, a):
    return {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + a * a)), "selu": 3 / 4}.get(nonlinearity, 1.0)


def law_of(name, p, fan_in, fan_out):
    """The law of an initializer with parameters p; fans as doubles."""
    total, inputs = max(fan_in + fan_out, 1.0), max(fan_in, 1.0)
    family, _, kind = name.partition("_")
    if family in KERAS:
        scale, mode = KERAS[family]
        return variance_scaling(scale, mode, "uniform" if kind == "uniform" else "truncated_normal", fan_in, fan_out)
    if family == "kaiming":
        std = pytorch_gain(p["nonlinearity"], p["a"]) / math.sqrt(max(fan_in if p["mode"] == "fan_in" else fan_out, 1.0))
        return uniform_law(math.sqrt(3) * std) if kind == "uniform" else normal_law(0.0, std)
    if family == "kwon":
        factor = {"logistic": 1.0, "tanh": 4.0, "relu": math.sqrt(2)}[p["activation"]]
        return uniform_law(factor * math.sqrt(6 / total)) if kind == "uniform" else normal_law(0.0, factor * math.sqrt(2 / total))
    if name == "truncated_normal":
        low, high = p["mean"] + p["lower"] * p["std"], p["mean"] + p["upper"] * p["std"]
        return TruncatedNormal(p["mean"], p["std"], p["lower"], p["upper"], low, high)
    if name == "trunc_normal":
        lower, upper = (p["a"] - p["mean"]) / p["std"], (p["b"] - p["mean"]) / p["std"]
        return TruncatedNormal(p["mean"], p["std"], lower, upper, p["a"], p["b"])
    laws = {
        "zeros": lambda: Constant(0.0),
        "ones": lambda: Constant(1.0),
        "constant": lambda: Constant(p["value"]),
        "uniform": lambda: Uniform(p["low"], p["high"]),
        "normal": lambda: normal_law(p["mean"], p["std"]),
        "variance_scaling": lambda: variance_scaling(p["scale"], p["mode"], p["distribution"], fan_in, fan_out),
        "xavier_uniform": lambda: uniform_law(p["gain"] * math.sqrt(6 / total)),
        "xavier_normal": lambda: normal_law(0.0, p["gain"] * math.sqrt(2 / total)),
        "siren_uniform": lambda: uniform_law(1 / inputs if p["first"] else math.sqrt(6 / inputs) / p["omega"]),
        "small_normal": lambda: normal_law(0.0, math.sqrt(2 / (5 * inputs))),
        "wang_normal": lambda: normal_law(0.0, 2 / (p["layers"] * math.sqrt(inputs))),
        "fan_uniform": lambda: uniform_law(1 / math.sqrt(p["fan_in"])),
        "sparse": lambda: normal_law(0.0, p["std"]),
    }
    return laws[name]()


def channels(index, shape, layout):
    """The out channel, in channel, spatial index, and the sizes of each, of a convolution's weight."""
    if layout == "oi":
        return index[0], index[1], index[2:], shape[0], shape[1], shape[2:]
    return index[-1], index[-2], index[:-2], shape[-1], shape[-2], shape[:-2]


def triangle(place, size):
    reach = float((size + 1) // 2)
    middle = reach - 1 if size % 2 else reach - 0.5
    return 1 - abs(place - middle) / reach


def fixed_value(name, p, index, shape, layout):
    """The elements of initializers without chance; None for all others."""
    if name == "identity":
        return p["gain"] if index[0] == index[1] else 0.0
    if name == "lstm_bias":
        return p["forget"] if index[0] // (shape[0] // 4) == 1 else 0.0
    if name in ("dirac", "bilinear"):
        out, inside, place, outs, ins, sizes = channels(index, shape, layout)
        if name == "dirac":
            centred = all(at == size // 2 for at, size in zip(place, sizes))
            return float(centred and inside == out % (outs // int(p["groups"])))
        if out != inside and outs != 1 and ins != 1:
            return 0.0
        weight = 1.0
        for at, size in reversed(list(zip(place, sizes))):
            weight *= triangle(at, size)
        return weight
    return None


class Sparse:
    """Which elements are zero."""

    def __init__(self, seed, shape, sparsity):
        self.keys = Stream(blake2b(b"", seed, b"sower.sparse"))
        self.rows, self.width = shape[0], -(-shape[1] // 8) * 8
        self.count = math.ceil(sparsity * shape[0])
        self.zeros = {}

    def is_zero(self, row, column):
        if column not in self.zeros:
            order = sorted((self.keys.word(i * self.width + column, 8), i) for i in range(self.rows))
            self.zeros[column] = {i for _, i in order[:self.count]}
        return row in self.zeros[column]


# Draws

class Orthogonal:
    """Section 7's matrix. Doubles are Python's own, whose + - * / and sqrt round once; fma is spelt out."""

    CHAIN = 240

    def __init__(self, stream, rows, columns, form):
        self.n, self.m, self.tall = max(rows, columns), min(rows, columns), rows > columns
        self.stream, self.double = stream, form is F64
        self.pivots = [self.n - self.m + l for l in range(self.m)]
        self.vectors, self.scales, self.signs = zip(*map(self.reflector, range(self.m)))
        self.gram = [[self.product(k, l) for l in range(k)] for k in range(self.m)]
        self.columns = {}

    def gaussian(self, i, l):
        return normal(self.stream.word(i * self.m + l if self.tall else l * self.n + i, 4), 32)

    def reflector(self, l):
        """V's column, c and s."""
        vector = [self.gaussian(i, l) for i in range(self.pivots[l] + 1)]
        x = value(vector.pop())
        if self.pivots[l] == 0:
            return [(0, 0)], 0.0, math.copysign(1, x)
        tail = 0.0
        for number in map(value, vector):
            tail += number * number
        pivot = F32.round(pair(x + math.copysign(math.sqrt(tail + x * x), x)))
        return vector + [pivot], -2 / (tail + value(pivot) * value(pivot)), -math.copysign(1, x)

    def at(self, i, l):
        return self.vectors[l][i] if i < len(self.vectors[l]) else (0, 0)

    def single(self, start, terms):
        """start plus chains of f32, one for each CHAIN terms."""
        for first in range(0, len(terms), self.CHAIN):
            total = 0, 0
            for a, b in terms[first:first + self.CHAIN]:
                total = F32.fma(a, b, total)
            start += value(total)
        return start

    def chain(self, start, terms):
        total = pair(start)
        for a, b in terms:
            total = F64.fma(a, b, total)
        return value(total)

    def product(self, k, l):
        terms = [(self.at(i, k), self.at(i, l)) for i in range(self.pivots[l] + 1)]
        kept = len(terms) if self.double else self.CHAIN
        return self.single(self.chain(0.0, terms[:kept]), terms[kept:])

    def column(self, j):
        """N's column j."""
        if j not in self.columns:
            column = [0.0] * self.m
            for k in range(j, self.m):
                terms = [(pair(self.gram[k][l]), pair(column[l])) for l in range(j, k)]
                column[k] = self.scales[k] * self.chain(value(self.at(self.pivots[j], k)), terms)
            self.columns[j] = [pair(x) if self.double else F32.round(pair(x)) for x in column]
        return self.columns[j]

    def element(self, row, column, gain):
        i, j = (row, column) if self.tall else (column, row)
        terms = [(self.at(i, l), self.column(j)[l]) for l in range(self.m)]
        start = float(i == self.pivots[j])
        total = self.chain(start, terms) if self.double else self.single(start, terms)
        return total * (self.signs[j] * gain)


def matrix_place(name, index, shape, layout):
    """Row and column of a tensor's element in its orthogonal matrix, and the matrix's shape; None for what is 0."""
    if name == "delta_orthogonal":
        out, inside, place, outs, ins, sizes = channels(index, shape, layout)
        if any(at != (size - 1) // 2 for at, size in zip(place, sizes)):
            return None
        return (out, inside, outs, ins) if layout == "oi" else (inside, out, ins, outs)
    rows = shape[0] if layout == "oi" else math.prod(shape[:-1])
    columns = math.prod(shape) // rows
    flat = 0
    for at, size in zip(index, shape):
        flat = flat * size + at
    return flat // columns, flat % columns, rows, columns


def parse_canonical(text):
    """The fields of a canonical form, whose own order and spelling the draw id pins."""
    fields, at = {}, len("sower draw\n")
    assert text.startswith("sower draw\n")
    data = text.encode()
    while at < len(data):
        equals = data.index(b"=", at)
        key = data[at:equals].decode()
        if key in ("experiment", "name"):
            colon = data.index(b":", equals)
            size = int(data[equals + 1:colon])
            fields[key] = data[colon + 1:colon + 1 + size].decode()
            at = colon + 1 + size + 1
        else:
            end = data.index(b"\n", equals)
            fields[key] = data[equals + 1:end].decode()
            at = end + 1
    return fields


def numbers(text):
    return [int(number) for number in text.split(",")] if text else []


def parameter(text):
    try:
        return struct.unpack(">d", bytes.fromhex(text))[0]
    except (ValueError, struct.error):
        return text


def fans(fields, shape):
    if len(shape) < 2 and not fields["in_axes"] and not fields["out_axes"]:
        fan_in = fan_out = shape[0] if shape else 1
    else:
        ins, outs, batches = (numbers(fields[key]) for key in ("in_axes", "out_axes", "batch_axes"))
        rest = math.prod(size for axis, size in enumerate(shape) if axis not in ins + outs + batches)
        fan_in = rest * math.prod(shape[axis] for axis in ins)
        fan_out = rest * math.prod(shape[axis] for axis in outs)
    return int(fields["fan_in"]) or fan_in, int(fields["fan_out"]) or fan_out


def region(request, shape):
    """The [start, stop) of each axis."""
    ranges = [(0, size) for size in shape]
    for axis, text in enumerate(filter(None, request.get("slice", "").split(","))):
        bounds = slice(*(int(bound) if bound else None for bound in text.split(":"))).indices(shape[axis])
        ranges[axis] = bounds[0], max(bounds[0], bounds[1])
    for text in filter(None, request.get("shard", "").split(",")):
        axis, place, count = (int(number) for number in text.replace("/", ":").split(":"))
        piece = -(-shape[axis] // count)
        ranges[axis] = min(place * piece, shape[axis]), min((place + 1) * piece, shape[axis])
    return ranges


class Draw:
    def __init__(self, vector):
        self.fields = parse_canonical(vector["canonical"])
        self.shape = numbers(self.fields["shape"])
        self.form = FORMATS[self.fields["dtype"]]
        self.name = self.fields["init"]
        self.parameters = {k[5:]: parameter(v) for k, v in self.fields.items() if k.startswith("init.")}
        self.seed = tensor_seed(
            trial_seed(experiment_seed(PUBLIC_ROOT, self.fields["experiment"]), int(self.fields["trial"])), self.fields["name"])
        self.ranges = region(vector["request"], self.shape)
        self.count = math.prod(stop - start for start, stop in self.ranges)

    def prepare(self):
        self.stream = Stream(self.seed)
        fan_in, fan_out = fans(self.fields, self.shape)
        structured = fixed_value(self.name, self.parameters, [0] * len(self.shape), self.shape, self.fields["layout"]) is not None
        self.orthogonal = None
        if self.name in ("orthogonal", "delta_orthogonal"):
            centre = [(size - 1) // 2 for size in self.shape]
            self.orthogonal = Orthogonal(self.stream, *matrix_place(self.name, centre, self.shape, self.fields["layout"])[2:], self.form)
            return
        self.law = None if structured else law_of(self.name, self.parameters, float(fan_in), float(fan_out))
        self.sparse = Sparse(self.seed, self.shape, self.parameters["sparsity"]) if self.name == "sparse" else None

    def element(self, n):
        """Element n of the region, as bytes."""
        index = []
        for start, stop in reversed(self.ranges):
            n, at = divmod(n, stop - start)
            index.insert(0, start + at)
        if self.orthogonal:
            place = matrix_place(self.name, index, self.shape, self.fields["layout"])
            number = pair(self.orthogonal.element(*place[:2], self.parameters["gain"])) if place else (0, 0)
        elif self.law is None:
            number = pair(float(fixed_value(self.name, self.parameters, index, self.shape, self.fields["layout"])))
        elif self.sparse and self.sparse.is_zero(*index):
            number = 0, 0
        else:
            flat = 0
            for at, size in zip(index, self.shape):
                flat = flat * size + at
            bits = 64 if self.form is F64 else 32
            number = self.law.element(self.stream.word(flat, bits // 8), bits)
        if self.form is not F64:
            number = F32.round(number)
        return self.form.encode(number).to_bytes(self.form.size, "little")


def label(vector):
    request = vector["request"]
    init = request["init"] if isinstance(request["init"], str) else request["init"]["type"]
    return "-".join([init, request.get("dtype", "f32"), "x".join(str(size) for size in request["shape"])])


@pytest.mark.parametrize("vector", SEEDS, ids=lambda vector: vector["experiment"] + "/" + str(vector["trial"]))
def test_seeds_and_streams_follow_from_their_names(vector):
    root = bytes.fromhex(vector["root"])
    experiment = experiment_seed(root, vector["experiment"])
    trial = trial_seed(experiment, vector["trial"])
    tensor = tensor_seed(trial, vector["name"])
    assert root_id(root).hex() == vector["root_id"]
    assert experiment.hex() == vector["experiment_seed"]
    assert trial.hex() == vector["trial_seed"]
    assert tensor.hex() == vector["tensor_seed"]
    assert chacha20_block(tensor, 0).hex() == vector["stream_first_block"]
    assert chacha20_block(tensor, 2 ** 32 - 1).hex() == vector["stream_last_block"]


@pytest.mark.parametrize("vector", DRAWS, ids=label)
def test_ids_and_seeds_follow_from_the_canonical_form(vector):
    draw = Draw(vector)
    assert blake2b(vector["canonical"].encode()).hex() == vector["draw"]
    assert draw.seed.hex() == vector["seed"]
    assert draw.fields["root"] == root_id(PUBLIC_ROOT).hex()
    assert draw.count == vector["elements"]


@pytest.mark.parametrize("vector", DRAWS, ids=label)
def test_elements_follow_from_the_contract(vector):
    draw = Draw(vector)
    draw.prepare()
    first, last = len(vector["first"]) // 2 // draw.form.size, len(vector["last"]) // 2 // draw.form.size
    if draw.count <= WHOLE_UP_TO:
        data = b"".join(draw.element(n) for n in range(draw.count))
        assert hashlib.blake2b(data, digest_size=32).hexdigest() == vector["blake2b_256"]
        assert data[:first * draw.form.size].hex() == vector["first"]
        assert data[len(data) - last * draw.form.size:].hex() == vector["last"]
    else:
        assert b"".join(draw.element(n) for n in range(first)).hex() == vector["first"]
        assert b"".join(draw.element(n) for n in range(draw.count - last, draw.count)).hex() == vector["last"]
