"""The formats of numbers, and the operations whose rounding the contract defines.

A number is a Python float: every number of every format is a double, so a float holds it exactly, with the sign of a
zero. Python's own + - * / and sqrt on floats are those of binary64, rounded once. What Python lacks is spelt out in
integers: rounding to a narrower format, and the fused multiply-add.
"""
import math


def exact(x):
    """A finite float as (m, e), with the value m * 2**e."""
    numerator, denominator = x.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


class Format:
    def __init__(self, exponent_bits, mantissa_bits, largest_bits, saturates):
        self.mantissa_bits, self.saturates = mantissa_bits, saturates
        self.precision = mantissa_bits + 1
        self.least = 2 - 2 ** (exponent_bits - 1) - mantissa_bits  # the exponent of the last bit of a denormal
        self.size = (1 + exponent_bits + mantissa_bits) // 8
        self.largest_bits = largest_bits
        self.largest = self.decode(largest_bits)

    def round_exact(self, m, e, zero=0.0):
        """m * 2**e rounded to nearest, ties to even; `zero` is the result for an exact 0."""
        if m == 0:
            return zero
        magnitude = abs(m)
        shift = max(magnitude.bit_length() - self.precision, self.least - e)
        if shift > 0:
            quotient, rest = magnitude >> shift, magnitude & ((1 << shift) - 1)
            half = 1 << (shift - 1)
            magnitude = quotient + (rest > half or (rest == half and quotient & 1))
            e += shift
        if magnitude.bit_length() + e > 1024:
            rounded = math.inf
        else:
            rounded = math.ldexp(magnitude, e)
        if rounded > self.largest:
            rounded = self.largest if self.saturates else math.inf
        return -rounded if m < 0 else rounded

    def round(self, x):
        """A float rounded to this format. A negative number that rounds to zero becomes -0."""
        if math.isinf(x) and self.saturates:
            return math.copysign(self.largest, x)
        if x == 0 or not math.isfinite(x):
            return x
        return self.round_exact(*exact(x))

    def fma(self, a, b, c):
        """a * b + c with one rounding."""
        if a == 0 or b == 0 or not all(map(math.isfinite, (a, b, c))):
            return self.round(a * b + c)  # a * b is a zero, an infinity or NaN, which is exact
        (m, e), (n, f), (o, g) = exact(a), exact(b), exact(c)
        e += f
        low = min(e, g)
        return self.round_exact((m * n << (e - low)) + (o << (g - low)), low)

    def encode(self, x):
        """The bytes of a number of this format, little-endian."""
        m, e = exact(abs(x)) if not math.isinf(x) else (0, 0)
        bits = self.largest_bits + 1 if math.isinf(x) else 0
        if m:
            shift = max(m.bit_length() - self.precision, self.least - e)
            m, e = (m >> shift if shift > 0 else m << -shift), e + shift
            bits = m if m.bit_length() < self.precision else (e - self.least << self.mantissa_bits) + m
        if math.copysign(1, x) < 0:
            bits |= 1 << 8 * self.size - 1
        return bits.to_bytes(self.size, "little")

    def decode(self, bits):
        """The finite number of a bit pattern."""
        sign = bits >> 8 * self.size - 1
        bits &= (1 << 8 * self.size - 1) - 1
        field, m = bits >> self.mantissa_bits, bits & (1 << self.mantissa_bits) - 1
        m |= (field > 0) << self.mantissa_bits
        x = math.ldexp(m, self.least + max(field, 1) - 1)
        return -x if sign else x

    def next_up(self, x):
        """The least number of the format above x; x is a number of the format."""
        if x == 0:
            return math.ldexp(1, self.least)
        m, e = exact(x)
        last = max(abs(m).bit_length() - self.precision + e, self.least)  # the exponent of x's last place
        if m < 0 and abs(m).bit_count() == 1 and last > self.least:
            last -= 1  # towards zero from a power of two the steps are half as long
        return self.round_exact((m << e - last if e >= last else m >> last - e) + 1, last, zero=-0.0)

    def round_up(self, x):
        """The least number of the format that is not below the float x."""
        if math.isinf(x):
            return x
        rounded = self.round(x)
        if rounded == -math.inf:
            return -self.largest
        return self.next_up(rounded) if rounded < x else rounded

    def round_down(self, x):
        return -self.round_up(-x)


F64 = Format(11, 52, 0x7FEFFFFFFFFFFFFF, False)
F32 = Format(8, 23, 0x7F7FFFFF, False)
DTYPES = {
    "f64": F64,
    "f32": F32,
    "f16": Format(5, 10, 0x7BFF, False),
    "bf16": Format(8, 7, 0x7F7F, False),
    "f8_e4m3": Format(4, 3, 0x7E, True),
    "f8_e5m2": Format(5, 2, 0x7B, True),
}
