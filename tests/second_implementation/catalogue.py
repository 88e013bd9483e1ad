"""Sections 6 and 7: fans, the entries with their parameters, and how each entry uses them.

An entry's `resolve(p, tensor)` gives a law (laws.py), or a function that makes a structure (structures.py) of a seed.
`tensor` knows what the formulas need: shape, layout, form, and the fans as doubles.
"""
import math
from dataclasses import dataclass

from . import laws, structures
from .floats import DTYPES, F32, F64
from .refusal import Refusal

INF = math.inf
WHOLE_MAX = 2 ** 53
TRUNCATED_STD = 0.87962566103423978


@dataclass
class Parameter:
    name: str
    kind: str  # real, whole, boolean or choice
    default: object = None  # None: must be given
    least: float = -INF
    above: bool = False  # the least value itself is not allowed
    most: float = INF
    infinite: bool = False
    choices: tuple = ()
    later: bool = False  # was added to an entry that had draws: canonical forms do not have its default

    def is_written(self, value):
        return not self.later or value != self.default

    def check(self, value):
        if self.kind not in ("real", "whole"):
            return value
        good = value > self.least if self.above else value >= self.least
        if (not good or value > self.most or (math.isinf(value) and not self.infinite) or math.isnan(value)
                or (self.kind == "whole" and value != math.floor(value))):
            raise Refusal("init", f"{self.name} is outside of its domain")
        return float(value) + 0.0  # there is one zero, the positive one


def real(name, default=None, least=-INF, **more):
    return Parameter(name, "real", default, least, **more)


def whole(name, default=None):
    return Parameter(name, "whole", default, 1, most=WHOLE_MAX)


def choice(name, default, *choices):
    return Parameter(name, "choice", default, choices=choices)


class Tensor:
    """The properties of a tensor that formulas use."""

    def __init__(self, shape, dtype, layout, sets, fan_in, fan_out):
        self.shape, self.layout, self.dtype = shape, layout, DTYPES[dtype]
        self.groups = structures.Groups(shape, sets)
        self.form = F64 if dtype == "f64" else F32
        self.fans = fan_in, fan_out
        self.fan_in, self.fan_out = float(fan_in), float(fan_out)
        self.n1, self.total = max(self.fan_in, 1.0), max(self.fan_in + self.fan_out, 1.0)
        self.count = 0 if 0 in shape else math.prod(shape)
        self.gain = self.std = self.limit = None  # figures of the plan; None if a figure does not apply

    def fan(self, mode):
        return max({"fan_in": self.fan_in, "fan_out": self.fan_out, "fan_avg": (self.fan_in + self.fan_out) / 2}[mode], 1.0)

    def in_range(self, law):
        """Refuses a law that can give a value which its dtype cannot represent."""
        reached = [*law.parts, law.least, law.greatest]
        stored = [] if self.dtype.saturates else [self.dtype.round(law.clamp(x)) for x in (law.least, law.greatest)]
        if not all(map(math.isfinite, reached + stored)):
            raise Refusal("init", "a value is beyond the range of the dtype")
        return law

    # The laws of this tensor; each method refuses a law that is out of range.

    def constant(self, value):
        return self.in_range(laws.Constant(self.form, value))

    def uniform(self, low, high):
        if low > high:
            raise Refusal("init", "low is above high")
        return self.in_range(laws.uniform(self.form, low, high))

    def symmetric(self, limit):
        self.limit = limit
        return self.uniform(-limit, limit)

    def normal(self, mean, std):
        self.std = std
        return self.in_range(laws.normal(self.form, mean, std))

    def truncated(self, mean, std, lower, upper, low, high):
        self.std = std
        if not lower < upper:
            raise Refusal("init", "the lower bound is not below the upper one")
        if std != 0 and laws.span32(lower, upper) < 2 ** 16:
            raise Refusal("init", "the bounds hold too little of the distribution")
        return self.in_range(laws.truncated(self.form, mean, std, lower, upper, low, high))


def channels(t):
    """The numbers of out and in channels."""
    counts = t.groups.size(t.groups.outs), t.groups.size(t.groups.ins)
    if max(counts) >= 2 ** 63:
        raise Refusal("shape", "too many channels", 413)
    return counts


