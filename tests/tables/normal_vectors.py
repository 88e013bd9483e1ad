#!/usr/bin/env python3
"""Makes tests/unit/core/normal_vectors.h: values of the inverse normal CDF, for the test of core/normal.c.

    python3 tests/tables/normal_vectors.py > tests/unit/core/normal_vectors.h

They come from mpmath's own inverse error function at 200 bits, not from the method that makes the tables."""

from mpmath import erfinv, mp, mpf, sqrt

mp.prec = 200


def z(word, bits):
    """sqrt 2 * erfinv(2 p - 1) with p = (word + 1/2) / 2^bits"""
    return sqrt(mpf(2)) * erfinv((2 * mpf(word) + 1) / mpf(2) ** bits - 1)


def words(bits):
    """Both ends, every border of octaves and a word inside each octave, every second one mirrored."""
    chosen = [0, 1, 2**bits - 1]
    for k in range(1, bits):
        inside = (2**k + 2**k * (k * 0x9E37 % 65536) // 65536) & (2**bits - 1)
        for r in (2**k - 1, 2**k, inside):
            chosen.append(r if k % 2 else 2**bits - 1 - r)
    return chosen


def main():
    print("/* Made by tests/tables/normal_vectors.py; change it there. */")
    print("/* clang-format off */")
    print("#ifndef SOWER_TESTS_UNIT_CORE_NORMAL_VECTORS_H")
    print("#define SOWER_TESTS_UNIT_CORE_NORMAL_VECTORS_H")
    print()
    print("#include <stdint.h>")
    for bits in (32, 64):
        print()
        print(f"static const struct {{ uint64_t word; double z; }} normal_f{bits}_vectors[] = {{")
        for word in words(bits):
            print(f"    {{UINT64_C(0x{word:x}), {float(z(word, bits)).hex()}}},")
        print("};")
    print()
    print("#endif")


if __name__ == "__main__":
    main()
