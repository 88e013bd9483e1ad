"""The tensors of a model."""
from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

from . import _native
from ._errors import invalid
from ._fields import encode, to_json


class Manifest(Collection[str]):
    """Names, shapes and laws of a model's tensors (SPEC.md, section 14), resolved: rules, recipe, formulas and ties.

    A manifest is read here, by the code of the daemon. It is a collection of names, in its order, tied ones included.
    Two manifests are equal if they name the same tensors, however they were written.

        manifest = Manifest({"recipe": "gpt2", "tensors": [{"name": "wte.weight", "shape": [50257, 768]}]})

    Raises InvalidRequest.
    """

    def __init__(self, source: str | bytes | Mapping[str, Any]) -> None:
        if isinstance(source, Mapping):
            source = to_json(dict(source))
        self._tensors = _native.open_manifest(encode(source) if isinstance(source, str) else bytes(source))

    @property
    def hash(self) -> str:
        """What identifies the manifest: 64 hex digits. It depends on the tensors, not on how they were described."""
        return self._tensors.hash().hex()

    def json(self) -> str:
        """The canonical form: a manifest too, with nothing but tensors that have all their fields."""
        return self._tensors.canonical()

    @cached_property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The canonical fields of each tensor: shape, dtype, init, layout …; of a tied one same_as and shape."""
        return {tensor["name"]: tensor for tensor in json.loads(self.json())["tensors"]}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names, in the manifest's order."""
        return tuple(self.fields)

    @cached_property
    def ties(self) -> Mapping[str, str]:
        """For each tied tensor the name of the one that it is the same as, which is never tied itself."""
        return {name: fields["same_as"] for name, fields in self.fields.items() if "same_as" in fields}

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """What the daemon says of a manifest: tensors, bytes, layers, towers, left_out, and warnings to read."""
        summary: Mapping[str, Any] = json.loads(self._tensors.summary())
        return summary

    def only(self, names: Collection[str]) -> Manifest:
        """The manifest of these tensors alone, in this manifest's order: of a pipeline's stage, for example.

        They keep the laws that they have in the whole model. If one is tied, the tensor that it is the same as comes
        with it. Raises InvalidRequest if this manifest lacks a name.
        """
        missing = sorted(set(names) - set(self.names))
        if missing or not names:
            raise invalid("tensors", f"The manifest has no tensor {missing[0]!r}." if missing else "Give at least one name.")
        wanted = set(names) | {self.ties[name] for name in names if name in self.ties}
        return Manifest({"tensors": [fields for name, fields in self.fields.items() if name in wanted]})

    def body(self, **members: Any) -> bytes:
        """The body of a request for this model: the canonical form with other members beside the tensors."""
        # The members come first, so that the long text is not parsed again here.
        before = to_json(members)
        return encode((before[:-1] + "," if members else "{") + self.json()[1:])

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<Manifest of {len(self)} tensors, {self.hash[:12]}>"

    def __reduce__(self) -> tuple[type[Manifest], tuple[str]]:
        return Manifest, (self.json(),)
