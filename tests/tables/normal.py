#!/usr/bin/env python3
"""Makes core/normal_table.c: polynomials for the inverse normal CDF, one for every octave.

    python3 tests/tables/normal.py > core/normal_table.c
    python3 tests/tables/normal.py --json > proto/vectors/normal_table.json

Read core/normal.h first: it says what r, an octave, its centre and d are. Everything here is computed with mpmath at
240 bits and rounded once at the end, so the output is the same everywhere, byte for byte.

Every octave is fitted by interpolation at Chebyshev's nodes, which comes within a small factor of the best polynomial
of that degree. Two refinements keep the error near the half ulp of the last rounding:

  * The centre of an octave is moved by a few words to where z happens to lie next to a floating-point number, so that
    the constant term has almost no rounding error (Gal's accurate tables).
  * Coefficients are rounded from the highest down, and what a rounding lost is fitted again by the lower ones.

The octave of the median is centred on the median itself, so that z keeps its relative precision as it goes to 0.
"""

import json
import struct
import sys

from mpmath import mp, mpf

mp.prec = 240

FORMATS = {
    # name: bits of a word, significand bits, degree, d = (r - centre) * 2^-scale, C type, suffix of literals
    "f32": dict(bits=32, precision=24, degree=8, scale=20, real="float", word="uint32_t", suffix="f"),
    "f64": dict(bits=64, precision=53, degree=20, scale=32, real="double", word="uint64_t", suffix=""),
}
CANDIDATES = 256  # how many words are tried as a centre


def quantile(form, r):
    """|z| of the words r and ~r: the solution of erfc(z / sqrt 2) / 2 = p by Newton's method, cubically corrected."""
    p = (mpf(r) + mpf(1) / 2) / mpf(2) ** form["bits"]
    target = mp.log(p)
    z = mp.sqrt(-2 * target) if p < mpf(1) / 8 else (mpf(1) / 2 - p) * mp.sqrt(2 * mp.pi)
    for _ in range(60):
        q = mp.erfc(z / mp.sqrt(2)) / 2
        slope = mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi) / q  # of -log q
        step = (mp.log(q) - target) / slope
        z += step
        if abs(step) < mpf(2) ** -120 * z:
            # Newton's method doubles the digits of every step, so the error is now far below 2^-200.
            return z
    raise AssertionError("no convergence")


def rounded(form, x):
    with mp.workprec(form["precision"]):
        return +x


