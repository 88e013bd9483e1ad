#!/usr/bin/python3
"""Makes proto/vectors/ with the second implementation (tests/second_implementation/), which is written from proto/SPEC.md.

    /usr/bin/python3 tests/tables/vectors.py [--whole]

proto/vectors/README.md describes each file. The lists below have the requests, and the second implementation computes the
results. tests/unit/core/vectors.c and tests/http/test_vectors.py compare the C code with the files. A vector that is in a
file already must not change or disappear: then this program refuses to write. Tensors of more than 500 elements take long,
the largest half an hour. So the digest of a published tensor is kept, and only its ends are computed again; with --whole all
of it is computed.
"""
import json
import math
import pathlib
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))

from second_implementation import results, catalogue, floats, frameworks, ledger, requests, seeds  # noqa: E402

VECTORS = HERE.parents[2] / "proto" / "vectors"


def of(shape, init, **more):
    """A request for a tensor of the experiment `vectors`."""
    return {"experiment": "vectors", "name": "w", "shape": shape, "init": init, **more}


SEEDS = [
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "exp-42", "trial": 0, "name": "w"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "exp-42", "trial": 1, "name": "w"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "exp-42", "trial": 0, "name": "layers.0.attn.wq.weight"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "exp-42", "trial": 2 ** 63 - 1, "name": "w"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "é日𝄞", "trial": 256, "name": "λ"},
    {"root": bytes(range(32)).hex(), "experiment": "exp-42", "trial": 0, "name": "w"},
    {"root": "ff" * 32, "experiment": "e", "trial": 7, "name": "n"},
    # the longest texts; bytes that look like syntax; text that Unicode would call equal to another
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "x" * 256, "trial": 2 ** 32, "name": "日" * 170 + "ab"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "a\nb=c:\"\\", "trial": 1, "name": "\t \u0001"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "é", "trial": 1, "name": "w"},
    {"root": seeds.PUBLIC_ROOT.hex(), "experiment": "e\u0301", "trial": 1, "name": "w"},
]
PURPOSES = [{"root": root, "experiment": experiment, "trial": trial, "purpose": purpose} for root, experiment, trial, purpose in [
    (seeds.PUBLIC_ROOT.hex(), "exp-42", 0, "data"),
    (seeds.PUBLIC_ROOT.hex(), "exp-42", 0, "dropout"),
    (seeds.PUBLIC_ROOT.hex(), "exp-42", 1, "data"),
    (seeds.PUBLIC_ROOT.hex(), "exp-42", 2 ** 63 - 1, "python"),
    (bytes(range(32)).hex(), "exp-42", 0, "data"),
    (seeds.PUBLIC_ROOT.hex(), "é日𝄞", 256, "λ, \"w\""),
    (seeds.PUBLIC_ROOT.hex(), "e", 0, "x" * 256),
]]

# Chosen by hand. These were the first vectors.
DRAWS = [
    # the request that README and `make demo` show
    {"experiment": "exp-42", "name": "w", "shape": [4096, 4096], "init": "he_normal"},
    # laws, each in both widths, at an odd shape
    of([7, 5], "zeros"),
    of([7, 5], "ones", dtype="f64"),
    of([7, 5], "constant(-0.1)"),
    of([7, 5], "constant(-0.1)", dtype="f64"),
    of([7, 5], "uniform"),
    of([7, 5], "uniform", dtype="f64"),
    of([7, 5], "uniform(0,1)"),
    of([7, 5], "uniform(0,1)", dtype="f64"),
    of([7, 5], "uniform(-3,17.5)"),
    of([7, 5], "uniform(1.00000001,1.00000002)"),
    of([7, 5], "uniform(1.00000001,1.00000002)", dtype="f64"),
    of([7, 5], "normal(0,1)"),
    of([7, 5], "normal(0,1)", dtype="f64"),
    of([7, 5], "normal(-2.5,1e-05)"),
    of([7, 5], "normal(3,0)"),
    of([7, 5], "truncated_normal"),
    of([7, 5], "truncated_normal", dtype="f64"),
    of([7, 5], "truncated_normal(1,2,-0.5,inf)"),
    of([7, 5], "truncated_normal(0,1,-inf,inf)"),
    of([7, 5], "truncated_normal(0,1,2,4)", dtype="f64"),
    of([7, 5], "trunc_normal(0,0.02,-2,2)"),
    of([7, 5], "trunc_normal(0.5,1,0,0.75)"),
    of([7, 5], "trunc_normal(0,1)", dtype="f64"),
    of([7, 5], "trunc_normal(1,1e-08,1.00000001,1.00000002)"),
    # narrow types, overflow and underflow included
    of([3, 11], "normal(0,1)", dtype="f16"),
    of([3, 11], "normal(0,1)", dtype="bf16"),
    of([3, 11], "normal(0,1)", dtype="f8_e4m3"),
    of([3, 11], "normal(0,1)", dtype="f8_e5m2"),
    of([3, 11], "normal(0,3e-06)", dtype="f16"),
    of([3, 11], "normal(0,1e-39)", dtype="bf16"),
    of([3, 11], "normal(0,0.003)", dtype="f8_e4m3"),
    of([3, 11], "normal(0,300)", dtype="f8_e4m3"),
    of([3, 11], "normal(0,30000)", dtype="f8_e5m2"),
    of([3, 11], "normal(0,1e-40)"),
    of([3, 11], "uniform(0,1)", dtype="f16"),
    of([3, 11], "truncated_normal", dtype="bf16"),
    # the names of Keras and JAX, in both layouts, with every mode
    of([24, 17], "glorot_uniform"),
    of([24, 17], "glorot_normal", layout="io"),
    of([24, 17], "he_uniform"),
    of([24, 17], "he_uniform", layout="io"),
    of([3, 3, 8, 5], "he_normal", layout="io"),
    of([8, 5, 3, 3], "he_normal", dtype="f64"),
    of([24, 17], "lecun_uniform"),
    of([24, 17], "lecun_normal", dtype="bf16"),
    of([24, 17], {"type": "variance_scaling", "scale": 2.5, "mode": "fan_out", "distribution": "uniform"}),
    of([24, 17], {"type": "variance_scaling", "mode": "fan_avg", "distribution": "untruncated_normal"}),
    of([24, 17], {"type": "variance_scaling", "scale": 0.1}),
    # the names of PyTorch
    of([24, 17], "xavier_uniform"),
    of([24, 17], "xavier_normal(gain=1.4142135623730951)"),
    of([24, 17], "kaiming_uniform(a=2.23606797749979)"),
    of([24, 17], "kaiming_uniform(nonlinearity=selu)"),
    of([24, 17], "kaiming_normal(mode=fan_out,nonlinearity=relu)"),
    of([24, 17, 3], "kaiming_normal(nonlinearity=tanh)"),
    # the literature
    of([24, 17], "kwon_uniform(tanh)"),
    of([24, 17], "kwon_normal(relu)"),
    of([24, 17], "siren_uniform"),
    of([24, 17], "siren_uniform(first=true)"),
    of([24, 17], "small_normal"),
    of([24, 17], "wang_normal(28)"),
    of([24], "fan_uniform(17)"),
    # structures
    of([5, 7], "identity(2)"),
    of([6, 2, 3, 4], "dirac(groups=3)"),
    of([3, 5, 2], "dirac", layout="io"),
    of([2, 2, 4, 3], "bilinear"),
    of([12], "lstm_bias"),
    of([19, 9], "sparse(0.3)"),
    of([6, 6], "orthogonal"),
    of([19, 9], "orthogonal(2)"),
    of([9, 19], "orthogonal", dtype="f64"),
    of([19, 9], "orthogonal", dtype="f64"),
    of([3, 5, 50], "orthogonal"),
    of([5, 50, 3], "orthogonal", layout="io", dtype="bf16"),
    of([1, 1], "orthogonal"),
    of([300, 270], "orthogonal"),
    of([6, 4, 3, 2], "delta_orthogonal"),
    of([4, 3, 5], "delta_orthogonal(0.5)", layout="io", dtype="f64"),
    # axes and fans
    of([4, 6, 5], "he_normal", in_axis=[0, 1], out_axis=-1),
    of([4, 6, 5], "he_normal", batch_axis=0, in_axis=1, out_axis=2),
    of([4, 6, 5], "glorot_uniform", fan_in=100, fan_out=7),
    of([9], "he_normal"),
    # names, trials, shapes at their edges
    {"experiment": "é日𝄞", "trial": 1, "name": "λ.weight", "shape": [2, 3], "init": "normal"},
    {"experiment": " ", "name": "=&\n", "shape": [2, 3], "init": "normal"},
    {"experiment": "vectors", "trial": 9223372036854775807, "name": "w", "shape": [2, 3], "init": "normal"},
    {"experiment": "vectors", "trial": 4294967296, "name": "w", "shape": [2, 3], "init": "normal"},
    of([], "normal"),
    of([], "he_uniform", dtype="f64"),
    of([0], "normal"),
    of([1, 0, 9223372036854775807], "zeros"),
    of([1, 2, 1, 3, 1, 2, 1, 2], "normal"),
    of([1000003], "normal"),
    # slices and shards, the ends of the longest streams among them
    of([7, 5], "normal(0,1)", slice="2:5,1:-1"),
    of([7, 5], "normal(0,1)", slice="5:2"),
    of([7, 5], "normal(0,1)", shard="1:1/2"),
    of([6, 7, 8], "normal(0,1)", slice="1:3,:,3:6", dtype="f16"),
    of([19, 9], "sparse(0.3)", slice="4:11,2:5"),
    of([9, 19], "orthogonal", slice="2:7,11:13"),
    of([68719476736], "normal", slice="-21:"),
    of([68719476736], "uniform", slice="4294967290:4294967300", dtype="bf16"),
    of([131072, 262144], "truncated_normal", dtype="f64", slice="-1:,-9:"),
]

