"""Checks that the package makes itself, before a text reaches the library or the daemon, and the words of its types."""
from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from typing import Any, Union

from ._errors import invalid

#: A part of a tensor: (start, stop) for each axis; element i of an axis is in it if start <= i < stop.
Box = Sequence[tuple[int, int]]
#: An initializer: an expression ("normal(std=0.02)"), or an object ({"type": "normal", "std": 0.02}).
Init = Union[str, Mapping[str, Any]]

#: What a tensor may have besides name, shape, init and dtype (SPEC.md, section 9).
LAYOUT = ("layout", "in_axis", "out_axis", "batch_axis", "fan_in", "fan_out", "zero_rows", "zero_columns")
#: Bytes of an element.
ITEMSIZE = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "f8_e4m3": 1, "f8_e5m2": 1}
TRIAL_MAX = 2**63 - 1


def text(field: str, value: object, most: int) -> str:
    """The value, if it is a text of 1 to `most` bytes of UTF-8 without NUL."""
    if not isinstance(value, str):
        raise invalid(field, f"{field} must be a text, not {type(value).__name__}.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise invalid(field, f"{field} must be valid Unicode: it has half of a surrogate pair.") from None
    if not 1 <= size <= most or "\0" in value:
        raise invalid(field, f"{field} must have 1 to {most} bytes of UTF-8, without NUL; this one has {size}.")
    return value


def trial(value: object) -> int:
    """The value, if it is a trial."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= TRIAL_MAX:
        raise invalid("trial", f"trial must be a whole number from 0 to {TRIAL_MAX}.")
    return value


def key(field: str, value: object) -> bytes:
    """The 32 bytes of a root or an id, which may be written as 64 hex digits."""
    try:
        result = bytes.fromhex(value) if isinstance(value, str) else value
    except ValueError:
        result = b""
    if not isinstance(result, (bytes, bytearray)) or len(result) != 32:
        raise invalid(field, f"{field} must be 32 bytes, or 64 hex digits.")
    return bytes(result)


def to_json(value: object) -> str:
    """JSON that the daemon and libsower read. NaN and infinities are no JSON; other objects are refused."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as reason:
        raise invalid("", f"This is not JSON: {reason}.") from None
    except RecursionError:
        raise invalid("", "This is not JSON: it is nested too deep.") from None


def encode(json_text: str) -> bytes:
    """UTF-8."""
    try:
        return json_text.encode()
    except UnicodeEncodeError:
        raise invalid("", "This is not valid Unicode: it has half of a surrogate pair.") from None


def tensor(experiment: str, trial_number: int, name: str, shape: Sequence[int], init: Init, dtype: str,
           fields: Mapping[str, Any]) -> bytes:
    """The fields of one tensor as the body of a request. Shapes of frameworks (torch.Size) are sequences of integers."""
    for field in fields:
        if field not in LAYOUT:
            raise invalid(field, f"A draw has no field {field!r}. Besides name, shape, init and dtype there are {', '.join(LAYOUT)}.")
    try:
        sizes = [operator.index(size) for size in shape]
    except TypeError:
        raise invalid("shape", "shape must be a sequence of whole numbers.") from None
    request = {"experiment": experiment, "trial": trial_number, "name": name, "shape": sizes, "init": init, "dtype": dtype}
    return encode(to_json({**request, **fields}))
