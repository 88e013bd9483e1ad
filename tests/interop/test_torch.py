"""PyTorch: torch.nn.init and the defaults of its layers, in layout oi."""
import inspect
import math

import numpy
import pytest

torch = pytest.importorskip("torch")
init = torch.nn.init

import names  # noqa: E402
from compare import (  # noqa: E402
    KINDS,
    OI,
    assert_as_planned,
    assert_same_distribution,
    ks_bound,
    ks_distance,
    orthogonality_error,
)

SEED = 20240229
# {expression of Sower: the same in PyTorch}
RANDOM = {
    "uniform(low=0,high=1)": lambda w: init.uniform_(w),
    "uniform(low=-0.3,high=0.1)": lambda w: init.uniform_(w, -0.3, 0.1),
    "normal(mean=0,std=1)": lambda w: init.normal_(w),
    "normal(mean=0.5,std=0.02)": lambda w: init.normal_(w, 0.5, 0.02),
    "trunc_normal": lambda w: init.trunc_normal_(w),
    "trunc_normal(std=0.02)": lambda w: init.trunc_normal_(w, std=0.02),  # the bounds are values, far outside: no truncation
    "trunc_normal(mean=1,std=2,a=-1,b=0.5)": lambda w: init.trunc_normal_(w, 1.0, 2.0, -1.0, 0.5),
    "xavier_uniform": lambda w: init.xavier_uniform_(w),
    "xavier_uniform(gain=1.6666666666666667)": lambda w: init.xavier_uniform_(w, init.calculate_gain("tanh")),
    "xavier_normal": lambda w: init.xavier_normal_(w),
    "xavier_normal(gain=2)": lambda w: init.xavier_normal_(w, 2.0),
    "kaiming_uniform": lambda w: init.kaiming_uniform_(w),
    "kaiming_uniform(a=2.23606797749979)": lambda w: init.kaiming_uniform_(w, math.sqrt(5)),  # the layers' default
    "kaiming_uniform(mode=fan_out,nonlinearity=relu)": lambda w: init.kaiming_uniform_(
        w, mode="fan_out", nonlinearity="relu"
    ),
    "kaiming_normal": lambda w: init.kaiming_normal_(w),
    "kaiming_normal(mode=fan_out,nonlinearity=relu)": lambda w: init.kaiming_normal_(
        w, mode="fan_out", nonlinearity="relu"
    ),
    "kaiming_normal(nonlinearity=selu)": lambda w: init.kaiming_normal_(w, nonlinearity="selu"),
}
EXACT = {
    "zeros": init.zeros_,
    "ones": init.ones_,
    "constant(value=0.1)": lambda w: init.constant_(w, 0.1),
}
NONLINEARITIES = [
    *("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("sigmoid", "tanh", "relu", "leaky_relu", "selu"),
]


class Recorder:
    """Replaces a weight. Records the range or the deviation that an initializer requests, as a double."""

    def __init__(self, shape):
        self.shape = shape
        self.plan = {}

    def dim(self):
        return len(self.shape)

    def size(self, axis):
        return self.shape[axis]

    def uniform_(self, low, high, generator=None):
        self.plan = {"low": low, "high": high, "limit": high}

    def normal_(self, mean, std, generator=None):
        self.plan = {"mean_expected": mean, "std": std}


def initialized(initialize, shape, seed=SEED):
    torch.manual_seed(seed)
    return initialize(torch.empty(shape)).numpy()


def assert_scale(plan, initialize, shape):
    recorder = Recorder(shape)
    initialize(recorder)
    assert recorder.plan
    for key, value in recorder.plan.items():
        assert plan[key] == pytest.approx(value, rel=1e-15, abs=0), key


def test_every_initializer_of_torch_is_in_the_map():
    functions = {name for name, _ in inspect.getmembers(init, inspect.isfunction)}
    public = {name for name in functions if name.endswith("_") and not name.startswith("_")}
    assert public == {name for name in names.TORCH if "." not in name}


def test_every_name_in_the_map_is_compared():
    with_own_test = {
        "identity": test_identity,
        "dirac": test_dirac,
        "orthogonal": test_orthogonal,
        "sparse": test_sparse,
        "fan_uniform": test_default_bias_is_fan_uniform,
    }
    compared = {names.initializer(expression) for expression in [*RANDOM, *EXACT]}
    assert compared | with_own_test.keys() == set(names.TORCH.values())


def test_every_name_of_the_catalogue_that_torch_has_too_is_compared(sower):
    for entry in sower.catalogue():
        for name in [entry["name"], *entry["aliases"]]:
            if hasattr(init, name + "_"):
                assert names.TORCH[name + "_"] == entry["name"]


def test_layout_oi_has_the_axes_of_torchs_layers():
    layers = {
        "dense": torch.nn.Linear(512, 256),
        "conv": torch.nn.Conv2d(64, 128, 3),
        "embedding": torch.nn.Embedding(5000, 128),
    }
    assert {kind: tuple(layer.weight.shape) for kind, layer in layers.items()} == OI


@pytest.mark.parametrize("shape", [*OI.values(), (7, 5, 3), (2, 3, 4, 5, 6), (1, 1)], ids=str)
def test_fans(sower, shape):
    plan = sower.plan("xavier_uniform", shape)
    assert (plan["fan_in"], plan["fan_out"]) == init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", RANDOM)
def test_distribution(sower, expression, kind):
    plan, ours = sower.plan(expression, OI[kind]), sower.array(expression, OI[kind])
    theirs = initialized(RANDOM[expression], OI[kind])
    assert_same_distribution(ours, theirs)
    assert_as_planned(plan, ours)
    assert_as_planned(plan, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", [e for e in RANDOM if e.startswith(("xavier", "kaiming", "normal"))])
def test_std_or_limit(sower, expression, kind):
    assert_scale(sower.plan(expression, OI[kind]), RANDOM[expression], OI[kind])


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_kaiming_gains_are_calculate_gains(sower, mode, nonlinearity):
    for a in [0, 0.01, -0.25]:
        for name in ["kaiming_uniform", "kaiming_normal"]:
            plan = sower.plan(f"{name}(a={a},mode={mode},nonlinearity={nonlinearity})", OI["conv"])
            assert plan["gain"] == pytest.approx(init.calculate_gain(nonlinearity, a), rel=1e-15)
            function = getattr(init, name + "_")
            assert_scale(plan, lambda w: function(w, a, mode, nonlinearity), OI["conv"])  # noqa: B023


def test_the_nonlinearities_are_torchs(sower):
    (entry,) = [entry for entry in sower.catalogue() if entry["name"] == "kaiming_normal"]
    (choices,) = [parameter["choices"] for parameter in entry["parameters"] if parameter["name"] == "nonlinearity"]
    assert choices == NONLINEARITIES
    for nonlinearity in choices:
        init.calculate_gain(nonlinearity)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expression", EXACT)
def test_same_values(sower, expression, kind):
    assert numpy.array_equal(sower.array(expression, OI[kind]), initialized(EXACT[expression], OI[kind]))


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (1, 5)], ids=str)
@pytest.mark.parametrize("name", ["identity", "eye"])
def test_identity(sower, name, shape):
    assert numpy.array_equal(sower.array(name, shape), initialized(init.eye_, shape))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    "shape", [(8, 4, 3), (8, 2, 4), (8, 8, 3, 3), (8, 2, 4, 5), (4, 9, 1, 2), (8, 3, 3, 2, 4), OI["conv"]], ids=str
)
def test_dirac(sower, shape, groups):
    theirs = initialized(lambda w: init.dirac_(w, groups), shape)
    assert numpy.array_equal(sower.array(f"dirac(groups={groups})", shape), theirs)


