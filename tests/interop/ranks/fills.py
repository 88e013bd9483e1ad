"""On each rank: models that sower.torch fills, against the file that the daemon sends for the whole model."""
import json
import os
import urllib.request

import safetensors.torch
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.distributed.tensor.placement_types import _StridedShard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

import models
import sower.torch

LAWS = {"rules": models.RULES, "blocks": "layers"}
INTEGERS = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}


def bits(tensor):
    return tensor.detach().contiguous().view(INTEGERS[tensor.element_size()])


def whole_of(url, run, manifest):
    """The whole tensors, as the daemon sends them."""
    body = manifest.body(experiment=run.experiment, trial=run.trial)
    loaded = safetensors.torch.load(urllib.request.urlopen(url + "/v1/model", body).read())
    return {**loaded, **{name: loaded[other] for name, other in manifest.ties.items()}}


def compare(model, whole):
    """Every parameter and buffer on this rank has the bits of its part of the whole. Returns the number of tensors."""
    compared = 0
    for name, slot in sower.torch._names.slots(model).items():
        tensor = slot.tensor.detach()
        if isinstance(tensor, DTensor):
            assert torch.equal(bits(tensor.full_tensor()), bits(whole[name])), name
            expected = distribute_tensor(whole[name], tensor.device_mesh, [Shard(0)] * tensor.device_mesh.ndim, src_data_rank=None)
            if tensor.placements == expected.placements:
                assert torch.equal(bits(tensor.to_local()), bits(expected.to_local())), name
        else:
            assert torch.equal(bits(tensor), bits(whole[name])), name
        compared += 1
    return compared


def plain(model):
    return model


def fsdp(model):
    for block in model.layers.values():
        fully_shard(block)
    return fully_shard(model)


def parallel(model, mesh=None):
    mesh = mesh or init_device_mesh("cpu", (dist.get_world_size(),))
    for block in model.layers.values():
        parallelize_module(block, mesh, {"qkv": ColwiseParallel(), "proj": RowwiseParallel(), "up": ColwiseParallel(), "down": RowwiseParallel()})
        block.experts = nn.Parameter(distribute_tensor(block.experts, mesh, [Shard(0)]))
    return model


