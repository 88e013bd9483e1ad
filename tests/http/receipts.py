"""Shared by the tests of sow derive and sow verify: a manifest with draws of all kinds, and receipts from a daemon."""
import urllib.parse

MANIFEST = {"experiment": "derive", "trial": 5,
            "tensors": [{"name": "wte.weight", "shape": [300, 64], "init": "normal(std=0.02)", "zero_rows": [0, -1]},
                        {"name": "lm_head.weight", "shape": [300, 64], "same_as": "wte.weight"},
                        {"name": "q", "shape": [60, 40], "init": "orthogonal", "layout": "io"},
                        {"name": "experts", "shape": [4, 32, 16], "init": "he_normal", "batch_axis": [0], "dtype": "bf16"},
                        {"name": "fans", "shape": [8, 8], "init": "he_normal", "fan_in": 3, "in_axis": [0], "out_axis": [1]},
                        {"name": "b", "shape": [], "init": "ones", "dtype": "f8_e4m3"},
                        {"name": "ä\"\\/", "shape": [0, 3], "init": "zeros", "dtype": "f64"}]}


def receipt(daemon, tmp_path, body=MANIFEST):
    """The path of a receipt from the daemon."""
    path = tmp_path / "receipt.json"
    response = daemon.post("/v1/draws", body)
    assert response.status == 200, response.body
    path.write_bytes(response.body)
    return path


def query_of(arguments):
    """Options of sow get as a query."""
    names = {"-e": "experiment", "-n": "name", "-s": "shape", "-i": "init", "-t": "trial", "-d": "dtype", "-f": "format"}
    pairs = zip(arguments[::2], arguments[1::2])
    return urllib.parse.urlencode({names.get(key, key.lstrip("-").replace("-", "_")): value for key, value in pairs})