# A small tensor of each entry: (shape, fields), in each of the dtypes.
CELLS = {
    "zeros": ([2, 3], "zeros", {}),
    "ones": ([2, 3], "ones", {}),
    "constant": ([2, 3], "constant(-0.3)", {}),
    "uniform": ([3, 5], "uniform(-1,3)", {}),
    "normal": ([3, 5], "normal(0.1,2)", {}),
    "truncated_normal": ([3, 5], "truncated_normal(1,0.5,-1,2.5)", {}),
    "trunc_normal": ([3, 5], "trunc_normal(0,1,-0.5,2)", {}),
    "variance_scaling": ([4, 6], "variance_scaling(2,fan_avg,uniform)", {}),
    "glorot_uniform": ([4, 6], "glorot_uniform", {}),
    "glorot_normal": ([4, 6], "glorot_normal", {"layout": "io"}),
    "he_uniform": ([3, 2, 2, 2], "he_uniform", {}),
    "he_normal": ([2, 2, 2, 3], "he_normal", {"layout": "io"}),
    "lecun_uniform": ([4, 6], "lecun_uniform", {"fan_in": 10}),
    "lecun_normal": ([4, 6], "lecun_normal", {}),
    "xavier_uniform": ([4, 6], "xavier_uniform(1.5)", {}),
    "xavier_normal": ([4, 6], "xavier_normal(0.5)", {}),
    "kaiming_uniform": ([4, 6], "kaiming_uniform(a=0.1)", {}),
    "kaiming_normal": ([4, 6], "kaiming_normal(mode=fan_out,nonlinearity=tanh)", {}),
    "kwon_uniform": ([4, 6], "kwon_uniform(logistic)", {}),
    "kwon_normal": ([4, 6], "kwon_normal(relu)", {}),
    "siren_uniform": ([4, 6], "siren_uniform(omega=10)", {}),
    "small_normal": ([4, 6], "small_normal", {}),
    "wang_normal": ([4, 6], "wang_normal(12)", {}),
    "fan_uniform": ([7], "fan_uniform(12)", {}),
    "identity": ([3, 4], "identity(-1.7)", {}),
    "dirac": ([4, 2, 3], "dirac(2)", {}),
    "bilinear": ([1, 2, 3, 4], "bilinear", {}),
    "lstm_bias": ([8], "lstm_bias(0.7)", {}),
    "sparse": ([6, 5], "sparse(0.4,1)", {}),
    "orthogonal": ([3, 5], "orthogonal", {}),
    "delta_orthogonal": ([3, 2, 3], "delta_orthogonal(2)", {}),
    "arange": ([2, 5], "arange(-1.7,0.3)", {}),
    "log_arange": ([2, 5], "log_arange", {}),
    "tril": ([2, 3, 4], "tril(0.3,-1.7)", {}),
    "inverse_frequency": ([7], "inverse_frequency", {}),
    "sinusoid": ([5, 8], "sinusoid", {}),
    "dt_bias": ([3, 5], "dt_bias", {}),
}

# Bounds at which z64 decreases from one word to the next, so only the contract's bisection finds their rank.
FALLS = (-1.157472026682862, -1.928825536834829, -1.5497230443025358)

