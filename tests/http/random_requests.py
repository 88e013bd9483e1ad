#!/usr/bin/python3
"""Random requests, sent to a daemon and to the second implementation, which must agree.

    tests/http/random_requests.py HOST:PORT [--seed TEXT] [--from N] [--count N]

Both give the same bytes, draw id, seed and shape, or both refuse with the same status and the same `param`. A seed and a
number always give the same request. Prints each disagreement as a curl command, and a summary as JSON in the last line.
"""
import argparse
import collections
import http.client
import json
import math
import pathlib
import random
import shlex
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from second_implementation import catalogue, formats, frameworks, requests  # noqa: E402
from second_implementation.floats import DTYPES  # noqa: E402
from second_implementation.refusal import Refusal  # noqa: E402

# Limit of the elements of a response, roughly: the second implementation needs some 20 microseconds for an element.
ELEMENTS = 24
INF = math.inf

# Numbers around the limits of the dtypes: the largest, the least subnormal and the least normal one.
EDGES = sorted({edge * factor
                for form in DTYPES.values()
                for edge in (form.largest, math.ldexp(1, form.least), math.ldexp(1, form.least + form.mantissa_bits))
                for factor in (0.5, 0.75, 1 - 2 ** -25, 1 - 2 ** -53, 1, 1 + 2 ** -52, 1 + 2 ** -25, 1 + 2 ** -4, 1.5)
                if not math.isinf(edge * factor)})
# Bounds at which z64, the inverse normal of 64-bit words, falls from one word to the next.
FALLS = (-1.157472026682862, -1.928825536834829, -1.5497230443025358, -1.8657948074438893, -1.9148187818213878)
# Bounds whose 64-bit rank lies halfway between two 32-bit ones.
HALFWAY = (-5.463062554389333, -5.461305379804235, -6.030967019112878, -5.29867170200711)
# Bounds whose 32-bit span is 2^16 words, and one word less.
SPANS = (4.169571062244237, 4.169571062244238, 3.824782030008075e-05, 3.8247820300080745e-05)

# Entries that make an array for each entry of a batch.
STRUCTURES = ("identity", "dirac", "bilinear", "lstm_bias", "sparse", "orthogonal", "delta_orthogonal", "arange", "log_arange", "tril", "inverse_frequency",
              "sinusoid")


