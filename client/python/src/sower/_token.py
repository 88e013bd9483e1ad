"""The token of a daemon, from the same files as sow: SOW_TOKEN_FILE, else the daemon's line in ~/.config/sow/tokens."""
from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from ._errors import invalid

_TOKEN = re.compile("sower_[A-Za-z0-9_-]{43}")


def find(url: str) -> str | None:
    """The token for the daemon at this address; None: there is none. Raises InvalidRequest for a file that is not private."""
    file = os.environ.get("SOW_TOKEN_FILE")
    if file:
        return _checked(_read(Path(file)).strip(), file)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sow" / "tokens"
    if not config.exists():
        return None
    for line in _read(config).splitlines():
        address, _, token = line.partition(" ")
        if address.rstrip("/") == url.rstrip("/"):
            return _checked(token.strip(), str(config))
    return None


def _read(path: Path) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise invalid("token", f"{path} is open to others (mode {stat.S_IMODE(mode):04o}); make it private: chmod 600.")
            return file.read(65536)
    except (OSError, UnicodeDecodeError) as reason:
        raise invalid("token", f"{path} cannot be read: {reason}.") from None


def _checked(token: str, path: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise invalid("token", f'{path} does not have a token, which is "sower_" and 43 characters.')
    return token
