"""Requests of unusual form ("shapes"), for the tests of framing.

SHAPES: requests that must be refused. HIDDEN: requests that must be refused, but that libmicrohttpd 0.9.75 does not let the
daemon see. CHUNKS: requests with malformed chunks. VALID: requests that are allowed. Each maps a name to bytes. A valid request
draws the tensor of that name.
"""
import json
import re


def draw(name):
    return json.dumps({"experiment": "framing", "name": name, "shape": [2], "init": "normal", "format": "raw"}).encode()


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def post(name, *lines, version=b"HTTP/1.1", target=b"/v1/tensor", host=b"Host: sower", body=None):
    """A POST with these header lines. The default body draws the tensor `name`."""
    head = [b"POST " + target + b" " + version, *([host] if host else []), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + (draw(name) if body is None else body)


def sized(name, *lines, **parts):
    """A POST with the right Content-Length."""
    return post(name, b"Content-Length: %d" % len(draw(name)), *lines, **parts)


def in_chunks(name, *lines, coding=b"Transfer-Encoding: chunked", **parts):
    return post(name, coding, *lines, **{"body": chunked(draw(name)), **parts})


def get(target, *lines, version=b"HTTP/1.1", host=b"Host: sower"):
    return b"\r\n".join([b"GET " + target + b" " + version, *([host] if host else []), *lines]) + b"\r\n\r\n"


def tensor(name):
    return b"/v1/tensor?experiment=framing&name=%s&shape=2&init=normal&format=raw" % name.encode()


def text(byte):
    return f"{byte:02x}" if isinstance(byte, int) else byte.decode("latin-1")


SECOND = get(tensor("smuggled"))  # sent inside a body: it must get no response


def lengths():
    size = len(draw("length-two"))
    yield "length-two", post("length-two", *[b"Content-Length: %d" % size] * 2)
    yield "length-two-differ", post("-", b"Content-Length: 0", b"Content-Length: %d" % len(SECOND), body=SECOND)
    yield "length-two-differ-last-0", post("-", b"Content-Length: %d" % len(SECOND), b"Content-Length: 0", body=SECOND)
    yield "length-two-cases", post("-", b"Content-Length: 0", b"content-length: %d" % len(SECOND), body=SECOND)
    for value in (b"0, 0", b"0,5", b"+0", b"-0", b"-5", b"0x0", b"0 0", b"0\t1", b"", b" ", b"0;", b"0.", b"1e1", b"\xd9\xa5", b"\"0\"",
                  b"0_0", b"O", b"18446744073709551616", b"99999999999999999999999999", b"\x0b0", b"0\x0c", b"0\x00", b"\xa00"):
        yield f"length={text(value)!r}", post("-", b"Content-Length: " + value, body=SECOND)
    for name in (b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content-Length\x00", b"Content-Length\x0b", b"Content-\x00Length"):
        yield f"length-name={text(name)!r}", post("-", name + b": %d" % len(SECOND), body=SECOND)


def codings():
    size = b"Content-Length: %d" % len(SECOND)
    for value in (b"cow", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"chunked, identity", b"identity", b"identity, chunked",
                  b"xchunked", b"chunkedx", b"chunked;q=1", b"chunked x", b"", b",chunked", b"chunked,", b"\x0bchunked", b"chunked\x0c",
                  b"\"chunked\"", b"chu\x00nked", b"chunked\x00", b"\xffchunked", b"c hunked", b"\x00"):
        yield f"coding={text(value)!r}", in_chunks("-", coding=b"Transfer-Encoding: " + value)
        yield f"coding={text(value)!r}-and-length", in_chunks("-", size, coding=b"Transfer-Encoding: " + value, body=SECOND)
    yield "coding-and-length", in_chunks("-", size, body=chunked(b"") + SECOND)
    yield "length-and-coding", post("-", size, b"Transfer-Encoding: chunked", body=chunked(b"") + SECOND)
    yield "coding-two", in_chunks("-", b"Transfer-Encoding: chunked")
    yield "coding-two-differ", in_chunks("-", b"Transfer-Encoding: identity")
    yield "coding-two-differ-first", in_chunks("-", b"Transfer-Encoding: chunked", coding=b"Transfer-Encoding: identity")
    yield "coding-1.0", in_chunks("-", version=b"HTTP/1.0")
    yield "coding-1.0-alive", in_chunks("-", b"Connection: keep-alive", version=b"HTTP/1.0")
    for name in (b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"Transfer-Encoding\x00", b"Transfer\x00-Encoding",
                 b"Transfer Encoding", b"Transfer-Encoding\x0b", b"\x00Transfer-Encoding", b"\xffTransfer-Encoding", b"Transfer-Encoding:\r\n "):
        yield f"coding-name={text(name)!r}", in_chunks("-", size, coding=name + b": chunked", body=chunked(b"") + SECOND)


def names():
    for byte in b"\x00\x01\t\x0b\x0c\x1f \"(),/;<=>?@[\\]{}\x7f\x80\xff":
        character = bytes([byte])
        yield f"name-{text(byte)}-inside", sized("-", b"X" + character + b"Y: z")
        yield f"name-{text(byte)}-before", sized("-", character + b"X: z")
        yield f"name-{text(byte)}-after", sized("-", b"X" + character + b": z")
    yield "name-empty", sized("-", b": z")
    yield "name-empty-then-lines", get(tensor("-"), b": z", b"", SECOND)
    yield "name-only", sized("-", b"Header")
    yield "line-of-blanks", sized("-", b"  ")


def values():
    for byte in [*range(0x20), 0x7F]:
        if byte != 0x09:
            yield f"value-{text(byte)}-inside", sized("-", b"X: a%cb" % byte)
    for byte in (0x00, 0x01, 0x0B, 0x0D, 0x7F):
        yield f"value-{text(byte)}-first", sized("-", b"X: %cb" % byte)
        yield f"value-{text(byte)}-last", sized("-", b"X: a%c" % byte)


def line_ends():
    whole = sized("-", b"X: a", b"Y: b")
    head, body = whole.split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for end in (b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n\x00", b"\x00\r\n", b"\r\n\r"):
        for place in range(len(lines)):
            ends = [b"\r\n"] * (len(lines) - 1) + [b"\r\n\r\n"]
            ends[place] = end if place < len(lines) - 1 else end + b"\r\n"
            if (end, place) == (b"\n\r\n", len(lines) - 1) or (end == b"\n\r\n" and place == 0):
                continue  # the first is complete before its last line end; the second has no headers
            yield f"end-{place}={text(end)!r}", b"".join(map(bytes.__add__, lines, ends)) + body
    yield "all-bare-line-feeds", whole.replace(b"\r\n", b"\n")
    for line in (b"X: a\r\n b", b"X: a\r\n\tb", b"X:\r\n b", b" X: a", b"\tX: a", b"X: a\r\n Content-Length: 0", b"X: a\r\n Transfer-Encoding: chunked"):
        yield f"folded={text(line)!r}", sized("-", line)
        yield f"folded-first={text(line)!r}", sized("-", b"Host: sower", host=line)
    yield "folded-length", post("-", b"Content-Length:\r\n %d" % len(draw("-")))
    yield "folded-host", sized("-", host=b"Host:\r\n sower")


def hosts():
    yield "host-none", sized("-", host=None)
    yield "host-two", sized("-", b"Host: sower")
    yield "host-two-differ", sized("-", b"Host: other")
    yield "host-two-cases", sized("-", b"hOST: other")
    for value in (b"a b", b"a/b", b"a@b", b"a:b", b"a:1:2", b"::1", b"[::1", b"::1]", b"[zz]", b"[::1]x", b"[::1]:x", b"[]", b"a\tb", b"a?b",
                  b"a#b", b"http://sower", b"a\\b", b"a%00", b"a%20b", b"\xe4", b"a<b", b"\"a\"", b"a\x00b", b"a:-1", b"x" * 300, b"[::1%25lo]"):
        yield f"host={text(value)!r}"[:60], sized("-", host=b"Host: " + value)
    yield "host-two-absolute", sized("-", b"Host: other", target=b"http://sower/v1/tensor")


def targets():
    path = tensor("-")
    for target in (b"/v1/tensor%00/x", b"/v1%00", b"/%00", b"/v1/tensor%", b"/v1/tensor%2", b"/v1/tensor%zz", b"/v1/%2", b"/%%20", b"/v1/experiments/a%00b",
                   b"/v1/experiments/%g0", b"/a#b", b"/#", b"/a\x80", b"/a\x7f", b"/a\x01", b"/a\x00", b"/a\x00b", b"/a\rb", b"/a\tb", b"/a b",
                   b"/a\x0bb", b"v1/tensor", b"sower:80", b"sower", b"?x=y", b"http:/x", b"http:///x", b"http://", b"http://a b/", b"http://u@sower/x",
                   b"http://sower:x/", b"http://[::1/", b"http://a%20b/", b"ftp://sower/x", b"file:///x", b"//../\x00", b"http://sower#x", b"/x?a=\x01", b"/x?a=\xff", b"/x?a#b",
                   b"\\x", b"http:\\\\sower\\x", b"*x", b"**"):
        yield f"target={text(target)!r}"[:60], get(target)
    yield "target-tensor-nul", get(path.replace(b"tensor", b"tensor%00"))
    yield "target-tensor-nul-path", get(path.replace(b"tensor", b"tensor%00/public/x.png"))
    yield "target-none", get(b"")
    yield "target-two", get(path + b" " + path)
    yield "line-blank-after", get(path, version=b"HTTP/1.1 ")
    yield "line-blanks-between", get(b" " + path)
    yield "line-tabs", get(path).replace(b" ", b"\t", 2)
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/9.9", b"http/1.1", b"HTTP/1.1x", b"HTTP/11", b"HTTP/ 1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/+1.1", b"HTTP/01.1", b"XTTP/1.1", b"", b"HTTP/1.1\x00"):
        yield f"version={text(version)!r}", get(path, version=version)
    for method in (b"G\x00ET", b"G\x01T", b"GET:", b"\"GET\"", b"G(T", b"\xffGET", b"\x00GET", b"", b" GET"):
        yield f"method={text(method)!r}", get(path).replace(b"GET", method, 1)


def chunks():
    """Malformed chunks after valid headers. The library refuses them, and no further response may follow."""
    body = draw("-")
    size = b"%x" % len(body)
    for name, framed in {
        "plus": b"+" + size + b"\r\n" + body + b"\r\n0\r\n\r\n", "hex-prefix": b"0x" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "minus": b"-1\r\n" + body, "blank-before": b" " + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "blank-after": size + b" \r\n" + body + b"\r\n0\r\n\r\n", "no-size": b"\r\n" + body + b"\r\n0\r\n\r\n",
        "bare-line-feed": size + b"\n" + body + b"\r\n0\r\n\r\n", "bare-line-feed-after": size + b"\r\n" + body + b"\n0\r\n\r\n",
        "bare-return": size + b"\r" + body + b"\r\n0\r\n\r\n", "too-short": b"1\r\n" + body + b"\r\n0\r\n\r\n",
        "too-long": b"%x\r\n" % (len(body) + 1) + body + b"\r\n0\r\n\r\n", "huge": b"f" * 16 + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "overflow": b"1" + b"0" * 15 + size + b"\r\n" + body + b"\r\n0\r\n\r\n", "negative-by-overflow": b"f" * 17 + b"\r\n" + body,
        "last-bare": chunked(body)[:-5] + b"0\n\n", "last-no-end": chunked(body)[:-2], "letters": b"zz\r\n" + body + b"\r\n0\r\n\r\n",
        "extension-nul": size + b";a\x00b\r\n" + body + b"\r\n0\r\n\r\n", "extension-bare-line-feed": size + b";a\n" + body + b"\r\n0\r\n\r\n",
        "extension-return": size + b";a\rb\r\n" + body + b"\r\n0\r\n\r\n", "extension-long": size + b";" + b"a" * 200_000 + b"\r\n" + body + b"\r\n0\r\n\r\n",
        "trailer-length": chunked(body)[:-2] + b"Content-Length: 5\r\n\r\n", "trailer-nameless": chunked(body)[:-2] + b": x\r\n\r\n",
        "trailer-folded": chunked(body)[:-2] + b"A: b\r\n c\r\n\r\n", "trailer-nul": chunked(body)[:-2] + b"\x00A: b\r\n\r\n",
        "trailer-no-colon": chunked(body)[:-2] + b"GET / HTTP/1.1\r\n\r\n",
    }.items():
        yield f"chunk-{name}", in_chunks("-", body=framed)


def valid():
    """(name, bytes, status) of requests. A request with status 200 draws the tensor `name` or asks for /healthz."""
    def accepted(name, *lines, **parts):
        return name, sized(name, *lines, **parts), 200

    yield accepted("plain")
    yield accepted("names-of-any-case", b"X-lOWER: a", host=b"hOST: sower")
    yield accepted("no-blank", host=b"Host:sower")
    yield accepted("blanks-around", b"X:  \t a \t ", host=b"Host: \t sower  ")
    yield accepted("empty-value", b"X:", b"Y: ")
    yield accepted("tab-inside", b"X: a\tb")
    yield accepted("bytes-beyond-ascii", b"X: " + bytes(range(0x80, 0x100)))
    yield accepted("every-token-byte", b"!#$%&'*+-.^_`|~09azAZ: x")
    yield accepted("colons-in-a-value", b"X: a:b: c", b"Y: ::")
    yield accepted("the-same-name-twice", b"X: a", b"X: b")
    yield accepted("sixty-lines", *[b"X-%d: %d" % (number, number) for number in range(60)])
    yield accepted("a-long-line", b"X: " + b"x" * 8000)
    yield accepted("cookies", b"Cookie: a=b; c; =d; e=\"f;g\",,h", b"Cookie: i=j")
    yield accepted("hop-by-hop", b"Connection: keep-alive, TE", b"TE: trailers, deflate;q=0.5", b"Upgrade: h2c")
    yield accepted("a-browser", b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)", b"Accept: */*;q=0.8", b"Sec-CH-UA: \"A\";v=\"1\"")
    for host in (b"127.0.0.1", b"127.0.0.1:80", b"[::1]", b"[::1]:80", b"[::ffff:1.2.3.4]:1", b"sower:", b"a_b.c-d.", b"xn--bcher-kva.example", b"", b"localhost:65535"):
        yield accepted(f"host-{text(host)}", host=b"Host: " + host)
    yield "length-with-zeros", post("length-with-zeros", b"Content-Length: 000%d" % len(draw("length-with-zeros"))), 200
    yield "empty-lines-before", b"\r\n" + sized("empty-lines-before"), 200
    yield accepted("absolute", target=b"http://sower/v1/tensor")
    yield accepted("absolute-https-and-other-host", target=b"HTTPS://other:1/v1/tensor")
    yield accepted("expects-nothing-new", b"Expect: ")
    yield accepted("version-1.0", version=b"HTTP/1.0")
    yield accepted("version-1.0-without-host", version=b"HTTP/1.0", host=None)
    for name, coding in (("chunks", b"chunked"), ("chunks-of-any-case", b"cHuNKeD")):
        yield name, in_chunks(name, coding=b"Transfer-Encoding: " + coding), 200
    body = draw("chunks-by-the-byte")
    yield "chunks-by-the-byte", in_chunks("chunks-by-the-byte", body=chunked(*[bytes([byte]) for byte in body])), 200
    yield "chunk-size-with-zeros", in_chunks("chunk-size-with-zeros", body=b"000" + chunked(draw("chunk-size-with-zeros"))), 200
    yield "trailers", in_chunks("trailers", b"Trailer: X", body=chunked(draw("trailers"))[:-2] + b"X: y\r\n\r\n"), 200
    yield "get-with-a-body", get(tensor("get-with-a-body"), b"Content-Length: 5") + b"hello", 200
    yield "absolute-get", get(tensor("absolute-get").replace(b"/v1", b"http://sower/v1")), 200
    yield "escaped-path", get(tensor("escaped-path").replace(b"/v1/tensor", b"/%76%31/tens%6Fr")), 200
    yield "absolute-health", get(b"http://sower/healthz"), 200
    for target in (b"/healthz?", b"/healthz?x", b"/healthz?a=b&x&y", b"http://sower/healthz?x", b"/healthz?a=%00", b"/healthz?a=%zz&b=%", b"/healthz?a=\"<>\\^`{|}[]", b"/healthz?a=b?c/d", b"/healthz?" + b"a=" + b"x" * 8000,
                   b"http://sower:80/healthz?a=b", b"http://[::1]/healthz"):
        yield f"target-{text(target)}"[:60], get(target), 200
    for target in (b"/", b"//", b"/.", b"/nothing%20here", b"/%25", b"*", b"http://sower", b"http://sower/", b"http://sower?x=y", b"http://sower?x", b"http://sower?" + b"x&" * 500, b"/v1/experiments/a%2Fb", b"/http://sower/healthz", b"/~a;b=c,d:@!$&'()*+"):
        yield f"nothing-at-{text(target)}"[:60], get(target), 404
    yield "absolute-variable", get(b"http://sower/v1/experiments/not%2Fthere"), 404
    yield "unknown-method", b"BREW /healthz HTTP/1.1\r\nHost: sower\r\n\r\n", 405
    yield "options", b"OPTIONS * HTTP/1.1\r\nHost: sower\r\n\r\n", 404


def hidden():
    """A NUL byte and a bare line feed as a line end. libmicrohttpd 0.9.75 does not let the daemon see them."""
    head, body = sized("-", b"X: a", b"Y: b").split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for place in range(1, len(lines)):
        yield f"hidden-{place}", b"\r\n".join(lines[:place]) + b"\x00\n" + b"\r\n".join(lines[place:]) + b"\r\n\r\n" + body
    yield "hidden-end", get(tensor("-"))[:-2] + b"\x00\n" + SECOND
    yield "hidden-end-then-length", get(tensor("-"))[:-2] + b"\x00\nContent-Length: %d\r\n\r\n" % len(SECOND) + SECOND


SHAPES = dict(shape for part in (lengths, codings, names, values, line_ends, hosts, targets) for shape in part())
CHUNKS = dict(chunks())
HIDDEN = dict(hidden())
VALID = {name: (request, status) for name, request, status in valid()}


# Statuses that refuse a malformed request. 404 and 405 depend on the route.
REFUSALS = {400, 413, 414, 431, 501, 505}
FOLLOWING = get(b"/following", b"Connection: close")


def exchange(daemon, request):
    """All bytes until the daemon closes the connection, or until 1 second without bytes: then they end in <open>."""
    with daemon.socket() as connection:
        received = b""
        try:
            connection.sendall(request)
            connection.settimeout(1)
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            received += b"<open>"
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received


def statuses_of(received):
    """The statuses of the responses, then the remaining bytes if any."""
    # libmicrohttpd 0.9.75 sends the headers of some of its own responses twice, and then closes.
    received = re.sub(rb"^(HTTP/1\.1 4.*?Connection: close\r\n.*?\r\n\r\n)\1<", rb"\1<", received, flags=re.S)
    statuses = []
    while match := re.match(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", received, re.S):
        length = re.search(rb"(?i)\ncontent-length: (\d+)", b"\n" + match[2])
        received = received[match.end():][int(length[1]) if length else 0:]
        statuses.append(int(match[1]))
    return statuses if received == b"" else [*statuses, received]
