"""Shards are the chunks of torch.chunk, and slices are those of NumPy, with the bits of the whole tensor."""
import numpy
import pytest

INITS = ["normal", "glorot_uniform", "sparse(sparsity=0.5)", "orthogonal", "identity"]


def as_torch_chunks(array, count, axis):
    torch = pytest.importorskip("torch")
    chunks = [chunk.numpy() for chunk in torch.chunk(torch.from_numpy(array), count, axis)]
    empty = numpy.take(array, [], axis)  # torch.chunk omits empty chunks; in Sower each rank has a shard
    return chunks + [empty] * (count - len(chunks))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("rows", [64, 61, 10, 8, 5, 1])
@pytest.mark.parametrize("axis", [0, 1])
def test_shards_are_torchs_chunks(sower, axis, rows, init):
    shape = (rows, 12) if axis == 0 else (12, rows)
    whole = sower.array(init, shape)
    shards = [sower.array(init, shape, shard=f"{axis}:{rank}/8") for rank in range(8)]
    for shard, chunk in zip(shards, as_torch_chunks(whole, 8, axis), strict=True):
        assert shard.shape == chunk.shape and numpy.array_equal(shard, chunk)
    assert numpy.array_equal(numpy.concatenate(shards, axis), whole)


def test_shards_along_two_axes_are_chunks_of_chunks(sower):
    shape = (50, 33)
    whole = sower.array("he_normal", shape)
    for row, chunk in enumerate(as_torch_chunks(whole, 4, 0)):
        for column, expected in enumerate(as_torch_chunks(numpy.ascontiguousarray(chunk), 8, 1)):
            shard = sower.array("he_normal", shape, shard=f"0:{row}/4,1:{column}/8")
            assert shard.shape == expected.shape and numpy.array_equal(shard, expected)


@pytest.mark.parametrize("init", INITS)
def test_slices_are_numpys(sower, init):
    shape = (40, 50)
    whole = sower.array(init, shape)
    assert numpy.array_equal(sower.array(init, shape, slice="3:17,5:6"), whole[3:17, 5:6])
    assert numpy.array_equal(sower.array(init, shape, slice="-5:,:-7"), whole[-5:, :-7])
    assert numpy.array_equal(sower.array(init, shape, slice="38:99"), whole[38:99])
    assert sower.array(init, shape, slice="9:3").shape == whole[9:3].shape
