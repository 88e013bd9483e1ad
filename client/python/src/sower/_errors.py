"""What can go wrong. Every exception of the package is a SowerError, and its text is a sentence for a person."""
from __future__ import annotations

__all__ = [
    "BadReceipt",
    "BufferMismatch",
    "Conflict",
    "Drift",
    "Forbidden",
    "InvalidRequest",
    "MissingServer",
    "SowerError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "WrongRoot",
    "of_library",
    "of_status",
]


class SowerError(Exception):
    """The base of all errors.

    field: the field of the request that is at fault ("shape"), or None.
    status: the HTTP status of the daemon's answer, or None if the error did not come from an answer.
    request: the name of the request in the daemon's log (Sower-Request), or None.

    Errors can be pickled, so one process can report them to another.
    """

    field: str | None = None
    status: int | None = None
    request: str | None = None


class InvalidRequest(SowerError):
    """A field is wrong, too large, unknown, or does not fit the others (400, 413, 422). `field` names it."""


class Unauthorized(SowerError):
    """The daemon, or a proxy before it, wants a token, or another one (401)."""


class Forbidden(SowerError):
    """The token does not allow this request (403)."""


class Conflict(SowerError):
    """The ledger does not allow the request now (409): no trial numbers are left, for example."""


class Drift(Conflict):
    """A name means another tensor than before, and the experiment is pinned or the daemon is strict (409)."""


class TooManyRequests(SowerError):
    """The daemon, or a proxy before it, still refused with 429 after the time for retries."""


class Unavailable(SowerError):
    """The daemon cannot be reached, ended an answer early, or still answered 503 after the time for retries."""


class MissingServer(SowerError):
    """No daemon was named: neither by `url` nor by SOW_SERVER. There is no default, so nothing is recorded by mistake."""


class WrongRoot(SowerError):
    """The daemon has another root than `expect_root`. Nothing was recorded."""


class BufferMismatch(SowerError):
    """A buffer, or a box, does not fit the tensor. Nothing was written."""


class BadReceipt(SowerError):
    """A receipt is malformed, or was changed: a draw in it does not have the id that its fields give."""


# enum sower_code of client/library/sower.h.
_CODES: dict[int, type[SowerError]] = {
    1: InvalidRequest,
    2: InvalidRequest,
    3: InvalidRequest,
    4: BadReceipt,
    6: BufferMismatch,
}

_STATUSES: dict[int, type[SowerError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    409: Conflict,
    413: InvalidRequest,
    422: InvalidRequest,
    429: TooManyRequests,
    503: Unavailable,
}


def of_library(code: int, field: str, sentence: str) -> SowerError:
    """The exception for an error of libsower."""
    error = _CODES.get(code, SowerError)(sentence)
    error.field = field or None
    return error


def of_status(status: int, field: str | None, sentence: str, request: str | None) -> SowerError:
    """The exception for a refusal of the daemon. A conflict that is about a name is drift (SPEC.md, section 19)."""
    kind = _STATUSES.get(status, SowerError)
    error = (Drift if kind is Conflict and field == "name" else kind)(sentence)
    error.field, error.status, error.request = field, status, request
    return error


def invalid(field: str, sentence: str) -> InvalidRequest:
    """An InvalidRequest that the package found by itself."""
    error = InvalidRequest(sentence)
    error.field = field or None
    return error
