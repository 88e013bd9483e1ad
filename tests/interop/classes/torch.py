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


def case(name, make, recipe="torch_default", prefix="m", **more):
    return Case(name, "torch", recipe, builder(make, prefix), **more)


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


CASES = [
    case("torch.nn.Linear", lambda: nn.Linear(40, 30)),
    case("torch.nn.Conv1d", lambda: nn.Conv1d(6, 20, 5)),
    case("torch.nn.Conv2d", lambda: nn.Conv2d(6, 20, 3)),
    case("torch.nn.LayerNorm", lambda: nn.LayerNorm(30)),
    case("torch.nn.BatchNorm2d", lambda: nn.BatchNorm2d(30)),
]
