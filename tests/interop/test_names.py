"""The frameworks' names in an expression: each function or class of a framework has its own parameters and defaults in Sower too."""
import inspect
import json

import pytest

# Parameters that are fields of a request, or do not exist in Sower.
ELSEWHERE = {"tensor", "generator", "seed", "dtype", "in_axis", "out_axis", "batch_axis", "column_axis", "input_axes", "output_axes", "out_sharding"}
# Values for parameters without a default.
VALUES = {"val": 0.5, "value": 0.5, "sparsity": 0.25, "scale": 2, "mode": "fan_avg", "distribution": "normal"}
SHAPES = {"dirac": (4, 4, 3), "delta_orthogonal": (4, 3, 3)}


def torch_functions():
    init = pytest.importorskip("torch").nn.init
    return {f"torch.nn.init.{name}": function for name, function in vars(init).items()
            if name.endswith("_") and not name.startswith("_") and inspect.isfunction(function)}


def keras_classes():
    initializers = pytest.importorskip("keras").initializers
    return {f"keras.initializers.{name}": value.__init__ for name, value in vars(initializers).items()
            if inspect.isclass(value) and issubclass(value, initializers.Initializer) and value is not initializers.Initializer}


def jax_functions():
    initializers = pytest.importorskip("jax").nn.initializers
    return {f"jax.nn.initializers.{name}": getattr(initializers, name) for name in dir(initializers)
            if name != "Initializer" and callable(getattr(initializers, name))}


def parameters(function):
    """Those that the framework's function has, with their defaults, in its order."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.name not in ELSEWHERE | {"self", "key", "shape"} and p.kind is p.POSITIONAL_OR_KEYWORD}


def ask(sower, name, arguments):
    """The status and the answer of a plan."""
    shape = next((shape for word, shape in SHAPES.items() if word in name), (4, 6))
    fields = {"experiment": "names", "name": "w", "shape": shape, "init": {"type": name, **arguments}}
    status, _, body = sower.exchange("POST", "/v1/plan", json.dumps(fields))
    return status, json.loads(body)


@pytest.mark.parametrize("of", [torch_functions, keras_classes, jax_functions])
def test_every_name_has_the_parameters_and_the_defaults_of_its_framework(sower, of):
    functions = {name: function for name, function in of().items() if "stft" not in name.lower()}  # Keras' STFT is no initializer of weights
    assert len(functions) >= 14
    for name, function in functions.items():
        wanted = parameters(function)
        needed = {key: VALUES[key] for key, value in wanted.items() if value is inspect.Parameter.empty}
        status, short = ask(sower, name, needed)
        assert status == 200, (name, short)
        assert ask(sower, name, {**wanted, **needed})[1]["init"] == short["init"], name
        for key in needed:
            status, problem = ask(sower, name, {other: value for other, value in needed.items() if other != key})
            assert status == 400 and f"needs the parameter {key}" in problem["detail"], (name, key, problem)
        status, problem = ask(sower, name, {"nothing": 1})
        assert status == 400 and f"it has {', '.join(wanted) or 'none'}." in problem["detail"], (name, wanted, problem)
