#!/usr/bin/python3
"""Makes proto/vectors/ with the second implementation (tests/second_implementation/), which is written from proto/SPEC.md.

    /usr/bin/python3 tests/tables/vectors.py

What each file is, proto/vectors/README.md says. The lists below say what is asked; the answers come from the second
implementation, and the C code is held against the files (tests/unit/vectors.c, tests/http/test_vectors.py). A vector
that is in a file already may not change or go: this program refuses to write then. Tensors of more than 500 elements
take it minutes, so that the digest of one that was published is kept; its ends are made again.
"""
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))

from second_implementation import answers, catalogue, floats, seeds  # noqa: E402

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

# Chosen by hand. These were the first vectors.
DRAWS = [
    # the one that README and `make demo` show
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
    of([2, 0, 9223372036854775807], "zeros"),
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

# A small tensor of each entry: (shape, what is asked), in each of the dtypes.
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
}

# Bounds at which z64 falls from one word to the next, so that only the contract's bisection finds their rank.
FALLS = (-1.157472026682862, -1.928825536834829, -1.5497230443025358)

EDGES = [
    # zeros and their signs: what is rounded to zero keeps its sign, a parameter -0 is 0
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
    # the largest numbers of each dtype, and what saturates
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
    # bounds that no number of the format lies between, or one, or two
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
    # bounds at falls of z
    *(of([12], f"truncated_normal(0,1,{bound},inf)", dtype="f64") for bound in FALLS),
    *(of([12], f"truncated_normal(0,1,-inf,{-bound})", dtype="f64") for bound in FALLS),
    of([12], f"truncated_normal(0,1,{FALLS[0]},{-FALLS[0]})"),
    # bounds whose 64-bit rank lies halfway between two 32-bit ones, which takes the lower
    of([12], "truncated_normal(0,1,-5.463062554389333,-4.154)"),
    of([12], "truncated_normal(0,1,-5.461305379804235,-4.154)"),
    of([12], "truncated_normal(0,1,4.154,5.29867170200711)"),
    # bounds far out, infinite, on one side; spans of 2^16 words and a few more
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
    # slices: bounds left out, negative, beyond the axis, the wrong way round; of all ranks
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
    # shards: even, uneven, empty, of several axes, counted from the last axis, of more pieces than there is to cut
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
]


def cells():
    for entry in catalogue.ENTRIES:
        shape, init, more = CELLS[entry.name]
        for dtype in floats.DTYPES:
            yield of(shape, init, dtype=dtype, **more)


def draw(asked, published):
    """The answer to a request; of a long tensor that was published, the digest is kept."""
    for old in published:
        if old["request"] == asked and old["elements"] > answers.WHOLE_UP_TO:
            return {**answers.draw(asked), "blake2b_256": old["blake2b_256"]}
    return answers.draw(asked, whole_up_to=math.inf)


def read(name, key):
    path = VECTORS / name
    return json.loads(path.read_text())[key] if path.exists() else []


def write(name, **lists):
    """{"spec":1,"<key>":[…], …}, one vector on each line."""
    for key, vectors in lists.items():
        for at, old in enumerate(read(name, key)):
            if old not in vectors:
                sys.exit(f"{name}: number {at} of {key} would change or go: {json.dumps(old)[:300]}")
    parts = [f'"{key}":[\n' + ",\n".join(json.dumps(vector, ensure_ascii=False, separators=(",", ":")) for vector in vectors) + "\n]"
             for key, vectors in lists.items()]
    (VECTORS / name).write_text('{"spec":1,' + ",\n".join(parts) + "}\n")
    print(name, ", ".join(f"{len(vectors)} {key}" for key, vectors in lists.items()))


def main():
    write("seeds.json", seeds=[answers.seed(asked) for asked in SEEDS])
    for name, asked in (("draws.json", DRAWS), ("cells.json", cells()), ("edges.json", EDGES)):
        published = read(name, "draws")
        write(name, draws=[draw(request, published) for request in asked])


if __name__ == "__main__":
    main()
