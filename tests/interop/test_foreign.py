"""A recipe that is used for a class that it is not meant for: the daemon refuses the manifest, or every tensor has the class's law."""
import collections
import json

import pytest

import classes
import proof
from conftest import SOWERD

GENERAL = ("torch", "keras", "flax")  # their recipes are for layers, of which any class may be made
CASES = [case for case in classes.load()[0] if case.package not in GENERAL]
RECIPES = sorted({case.recipe for case in CASES} | {"nanogpt"})


@pytest.fixture(scope="module")
def tensors():
    """What each class has, by the name of its package and its own."""
    return {(case.package, case.name): case.build(0) for case in CASES}


@pytest.fixture(scope="module")
def counts():
    """How the pairs ended, for a line of `make interop`."""
    found = collections.Counter()
    yield found
    (SOWERD.parent / "foreign.json").write_text(json.dumps(found))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_refuses_a_class_of_others_or_gives_its_laws(sower, tensors, counts, recipe):
    for case in CASES:
        if case.recipe == recipe:
            continue
        manifest = {"tensors": proof.entries(tensors[case.package, case.name]), "recipe": recipe}
        status, _, body = sower.exchange("POST", "/v1/manifests", json.dumps(manifest))
        assert status in (200, 400, 422), body
        if status != 200:
            counts["refused"] += 1
            continue
        result = proof.prove(sower, proof.Case(case.name, case.package, recipe, case.build, tolerance=case.tolerance),
                             proof.Samples(case.build))
        assert not result.different, f"{case.name}: {result.different}"
        counts["equal"] += 1