def variance_scaling(p, t):
    n = t.fan(p["mode"])
    if p["distribution"] == "uniform":
        return t.symmetric(math.sqrt(3 * p["scale"] / n))
    if p["distribution"] == "untruncated_normal":
        return t.normal(0.0, math.sqrt(p["scale"] / n))
    std = math.sqrt(p["scale"] / n) / TRUNCATED_STD
    return t.truncated(0.0, std, -2.0, 2.0, -2 * std, 2 * std)


def scaled(scale, mode, distribution):
    return lambda p, t: variance_scaling({"scale": scale, "mode": mode, "distribution": distribution}, t)


def truncated_normal(p, t):
    mean, std = p["mean"], p["std"]
    return t.truncated(mean, std, p["lower"], p["upper"], mean + p["lower"] * std, mean + p["upper"] * std)


def trunc_normal(p, t):
    mean, std = p["mean"], p["std"]
    return t.truncated(mean, std, (p["a"] - mean) / std, (p["b"] - mean) / std, p["a"], p["b"])


GAINS = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def kaiming(p, t):
    g = math.sqrt(2 / (1 + p["a"] * p["a"])) if p["nonlinearity"] == "leaky_relu" else GAINS.get(p["nonlinearity"], 1.0)
    t.gain = g
    return g / math.sqrt(t.fan(p["mode"]))


def kaiming_uniform(p, t):
    return t.symmetric(math.sqrt(3) * kaiming(p, t))


def kaiming_normal(p, t):
    return t.normal(0.0, kaiming(p, t))


KWON = {"logistic": 1.0, "tanh": 4.0, "relu": math.sqrt(2)}


def xavier(scale, law):
    def resolve(p, t):
        t.gain = p["gain"]
        return law(t, p["gain"] * math.sqrt(scale / t.total))
    return resolve


def kwon(scale, law):
    return lambda p, t: law(t, KWON[p["activation"]] * math.sqrt(scale / t.total))


def siren(p, t):
    return t.symmetric(1 / t.n1 if p["first"] else math.sqrt(6 / t.n1) / p["omega"])


def centred(t, std):
    return t.normal(0.0, std)


def identity(p, t):
    t.gain = p["gain"]
    t.constant(p["gain"])
    channels(t)
    return lambda seed: structures.Identity(t.groups, p["gain"])


def dirac(p, t):
    count = int(p["groups"])
    if channels(t)[0] % count != 0:
        raise Refusal("init", "groups does not divide the out channels")
    return lambda seed: structures.Dirac(t.groups, count)


def bilinear(p, t):
    return lambda seed: structures.Bilinear(t.groups)


def lstm_bias(p, t):
    axis, = (axis for axis in range(len(t.shape)) if axis not in t.groups.batches)
    if t.shape[axis] % 4 != 0:
        raise Refusal("shape", "no four gates")
    t.constant(p["forget"])
    return lambda seed: structures.LstmBias(axis, t.shape[axis], p["forget"])


