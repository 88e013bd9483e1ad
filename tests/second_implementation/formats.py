"""Section 10: the bytes before the elements; and section 15's header, also for the file of a single tensor."""
import json
import math

from .seeds import root_id

DESCR = {"f64": "<f8", "f32": "<f4", "f16": "<f2", "bf16": "<V2", "f8_e4m3": "|V1", "f8_e5m2": "|V1"}


def compact(value):
    """JSON as section 14 writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def header(request):
    """The bytes before the elements in the response to a request."""
    shape = [stop - start for start, stop in request.region]
    if request.format == "npy":
        return npy_header(DESCR[request.dtype], shape)
    if request.format == "safetensors":
        size = request.count * request.draw.tensor.dtype.size
        return safetensors_header(metadata(request.experiment, request.trial, request.draw.root), {request.name: entry(request.dtype, shape, 0, size)})
    return b""


def npy_header(descr, shape):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    if shape:
        text += " " * (21 - len(str(shape[0])))
    text += " " * (64 - (10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def metadata(experiment, trial, root, **more):
    return {"format": "pt", "sower.experiment": experiment, "sower.trial": str(trial), "sower.root": root_id(root).hex(), "sower.spec": "1",
            **{f"sower.{name}": text for name, text in more.items()}}


def entry(dtype, shape, start, stop):
    return {"dtype": dtype.upper(), "shape": shape, "data_offsets": [start, stop]}


def safetensors_header(about, tensors):
    text = compact({"__metadata__": about, **tensors}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def count(shape):
    return 0 if 0 in shape else math.prod(shape)
