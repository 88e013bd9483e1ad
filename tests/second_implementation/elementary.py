"""Section 7, elementary functions: ln, exp, sin, cos and inverse softplus of doubles, as fixed sequences of operations."""
import math

from .floats import F64

LN2_HIGH, LN2_LOW, INVERSE_LN2 = (float.fromhex(text) for text in ("0x1.62e42fefa38p-1", "0x1.ef35793c7673p-45", "0x1.71547652b82fep+0"))
QUARTER = tuple(float.fromhex(text) for text in ("0x1.921fb54442d18p+0", "0x1.1a62633145c07p-54", "-0x1.f1976b7ed8fbcp-110"))
INVERSE_QUARTER = float.fromhex("0x1.45f306dc9c883p-1")
SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")
FACTORIAL = [float(math.factorial(n)) for n in range(20)]
fma = F64.fma


def ln(x):
    m, k = math.frexp(x)
    if m < SQRT_HALF:
        m, k = 2 * m, k - 1
    f = m - 1
    h, s = f * f / 2, f / (2 + f)
    z = s * s
    rest = 2 / 21
    for j in range(9, 0, -1):
        rest = fma(rest, z, 2 / (2 * j + 1))
    return k * LN2_HIGH + (f - (h - fma(s, h + rest * z, k * LN2_LOW)))


def exp_series(x):
    total = 1 / FACTORIAL[14]
    for n in range(13, 1, -1):
        total = fma(total, x, 1 / FACTORIAL[n])
    return total


def exp(x):
    k = float(math.floor(fma(x, INVERSE_LN2, 0.5)))
    r = fma(-k, LN2_HIGH, x)
    p = k * LN2_LOW
    a = r - p
    b = (r - a) - p
    rest = fma(a * a, exp_series(a), fma(b, a, b))
    u = 1 + a
    return math.ldexp(u + (((1 - u) + a) + rest), int(k))


def alternating(first, last, z):
    total = 1 / FACTORIAL[last]
    for n in range(last - 2, first - 1, -2):
        total = fma(-total, z, 1 / FACTORIAL[n])
    return total


def sin(x, quarters=0):
    k = float(math.floor(fma(x, INVERSE_QUARTER, 0.5)))
    r = fma(-k, QUARTER[0], x)
    p = k * QUARTER[1]
    q = fma(k, QUARTER[1], -p)
    s = r - p
    v = s - r
    t = (r - (s - v)) - (p + v)
    t = fma(-k, QUARTER[2], t - q)
    a = s + t
    b = (s - a) + t
    z = a * a
    quarters += int(k)
    if quarters % 2 == 0:
        value = a + fma(-(a * z), alternating(3, 19, z), b * (1 - z / 2))
    else:
        u = 1 - z / 2
        value = u + (((1 - u) - z / 2) + fma(z * z, alternating(4, 18, z), -(a * b)))
    return value if quarters % 4 < 2 else -value


def cos(x):
    return sin(x, 1)


def inverse_softplus(x):
    if x > 40:
        return x
    return x + ln(fma(-(x * x), exp_series(-x), x) if x < 0.34 else 1 - exp(-x))
