"""Flax: the modules of flax.linen and of flax.nnx that have parameters. Names of linen's are joined by "/", those of nnx by ".", as
most code does it."""
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy
from flax import linen, nnx, traverse_util

from proof import Case, Tensors


def tensors_of(arrays, separator, parameters):
    """Keys and counters are no weights."""
    found = {separator.join(map(str, path)): array for path, array in arrays.items() if jnp.issubdtype(array.dtype, jnp.floating)}
    return Tensors({name: numpy.array(array) for name, array in found.items()}, parameters={name for name in found if parameters(name)})


def linen_case(name, make, *shapes, rules=(), impossible="", **arguments):
    class Holder(linen.Module):
        """Gives the module the name that linen counts, as Dense_0."""

        @linen.compact
        def __call__(self, *inputs):
            return make()(*inputs, **arguments)

    inputs = [jnp.zeros((1, *shape), jnp.int32 if shape == () else jnp.float32) for shape in shapes]
    initialize = jax.jit(lambda key: Holder().init(key, *inputs))

    def build(seed):
        variables = traverse_util.flatten_dict(initialize(jax.random.key(seed)))
        return tensors_of(variables, "/", lambda name: name.startswith("params/"))
    return Case(f"flax.linen.{name}", "flax", "flax_default", build, rules=list(rules), impossible=impossible)


def cell_case(name, make, *shape, rules=()):
    """A recurrent cell takes its carry first."""
    def made():
        cell = make()
        return lambda x: cell(cell.initialize_carry(jax.random.key(0), x.shape), x)
    return linen_case(name, made, shape, rules=rules)


def nnx_case(name, make, rules=(), attribute="m"):
    class Holder(nnx.Module):
        def __init__(self, rngs):
            setattr(self, attribute, make(rngs))

    def build(seed):
        module = Holder(nnx.Rngs(seed))
        state = dict(nnx.to_flat_state(nnx.state(module)))
        return tensors_of({path: variable[...] for path, variable in state.items()}, ".", lambda name: True)
    return Case(f"flax.nnx.{name}", "flax", "flax_default", build, rules=list(rules))


class Block(linen.Module):
    @linen.compact
    def __call__(self, x, _):
        return linen.Dense(24)(x), None


def scanned():
    layers = linen.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=6)()
    return lambda x: layers(x, None)