EDGES = [
    # zeros and their signs: a number that rounds to zero keeps its sign, a parameter -0 is 0
    of([3], "constant(-0)"),
    of([3], "constant(-1e-50)"),
    of([3], "constant(-1e-10)", dtype="f8_e4m3"),
    of([8], "uniform(-1e-46,-9.999999999999998e-47)"),
    of([8], "uniform(-1e-46,1e-46)"),
    of([2, 4], "xavier_uniform(0)"),
    of([8], "uniform(-2e-46,1e-46)"),
    of([8], "normal(-1e-46,1e-46)"),
    of([8], "normal(0,1e-46)"),
    of([8], "normal(0,1e-9)", dtype="f16"),
    of([8], "normal(0,1e-41)", dtype="bf16"),
    of([3, 3], "orthogonal(0)"),
    of([3, 3], "orthogonal(1e-44)"),
    of([2, 2], "identity(-1e-50)"),
    # denormals of each dtype
    of([12], "normal(0,3e-324)", dtype="f64"),
    of([12], "normal(0,1e-309)", dtype="f64"),
    of([12], "uniform(0,5e-324)", dtype="f64"),
    of([12], "uniform(-1e-308,1e-308)", dtype="f64"),
    of([12], "truncated_normal(0,1e-310,-1,2)", dtype="f64"),
    of([12], "normal(0,2e-45)"),
    of([12], "uniform(0,1.401298464324817e-45)"),
    of([12], "uniform(-1e-38,1e-38)"),
    of([12], "truncated_normal(0,1e-44)"),
    of([12], "normal(0,1e-7)", dtype="f16"),
    of([12], "uniform(-6e-8,6e-8)", dtype="f16"),
    of([12], "normal(0,1e-40)", dtype="bf16"),
    of([12], "normal(0,0.001)", dtype="f8_e4m3"),
    of([12], "normal(0,1e-05)", dtype="f8_e5m2"),
    # the largest numbers of each dtype, and saturation
    of([12], "uniform(-1e+308,7e+307)", dtype="f64"),
    of([12], "normal(0,1e+307)", dtype="f64"),
    of([12], "uniform(-3.4028234663852886e+38,0)"),
    of([12], "normal(0,1e+37)"),
    of([3], "constant(65519.99)", dtype="f16"),
    of([12], "uniform(-65504,65504)", dtype="f16"),
    of([12], "normal(0,8000)", dtype="f16"),
    of([3], "constant(1e+38)", dtype="f8_e4m3"),
    of([12], "normal(0,1e+30)", dtype="f8_e5m2"),
    of([12], "uniform(400,500)", dtype="f8_e4m3"),
    # bounds with no number of the format between them, or one, or two
    of([6], "uniform(0.1,0.10000000000000002)", dtype="f64"),
    of([6], "uniform(0.1,0.10000000000000003)", dtype="f64"),
    of([6], "uniform(0.1,0.10000001)"),
    of([6], "uniform(16777216,16777218)"),
    of([6], "uniform(16777216.5,16777217.5)"),
    of([6], "trunc_normal(0.1,1e-16,0.1,0.10000000000000002)", dtype="f64"),
    of([6], "trunc_normal(1,1e-09,1.000000001,1.000000002)"),
    of([6], "uniform(3,3)"),
    of([6], "uniform(-0.1,-0.1)", dtype="f16"),
    of([6], "truncated_normal(2,0,-1,1)"),
    of([6], "truncated_normal(2,0,-inf,inf)"),
    of([6], "normal(-2,0)", dtype="f64"),
    # bounds where z decreases
    *(of([12], f"truncated_normal(0,1,{bound},inf)", dtype="f64") for bound in FALLS),
    *(of([12], f"truncated_normal(0,1,-inf,{-bound})", dtype="f64") for bound in FALLS),
    of([12], f"truncated_normal(0,1,{FALLS[0]},{-FALLS[0]})"),
    # bounds whose 64-bit rank lies halfway between two 32-bit ones, which gives the lower one
    of([12], "truncated_normal(0,1,-5.463062554389333,-4.154)"),
    of([12], "truncated_normal(0,1,-5.461305379804235,-4.154)"),
    of([12], "truncated_normal(0,1,4.154,5.29867170200711)"),
    # bounds far from the mean, infinite, on one side; spans of 2^16 words and a few more
    of([12], "truncated_normal(0,1,-9.5,9.5)", dtype="f64"),
    of([12], "truncated_normal(0,1,-7,7)"),
    of([12], "truncated_normal(0,1,-6.3,6.3)"),
    of([12], "truncated_normal(0,1,-inf,-4)"),
    of([12], "truncated_normal(0,1,4,inf)", dtype="f64"),
    of([12], "truncated_normal(3,2,0,1.5)", dtype="bf16"),
    of([12], "trunc_normal(0,1,-inf,0)"),
    of([12], "truncated_normal(0,1,4.169571062244237,inf)"),
    of([12], "truncated_normal(0,1,4.169571062244237,inf)", dtype="f64"),
    of([12], "truncated_normal(0,1,0,3.824782030008075e-05)"),
    of([12], "truncated_normal(0,1,0,3.824782030008075e-05)", dtype="f64"),
    # slices: bounds left out, negative, beyond the axis, in the wrong order; of all ranks
    *(of([5, 4], "normal(0,1)", slice=cut) for cut in
      ("1:", ":2", "-2:", ":-3", "1:3,2:", "-100:100", "100:", "4:2", ":0", ":,3:4", "2:3,-1:", "-3:-1,-3:-1")),
    of([24], "normal(0,1)", slice="3:11"),
    of([2, 3, 4], "normal(0,1)", slice="1:,:2,1:3"),
    of([2, 2, 2, 2, 2, 2, 2, 2], "normal(0,1)", slice="1:,:1,:,1:2,:,:,0:1,-1:"),
    of([2, 2, 2, 2, 2, 2, 2, 2], "normal(0,1)", slice=":,1:", dtype="f64"),
    of([5, 0, 3], "normal(0,1)", slice="1:3"),
    of([6, 5], "sparse(0.5,1)", slice="1:3,4:"),
    of([4, 7], "orthogonal", slice="3:,2:5"),
    of([3, 2, 3], "delta_orthogonal", slice=":,1:,1:2"),
    of([4, 4, 3, 3], "dirac", slice="1:3,1:3,1:2,1:2"),
    of([2, 2, 4, 4], "bilinear", slice=":,:1,1:3,:2"),
    of([16], "lstm_bias(2)", slice="3:9"),
    of([9, 9], "identity", slice="3:5,2:6"),
    # shards: even, uneven, empty, of several axes, counted from the last axis, of more pieces than the axis has elements
    *(of([10, 3], "normal(0,1)", shard=f"0:{rank}/4") for rank in range(4)),
    *(of([5, 2], "normal(0,1)", shard=f"0:{rank}/4") for rank in range(4)),
    of([6, 4], "normal(0,1)", shard="0:1/2,1:3/4"),
    of([6, 4], "normal(0,1)", shard="-1:1/2"),
    of([6, 4, 5], "normal(0,1)", shard="2:1/3,0:2/3", dtype="f64"),
    of([3], "normal(0,1)", shard="0:7/9223372036854775807"),
    of([3], "normal(0,1)", shard="0:0/1"),
    of([9, 19], "orthogonal", shard="0:2/3", dtype="bf16"),
    # far words of the stream: around element 2^32, and the last ones
    of([2 ** 36], "normal", slice="4294967295:4294967299"),
    of([2 ** 36], "uniform(0,1)", slice="-4:", dtype="f8_e4m3"),
    of([2 ** 18, 2 ** 18], "truncated_normal", slice="-2:,-3:", dtype="f16"),
    of([2 ** 35], "normal", slice="4294967295:4294967299", dtype="f64"),
    of([2 ** 17, 2 ** 9, 2 ** 9], "uniform", slice="-1:,-1:,-4:", dtype="f64"),
    of([2 ** 20, 3], "sparse(0,1)", slice="1048570:1048573"),
    # layouts, axes, fans
    of([3, 4], "he_normal", layout="io"),
    of([2, 3, 4], "glorot_uniform", layout="io"),
    of([2, 3, 4], "glorot_uniform", in_axis=-1, out_axis=0),
    of([2, 3, 4], "glorot_uniform", in_axis=[0, 2], out_axis=[1]),
    of([2, 3, 4], "he_uniform", batch_axis=2),
    of([2, 3, 4], "he_uniform", batch_axis=[0], in_axis=1, out_axis=-1),
    of([6], "he_normal", in_axis=0),
    of([6], "he_normal", batch_axis=0),
    of([6], "glorot_normal", out_axis=0),
    of([6], "lecun_normal", fan_in=3, fan_out=9223372036854775807),
    of([6], "he_normal", fan_in=9223372036854775807),
    of([], "glorot_uniform"),
    of([0, 5], "he_normal"),
    of([2, 2], "eye(3)"),
    of([4, 3, 5, 2], "dirac", layout="io"),
    of([3, 4, 1, 1], "bilinear", layout="io"),
    of([3, 1, 4], "bilinear"),
    of([2, 3, 4, 5], "orthogonal(0.5)", slice="1:,2:,1:3,:2"),
    of([2, 3, 2, 3], "delta_orthogonal", layout="io"),
    # batch axes: the layout's axes are counted without them
    of([2, 3, 4], "he_normal", batch_axis=0),
    of([2, 3, 4], "he_normal", batch_axis=1),
    of([3, 4, 2], "glorot_uniform", batch_axis=-1, layout="io"),
    of([3, 4], "he_uniform", batch_axis=0),
    # structures: one array for each batch entry, wherever its axes are
    of([2, 3, 4], "identity(2)", batch_axis=0),
    of([3, 2, 4], "identity", batch_axis=1, layout="io"),
    of([3, 4, 2], "identity(-1)", batch_axis=2, in_axis=0, out_axis=1),
    of([2, 4, 2, 3], "dirac(2)", batch_axis=0),
    of([3, 4, 2, 4], "dirac", batch_axis=2, layout="io"),
    of([2, 3, 4, 5], "dirac", in_axis=[0, 2], out_axis=3),
    of([4, 2, 3], "dirac", in_axis=[1, 2], out_axis=0),
    of([2, 3, 2, 4], "bilinear", batch_axis=0, in_axis=2, out_axis=1),
    of([4, 2, 3, 3, 2], "bilinear", in_axis=1, out_axis=4),
    of([3, 8], "lstm_bias", batch_axis=0),
    of([8, 3], "lstm_bias(2)", batch_axis=1, in_axis=0),
    of([2, 4, 3], "lstm_bias", batch_axis=[0, 2]),
    of([3, 5, 4], "sparse(0.5,1)", batch_axis=0),
    of([5, 4], "sparse(0.5,1)", layout="io"),
    of([5, 4], "sparse(0.5,1)", in_axis=0, out_axis=1),
    of([5, 3, 9], "sparse(0.4,1)", batch_axis=1, layout="io", dtype="f64"),
    of([5, 9, 3], "sparse(0.4,1)", batch_axis=2, slice="1:4,2:,:2"),
    *(of([3, 4, 4], "orthogonal", batch_axis=0, dtype=dtype) for dtype in ("f32", "f64", "bf16")),
    of([4, 8, 8], "orthogonal", batch_axis=0, in_axis=2, out_axis=1),
    of([3, 2, 5], "orthogonal(2)", batch_axis=0, layout="io"),
    of([3, 2, 5], "orthogonal", batch_axis=1, slice="1:,:,2:4"),
    of([3, 2, 2, 3], "orthogonal", batch_axis=[1, -1]),
    of([4, 3], "orthogonal", in_axis=0, out_axis=1),
    of([2, 3, 2, 2], "orthogonal", in_axis=0, out_axis=1),
    of([2, 3, 4], "orthogonal", in_axis=2, out_axis=[0, 1]),
    of([2, 250, 3], "orthogonal", batch_axis=0, slice="1:,240:"),
    of([3, 4, 2, 3], "delta_orthogonal", batch_axis=0),
    of([3, 2, 3, 2], "delta_orthogonal", batch_axis=3, dtype="f64"),
    of([2, 3, 2, 3], "delta_orthogonal(0.5)", batch_axis=0, layout="io"),
    of([2, 3, 3], "delta_orthogonal", in_axis=0, out_axis=1, slice=":,1:,:2"),
    of([4, 3], "arange", batch_axis=1),
    of([4, 2, 3], "log_arange(1,2)", batch_axis=[1, 2]),
    of([3, 2, 4], "tril", batch_axis=1),
    of([2, 4, 3], "tril(1,-1)", batch_axis=2, slice=":,1:,1:"),
    of([3, 2], "inverse_frequency", batch_axis=1),
    of([3, 4, 2], "sinusoid", batch_axis=2),
    # blocks: the out side in parts
    of([12, 3], "orthogonal(blocks=4)"),
    of([3, 12], "orthogonal(blocks=4)", layout="io"),
    of([3, 12], "orthogonal(2,2)", layout="io", slice="1:,4:9", dtype="f64"),
    of([2, 6, 4], "orthogonal(blocks=3)", batch_axis=0, slice="1:,1:5,2:"),
    of([2, 3, 4], "orthogonal(blocks=3)", in_axis=2, out_axis=[0, 1]),
    of([4, 2], "orthogonal(blocks=1)"),
    of([2, 2, 3, 4], "orthogonal(blocks=4)", batch_axis=1, layout="io"),
    of([6, 2, 3], "delta_orthogonal(blocks=3)"),
    of([2, 3, 2, 4], "delta_orthogonal(blocks=2)", batch_axis=0, layout="io"),
    # an initializer in both ways, its parameters in any order and spelling
    of([4], " normal ( std = 2e0 , mean = +1.5 ) "),
    of([4], {"type": "normal", "std": 2, "mean": 1.5}),
    of([4], {"type": "truncated_normal", "std": 1, "lower": "-inf", "upper": 0.5}),
    of([4, 4], {"type": "siren_uniform", "first": True}),
    of([4, 4], "kaiming_normal(.5, fan_out)"),
    of([4, 4], {"type": "kaiming_uniform", "nonlinearity": "conv_transpose2d", "mode": "fan_out", "a": -3}),
    of([4], "zeros()"),
    of([2, 2], "siren_uniform(1E+2,first=false)", dtype="float16"),
    of([4], "normal(0,1)", dtype="float8_e4m3fn"),
    of([4], "normal(0,1)", dtype="double", spec=1, format="raw", trial=0),
    # the longest texts
    {"experiment": "x" * 256, "trial": 9223372036854775806, "name": "日" * 170 + "ab", "shape": [3], "init": "normal"},
    # zero rows and columns: of laws and structures, of one axis and of several, in slices and shards, the most of them
    of([6, 4], "normal(0,1)", zero_rows=0),
    of([6, 4], "normal(0,1)", zero_rows=[-1, 0], dtype="bf16"),
    of([6, 4], "ones", zero_columns=[2], dtype="f16"),
    of([5, 3, 4], "uniform(-3,-1)", zero_rows=2, zero_columns=[3, 0], dtype="f64"),
    of([2, 3, 2, 3], "normal(0,1)", zero_columns=-1, layout="io", fan_in=7),
    of([7], "normal(0,1)", zero_rows=[-1], zero_columns=[2]),
    of([7], "constant(-1)", zero_columns=[3, 0], dtype="f8_e5m2"),
    of([3, 1], "ones", zero_columns=0),
    of([20, 3], "normal(0,1)", zero_rows=[19, 3, 5, 4, 0, 18, 11, 10], dtype="f8_e4m3"),
    of([3, 20], "normal(0,1)", zero_columns=[19, 3, 5, 4, 0, 18, 11, 10]),
    of([0, 3], "normal", zero_columns=2),
    of([3, 0, 2], "normal", zero_rows=1),
    of([2 ** 36], "normal", zero_rows=-2, slice="-4:"),
    of([2 ** 18, 2 ** 18], "normal", zero_columns=-2, zero_rows=2 ** 18 - 1, slice="-3:,-4:", dtype="f16"),
    of([5, 4], "normal(0,1)", zero_rows=[1, 3], zero_columns=2, slice="1:,1:3"),
    of([4, 5, 6], "normal(0,1)", zero_rows=[1, 2], zero_columns=4, slice=":,2:4,3:"),
    *(of([10, 3], "normal(0,1)", zero_rows=[0, 4, 9], shard=f"0:{rank}/4") for rank in range(4)),
    of([6, 4], "normal(0,1)", zero_columns=[1, 2], shard="-1:1/2"),
    of([9, 9], "identity", zero_rows=4, zero_columns=2),
    of([8], "lstm_bias(2)", zero_rows=3),
    of([6, 5], "sparse(0.5,1)", zero_rows=0, zero_columns=-1),
    of([4, 7], "orthogonal", zero_rows=[1], slice="1:,2:5"),
    of([3, 2, 3], "delta_orthogonal", zero_columns=1, dtype="bf16"),
    # tables: the frameworks' shapes, far positions, extreme parameters, empty axes
    of([1, 12], "arange"),
    of([2 ** 36], "arange(0.5,0.1)", slice="-3:"),
    of([2 ** 35], "arange(-1,3)", dtype="f64", slice="-3:"),
    of([5], "arange(65519.99,-32759.995)", dtype="f16"),
    of([4], "arange(3,-1)"),
    of([4], "arange(1e38,5e37)", dtype="f8_e4m3"),
    of([4], "arange(-1e308,6e307)", dtype="f64"),
    of([3, 0], "arange(5)"),
    of([0, 9223372036854775807], "arange(0,1e10)"),
    of([24], "log_arange"),
    of([3, 16], "log_arange", slice="1:,5:9"),
    of([5], "log_arange(5e-324,0)", dtype="f64"),
    of([5], "log_arange(0.25,0.25)", dtype="f64"),
    of([5], "log_arange(1e308,1e307)", dtype="f64"),
    of([2 ** 35], "log_arange", dtype="f64", slice="-3:"),
    of([1, 1, 5, 5], "tril"),
    of([5, 5], "tril(0,-3.4e38)"),
    of([2, 6, 3], "tril", dtype="f8_e5m2"),
    of([2 ** 18, 2 ** 18], "tril", slice="131071:131074,131071:131074"),
    of([32], "inverse_frequency(500000)"),
    of([64], "inverse_frequency(1e+308)", dtype="f64", slice="55:"),
    of([6], "inverse_frequency(1)", dtype="f64"),
    of([1500, 384], "sinusoid(order=halves,endpoint=true)", slice="1497:,189:195"),
    of([20, 6], "sinusoid(order=halves,endpoint=true)", dtype="f64"),
    of([20, 6], "sinusoid(order=halves)", dtype="f64"),
    of([20, 6], "sinusoid", dtype="f64"),
    of([2, 3, 4], "sinusoid(100,endpoint=true)", dtype="bf16"),
    of([2 ** 34, 2], "sinusoid", dtype="f64", slice="-9:"),
    of([2 ** 32, 4], "sinusoid(1.5,endpoint=true)", dtype="f64", slice="-5:"),
    of([3, 0], "sinusoid(endpoint=true)"),
    of([24], "dt_bias", dtype="f64"),
    of([24], "dt_bias(1e-5,1,0.01)", dtype="f64"),
    of([12], "dt_bias(0.6,0.8)", dtype="f64"),
    of([12], "dt_bias(5e-324,1e300,0)", dtype="f64"),
    of([6], "dt_bias(0.5,0.5,0)"),
    of([12], "dt_bias(10,60000)", dtype="f16"),
    of([64, 64], "dt_bias", slice="3:9,61:"),
]