def sparse(p, t):
    rows, columns = (t.groups.outs, t.groups.ins) if t.layout == "oi" else (t.groups.ins, t.groups.outs)
    if t.count and t.groups.size(rows) > 2 ** 22:
        raise Refusal("shape", "too many rows", 413)
    if t.count and t.groups.size(t.groups.batches) * t.groups.size(rows) * (-(-t.groups.size(columns) // 8) * 8) > 2 ** 35:
        raise Refusal("shape", "more keys than a stream has", 413)
    law = t.normal(0.0, p["std"])
    return lambda seed: structures.Sparse(seed, t.groups, rows, columns, p["sparsity"], law)


def sides(p, t, others):
    """The sizes of the out side of one block, and of the other side."""
    out, other = t.groups.size(t.groups.outs), t.groups.size(others)
    if max(out, other) >= 2 ** 63:
        raise Refusal("shape", "too long a side", 413)
    if out % p["blocks"] != 0:
        raise Refusal("init", "blocks does not divide the out channels")
    return out // int(p["blocks"]), other


def matrices(p, t, others):
    t.gain = p["gain"]
    t.constant(p["gain"] * (1 + 2 ** -10))  # an element may exceed the gain by rounding
    return lambda seed: structures.Matrices(seed, t.groups, t.groups.outs, others, int(p["blocks"]), p["gain"], t.form)


def orthogonal(p, t):
    others = sorted(t.groups.ins + t.groups.space)
    sides(p, t, others)
    return matrices(p, t, others)


def delta_orthogonal(p, t):
    out, inside = sides(p, t, t.groups.ins)
    if inside > out:
        raise Refusal("shape", "more channels come in than go out")
    central = matrices(p, t, t.groups.ins)
    return lambda seed: structures.DeltaOrthogonal(t.groups, central(seed))


def arange(p, t):
    t.constant(p["start"])
    t.constant(last(p, t))
    return lambda seed: structures.Entries(t.groups, structures.Progression(p["start"], p["step"], False))


def log_arange(p, t):
    if math.isinf(last(p, t)):
        raise Refusal("init", "a number is beyond the range of doubles")
    return lambda seed: structures.Entries(t.groups, structures.Progression(p["start"], p["step"], True))


def columns(t):
    """The size of the last axis that is no batch axis."""
    return [size for axis, size in enumerate(t.shape) if axis not in t.groups.batches][-1]


def last(p, t):
    return F64.fma(float(max(columns(t) - 1, 0)), p["step"], p["start"])


def tril(p, t):
    t.constant(p["value"])
    t.constant(p["above"])
    return lambda seed: structures.Entries(t.groups, structures.Tril(p["value"], p["above"]))


def inverse_frequency(p, t):
    return lambda seed: structures.Entries(t.groups, structures.InverseFrequency(p["base"], columns(t)))


def sinusoid(p, t):
    if columns(t) % 2 != 0 or (p["endpoint"] and columns(t) == 2):
        raise Refusal("shape", "the columns are not sines and cosines")
    return lambda seed: structures.Entries(t.groups, structures.Sinusoid(p["base"], p["order"], p["endpoint"], columns(t)))


def dt_bias(p, t):
    if p["low"] > p["high"]:
        raise Refusal("init", "low is above high")
    t.constant(max(p["high"], p["floor"]))
    places = laws.uniform(t.form, -1.0, 1.0)
    return lambda seed: structures.DtBias(seed, p["low"], p["high"], p["floor"], places)


@dataclass
class Entry:
    name: str
    resolve: object
    parameters: tuple = ()
    ranks: tuple = (0, 8)
    aliases: tuple = ()


ZERO_TO_8, CONVOLUTION, MATRIX, WEIGHT = (0, 8), (3, 5), (2, 2), (2, 8)
ROW = (1, 8)
GAIN = real("gain", 1.0, 0)
BASE = real("base", 10000.0, 1)
BLOCKS = Parameter("blocks", "whole", 1.0, 1, most=WHOLE_MAX, later=True)
MODE = choice("mode", "fan_in", "fan_in", "fan_out")
NONLINEARITY = choice("nonlinearity", "leaky_relu", "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                      "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")
ACTIVATION = choice("activation", None, "logistic", "tanh", "relu")

ENTRIES = [
    Entry("zeros", lambda p, t: t.constant(0.0)),
    Entry("ones", lambda p, t: t.constant(1.0)),
    Entry("constant", lambda p, t: t.constant(p["value"]), (real("value", 0.0),)),
    Entry("uniform", lambda p, t: t.uniform(p["low"], p["high"]), (real("low", -0.05), real("high", 0.05))),
    Entry("normal", lambda p, t: t.normal(p["mean"], p["std"]), (real("mean", 0.0), real("std", 0.05, 0))),
    Entry("truncated_normal", truncated_normal,
          (real("mean", 0.0), real("std", 0.05, 0), real("lower", -2.0, infinite=True), real("upper", 2.0, infinite=True))),
    Entry("trunc_normal", trunc_normal,
          (real("mean", 0.0), real("std", 1.0, 0, above=True), real("a", -2.0, infinite=True), real("b", 2.0, infinite=True))),
    Entry("variance_scaling", variance_scaling,
          (real("scale", 1.0, 0, above=True), choice("mode", "fan_in", "fan_in", "fan_out", "fan_avg"),
           choice("distribution", "truncated_normal", "truncated_normal", "untruncated_normal", "uniform"))),
    Entry("glorot_uniform", scaled(1.0, "fan_avg", "uniform")),
    Entry("glorot_normal", scaled(1.0, "fan_avg", "truncated_normal")),
    Entry("he_uniform", scaled(2.0, "fan_in", "uniform")),
    Entry("he_normal", scaled(2.0, "fan_in", "truncated_normal")),
    Entry("lecun_uniform", scaled(1.0, "fan_in", "uniform")),
    Entry("lecun_normal", scaled(1.0, "fan_in", "truncated_normal")),
    Entry("xavier_uniform", xavier(6, Tensor.symmetric), (GAIN,), WEIGHT),
    Entry("xavier_normal", xavier(2, centred), (GAIN,), WEIGHT),
    Entry("kaiming_uniform", kaiming_uniform, (real("a", 0.0), MODE, NONLINEARITY), WEIGHT),
    Entry("kaiming_normal", kaiming_normal, (real("a", 0.0), MODE, NONLINEARITY), WEIGHT),
    Entry("kwon_uniform", kwon(6, Tensor.symmetric), (ACTIVATION,)),
    Entry("kwon_normal", kwon(2, centred), (ACTIVATION,)),
    Entry("siren_uniform", siren, (real("omega", 30.0, 0, above=True), Parameter("first", "boolean", False))),
    Entry("small_normal", lambda p, t: t.normal(0.0, math.sqrt(2 / (5 * t.n1)))),
    Entry("wang_normal", lambda p, t: t.normal(0.0, 2 / (p["layers"] * math.sqrt(t.n1))), (whole("layers"),)),
    Entry("fan_uniform", lambda p, t: t.symmetric(1 / math.sqrt(p["fan_in"])), (whole("fan_in"),)),
    Entry("identity", identity, (real("gain", 1.0),), MATRIX, ("eye",)),
    Entry("dirac", dirac, (whole("groups", 1.0),), CONVOLUTION),
    Entry("bilinear", bilinear, (), CONVOLUTION),
    Entry("lstm_bias", lstm_bias, (real("forget", 1.0), choice("gates", "ifgo", "ifgo", "ifco")), (1, 1)),
    Entry("sparse", sparse, (real("sparsity", None, 0, most=1.0), real("std", 0.01, 0)), MATRIX),
    Entry("orthogonal", orthogonal, (GAIN, BLOCKS), WEIGHT),
    Entry("delta_orthogonal", delta_orthogonal, (GAIN, BLOCKS), CONVOLUTION),
    Entry("arange", arange, (real("start", 0.0), real("step", 1.0)), ROW),
    Entry("log_arange", log_arange, (real("start", 1.0, 0, above=True), real("step", 1.0, 0)), ROW),
    Entry("tril", tril, (real("value", 1.0), real("above", 0.0)), WEIGHT),
    Entry("inverse_frequency", inverse_frequency, (BASE,), ROW),
    Entry("sinusoid", sinusoid, (BASE, choice("order", "interleaved", "interleaved", "halves"), Parameter("endpoint", "boolean", False)), WEIGHT),
    Entry("dt_bias", dt_bias,
          (real("low", 0.001, 0, above=True, most=1e300), real("high", 0.1, 0, above=True, most=1e300), real("floor", 0.0001, 0, most=1e300))),
]
NAMES = {name: entry for entry in ENTRIES for name in (entry.name, *entry.aliases)}


def layout_sets(rank, layout, in_axes, out_axes, batch_axes):
    """The axes in force, ascending. None means that the axes were not given."""
    entry = [axis for axis in range(rank) if axis not in (batch_axes or [])]
    if len(entry) >= 2:
        of_layout = (entry[1:2], entry[:1]) if layout == "oi" else (entry[-2:-1], entry[-1:])
    else:
        of_layout = [], []
    ins = of_layout[0] if in_axes is None else in_axes
    outs = of_layout[1] if out_axes is None else out_axes
    batches = batch_axes or []
    if set(batches) & (set(ins) | set(outs)):
        raise Refusal("batch_axis", "an axis is in two sets")
    if set(ins) & set(outs):
        raise Refusal("in_axis" if in_axes is not None else "out_axis", "an axis is in two sets")
    return sorted(ins), sorted(outs), sorted(batches)


def fans(shape, ins, outs, batches):
    """Section 6."""
    field_size = math.prod(size for axis, size in enumerate(shape) if axis not in ins + outs + batches)
    fan_in, fan_out = (field_size * math.prod(shape[axis] for axis in axes) for axes in (ins, outs))
    return fan_in, fan_out
