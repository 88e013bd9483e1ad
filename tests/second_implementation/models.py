"""Section 15: the tensors of a manifest, or some of them, in one safetensors file."""
from . import formats, manifests, requests
from .refusal import Refusal
from .seeds import PUBLIC_ROOT


def chosen(manifest, tensors=None, part=None):
    """The tensors that a glob matches and that are in a part. The name of a tied tensor stands for the other tensor."""
    names = {manifest.ties.get(name, name) for name in manifest.names if tensors is None or manifests.matches(tensors, name)}
    taken = [tensor for tensor in manifest.tensors if tensor.name in names]
    if part is None:
        return taken
    k, n = (int(number) for number in part.split("/"))
    total, before, kept = sum(map(manifests.size, taken)), 0, []
    for tensor in taken:
        place = min(before * n // total, n - 1) if total else 0
        if place == k:
            kept.append(tensor)
        before += manifests.size(tensor)
    return kept


def region(shape, shard):
    """The region of a tensor under a shard: the whole tensor if it lacks an axis, or if two named axes are the same."""
    try:
        return requests.sharded(shard, shape)
    except Refusal:
        return [(0, length) for length in shape]


def check_slices(manifest, slices, shard):
    """The slices in the manifest's order."""
    if shard is not None:
        raise Refusal("shard", "slices and a shard")
    shapes = {tensor.name: tensor.shape for tensor in manifest.tensors}
    for name, text in slices.items():
        if name not in shapes:
            raise Refusal("slices", f"{name} is tied or no tensor", 422)
        try:
            requests.sliced(text, shapes[name])
        except Refusal as refusal:
            raise Refusal("slices", refusal.why) from refusal
    return {name: slices[name] for name in shapes if name in slices}


class Model:
    def __init__(self, manifest, experiment, trial=0, tensors=None, part=None, shard=None, slices=None, root=PUBLIC_ROOT):
        given = check_slices(manifest, slices or {}, shard if slices is not None else None)
        texts = (("tensors", tensors), ("part", part), ("shard", shard), ("slices", formats.compact(given) if given else None))
        narrowed = {name: text for name, text in texts if text is not None}
        entries, self.elements, at = {}, [], 0
        for tensor in chosen(manifest, tensors, part):
            request = manifest.request({**manifests.canonical_tensor(tensor)}, experiment, trial, root)
            if shard is not None:
                request.region = region(request.shape, shard)
            if tensor.name in given:
                request.region = requests.sliced(given[tensor.name], request.shape)
            shape = [stop - start for start, stop in request.region]
            data = request.bytes()
            entries[tensor.name] = formats.entry(tensor.dtype, shape, at, at + len(data))
            self.elements.append(data)
            at += len(data)
        about = formats.metadata(experiment, trial, root, manifest=manifest.hash.hex(), **narrowed)
        ties = {name: other for name, other in manifest.ties.items() if other in entries}
        self.header = formats.safetensors_header({**about, **ties}, entries)
        self.file = self.header + b"".join(self.elements)


def index(manifest, parts, tensors=None):
    """The index of a model's parts."""
    taken = chosen(manifest, tensors)
    files = {tensor.name: f"model-{k + 1:05}-of-{parts:05}.safetensors" for k in range(parts) for tensor in chosen(manifest, tensors, f"{k}/{parts}")}
    return {"metadata": {"total_size": sum(map(manifests.size, taken))}, "weight_map": {tensor.name: files[tensor.name] for tensor in taken}}
