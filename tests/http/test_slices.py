"""Random slices and shards, joined again, equal the whole tensor. The random seed is fixed, so every run is the same."""
import itertools
import math
import random

import pytest

SIZES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "f8_e4m3": 1, "f8_e5m2": 1}
# Initializers and the ranks that they accept.
INITIALIZERS = [("normal", 1, 5), ("uniform(low=0,high=1)", 1, 5), ("truncated_normal(std=1,lower=-1,upper=3)", 1, 5), ("he_normal", 2, 5),
                ("constant(0.5)", 1, 5), ("identity", 2, 2), ("dirac", 3, 5), ("bilinear", 3, 5), ("sparse(0.4)", 2, 2),
                ("orthogonal", 2, 4), ("delta_orthogonal", 3, 4)]


def draw(rng, number):
    init, low, high = INITIALIZERS[number % len(INITIALIZERS)]
    rank = rng.randint(low, high)
    shape = [rng.choice([1, 2, 3, 7, 16, 33, 100]) for _ in range(rank)]
    while math.prod(shape) > 60000:
        shape[rng.randrange(rank)] = rng.randint(1, 5)
    if init == "delta_orthogonal":
        shape[0], shape[1] = max(shape[:2]), min(shape[:2])  # out, in
    return dict(experiment="slices", name=f"t{number}", shape=shape, init=init, dtype=rng.choice(list(SIZES)), format="raw")


def cuts(rng, size):
    """Random consecutive pieces of an axis."""
    edges = sorted({0, size, *(rng.randint(0, size) for _ in range(rng.randint(0, 3)))})
    return list(zip(edges, edges[1:]))


def join(shape, element, pieces):
    """Joins pieces: [(box, bytes)]. A box has one (start, stop) per axis."""
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
def test_joined_random_slices_equal_the_whole(daemon, number):
    rng = random.Random(number)
    fields = draw(rng, number)
    whole = daemon.post("/v1/tensor", fields)
    assert whole.status == 200, whole.body
    pieces = []
    for box in itertools.product(*(cuts(rng, size) for size in fields["shape"])):
        cut = ",".join(f"{start}:{stop}" for start, stop in box)
        response = daemon.post("/v1/tensor", {**fields, "slice": cut})
        assert response.status == 200, response.body
        assert response.headers["Sower-Draw"] == whole.headers["Sower-Draw"]
        pieces.append((box, response.body))
    assert join(fields["shape"], SIZES[fields["dtype"]], pieces) == whole.body


@pytest.mark.parametrize("number", range(11))
def test_joined_shards_along_any_axis_equal_the_whole(daemon, number):
    rng = random.Random(1000 + number)
    fields = draw(rng, number)
    whole = daemon.post("/v1/tensor", fields).body
    for axis, size in enumerate(fields["shape"]):
        for ranks in (2, 3, 8):
            chunk = -(-size // ranks)  # like torch.chunk: sizes rounded up, the last chunk may be shorter or empty
            pieces = []
            for rank in range(ranks):
                box = [(0, other) for other in fields["shape"]]
                box[axis] = (min(rank * chunk, size), min((rank + 1) * chunk, size))
                response = daemon.post("/v1/tensor", {**fields, "shard": f"{axis}:{rank}/{ranks}"})
                assert response.status == 200, response.body
                pieces.append((box, response.body))
            assert join(fields["shape"], SIZES[fields["dtype"]], pieces) == whole
