"""torch.nn: every module that has parameters."""
import dataclasses
import typing

import torch
from torch import nn

from proof import Case, Tensors


def tensors_of(module):
    """Floating-point tensors of the state dict, with tied ones under their first name."""
    state = module.state_dict(keep_vars=True)
    found = Tensors({}, parameters={name for name, tensor in state.items() if isinstance(tensor, nn.Parameter)})
    names = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        first = names.setdefault((tensor.data_ptr(), tuple(tensor.shape), tensor.stride()), name) if tensor.numel() else name
        if first == name:
            found.values[name] = tensor.detach().clone().numpy()
        else:
            found.same_as[name] = first
    return found


def builder(make, prefix="m"):
    """Names begin with a component of their own, as those of a module inside of a model do."""
    def build(seed):
        torch.manual_seed(seed)
        holder = nn.Module()
        holder.add_module(prefix, make())
        return tensors_of(holder)
    return build


LINEAR = "kaiming_uniform(a=2.23606797749979)"
TRANSFORMER = "torch_transformer"


@dataclasses.dataclass
class ModelCase(Case):
    """A whole model of another package. `make` makes one, and `read` returns its Tensors."""
    make: typing.Callable[[], nn.Module] = None
    read: typing.Callable[[nn.Module], Tensors] = None


def model_case(package, recipe, make, what="", read=tensors_of, **more):
    """Its names have no component before them."""
    def build(seed):
        torch.manual_seed(seed)
        return read(make())
    name = make().__class__.__name__
    return ModelCase(f"{name}, {what}" if what else name, package, recipe, build, make=make, read=read, **more)


def case(make, what="", recipe="torch_default", rules=()):
    """A case named after the class, and `what` if it has several."""
    name = type(make()).__name__
    return Case(f"torch.nn.{name}{', ' if what else ''}{what}", "torch", recipe, builder(make), rules=list(rules))


def given(name, init, **fields):
    return {"match": f"m.{name}", "init": init, **fields}


def named(name, make):
    """The module under a name that says what it is."""
    def made():
        holder = nn.Module()
        holder.add_module(name, make())
        return holder
    return made


def lazy(make, *shape):
    """A lazy module has its shapes after it has seen an input."""
    def made():
        module = make().eval()
        module(torch.zeros(shape))
        return module
    return made


def renamed(name, module_case):
    module_case.name = f"torch.nn.{name}"
    return module_case


def recurrent(kind):
    return [
        case(lambda: kind(20, 16, 2)),
        case(lambda: kind(20, 16, 2, bidirectional=True), "bidirectional"),
        case(lambda: kind(20, 16, bias=False), "without bias"),
    ]


CONVOLUTION = "kaiming_uniform(a=2.23606797749979)"
BILINEAR = {"in_axis": 1, "out_axis": 0, "batch_axis": 2}
FAN = "fan_uniform(fan_in=weight.fan_in)"
CONV1D_RULES = [given("weight", CONVOLUTION), given("bias", FAN)]

