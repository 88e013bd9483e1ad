"""One rank of the measurement of ranks: gives a cut model its weights in several ways, and prints one JSON object a way and turn.

Started by torch.distributed.run with the arguments MODEL TURNS. SOW_SERVER is the daemon. The time runs from the cut model on the
meta device, on all ranks, until the last rank has its weights. Imports, starting processes and cutting are not counted.
"""
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time

import sower
import sower.torch
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from models import initialize, on_meta
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard


class Watch:
    """Seconds of the parts of one way. Every part ends when the slowest rank ends it."""

    def __init__(self):
        self.parts = {}
        dist.barrier()
        self.last = time.perf_counter()

    def part(self, name):
        dist.barrier()
        now = time.perf_counter()
        self.parts[name] = now - self.last
        self.last = now


def cut(name, mesh):
    """The model cut by FSDP2, on the meta device."""
    model = on_meta(name)
    for block in model.blocks():
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def place(model):
    model.to_empty(device="cpu")
    model.tie()
    return model


def whole_on_rank_0(name, turn):
    torch.manual_seed(turn)
    model = place(on_meta(name))
    initialize(model)
    state = model.state_dict()
    if model.recipe == "hf_gpt2":
        state.pop("lm_head.weight")  # tied: written once
    return state


def seed_checkpoint(name, model, turn, watch):
    """Rank 0 makes the whole model and writes it; all ranks load their parts."""
    folder = [tempfile.mkdtemp(dir="/dev/shm")] if dist.get_rank() == 0 else [None]
    dist.broadcast_object_list(folder)
    try:
        whole = whole_on_rank_0(name, turn) if dist.get_rank() == 0 else None
        watch.part("init on rank 0")
        if whole:
            dcp.save(whole, checkpoint_id=folder[0], no_dist=True)
        watch.part("save")
        whole = None
        state = place(model).state_dict()
        if model.recipe == "hf_gpt2":
            state.pop("lm_head.weight")
        dcp.load(state, checkpoint_id=folder[0])
        watch.part("load")
    finally:
        dist.barrier()
        if dist.get_rank() == 0:
            shutil.rmtree(folder[0])


def broadcast(name, model, turn, watch):
    """Rank 0 makes the whole model and sends each tensor to all ranks, which keep their parts."""
    whole = whole_on_rank_0(name, turn) if dist.get_rank() == 0 else {}
    watch.part("init on rank 0")
    place(model)
    set_model_state_dict(model, whole, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False))
    watch.part("broadcast")


def torch_shards(name, model, turn, watch):
    """torch.nn.init on the DTensors, the same seed on all ranks. It differs by world size."""
    place(model)
    torch.manual_seed(turn)
    initialize(model)
    watch.part("init")


def sower_fill(via, trial):
    def way(name, model, turn, watch):
        manifest = sower.torch.manifest(on_meta(name), recipe=model.recipe)
        watch.part("manifest")
        place(model)
        watch.part("to_empty")
        run = sower.Client().run("bench", trial=2 * turn + trial)
        sower.torch.fill_(model, run, manifest, via=via)
        watch.part("record and fill")

    return way


WAYS = {"seed checkpoint": seed_checkpoint, "local": sower_fill("local", 0), "broadcast": broadcast, "http": sower_fill("http", 1), "torch's shards": torch_shards}


def digest(model):
    """Of all parameters, each gathered whole."""
    hasher = hashlib.blake2b(digest_size=32)
    for _, parameter in sorted(model.named_parameters()):
        hasher.update(parameter.detach().full_tensor().view(torch.uint8).numpy())
    return hasher.hexdigest()


def main():
    name, turns = sys.argv[1], int(sys.argv[2])
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for turn in range(turns):
        for way, make in WAYS.items():
            model = cut(name, mesh)
            watch = Watch()
            make(name, model, turn, watch)
            row = {"way": way, "parts": watch.parts, "seconds": sum(watch.parts.values())}
            if turn == turns - 1:
                row["digest"] = digest(model)
            if dist.get_rank() == 0:
                print(json.dumps(row), flush=True)
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)  # now and then gloo of torch 2.13 aborts while Python ends


if __name__ == "__main__":
    main()