def test_dirac_refuses_groups_that_torch_refuses(sower):
    with pytest.raises(ValueError):
        init.dirac_(torch.empty(8, 8, 3), 3)
    assert sower.ask("/v1/plan", init="dirac(groups=3)", shape=(8, 8, 3))[0] == 400


@pytest.mark.parametrize("gain", [1, 0.5])
@pytest.mark.parametrize("shape", [*OI.values(), (300, 300), (3, 4, 5), (5, 2, 2)], ids=str)
def test_orthogonal(sower, shape, gain):
    ours = sower.array(f"orthogonal(gain={gain})", shape)
    theirs = initialized(lambda w: init.orthogonal_(w, gain), shape)
    # PyTorch flattens all axes except the first, like Sower in layout oi.
    assert orthogonality_error(theirs.reshape(shape[0], -1), gain) <= 2e-6
    assert orthogonality_error(ours.reshape(shape[0], -1), gain) <= 2e-6
    if ours.size > 1000:
        assert_same_distribution(ours, theirs)


@pytest.mark.parametrize(
    ("shape", "sparsity"), [(OI["dense"], 0.9), (OI["embedding"], 0.1), ((100, 64), 0.07), ((10, 9), 0), ((10, 9), 1)]
)
def test_sparse(sower, shape, sparsity):
    ours = sower.array(f"sparse(sparsity={sparsity})", shape)
    theirs = initialized(lambda w: init.sparse_(w, sparsity), shape)
    zeros = (theirs == 0).sum(axis=0)
    assert (zeros == zeros[0]).all()
    assert numpy.array_equal((ours == 0).sum(axis=0), zeros)
    if zeros[0] < shape[0]:
        values = [w[w != 0] for w in (ours, theirs)]
        assert_same_distribution(*values)
    if sparsity == 0.9:
        # The zero rows of a column are random too: all rows have the same probability.
        assert_same_distribution(*[numpy.nonzero(w)[0].astype(numpy.float32) for w in (ours, theirs)])


