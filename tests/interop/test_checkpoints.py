"""Files from the daemon in the hands of PyTorch, Keras and Orbax: every name and shape that a reader expects is there, and none more."""
import os

import numpy
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
safetensors_numpy = pytest.importorskip("safetensors.numpy")


def fetched(sower, recipe, shapes):
    """The arrays of a model with these names and shapes."""
    tensors = [{"name": name, "shape": list(shape)} for name, shape in shapes.items()]
    return safetensors_numpy.load(sower.post("/v1/model", {"experiment": "checkpoints", "recipe": recipe, "tensors": tensors}))


def test_torch_loads_a_state_dict_strictly(sower):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed_tokens, self.lstm = nn.Embedding(30, 16), nn.LSTM(16, 12, 2, bidirectional=True, proj_size=8)
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 24), 2, enable_nested_tensor=False)
            self.fc, self.act = nn.Linear(16, 5), nn.PReLU()

        def forward(self, tokens):
            return self.act(self.fc(self.encoder(self.lstm(self.embed_tokens(tokens))[0])))

    model = Model().eval()
    file = fetched(sower, "torch_default", {name: tensor.shape for name, tensor in model.state_dict().items()})
    model.load_state_dict({name: torch.from_numpy(array) for name, array in file.items()}, strict=True)
    assert all((tensor.numpy() == file[name]).all() for name, tensor in model.state_dict().items())
    assert bool(model(torch.arange(6)[None]).isfinite().all())


def test_keras_takes_values_by_path_and_its_weights_file_loads(sower, tmp_path):
    """Keras 3 reads .keras, .weights.h5 and .weights.json files, but no safetensors: values are assigned by path, then saved."""
    keras = pytest.importorskip("keras")
    layers = keras.layers

    def make():
        keras.backend.clear_session(free_memory=False)
        tokens = keras.Input((6,))
        x = layers.Embedding(30, 16)(tokens)
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
        x = layers.Conv1D(12, 3)(x)
        x = layers.Bidirectional(layers.LSTM(8))(x)
        return keras.Model(tokens, layers.Dense(5)(layers.BatchNormalization()(x)))

    def floating(model):
        return {variable.path: variable for variable in model.variables if "float" in variable.dtype}

    model = make()
    variables = floating(model)
    assert len(variables) == len([variable for variable in model.variables if "float" in variable.dtype])
    file = fetched(sower, "keras_default", {path: variable.shape for path, variable in variables.items()})
    assert file.keys() == variables.keys()
    for path, variable in variables.items():
        variable.assign(file[path])
    model.save_weights(tmp_path / "model.weights.h5")
    again = make()
    again.load_weights(tmp_path / "model.weights.h5")
    assert all((numpy.asarray(variable) == file[path]).all() for path, variable in floating(again).items())
    assert numpy.isfinite(again.predict(numpy.zeros((1, 6)), verbose=0)).all()


def test_orbax_restores_a_tree_of_flax(sower, tmp_path):
    jax, linen = pytest.importorskip("jax"), pytest.importorskip("flax.linen")
    traverse_util, orbax = pytest.importorskip("flax.traverse_util"), pytest.importorskip("orbax.checkpoint")

    class Model(linen.Module):
        @linen.compact
        def __call__(self, tokens):
            x = linen.Embed(30, 16)(tokens)
            x = linen.LayerNorm()(x + linen.MultiHeadDotProductAttention(2)(x))
            x = linen.RNN(linen.LSTMCell(8))(linen.Conv(12, (3,))(x))
            return linen.Dense(5)(linen.BatchNorm(use_running_average=True)(x))

    tokens = jax.numpy.zeros((1, 6), jax.numpy.int32)
    expected = jax.eval_shape(Model().init, jax.random.key(0), tokens)
    shapes = {name: leaf.shape for name, leaf in traverse_util.flatten_dict(expected, sep="/").items()}
    file = fetched(sower, "flax_default", shapes)
    tree = traverse_util.unflatten_dict(file, sep="/")
    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "checkpoint", tree)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "checkpoint", expected)
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    assert all((numpy.asarray(array) == file[name]).all() for name, array in traverse_util.flatten_dict(restored, sep="/").items())
    assert bool(jax.numpy.isfinite(Model().apply(restored, tokens)).all())
