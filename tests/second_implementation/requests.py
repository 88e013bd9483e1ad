"""Section 9: a request's fields, from a query string or a JSON object, to a draw and the requested region of it."""
import json
import math
import re

from . import expressions
from .catalogue import Tensor, fans, layout_sets
from .draws import Draw
from .refusal import Refusal
from .seeds import PUBLIC_ROOT

INT64_MAX = 2 ** 63 - 1
DTYPE_NAMES = {
    "f64": "f64", "float64": "f64", "double": "f64", "F64": "f64",
    "f32": "f32", "float32": "f32", "float": "f32", "F32": "f32",
    "f16": "f16", "float16": "f16", "half": "f16", "F16": "f16",
    "bf16": "bf16", "bfloat16": "bf16", "BF16": "bf16",
    "f8_e4m3": "f8_e4m3", "f8_e4m3fn": "f8_e4m3", "float8_e4m3fn": "f8_e4m3", "F8_E4M3": "f8_e4m3",
    "f8_e5m2": "f8_e5m2", "float8_e5m2": "f8_e5m2", "F8_E5M2": "f8_e5m2",
}
DTYPE_NAMES["single"] = "f32"  # only with a prefix
DTYPE_NAMES.update({prefix + name: DTYPE_NAMES[name] for prefixes, names in (
    ("torch.", "float64 double float32 float float16 half bfloat16 float8_e4m3fn float8_e5m2"),
    ("np. numpy.", "float64 double float32 single float16 half"),
    ("jnp. jax.numpy.", "float64 double float32 single float16 bfloat16 float8_e4m3fn float8_e5m2"),
) for prefix in prefixes.split() for name in names.split()})
del DTYPE_NAMES["single"]
SHAPE = re.compile(r" *(?:torch\.Size\( *\[(?P<size>[^][()]*)\] *\)|\[(?P<list>[^][()]*)\]|\((?P<tuple>[^][()]*)\)|(?P<bare>[^][()]+)) *")
FIELDS = ("experiment", "trial", "name", "shape", "init", "dtype", "layout", "in_axis", "out_axis", "batch_axis", "fan_in", "fan_out",
          "zero_rows", "zero_columns", "slice", "shard", "format", "spec")
REQUIRED = ("experiment", "name", "shape", "init")


def from_query(pairs, root=PUBLIC_ROOT):
    """A request from the pairs of bytes of a query string, already percent-decoded; a value is None if there was no `=`."""
    fields = {}
    for key, value in pairs:
        name = decoded(key, "")
        if name in fields:
            raise Refusal(name, "given twice")
        fields[name] = None if value is None else decoded(value, name)
    return Request(fields, QueryReader(), root)


def decoded(octets, param):
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        raise Refusal(param, "not UTF-8") from None
    if "\0" in text:
        raise Refusal(param, "NUL")
    return text


def from_json(body, root=PUBLIC_ROOT):
    """A request from the text of a JSON object."""
    return Request(read_object(body), JsonReader(), root)


def read_object(body):
    try:
        fields = json.loads(body, object_pairs_hook=Members, parse_constant=refuse_constant)
    except ValueError as error:
        raise Refusal("", f"not JSON: {error}") from None
    if not isinstance(fields, Members):
        raise Refusal("", "not an object")
    for name in fields.doubled:
        raise Refusal(name, "given twice")
    for name, value in fields.items():
        check_value(name, value)
    return fields


class Members(dict):
    """The members of a JSON object, and the names that it has twice."""

    def __init__(self, pairs):
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.doubled = [name for at, name in enumerate(names) if name in names[:at]]


def refuse_constant(word):
    raise ValueError(word)


def check_value(name, value):
    """Refuses values that JSON allows and a request does not."""
    if isinstance(value, list):
        for item in value:
            check_value(name, item)
    elif isinstance(value, Members):
        if value.doubled:
            raise Refusal(name, "a member is given twice")
        for item in value.values():
            check_value(name, item)
    elif isinstance(value, float) and math.isinf(value):
        raise Refusal(name, "a number beyond the range of doubles")
    elif type(value) is int and not -2 ** 63 <= value <= INT64_MAX:
        raise Refusal(name, "a whole number beyond 64 bits")
    elif isinstance(value, str) and "\0" in value:
        raise Refusal(name, "NUL")


