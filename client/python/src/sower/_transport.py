"""Connections to a daemon: TCP, TLS, or a Unix socket ("unix:PATH")."""
from __future__ import annotations

import os
import socket
import ssl
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import Timeout

from ._errors import invalid


def socket_path(url: str) -> str | None:
    """The path in the address unix:PATH; None for a URL."""
    return url[len("unix:"):] if url.startswith("unix:") else None


class Tls:
    """What a client trusts and shows. Files that are not named come from the environment variables of sow and curl."""

    def __init__(self, ca_file: str | None, client_certificate: str | None, client_key: str | None) -> None:
        variable = os.environ.get
        certificate = client_certificate or variable("SOW_CLIENT_CERTIFICATE") or None
        key = client_key or variable("SOW_CLIENT_KEY") or None
        if key is not None and certificate is None:
            raise invalid("client_key", "A client key needs a client certificate.")
        file, directory = ca_file or variable("CURL_CA_BUNDLE") or None, None
        if file is None:
            file, directory = variable("SSL_CERT_FILE") or None, variable("SSL_CERT_DIR") or None
        try:
            context = ssl.create_default_context(cafile=file, capath=directory)
        except OSError as reason:  # ssl.SSLError too
            raise invalid("ca_file", f"The certificates to trust ({file or directory}) cannot be read: {reason}.") from None
        #: Whether the client shows a certificate.
        self.has_certificate = certificate is not None
        if certificate is not None:
            try:
                context.load_cert_chain(certificate, key, password=_no_password)
            except OSError as reason:
                raise invalid("client_certificate", f"The client certificate {certificate} and its key {key or 'in the same file'} "
                                                    f"cannot be used: {reason}.") from None
        # urllib3 gets names instead of this context: 1.26 does not connect to an address with a context that checks names.
        self.settings: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": file, "ca_cert_dir": directory,
                                         "cert_file": certificate, "key_file": key}


def connections(url: str, tls: Tls, timeout: Timeout) -> urllib3.PoolManager | _UnixPool:
    """What sends requests to the daemon: to whole URLs, or for a Unix socket to their paths."""
    path = socket_path(url)
    if path is not None:
        return _UnixPool("localhost", maxsize=8, retries=False, timeout=timeout, path=path)
    return urllib3.PoolManager(maxsize=8, retries=False, timeout=timeout, **tls.settings)


def _no_password() -> str:
    raise OSError("the key is encrypted")


class _UnixConnection(HTTPConnection):
    def __init__(self, *arguments: Any, path: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._path = path

    def _new_conn(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self._path)
        except TimeoutError:
            connection.close()
            raise ConnectTimeoutError(self, f"unix:{self._path} does not accept connections.") from None
        except OSError as reason:
            connection.close()
            raise NewConnectionError(self, f"{reason.strerror or reason}") from None
        return connection


class _UnixPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _UnixConnection
