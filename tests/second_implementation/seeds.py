"""Sections 2 and 3: seeds are keyed hashes, and each is the key of a ChaCha20 stream."""
import hashlib
import struct


def blake2b(message, key=b"", person=b""):
    return hashlib.blake2b(message, digest_size=32, key=key, person=person).digest()


PUBLIC_ROOT = blake2b(b"sower public root")


def root_id(root):
    return blake2b(b"sower root id", root)


def experiment_seed(root, experiment):
    return blake2b(experiment.encode(), root, b"sower.experiment")


def trial_seed(experiment, trial):
    return blake2b(trial.to_bytes(8, "little"), experiment, b"sower.trial")


def tensor_seed(trial, name):
    return blake2b(name.encode(), trial, b"sower.tensor")


def purpose_number(trial, purpose):
    return int.from_bytes(blake2b(purpose.encode(), trial, b"sower.purpose")[:8], "little")


def sparse_seed(tensor):
    return blake2b(b"", tensor, b"sower.sparse")


MASK = 0xFFFFFFFF
CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
NONCE = struct.unpack("<3I", b"LibsodiumDRG")
# The four words that each quarter round of a double round mixes: columns, then diagonals (RFC 8439, 2.3).
QUARTERS = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


def chacha20_block(key, counter):
    initial = CONSTANTS + struct.unpack("<8I", key) + (counter,) + NONCE
    state = list(initial)
    for _ in range(10):
        for i, j, k, l in QUARTERS:
            a, b, c, d = state[i], state[j], state[k], state[l]
            a = (a + b) & MASK
            d ^= a
            d = (d << 16 | d >> 16) & MASK
            c = (c + d) & MASK
            b ^= c
            b = (b << 12 | b >> 20) & MASK
            a = (a + b) & MASK
            d ^= a
            d = (d << 8 | d >> 24) & MASK
            c = (c + d) & MASK
            b ^= c
            b = (b << 7 | b >> 25) & MASK
            state[i], state[j], state[k], state[l] = a, b, c, d
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(state, initial)))


class Stream:
    KEPT = 4096  # blocks

    def __init__(self, seed):
        self.seed, self.blocks = seed, {}

    def word(self, index, size):
        """The word of `size` bytes at byte size * index."""
        block, offset = divmod(index * size, 64)
        if block not in self.blocks:
            if len(self.blocks) == self.KEPT:
                self.blocks.clear()
            self.blocks[block] = chacha20_block(self.seed, block)
        return int.from_bytes(self.blocks[block][offset:offset + size], "little")
