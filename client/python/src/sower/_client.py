"""A daemon, and the runs whose draws it records."""
from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from . import _fields, _native, _token
from ._errors import MissingServer, SowerError, WrongRoot, invalid
from ._fields import Box, encode, to_json
from ._http import Daemon
from ._manifest import Manifest
from ._receipt import Receipt
from ._run import Plan, Run
from ._transport import Tls


class Client:
    """A daemon that records draws.

    url: its address, or unix:PATH for a Unix socket; None: that in the environment variable SOW_SERVER. There is no default
        (MissingServer).
    token: sent as `Authorization: Bearer`, over https or to this machine only. None: the one in the file that SOW_TOKEN_FILE
        names, else in the line "ADDRESS TOKEN" for this address in ~/.config/sow/tokens, if there is one.
    ca_file: certificates to trust for https, PEM; None: those of CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR, else the system's.
    client_certificate, client_key: PEM files, for a daemon that wants a certificate from its clients; None: those of
        SOW_CLIENT_CERTIFICATE and SOW_CLIENT_KEY. Without a key of its own, the certificate's file has it.
    expect_root: the id of the root that the daemon must have, 64 hex digits, as a receipt says it. It is compared before
        anything is recorded (WrongRoot).
    timeout: seconds to connect, and seconds without any byte, before an attempt ends.
    retry_seconds: for how long to ask again while the daemon cannot be reached or answers 503 or 429.

    A client may be used by several threads, and by the children of a fork.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, ca_file: str | None = None,
                 client_certificate: str | None = None, client_key: str | None = None, expect_root: str | None = None,
                 timeout: float = 60.0, retry_seconds: float = 60.0) -> None:
        url = url or os.environ.get("SOW_SERVER")
        if not url:
            raise MissingServer("Name the daemon: Client(url), or the environment variable SOW_SERVER.")
        self._daemon = Daemon(url, token if token is not None else _token.find(url), Tls(ca_file, client_certificate, client_key), timeout,
                              retry_seconds)
        self._expect_root = None if expect_root is None else _fields.key("expect_root", expect_root).hex()
        self._is_root_known = expect_root is None

    @property
    def url(self) -> str:
        """The daemon's address."""
        return self._daemon.url

    def run(self, experiment: str, *, trial: int | None = None, key: str | None = None) -> Run:
        """A trial of an experiment. Every process that gives the same trial, or the same key, gets the same tensors.

        trial: a number that you choose.
        key: a text that stands for this job (sower.job_key()): the daemon gives out the experiment's next number for a
            key that it does not know, and the same number again for one that it knows. 1 to 255 ASCII characters.
        Without both, every call takes the next number. So on several ranks give one of the two.
        """
        _fields.text("experiment", experiment, 256)
        if trial is not None and key is not None:
            raise invalid("key", "Give a trial or a key, not both: the key stands for a number that the daemon chooses.")
        self._check_root(experiment)
        if trial is not None:
            return _Recorded(self, experiment, trial, None)
        if key is None:
            key = f"python:{uuid.uuid4()}"
        elif not isinstance(key, str) or not 1 <= len(key) <= 255 or not (key.isascii() and key.isprintable() and key == key.strip()):
            raise invalid("key", "A key has 1 to 255 printable ASCII characters, and no space at its ends.")
        answer = self._daemon.ask("POST", f"/v1/experiments/{quote(experiment, safe='')}/trials", headers={"Idempotency-Key": key})
        return _Recorded(self, experiment, _fields.trial(answer.get("trial")), _fields.key("seed", answer.get("seed")))

    def _check_root(self, experiment: str) -> None:
        if not self._is_root_known:
            self._compare_root(self._daemon.ask("GET", "/v1/seed", {"experiment": experiment}).get("root"))
            self._is_root_known = True

    def _compare_root(self, root: object) -> None:
        if self._expect_root not in (None, root):
            raise WrongRoot(f"{self.url} has the root {root}, not {self._expect_root}.")

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"


class _Recorded(Run):
    """A run whose draws the daemon records."""

    recorded = True

    def __init__(self, client: Client, experiment: str, trial: int, trial_seed: bytes | None) -> None:
        super().__init__(experiment, trial)
        self._client = client
        self._daemon = client._daemon
        self._trial_seed = trial_seed

    def record(self, manifest: Manifest) -> Receipt:
        receipt = self._receipt(manifest.body(experiment=self.experiment, trial=self.trial))
        if receipt.manifest != manifest.hash:
            raise SowerError(f"The daemon recorded the manifest {receipt.manifest}, and this package sent {manifest.hash}: they "
                             "resolve it differently. Are their versions equal?")
        return receipt

    def seed(self, purpose: str) -> int:
        _fields.text("purpose", purpose, 256)
        if self._trial_seed is None:
            answer = self._daemon.ask("GET", "/v1/seed", {"experiment": self.experiment, "trial": str(self.trial)})
            self._client._compare_root(answer.get("root"))
            self._trial_seed = _fields.key("seed", answer.get("seed"))
        return _native.purpose_seed(self._trial_seed, purpose)

    def model(self, manifest: Manifest, *, slices: Mapping[str, Box | str] | None = None, tensors: str | None = None,
              part: str | None = None, shard: str | None = None) -> BinaryIO:
        members: dict[str, Any] = {"experiment": self.experiment, "trial": self.trial}
        if slices:
            members["slices"] = {name: box if isinstance(box, str) else ",".join(f"{start}:{stop}" for start, stop in box)
                                 for name, box in slices.items()}
        query = {field: value for field, value in (("tensors", tensors), ("part", part), ("shard", shard)) if value is not None}
        return cast(BinaryIO, self._daemon.stream("/v1/model", query, manifest.body(**members)))

    def _receipt(self, body: bytes) -> Receipt:
        receipt = Receipt(self._daemon.ask("POST", "/v1/draws", body=body))
        self._client._compare_root(receipt.root)
        if (receipt.experiment, receipt.trial) != (self.experiment, self.trial):
            raise SowerError(f"The daemon answered for {receipt.experiment!r}, trial {receipt.trial}. Does a proxy mix answers up?")
        return receipt

    def _plan(self, body: bytes) -> Plan:
        return cast(Plan, self._daemon.ask("POST", "/v1/plan", body=body))
