"""Invalid values of every field: each gets a 4xx problem that names the field, and nothing is recorded.

All requests use one connection, which must stay usable."""
import json
import urllib.parse

import pytest

VALID = {"experiment": "bad-input", "name": "w", "shape": "4,6", "init": "normal"}
VALID_JSON = {**VALID, "shape": [4, 6]}

# Texts that are invalid for every field.
ALWAYS_INVALID = {"empty": "", "NUL": "\0", "NUL inside": "a\0b", "UTF-8 cut off": b"\xc3", "UTF-8 overlong": b"\xc0\xaf",
         "UTF-8 surrogate": b"\xed\xa0\x80", "Latin-1": b"caf\xe9", "100 KB": "x" * 100_000}
WORDS = {"word": "x", "space": " ", "brackets": "[4]", "JSON": "{}", "emoji": "\U0001f407"}
NUMBERS = {**WORDS, "negative": "-1", "fraction": "1.5", "exponent": "1e3", "1e999": "1e999", "NaN": "NaN", "plus": "+1", "hex": "0x10",
           "beyond 64 bits": "18446744073709551616", "space before": " 1", "separator": "1_000", "full-width": "\uff11"}


def without(values, *names):
    return {name: value for name, value in values.items() if name not in names}


BY_TEXT = {
    "experiment": {"257 bytes": "x" * 257, "129 characters of 2": "\u00e9" * 129},
    "name": {"513 bytes": "x" * 513, "171 characters of 3": "\u20ac" * 171 + "x"},
    "trial": {**NUMBERS, "2^63": "9223372036854775808"},
    "shape": {**without(NUMBERS, "brackets", "space before"), "comma": ",", "ends in a comma": "4,", "two commas": "4,,6", "begins so": ",4",
              "9 dimensions": "1,1,1,1,1,1,1,1,1", "semicolon": "4;6", "times": "4x6", "overflow": "4294967296,4294967296",
              "beyond the stream": "68719476737", "overflow beside a zero": "9223372036854775808,0", "half a bracket": "(4,6"},
    "init": {"unknown": "he_nromal", "unbalanced": "normal(std=1", "unbalanced too": "normal(std=1))", "closed only": "normal)",
             "no name": "(std=1)", "unknown parameter": "normal(sd=1)", "doubled parameter": "normal(std=1,std=2)", "NaN": "normal(std=NaN)",
             "infinite": "normal(std=inf)", "1e999": "normal(std=1e999)", "negative std": "normal(std=-1)", "no value": "normal(std=)",
             "no comma": "normal(mean=0 std=1)", "two commas": "normal(mean=0,,std=1)", "too many": "normal(0,1,2)", "number": "12",
             "empty range": "uniform(low=1,high=0)", "word for a number": "normal(std=big)", "number for a word": "variance_scaling(mode=1)",
             "unknown word": "variance_scaling(mode=fan_sideways)", "nested": "normal(normal(0))", "deep": "(" * 1000,
             "quoted": '"normal"', "upper case": "NORMAL", "space": " ", "after positional": "normal(std=1,0)", "no room": "truncated_normal(lower=40,upper=41)"},
    "dtype": {**WORDS, "unknown": "f31", "mixed case": "Float32", "integer": "int32", "two": "f32,f16"},
    "layout": {**WORDS, "unknown": "ii", "upper case": "OI"},
    "in_axis": {**WORDS, "outside": "2", "far outside": "99", "twice": "0,0", "far below": "-3"},
    "out_axis": {**WORDS, "outside": "2"},
    "batch_axis": {**WORDS, "outside": "2", "doubled": "0,0"},
    "fan_in": {**NUMBERS, "zero": "0"},
    "fan_out": {**NUMBERS, "zero": "0"},
    "zero_rows": {**WORDS, "outside": "4", "below": "-5", "twice": "1,-3", "fraction": "0.5", "nine": "0,1,2,3,4,5,6,7,8", "plus": "0+1"},
    "zero_columns": {**WORDS, "outside": "6", "below": "-7", "doubled": "0,0", "beyond 64 bits": "9223372036854775808"},
    "slice": {**WORDS, "too many": ":,:,:", "step": "0:4:2", "backwards": "3:1:-1", "fraction": "0:1.5", "number beyond": "0:99999999999999999999"},
    "shard": {**WORDS, "no rank": "0:/8", "rank too high": "0:8/8", "of none": "0:0/0", "negative": "0:-1/8", "no axis": "3/8",
              "axis outside": "2:0/8", "axis twice": "0:0/2,0:1/2", "beyond": "0:99999999999999999999/8"},
    "format": {**WORDS, "unknown": "csv", "upper case": "NPY", "extension": ".npy"},
    "spec": {**NUMBERS, "zero": "0", "two": "2"},
}
MAY_BE_EMPTY = {"shape"}  # an empty shape is a scalar

