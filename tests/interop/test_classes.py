"""Each class that a recipe is meant for (classes/): the recipe gives every tensor the law of the class, or refuses it."""
import json
import pathlib

import pytest

import classes
import page
import proof
from conftest import ROOT, SOWERD

CASES, MISSING = classes.load()
PAGE = ROOT / "docs/compared-with.md"


@pytest.fixture(scope="module")
def results():
    """Results by the name of the case. Afterwards, BUILD/proof.json has the figures for the last line of `make interop`."""
    found = {}
    yield found
    figures = {what: sum(len(getattr(result, what)) for result in found.values()) for what in ("equal", "tied", "refused", "left_out", "different")}
    report = {"classes": len(found), **figures, "missing": MISSING}
    (SOWERD.parent / "proof.json").write_text(json.dumps(report))


def sentences(found):
    return "\n".join(f"{name}: {sentence}" for name, sentence in found.items())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.recipe}: {case.name}")
def test_a_recipe_gives_the_laws_of_the_class_or_refuses(sower, results, case):
    samples = proof.Samples(case.build)
    result = results[case.name, case.recipe] = proof.prove(sower, case, samples)
    assert not result.different, sentences(result.different)
    assert bool(result.refused) == bool(case.rules or case.impossible), sentences(result.refused) or "nothing is refused, so no rules are to be added"
    if case.rules:
        with_rules = proof.prove(sower, case, samples, case.rules)
        assert not with_rules.different and not with_rules.refused, sentences({**with_rules.different, **with_rules.refused})


def test_the_page_of_comparisons_says_what_was_found(results):
    if len(results) < len(CASES):
        pytest.skip("not all classes were compared")
    text = page.rewritten(PAGE.read_text(), list(results.values()))
    written = pathlib.Path(SOWERD.parent / "compared-with.md")
    written.write_text(text)
    assert text == PAGE.read_text(), f"the page is not up to date: review {written}, and copy it to {PAGE}"