def whole(text, param, least=-INT64_MAX, most=INT64_MAX):
    """A whole number in text."""
    if not expressions.WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise Refusal(param, f"{text!r} is not a whole number in range")
    return int(text)


class QueryReader:
    """All values are text."""

    def number(self, value, param, least, most=INT64_MAX):
        return whole(value, param, least, most)

    def numbers(self, value, param):
        return [whole(text, param) for text in value.split(",")] if value else []

    axes = numbers

    def sizes(self, value, param):
        """The sizes of a shape, also as Python prints one."""
        if not value:
            return []
        match = SHAPE.fullmatch(value)
        if not match:
            raise Refusal(param, "not a shape")
        inside = match.group(match.lastgroup).strip(" ")
        if match.lastgroup != "bare" and inside.endswith(","):
            inside = inside[:-1]
        elif match.lastgroup != "bare" and not inside:
            return []
        return [whole(text.strip(" "), param) for text in inside.split(",")]

    def initializer(self, value):
        return expressions.parse(value)


class JsonReader:
    """Values have the type of their field."""

    def number(self, value, param, least, most=INT64_MAX):
        if type(value) is not int or not least <= value <= most:
            raise Refusal(param, "not a whole number in range")
        return value

    def numbers(self, value, param):
        if not isinstance(value, list):
            raise Refusal(param, "not an array")
        return [self.number(item, param, -2 ** 63) for item in value]

    sizes = numbers

    def axes(self, value, param):
        return [value] if type(value) is int else self.numbers(value, param)

    def initializer(self, value):
        return expressions.from_object(value) if isinstance(value, dict) else expressions.parse(text_of(value, "init"))


def text_of(value, param):
    if not isinstance(value, str):
        raise Refusal(param, "not a text")
    return value


