"""HEAD is GET without the body, and safe (RFC 9110, 9.2.1): it writes no line."""
import errno

import pytest

from broken_ledgers import refused
from conftest import with_query
from injected import faults  # noqa: F401

MODEL = {"tensors": [{"name": "a", "shape": [3]}, {"name": "b", "shape": [2]}], "defaults": {"init": "normal"}}
PER_REQUEST = ("Date", "Sower-Request")  # differ in each response


def ask(daemon, method, path, headers=None, **fields):
    return daemon.request(method, with_query(path, fields), headers=headers)


def compare(head, got, without=()):
    """Asserts that the response to a HEAD has the headers of that to a GET, except those in `without`."""
    assert head.status == got.status == 200 and head.body == b""
    expected = {name: value for name, value in got.headers.items() if name not in PER_REQUEST + without}
    assert {name: value for name, value in head.headers.items() if name not in PER_REQUEST} == expected


@pytest.mark.parametrize("more", [dict(), dict(format="raw", slice="1:2"), dict(format="safetensors"), dict(init="orthogonal"), dict(shape="0"),
                                  dict(shape="1000,1000")], ids=str)
def test_head_of_a_tensor_has_the_headers_of_get_and_records_nothing(daemon, draw, more):
    fields = {**draw, **more}
    before = ask(daemon, "HEAD", "/v1/tensor", **fields)
    assert daemon.ledger(experiment=draw["experiment"]) == [] and "Sower-Ledger" not in before.headers
    got = daemon.get("/v1/tensor", **fields)
    compare(before, got, without=("Sower-Ledger",))
    after = ask(daemon, "HEAD", "/v1/tensor", **fields)
    compare(after, got)
    assert [str(line["ledger"]) for line in daemon.ledger(experiment=draw["experiment"])] == [after.headers["Sower-Ledger"]]


def test_head_of_a_draw_that_is_not_in_memory_finds_its_line(start, tmp_path, draw):
    daemon = start(state=tmp_path / "state")
    got = daemon.get("/v1/tensor", **draw)
    daemon.stop()
    compare(ask(start(state=tmp_path / "state"), "HEAD", "/v1/tensor", **draw), got)


def test_head_of_a_drifting_draw_reports_the_drift(daemon, draw):
    daemon.get("/v1/tensor", **draw)
    head = ask(daemon, "HEAD", "/v1/tensor", **{**draw, "shape": "5"})
    assert "Sower-Ledger" not in head.headers and head.headers["Cache-Control"] == "no-store"
    compare(head, daemon.get("/v1/tensor", **{**draw, "shape": "5"}), without=("Sower-Ledger",))


def test_head_of_a_model_has_the_headers_of_get_and_records_nothing(daemon, draw):
    fields = dict(manifest=daemon.post("/v1/manifests", MODEL).json()["manifest"], experiment=draw["experiment"])
    before = ask(daemon, "HEAD", "/v1/model", **fields)
    assert daemon.ledger(experiment=draw["experiment"]) == []
    got = daemon.get("/v1/model", **fields)
    compare(before, got)
    compare(ask(daemon, "HEAD", "/v1/model", **fields), got)
    assert len(daemon.ledger(experiment=draw["experiment"])) == 2


def test_head_of_a_drifting_model_reports_the_drift_or_is_refused(daemon, draw):
    experiment = draw["experiment"]
    fields = dict(manifest=daemon.post("/v1/manifests", MODEL).json()["manifest"], experiment=experiment)
    line = daemon.get("/v1/tensor", experiment=experiment, name="b", shape="7", init="normal").headers["Sower-Ledger"]
    head = ask(daemon, "HEAD", "/v1/model", **fields)
    assert head.headers["Sower-Drift"] == line and head.headers["Cache-Control"] == "no-store"
    assert daemon.request("PUT", f"/v1/experiments/{experiment}/pin").status == 200
    assert ask(daemon, "HEAD", "/v1/model", **fields).status == daemon.get("/v1/model", **fields).status == 409
    assert ask(daemon, "HEAD", "/v1/tensor", experiment=experiment, name="b", shape="8", init="normal").status == 409
    assert [entry["kind"] for entry in daemon.ledger(experiment=experiment)] == ["draw", "pin"]


def test_no_head_of_any_route_writes(start):
    daemon = start()
    manifest = daemon.post("/v1/manifests", MODEL).json()["manifest"]
    tensor = dict(experiment="e", name="w", shape="3", init="normal")
    for path, fields in [("/v1/tensor", tensor), ("/v1/plan", tensor), ("/v1/stats", tensor), ("/v1/model", dict(manifest=manifest, experiment="e")),
                         ("/v1/stats", dict(manifest=manifest, experiment="e")), ("/v1/model/index", dict(manifest=manifest, parts="1")),
                         ("/v1/manifests", dict(manifest=manifest)), ("/v1/draws", {}), ("/v1/draws/" + "0" * 64, {}), ("/v1/experiments", {}), ("/v1/experiments/e", {}),
                         ("/v1/experiments/e/trials", {}), ("/v1/experiments/e/pin", {}), ("/v1/ledger", {}), ("/v1/ledger/head", {}),
                         ("/v1/seed", dict(experiment="e", purposes="data")), ("/v1/initializers", {}), ("/v1/recipes", {}), ("/openapi.json", {}), ("/metrics", {}), ("/healthz", {}), ("/readyz", {})]:
        for headers in [{}, {"Range": "bytes=0-1"}, {"If-None-Match": '"x"'}, {"Idempotency-Key": "k"}]:
            response = ask(daemon, "HEAD", path, headers, **fields)
            assert response.body == b"" and response.status == {"/v1/experiments/e": 404, "/v1/experiments/e/trials": 405, "/v1/draws": 405,
                                                                     "/v1/draws/" + "0" * 64: 404}.get(path, 200), path
    assert daemon.ledger() == []


def test_head_needs_a_readable_ledger_but_not_a_writable_one(start, faults, draw):  # noqa: F811
    daemon = start(environment=faults.environment)
    faults.write_error = errno.EIO
    assert refused(daemon.get("/v1/tensor", **draw))
    assert ask(daemon, "HEAD", "/v1/tensor", **draw).status == 200


@pytest.mark.parametrize("path", ["/v1/ledger", "/v1/ledger?limit=0", "/v1/ledger?x=y", "/v1/ledger/head", "/v1/experiments", "/v1/initializers", "/v1/plan",
                                  "/v1/tensor?experiment=e&name=w&shape=3&init=zeros", "/openapi.json", "/healthz", "/nothing"])
def test_a_response_to_head_ends_with_its_headers(daemon, path):
    """What follows them would be taken for the next response."""
    with daemon.socket() as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 ") and received.index(b"\r\n\r\n") == len(received) - 4, received
