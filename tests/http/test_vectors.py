"""The published vectors (proto/vectors/): every response of the daemon equals that of the second implementation."""
import hashlib
import json
import pathlib
import subprocess

import pytest

import sow_programs as sow

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "proto" / "vectors"
# tests/unit/core/vectors.c checks larger ones: it generates every element of every vector.
LARGEST = 1 << 20


def load(name, key):
    return json.loads((VECTORS / name).read_text())[key]


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def test_draws(daemon):
    for name in ("draws.json", "cells.json", "edges.json"):
        for vector in load(name, "draws"):
            if vector["elements"] > LARGEST:
                continue
            response = daemon.post("/v1/tensor", {**vector["request"], "format": "raw"})
            assert response.status == 200, (vector["request"], response.body)
            assert (response.headers["Sower-Draw"], response.headers["Sower-Seed"]) == (vector["draw"], vector["seed"]), vector["request"]
            assert blake2b(response.body) == vector["blake2b_256"], vector["request"]


def test_refusals(daemon):
    before = len(daemon.ledger())
    for vector in load("refusals.json", "refusals"):
        if "query" in vector:
            response = daemon.request("GET", f"/v1/tensor?{vector['query']}")
        else:
            response = daemon.request("POST", "/v1/tensor", vector.get("body") or json.dumps(vector["request"]))
        assert response.status == vector["status"], (vector, response.body)
        assert response.problem().get("param", "") == vector["param"], (vector, response.body)
    assert len(daemon.ledger()) == before


def test_plans(daemon):
    for vector in load("plans.json", "plans"):
        plan = daemon.post("/v1/plan", vector["request"]).json()
        assert {name: plan[name] for name in vector["plan"]} == vector["plan"], vector["request"]


def test_files(daemon):
    """Fetches only the bytes before the elements: a body may have terabytes."""
    for vector in load("files.json", "files"):
        header = bytes.fromhex(vector["header"])
        fields = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in vector["request"].items()}
        response = daemon.get("/v1/tensor", headers={"Range": f"bytes=0-{max(len(header), 1) - 1}"}, **fields)
        assert response.status == 206 and response.headers["Content-Range"].endswith(f"/{vector['bytes']}"), (vector["request"], response.body)
        assert response.body[:len(header)] == header, vector["request"]


def test_manifests(daemon):
    for vector in load("manifests.json", "manifests"):
        kept = daemon.post("/v1/manifests", vector["manifest"])
        assert kept.status == 200, kept.body
        assert [kept.json()[name] for name in ("manifest", "tensors", "bytes")] == [vector["hash"], vector["tensors"], vector["bytes"]]
        assert daemon.get("/v1/manifests", manifest=vector["hash"]).body.decode() == vector["canonical"] + "\n"


def test_models(daemon):
    for vector in load("models.json", "models"):
        fields = {name: vector[name] for name in ("experiment", "trial", "tensors", "part", "shard") if name in vector}
        known = daemon.post("/v1/manifests", vector["manifest"]).json()["manifest"]
        response = daemon.get("/v1/model", manifest=known, **fields)
        assert response.status == 200, response.body
        assert response.body.hex().startswith(vector["header"]), fields
        assert (len(response.body), blake2b(response.body)) == (vector["bytes"], vector["blake2b_256"]), fields
        assert daemon.get("/v1/stats", manifest=known, **fields).json()["digest"] == vector["digest"], fields


def test_indexes(daemon):
    for vector in load("models.json", "indexes"):
        known = daemon.post("/v1/manifests", vector["manifest"]).json()["manifest"]
        fields = {name: vector[name] for name in ("parts", "tensors") if name in vector}
        assert daemon.get("/v1/model/index", manifest=known, **fields).json() == vector["index"]


@pytest.fixture
def exported(tmp_path):
    """A file with the published lines, like an export of a ledger."""
    path = tmp_path / "ledger.ndjson"
    path.write_text("".join(json.dumps(vector["line"], ensure_ascii=False) + "\n" for vector in load("ledger.json", "lines")))
    return path


def verify(path, head, tmp_path):
    signed = tmp_path / "head.json"
    signed.write_text(json.dumps(head))
    command = [sow.SOW, "ledger", "verify", path, "--head", signed, "-w", head["writer"]]
    return subprocess.run(command, env=sow.environment(), capture_output=True, text=True, timeout=sow.PATIENCE)


def test_lines_and_heads(exported, tmp_path):
    for vector in load("ledger.json", "heads"):
        done = verify(exported, vector["head"], tmp_path)
        assert done.returncode == 0, done.stderr
        signature = vector["head"]["signature"]
        done = verify(exported, {**vector["head"], "signature": ("0" if signature[0] != "0" else "1") + signature[1:]}, tmp_path)
        assert done.returncode != 0