def both(model):
    mesh = init_device_mesh("cpu", (2, dist.get_world_size() // 2), mesh_dim_names=("dp", "tp"))
    parallel(model, mesh["tp"])
    for block in model.layers.values():
        fully_shard(block, mesh=mesh["dp"])
    return fully_shard(model, mesh=mesh["dp"])


def hybrid(model):
    mesh = init_device_mesh("cpu", (2, dist.get_world_size() // 2), mesh_dim_names=("replicate", "shard"))
    for block in model.layers.values():
        fully_shard(block, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def columns(model):
    """Every matrix is cut along its last axis, so no part is contiguous in the whole."""
    return fully_shard(model, shard_placement_fn=lambda parameter: Shard(parameter.ndim - 1))


CUTS = {"plain": plain, "fsdp": fsdp, "parallel": parallel, "both": both, "hybrid": hybrid, "columns": columns}


def cut_and_fill(url, cut):
    """Meta, cut, memory, fill: then the bits, and that the model is trained as one with tied weights. By both ways, in two types."""
    return sum(filled(url, cut, via, dtype) for via in ("local", "http") for dtype in (torch.float32, torch.bfloat16))


def filled(url, cut, via, dtype):
    sizes = {"words": 40, "experts": 4} if cut == "columns" else {}
    model = models.on_meta(dtype, **sizes)
    manifest = sower.torch.manifest(model, **LAWS)
    model = CUTS[cut](model)
    model.to_empty(device="cpu")
    run = sower.Client(url).run(f"cut-{cut}-{dtype}", trial=3)
    receipt = sower.torch.fill_(model, run, manifest, via=via)
    compared = compare(model, whole_of(url, run, manifest))
    assert receipt.recorded and receipt.manifest == manifest.hash
    assert model.head.weight is model.wte.weight
    if cut in ("plain", "fsdp", "hybrid"):
        model(torch.arange(8).view(2, 4)).float().square().mean().backward()
        assert model.head.weight is model.wte.weight and model.wte.weight.grad is not None
    if cut == "fsdp":  # FSDP2 has whole parameters after a forward pass
        with torch.no_grad():
            model(torch.arange(8).view(2, 4))
        run = sower.Client(url).run(run.experiment, trial=4)
        sower.torch.fill_(model, run, manifest, via=via)
        compare(model, whole_of(url, run, manifest))
    return compared


def several(url):
    """A _StridedShard that nothing completes: the rank has several boxes. And a model in DistributedDataParallel."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    run = sower.Client(url).run("several", trial=0)
    for dim, via in ((0, "local"), (0, "http"), (1, "local"), (1, "http")):
        placements = [_StridedShard(dim, split_factor=2)]
        model = nn.ParameterDict({"w": nn.Parameter(distribute_tensor(torch.zeros(16, 24), mesh, placements, src_data_rank=None))})
        manifest = sower.torch.manifest(model, rules=[{"match": "w", "init": "orthogonal"}])
        sower.torch.fill_(model, run, manifest, via=via)
        expected = distribute_tensor(whole_of(url, run, manifest)["w"], mesh, placements, src_data_rank=None)
        assert len(sower.torch.boxes(model["w"])) == 2
        assert torch.equal(bits(model["w"].to_local()), bits(expected.to_local())), (dim, via)
    model = models.Model()
    for parameter in model.parameters():
        parameter.data.zero_()
    model = nn.parallel.DistributedDataParallel(model)
    manifest = sower.torch.manifest(model, **LAWS)
    assert "wte.weight" in manifest
    sower.torch.fill_(model, run, manifest)
    return compare(model, whole_of(url, run, manifest))


def placed(url):
    """Tied tensors that are cut in different ways can be no one tensor."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    model = models.on_meta()
    manifest = sower.torch.manifest(model, **LAWS)
    model.head.weight = nn.Parameter(distribute_tensor(torch.zeros(37, 24), mesh, [Shard(1)], src_data_rank=None))
    model.to_empty(device="cpu")
    try:
        sower.torch.fill_(model, sower.Client(url).run("refused", trial=0), manifest)
    except sower.InvalidRequest as failure:
        return str(failure)


def stages(url):
    """Two stages of a pipeline. The whole manifest is recorded once; each rank fills what it has."""
    model = models.on_meta()
    manifest = sower.torch.manifest(model, **LAWS)
    rank = dist.get_rank()
    if rank == 0:
        model.head, model.norm = None, None
        del model.layers["1"]
    else:
        model.wte = None
        del model.layers["0"]
    model.to_empty(device="cpu")
    run = sower.Client(url).run("stages", trial=0)
    receipt = sower.torch.fill_(model, run if rank == 0 else None, manifest)
    whole = whole_of(url, run, manifest)
    compared = compare(model, whole)
    own = dist.new_group([0]), dist.new_group([1])
    for parameter in model.parameters():
        parameter.data.zero_()
    part = manifest.only([name for name in sower.torch._names.slots(model)])
    sower.torch.fill_(model, run, part, group=own[rank])
    compare(model, whole)
    return compared, len(manifest), receipt.ledger


def untouched(model, value=7.0):
    return all(bool((parameter.detach().to_local() if isinstance(parameter, DTensor) else parameter.detach()).eq(value).all())
               for parameter in model.parameters())


def refused(url, case):
    """What each rank is told: the class, the sentence, and whether its parameters are untouched."""
    rank = dist.get_rank()
    sizes = {"width": 32} if case == "model" and rank == 1 else {}
    model = models.on_meta(**sizes)
    manifest = sower.torch.manifest(model, **LAWS)
    fsdp(model)
    is_meta = case == "meta" and rank == 1
    if not is_meta:
        model.to_empty(device="cpu")
        for parameter in model.parameters():
            parameter.data.fill_(7.0)
    run = sower.Client(url, retry_seconds=0).run("pinned" if case == "pinned" else "refused", trial=rank if case == "trial" else 0)
    if case == "names":
        manifest = sower.Manifest({"tensors": [*manifest.fields.values(), {"name": "lost", "shape": [1], "init": "zeros"}]})
    if case == "surprise" and rank == 1:
        sower.torch._fill.slots = lambda _: [][0]
    try:
        sower.torch.fill_(model, run, manifest)
    except sower.SowerError as failure:
        return type(failure).__name__, str(failure), is_meta or untouched(model)
    return "nothing", "", False


def broken(url):
    """Filling fails on rank 1. Every rank is told which tensor, and a second call succeeds."""
    model = models.on_meta()
    manifest = sower.torch.manifest(model, **LAWS)
    fsdp(model).to_empty(device="cpu")
    run = sower.Client(url).run("broken", trial=0)
    real = sower.torch._fill.fill_target

    def fails(target, draw, threads):
        if dist.get_rank() == 1 and target.name == "layers.0.proj.weight":
            raise MemoryError("no memory")
        real(target, draw, threads)

    sower.torch._fill.fill_target = fails
    try:
        sower.torch.fill_(model, run, manifest)
    except sower.SowerError as failure:
        sower.torch._fill.fill_target = real
        sower.torch.fill_(model, run, manifest)
        compare(model, whole_of(url, run, manifest))
        return str(failure)


def killed(url, die):
    """A rank dies between the record and its first tensor."""
    model = models.on_meta()
    manifest = sower.torch.manifest(model, **LAWS)
    fsdp(model).to_empty(device="cpu")
    if die and dist.get_rank() == 1:
        sower.torch._fill._fill = lambda *_: os._exit(9)
    run = sower.Client(url).run("killed", trial=0)
    receipt = sower.torch.fill_(model, run, manifest)
    compare(model, whole_of(url, run, manifest))
    return json.loads(receipt.to_json())


def checkpoints(url, folder):
    """torch.distributed.checkpoint: from a receipt without files, and from a seed checkpoint that one process wrote."""
    import torch.distributed.checkpoint as dcp

    whole = models.on_meta()
    manifest = sower.torch.manifest(whole, **LAWS)
    run = sower.Client(url).run("checkpoints", trial=0)
    receipt = run.record(manifest)
    expected = whole_of(url, run, manifest)
    alone = dist.new_group([0])
    if dist.get_rank() == 0:
        whole.to_empty(device="cpu")
        sower.torch.fill_(whole, run, manifest, group=alone)
        dcp.save(whole.state_dict(), checkpoint_id=folder, no_dist=True)
    dist.barrier()
    compared = 0
    for cut in ("fsdp", "parallel", "both"):
        for source in ({"storage_reader": sower.torch.reader(receipt)}, {"checkpoint_id": folder}):
            model = CUTS[cut](models.on_meta())
            model.to_empty(device="cpu")
            state = model.state_dict()
            dcp.load(state, **source)
            model.load_state_dict(state)
            compared += compare(model, expected)
        model = CUTS[cut](models.on_meta())
        model.to_empty(device="cpu")
        dcp.load({"model": model.state_dict()}, storage_reader=sower.torch.reader(receipt, prefix="model."))
        compared += compare(model, expected)
    return compared
