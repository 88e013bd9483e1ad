"""Sections 12 and 18: the canonical form of a line, its link, and the signed head. Ed25519 is that of RFC 8032."""
import hashlib

from .seeds import blake2b

NO_LINK = "00" * 32


def layout(request):
    """`layout` of a line: oi or io, and the axes, fans and zeros that the request gave."""
    given = [("in_axis", request.in_axes), ("out_axis", request.out_axes), ("batch_axis", request.batch_axes)]
    texts = [f",{name}={'+'.join(map(str, axes))}" for name, axes in given if axes is not None]
    texts += [f",{name}={fan}" for name, fan in (("fan_in", request.fan_in), ("fan_out", request.fan_out)) if fan is not None]
    zeros = [("zero_rows", request.zero_rows), ("zero_columns", request.zero_columns)]
    texts += [f",{name}={'+'.join(map(str, indices))}" for name, indices in zeros if indices is not None]
    return request.layout + "".join(texts)


def counted(text):
    return f"{len(text.encode())}:{text}"


def canonical(line, previous):
    """The canonical form of a line after the link `previous`."""
    pairs = [("previous", previous), ("writer", line["writer"]), ("sequence", line["sequence"]), ("ledger", line["ledger"]),
             ("time", line["time"]), ("kind", line["kind"]), ("root", line["root"]), ("experiment", counted(line["experiment"]))]
    if line["kind"] == "draw":
        pairs += [("trial", line["trial"]), ("name", counted(line["name"])), ("draw", line["draw"]), ("seed", line["seed"]), ("spec", line["spec"]),
                  ("shape", ",".join(map(str, line["shape"]))), ("dtype", line["dtype"]), ("init", line["init"]), ("layout", line["layout"]),
                  ("manifest", line.get("manifest", "")), ("drift", line.get("drift", 0))]
    elif line["kind"] == "trials":
        pairs += [("trial", line["trial"]), ("count", line["count"]), ("key", counted(line.get("key", "")))]
    return "sower ledger line\n" + "".join(f"{name}={value}\n" for name, value in pairs)


def link(line, previous):
    return blake2b(canonical(line, previous).encode()).hex()


def head_text(head):
    lines = ["sower ledger head", f"ledger={head['ledger']}", f"time={head['time']}", f"writer={head['writer']}", f"chains={len(head['chains'])}"]
    lines += [f"chain={chain['writer']},{chain['sequence']},{chain['link']}" for chain in head["chains"]]
    return "".join(line + "\n" for line in lines)


# Ed25519: points of the curve -x^2 + y^2 = 1 + d x^2 y^2 as (x, y).

P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x, y), (u, v) = a, b
    t = D * x * y * u * v % P
    return (x * v + y * u) * pow(1 + t, -1, P) % P, (y * v + x * u) * pow(1 - t, -1, P) % P


def times(number, point):
    result = 0, 1
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def base_point():
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P)
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (x if x % 2 == 0 else P - x), y


BASE = base_point()


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def sha512(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def secret_scalar(secret):
    digest = hashlib.sha512(secret).digest()
    number = int.from_bytes(digest[:32], "little")
    return number & (2 ** 254 - 8) | 2 ** 254, digest[32:]


def public_key(secret):
    return encode(times(secret_scalar(secret)[0], BASE))


def sign(secret, message):
    scalar, prefix = secret_scalar(secret)
    public = encode(times(scalar, BASE))
    r = sha512(prefix, message) % ORDER
    point = encode(times(r, BASE))
    s = (r + sha512(point, public, message) * scalar) % ORDER
    return point + s.to_bytes(32, "little")
