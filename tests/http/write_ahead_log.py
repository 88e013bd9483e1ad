"""The write-ahead log of a SQLite ledger, read from its file."""
import pathlib
import struct


def wal(daemon):
    return pathlib.Path(daemon.state) / "ledger.sqlite-wal"


def commits(daemon):
    """Number of transactions in the write-ahead log. The last frame of each has the size of the database, the others 0."""
    content = wal(daemon).read_bytes()
    page_size = struct.unpack(">I", content[8:12])[0]
    frames = range(32, len(content) - 23, 24 + page_size)
    salts = content[16:24]
    return sum(
        1 for at in frames if content[at + 8 : at + 16] == salts and struct.unpack(">I", content[at + 4 : at + 8])[0] > 0
    )
