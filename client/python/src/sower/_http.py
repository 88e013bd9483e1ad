"""Requests to a daemon: retries, refusals, tokens. Every request of the package may be sent twice without harm."""
from __future__ import annotations

import ipaddress
import json
import logging
import os
import ssl
import time
from collections.abc import Callable, Mapping
from io import RawIOBase
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError, SSLError
from urllib3.util import Timeout, parse_url

from . import _native
from ._errors import InvalidRequest, SowerError, TooManyRequests, Unavailable, invalid, of_status
from ._transport import Tls, connections, socket_path

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool, PoolManager
    from urllib3.response import BaseHTTPResponse  # urllib3 2; Debian 12 has 1.26

_LOG = logging.getLogger("sower")
_Result = TypeVar("_Result")
_REFUSAL_MAX = 16 * 1024
_PAUSE_FIRST, _PAUSE_MAX = 0.1, 5.0


class Stream(RawIOBase):
    """The body of an answer, as a binary file to read once. Close it, or use it in a `with` statement."""

    def __init__(self, response: BaseHTTPResponse, url: str) -> None:
        super().__init__()
        self._response = response
        self._url = url
        #: Bytes of the whole body, or None if the daemon did not say.
        self.size = int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        #: The header fields of the answer.
        self.headers: Mapping[str, str] = response.headers

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            part = self._response.read(len(view)) if len(view) > 0 else b""
        except (HTTPError, OSError) as reason:
            raise Unavailable(f"{self._url} ended the answer early: {reason}.") from None
        view[: len(part)] = part
        return len(part)

    def close(self) -> None:
        # An answer that was not read to its end leaves bytes in the connection, so it cannot be used again.
        self._response.close()
        self._response.release_conn()
        super().close()


class Daemon:
    """A daemon under an address. May be used by several threads, and by the children of a fork."""

    def __init__(self, url: str, token: str | None, tls: Tls, timeout: float, retry_seconds: float) -> None:
        self.url = url.rstrip("/")
        self._base = "" if socket_path(url) is not None else self.url
        self._tls = tls
        self._headers = {"User-Agent": f"sower-python/{_native.version}"}
        self._timeout = Timeout(total=None, connect=timeout, read=timeout)
        self._retry_seconds = retry_seconds
        _check_url(self.url, token)
        if token is not None:
            if not token or not all("!" <= character <= "~" for character in token):
                raise invalid("token", "A token has printable ASCII characters without spaces.")
            self._headers["Authorization"] = f"Bearer {token}"
        self._process = 0
        self._pool = self._connections()

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None,
            headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer's JSON object. Raises SowerError."""
        return self._send(method, path, query, body, headers, _read_json)

    def stream(self, path: str, query: Mapping[str, str], body: bytes) -> Stream:
        """POSTs, and returns the answer's body to be read. Raises SowerError."""
        return self._send("POST", path, query, body, None, lambda response: Stream(response, self.url))

    def _connections(self) -> PoolManager | HTTPConnectionPool:
        """A child process does not use the connections of its parent."""
        if self._process != os.getpid():
            self._pool = connections(self.url, self._tls, self._timeout)
            self._process = os.getpid()
        return self._pool

    def _refused_handshake(self, reason: SSLError) -> str:
        """The daemon tells by an alert that it refuses the certificate of this client. TLS 1.2 has none for a missing one."""
        text = str(reason).upper()
        if "ALERT" not in text or not any(words in text for words in ("CERTIFICATE", "UNKNOWN_CA", "UNKNOWN CA", "HANDSHAKE")):
            return f"{self.url} cannot be trusted: {reason}."
        if self._tls.has_certificate:
            return f"{self.url} does not accept the certificate of this client: {reason}."
        return f"{self.url} wants a certificate from its clients (client_certificate, or SOW_CLIENT_CERTIFICATE): {reason}."

    def _send(self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None,
              headers: Mapping[str, str] | None, read: Callable[[BaseHTTPResponse], _Result]) -> _Result:
        url = self._base + path + ("?" + urlencode(query) if query else "")
        sent = {**self._headers, **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})}
        give_up = time.monotonic() + self._retry_seconds
        pause = _PAUSE_FIRST
        while True:
            failure: SowerError
            wait = pause
            try:
                response = self._connections().request(method, url, body=body, headers=sent, redirect=False, preload_content=False,
                                                       enforce_content_length=True)  # the default of urllib3 2, not of 1.26
                if 200 <= response.status < 300:
                    return read(response)
                failure = _refusal(self.url, response)
                wait = _retry_after(response, pause)
                # A limit that waiting does not help against: a daemon says after which time another one is over.
                used_up = isinstance(failure, TooManyRequests) and response.headers.get("Content-Type", "").startswith("application/problem+json") and "Retry-After" not in response.headers
                if used_up or not isinstance(failure, (TooManyRequests, Unavailable)):
                    raise failure
            except SSLError as reason:
                # A daemon that refuses the certificate of a client closes at once, and its alert may come too late: ask again.
                if not isinstance(reason.args[0], ssl.SSLEOFError):
                    raise Unavailable(self._refused_handshake(reason)) from None
                failure = Unavailable(f"{self.url} closed the connection in the handshake; perhaps it wants another certificate of this "
                                      f"client: {reason}.")
            except (HTTPError, OSError) as reason:
                failure = Unavailable(f"{self.url} does not answer: {reason}.")
            if time.monotonic() + wait > give_up:
                raise failure
            _LOG.warning("%s Asking again in %.1f s.", failure, wait)
            time.sleep(wait)
            pause = min(2 * pause, _PAUSE_MAX)


def _check_url(url: str, token: str | None) -> None:
    path = socket_path(url)
    if path is not None:
        if not 1 <= len(os.fsencode(path)) <= 107:
            raise invalid("url", f"{url!r} is no daemon's address: the path of a Unix socket has 1 to 107 bytes.")
        return
    try:
        parts = parse_url(url)
    except HTTPError:
        raise invalid("url", f"{url!r} is no URL. It is like http://127.0.0.1:7697.") from None
    if parts.scheme not in ("http", "https") or not parts.host or parts.query or parts.fragment or parts.auth:
        raise invalid("url", f"{url!r} is no daemon's URL, which is like http://127.0.0.1:7697, without user, query and fragment.")
    if token is not None and parts.scheme == "http" and not _is_loopback(parts.host):
        raise invalid("token", f"The token would be sent to {parts.host} in plain text. Use https.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _read_json(response: BaseHTTPResponse) -> dict[str, Any]:
    body = response.data
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest("The answer is no JSON object: is this the address of a sowerd?")
    return value


def _refusal(url: str, response: BaseHTTPResponse) -> SowerError:
    """The daemon's own sentence, if it sent one; a proxy sends none."""
    body = response.read(_REFUSAL_MAX)
    response.close()
    problem: Any = None
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            problem = json.loads(body)
        except ValueError:
            pass
    if not isinstance(problem, dict):
        problem = {}
    detail, field = problem.get("detail"), problem.get("param")
    if not isinstance(detail, str):
        detail = f"{url} answered {response.status} {response.reason or ''}".rstrip() + "."
        if 300 <= response.status < 400:
            detail += f" It leads to {response.headers.get('Location', 'nowhere')}; requests are not sent on, so use that address."
    return of_status(response.status, field if isinstance(field, str) else None, detail, response.headers.get("Sower-Request"))


def _retry_after(response: BaseHTTPResponse, otherwise: float) -> float:
    """Seconds. A date, which the header may have too, is not read."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else otherwise
