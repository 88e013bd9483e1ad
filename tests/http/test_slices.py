"""Random draw, random cut, stitched back: the whole. The draws come from a fixed seed, so a run repeats exactly."""
import itertools
import math
import random

import pytest

SIZES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "f8_e4m3": 1, "f8_e5m2": 1}
# Initializers and the ranks they take.
INITIALIZERS = [("normal", 1, 5), ("uniform(low=0,high=1)", 1, 5), ("truncated_normal(std=1,lower=-1,upper=3)", 1, 5), ("he_normal", 2, 5),
                ("constant(0.5)", 1, 5), ("identity", 2, 2), ("dirac", 3, 5), ("bilinear", 3, 5), ("sparse(0.4)", 2, 2),
                ("orthogonal", 2, 4), ("delta_orthogonal", 3, 4)]


def draw(chance, number):
    init, low, high = INITIALIZERS[number % len(INITIALIZERS)]
    rank = chance.randint(low, high)
    shape = [chance.choice([1, 2, 3, 7, 16, 33, 100]) for _ in range(rank)]
    while math.prod(shape) > 60000:
        shape[chance.randrange(rank)] = chance.randint(1, 5)
    if init == "delta_orthogonal":
        shape[0], shape[1] = max(shape[:2]), min(shape[:2])  # out, in
    return dict(experiment="slices", name=f"t{number}", shape=shape, init=init, dtype=chance.choice(list(SIZES)), format="raw")


def cuts(chance, size):
    """The axis in random pieces, in order."""
    edges = sorted({0, size, *(chance.randint(0, size) for _ in range(chance.randint(0, 3)))})
    return list(zip(edges, edges[1:]))


def stitch(shape, element, pieces):
    """The whole from pieces: [(box, bytes)], a box being one (start, stop) per axis."""
    whole = bytearray(math.prod(shape) * element)
    strides = [math.prod(shape[axis + 1:]) for axis in range(len(shape))]
    for box, data in pieces:
        run = (box[-1][1] - box[-1][0]) * element
        rows = itertools.product(*(range(*side) for side in box[:-1]))
        for number, row in enumerate(rows):
            at = (sum(i * stride for i, stride in zip(row, strides)) + box[-1][0]) * element
            whole[at:at + run] = data[number * run:(number + 1) * run]
    return bytes(whole)


@pytest.mark.parametrize("number", range(66))
def test_random_slices_stitched_together_are_the_whole(daemon, number):
    chance = random.Random(number)
    fields = draw(chance, number)
    whole = daemon.post("/v1/tensor", fields)
    assert whole.status == 200, whole.body
    pieces = []
    for box in itertools.product(*(cuts(chance, size) for size in fields["shape"])):
        cut = ",".join(f"{start}:{stop}" for start, stop in box)
        answer = daemon.post("/v1/tensor", {**fields, "slice": cut})
        assert answer.status == 200, answer.body
        assert answer.headers["Sower-Draw"] == whole.headers["Sower-Draw"]
        pieces.append((box, answer.body))
    assert stitch(fields["shape"], SIZES[fields["dtype"]], pieces) == whole.body


@pytest.mark.parametrize("number", range(11))
def test_shards_along_any_dimension_stitched_together_are_the_whole(daemon, number):
    chance = random.Random(1000 + number)
    fields = draw(chance, number)
    whole = daemon.post("/v1/tensor", fields).body
    for axis, size in enumerate(fields["shape"]):
        for ranks in (2, 3, 8):
            chunk = -(-size // ranks)  # as torch.chunk cuts: ceil-sized, the last may be short or empty
            pieces = []
            for rank in range(ranks):
                box = [(0, other) for other in fields["shape"]]
                box[axis] = (min(rank * chunk, size), min((rank + 1) * chunk, size))
                answer = daemon.post("/v1/tensor", {**fields, "shard": f"{axis}:{rank}/{ranks}"})
                assert answer.status == 200, answer.body
                pieces.append((box, answer.body))
            assert stitch(fields["shape"], SIZES[fields["dtype"]], pieces) == whole