BY_JSON = {
    "text": {"null": None, "true": True, "number": 1, "fraction": 1.5, "list": [], "object": {}, "list of texts": ["a"], "empty": ""},
    "number": {"null": None, "true": True, "text": "1", "fraction": 1.5, "list": [], "object": {}, "negative": -1, "whole fraction": 1.0, "1e3": 1e3},
    "shape": {"null": None, "true": True, "number": 4, "text": "4,6", "object": {}, "negative": [-1], "fraction": [1.5], "text inside": ["4"],
              "null inside": [None], "list inside": [[4]], "9 dimensions": [1] * 9, "overflow": [2**32, 2**32], "2^63 - 1 squared": [2**63 - 1] * 2,
              "beyond the stream": [2**36 + 1], "too many": [1] * 10000},
    "indices": {"null": None, "true": True, "text": "0", "fraction": 1.5, "whole fraction": 1.0, "empty": [], "object": {}, "text inside": ["0"],
                "null inside": [None], "list inside": [[0]], "outside": 6, "twice": [0, 0], "beyond 63 bits": 2**63 - 1, "too many": [0] * 10000},
    "init": {"null": None, "true": True, "number": 1, "list": ["normal"], "empty object": {}, "no type": {"std": 1}, "type not text": {"type": 1},
             "unknown": {"type": "nromal"}, "expression": {"type": "normal(std=1)"}, "unknown parameter": {"type": "normal", "sd": 1},
             "text for a number": {"type": "normal", "std": "1"}, "null for a number": {"type": "normal", "std": None},
             "negative": {"type": "normal", "std": -1}, "object for a number": {"type": "normal", "std": {}}, "empty": ""},
}
JSON_KIND = {"experiment": "text", "name": "text", "dtype": "text", "layout": "text", "format": "text", "trial": "number", "fan_in": "number",
             "fan_out": "number", "spec": "number", "shape": "shape", "init": "init", "zero_rows": "indices", "zero_columns": "indices"}


def queries():
    for field, texts in BY_TEXT.items():
        for why, text in {**ALWAYS_INVALID, **texts}.items():
            if not (why == "empty" and field in MAY_BE_EMPTY):
                yield pytest.param(field, text, id=f"{field}-{why}")


def bodies():
    for field, kind in JSON_KIND.items():
        for why, value in BY_JSON[kind].items():
            yield pytest.param(field, value, id=f"{field}-{why}")


@pytest.fixture(scope="module")
def connection(daemon):
    """One connection for every request of this module."""
    connection = daemon.connect()
    connection.connect()
    local = connection.sock.getsockname()
    yield connection
    assert connection.sock is not None and connection.sock.getsockname() == local, "the connection was closed"
    connection.close()
    assert daemon.ledger() == [], "something was recorded"


def refused(connection, method, path, body=None, statuses=(400, 413)):
    connection.request(method, path, body=body)
    response = connection.getresponse()
    content = response.read()
    assert response.status in statuses, (response.status, content[:300])
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Sower-Seed" not in response.headers
    problem = json.loads(content)
    assert problem["status"] == response.status and problem["title"]
    assert problem["detail"].endswith((".", "?")) and 20 < len(problem["detail"]) < 500
    return problem


def query(fields):
    return "/v1/tensor?" + urllib.parse.urlencode(fields)


@pytest.mark.parametrize("field, text", queries())
def test_an_invalid_text_in_a_query_gets_a_problem_that_names_the_field(connection, field, text):
    assert refused(connection, "GET", query({**VALID, field: text}))["param"] == field


@pytest.mark.parametrize("field, value", bodies())
def test_an_invalid_value_in_json_gets_a_problem_that_names_the_field(connection, field, value):
    assert refused(connection, "POST", "/v1/tensor", json.dumps({**VALID_JSON, field: value}))["param"] == field


