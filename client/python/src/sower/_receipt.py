"""Draws, and the receipt from which they are made again."""
from __future__ import annotations

import json
import operator
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Union
from weakref import WeakValueDictionary

from . import _native
from ._errors import BadReceipt, BufferMismatch, SowerError, invalid
from ._fields import ITEMSIZE, Box, encode, to_json

if TYPE_CHECKING:
    import numpy

_PUBLIC_ROOT = _native.public_root()
_PUBLIC_ROOT_ID = _native.root_id(_PUBLIC_ROOT).hex()
# The buffer formats that are elements of a dtype; bits may be passed as unsigned integers of the element's size.
_FORMATS = {"f64": "dQL", "f32": "fIL", "f16": "eH", "bf16": "H", "f8_e4m3": "B", "f8_e5m2": "B"}
_BYTES = "Bbc"
_Bounds = Union[tuple[int, ...], None]


class Draw:
    """One tensor of an experiment: a promise of bits, which are computed here when they are asked for.

    A draw of an orthogonal law keeps the factors that it computed, so keep the draw to ask for several boxes of it.
    Draws may be used by several threads at the same time.
    """

    def __init__(self, receipt: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        """`receipt` has experiment, trial, root and spec; `fields` is an object of its `draws`."""
        self._receipt = receipt
        self._fields = fields

    @property
    def name(self) -> str:
        """The tensor's name. For a tied tensor: the name of the one that it is the same as."""
        return str(self._fields["name"])

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return tuple(self._fields["shape"])

    @property
    def dtype(self) -> str:
        """f64, f32, f16, bf16, f8_e4m3 or f8_e5m2."""
        return str(self._fields["dtype"])

    @property
    def init(self) -> str:
        """The initializer, as the canonical expression."""
        return str(self._fields["init"])

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return ITEMSIZE[self.dtype]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole tensor."""
        return prod(self.shape) * self.itemsize

    @property
    def id(self) -> str:
        """The draw id: 64 hex digits that stand for every field, and so for every bit of the tensor."""
        return str(self._fields["draw"])

    @property
    def seed(self) -> str:
        """The tensor's seed, 64 hex digits. Secret if the root is private."""
        return str(self._fields["seed"])

    @property
    def ledger(self) -> int | None:
        """The number of the ledger line that records the draw; None if it is not recorded."""
        number: int | None = self._fields.get("ledger")
        return number

    @property
    def drift(self) -> int | None:
        """The first line of this name, if it has another shape, dtype, init or layout than this draw; else None."""
        number: int | None = self._fields.get("drift")
        return number

    @property
    def recorded(self) -> bool:
        """Whether a ledger has the draw."""
        return self.ledger is not None

    def fill(self, buffer: Any, box: Box | None = None, threads: int = 0) -> None:
        """Writes the elements of a box into a buffer, in C order and the byte order of this machine.

        buffer: any writable, contiguous object with the buffer protocol (numpy array, bytearray, mmap, memoryview) of
            exactly the box's size. Its elements are bytes, or of the tensor's own type, or unsigned integers of the same
            size (the bits; for types that buffers do not know, such as bf16). With more than one axis its shape is the box's.
        box: (start, stop) for each axis; None: the whole tensor.
        threads: how many to use at most; 0: one for each processor that this process may use.

        The GIL is released meanwhile. Raises BufferMismatch, before anything is written.
        """
        start, stop, shape = self._part(box)
        self._tensor.fill(self._view(buffer, shape), start, stop, _threads(threads))

    def numpy(self, box: Box | None = None) -> numpy.ndarray[Any, Any]:
        """The elements of a box as a new numpy array of the box's shape.

        bf16 and f8 need the package ml_dtypes, which has these types for numpy.
        """
        start, stop, shape = self._part(box)
        array: numpy.ndarray[Any, Any] = _numpy().empty(shape, _numpy_dtype(self.dtype))
        bits = array.reshape(-1).view(f"u{self.itemsize}")
        self._tensor.fill(bits.data, start, stop, 0)
        return array

    def digest(self, box: Box | None = None, threads: int = 0) -> str:
        """The BLAKE2b-256 of the elements of a box in little-endian order, as /v1/stats says it: 64 hex digits.

        The box is never in memory as a whole.
        """
        start, stop, _ = self._part(box)
        return self._tensor.digest(start, stop, _threads(threads)).hex()

    @property
    def _tensor(self) -> _native.Tensor:
        """Opened at the first use, which compares the draw id with the fields. Raises BadReceipt."""
        opened: _native.Tensor | None = self.__dict__.get("_opened")
        if opened is None:
            line = {**_line_of(self._receipt), **{name: value for name, value in self._fields.items() if value is not None}}
            root = _PUBLIC_ROOT if self._receipt["root"] == _PUBLIC_ROOT_ID else None
            try:
                tensor = _native.open_line(encode(to_json(line)), root)
            except SowerError as reason:
                raise BadReceipt(f"The receipt does not describe the draw {self.name!r}: {reason}") from None
            # Two threads may get here at the same time: both then use the tensor of the first.
            opened = self.__dict__.setdefault("_opened", tensor)
        return opened

    def _part(self, box: Box | None) -> tuple[_Bounds, _Bounds, tuple[int, ...]]:
        """The bounds of a box as the library takes them, and its shape."""
        if box is None:
            return None, None, self.shape
        try:
            pairs = [(operator.index(low), operator.index(high)) for low, high in box]
            right = len(pairs) == len(self.shape) and all(
                0 <= low <= high <= size for (low, high), size in zip(pairs, self.shape))
        except (TypeError, ValueError):
            right = False
        if not right:
            raise BufferMismatch(f"A box of {self.name!r} has (start, stop) with 0 <= start <= stop <= size for each axis of "
                                 f"{list(self.shape)}; this one is {box!r}.")
        start, stop = tuple(low for low, _ in pairs), tuple(high for _, high in pairs)
        return start, stop, tuple(high - low for low, high in pairs)

    def _view(self, buffer: Any, shape: tuple[int, ...]) -> memoryview:
        """The buffer, if the elements of a box of this shape fit it."""
        try:
            view = memoryview(buffer)
        except (TypeError, ValueError, BufferError) as reason:
            raise BufferMismatch(f"{type(buffer).__name__} is no buffer ({reason}). Arrays of types that buffers do not know are "
                                 "passed as unsigned integers: array.view('u2').") from None
        if view.readonly:
            raise BufferMismatch("The buffer is read-only.")
        if not view.c_contiguous:
            raise BufferMismatch("The buffer is not contiguous in C order. Fill a contiguous one and copy.")
        kind = view.format.lstrip("@=<" if sys.byteorder == "little" else "@=>")
        if kind not in list(_BYTES) and (kind not in list(_FORMATS[self.dtype]) or view.itemsize != self.itemsize):
            raise BufferMismatch(f"The buffer's elements have the format {view.format!r}, which is neither {self.dtype} nor bytes "
                                 f"nor unsigned integers of {self.itemsize} bytes.")
        size = prod(shape) * self.itemsize
        if view.nbytes != size:
            raise BufferMismatch(f"The buffer has {view.nbytes} bytes. The box {list(shape)} of {self.name!r} in {self.dtype} has "
                                 f"{size}.")
        if view.ndim > 1 and view.itemsize == self.itemsize and view.shape != shape:
            raise BufferMismatch(f"The buffer has the shape {list(view.shape or ())}, and the box {list(shape)}.")
        return view

    def __repr__(self) -> str:
        return f"<Draw {self.name!r} {list(self.shape)} {self.dtype} {self.init}{'' if self.recorded else ', not recorded'}>"


class Receipt:
    """What a daemon answered when it recorded draws. With it the tensors are made again, without a daemon and without the root.

    It is small text: log it, keep it beside a checkpoint, send it to other processes (it can be pickled). It has the
    seeds of its tensors, so it is a secret if the root is private.

        receipt = run.record(manifest)
        weight = receipt.draws["wte.weight"].numpy()

    A draw whose fields were changed is found when it is first used (BadReceipt). Under the public root a changed seed is
    found too; under a private root only `sow verify` with the root can find it.
    """

    def __init__(self, source: str | bytes | Mapping[str, Any]) -> None:
        self._value = _checked(source)

    @classmethod
    def from_json(cls, source: str | bytes) -> Receipt:
        """Reads a receipt. Raises BadReceipt."""
        return cls(source)

    def to_json(self) -> str:
        """The receipt as JSON, which `sow derive --receipt` reads too."""
        return to_json(self._value)

    @property
    def experiment(self) -> str:
        return str(self._value["experiment"])

    @property
    def trial(self) -> int:
        return int(self._value["trial"])

    @property
    def root(self) -> str:
        """The id of the root, 64 hex digits. It does not reveal the root."""
        return str(self._value["root"])

    @property
    def manifest(self) -> str | None:
        """The hash of the manifest; None for a single tensor."""
        value: str | None = self._value["manifest"]
        return value

    @property
    def ledger(self) -> int | None:
        """The greatest number of a ledger line among the draws; None if they are not recorded."""
        value: int | None = self._value["ledger"]
        return value

    @property
    def recorded(self) -> bool:
        """Whether a ledger has the draws."""
        return self.ledger is not None

    @property
    def ties(self) -> Mapping[str, str]:
        """For each tied tensor the one that it is the same as."""
        ties: Mapping[str, str] = self._value["ties"]
        return ties

    @cached_property
    def draws(self) -> Mapping[str, Draw]:
        """The draws by the names of the tensors. A tied tensor's name leads to the draw of the one that it is the same as."""
        return _Draws(self._value)

    def __repr__(self) -> str:
        where = f"up to ledger line {self.ledger}" if self.recorded else "not recorded"
        return f"<Receipt of {len(self._value['draws'])} draws of {self.experiment!r}, trial {self.trial}, {where}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Receipt) and self._value == other._value

    def __hash__(self) -> int:
        return hash((self.experiment, self.trial, self.root, self.manifest, self.ledger))

    def __reduce__(self) -> tuple[type[Receipt], tuple[str]]:
        return Receipt, (self.to_json(),)


class _Draws(Mapping[str, Draw]):
    """A draw is made when it is asked for, and is kept only as long as somebody uses it: a model's factors are large."""

    def __init__(self, receipt: Mapping[str, Any]) -> None:
        self._receipt = receipt
        self._fields: dict[str, Mapping[str, Any]] = {fields["name"]: fields for fields in receipt["draws"]}
        self._ties: Mapping[str, str] = receipt["ties"]
        self._used: WeakValueDictionary[str, Draw] = WeakValueDictionary()

    def __getitem__(self, name: str) -> Draw:
        name = self._ties.get(name, name)
        draw = self._used.get(name)
        return draw if draw is not None else self._used.setdefault(name, Draw(self._receipt, self._fields[name]))

    def __iter__(self) -> Iterator[str]:
        yield from self._fields
        yield from self._ties

    def __len__(self) -> int:
        return len(self._fields) + len(self._ties)


def _line_of(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What a draw of a receipt lacks of a ledger line."""
    return {member: receipt[member] for member in ("experiment", "trial", "root", "spec")}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count_or_null(value: object) -> bool:
    return value is None or _is_count(value)


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


_MEMBERS = {
    "experiment": _is_text, "trial": _is_count, "root": _is_text, "spec": _is_count,
    "manifest": lambda value: value is None or _is_text(value), "ledger": _is_count_or_null,
    "draws": lambda value: isinstance(value, list) and len(value) > 0,
    "ties": lambda value: isinstance(value, dict),
}
_MEMBERS_OF_DRAW = {
    "name": _is_text, "draw": _is_text, "seed": _is_text, "shape": _is_shape,
    "dtype": lambda value: _is_text(value) and value in ITEMSIZE, "init": _is_text, "layout": _is_text,
    "ledger": _is_count_or_null, "drift": _is_count_or_null,
}


def _check_members(what: str, value: object, members: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        raise BadReceipt(f"{what} must be a JSON object.")
    for member, is_right in members.items():
        if member not in value:
            raise BadReceipt(f"{what} has no member {member!r}.")
        if not is_right(value[member]):
            raise BadReceipt(f"The member {member!r} of {what} is wrong: {value[member]!r:.80}.")


def _checked(source: str | bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The receipt as a dict in which every member has its type. The library checks their values when a draw is used."""
    try:
        value = json.loads(source) if isinstance(source, (str, bytes)) else dict(source)
    except (ValueError, RecursionError) as reason:
        raise BadReceipt(f"This is no receipt: {reason}.") from None
    _check_members("the receipt", value, _MEMBERS)
    if value["spec"] != _native.spec:
        raise BadReceipt(f"The receipt has spec {value['spec']}; this package knows spec {_native.spec}.")
    for fields in value["draws"]:
        _check_members("a draw of the receipt", fields, _MEMBERS_OF_DRAW)
    names = {fields["name"] for fields in value["draws"]}
    if len(names) != len(value["draws"]):
        raise BadReceipt("Two draws of the receipt have the same name.")
    for name, other in value["ties"].items():
        if not isinstance(other, str) or other not in names or name in names:
            raise BadReceipt(f"The receipt ties {name!r} to {other!r}, which is no draw of it.")
    checked: Mapping[str, Any] = value
    return checked


def _threads(threads: int) -> int:
    if not isinstance(threads, int) or not 0 <= threads <= 2**16:
        raise invalid("threads", f"threads must be a whole number from 0 to {2**16}.")
    return threads


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        raise SowerError("Draw.numpy() needs the package numpy. Draw.fill() writes into any buffer without it.") from None
    return numpy


def _numpy_dtype(dtype: str) -> Any:
    if dtype in ("f64", "f32", "f16"):
        return f"f{ITEMSIZE[dtype]}"
    try:
        import ml_dtypes
    except ImportError:
        raise SowerError(f"numpy has no type for {dtype}. Install the package ml_dtypes, or fill an array of unsigned integers: "
                         f"draw.fill(numpy.empty(draw.shape, 'u{ITEMSIZE[dtype]}')).") from None
    return {"bf16": ml_dtypes.bfloat16, "f8_e4m3": ml_dtypes.float8_e4m3fn, "f8_e5m2": ml_dtypes.float8_e5m2}[dtype]
