"""Files of tokens for the daemon, made by another implementation of what `sow token new` does."""
import base64
import hashlib
import os

SCOPES = "plan,draw,trials,pin,read,export,metrics"


class Token:
    """A token and its line of the file."""

    def __init__(self, name, scopes=SCOPES, experiments="*", *limits):
        secret = os.urandom(32)
        self.text = "sower_" + base64.urlsafe_b64encode(secret).decode().rstrip("=")
        self.hash = hashlib.blake2b(secret, digest_size=32).hexdigest()
        self.name = name
        self.line = " ".join([name, self.hash, scopes, experiments, *limits])
        self.headers = {"Authorization": "Bearer " + self.text}


def write_tokens(path, *lines):
    """Writes tokens or lines to a private file. Replaces an existing file at once."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines((line.line if isinstance(line, Token) else line) + "\n" for line in lines)
    os.rename(new, path)
    return path
