"""The tensors of a module by the names that they have in the whole model: the manifest of it, and which tensor is where."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._errors import invalid
from .._manifest import Manifest

#: The types of elements that Sower makes.
DTYPES = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
    torch.float8_e4m3fn: "f8_e4m3",
    torch.float8_e5m2: "f8_e5m2",
}

# Modules that stand before another one and add a component to its names: torch.compile, checkpoint_wrapper, FSDP1.
_WRAPPERS = ("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module")


class Slot(NamedTuple):
    """Where a module has a tensor: `tensors[attribute]` is it."""

    module: nn.Module
    tensors: dict[str, Any]  # the module's parameters or buffers
    attribute: str
    is_parameter: bool
    is_persistent: bool  # a parameter, or a buffer that is in the state dict

    @property
    def tensor(self) -> torch.Tensor:
        tensor: torch.Tensor = self.tensors[self.attribute]
        return tensor


def slots(model: nn.Module) -> dict[str, Slot]:
    """Every parameter and buffer by its name, without the names of wrappers. One tensor can be under several names."""
    return dict(_visit(model, ""))


def manifest(
    model: nn.Module,
    *,
    recipe: str | None = None,
    rules: Sequence[Mapping[str, Any]] = (),
    layers: int | None = None,
    blocks: str | Sequence[str] | None = None,
    constants: Mapping[str, float] | None = None,
    leave_out: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Manifest:
    """The manifest of a whole model: its parameters, and the persistent buffers of floating-point types.

    model: may be on the meta device, and may have been cut already (the shapes of a DTensor are those of the whole). A pipeline's
        stage is no whole model: make the manifest before the stages are cut, for fans and formulas see the whole.
    recipe, rules, layers, blocks, constants, leave_out, defaults: as in a manifest (SPEC.md, section 14). No law is guessed: a
        tensor that gets none is refused. `torch_default` is what the modules of torch.nn do by themselves.

    A tensor that is used under several names is tied: its first name has the draw. Types are those of the tensors. Buffers of
    other types, and buffers that are not persistent, are left to fill_.

    Raises InvalidRequest.
    """
    tensors: list[dict[str, Any]] = []
    first: dict[int, str] = {}
    for name, slot in slots(model).items():
        if not slot.is_persistent or matches(name, leave_out) or (not slot.is_parameter and slot.tensor.dtype not in DTYPES):
            continue
        _check(name, slot)
        entry: dict[str, Any] = {"name": name, "shape": list(slot.tensor.shape)}
        other = first.setdefault(id(slot.tensor), name)
        tensors.append({**entry, "same_as": other} if other != name else {**entry, "dtype": DTYPES[slot.tensor.dtype]})
    members = {"recipe": recipe, "rules": list(rules), "layers": layers, "blocks": blocks, "constants": constants, "defaults": defaults}
    return Manifest({**{name: value for name, value in members.items() if value}, "tensors": tensors})


def matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _visit(module: nn.Module, path: str) -> Iterator[tuple[str, Slot]]:
    for attribute, parameter in module._parameters.items():
        if parameter is not None:
            yield path + attribute, Slot(module, module._parameters, attribute, True, True)
    for attribute, buffer in module._buffers.items():
        if buffer is not None:
            yield path + attribute, Slot(module, module._buffers, attribute, False, attribute not in module._non_persistent_buffers_set)
    for child, inner in module._modules.items():
        if inner is not None:
            is_wrapped = child in _WRAPPERS or (child == "module" and isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)))
            yield from _visit(inner, path if is_wrapped else f"{path}{child}.")


def _check(name: str, slot: Slot) -> None:
    if is_lazy(slot.tensor):
        raise invalid("shape", f"{name!r} has no shape yet: give the lazy module an input first.")
    if slot.attribute == "_flat_param":
        raise invalid("tensors", f"{name!r} is a flat parameter of FSDP1, without the names and shapes of the model. Use fully_shard.")
    if slot.tensor.dtype not in DTYPES:
        raise invalid("dtype", f"{name!r} has the type {slot.tensor.dtype}, which Sower does not make. Name it in leave_out.")
