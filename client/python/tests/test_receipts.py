"""A receipt is enough to make its tensors again, and one that was changed is found."""
import copy
import gc
import json
import pickle

import pytest

import sower

MANIFEST = sower.Manifest({"tensors": [{"name": "a", "shape": [4, 3], "init": "he_normal"}, {"name": "b", "shape": [12, 12], "init": "orthogonal"},
                                       {"name": "c", "shape": [4, 3], "same_as": "a"}]})
RUN = sower.offline("receipts", trial=2**63 - 1, root=b"r" * 32)
RECEIPT = RUN.record(MANIFEST)


def test_attributes():
    assert (RECEIPT.experiment, RECEIPT.trial, RECEIPT.manifest, RECEIPT.ledger, RECEIPT.recorded) == ("receipts", 2**63 - 1, MANIFEST.hash, None, False)
    assert list(RECEIPT.draws) == ["a", "b", "c"] and len(RECEIPT.draws) == 3 and RECEIPT.ties == {"c": "a"}
    assert "not recorded" in repr(RECEIPT)
    with pytest.raises(KeyError):
        RECEIPT.draws["d"]


def test_a_tied_name_leads_to_the_same_draw():
    draw = RECEIPT.draws["a"]
    assert RECEIPT.draws["c"] is draw and draw.name == "a"


def test_draws_are_those_of_single_requests():
    assert RECEIPT.draws["a"].id == RUN.draw("a", (4, 3), "he_normal").id
    assert RECEIPT.draws["a"].numpy().tobytes() == RUN.draw("a", (4, 3), "he_normal").numpy().tobytes()


def test_it_is_made_again_from_text_and_by_pickle_without_the_root():
    for again in (sower.Receipt.from_json(RECEIPT.to_json()), sower.Receipt.from_json(RECEIPT.to_json().encode()), pickle.loads(pickle.dumps(RECEIPT))):
        assert again == RECEIPT and again.to_json() == RECEIPT.to_json() and hash(again) == hash(RECEIPT)
        assert [draw.digest() for draw in again.draws.values()] == [draw.digest() for draw in RECEIPT.draws.values()]


def test_a_draw_that_nobody_uses_is_let_go():
    draw = RECEIPT.draws["b"]
    draw.numpy()
    assert RECEIPT.draws["b"] is draw
    del draw
    gc.collect()
    assert "_opened" not in vars(RECEIPT.draws["b"])


@pytest.mark.parametrize("member, value", [("name", "d"), ("draw", "0" * 64), ("draw", "short"), ("shape", [3, 4]), ("dtype", "f16"), ("init", "zeros"),
                                           ("init", "no_such"), ("layout", "io"), ("layout", "?"), ("seed", "short")])
def test_a_draw_that_was_changed_is_found(member, value):
    changed = json.loads(RECEIPT.to_json())
    del changed["draws"][1], changed["ties"]["c"]
    changed["draws"][0][member] = value
    with pytest.raises(sower.BadReceipt):
        next(iter(sower.Receipt(changed).draws.values())).numpy()


@pytest.mark.parametrize("member, value", [("experiment", "other"), ("trial", 1), ("root", "0" * 64)])
def test_a_receipt_for_another_trial_is_found(member, value):
    with pytest.raises(sower.BadReceipt):
        sower.Receipt({**json.loads(RECEIPT.to_json()), member: value}).draws["a"].digest()


def test_a_changed_seed_is_found_under_the_public_root():
    changed = json.loads(sower.offline("receipts").record(MANIFEST).to_json())
    changed["draws"][0]["seed"] = "0" * 64
    with pytest.raises(sower.BadReceipt):
        sower.Receipt(changed).draws["a"].digest()


def _without(member):
    def change(value):
        del value[member]
    return change


def _with(**members):
    return lambda value: value.update(members)


@pytest.mark.parametrize("change", [
    *map(_without, ("experiment", "trial", "root", "spec", "manifest", "ledger", "draws", "ties")),
    _with(experiment=1), _with(trial="0"), _with(trial=True), _with(spec=2), _with(draws=[]), _with(draws={}), _with(draws=[1]), _with(ties=[]),
    _with(ties={"c": "missing"}), _with(ties={"a": "b"}), _with(ties={"c": 1}), _with(ledger="1"), _with(ledger=-1),
    lambda value: value["draws"].append(value["draws"][0]),
    lambda value: value["draws"][0].pop("seed"), lambda value: value["draws"][0].update(shape=[1.5]), lambda value: value["draws"][0].update(dtype="f31"),
    lambda value: value["draws"][0].update(dtype=["f32"]),
])
def test_a_malformed_receipt_is_refused(change):
    value = copy.deepcopy(json.loads(RECEIPT.to_json()))
    change(value)
    with pytest.raises(sower.BadReceipt):
        sower.Receipt.from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100000, b"\xff"])
def test_what_is_no_receipt_is_refused(text):
    with pytest.raises(sower.BadReceipt):
        sower.Receipt.from_json(text)