class Request:
    """The fields are read in the order of section 9; then their combination is checked."""

    def __init__(self, fields, reader, root):
        self.fields, self.reader = fields, reader
        for name in fields:
            if name not in FIELDS:
                raise Refusal(name, "there is no such field")
        self.experiment = self.text("experiment", 256)
        self.trial = self.number("trial", 0, 0)
        self.name = self.text("name", 512)
        self.shape = self.read_shape()
        self.initializer = self.get("init", reader.initializer)
        self.dtype = self.choice("dtype", DTYPE_NAMES, "f32")
        self.layout = self.choice("layout", {"oi": "oi", "io": "io"}, "oi")
        self.in_axes, self.out_axes, self.batch_axes = (self.axes(name) for name in ("in_axis", "out_axis", "batch_axis"))
        self.fan_in, self.fan_out = self.number("fan_in", 1), self.number("fan_out", 1)
        self.zero_rows, self.zero_columns = self.zeros("zero_rows", self.shape[:1]), self.zeros("zero_columns", self.shape[-1:])
        self.region = self.read_region()
        self.format = self.choice("format", {"npy": "npy", "raw": "raw", "safetensors": "safetensors"}, "npy")
        if self.number("spec", 1, 1) != 1:
            raise Refusal("spec", "no such spec")
        self.draw = self.resolve(root)

    def get(self, name, read):
        """The value of the field; None if it is not given and not required."""
        if name not in self.fields:
            if name in REQUIRED:
                raise Refusal(name, "missing")
            return None
        value = self.fields[name]
        if value is None or (value == "" and name != "shape"):
            raise Refusal(name, "no value")
        return read(value)

    def text(self, name, limit):
        value = self.get(name, lambda value: text_of(value, name))
        if len(value.encode()) > limit:
            raise Refusal(name, "too long")
        return value

    def number(self, name, least, default=None):
        value = self.get(name, lambda value: self.reader.number(value, name, least))
        return default if value is None else value

    def choice(self, name, names, default):
        value = self.get(name, lambda value: text_of(value, name))
        if value is None:
            return default
        if value not in names:
            raise Refusal(name, f"cannot be {value!r}")
        return names[value]

    def read_shape(self):
        shape = self.get("shape", lambda value: self.reader.sizes(value, "shape"))
        if len(shape) > 8 or any(size < 0 for size in shape):
            raise Refusal("shape", "not a shape")
        return shape

    def axes(self, name):
        given = self.get(name, lambda value: self.reader.axes(value, name))
        if given is None:
            return None
        rank = len(self.shape)
        axes = [axis + rank if axis < 0 else axis for axis in given]
        if not axes or any(not 0 <= axis < rank for axis in axes) or len(set(axes)) < len(axes):
            raise Refusal(name, "not axes of the shape")
        return sorted(axes)

    def zeros(self, name, axis):
        """Indices of an axis, given as a list of its size; the list of a scalar is empty."""
        given = self.get(name, lambda value: self.reader.axes(value, name))
        if given is None:
            return None
        size = sum(axis)
        indices = [index + size if index < 0 else index for index in given]
        if not 1 <= len(indices) <= 8 or any(not 0 <= index < size for index in indices) or len(set(indices)) < len(indices):
            raise Refusal(name, "not indices of the axis")
        return sorted(indices)

    def read_region(self):
        """The [start, stop) of each axis."""
        cut = self.get("slice", lambda value: sliced(text_of(value, "slice"), self.shape))
        shard = self.get("shard", lambda value: text_of(value, "shard"))
        if shard is None:
            return cut or [(0, size) for size in self.shape]
        if cut is not None:
            raise Refusal("shard", "a slice and a shard")
        return sharded(shard, self.shape)

    def resolve(self, root):
        limit = 2 ** 35 if self.dtype == "f64" else 2 ** 36
        if 0 not in self.shape and math.prod(self.shape) > limit:
            raise Refusal("shape", "more elements than a stream has words", 413)
        sets = layout_sets(len(self.shape), self.layout, self.in_axes, self.out_axes, self.batch_axes)
        entry = self.initializer.entry
        fan_in, fan_out = fans(self.shape, *sets)
        fan_in, fan_out = self.fan_in or fan_in, self.fan_out or fan_out
        if max(fan_in, fan_out) >= 2 ** 63:
            raise Refusal("shape", "a fan beyond 2^63 - 1", 413)
        if not entry.ranks[0] <= len(self.shape) - len(sets[2]) <= entry.ranks[1]:
            raise Refusal("shape", f"{entry.name} accepts other ranks")
        tensor = Tensor(self.shape, self.dtype, self.layout, sets, fan_in, fan_out)
        draw = Draw(self, sets, tensor, entry.resolve(self.initializer.values, tensor), root)
        if self.format == "safetensors" and self.name == "__metadata__":
            raise Refusal("name", "reserved by the format")
        return draw

    @property
    def count(self):
        """The number of requested elements."""
        return math.prod(stop - start for start, stop in self.region)

    def bytes(self, start=0, stop=None):
        """The elements from `start` to `stop` as in format=raw; all by default."""
        return self.draw.bytes(self.region, range(start, self.count if stop is None else stop))

    def ends(self, first_size, last_size):
        """The first and the last bytes of the elements."""
        size = self.draw.tensor.dtype.size
        first, last = min(first_size // size, self.count), min(last_size // size, self.count)
        return self.bytes(0, first), self.bytes(self.count - last)


RANGE = re.compile(r"([^:]*):([^:]*)")


def sliced(text, shape):
    ranges = text.split(",")
    if len(ranges) > len(shape):
        raise Refusal("slice", "more ranges than axes")
    region = [(0, size) for size in shape]
    for axis, (given, size) in enumerate(zip(ranges, shape)):
        match = RANGE.fullmatch(given)
        if not match:
            raise Refusal("slice", "not a range")
        start, stop = (bound(word, size, default) for word, default in zip(match.groups(), (0, size)))
        region[axis] = start, max(start, stop)
    return region


def bound(word, size, default):
    if word == "":
        return default
    number = whole(word, "slice")
    return min(max(number + size if number < 0 else number, 0), size)


PART = re.compile(r"([^:/]*):([^:/]*)/([^:/]*)")


def sharded(text, shape):
    region = [(0, size) for size in shape]
    cut = set()
    for part in text.split(","):
        match = PART.fullmatch(part)
        if not match:
            raise Refusal("shard", "not a shard")
        axis, place, count = (whole(word, "shard") for word in match.groups())
        axis += len(shape) if axis < 0 else 0
        if not 0 <= axis < len(shape) or axis in cut or count < 1 or not 0 <= place < count:
            raise Refusal("shard", "no such piece")
        cut.add(axis)
        size = shape[axis]
        piece = -(-size // count)
        region[axis] = min(place * piece, size), min(place * piece + piece, size)
    return region
