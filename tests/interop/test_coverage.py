"""Every module of torch.nn, keras.layers, flax.linen and flax.nnx that has weights of its own has a case in classes/."""
import inspect
import re

import pytest

import classes

CASES, _ = classes.load()


def compared(prefix):
    """The names of the classes that have a case: "Linear" of "torch.nn.Linear, square"."""
    names = {case.name.removeprefix(prefix).partition(",")[0] for case in CASES if case.name.startswith(prefix)}
    assert names
    return names


def with_weights(module, base, makes_weights):
    """The classes of a module whose own source, or that of a class they derive from in the same package, makes weights."""
    package = module.__name__.partition(".")[0]
    found = set()
    for name, kind in vars(module).items():
        if inspect.isclass(kind) and issubclass(kind, base) and kind is not base:
            sources = [inspect.getsource(parent) for parent in kind.__mro__
                       if parent.__module__.partition(".")[0] == package and parent is not base and parent not in base.__mro__]
            if any(re.search(makes_weights, source) for source in sources):
                found.add(name)
    return found


def test_torch_nn():
    nn = pytest.importorskip("torch").nn
    # Base classes, and containers of the caller's own parameters.
    without = {"Module", "RNNBase", "RNNCellBase", "Container", "ModuleList", "Sequential", "ParameterList", "ParameterDict"}
    of_torch = with_weights(nn, nn.Module, r"= (Uninitialized)?Parameter\(|= Linear\(|= MultiheadAttention\(")
    lazy = {name for name in of_torch if name.startswith("Lazy")}
    made_lazily = {case.name.partition("made by ")[2] for case in CASES if "made by" in case.name}
    losses = {name for name in of_torch if name.endswith(("Loss", "Loss2d"))} - {"AdaptiveLogSoftmaxWithLoss"}
    assert of_torch - lazy - losses - without - compared("torch.nn.") == set()
    assert lazy - made_lazily == set()


def test_keras_layers():
    pytest.importorskip("keras")
    from keras import layers
    # Base classes; other libraries' modules; fixed tables; cells, which the layers above them have.
    without = {"Layer", "RNN", "Wrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "TorchModuleWrapper", "STFTSpectrogram", "MelSpectrogram",
               "LSTMCell", "GRUCell", "SimpleRNNCell"}
    aliases = {name for name in dir(layers) if name.startswith("Convolution") or name.startswith("SeparableConvolution")}
    assert with_weights(layers, layers.Layer, r"add_weight\(") - without - aliases - compared("keras.layers.") == set()


def test_flax_linen():
    linen = pytest.importorskip("flax.linen")
    # Quantized ones, and a name that is deprecated.
    without = {name for name in dir(linen) if "Fp8" in name} | {"SelfAttention", "MultiHeadAttention"}
    assert with_weights(linen, linen.Module, r"self\.param\(|Dense|self\.variable\(") - without - compared("flax.linen.") \
        <= {"RNN", "RNNCellBase", "Sequential", "Dropout"}


def test_flax_nnx():
    nnx = pytest.importorskip("flax.nnx")
    without = {name for name in dir(nnx) if "Fp8" in name}
    assert with_weights(nnx, nnx.Module, r"nnx\.Param\(|[^.]Param\(|lora_param_type\(|Linear\(") - without - compared("flax.nnx.") \
        <= {"RNN", "RNNCellBase", "Sequential", "List", "Dict", "Dropout", "Bidirectional", "SpectralNorm"}
