"""The results that proto/vectors/ has, computed from the requests. proto/vectors/README.md describes each member."""
import hashlib
import json
import struct
import urllib.parse

from . import elementary, formats, ledger, manifests, models, requests, seeds
from .refusal import Refusal

# Digests of longer tensors are not computed here: tests compare their first and last bytes.
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


def purpose(asked):
    trial = seeds.trial_seed(seeds.experiment_seed(bytes.fromhex(asked["root"]), asked["experiment"]), asked["trial"])
    return {"root": asked["root"], "experiment": asked["experiment"], "trial": asked["trial"], "purpose": asked["purpose"],
            "number": str(seeds.purpose_number(trial, asked["purpose"]))}


def function(name, x):
    """A value of an elementary function; both numbers as the hex digits of their doubles."""
    return {"function": name, "x": struct.pack(">d", x).hex(), "value": struct.pack(">d", getattr(elementary, name)(x)).hex()}


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
        answer["blake2b_256"] = digest(request)
    return answer


def digest(request):
    """The digest of all elements, computed in pieces."""
    state = hashlib.blake2b(digest_size=32)
    for start in range(0, request.count, 4096):
        state.update(request.bytes(start, min(start + 4096, request.count)))
    return state.hexdigest()


def request_of(asked):
    """The request of a vector: fields as JSON, or the text of a query string or of a body."""
    if "query" in asked:
        return requests.from_query(pairs(asked["query"]))
    return requests.from_json(asked["body"] if "body" in asked else json.dumps(asked["request"]))


def pairs(query):
    """The names and values of a query string, percent-decoded."""
    split = [pair.partition("=") for pair in query.split("&")]
    return [(urllib.parse.unquote_to_bytes(name), urllib.parse.unquote_to_bytes(value) if equals else None) for name, equals, value in split]


def refusal(asked):
    try:
        request_of(asked)
    except Refusal as refused:
        return {**asked, "status": refused.status, "param": refused.param}
    raise AssertionError(f"{asked} is not refused")


def plan(asked):
    request = requests.from_json(json.dumps(asked))
    tensor = request.draw.tensor
    figures = {
        "draw": request.draw.id.hex(), "seed": request.draw.seed.hex(), "root": seeds.root_id(request.draw.root).hex(), "spec": 1,
        "experiment": request.experiment, "trial": request.trial, "name": request.name, "shape": request.shape, "dtype": request.dtype,
        "init": str(request.initializer), "layout": ledger.layout(request), "fan_in": tensor.fans[0], "fan_out": tensor.fans[1],
        "gain": tensor.gain, "std": tensor.std, "limit": tensor.limit, "slice": [list(part) for part in request.region],
        "slice_shape": [stop - start for start, stop in request.region], "elements": request.count, "format": request.format,
        "bytes": len(formats.header(request)) + request.count * tensor.dtype.size,
    }
    return {"request": asked, "plan": figures}


def file(asked):
    """The bytes before the elements, in each format."""
    request = requests.from_json(json.dumps(asked))
    header = formats.header(request)
    return {"request": asked, "header": header.hex(), "bytes": len(header) + request.count * request.draw.tensor.dtype.size}


def manifest(asked):
    made = manifests.Manifest(json.dumps(asked))
    return {"manifest": asked, "tensors": len(made.names), "bytes": sum(map(manifests.size, made.tensors)), "canonical": made.canonical,
            "hash": made.hash.hex()}


def model(asked):
    """`asked` has a manifest and fields of a request for a model."""
    made = manifests.Manifest(json.dumps(asked["manifest"]))
    narrowed = {name: value for name, value in asked.items() if name != "manifest"}
    answer = models.Model(made, **narrowed)
    return {**asked, "header": answer.header.hex(), "bytes": len(answer.file), "blake2b_256": seeds.blake2b(answer.file).hex(),
            "digest": seeds.blake2b(b"".join(map(seeds.blake2b, answer.elements))).hex()}


def index(asked):
    made = manifests.Manifest(json.dumps(asked["manifest"]))
    return {**asked, "index": models.index(made, asked["parts"], asked.get("tensors"))}


def lines(asked):
    """Lines of several writers, each from a record; adds the ledger number, the writer and the link."""
    chains, made = {}, []
    for number, (writer, line) in enumerate(asked, 1):
        sequence, previous = chains.get(writer, (0, ledger.NO_LINK))
        line = {"ledger": number, **line, "writer": writer, "sequence": sequence + 1}
        line["link"] = ledger.link(line, previous)
        chains[writer] = sequence + 1, line["link"]
        made.append({"previous": previous, "canonical": ledger.canonical(line, previous), "line": line})
    return made


def recorded_draw(asked, time, **more):
    """The members of a ledger line that describe a draw."""
    request = requests.from_json(json.dumps(asked))
    return {"time": time, "kind": "draw", "draw": request.draw.id.hex(), "seed": request.draw.seed.hex(), "root": seeds.root_id(request.draw.root).hex(),
            "spec": 1, "experiment": request.experiment, "trial": request.trial, "name": request.name, "shape": request.shape,
            "dtype": request.dtype, "init": str(request.initializer), "layout": ledger.layout(request), **more}


def head(secret, time, made):
    """The head of these lines, signed with a secret key; its own chain comes first, then the ones that wrote last."""
    last = {vector["line"]["writer"]: vector["line"] for vector in made}
    own = ledger.public_key(secret).hex()
    order = sorted(last, key=lambda writer: (writer != own, -last[writer]["ledger"]))
    signed = {"ledger": len(made), "time": time, "writer": own,
              "chains": [{"writer": writer, "sequence": last[writer]["sequence"], "link": last[writer]["link"]} for writer in order]}
    text = ledger.head_text(signed)
    return {"secret": secret.hex(), "text": text, "head": {**signed, "signature": ledger.sign(secret, text.encode()).hex()}}