def octave_centre(form, k):
    """The word at the middle of octave k, moved to where z is close to a floating-point number."""
    if k == form["bits"] - 2:
        return 2 ** (form["bits"] - 1) - 1
    if k == 0:
        return 1
    middle, step, best = 3 * 2 ** (k - 1), max(1, 2**k // (32 * CANDIDATES)), None
    reach = min(CANDIDATES // 2, 2**k // 32)
    for r in sorted((middle + i * step for i in range(-reach, reach + 1)), key=lambda r: abs(r - middle)):
        z = quantile(form, r)
        loss = abs(rounded(form, z) / z - 1)
        if best is None or loss < best[0]:
            best = (loss, r)
    return best[1]


def solve(xs, ys):
    """Coefficients, lowest first, of the polynomial through the points (Newton's divided differences, expanded)."""
    n = len(xs)
    ys = list(ys)
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            ys[i] = (ys[i] - ys[i - 1]) / (xs[i] - xs[i - j])
    coefficients = [mpf(0)] * n
    for i in range(n - 1, -1, -1):
        coefficients = [ys[i] - xs[i] * coefficients[0]] + [
            coefficients[j - 1] - xs[i] * coefficients[j] for j in range(1, n)
        ]
    return coefficients


def evaluate(coefficients, x):
    y = mpf(0)
    for c in reversed(coefficients):
        y = y * x + c
    return y


def nodes(low, high, count):
    """Chebyshev's nodes of [low, high]."""
    return [
        (low + high) / 2 + (high - low) / 2 * mp.cos((2 * i + 1) * mp.pi / (2 * count)) for i in range(count)
    ]


def nodes_beside_zero(low, high, count):
    """Chebyshev's nodes of [low, high] without the one that 0 replaces. If 0 is the upper end of the interval, the
    interval is widened until 0 is one of the nodes."""
    if high == 0:
        high = low + 2 * -low / (1 + mp.cos(mp.pi / (2 * (count + 1))))
    return sorted(nodes(low, high, count + 1), key=abs)[1:]


def fit_octave(form, k):
    """The centre of octave k and its coefficients, lowest first, exact values of the format.

    The polynomial is fitted in t = (r - centre) / 2^k; the change to d is by powers of two, which is exact."""
    centre = octave_centre(form, k)
    first, last = (2**k if k else 0), 2 ** (k + 1) - 1
    low, high = mpf(first - centre) / 2**k, mpf(last - centre) / 2**k
    terms = min(form["degree"] + 1, last - first + 1)
    constant = rounded(form, quantile(form, centre))

    # z = constant + t * slope(t): at the centre the constant alone must be correct.
    count = terms - 1
    if last - first == count:
        places = [r for r in range(first, last + 1) if r != centre]
        ts = [mpf(r - centre) / 2**k for r in places]
    else:
        ts = nodes_beside_zero(low, high, count)
        places = [t * 2**k + centre for t in ts]
    slope = solve(ts, [(quantile(form, r) - constant) / t for r, t in zip(places, ts)])

    kept = [mpf(0)] * count
    for j in range(count - 1, -1, -1):
        kept[j] = rounded(form, slope[j])
        lost = slope[j] - kept[j]
        if j > 0:
            ts = nodes(low, high, j)
            for i, c in enumerate(solve(ts, [lost * t**j for t in ts])):
                slope[i] += c
    in_d = [c * mpf(2) ** ((form["scale"] - k) * (j + 1)) for j, c in enumerate(kept)]
    return centre, [constant] + in_d + [mpf(0)] * (form["degree"] + 1 - terms)


def literal(form, x):
    if x == 0:
        return "0"
    smallest, largest = (mpf(2) ** -126, mpf(2) ** 128) if form["real"] == "float" else (mpf(2) ** -1022, mpf(2) ** 1024)
    assert smallest <= abs(x) < largest, "a coefficient is not a normal number"
    return float(x).hex() + form["suffix"]


def print_array(head, items, width):
    print(head + " = {")
    line = ""
    for item in items:
        if len(line) + len(item) + 2 > width:
            print("    " + line.rstrip())
            line = ""
        line += item + ", "
    print("    " + line.rstrip())
    print("};")


def print_format(name, form):
    octaves = octaves_of(form)
    columns = form["bits"]
    print()
    print_array(
        f"alignas(64) const {form['word']} sower_normal_{name}_centre[{columns}]",
        [f"0x{centre:x}" for centre, _ in octaves],
        104,
    )
    print()
    print(f"alignas(64) const {form['real']} sower_normal_{name}_table[{form['degree'] + 1}][{columns}] = {{")
    for j in range(form["degree"] + 1):
        row = [literal(form, c[j]) for _, c in octaves]
        print(f"    /* d^{j} */")
        line = "    {"
        for item in row:
            if len(line) + len(item) + 2 > 108:
                print(line.rstrip())
                line = "     "
            line += item + ", "
        print(line[:-2] + "},")
    print("};")


def octaves_of(form):
    """Column n is the octave of the words r with n leading zeros; the last one also has r = 0. Column 0, which no word uses, is a copy of it."""
    octaves = [fit_octave(form, k) for k in range(form["bits"] - 1)]
    return octaves[:1] + octaves[::-1]


def bits_text(form, number):
    """The bits of a number of this format, as hexadecimal digits."""
    return struct.pack(">f" if form["real"] == "float" else ">d", float(number)).hex()


def print_json():
    table = {"spec": 1}
    for name, form in FORMATS.items():
        octaves, digits = octaves_of(form), form["bits"] // 4
        table[name] = {
            "scale": bits_text(form, mpf(2) ** -form["scale"]),
            "centre": [f"{centre:0{digits}x}" for centre, _ in octaves],
            "coefficients": [[bits_text(form, c[j]) for _, c in octaves] for j in range(form["degree"] + 1)],
        }
    json.dump(table, sys.stdout, indent=1)


def main():
    if sys.argv[1:] == ["--json"]:
        return print_json()
    print("/* Made by tests/tables/normal.py; change it there. */")
    print("/* clang-format off */")
    print('#include "core/normal_table.h"')
    print()
    print("#include <stdalign.h>")
    for name, form in FORMATS.items():
        print_format(name, form)


if __name__ == "__main__":
    sys.exit(main())
