"""Manifests are resolved by the daemon's own code."""
import pickle

import pytest

import sower

GPT = {"blocks": "h", "defaults": {"init": "normal(std=0.02)"},
       "rules": [{"match": "*.out.weight", "init": "normal(std=0.02/sqrt(2*layers))"}, {"match": "head.weight", "same_as": "wte.weight"}],
       "tensors": [{"name": "wte.weight", "shape": [11, 8]}, {"name": "h.0.out.weight", "shape": [8, 8]}, {"name": "h.1.out.weight", "shape": [8, 8]},
                   {"name": "head.weight", "shape": [11, 8]}]}


def test_names_ties_fields_and_summary():
    manifest = sower.Manifest(GPT)
    assert manifest.names == tuple(manifest) == ("wte.weight", "h.0.out.weight", "h.1.out.weight", "head.weight")
    assert len(manifest) == 4 and "head.weight" in manifest and "other" not in manifest
    assert manifest.ties == {"head.weight": "wte.weight"}
    assert manifest.fields["h.0.out.weight"]["init"] == "normal(mean=0,std=0.01)"
    assert manifest.summary["tensors"] == 4 and manifest.summary["bytes"] == 4 * (88 + 64 + 64)


def test_the_canonical_form_is_the_same_manifest():
    manifest = sower.Manifest(GPT)
    for same in (sower.Manifest(manifest.json()), sower.Manifest(manifest.json().encode()), pickle.loads(pickle.dumps(manifest)),
                 manifest.only(manifest.names)):
        assert same == manifest and same.hash == manifest.hash and hash(same) == hash(manifest)


def test_a_stage_keeps_the_laws_of_the_whole_and_what_it_is_tied_to():
    stage = sower.Manifest(GPT).only(["head.weight", "h.1.out.weight"])
    assert stage.names == ("wte.weight", "h.1.out.weight", "head.weight")
    assert stage.fields["h.1.out.weight"]["init"] == "normal(mean=0,std=0.01)"
    assert stage.ties == {"head.weight": "wte.weight"}
    assert stage != sower.Manifest(GPT)


def test_a_stage_of_nothing_or_of_unknown_names_is_refused():
    for names in ([], ["wte.weight", "missing"]):
        with pytest.raises(sower.InvalidRequest):
            sower.Manifest(GPT).only(names)


@pytest.mark.parametrize("source", ["", "[]", "{", "{}", b"\xff", {"tensors": []}, {"tensors": [{"name": "w", "shape": [2]}]},
                                    {"tensors": [{"name": "w", "shape": [2], "init": "zeros"}] * 2}, {"tensors": {1, 2}}, "[" * 10000,
                                    {"tensors": [{"name": "a", "shape": [2], "same_as": "b"}]}, "\ud800"])
def test_a_wrong_manifest_is_refused_with_a_sentence(source):
    with pytest.raises(sower.InvalidRequest) as caught:
        sower.Manifest(source)
    assert str(caught.value).endswith((".", "?"))