LINEARS = [
    case(lambda: nn.Linear(40, 30)),
    case(lambda: nn.Linear(40, 40), "square"),
    case(lambda: nn.Linear(40, 30, bias=False), "without bias", rules=[given("weight", LINEAR)]),
    renamed("Linear, without bias, as q_proj", case(named("q_proj", lambda: nn.Linear(40, 30, bias=False)))),
    renamed("Linear, as bbox_embed.layers.0", case(named("bbox_embed", lambda: nn.Sequential(nn.Linear(40, 40))))),
    case(lazy(lambda: nn.LazyLinear(30), 1, 40), "made by LazyLinear"),
    case(lambda: nn.modules.linear.NonDynamicallyQuantizableLinear(40, 30)),
    case(lambda: nn.Bilinear(12, 20, 30), rules=[given("weight", LINEAR, **BILINEAR), given("bias", FAN)]),
    renamed("Bilinear, as bilinear", case(named("bilinear", lambda: nn.Bilinear(12, 20, 30)))),
    case(lambda: nn.AdaptiveLogSoftmaxWithLoss(24, 60, [20, 40], div_value=2), rules=[given("tail.*.weight", LINEAR)]),
]
EMBEDDINGS = [
    case(lambda: nn.Embedding(60, 24), rules=[given("weight", "normal(std=1)")]),
    case(lambda: nn.Embedding(60, 24, padding_idx=2), "with padding_idx", rules=[given("weight", "normal(std=1)", zero_rows=[2])]),
    case(lambda: nn.EmbeddingBag(60, 24), rules=[given("weight", "normal(std=1)")]),
    renamed("Embedding, as embed_tokens", case(named("embed_tokens", lambda: nn.Embedding(60, 24)))),
]
CONVOLUTIONS = [
    case(lambda: nn.Conv1d(6, 20, 5), rules=CONV1D_RULES),
    renamed("Conv1d, as conv1", case(named("conv1", lambda: nn.Conv1d(6, 20, 5)))),
    case(lambda: nn.Conv2d(6, 20, 3)),
    case(lambda: nn.Conv2d(6, 20, 3, bias=False), "without bias"),
    case(lambda: nn.Conv2d(6, 18, 3, groups=3), "with groups"),
    case(lambda: nn.Conv3d(6, 20, (3, 2, 1))),
    case(lambda: nn.ConvTranspose1d(6, 20, 5), rules=CONV1D_RULES),
    case(lambda: nn.ConvTranspose2d(6, 20, 3)),
    case(lambda: nn.ConvTranspose2d(6, 18, 3, groups=3), "with groups"),
    case(lambda: nn.ConvTranspose3d(6, 20, (3, 2, 1))),
    case(lazy(lambda: nn.LazyConv1d(20, 5), 1, 6, 9), "made by LazyConv1d", rules=CONV1D_RULES),
    case(lazy(lambda: nn.LazyConv2d(20, 3), 1, 6, 9, 9), "made by LazyConv2d"),
    case(lazy(lambda: nn.LazyConv3d(20, 3), 1, 6, 3, 3, 3), "made by LazyConv3d"),
    case(lazy(lambda: nn.LazyConvTranspose1d(20, 5), 1, 6, 9), "made by LazyConvTranspose1d", rules=CONV1D_RULES),
    case(lazy(lambda: nn.LazyConvTranspose2d(20, 3), 1, 6, 9, 9), "made by LazyConvTranspose2d"),
    case(lazy(lambda: nn.LazyConvTranspose3d(20, 3), 1, 6, 3, 3, 3), "made by LazyConvTranspose3d"),
]
ONES = [given("weight", "ones")]
NORMS = [
    case(lambda: nn.LayerNorm(30)),
    case(lambda: nn.LayerNorm((8, 50)), "over two axes"),
    case(lambda: nn.LayerNorm((4, 8, 5)), "over three axes"),
    case(lambda: nn.LayerNorm((4, 8, 5, 3)), "over four axes"),
    case(lambda: nn.LayerNorm(30, bias=False), "without bias", rules=ONES),
    case(lambda: nn.GroupNorm(3, 30)),
    case(lambda: nn.RMSNorm(30), rules=ONES),
    case(lambda: nn.RMSNorm((8, 50)), "over two axes", rules=ONES),
    renamed("RMSNorm, as norm", case(named("norm", lambda: nn.RMSNorm(30)))),
    *[case(lambda kind=kind: kind(30)) for kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)],
    *[case(lambda kind=kind: kind(30, affine=True, track_running_stats=True), "affine")
      for kind in (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)],
    *[case(lazy(kind, *shape), f"made by {kind.__name__}") for kind, shape in [
        (nn.LazyBatchNorm1d, (2, 30)), (nn.LazyBatchNorm2d, (2, 30, 1, 1)), (nn.LazyBatchNorm3d, (2, 30, 1, 1, 1))]],
    *[case(lazy(lambda kind=kind: kind(affine=True, track_running_stats=True), *shape), f"made by {kind.__name__}")
      for kind, shape in [(nn.LazyInstanceNorm1d, (2, 30, 2)), (nn.LazyInstanceNorm2d, (2, 30, 2, 2)),
                          (nn.LazyInstanceNorm3d, (2, 30, 2, 2, 2))]],
]
QUARTER = [given("weight", "constant(0.25)")]
ACTIVATIONS = [
    case(lambda: nn.PReLU(64), rules=QUARTER),
    case(lambda: nn.PReLU(), "one parameter", rules=QUARTER),
    renamed("PReLU, as act", case(named("act", lambda: nn.PReLU(64)))),
]
RECURRENT = [
    *recurrent(nn.RNN), *recurrent(nn.LSTM), *recurrent(nn.GRU),
    case(lambda: nn.LSTM(20, 64, 2, proj_size=4), "with proj_size"),
    case(lambda: nn.LSTM(20, 64, proj_size=4, bidirectional=True), "with proj_size, bidirectional"),
    case(lambda: nn.RNNCell(20, 16)), case(lambda: nn.LSTMCell(20, 16)), case(lambda: nn.GRUCell(20, 16)),
    case(lambda: nn.LSTMCell(20, 16, bias=False), "without bias"),
]
ATTENTION = [
    case(lambda: nn.MultiheadAttention(64, 4)),
    case(lambda: nn.MultiheadAttention(64, 4, bias=False), "without bias"),
    case(lambda: nn.MultiheadAttention(64, 4, kdim=24, vdim=40), "with kdim and vdim"),
    case(lambda: nn.MultiheadAttention(64, 4, add_bias_kv=True), "with bias_k and bias_v"),
    case(lambda: nn.TransformerEncoderLayer(32, 4, 48)),
    case(lambda: nn.TransformerEncoderLayer(32, 4, 48, bias=False), "without bias"),
    case(lambda: nn.TransformerDecoderLayer(32, 4, 48)),
    case(lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 48), 2, enable_nested_tensor=False)),
    case(lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 4, 48), 2)),
    case(lambda: nn.Transformer(32, 4, 2, 2, 48, batch_first=True), recipe=TRANSFORMER),
    case(lambda: nn.Transformer(32, 4, 2, 2, 48, batch_first=True, bias=False), "without bias", recipe=TRANSFORMER),
]
CASES = LINEARS + EMBEDDINGS + CONVOLUTIONS + NORMS + ACTIVATIONS + RECURRENT + ATTENTION
