"""What a recipe says that it was compared with (`sow recipes`) is what the cases in classes/ compare."""
import json
import re
import subprocess

import pytest

import classes
from conftest import ROOT, SOWERD

CASES, MISSING = classes.load()
VERSIONS = dict(re.findall(r"^(\w+)==(\S+)$", (ROOT / "tests/interop/requirements.txt").read_text(), re.M))
BY_HAND = {"nanoGPT"}  # not a package
RECIPES = json.loads(subprocess.run([SOWERD.parent / "sow", "recipes", "--json"], check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["name"])
def test_a_recipe_was_compared_with_the_versions_and_classes_that_it_names(recipe):
    assert recipe["compared"]
    for comparison in recipe["compared"]:
        package = comparison["package"]
        if package in BY_HAND:
            continue
        assert comparison["version"] == VERSIONS[package]
        cases = {case.name.partition(",")[0] for case in CASES if (case.recipe, case.package) == (recipe["name"], package)}
        if not cases and MISSING:
            pytest.skip(f"packages are missing: {MISSING}")
        assert cases
        if package == "transformers":
            assert set(comparison["classes"].split(", ")) == cases
