"""Runs a function on several ranks: real processes, which speak through gloo.

`on_ranks(world, "fills:stages", **arguments)` imports the module fills of this folder in a new process, which has one child for
each rank, and calls stages(**arguments) on each of them. It returns what the ranks return, in their order. A rank that raises
ends the run, and Ended has its traceback.
"""
import ctypes
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 240
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


class Ended(AssertionError):
    """A rank raised or was killed."""


def on_ranks(world, function, **arguments):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, HERE / "launch.py", str(world), function, folder, json.dumps(arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "LOCAL_WORLD_SIZE": str(world), "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS, env=environment)
        if done.returncode != 0:
            raise Ended(f"{function} on {world} ranks:\n{done.stdout}")
        return [json.loads((pathlib.Path(folder) / f"rank{rank}").read_text()) for rank in range(world)]


def start(rank, world, folder):
    """Joins the group of all ranks."""
    import torch.distributed

    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)


def run_rank(rank, world, function, folder, arguments):
    """In the child. Returns its exit status."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a parent that was stopped leaves no ranks behind
    try:
        module, name = function.split(":")
        call = getattr(importlib.import_module(module), name)
        start(rank, world, folder)
        (pathlib.Path(folder) / f"rank{rank}").write_text(json.dumps(call(**arguments)))
    except BaseException:
        print(f"rank {rank}:\n{traceback.format_exc()}", flush=True)
        return 1
    return 0


def main():
    world, function, folder, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    # The children inherit the modules. No thread may run before they are forked.
    importlib.import_module(function.split(":")[0])
    import torch

    torch.set_num_threads(1)
    children = {}
    for rank in range(world):
        child = os.fork()
        if child == 0:
            os._exit(run_rank(rank, world, function, folder, arguments))
        children[child] = rank
    while children:
        child, status = os.wait()
        rank = children.pop(child)
        if status != 0:  # the others would wait for it
            print(f"rank {rank} ended with signal {status & 127}, status {status >> 8}")
            for other in children:
                os.kill(other, signal.SIGKILL)
            return 1
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    sys.exit(main())