DIVIDED = "none: it keeps its kernel divided by the norm; take the values of the module"
LECUN = {"init": "lecun_normal", "layout": "io"}
LINEN = [
    linen_case("Dense", lambda: linen.Dense(60), (80,)),
    linen_case("DenseGeneral, one axis to two", lambda: linen.DenseGeneral((8, 16)), (64,)),
    linen_case("DenseGeneral, two axes to one", lambda: linen.DenseGeneral(64, axis=(-2, -1)), (8, 16)),
    linen_case("DenseGeneral, two axes to two", lambda: linen.DenseGeneral((8, 10), axis=(-2, -1)), (6, 16),
               rules=[{"match": "*/kernel", "init": "lecun_normal", "in_axis": [0, 1], "out_axis": [2, 3]}]),
    linen_case("Einsum", lambda: linen.Einsum((16, 8, 12), "abc,cde->abde"), (5, 16)),
    linen_case("Conv, one axis", lambda: linen.Conv(40, (5,)), (9, 16)),
    linen_case("Conv, two axes", lambda: linen.Conv(40, (3, 3)), (9, 9, 16)),
    linen_case("Conv, without bias", lambda: linen.Conv(40, (3, 3), use_bias=False), (9, 9, 16)),
    linen_case("Conv, with groups", lambda: linen.Conv(48, (3, 3), feature_group_count=4), (9, 9, 16)),
    linen_case("ConvTranspose", lambda: linen.ConvTranspose(40, (3, 3)), (9, 9, 16)),
    linen_case("ConvLocal", lambda: linen.ConvLocal(40, (3,)), (9, 16)),
    linen_case("Embed", lambda: linen.Embed(100, 40), ()),
    linen_case("BatchNorm", lambda: linen.BatchNorm(use_running_average=False), (30,)),
    linen_case("LayerNorm", lambda: linen.LayerNorm(), (30,)),
    linen_case("LayerNorm, over two axes", lambda: linen.LayerNorm(reduction_axes=(-2, -1), feature_axes=(-2, -1)), (8, 50)),
    linen_case("RMSNorm", lambda: linen.RMSNorm(), (30,)),
    linen_case("GroupNorm", lambda: linen.GroupNorm(3), (30,)),
    linen_case("InstanceNorm", lambda: linen.InstanceNorm(), (5, 30)),
    linen_case("SpectralNorm", lambda: linen.SpectralNorm(linen.Dense(60)), (80,), update_stats=False, impossible=DIVIDED),
    linen_case("WeightNorm", lambda: linen.WeightNorm(linen.Dense(60)), (80,), impossible=DIVIDED),
    linen_case("PReLU", lambda: linen.PReLU(), (30,)),
    linen_case("MultiHeadDotProductAttention", lambda: linen.MultiHeadDotProductAttention(8, qkv_features=128), (5, 64)),
    linen_case("MultiHeadDotProductAttention, without bias",
               lambda: linen.MultiHeadDotProductAttention(8, qkv_features=128, use_bias=False), (5, 64)),
    cell_case("SimpleCell", lambda: linen.SimpleCell(40), 60),
    cell_case("LSTMCell", lambda: linen.LSTMCell(40), 60),
    cell_case("OptimizedLSTMCell", lambda: linen.OptimizedLSTMCell(40), 60),
    cell_case("GRUCell", lambda: linen.GRUCell(40), 60),
    cell_case("MGUCell", lambda: linen.MGUCell(40), 60),
    cell_case("ConvLSTMCell", lambda: linen.ConvLSTMCell(16, (3, 3)), 9, 9, 8),
    linen_case("Bidirectional", lambda: linen.Bidirectional(linen.RNN(linen.LSTMCell(40)), linen.RNN(linen.LSTMCell(40))), (3, 60)),
    linen_case("scan of a Dense", scanned, (24,), rules=[{"match": "*/kernel", **LECUN, "batch_axis": 0}]),
]
NNX = [
    nnx_case("Linear", lambda rngs: nnx.Linear(80, 60, rngs=rngs)),
    nnx_case("LinearGeneral, one axis to two", lambda rngs: nnx.LinearGeneral(64, (8, 16), rngs=rngs),
             rules=[{"match": "m.kernel", "init": "lecun_normal", "in_axis": 0, "out_axis": [1, 2]}]),
    nnx_case("LinearGeneral, two axes to one", lambda rngs: nnx.LinearGeneral((8, 16), 64, axis=(-2, -1), rngs=rngs)),
    nnx_case("Einsum", lambda rngs: nnx.Einsum("abc,cde->abde", (16, 8, 12), (8, 12), rngs=rngs),
             rules=[{"match": "m.kernel", **LECUN}]),
    nnx_case("Conv", lambda rngs: nnx.Conv(16, 40, (3, 3), rngs=rngs)),
    nnx_case("Conv, one axis", lambda rngs: nnx.Conv(16, 40, (5,), rngs=rngs)),
    nnx_case("ConvTranspose", lambda rngs: nnx.ConvTranspose(16, 40, (3, 3), rngs=rngs)),
    nnx_case("Embed", lambda rngs: nnx.Embed(100, 40, rngs=rngs)),
    nnx_case("BatchNorm", lambda rngs: nnx.BatchNorm(30, rngs=rngs)),
    nnx_case("LayerNorm", lambda rngs: nnx.LayerNorm(30, rngs=rngs)),
    nnx_case("RMSNorm", lambda rngs: nnx.RMSNorm(30, rngs=rngs)),
    nnx_case("GroupNorm", lambda rngs: nnx.GroupNorm(30, 3, rngs=rngs)),
    nnx_case("InstanceNorm", lambda rngs: nnx.InstanceNorm(30, rngs=rngs)),
    nnx_case("WeightNorm", lambda rngs: nnx.WeightNorm(nnx.Linear(80, 60, rngs=rngs), rngs=rngs),
             rules=[{"match": "m.scales.*", "init": "ones"}]),
    nnx_case("PReLU", lambda rngs: nnx.PReLU()),
    nnx_case("MultiHeadAttention", lambda rngs: nnx.MultiHeadAttention(8, 64, 128, rngs=rngs)),
    nnx_case("LoRA", lambda rngs: nnx.LoRA(80, 8, 60, rngs=rngs)),
    nnx_case("LoRALinear", lambda rngs: nnx.LoRALinear(80, 60, lora_rank=8, rngs=rngs)),
    nnx_case("SimpleCell", lambda rngs: nnx.SimpleCell(60, 40, rngs=rngs)),
    nnx_case("LSTMCell", lambda rngs: nnx.LSTMCell(60, 40, rngs=rngs)),
    nnx_case("OptimizedLSTMCell", lambda rngs: nnx.OptimizedLSTMCell(60, 40, rngs=rngs)),
    nnx_case("GRUCell", lambda rngs: nnx.GRUCell(60, 40, rngs=rngs)),
]
CASES = LINEN + NNX
