"""Section 5: the inverse normal CDF of a word, and section 4's rank of a number among the words."""
import functools
import json
import math
import pathlib

from .floats import F32, F64

TABLE = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors" / "normal_table.json"


class Width:
    """One of the two tables: the one for words of b bits."""

    def __init__(self, bits, form, table):
        self.bits, self.form = bits, form
        self.centre = [int(centre, 16) for centre in table["centre"]]
        self.scale = form.decode(int(table["scale"], 16))
        self.coefficients = [[form.decode(int(number, 16)) for number in row] for row in table["coefficients"]]

    def z(self, word):
        negative = word < 1 << self.bits - 1
        r = word if negative else (1 << self.bits) - 1 - word
        n = self.bits - (r | 1).bit_length()
        d = self.form.round_exact(r - self.centre[n], 0) * self.scale
        z = self.coefficients[-1][n]
        for row in reversed(self.coefficients[:-1]):
            z = self.form.fma(z, d, row[n])
        return -z if negative else z


NUMBERS = json.loads(TABLE.read_text())
WIDTHS = {32: Width(32, F32, NUMBERS["f32"]), 64: Width(64, F64, NUMBERS["f64"])}


def z32(word):
    return WIDTHS[32].z(word)


def z64(word):
    return WIDTHS[64].z(word)


@functools.lru_cache(maxsize=1 << 16)
def rank(t):
    """About the number of 64-bit words whose z64 is below t, by section 4's bisection: z64 sometimes decreases by an ulp."""
    if math.isinf(t):
        return 0 if t < 0 else 2 ** 64 - 1
    low, high = 0, 2 ** 64 - 1
    while low < high:
        middle = low + (high - low) // 2
        if z64(middle) < t:
            low = middle + 1
        else:
            high = middle
    return low


def rank32(t):
    """The same for 32-bit words: each represents the 64-bit word in its middle."""
    r = rank(t)
    return (r >> 32) + (r % 2 ** 32 > 2 ** 31)