@pytest.mark.parametrize("field", VALID)
@pytest.mark.parametrize("path", ["/v1/tensor", "/v1/plan"])
def test_a_missing_field_is_named(connection, path, field):
    without = {key: text for key, text in VALID.items() if key != field}
    assert refused(connection, "GET", query(without).replace("/v1/tensor", path))["param"] == field
    without = {key: text for key, text in VALID_JSON.items() if key != field}
    assert refused(connection, "POST", path, json.dumps(without))["param"] == field


@pytest.mark.parametrize("field", [*BY_TEXT])
def test_a_repeated_field_is_named(connection, field):
    value = {**VALID, "trial": "0", "dtype": "f32", "format": "raw", "spec": "1"}.get(field, "0")
    text = query(VALID if field in VALID else {**VALID, field: value}) + f"&{field}={value}"
    assert refused(connection, "GET", text)["param"] == field
    body = json.dumps({**VALID_JSON, field: 0})[:-1] + f', "{field}": 0}}'
    assert refused(connection, "POST", "/v1/tensor", body)["detail"]


@pytest.mark.parametrize("field", [*BY_TEXT])
def test_a_field_without_a_value_is_named(connection, field):
    text = query({key: value for key, value in VALID.items() if key != field})
    assert refused(connection, "GET", f"{text}&{field}")["param"] == field


@pytest.mark.parametrize("field", ["Name", "seed", "nmae", "x", "experiment ", "\u00e9", "0", "shape[]"])
def test_an_unknown_field_is_named(connection, field):
    assert refused(connection, "GET", query({**VALID, field: "1"}))["param"] == field
    assert refused(connection, "POST", "/v1/tensor", json.dumps({**VALID_JSON, field: 1}))["param"] == field


@pytest.mark.parametrize(
    "text",
    [b"=1", b"&", b"%00=1", b"%ff=1", b"x" * 100_000 + b"=1", b"a%00b=1", b"?", b"&&experiment=x", b"%", b"%zz=%zz"],
    ids=["no name", "nothing", "NUL", "no UTF-8", "100 KB", "NUL inside", "question mark", "empty parts", "per cent", "no hex"],
)
def test_an_unreadable_query_is_refused(connection, text):
    refused(connection, "GET", "/v1/tensor?" + text.decode("latin-1"))


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"}", b"{}", b"[]", b"null", b"1", b'"text"', b"{'name': 1}", b'{"name": }', b'{"name": "w"', b'{"name": "w"} x', b"{}{}",
     b'{"a": 1, "a": 1}', b"\xff\xfe{}", b'{"name": "\xc3"}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b'{"\\u0000": 1}', b"[" * 1_000_000,
     b'{"a":' * 150_000, b'{"trial": 1e999}', b'{"trial": 99999999999999999999999}', b'{"trial": NaN}', b'{"trial": -0}', b"\0" * 1000,
     b'{"name": "' + b"x" * 1_000_000 + b'"}', b"experiment=bad-input&name=w&shape=4,6&init=normal", b"--x\r\nContent-Disposition: form-data\r\n"],
    ids=range(30),
)
@pytest.mark.parametrize("path", ["/v1/tensor", "/v1/plan"])
def test_a_body_that_is_not_a_request_is_refused(connection, path, body):
    refused(connection, "POST", path, body)


def test_a_body_of_20_MB_is_refused_and_the_connection_stays(connection):
    assert refused(connection, "POST", "/v1/tensor", b"x" * 20_000_000, statuses=(413,))["detail"]


def test_a_rank_that_the_initializer_does_not_accept_is_refused(connection):
    assert refused(connection, "GET", query({**VALID, "init": "dirac"}))["param"] == "shape"


def test_fields_in_the_query_of_a_post_are_refused(connection):
    refused(connection, "POST", query(VALID), json.dumps(VALID_JSON))


def test_text_of_a_client_is_escaped_in_a_problem(connection):
    problem = refused(connection, "GET", query({**VALID, "dtype": '"<script>\r\nX: y\u202e'}))
    assert "\n" not in problem["detail"] and "\r" not in problem["detail"]


def test_the_valid_request_is_accepted(daemon):
    response = daemon.get("/v1/plan", **VALID)
    assert response.status == 200
    assert daemon.post("/v1/plan", VALID_JSON).json() == response.json()
