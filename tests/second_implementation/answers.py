"""The answers that proto/vectors/ keeps, made from what was asked. proto/vectors/README.md says what each member is."""
import json

from . import requests, seeds

# Digests of longer tensors are not made here: tests hold them by their first and last bytes.
WHOLE_UP_TO = 500
FIRST_SIZE, LAST_SIZE = 64, 32


def seed(asked):
    root = bytes.fromhex(asked["root"])
    experiment = seeds.experiment_seed(root, asked["experiment"])
    trial = seeds.trial_seed(experiment, asked["trial"])
    tensor = seeds.tensor_seed(trial, asked["name"])
    return {
        "root": asked["root"],
        "root_id": seeds.root_id(root).hex(),
        "experiment": asked["experiment"],
        "experiment_seed": experiment.hex(),
        "trial": asked["trial"],
        "trial_seed": trial.hex(),
        "name": asked["name"],
        "tensor_seed": tensor.hex(),
        "stream_first_block": seeds.chacha20_block(tensor, 0).hex(),
        "stream_last_block": seeds.chacha20_block(tensor, 2 ** 32 - 1).hex(),
    }


def draw(asked, whole_up_to=WHOLE_UP_TO):
    request = requests.from_json(json.dumps(asked))
    first, last = request.ends(FIRST_SIZE, LAST_SIZE)
    answer = {
        "request": asked,
        "canonical": request.draw.canonical,
        "draw": request.draw.id.hex(),
        "seed": request.draw.seed.hex(),
        "elements": request.count,
        "first": first.hex(),
        "last": last.hex(),
    }
    if request.count <= whole_up_to:
        answer["blake2b_256"] = seeds.blake2b(request.bytes()).hex()
    return answer