GOOD = {"experiment": "vectors", "name": "w", "shape": [4, 6], "init": "normal"}
QUERY = {"experiment": "vectors", "name": "w", "shape": "4,6", "init": "normal"}


def wrong(**fields):
    """A good request with some fields replaced; None removes a field."""
    return {"request": {name: value for name, value in {**GOOD, **fields}.items() if value is not None}}


def wrong_query(**fields):
    pairs = {name: value for name, value in {**QUERY, **fields}.items() if value is not None}
    return {"query": "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in pairs.items())}


def wrong_init(*expressions, **fields):
    return [wrong(init=expression, **fields) for expression in expressions]


PLAIN_QUERY = wrong_query()["query"]
REFUSALS = [
    # fields that are missing, unknown, doubled, empty
    *(wrong(**{name: None}) for name in GOOD),
    wrong(nmae="w"),
    wrong(Name="w"),
    *({"query": PLAIN_QUERY + more} for more in ("&x=1", "&name=v", "&trial=0&trial=0", "&trial=", "&dtype=")),
    {"query": "trial&" + PLAIN_QUERY},
    {"query": PLAIN_QUERY.replace("name=w", "name=")},
    {"body": json.dumps(GOOD)[:-1] + ',"name":"v"}'},
    {"body": json.dumps(GOOD)[:-1] + ',"trial":1e999}'},
    {"body": json.dumps(GOOD)[:-1] + ',"trial":18446744073709551616}'},
    {"body": json.dumps(GOOD)[:-1]},
    {"body": "[]"},
    # texts
    wrong(experiment="x" * 257),
    wrong(name="é" * 257),
    wrong(name=""),
    wrong(name=7),
    {"query": PLAIN_QUERY.replace("name=w", "name=%ff")},
    {"query": PLAIN_QUERY.replace("name=w", "name=%ed%a0%80")},
    {"query": PLAIN_QUERY.replace("name=w", "name=a%00b")},
    {"body": json.dumps({**GOOD, "name": "a\0b"})},
    wrong(name="__metadata__", format="safetensors"),
    # numbers
    *(wrong_query(trial=text) for text in ("-1", "-0", "+1", "01", "1.0", "1e3", " 1", "0x1", "9223372036854775808", "\uff11")),
    *(wrong(trial=value) for value in (-1, 1.0, "1", True, [1])),
    *(wrong(fan_in=value) for value in (0, -1, "3")),
    wrong_query(fan_out="0"),
    wrong(spec=2),
    # shapes
    *(wrong_query(shape=text) for text in ("4,", ",4", "4,,6", "-1", "4x6", "1,1,1,1,1,1,1,1,1", "9223372036854775808", " ", "4 6",
                                         "(4,,)", "(,)", "[4)", "((4))", "torch.Size(4)", "torch.Size((4,))", "torch.Size", "[-1]", "[4.0]")),
    *(wrong(shape=value) for value in (4, "4,6", [-1], [1.0], [[4]], [1] * 9)),
    wrong(shape=[2 ** 36 + 1]),
    wrong(shape=[2 ** 35 + 1], dtype="f64"),
    wrong(shape=[2 ** 32, 2 ** 32]),
    wrong(shape=[3, 0, 2 ** 63 - 1]),
    # dtypes, layouts, formats, axes
    *(wrong(dtype=text) for text in ("f31", "f32 ", "int32", "f8", "F8_E8M0", "torch.f32", "np.float", "np.bfloat16", "torch.float8_e4m3fnuz", 32)),
    wrong(layout="OI"),
    wrong(layout=""),
    wrong(format="csv"),
    *(wrong(in_axis=value) for value in (2, -3, [], [0, 0], [0, -2], "x", 0.0)),
    wrong(out_axis=1),
    wrong(in_axis=0),
    wrong(batch_axis=0, in_axis=0),
    wrong(batch_axis=0, shape=[4, 6, 5], in_axis=1),
    wrong(batch_axis=1, in_axis=1, out_axis=0),
    wrong(shape=[], init="zeros", batch_axis=0),
    # expressions
    *wrong_init("", " ", "nromal", "Normal", "normal(", "normal)", "normal(0,1", "normal(0,1))", "normal(0,1)x", "normal 0", "(0,1)", "0",
                "normal(0,,1)", "normal(,)", "normal(0,1,2)", "normal(sd=1)", "normal(std=1,std=1)", "normal(1,mean=1)", "normal(std=1,0)",
                "normal(std=)", "normal(std==1)", "normal(std=1;mean=0)", "normal(std=x)", "normal(std='1')", "normal\t(0,1)", "normal(0,1)" + " " * 1024),
    *wrong_init(*(f"constant({text})" for text in ("1.", ".", "e5", "1e", "1e+", "00", "01", "--1", "0x1p3", "1_0", "1e309", "-1e309", "1.7976931348623159e308", "inf",
                                                    "-inf", "nan", "true", "1f", "infinity"))),
    *wrong_init("wang_normal", "wang_normal(0)", "wang_normal(-1)", "wang_normal(1.0)", "wang_normal(1e3)", "wang_normal(+1)", "wang_normal(-0)",
                "wang_normal(9007199254740993)", "wang_normal(9223372036854775808)", "siren_uniform(first=1)", "siren_uniform(first=True)", "siren_uniform(0)",
                "torch.nn.init.he_normal", "torch.nn.init.HeNormal", "jax.nn.initializers.normal_", "keras.initializers.kaiming_normal", "initializers.normal", "he_normal_",
                "torch.nn.init.", "normal_(stddev=1)", "RandomNormal(std=1)", "HeNormal(seed=1)", "eye_(2)", "constant_", "jax.nn.initializers.variance_scaling(2)",
                "jax.nn.initializers.variance_scaling(2,fan_in,untruncated_normal)", "VarianceScaling(distribution=normal)", "jax.nn.initializers.uniform(0,1)",
                "uniform_(1,0)", "uniform_(2)", "jax.nn.initializers.uniform(-1)",
                "kwon_normal", "kwon_normal(selu)", "kwon_normal(0)", "variance_scaling(mode=FAN_IN)", "kaiming_normal(mode=fan_avg)"),
    *wrong_init({}, {"std": 1}, {"type": 1}, {"type": "normal(0,1)"}, {"type": "normal", "std": "1"}, {"type": "normal", "std": None}, {"type": "normal", "sd": 1},
                {"type": "wang_normal", "layers": 1.0}, {"type": "wang_normal", "layers": 2 ** 53 + 1}, {"type": "siren_uniform", "first": 1},
                {"type": "truncated_normal", "lower": "+inf"}, {"type": "constant", "value": "inf"}, ["normal"], 1),
    # domains
    *wrong_init("normal(std=-1)", "normal(std=-5e-324)", "trunc_normal(std=0)", "sparse", "sparse(-0.1)", "sparse(1.0000000000000002)", "orthogonal(-1)",
                "variance_scaling(0)", "uniform(1,0)", "uniform(0.1,0.09999999999999999)"),
    *wrong_init("truncated_normal(lower=2,upper=2)", "truncated_normal(lower=2,upper=-2)", "truncated_normal(2,0,1,1)", "trunc_normal(0,1,inf,inf)",
                "truncated_normal(lower=inf,upper=inf)"),
    # bounds with too few words between them: one less than 2^16, for f64 too
    *wrong_init("truncated_normal(0,1,4.169571062244238,inf)", "truncated_normal(0,1,0,3.8247820300080745e-05)", "truncated_normal(0,1,40,41)"),
    *wrong_init("truncated_normal(0,1,4.169571062244238,inf)", dtype="f64"),
    # values that a dtype cannot represent
    *wrong_init("constant(65520)", "normal(0,20000)", "normal(3e+16,0)", "uniform(0,65521)", "uniform(-70000,70000)", "truncated_normal(0,40000,-2,2)", "identity(1e5)",
                "orthogonal(65500)", "sparse(0.5,12000)", dtype="f16"),
    *wrong_init("constant(3.4e+38)", "normal(0,1e+38)", dtype="bf16"),
    *wrong_init("constant(3.4028235677973366e+38)", "normal(0,1e+38)", "uniform(-3.5e+38,3e+38)", "constant(1e+300)", "truncated_normal(0,1e+39)"),
    *wrong_init("normal(0,1e+308)", "uniform(-1e+308,1e+308)", "truncated_normal(0,1e+308,-2,2)", dtype="f64"),
    *wrong_init("constant(3.5e+38)", "normal(0,1e+38)", dtype="f8_e4m3"),
    # ranks, and the conditions of an entry on the shape
    *(wrong(init=init, shape=shape) for init, shape in (
        ("xavier_normal", [4]), ("orthogonal", []), ("identity", [4]), ("identity", [4, 4, 4]), ("dirac", [4, 4]), ("dirac", [1] * 6), ("bilinear", [4, 4]), ("lstm_bias", [4, 4]),
        ("lstm_bias", [6]), ("sparse(0.5)", [4]), ("delta_orthogonal", [2, 3, 3]), ("delta_orthogonal", [3, 3]), ("dirac(2)", [3, 2, 3]), ("dirac(8)", [4, 4, 3]),
        ("sparse(0.5)", [2 ** 22 + 1, 2]), ("arange", []), ("log_arange", []), ("tril", [4]), ("inverse_frequency", []), ("sinusoid", [4]), ("sinusoid", [4, 5]),
        ("sinusoid(endpoint=true)", [4, 2]), ("dt_bias(0.2,0.1)", [4]))),
    # ranks are counted without batch axes; so are rows and blocks
    *(wrong(init=init, shape=shape, batch_axis=axes) for init, shape, axes in (
        ("orthogonal", [4, 4], 0), ("orthogonal", [4, 4], [0, 1]), ("identity", [4, 4], 1), ("identity", [4, 4, 4, 4], 0), ("dirac", [2, 3, 4], 0), ("bilinear", [1] * 7, 0),
        ("lstm_bias", [8, 8, 8], 0), ("lstm_bias", [8, 6], 0), ("sparse(0.5)", [4, 4], 0), ("sparse(0.5)", [2 ** 20, 2 ** 13, 1], 0), ("delta_orthogonal", [4, 4, 4], 2),
        ("delta_orthogonal", [4, 2, 3, 3], 0), ("dirac(2)", [2, 3, 4, 4], 0), ("xavier_normal", [4, 4], 0))),
    *(wrong(init=init, shape=shape, batch_axis=axes) for init, shape, axes in (("arange", [4], 0), ("tril", [4, 4], 0), ("sinusoid", [4, 3, 2], 2), ("sinusoid", [4, 6], 0))),
    *wrong_init("orthogonal(blocks=3)", "orthogonal(1,0)", "orthogonal(blocks=1.5)", "orthogonal(blocks=9007199254740993)", "delta_orthogonal(blocks=2)"),
    wrong(init="orthogonal(blocks=4)", layout="io"),
    wrong(init="orthogonal(blocks=4)", shape=[2, 4, 6], batch_axis=1),
    wrong(init="delta_orthogonal(blocks=2)", shape=[4, 3, 3]),
    wrong(init="delta_orthogonal(blocks=3)", shape=[4, 1, 3]),
    wrong(init="dirac", shape=[2 ** 62, 4, 0], out_axis=[0, 1], in_axis=2, fan_in=1, fan_out=1),
    wrong(init="orthogonal", shape=[2 ** 62, 4, 0], out_axis=[0, 1], in_axis=2, fan_in=1, fan_out=1),
    *wrong_init("log_arange(0)", "log_arange(-1)", "log_arange(1,-1)", "log_arange(1e308,1e308)", "inverse_frequency(0.9999999999999999)", "sinusoid(0)", "sinusoid(order=both)",
                "sinusoid(endpoint=1)", "dt_bias(0)", "dt_bias(high=0)", "dt_bias(floor=-1)", "dt_bias(high=1e301)", "tril(1e39)", "tril(0,-1e39)", "tril(inf)", "arange(1e39)",
                "arange(0,1e39)", "dt_bias(1,1e39)", "dt_bias(floor=1e39)"),
    *wrong_init("arange(65000,200)", "arange(-65000,-200)", "tril(1,65520)", "dt_bias(1,65520)", dtype="f16"),
    *wrong_init("arange(1e308,1e308)", dtype="f64"),
    # slices and shards
    *(wrong(slice=text) for text in ("", "1", "x:", ":,:,:", "0:2:1", "0:1.0", "-0:", "+1:", "01:", "0:9223372036854775808", "0:99999999999999999999", "0 :1", ":;:", 1)),
    *(wrong(shard=text) for text in ("", "0", "0:1", "0:0/0", "0:2/2", "0:-1/2", "2:0/2", "-3:0/2", "0:0/2,0:1/2", "0:0/2,-2:1/2", "0/1:2", "0:0/2,", "0:0/99999999999999999999")),
    wrong(slice="0:1", shard="0:0/2"),
    wrong(shape=[], init="zeros", slice=":"),
    # the first of several problems: malformed and doubled fields, unknown ones, the fields in their order, their combination
    {"query": "x=1&" + PLAIN_QUERY + "&trial=-1&trial=0"},
    {"query": "x=1&" + PLAIN_QUERY + "&trial=-1"},
    wrong(spec=2, trial=-1, dtype="f31"),
    wrong(shape=[2 ** 37], init="nromal"),
    wrong(shape=[2 ** 37], spec=2),
    wrong(shape=[2 ** 37], in_axis=0),
    wrong(shape=[4], init="dirac(0)"),
    wrong(shape=[4, 4], init="dirac(3)"),
    wrong(in_axis=0, init="identity(1e39)"),
    # zero rows and columns
    *(wrong(zero_rows=value) for value in (4, -5, [], [0, 0], [0, -4], "0", "x", 0.0, 1.5, [1.0], [[0]], True, {}, 2 ** 63 - 1, -2 ** 63, list(range(9)))),
    *(wrong(zero_columns=value) for value in (6, -7, [1, -5], ["1"], {"0": 1})),
    *(wrong_query(zero_rows=text) for text in ("", "4", "-0", "+1", "0,", "1.0", "0-1", "0 ,1", "0,0", "9223372036854775808")),
    wrong_query(zero_columns="0,1,6"),
    wrong(shape=[20], zero_rows=list(range(9))),
    wrong(shape=[20, 20], zero_columns=list(range(9))),
    wrong(shape=[], init="zeros", zero_rows=0),
    wrong(shape=[], init="zeros", zero_columns=-1),
    wrong(shape=[0, 3], zero_rows=0),
    wrong(shape=[3, 0], zero_columns=-1),
    wrong(zero_columns=9, zero_rows=9),
    wrong(slice="x", zero_columns=9),
    wrong(fan_out=0, zero_rows=9),
]

# Of the frameworks' names with required parameters.
REQUIRED = {"val": 0.5, "value": 0.5, "sparsity": 0.25, "scale": 2.0, "mode": "fan_avg", "distribution": "normal"}
PLANS = [
    GOOD,
    *(of(shape, init, **more) for shape, init, more in CELLS.values()),
    of([6], "he_normal"),
    of([], "he_normal"),
    of([0, 3], "glorot_uniform"),
    of([2, 3, 4], "glorot_normal", layout="io"),
    of([2, 3, 4], "he_uniform", in_axis=[0, 2], out_axis=1, dtype="bf16"),
    of([2, 3, 4], "he_uniform", batch_axis=-1, fan_out=77),
    of([2, 3, 4], "lecun_normal", in_axis=[1, 0], out_axis=2, fan_in=10),
    of([4096, 1024], "kaiming_normal(a=2.23606797749979)", slice="-1:,:5", format="raw"),
    of([4096, 1024], "kaiming_uniform(nonlinearity=relu)", shard="1:3/7", format="safetensors", dtype="f16"),
    of([3], "constant(0.1)", trial=9223372036854775807),
    of([3], "uniform(1e-05,123456789012345680)"),
    of([3], "constant(7.120236347223045e-307)", dtype="f64"),  # 2^-1017, whose repr has one digit less than %.17g
    of([3], "normal(-1e15,1e-300)"),
    of([3], {"type": "truncated_normal", "lower": "-inf", "upper": "inf", "mean": 1e14, "std": 0.5}),
    of([4, 4], "eye"),
    of([8, 4], "orthogonal(blocks=2)"),
    of([2, 8, 4], "orthogonal(blocks=1)", batch_axis=0),
    of([8, 3, 3], "delta_orthogonal(0.5,2)"),
    of([50257, 768], "normal(0,0.02)", zero_rows=-1),
    of([4, 6], "he_uniform", in_axis=0, out_axis=1, fan_in=2, zero_columns=[5, 0], zero_rows=[1], layout="io"),
    # the frameworks' names: their defaults, their parameters
    *(of(CELLS[signature.entry.name][0], {"type": name, **{p.name: REQUIRED[p.name] for p in signature.parameters if p.default is None}})
      for name, signature in frameworks.NAMES.items() if name not in catalogue.NAMES and not name.startswith(("nn.", "tf."))),
    of([4, 6], "torch.nn.init.normal_(0.1, std=2)"),
    of([4, 6], "nn.init.uniform_(b=0.5)"),
    of([4, 6], "kaiming_uniform_(2.23606797749979, fan_out)"),
    of([4, 6], "RandomNormal(stddev=0.02)", layout="io"),
    of([4, 6], "tf.keras.initializers.RandomUniform(-2, maxval=3)"),
    of([4, 6], "VarianceScaling(mode=fan_avg, distribution=uniform)"),
    of([4, 6], "jax.nn.initializers.variance_scaling(2, fan_out, normal)"),
    of([4, 6], "nn.initializers.truncated_normal(0.5, -1, 3)"),
    of([4, 6], "jax.nn.initializers.uniform(scale=3)"),
    *(of([2], "ones", dtype=name) for name in requests.DTYPE_NAMES),
]

FILES = [
    *(of([3, 5], "zeros", dtype=dtype) for dtype in floats.DTYPES),
    *(of(shape, "zeros") for shape in ([], [0], [7], [1, 1], [100000], [12, 34, 56], [1] * 8, [2 ** 31], [0, 9223372036854775807], [12345678901, 0, 123456789])),
    of([40, 50], "zeros", slice="1:3,:7"),
    of([2 ** 36], "zeros", dtype="f8_e4m3", slice="1:1234567890"),
    of([5, 4], "zeros", shard="0:3/4"),
    *(of([3, 5], "zeros", dtype=dtype, format="safetensors") for dtype in floats.DTYPES),
    of([], "ones", format="safetensors"),
    of([5, 0], "ones", format="safetensors"),
    of([4, 6], "normal", slice="1:3,2:", format="safetensors", trial=12345678901234567),
    {"experiment": 'a"b\\c/\n\u0001\u007fé日', "name": '\t"λ\\', "shape": [2], "init": "zeros", "format": "safetensors"},
    of([2, 3], "normal", format="raw"),
]

TRANSFORMER = {
    "blocks": "blocks",
    "defaults": {"init": "normal(std=0.02)", "dtype": "bf16"},
    "rules": [
        {"match": "*.bias", "init": "zeros"},
        {"match": {"name": "*norm*", "rank": 1}, "init": "ones", "dtype": "f32"},
        {"match": "*.out.weight", "init": "normal(std=0.02/sqrt(2*layers))"},
        {"match": "nothing", "init": "ones"},
    ],
    "tensors": [
        {"name": "embed.weight", "shape": [11, 8]},
        {"name": "blocks.0.norm.weight", "shape": [8]},
        {"name": "blocks.0.norm.bias", "shape": [8]},
        {"name": "blocks.0.in.weight", "shape": [12, 8]},
        {"name": "blocks.0.in.bias", "shape": [12]},
        {"name": "blocks.0.out.weight", "shape": [8, 12]},
        {"name": "blocks.1.out.weight", "shape": [8, 12], "layout": "io"},
        {"name": "head.weight", "shape": [11, 8], "init": {"type": "orthogonal", "gain": 0.5}, "dtype": "f64"},
    ],
}
# tied tensors: before and after the tensor that they are the same as, in chains, by rules; fans beside one; names that need escapes
TIED = {
    "defaults": {"init": "normal(std=0.02)", "dtype": "bf16"},
    "rules": [
        {"match": "heads.*.weight", "same_as": "lm_head.weight"},
        {"match": {"name": "*.bias", "beside": "weight"}, "init": "fan_uniform(weight.fan_in)"},
        {"match": "wte.*", "init": "orthogonal", "dtype": "f32"},
    ],
    "tensors": [
        {"name": "lm_head.weight", "shape": [5, 4], "same_as": "wte.weight", "dtype": "f32"},
        {"name": "lm_head.bias", "shape": [5]},
        {"name": "wte.weight", "shape": [5, 4]},
        {"name": "heads.0.weight", "shape": [5, 4]},
        {"name": "heads.1.weight", "shape": [5, 4], "init": "zeros"},
        {"name": 'a "tied" é', "shape": [5], "same_as": "lm_head.bias"},
        {"name": "empty", "shape": [0, 3], "same_as": "none"},
        {"name": "none", "shape": [0, 3]},
    ],
}
MANIFESTS = [
    {"tensors": [{"name": "w", "shape": [2, 3], "init": "he_normal"}]},
    TRANSFORMER,
    # every field of a tensor, in other spellings
    {"tensors": [{"shape": [2, 3, 4], "name": "a/b", "init": " truncated_normal ( .5 , upper = inf )", "dtype": "float16", "layout": "io", "in_axis": [-1, 0], "out_axis": 1,
                  "fan_in": 3, "fan_out": 4},
                 {"name": "c", "shape": [2, 2], "init": "eye"},
                 {"name": "d", "shape": [2, 3, 4], "init": "zeros()", "batch_axis": -1, "in_axis": 0, "out_axis": 1}]},
    # names that need escapes, and shortest decimals
    {"tensors": [{"name": 'q"\\\b\f\n\r\t\u0001\u001f\u007f/é日𝄞', "shape": [1], "init": "uniform(-1e-7,1e22)"},
                 {"name": "e", "shape": [1], "init": "constant(123456789012345680)"},
                 {"name": "f", "shape": [1], "init": "constant(999999999999999)"},
                 {"name": "g", "shape": [1], "init": "constant(0.1)", "dtype": "double"},
                 {"name": "h", "shape": [1], "init": "normal(5e-324,0.30000000000000004)"}]},
    # precedence: the tensor, the rules in their order, the defaults; conditions; globs
    {"layers": 7,
     "defaults": {"init": "constant(1)", "dtype": "f16", "layout": "io"},
     "rules": [{"match": "a?", "init": "constant(2)"},
               {"match": "a[0-3x]", "init": "constant(3)", "dtype": "f64"},
               {"match": "[!a]*", "init": "constant(layers)"},
               {"match": {"rank": [2, 3]}, "layout": "oi", "fan_in": 9},
               {"match": {"dtype": "half", "name": "*"}, "fan_out": 5},
               {"match": "x\\*", "dtype": "f8_e5m2"}],
     "tensors": [{"name": "a1", "shape": [2]}, {"name": "a12", "shape": [2]}, {"name": "ax", "shape": [2, 2], "dtype": "f32"}, {"name": "b", "shape": [1, 2, 3]},
                 {"name": "x*", "shape": []}, {"name": "xy", "shape": []}, {"name": "日", "shape": [3], "init": "constant(-0)"}]},
    # tensors beside others, and formulas with fans
    {"rules": [{"match": {"beside": "weight", "beside_rank": [2, 5]}, "init": "fan_uniform(weight.fan_in)"},
               {"match": {"beside": "weight"}, "init": "constant(weight.fan_out * 2 / 3)"},
               {"match": "*weight", "init": "normal(std=1/sqrt(weight.fan_in), mean=0)"}],
     "tensors": [{"name": "fc.weight", "shape": [6, 5]}, {"name": "fc.bias", "shape": [6]},
                 {"name": "conv/weight", "shape": [4, 3, 2, 2], "layout": "oi"}, {"name": "conv/bias", "shape": [4]},
                 {"name": "norm.weight", "shape": [5]}, {"name": "norm.bias", "shape": [5]}, {"name": "weight", "shape": [3, 9], "layout": "io"}]},
    # towers: each has its own number of layers; blocks; the leftmost list counts; sums
    {"blocks": ["h", "encoder.layer"],
     "defaults": {"init": "uniform(low=-1*block,high=sqrt(2*(layers - block)+1e+0))"},
     "tensors": [{"name": "h.3.w", "shape": [2, 4]}, {"name": "h/11/5/w", "shape": [2, 4]}, {"name": "a.h.2.h.9.w", "shape": [1]},
                 {"name": "encoder/layer.0.w", "shape": [1]}, {"name": "v2.encoder.layer.4.layer.5.w", "shape": [1], "init": "normal(std=0.02/sqrt(2*(block+1)))"},
                 {"name": "h.1234567890.w", "shape": [1], "init": "zeros"}]},
    {"blocks": "h", "layers": 24, "tensors": [{"name": "h.3.w", "shape": [2, 4], "init": "wang_normal( layers * 2 )"}, {"name": "h3.w", "shape": [1], "init": "constant(sqrt(layers)*.5)"}]},
    # constants; sizes that must be equal; tensors beside that are not siblings; tensors that are left out
    {"constants": {"std": 0.006, "d_kv": 64, "layer_scale": 1e-6},
     "leave_out": ["*.mask*", "nothing"],
     "rules": [{"match": {"name": "*.weight", "shape": ["n", "m"], "beside": "bias", "beside_shape": ["n"]}, "init": "normal(std=std)"},
               {"match": {"name": "*.weight", "shape": ["n", "m"]}, "init": "normal(std=1/sqrt(d_kv*weight.fan_in))"},
               {"match": {"name": "*bias", "beside": "../in_proj_weight"}, "init": "zeros"},
               {"match": {"name": "*bias", "beside": "../logit_scale", "beside_shape": []}, "init": "constant(layer_scale)"},
               {"match": {"shape": ["*", 3, "*"]}, "leave_out": True},
               {"match": "*", "refuse": "add a rule."}],
     "tensors": [{"name": "fc.weight", "shape": [6, 5]}, {"name": "fc.bias", "shape": [6]}, {"name": "conv1d.weight", "shape": [5, 6]}, {"name": "conv1d.bias", "shape": [6]},
                 {"name": "attn.in_proj_weight", "shape": [6, 2], "init": "xavier_uniform"}, {"name": "attn.out_proj.bias", "shape": [2]}, {"name": "logit_scale", "shape": [], "init": "ones"},
                 {"name": "attn.mask", "shape": [1]}, {"name": "x", "shape": [1, 3, 2]}, {"name": "fc.t", "shape": [6], "same_as": "fc.bias"}]},
    # zero rows and columns: of a tensor, of a rule, of the defaults
    {"defaults": {"init": "normal", "zero_columns": -1},
     "rules": [{"match": "*embed*", "zero_rows": [-1, 0]}, {"match": "*", "layout": "io"}],
     "tensors": [{"name": "embed", "shape": [5, 3]}, {"name": "pad_embed", "shape": [5, 3], "zero_rows": 1, "zero_columns": [2, 0]}, {"name": "b", "shape": [4]}]},
    TIED,
    # fans of tensors that are not siblings
    {"rules": [{"match": {"name": "*bias.weight", "beside": "../q.weight"}, "init": "normal(std=1/sqrt(../q.weight.fan_in))"},
               {"match": "*", "init": "constant(../../head.weight.fan_out/../q.weight.fan_in)"}],
     "tensors": [{"name": "a.q.weight", "shape": [6, 5]}, {"name": "a.bias.weight", "shape": [2, 3]}, {"name": "head.weight", "shape": [7, 3], "init": "zeros"}]},
]

MODELS = [
    {"manifest": MANIFESTS[0], "experiment": "vectors"},
    {"manifest": TRANSFORMER, "experiment": "vectors", "trial": 3},
    {"manifest": TRANSFORMER, "experiment": "vectors", "tensors": "blocks.*"},
    *({"manifest": TRANSFORMER, "experiment": "vectors", "part": f"{k}/3"} for k in range(3)),
    {"manifest": TRANSFORMER, "experiment": "vectors", "part": "6/40"},
    *({"manifest": TRANSFORMER, "experiment": "vectors", "shard": f"0:{rank}/3"} for rank in range(3)),
    {"manifest": TRANSFORMER, "experiment": "vectors", "shard": "1:1/2"},
    {"manifest": TRANSFORMER, "experiment": "vectors", "shard": "-1:0/2,1:1/2"},
    {"manifest": TRANSFORMER, "experiment": "é \"日\"", "trial": 2 ** 63 - 1, "tensors": "*[!s]", "part": "1/2", "shard": "-1:0/3,0:1/2"},
    {"manifest": MANIFESTS[4], "experiment": "vectors", "shard": "0:1/2"},
    {"manifest": MANIFESTS[9], "experiment": "vectors"},
    {"manifest": MANIFESTS[9], "experiment": "vectors", "shard": "0:1/2"},
    {"manifest": TIED, "experiment": "vectors"},
    {"manifest": TIED, "experiment": "vectors", "tensors": "lm_head.weight"},
    {"manifest": TIED, "experiment": "vectors", "tensors": "*[!t]", "shard": "0:1/2"},
    *({"manifest": TIED, "experiment": "vectors", "part": f"{k}/2"} for k in range(2)),
]
INDEXES = [
    {"manifest": TRANSFORMER, "parts": 1},
    {"manifest": TRANSFORMER, "parts": 4},
    {"manifest": TRANSFORMER, "parts": 3, "tensors": "*weight"},
    {"manifest": TIED, "parts": 2},
    {"manifest": TIED, "parts": 2, "tensors": "[hn]*"},
]

# Two daemons with these secret keys wrote into one ledger.
SECRETS = [bytes(range(32)), bytes(range(100, 132))]


def ledger_lines():
    first, second = (ledger.public_key(secret).hex() for secret in SECRETS)
    root = seeds.root_id(seeds.PUBLIC_ROOT).hex()
    about = {"root": root, "experiment": 'exp "42"\n'}
    drifted = {"experiment": "vectors", "name": "w", "shape": [3], "init": "normal(0,1)"}
    return [
        (first, results.recorded_draw(GOOD, "2026-01-31T12:00:00.000Z")),
        (first, results.recorded_draw(drifted, "2026-01-31T12:00:00.001Z", drift=1)),
        (second, results.recorded_draw({**of([2, 3, 4], "he_uniform", in_axis=[0, 2], out_axis=1, fan_in=77, trial=2 ** 63 - 1), "name": "a\nb=1:λ"},
                                       "2026-01-31T11:59:59.999Z", manifest=results.manifest(MANIFESTS[0])["hash"])),
        (first, {"time": "2026-02-28T23:59:59.999Z", "kind": "trials", **about, "trial": 0, "count": 1}),
        (second, {"time": "2026-03-01T00:00:00.000Z", "kind": "trials", **about, "trial": 1, "count": 1000000, "key": "retry: 7"}),
        (first, {"time": "2026-03-01T00:00:00.000Z", "kind": "pin", **about}),
        (first, {"time": "9999-12-31T23:59:59.999Z", "kind": "unpin", **about}),
        (second, results.recorded_draw(of([], "zeros", dtype="f8_e4m3", layout="io", trial=1), "2028-02-29T00:00:00.000Z")),
        (second, results.recorded_draw(of([9, 4], "normal", in_axis=0, out_axis=1, fan_out=3, zero_columns=-1, zero_rows=[8, 0], trial=2),
                                       "2028-02-29T00:00:00.000Z")),
    ]


# Arguments of the elementary functions: ordinary ones, and those where a step of the computation is at its limit.
HALVES = [math.pi / 4, math.nextafter(math.pi / 4, 0), math.nextafter(math.pi / 4, 1), math.pi / 2, math.pi, 3 * math.pi / 4, 2 * math.pi, 11.0, 1e5, 710.0, 1500.5,
          6381956970095103 * 2.0 ** -28, 2.0 ** 36, 2.0 ** 36 - 0.125, 0.0, 5e-324, 1e-8, 0.1, 0.5, 1.0, 2.0, 3.0]
LOGARITHMS = [1.0, 2.0, 3.0, 10.0, 10000.0, 0.5, 0.1, math.sqrt(0.5), math.nextafter(math.sqrt(0.5), 0), math.nextafter(math.sqrt(0.5), 1), math.nextafter(1, 2), math.nextafter(1, 0),
              5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e-300, 500000.0, 1.4142135623730951]
POWERS = [0.0, 1.0, -1.0, 0.5, -0.5, 1e-9, -1e-17, 0.34657359027997264, 0.3465735902799727, -0.34657359027997264, 2.302585092994046, -9.210340371976184, 709.0, -708.5, -709.1, -745.0, -745.5,
          100.25, -37.5, 5e-324]
TIME_STEPS = [0.001, 0.1, 0.0001, 0.34, math.nextafter(0.34, 0), 0.693147180559945, 0.6931471805599453, 0.7, 1.0, 5.0, 40.0, math.nextafter(40, 41), 5e-324, 1e300, 1e-17, 0.01]


def functions():
    """(the function's name, an argument), also some drawn from a stream."""
    for names, arguments, low, high in (("ln",), LOGARITHMS, 0.5, 2e4), (("exp",), POWERS, -30, 30), (("sin", "cos"), HALVES, 0, 1e4), (("inverse_softplus",), TIME_STEPS, 0.0001, 2):
        stream = seeds.Stream(bytes(32))
        drawn = [low + (high - low) * (stream.word(i, 8) >> 11) / 2 ** 53 for i in range(32)]
        yield from ((name, x) for name in names for x in arguments + drawn)


def cells():
    for entry in catalogue.ENTRIES:
        shape, init, more = CELLS[entry.name]
        for dtype in floats.DTYPES:
            yield of(shape, init, dtype=dtype, **more)


def draw(asked, published):
    """The result of a request; for a long tensor that is published, the digest is kept."""
    for old in published if "--whole" not in sys.argv else []:
        if old["request"] == asked and old["elements"] > results.WHOLE_UP_TO:
            return {**results.draw(asked), "blake2b_256": old["blake2b_256"]}
    return results.draw(asked, whole_up_to=math.inf)


def read(name, key):
    path = VECTORS / name
    return json.loads(path.read_text())[key] if path.exists() else []


def write(name, **lists):
    """{"spec":1,"<key>":[…], …}, one vector on each line."""
    for key, vectors in lists.items():
        for at, old in enumerate(read(name, key)):
            if old not in vectors:
                sys.exit(f"{name}: number {at} of {key} would change or disappear: {json.dumps(old)[:300]}")
    parts = [f'"{key}":[\n' + ",\n".join(json.dumps(vector, ensure_ascii=False, separators=(",", ":")) for vector in vectors) + "\n]"
             for key, vectors in lists.items()]
    (VECTORS / name).write_text('{"spec":1,' + ",\n".join(parts) + "}\n")
    print(name, ", ".join(f"{len(vectors)} {key}" for key, vectors in lists.items()))


def main():
    made = results.lines(ledger_lines())
    heads = [results.head(SECRETS[0], "2026-06-01T00:00:00.000Z", made[:8]), results.head(SECRETS[1], "2026-06-01T00:00:00.000Z", made[:8]),
             results.head(SECRETS[0], "2026-06-01T00:00:00.000Z", made[:2]), results.head(SECRETS[0], "2026-06-01T00:00:00.000Z", []),
             results.head(SECRETS[0], "2028-03-01T00:00:00.000Z", made)]
    write("refusals.json", refusals=list(map(results.refusal, REFUSALS)))
    write("plans.json", plans=list(map(results.plan, PLANS)))
    write("files.json", files=list(map(results.file, FILES)))
    write("manifests.json", manifests=list(map(results.manifest, MANIFESTS)))
    write("models.json", models=list(map(results.model, MODELS)), indexes=list(map(results.index, INDEXES)))
    write("ledger.json", lines=made, heads=heads)
    write("elementary.json", functions=[results.function(name, x) for name, x in functions()])
    write("seeds.json", seeds=[results.seed(asked) for asked in SEEDS])
    write("purposes.json", purposes=[results.purpose(asked) for asked in PURPOSES])
    for name, asked in (("draws.json", DRAWS), ("cells.json", cells()), ("edges.json", EDGES)):
        published = read(name, "draws")
        write(name, draws=[draw(request, published) for request in asked])


if __name__ == "__main__":
    main()
