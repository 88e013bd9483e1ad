"""sower.torch on real ranks: each has the bits of its part of what the daemon sends for the whole model."""
import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("sower")
from launch import Ended, on_ranks  # noqa: E402


@pytest.fixture
def url(sower):
    return f"http://127.0.0.1:{sower.port}"


def lines(sower, experiment):
    body = sower.exchange("GET", f"/v1/ledger?experiment={experiment}")[2]
    return [line for line in map(json.loads, body.splitlines()) if line["kind"] == "draw"]


@pytest.mark.parametrize(("cut", "world"), [("plain", 2), ("fsdp", 3), ("parallel", 4), ("both", 4), ("hybrid", 4), ("columns", 2)])
def test_every_rank_has_its_part_of_the_whole(url, cut, world):
    assert min(on_ranks(world, "fills:cut_and_fill", url=url, cut=cut)) > 80


def test_a_rank_with_several_boxes_of_a_tensor_is_filled_by_both_ways(url):
    assert min(on_ranks(2, "fills:several", url=url)) > 20


def test_tied_tensors_that_are_cut_in_different_ways_are_refused(url):
    for sentence in on_ranks(2, "fills:placed", url=url):
        assert "'head.weight' is tied to 'wte.weight'" in sentence and "Shard(dim=1)" in sentence


def test_stages_of_a_pipeline_are_filled_from_one_record(sower, url):
    told = on_ranks(2, "fills:stages", url=url)
    assert told[0][0] + told[1][0] == told[0][1], "each tensor is on one rank, the tied one on both"
    assert told[0][2] == told[1][2]
    assert len(lines(sower, "stages")) == told[0][1] - 1


@pytest.mark.parametrize(
    ("case", "error", "words"),
    [
        ("model", "InvalidRequest", "Rank 1 has the manifest"),
        ("trial", "InvalidRequest", "Rank 1 has the experiment and trial ('refused', 1)"),
        ("names", "InvalidRequest", "No rank has 'lost'"),
        ("meta", "InvalidRequest", "Rank 1: 'wte.weight' is on the meta device"),
        ("surprise", "SowerError", "Rank 1: IndexError: list index out of range"),
    ],
)
def test_ranks_that_do_not_agree_are_all_refused_and_nothing_is_recorded_or_filled(sower, url, case, error, words):
    for name, sentence, is_untouched in on_ranks(2, "fills:refused", url=url, case=case):
        assert name == error and words in sentence and is_untouched, sentence
    assert lines(sower, "refused") == []


def test_a_refusal_of_the_daemon_is_raised_on_every_rank(sower, url):
    sower.get("/v1/tensor", experiment="pinned", name="norm.weight", shape=(5,), init="zeros")
    assert sower.exchange("PUT", "/v1/experiments/pinned/pin")[0] == 200
    for name, sentence, is_untouched in on_ranks(2, "fills:refused", url=url, case="pinned"):
        assert name == "Drift" and "norm.weight" in sentence and is_untouched, sentence
    assert len(lines(sower, "pinned")) == 1


def test_a_daemon_that_is_away_is_told_on_every_rank():
    for name, sentence, is_untouched in on_ranks(2, "fills:refused", url="http://127.0.0.1:9", case="away"):
        assert name == "Unavailable" and is_untouched, sentence


def test_a_failure_while_a_rank_fills_is_told_on_every_rank_and_can_be_repeated(url):
    for sentence in on_ranks(2, "fills:broken", url=url):
        assert "Rank 1: 'layers.0.proj.weight'" in sentence and "no memory" in sentence


def test_a_rank_that_was_killed_after_the_record_is_restarted_with_the_same_bits(sower, url):
    with pytest.raises(Ended, match="rank 1 ended with signal 0, status 9"):
        on_ranks(2, "fills:killed", url=url, die=True)
    recorded = lines(sower, "killed")
    assert recorded
    receipts = on_ranks(2, "fills:killed", url=url, die=False)
    assert receipts[0] == receipts[1]
    assert lines(sower, "killed") == recorded
    assert {draw["draw"] for draw in receipts[0]["draws"]} == {line["draw"] for line in recorded}


def test_checkpoints_are_loaded_from_a_receipt_and_from_a_file_that_was_saved_before(url, tmp_path):
    assert min(on_ranks(4, "fills:checkpoints", url=url, folder=str(tmp_path))) > 180
