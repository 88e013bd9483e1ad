"""sower.torch.boxes against the shards that torch makes, on 1, 2, 3, 4 and 8 ranks."""
import pytest

pytest.importorskip("torch")
from launch import on_ranks  # noqa: E402


@pytest.mark.parametrize("world", [1, 2, 3, 4, 8])
def test_the_boxes_of_every_placement_are_what_the_rank_has(world):
    plain, strided, several = on_ranks(world, "placements:everywhere")[0]
    assert plain > 20 and strided > 0
    assert several > 0 or world == 1, "no _StridedShard had several boxes"


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (2, 2), (2, 4), (4, 2)], ids=str)
def test_the_boxes_of_fsdp_over_tensor_parallel_parameters_are_what_the_rank_has(sizes):
    assert min(on_ranks(sizes[0] * sizes[1], "placements:fsdp_on_parallel", sizes=sizes)) >= 4


def test_a_partial_placement_is_refused_by_name():
    for sentence in on_ranks(2, "placements:partial"):
        assert "Partial(sum)" in sentence and "Redistribute" in sentence
