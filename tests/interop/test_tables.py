"""Tables of models: the functions of transformers that make them. They compute in f32, so they are some units of f32 away from Sower's."""
import math

import numpy
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings  # noqa: E402
from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding  # noqa: E402
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding  # noqa: E402
from transformers.models.whisper.modeling_whisper import sinusoids  # noqa: E402

from compare import ks_bound, ks_distance  # noqa: E402

EPSILON = 2.0 ** -23
POSITIONS, COLUMNS = 300, 48


def distilbert():
    weight = torch.empty(POSITIONS, COLUMNS)
    create_sinusoidal_embeddings(POSITIONS, COLUMNS, weight)
    return weight


def test_sinusoids_computed_in_double_are_equal(sower):
    shape = (POSITIONS, COLUMNS)
    assert numpy.array_equal(sower.array("sinusoid", shape), distilbert().numpy())
    marian = MarianSinusoidalPositionalEmbedding(POSITIONS, COLUMNS).create_weight()
    assert numpy.array_equal(sower.array("sinusoid(order=halves)", shape), marian.numpy())


@pytest.mark.parametrize("make", [sinusoids, M2M100SinusoidalPositionalEmbedding.get_embedding], ids=["Whisper", "M2M100"])
def test_sinusoids_computed_in_f32_are_near(sower, make):
    array = sower.array("sinusoid(order=halves,endpoint=true)", (POSITIONS, COLUMNS))
    error = numpy.abs(array.astype(float) - make(POSITIONS, COLUMNS).numpy()).max(axis=1)
    assert (error <= 2 * EPSILON * (1 + numpy.arange(POSITIONS))).all()  # the angle has the error of f32


def test_rotary_frequencies_are_near(sower):
    for base in (10000.0, 500000.0):
        theirs = 1.0 / (base ** (torch.arange(0, 128, 2, dtype=torch.float) / 128))
        ours = sower.array(f"inverse_frequency({base})", (64,))
        assert numpy.abs(ours / theirs.numpy() - 1).max() <= 16 * EPSILON


def test_positions_and_masks_are_equal(sower):
    assert numpy.array_equal(sower.array("arange", (1, 514)), torch.arange(514).expand((1, -1)).numpy())
    mask = torch.tril(torch.ones(64, 64)).view(1, 1, 64, 64)
    assert numpy.array_equal(sower.array("tril", (1, 1, 64, 64)), mask.numpy())


def test_mambas_logarithms_are_near(sower):
    ours, theirs = sower.array("log_arange", (3, 64)), torch.log(torch.arange(1, 65, dtype=torch.float32))
    assert numpy.abs(ours - theirs.numpy()).max() <= 4 * EPSILON


def test_mambas_time_steps_have_the_same_law(sower):
    """As in Mamba2Mixer.init_mamba2_weights."""
    for low, high, floor in ((0.001, 0.1, 1e-4), (0.001, 0.1, 0.01)):
        generator = torch.Generator().manual_seed(7)
        steps = torch.exp(torch.rand(200_000, generator=generator) * (math.log(high) - math.log(low)) + math.log(low)).clamp(min=floor)
        theirs = steps + torch.log(-torch.expm1(-steps))
        ours = sower.array(f"dt_bias({low},{high},{floor})", (200_000,))
        away = 8 * EPSILON * abs(ours.min())
        assert abs(ours.min() - theirs.min()) <= (away if floor > low else 1e-3) and abs(ours.max() - theirs.max()) <= 1e-3
        above = ours.min() + 1e-5  # the elements at the floor are one number, computed in two ways
        ours, theirs = (numpy.where(x < above, above, x) for x in (ours, theirs.numpy()))
        assert ks_distance(ours, theirs) <= ks_bound(ours, theirs)
