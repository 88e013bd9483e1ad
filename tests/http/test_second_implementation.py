"""The second implementation (tests/second_implementation/) gives the values of proto/vectors/."""
import decimal
import json
import math
import pathlib
import struct

import pytest

from second_implementation import results

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"


def load(name, key):
    return json.loads((VECTORS / name).read_text())[key]


def draw_label(vector):
    request = vector["request"]
    init = request["init"] if isinstance(request["init"], str) else request["init"]["type"]
    return "-".join([init, request.get("dtype", "f32"), "x".join(str(size) for size in request["shape"])])


@pytest.mark.parametrize("vector", load("seeds.json", "seeds"), ids=lambda vector: f"{vector['experiment'][:20]}/{vector['trial']}")
def test_seeds_and_streams_follow_from_their_names(vector):
    assert results.seed(vector) == vector


@pytest.mark.parametrize("vector", load("purposes.json", "purposes"), ids=lambda vector: vector["purpose"][:20])
def test_numbers_of_purposes_follow_from_their_names(vector):
    assert results.purpose(vector) == vector


def test_elementary_functions():
    for vector in load("elementary.json", "functions"):
        x, = struct.unpack(">d", bytes.fromhex(vector["x"]))
        assert results.function(vector["function"], x) == vector


PI = decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651328230664709384460955")


def sine(x):
    """Its Taylor series, after the multiples of a half turn are taken off."""
    halves = (x / PI).to_integral_value()
    x -= halves * PI
    term, total, n = x, x, 1
    while abs(term) > decimal.Decimal("1e-70"):
        n += 2
        term *= -x * x / (n * (n - 1))
        total += term
    return -total if halves % 2 else total


# The functions in 110 digits, and the error that the contract allows, in units of the last place of the result.
EXACT = {
    "ln": (lambda x: x.ln(), 0.8),
    "exp": (lambda x: x.exp(), 0.8),
    "sin": (sine, 0.8),
    "cos": (lambda x: sine(x + PI / 2), 0.8),
    "inverse_softplus": (lambda x: x + (1 - (-x).exp()).ln(), None),
}


def test_elementary_functions_are_as_near_to_the_exact_values_as_the_contract_says():
    with decimal.localcontext(decimal.Context(prec=110)):
        for vector in load("elementary.json", "functions"):
            x, value = (struct.unpack(">d", bytes.fromhex(vector[name]))[0] for name in ("x", "value"))
            function, units = EXACT[vector["function"]]
            if vector["function"] == "inverse_softplus" and not 1e-30 < x < 200:
                continue  # 110 digits are too few
            exact = function(decimal.Decimal(x))
            allowed = units * math.ulp(value) if units else 2 ** -52 * max(1, x, abs(value))
            assert abs(decimal.Decimal(value) - exact) <= decimal.Decimal(allowed), vector


@pytest.mark.parametrize("vector", [v for name in ("draws", "cells", "edges") for v in load(f"{name}.json", "draws")], ids=draw_label)
def test_elements_follow_from_the_contract(vector):
    result = results.draw(vector["request"])
    if vector["elements"] > results.WHOLE_UP_TO:
        result["blake2b_256"] = vector["blake2b_256"]
    assert result == vector


def test_refusals():
    for vector in load("refusals.json", "refusals"):
        assert results.refusal({name: vector[name] for name in ("request", "body", "query") if name in vector}) == vector


def test_plans():
    for vector in load("plans.json", "plans"):
        assert results.plan(vector["request"]) == vector


def test_files():
    for vector in load("files.json", "files"):
        assert results.file(vector["request"]) == vector


def test_manifests():
    for vector in load("manifests.json", "manifests"):
        assert results.manifest(vector["manifest"]) == vector


def test_models_and_indexes():
    for vector in load("models.json", "models"):
        assert results.model({name: vector[name] for name in ("manifest", "experiment", "trial", "tensors", "part", "shard") if name in vector}) == vector
    for vector in load("models.json", "indexes"):
        assert results.index({name: vector[name] for name in ("manifest", "parts", "tensors") if name in vector}) == vector


def test_lines_and_heads():
    lines = load("ledger.json", "lines")
    recorded = [(vector["line"]["writer"], {name: value for name, value in vector["line"].items() if name not in ("ledger", "writer", "sequence", "link")})
                for vector in lines]
    assert results.lines(recorded) == lines
    for vector in load("ledger.json", "heads"):
        head = vector["head"]
        assert results.head(bytes.fromhex(vector["secret"]), head["time"], lines[:head["ledger"]]) == vector
