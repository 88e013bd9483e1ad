"""The package against the results that SPEC.md defines."""
import json

import pytest

import sower
from sower import _native

from conftest import VECTORS

LARGE = 1 << 20


def vectors(name, member):
    return json.loads((VECTORS / f"{name}.json").read_text())[member]


@pytest.mark.parametrize("name", ["cells", "edges", "draws"])
def test_every_element_of_the_vectors_is_equal(name):
    checked = 0
    for vector in vectors(name, "draws"):
        request = dict(vector["request"])
        if {"slice", "shard", "format", "spec"} & set(request) or vector["elements"] > LARGE:
            continue
        run = sower.offline(request.pop("experiment"), trial=request.pop("trial", 0))
        draw = run.draw(request.pop("name"), request.pop("shape"), request.pop("init"), **request)
        elements = bytearray(draw.nbytes)
        draw.fill(elements)
        assert (draw.id, draw.seed) == (vector["draw"], vector["seed"])
        assert elements[:64].hex() == vector["first"] and elements[-32:].hex() == vector["last"][-64:], vector
        assert draw.digest() == vector["blake2b_256"], vector
        checked += 1
    assert checked > 40


def test_seeds_are_those_of_the_vectors():
    for vector in vectors("seeds", "seeds"):
        root = bytes.fromhex(vector["root"])
        assert _native.root_id(root).hex() == vector["root_id"]
        assert _native.trial_seed(root, vector["experiment"], vector["trial"]).hex() == vector["trial_seed"]
        draw = sower.offline(vector["experiment"], trial=vector["trial"], root=root).draw(vector["name"], (2,), "zeros")
        assert draw.seed == vector["tensor_seed"]


def test_manifests_are_those_of_the_vectors():
    for vector in vectors("manifests", "manifests"):
        manifest = sower.Manifest(vector["manifest"])
        assert (manifest.json(), manifest.hash, len(manifest)) == (vector["canonical"], vector["hash"], vector["tensors"])
        assert manifest.summary["bytes"] == vector["bytes"]