@pytest.mark.parametrize(
    "layer", [lambda: torch.nn.Linear(512, 250000), lambda: torch.nn.Conv2d(3, 100000, 5)], ids=["Linear", "Conv2d"]
)
def test_default_bias_is_fan_uniform(sower, layer, monkeypatch):
    torch.manual_seed(SEED)
    theirs = layer()
    fan_in, _ = init._calculate_fan_in_and_fan_out(theirs.weight)
    expression = f"fan_uniform(fan_in={fan_in})"
    plan, ours = sower.plan(expression, theirs.bias.shape), sower.array(expression, theirs.bias.shape)
    assert_same_distribution(ours, theirs.bias.detach().numpy())
    assert_as_planned(plan, theirs.bias.detach().numpy())
    asked = []
    monkeypatch.setattr(init, "uniform_", lambda tensor, low, high: asked.append((low, high)))
    theirs.reset_parameters()
    assert asked == [(pytest.approx(plan["low"], rel=1e-15), pytest.approx(plan["high"], rel=1e-15))]


@pytest.mark.parametrize(
    ("kind", "layer", "expression"),
    [
        ("dense", lambda: torch.nn.Linear(512, 256), "kaiming_uniform(a=2.23606797749979)"),
        ("conv", lambda: torch.nn.Conv2d(64, 128, 3), "kaiming_uniform(a=2.23606797749979)"),
        ("embedding", lambda: torch.nn.Embedding(5000, 128), "normal(mean=0,std=1)"),
    ],
)
def test_default_weights_of_the_layers(sower, kind, layer, expression):
    torch.manual_seed(SEED)
    assert_same_distribution(sower.array(expression, OI[kind]), layer().weight.detach().numpy())


def test_the_comparison_distinguishes_a_truncated_normal(sower):
    """he_normal (Keras) is truncated, kaiming_normal (PyTorch) is not: the deviation is the same, the values differ."""
    he, kaiming = sower.array("he_normal", OI["dense"]), sower.array("kaiming_normal", OI["dense"])
    assert he.std() == pytest.approx(kaiming.std(), rel=0.02)
    assert ks_distance(he, kaiming) > ks_bound(he, kaiming)