class Maker:
    """Makes one request: fields with values of their JSON types, and the initializer as (name, {parameter: value})."""

    def __init__(self, rng):
        self.rng = rng
        self.dtype = None  # the dtype that the numbers were chosen for, if any

    def chance(self, share):
        return self.rng.random() < share

    def of(self, *makers):
        return self.rng.choice(makers)()

    # Numbers

    def real(self):
        value = self.of(lambda: self.rng.uniform(-3, 3), lambda: float(self.rng.randint(-4, 4)), lambda: self.rng.choice(EDGES),
                        lambda: self.rng.choice((0.0, -0.0, 0.1, 1 / 3, 0.02)), lambda: 10 ** self.rng.uniform(-4, 4),
                        lambda: math.ldexp(self.rng.uniform(1, 2), self.rng.randint(-1074, 1023)))
        return -value if self.chance(0.3) else value

    def halfway(self):
        """A number halfway between two neighbours of a dtype, or next to it."""
        self.dtype = self.rng.choice(list(DTYPES))
        form = DTYPES[self.dtype]
        odd = 2 * self.rng.randrange(2 ** form.mantissa_bits) + 1
        middle = math.ldexp(odd + 2 * 2 ** form.mantissa_bits * self.rng.randint(0, 1), form.least - 1 + self.rng.randint(0, 30))
        return self.near(self.rng.choice((-1, 1)) * middle) if self.chance(0.5) else middle

    def positive(self):
        value = abs(self.real())
        return value if value > 0 else 0.5

    def near(self, value):
        """A number at most 3 steps above or below."""
        for _ in range(self.rng.randint(0, 3)):
            value = math.nextafter(value, self.rng.choice((-INF, INF)))
        return value

    def bound(self):
        """A bound in standard deviations."""
        return self.of(lambda: self.rng.uniform(-4, 4), lambda: self.rng.uniform(-10, 10), lambda: self.near(self.rng.choice(FALLS)),
                       lambda: -self.near(self.rng.choice(FALLS)), lambda: self.rng.choice(HALFWAY), lambda: self.rng.choice((-INF, INF, 0.0, -2.0, 2.0)),
                       lambda: self.rng.choice((-1, 1)) * self.near(self.rng.choice(SPANS)))

    def range(self):
        low = self.real()
        high = self.of(self.real, lambda: self.near(low), lambda: low + self.positive(), lambda: -low, lambda: low * (1 + 2 ** -24))
        return (low, high) if low <= high or self.chance(0.1) else (high, low)

    # Initializers

    def initializer(self):
        entry = self.rng.choice(catalogue.ENTRIES)
        values = {}
        for parameter in entry.parameters:
            if parameter.default is None or self.chance(0.7):
                values[parameter.name] = self.value(parameter)
        if entry.name in ("constant", "identity", "lstm_bias") and self.chance(0.5):
            values[entry.parameters[0].name] = self.halfway()
        if entry.name == "dt_bias" and self.chance(0.8):
            values["low"], values["high"] = sorted((self.positive(), self.positive()))
        if entry.name == "uniform" and self.chance(0.8):
            values["low"], values["high"] = self.range()
        if entry.name == "truncated_normal" and self.chance(0.8):
            values["lower"], values["upper"] = sorted((self.bound(), self.bound()))
        if entry.name == "trunc_normal" and self.chance(0.8):
            values.setdefault("mean", 0.0), values.setdefault("std", 1.0)
            ends = [values["mean"] + bound * values["std"] for bound in sorted((self.bound(), self.bound()))]
            if not any(map(math.isnan, ends)):
                values["a"], values["b"] = ends
        if "blocks" in values and self.chance(0.9):
            values["blocks"] = self.rng.randint(1, 3)
        names = (entry.name, *entry.aliases)
        if self.chance(0.3):
            names = [name for name, signature in frameworks.NAMES.items() if signature.entry is entry]
        return *self.renamed(self.rng.choice(names), values), entry

    def renamed(self, name, values):
        """The name, and the values under its own parameters' names."""
        signature = frameworks.NAMES[name]
        words = {ours: theirs for theirs, ours in signature.words.items()}
        return name, {theirs: words.get(values[ours], values[ours]) for theirs, ours in signature.targets.items() if ours in values}

    def value(self, parameter):
        if parameter.kind == "choice":
            return self.rng.choice(parameter.choices)
        if parameter.kind == "boolean":
            return self.chance(0.5)
        if parameter.kind == "whole":
            return self.of(lambda: self.rng.randint(1, 6), lambda: self.rng.randint(1, 2 ** self.rng.randint(1, 53)),
                           lambda: self.rng.choice((1, 2 ** 53 - 1, 2 ** 53)))
        if parameter.most == 1:
            return self.of(self.rng.random, lambda: self.rng.choice((0.0, 1.0, 0.5, 5e-324, 1 - 2 ** -53)))
        if parameter.infinite:
            return self.bound()
        if parameter.least == 1:
            return self.of(lambda: 10 ** self.rng.uniform(0, 6), lambda: 1 + self.positive(), self.real)
        return self.positive() if parameter.least == 0 and not self.chance(0.1) else self.real()

    # Shapes, slices and shards

    def size(self):
        return self.of(lambda: self.rng.randint(1, 5), lambda: self.rng.randint(1, 5), lambda: self.rng.randint(1, 5),
                       lambda: self.rng.randint(0, 40), lambda: self.rng.randint(1, 2 ** self.rng.randint(1, 30)))

    def shape(self, entry):
        least, most = entry.ranks
        rank = self.rng.randint(least, most) if self.chance(0.97) else self.rng.randint(0, 9)
        if entry.name in ("orthogonal", "delta_orthogonal", "sparse"):  # their factors need the whole tensor
            shape = [self.rng.randint(1, 4) for _ in range(rank)]
            if self.chance(0.3) and shape:
                shape[self.rng.randrange(rank)] = self.rng.randint(0, 9)
            if self.chance(0.1) and shape:
                shape[self.rng.choice((0, -1))] = self.rng.randint(230, 500)
            if math.prod(sorted(shape)[:-1]) > 16:
                return [3, 2] + [1] * (rank - 2)
            return shape
        if entry.name == "lstm_bias" and self.chance(0.9):
            return [4 * self.size() for _ in range(rank)]
        shape = [self.size() for _ in range(rank)]
        if entry.name == "sinusoid" and self.chance(0.9) and shape:
            shape[-1] *= 2
        while math.prod(shape) > 2 ** 34 and self.chance(0.95):
            shape[self.rng.randrange(rank)] = self.rng.randint(1, 3)
        if self.chance(0.03) and shape:
            shape[self.rng.randrange(rank)] = self.rng.choice((0, 2 ** 35, 2 ** 36, 2 ** 36 + 1, 2 ** 63 - 1))
        if self.chance(0.02) and shape:
            shape[self.rng.randrange(rank)] = 0
        return shape

    def part(self, shape):
        """Nothing, a slice or a shard, with few enough elements."""
        count = math.prod(shape)
        if count <= ELEMENTS and self.chance(0.6) or not shape:
            return {}
        return {"shard": self.shard(shape)} if self.chance(0.3) else {"slice": self.slice(shape)}

    def slice(self, shape):
        left, ranges = ELEMENTS, []
        for size in shape:
            length = min(self.rng.randint(0 if self.chance(0.05) else 1, 5), left, size)
            start = self.of(lambda: self.rng.randint(0, size - length), lambda: 0, lambda: size - length)
            left //= max(length, 1)
            ranges.append(self.range_text(start, start + length, size))
        while ranges and ranges[-1] == ":" and self.chance(0.5):
            ranges.pop()
        return ",".join(ranges) or ":"

    def range_text(self, start, stop, size):
        texts = []
        for bound, end in ((start, 0), (stop, size)):
            ways = [str(bound)]
            if bound == end:
                ways += ["", ""]
            if bound < size:
                ways += [str(bound - size)]
            if bound == size:
                ways += [str(size + self.rng.randint(0, 9)), str(2 ** 63 - 1)]
            if bound == 0:
                ways += [str(-size - self.rng.randint(1, 9)), str(1 - 2 ** 63)]
            texts.append(self.rng.choice(ways))
        return ":".join(texts)

    def shard(self, shape):
        left, parts = ELEMENTS, []
        for axis, size in enumerate(shape):
            if size <= left and self.chance(0.4):
                left //= max(size, 1)
                continue
            most = max(min(left, 4), 1)
            count = max(-(-size // most), 1) + self.rng.choice((0, 0, 0, 1, 3))
            piece = -(-size // count)
            rank = self.of(lambda: self.rng.randrange(count), lambda: count - 1, lambda: min(size // max(piece, 1), count - 1))
            left //= max(piece, 1)
            parts.append(f"{axis - len(shape) if self.chance(0.2) else axis}:{rank}/{count}")
        self.rng.shuffle(parts)
        return ",".join(parts) or "0:0/1"

    # Texts

    def text(self, limit):
        if self.chance(0.3):
            return self.rng.choice(("w", "layers.0.attn.wq.weight", "a/b", "exp 42", "=&?#+%", "é", "e\u0301", '"\\\n'))
        size, text = self.rng.randint(1, self.rng.choice((3, 12, 40, limit))), ""
        while True:
            more = chr(self.of(lambda: self.rng.randint(32, 126), lambda: self.rng.randint(1, 0x7FF), lambda: self.rng.randint(0x800, 0xD7FF),
                               lambda: self.rng.randint(0xE000, 0x10FFFF)))
            if len((text + more).encode()) > size:
                return text or "x"
            text += more

    def fields(self):
        init = self.initializer()
        shape = self.shape(init[2])
        entry = init[2]
        fields = {"experiment": self.text(256), "name": self.text(512), "shape": shape, "init": init[:2]}
        if self.chance(0.5):
            fields["trial"] = self.of(lambda: self.rng.randint(0, 9), lambda: self.rng.randint(0, 2 ** 63 - 1), lambda: 2 ** 63 - 1)
        if self.dtype and self.chance(0.7):
            fields["dtype"] = self.dtype
        elif self.chance(0.85):
            fields["dtype"] = self.rng.choice((*DTYPES, *DTYPES, *requests.DTYPE_NAMES))
        if self.chance(0.4):
            fields["layout"] = self.rng.choice(("oi", "io"))
        if entry.name in STRUCTURES and len(shape) < 8 and self.chance(0.4):
            batch = self.rng.randint(0, len(shape))
            shape.insert(batch, self.rng.randint(1, 4))
            fields["batch_axis"] = [batch]
            if len(shape) > 2 and self.chance(0.3):
                axes = [axis for axis in range(len(shape)) if axis != batch]
                self.rng.shuffle(axes)
                fields["in_axis"], fields["out_axis"] = axes[:1], axes[1:self.rng.randint(2, len(axes))]
        elif shape and self.chance(0.25):
            axes = self.rng.sample(range(len(shape)), self.rng.randint(1, min(len(shape), 3)))
            for name in ("in_axis", "out_axis", "batch_axis"):
                if self.chance(0.5):
                    taken = axes if self.chance(0.1) else [axes.pop()] if axes else []
                    if taken:
                        fields[name] = [axis - len(shape) if self.chance(0.3) else axis for axis in taken]
        for name in ("fan_in", "fan_out"):
            if self.chance(0.15):
                fields[name] = self.of(lambda: self.rng.randint(1, 4096), lambda: self.rng.randint(1, 2 ** 63 - 1))
        for name, size in (("zero_rows", sum(shape[:1])), ("zero_columns", sum(shape[-1:]))):
            if size and self.chance(0.1):
                near = range(min(size, 20))
                fields[name] = [index - size if self.chance(0.3) else index for index in self.rng.sample(near, self.rng.randint(1, min(len(near), 9)))]
        fields.update(self.part(shape))
        if self.chance(0.1):
            fields["spec"] = 1
        if self.chance(0.95):
            fields["format"] = self.rng.choice(("raw", "raw", "raw", "npy", "safetensors"))
        return fields


class Writer:
    """Writes fields as a query string or as JSON, in a random one of the equivalent forms."""

    def __init__(self, rng):
        self.rng = rng

    def number(self, value):
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if math.isinf(value):
            return "-inf" if value < 0 else self.rng.choice(("inf", "+inf"))
        ways = [repr(value), f"{value:.17g}", f"{value:.20e}", f"{value:.17E}"]
        if 1e-5 < abs(value) < 1e17 or value == 0:
            ways.append(f"{value:.40f}")
        text = self.rng.choice(ways)
        if text.startswith("0.") and self.rng.random() < 0.2:
            text = text[1:]
        return "+" + text if value >= 0 and text[0] != "-" and self.rng.random() < 0.1 else text

    def word(self, value):
        return value if isinstance(value, str) else ("true" if value else "false") if isinstance(value, bool) else self.number(value)

    def expression(self, init):
        name, values = init
        entry = frameworks.NAMES[name]
        rest = dict(values)
        arguments = []
        for parameter in entry.parameters:  # some by position
            if parameter.name not in rest or self.rng.random() < 0.6:
                break
            arguments.append(self.word(rest.pop(parameter.name)))
        named = list(rest.items())
        self.rng.shuffle(named)
        equals = self.rng.choice(("=", "=", " = "))
        arguments += [f"{key}{equals}{self.word(value)}" for key, value in named]
        if not arguments:
            return name + self.rng.choice(("", "", "()", "( )"))
        return f"{name}({self.rng.choice((',', ',', ', ', ' ,  ')).join(arguments)})"

    def shape(self, sizes):
        bare = ",".join(map(str, sizes))
        loose = self.rng.choice((", ", " , ", ",")).join(map(str, sizes))
        return self.rng.choice((bare, bare, bare, f"[{loose}]", str(tuple(sizes)), f"torch.Size({sizes})", f" ( {loose} ) ", loose))

    def query(self, fields):
        """Pairs (name, text), in random order."""
        pairs = []
        for name, value in fields.items():
            if name == "init":
                value = self.expression(value)
            elif name == "shape":
                value = self.shape(value)
            elif isinstance(value, list):
                value = ",".join(str(number) for number in value)
            pairs.append((name, str(value)))
        self.rng.shuffle(pairs)
        return pairs

    def members(self, fields):
        """The members of a JSON object."""
        members = dict(fields)
        members["init"] = self.expression(fields["init"])
        if self.rng.random() < 0.5:
            name, values = fields["init"]
            members["init"] = {"type": name, **{key: self.member(value) for key, value in values.items()}}
        for name in ("in_axis", "out_axis", "batch_axis", "zero_rows", "zero_columns"):
            if len(members.get(name, [])) == 1 and self.rng.random() < 0.5:
                members[name] = members[name][0]
        return members

    def member(self, value):
        return ("inf" if value > 0 else "-inf") if isinstance(value, float) and math.isinf(value) else value


# Texts that are invalid for most fields, and some valid ones.
ODD = ("", " ", "x", "0", "-0", "1", "-1", "+1", "01", "1.0", "1.5", "1e3", "1 ", " 1", "1,", ",1", "1,,2", "0x10", "1_0", "\uff11", "9" * 19, "9" * 40,
       "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "inf", "nan", "null", "true", "[1]", "{}", "1:2", ":", "::",
       "0:1:1", "1:-1", "-1:", "0:-0", "0:99999999999999999999", "0:0/1", "0:1/1", "0:0/0", "9:0/1", "0/1", "0:0/2,0:1/2", "-1:0/2,0:0/2", "0:0/2,", "f32", "F32", "oi", "raw",
       "npz", "a" * 257, "é" * 257, "normal", "zeros()", "zeros", "0,0", "0,1", "-1,0", "-9", "[]", "()", "(4)", "(4,)", "[4,]", "(,)", "[,4]", "(4,,)", "[4)", "((4))", "torch.Size([2, 3])", "torch.Size([])", "torch.Size(2)", "torch.Size", "4, 2", "4 2",
       "(4 2)", "[ ]", "( 2 , 3 )", "torch.bfloat16", "np.float", "np.float32", "jnp.half", "BF16")
ODD_NUMBERS = ("", "1.", ".", "1e", "1e+", "e5", "00", "01", "-01", "--1", "+-1", "-+1", "1_0", "0x1p3", "1e999", "-1e999", "1e-999", "-1e-999", "1e400", "1.8e308",
               "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2e-324", "infinity", "INF", "Inf", "-inf", "+inf", "inf", "nan", "NaN", "-nan", "1f", "1d", "1.5.2",
               "1e5e5", "1e05", "1e+05", "1e-05", ".5", "-.5", "+.5", "5.", "0.", "0e0", "-0", "-0.0", "0.50", "9007199254740992", "9007199254740993", "9007199254740994",
               "9223372036854775807", "9223372036854775808", "1.0", "+1", "true", "True", "fan_in", "x", "1 2", "(1)", "1=2", "\u0661", "0" * 40 + "1", "1" + "0" * 400, "0." + "0" * 400 + "1",
               "0." + "3" * 300, "\t1", "1\n")
ODD_VALUES = (None, True, False, 0, 1, -1, 1.0, 1.5, -0.0, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 2 ** 63, 10 ** 30, "", "1", "x", "inf", "-inf", "+inf", "nan", "a\0b", [], [1], [0, 0],
              [1.0], [-1], [None], ["1"], [1, 2, 3, 4, 5, 6, 7, 8, 9], [[1]], {}, {"type": "zeros"}, {"type": "normal", "std": "1"}, {"type": "normal", "sd": 1}, {"type": 1},
              {"type": "wang_normal", "layers": 1.0}, {"type": "wang_normal", "layers": 2 ** 53 + 1}, {"type": "constant", "value": True}, {"type": "constant", "value": "inf"},
              {"type": "truncated_normal", "lower": "+inf"}, {"type": "truncated_normal", "lower": "-inf"}, {"type": "siren_uniform", "first": "true"}, {"type": "normal(0,1)"},
              {"std": 1}, {"type": "eye", "gain": 1, "Gain": 1}, {"type": "constant", "value": [1]})


class Spoiler:
    """Changes a request in one place. The result may be invalid or still valid."""

    def __init__(self, rng):
        self.rng = rng

    def expression(self, text):
        """An expression that differs from `text` in one place."""
        at = self.rng.randrange(len(text) + 1)
        return self.rng.choice((
            lambda: text[:at] + self.rng.choice("(),= .+-e0\t\"'\0é_") + text[at:],
            lambda: text[:at] + text[at + 1:],
            lambda: text.replace("(", "(" + self.rng.choice(ODD_NUMBERS) + ",", 1),
            lambda: text.split("(")[0] + "(" + self.rng.choice(ODD_NUMBERS) + ")",
            lambda: "constant(" + self.rng.choice(ODD_NUMBERS) + ")",
            lambda: self.rng.choice(("normal(0,", "uniform(high=", "wang_normal(", "sparse(", "dirac(groups=", "siren_uniform(first=",
                                     "truncated_normal(lower=", "fan_uniform(fan_in=")) + self.rng.choice(ODD_NUMBERS) + ")",
            lambda: text.upper(), lambda: text + " " * self.rng.randrange(1030), lambda: text + text, lambda: text + ",",
            lambda: "normal(std=1,std=1)", lambda: "normal(std=1,0)", lambda: "normal(0,1,2)", lambda: "normal(sd=1)"))()

    def query(self, pairs):
        pairs = list(pairs)
        at = self.rng.randrange(len(pairs))
        name, value = pairs[at]
        way = self.rng.randrange(8)
        if way == 0:
            pairs[at] = name, self.rng.choice(ODD)
        elif way in (1, 2):
            for other, (key, text) in enumerate(pairs):
                if key == "init":
                    pairs[other] = key, self.expression(text)
        elif way == 3:
            del pairs[at]
        elif way == 4:
            pairs.insert(at, self.rng.choice((("x", "1"), ("Name", "w"), (name, value), (name, "1"), ("é", "1"), ("trials", ""))))
        elif way == 5:
            pairs.insert(0, pairs.pop(at))  # libmicrohttpd cannot distinguish a last field without a value from a cut-off field
            pairs[0] = name, self.rng.choice((None, "a\0b", b"\xff", b"\xc3", b"\xed\xa0\x80", ""))
        else:
            field = self.rng.choice(requests.FIELDS)
            pairs = [pair for pair in pairs if pair[0] != field] + [(field, self.rng.choice(ODD))]
        return pairs

    def body(self, members):
        """The text of a JSON object."""
        members = dict(members)
        way = self.rng.randrange(8)
        name = self.rng.choice(list(members))
        if way == 0:
            members[name] = self.rng.choice(ODD_VALUES)
        elif way == 1 and isinstance(members["init"], str):
            members["init"] = self.expression(members["init"])
        elif way in (1, 2) and isinstance(members["init"], dict):
            members["init"] = {**members["init"], self.rng.choice(list(members["init"])): self.rng.choice(ODD_VALUES)}
        elif way == 3:
            del members[name]
        elif way == 4:
            members[self.rng.choice(("x", "Name", "slices", "é"))] = self.rng.choice(ODD_VALUES)
        elif way == 5:
            text = json.dumps(members)
            return text[:-1] + self.rng.choice((f",{json.dumps(name)}:1}}", ",}", "", "}}", ',"trial":1e999}', ',"x":1e999}', ',"trial":99999999999999999999}', ',"shape":[-0]}',
                                                ',"fan_in":-0}', ',"x":NaN}', ',"dtype":"f64","dtype":"f64"}'))
        else:
            members[self.rng.choice(requests.FIELDS)] = self.rng.choice(ODD_VALUES)
        # a problem names a malformed value's field as it is written
        return json.dumps(members, ensure_ascii=self.rng.random() < 0.5 and "é" not in members)


def encoded(pairs):
    def quoted(text):
        return urllib.parse.quote(text if isinstance(text, bytes) else text.encode(), safe="")
    return "&".join(quoted(name) + ("" if value is None else "=" + quoted(value)) for name, value in pairs)


class Case:
    """One request: its method, path and body, and the response of the second implementation."""

    def __init__(self, seed, number):
        rng = random.Random(f"{seed}/{number}")
        fields = Maker(rng).fields()
        spoiled = rng.random() < 0.3
        if rng.random() < 0.6:
            pairs = Writer(rng).query(fields)
            if spoiled:
                pairs = Spoiler(rng).query(pairs)
            self.method, self.path, self.body = "GET", "/v1/tensor?" + encoded(pairs), None
            as_bytes = [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in pairs]
            self.ask = lambda: requests.from_query(as_bytes)
        else:
            members = Writer(rng).members(fields)
            body = Spoiler(rng).body(members) if spoiled else json.dumps(members)
            self.method, self.path, self.body = "POST", "/v1/tensor", body.encode()
            self.ask = lambda: requests.from_json(body)

    def expected(self):
        """(status, param, headers, bytes), or None for a tensor that is too large here."""
        try:
            request = self.ask()
        except Refusal as refusal:
            return refusal.status, refusal.param, {}, None
        if request.count > 64 * ELEMENTS:
            return None
        shape = [stop - start for start, stop in request.region]
        headers = {"Sower-Draw": request.draw.id.hex(), "Sower-Seed": request.draw.seed.hex(), "Sower-Dtype": request.dtype,
                   "Sower-Shape": ",".join(map(str, shape)) or "()", "Sower-Fan": f"{int(request.draw.tensor.fans[0])},{int(request.draw.tensor.fans[1])}"}
        self.cell = request.initializer.entry.name, request.dtype
        return 200, "", headers, formats.header(request) + request.bytes()

    def curl(self, address):
        url = shlex.quote(f"http://{address}{self.path}")
        return f"curl -s {url}" if self.body is None else f"curl -s {url} -d {shlex.quote(self.body.decode(errors='backslashreplace'))}"


def ask(connection, case):
    connection.request(case.method, case.path, body=case.body)
    response = connection.getresponse()
    body = response.read()
    if response.status == 200:
        return response.status, "", response.headers, body
    return response.status, json.loads(body).get("param", ""), {}, body


def difference(expected, response):
    """A description of the first difference, or ""."""
    if expected[:2] != response[:2]:
        return f"expected {expected[0]} {expected[1]!r}, got {response[0]} {response[1]!r} {response[3][:300] if response[0] != 200 else ''}"
    for name, value in expected[2].items():
        if response[2][name] != value:
            return f"{name}: expected {value}, got {response[2][name]}"
    if expected[0] == 200 and expected[3] != response[3]:
        at = next((n for n, (one, other) in enumerate(zip(expected[3], response[3])) if one != other), min(len(expected[3]), len(response[3])))
        return f"from byte {at} on: expected {expected[3][at:at + 32].hex()}, got {response[3][at:at + 32].hex()}"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    connection = http.client.HTTPConnection(options.address, timeout=60)
    counts, cells, refused = collections.Counter(), collections.Counter(), collections.Counter()
    for number in range(options.first, options.first + options.count):
        case = Case(options.seed, number)
        expected = case.expected()
        if expected is None:
            counts["left out"] += 1
            continue
        response = ask(connection, case)
        why = difference(expected, response)
        counts["differ" if why else "agree"] += 1
        if why:
            print(f"--seed {options.seed} --from {number} --count 1: {why}\n  {case.curl(options.address)}", flush=True)
        elif expected[0] == 200:
            cells[" ".join(case.cell)] += 1
        else:
            refused[f"{expected[0]} {expected[1]}"] += 1
    print(json.dumps({"counts": counts, "cells": cells, "refused": refused}))
    return counts["differ"] != 0


if __name__ == "__main__":
    sys.exit(main())
