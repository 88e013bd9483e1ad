"""One request of each kind that writes a line to the ledger."""
from trials import path

DRAW = dict(experiment="faults", shape="8", init="normal")
MODEL = {"experiment": "faults-model", "tensors": [{"name": "t", "shape": [3]}], "defaults": {"init": "normal"}}


def requests_that_write(daemon):
    """Pairs of a kind and a function that sends a request of that kind."""
    yield "draw", lambda: daemon.get("/v1/tensor", **DRAW, name="new")
    yield "model", lambda: daemon.post("/v1/model", MODEL)
    yield "trials", lambda: daemon.request("POST", path("faults"))
    yield "keyed trials", lambda: daemon.request("POST", path("faults", count=2), headers={"Idempotency-Key": "new"})
    yield "pin", lambda: daemon.request("PUT", "/v1/experiments/faults/pin")
