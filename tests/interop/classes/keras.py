"""Keras: every layer that has weights, under the paths of its variables."""
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy
from keras import layers

from proof import Case, Tensors


def tensors_of(variables):
    """Seeds and counters are no weights."""
    kept = [variable for variable in variables if numpy.asarray(variable).dtype.kind == "f"]
    return Tensors({variable.path: numpy.asarray(variable) for variable in kept},
                   parameters={variable.path for variable in kept if variable.trainable})


def builder(make, *shapes):
    """Calls the layer on symbolic inputs of these shapes, which makes its variables. Paths count from the first layer again."""
    def build(seed):
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(seed)
        layer = make()
        layer(*[keras.KerasTensor((1, *shape)) for shape in shapes])
        return tensors_of(layer.variables)
    return build


def case(name, make, *shapes, rules=()):
    return Case(f"keras.layers.{name}", "keras", "keras_default", builder(make, *shapes), rules=list(rules))


def with_lora(make, shape):
    def made():
        layer = make()
        layer.build((1, *shape))
        layer.enable_lora(4)
        return layer
    return made


class OnPair(layers.Layer):
    """Calls a layer that takes its inputs as one list."""

    def __init__(self, inner):
        super().__init__(name="on_pair")
        self.inner = inner

    def call(self, query, value):
        return self.inner([query, value])


GLOROT = {"init": "glorot_uniform"}
CASES = [
    case("Dense", lambda: layers.Dense(30), (40,)),
    case("Dense, named lstm_model", lambda: layers.Dense(32, name="lstm_model"), (40,)),
    case("Dense, with LoRA", with_lora(lambda: layers.Dense(30), (40,)), (40,)),
    case("EinsumDense, ab,bc->ac", lambda: layers.EinsumDense("ab,bc->ac", 30, bias_axes="c"), (40,)),
    case("EinsumDense, abc,cde->abde", lambda: layers.EinsumDense("abc,cde->abde", (5, 8, 16), bias_axes="de"), (5, 64)),
    case("EinsumDense, abde,dec->abc", lambda: layers.EinsumDense("abde,dec->abc", (5, 64), bias_axes="c"), (5, 8, 16),
         rules=[{"match": "einsum_dense/kernel", **GLOROT, "in_axis": [0, 1], "out_axis": 2}]),
    case("EinsumDense, with LoRA",
         with_lora(lambda: layers.EinsumDense("abc,cde->abde", (5, 8, 16), bias_axes="de"), (5, 64)), (5, 64)),
    case("Embedding", lambda: layers.Embedding(60, 24), (3,)),
    case("Embedding, with LoRA", with_lora(lambda: layers.Embedding(60, 24), (3,)), (3,)),
    case("ReversibleEmbedding", lambda: layers.ReversibleEmbedding(60, 24, tie_weights=False), (3,)),
    case("MultiHeadAttention", lambda: layers.MultiHeadAttention(8, 16), (5, 64), (5, 64)),
    case("MultiHeadAttention, without bias", lambda: layers.MultiHeadAttention(8, 16, use_bias=False), (5, 64), (5, 64)),
    case("GroupQueryAttention", lambda: layers.GroupQueryAttention(8, 8, 2), (5, 64), (5, 64)),
    case("GroupQueryAttention, without bias", lambda: layers.GroupQueryAttention(8, 8, 2, use_bias=False), (5, 64), (5, 64)),
    case("Attention", lambda: OnPair(layers.Attention(use_scale=True, score_mode="concat")), (5, 64), (5, 64)),
    case("AdditiveAttention", lambda: OnPair(layers.AdditiveAttention()), (5, 64), (5, 64)),
    case("Conv1D", lambda: layers.Conv1D(20, 5), (9, 6)),
    case("Conv1D, named stem", lambda: layers.Conv1D(20, 5, name="stem"), (9, 6), rules=[{"match": "stem/kernel", **GLOROT, "layout": "io"}]),
    case("Conv2D", lambda: layers.Conv2D(20, 3), (9, 9, 6)),
    case("Conv2D, with groups", lambda: layers.Conv2D(18, 3, groups=3), (9, 9, 6)),
    case("Conv2D, with LoRA", with_lora(lambda: layers.Conv2D(20, 3), (9, 9, 6)), (9, 9, 6)),
    case("Conv3D", lambda: layers.Conv3D(20, 3), (4, 4, 4, 6)),
    case("Conv1DTranspose", lambda: layers.Conv1DTranspose(20, 5), (9, 6)),
    case("Conv2DTranspose", lambda: layers.Conv2DTranspose(20, 3), (9, 9, 6)),
    case("Conv3DTranspose", lambda: layers.Conv3DTranspose(20, 3), (4, 4, 4, 6)),
    case("DepthwiseConv1D", lambda: layers.DepthwiseConv1D(5, depth_multiplier=3), (9, 6)),
    case("DepthwiseConv2D", lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (9, 9, 6)),
    case("SeparableConv1D", lambda: layers.SeparableConv1D(20, 5), (9, 6)),
    case("SeparableConv2D", lambda: layers.SeparableConv2D(20, 3), (9, 9, 6)),
    case("BatchNormalization", lambda: layers.BatchNormalization(), (30,)),
    case("BatchNormalization, with renorm", lambda: layers.BatchNormalization(renorm=True), (30,)),
    case("LayerNormalization", lambda: layers.LayerNormalization(), (30,)),
    case("LayerNormalization, over two axes", lambda: layers.LayerNormalization(axis=(1, 2)), (8, 50)),
    case("GroupNormalization", lambda: layers.GroupNormalization(3), (30,)),
    case("RMSNormalization", lambda: layers.RMSNormalization(), (30,)),
    case("RMSNormalization, named pre", lambda: layers.RMSNormalization(name="pre"), (30,), rules=[{"match": "pre/scale", "init": "ones"}]),
    case("SpectralNormalization", lambda: layers.SpectralNormalization(layers.Dense(30)), (40,)),
    case("Normalization", lambda: layers.Normalization(), (30,)),
    case("PReLU", lambda: layers.PReLU(), (8, 50)),
    case("SimpleRNN", lambda: layers.SimpleRNN(16), (3, 20)),
    case("GRU", lambda: layers.GRU(16), (3, 20)),
    case("GRU, with reset_after=False", lambda: layers.GRU(16, reset_after=False), (3, 20)),
    case("LSTM", lambda: layers.LSTM(16), (3, 20)),
    case("LSTM, named encoder", lambda: layers.LSTM(16, name="encoder"), (3, 20)),
    case("Bidirectional", lambda: layers.Bidirectional(layers.LSTM(16)), (3, 20)),
    case("StackedRNNCells", lambda: layers.RNN([layers.LSTMCell(16), layers.GRUCell(12), layers.SimpleRNNCell(8)]), (3, 20)),
    case("ConvLSTM1D", lambda: layers.ConvLSTM1D(8, 3), (3, 9, 5)),
    case("ConvLSTM2D", lambda: layers.ConvLSTM2D(8, 3), (3, 9, 9, 5)),
    case("ConvLSTM3D", lambda: layers.ConvLSTM3D(8, 3), (2, 4, 4, 4, 5)),
    case("TimeDistributed", lambda: layers.TimeDistributed(layers.Dense(30)), (5, 40)),
]
