"""Models: many tensors as one safetensors file, from a manifest."""
import hashlib
import json
import pathlib
import random
import sqlite3
import struct

import pytest

from second_implementation.manifests import Manifest
from second_implementation.refusal import Refusal

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}
NAMES = {"F64": "f64", "F32": "f32", "F16": "f16", "BF16": "bf16", "F8_E4M3": "f8_e4m3", "F8_E5M2": "f8_e5m2"}

MANIFEST = {
    "tensors": [
        {"name": "h.0.attn.c_proj.weight", "shape": [48, 16]},
        {"name": "h.0.attn.c_proj.bias", "shape": [16]},
        {"name": "odd", "shape": [3], "dtype": "bf16", "init": "normal(std=1)"},
        {"name": "behind the odd one", "shape": [7, 5], "dtype": "f64", "init": "he_normal"},
        {"name": "none", "shape": [0, 4], "init": "ones"},
        {"name": "scalar", "shape": [], "dtype": "f16", "init": "constant(2.5)"},
        {"name": "q", "shape": [24, 16], "init": "orthogonal"},
        {"name": "é \"quoted\"", "shape": [9], "dtype": "f8_e4m3", "init": "uniform(-1,1)"},
    ],
    "recipe": "hf_gpt2",
    "layers": 12,
    "rules": [{"match": "*.bias", "init": "zeros"}],
}


def asked(manifest, experiment="model", trial=3):
    return {**manifest, "experiment": experiment, "trial": trial}


def parse(body):
    """Checks a safetensors file; returns its header and its tensors {name: (entry, bytes)}."""
    (length,) = struct.unpack("<Q", body[:8])
    header = json.loads(body[8 : 8 + length])
    assert (8 + length) % 8 == 0
    data = body[8 + length :]
    tensors, end = {}, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, stop = entry["data_offsets"]
        count = 1
        for size in entry["shape"]:
            count *= size
        assert start == end and stop - start == count * SIZES[entry["dtype"]], (name, entry)
        tensors[name] = (entry, data[start:stop])
        end = stop
    assert end == len(data)
    return header["__metadata__"], tensors


def store(daemon, manifest):
    response = daemon.post("/v1/manifests", manifest)
    assert response.status == 200, response.body
    return response.json()


def canonical(manifest):
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_every_tensor_of_a_model_equals_the_single_tensor(daemon):
    response = daemon.post("/v1/model", asked(MANIFEST))
    assert response.status == 200, response.body
    assert response.headers["Content-Length"] == str(len(response.body))
    metadata, tensors = parse(response.body)
    assert list(tensors) == [tensor["name"] for tensor in MANIFEST["tensors"]]
    stored = json.loads(daemon.get("/v1/manifests", manifest=response.headers["Sower-Manifest"]).body)
    for plain, (name, (entry, data)) in zip(stored["tensors"], tensors.items()):
        alone = daemon.post("/v1/tensor", {**plain, "experiment": "model", "trial": 3, "format": "raw"})
        assert alone.status == 200, alone.body
        assert alone.body == data and plain["name"] == name and NAMES[entry["dtype"]] == plain["dtype"]
    assert metadata["sower.experiment"] == "model" and metadata["sower.trial"] == "3" and metadata["sower.spec"] == "1"
    assert metadata["sower.manifest"] == response.headers["Sower-Manifest"] and metadata["format"] == "pt"


def test_a_manifests_hash_is_that_of_its_canonical_form(daemon):
    hash = store(daemon, MANIFEST)["manifest"]
    response = daemon.get("/v1/manifests", manifest=hash)
    body = response.body.rstrip(b"\n")
    assert hashlib.blake2b(body, digest_size=32).hexdigest() == hash
    assert canonical(json.loads(body)) == body
    assert store(daemon, json.loads(body))["manifest"] == hash
    assert store(daemon, asked(MANIFEST, trial=77))["manifest"] == hash
    assert store(daemon, {**MANIFEST, "layers": 13})["manifest"] != hash


def test_the_response_to_a_stored_manifest(daemon):
    manifest = {"tensors": [{"name": "h.0.w", "shape": [4, 4]}, {"name": "mask", "shape": [2]}], "defaults": {"init": "normal"},
                "rules": [{"match": "nothing", "init": "ones"}], "leave_out": ["mask"], "blocks": "h"}
    response = store(daemon, manifest)
    assert response["tensors"] == 1 and response["bytes"] == 64 and response["layers"] is None
    assert response["towers"] == [{"blocks": "h", "layers": 1}] and response["left_out"] == {"count": 1, "names": ["mask"]}
    assert response["warnings"] == ["Rule 1 (nothing) matches no tensor."]
    model = daemon.post("/v1/model", asked(manifest))
    assert model.headers["Sower-Warning"] == "Rule 1 (nothing) matches no tensor."


@pytest.mark.parametrize("fields, param, part", [
    ({"rules": [{"match": "*", "init": "zeros"}, {"match": "h.0.w", "init": "ones"}]}, "rules", "Rule 2 (h.0.w) has no effect"),
    ({"rules": [{"match": "h.0.w", "refuse": "say what it is."}]}, "tensors", '"h.0.w": say what it is.'),
    ({"defaults": {"init": "wang_normal(layers)"}}, "tensors", "needs the number of layers"),
    ({"defaults": {"init": "constant(block)"}, "layers": 3}, "tensors", "needs the number of its block"),
    ({"tensors": [{"name": "h.0\n", "shape": []}], "defaults": {"init": "constant(block)"}, "blocks": "h"}, "tensors", "needs the number of its block"),
    ({"defaults": {"init": "zeros", "zero_rows": 2}}, "tensors", '"h.0.w": '),
    ({"leave_out": ["*"]}, "tensors", "All tensors are left out"),
    ({"recipe": "hf_gpt2", "constants": {"d_kv": 4}}, "constants", 'no constant "d_kv"'),
])
def test_a_manifest_whose_fields_do_not_fit_together_is_422_and_records_nothing(daemon, fields, param, part):
    before = len(daemon.ledger())
    manifest = {"tensors": [{"name": "h.0.w", "shape": [2, 2]}, {"name": "v", "shape": [2, 2], "init": "zeros"}], **fields}
    for path in ("/v1/model", "/v1/manifests"):
        response = daemon.post(path, asked(manifest))
        problem = response.problem()
        assert (response.status, problem["param"]) == (422, param) and part in problem["detail"], problem
    assert len(daemon.ledger()) == before
    if "recipe" not in fields:  # recipes are no part of the contract
        with pytest.raises(Refusal) as refusal:
            Manifest(json.dumps(manifest).encode())
        assert refusal.value.status == 422


@pytest.mark.parametrize("fields, param", [
    ({"rules": [{"match": "*", "refuse": ""}]}, "rules"),
    ({"blocks": "a..b"}, "blocks"),
    ({"blocks": ["h", "a/b"]}, "blocks"),
])
def test_rules_and_lists_that_are_malformed_are_400(daemon, fields, param):
    manifest = {"tensors": [{"name": "h.0.w", "shape": [2, 2]}], "defaults": {"init": "zeros"}, **fields}
    response = daemon.post("/v1/manifests", manifest)
    assert (response.status, response.problem()["param"]) == (400, param)
    with pytest.raises(Refusal) as refusal:
        Manifest(json.dumps(manifest).encode())
    assert (refusal.value.status, refusal.value.param) == (400, param)


def test_a_stored_manifest_gives_the_same_file_and_every_range_of_it(daemon):
    posted = daemon.post("/v1/model", asked(MANIFEST))
    fields = dict(manifest=posted.headers["Sower-Manifest"], experiment="model", trial=3)
    whole = daemon.get("/v1/model", **fields)
    assert whole.body == posted.body and whole.headers["ETag"] == posted.headers["ETag"]
    size, chosen = len(whole.body), random.Random(5)
    for _ in range(60):
        start = chosen.randrange(size)
        stop = min(size, start + 1 + chosen.randrange(size))
        response = daemon.get("/v1/model", headers={"Range": f"bytes={start}-{stop - 1}"}, **fields)
        assert response.status == 206 and response.body == whole.body[start:stop]
        assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    etag = whole.headers["ETag"]
    assert daemon.get("/v1/model", headers={"If-None-Match": etag}, **fields).status == 304
    assert daemon.get("/v1/model", headers={"Range": "bytes=0-7", "If-Range": '"x"'}, **fields).status == 200
    assert daemon.get("/v1/model", headers={"Range": f"bytes={size}-"}, **fields).status == 416
    head = daemon.request("HEAD", daemon.url("/v1/model", **fields).split(daemon.address)[1])
    assert head.status == 200 and head.headers["Content-Length"] == str(size) and head.headers["ETag"] == etag
    other = daemon.get("/v1/model", **{**fields, "trial": 4})
    assert other.headers["ETag"] != etag and len(other.body) == size and other.body != whole.body


def test_a_glob_and_a_shard_select_tensors(daemon):
    hash = store(daemon, MANIFEST)["manifest"]
    fields = dict(manifest=hash, experiment="model", trial=3)
    _, whole = parse(daemon.get("/v1/model", **fields).body)
    metadata, chosen = parse(daemon.get("/v1/model", tensors="h.*", **fields).body)
    assert list(chosen) == ["h.0.attn.c_proj.weight", "h.0.attn.c_proj.bias"]
    assert all(chosen[name][1] == whole[name][1] for name in chosen) and metadata["sower.tensors"] == "h.*"
    _, ranks = zip(*[parse(daemon.get("/v1/model", shard=f"0:{rank}/3", **fields).body) for rank in range(3)])
    assert ranks[1]["scalar"][1] == whole["scalar"][1]
    for name in ["h.0.attn.c_proj.weight", "behind the odd one", "q", "odd"]:
        assert b"".join(rank[name][1] for rank in ranks) == whole[name][1]


TIED = {
    "experiment": "tied", "trial": 1, "defaults": {"init": "normal", "dtype": "bf16"},
    "tensors": [
        {"name": "lm_head.weight", "shape": [16, 8], "same_as": "wte.weight"},
        {"name": "wte.weight", "shape": [16, 8]},
        {"name": "norm", "shape": [8], "init": "ones"},
        {"name": "second_head", "shape": [16, 8], "same_as": "lm_head.weight", "dtype": "bf16"},
    ],
}


def test_a_tied_tensor_is_in_the_metadata_and_the_other_one_is_recorded_once(start):
    daemon = start()
    response = daemon.post("/v1/model", TIED)
    metadata, tensors = parse(response.body)
    assert list(tensors) == ["wte.weight", "norm"] and response.headers["Sower-Tensors"] == "2"
    assert metadata["lm_head.weight"] == metadata["second_head"] == "wte.weight"
    assert [line["name"] for line in daemon.ledger()] == ["wte.weight", "norm"]
    alone = daemon.get("/v1/tensor", experiment="tied", trial=1, name="wte.weight", shape="16,8", init="normal", dtype="bf16", format="raw")
    assert alone.body == tensors["wte.weight"][1]
    kept = store(daemon, TIED)
    assert kept["tensors"] == 4 and kept["same_as"] == 2 and kept["bytes"] == 2 * (16 * 8 + 8)
    text = daemon.get("/v1/manifests", manifest=kept["manifest"]).body.rstrip(b"\n")
    assert canonical(json.loads(text)) == text and store(daemon, json.loads(text))["manifest"] == kept["manifest"]
    untied = {**TIED, "tensors": [tensor for tensor in TIED["tensors"] if "same_as" not in tensor]}
    assert store(daemon, untied)["manifest"] != kept["manifest"]
    stats = daemon.get("/v1/stats", manifest=kept["manifest"], experiment="tied", trial=1).json()
    assert [tensor["name"] for tensor in stats["tensors"]] == ["wte.weight", "norm"]


def test_the_name_of_a_tied_tensor_selects_the_other_one(daemon):
    fields = dict(manifest=store(daemon, TIED)["manifest"], experiment="tied")
    metadata, tensors = parse(daemon.get("/v1/model", tensors="*head*", **fields).body)
    assert list(tensors) == ["wte.weight"] and metadata["lm_head.weight"] == "wte.weight"
    metadata, tensors = parse(daemon.get("/v1/model", tensors="norm", **fields).body)
    assert list(tensors) == ["norm"] and not metadata.keys() & {"lm_head.weight", "second_head"}
    index = daemon.get("/v1/model/index", manifest=fields["manifest"], parts=2, tensors="lm_head*").json()
    assert list(index["weight_map"]) == ["wte.weight"]


@pytest.mark.parametrize("tensor, part", [
    ({"name": "x", "shape": [16, 8], "same_as": "nothing"}, "no such tensor"),
    ({"name": "x", "shape": [16, 8], "same_as": "x"}, "leads back to itself"),
    ({"name": "x", "shape": [8, 16], "same_as": "second_head"}, "another shape"),
    ({"name": "x", "shape": [16, 8], "same_as": "second_head", "dtype": "f32"}, "has the dtype f32"),
    ({"name": "sower.root", "shape": [16, 8], "same_as": "second_head"}, "the metadata of the file"),
])
def test_a_tie_that_contradicts_is_refused_and_nothing_is_recorded(start, tensor, part):
    daemon = start()
    for path in ("/v1/model", "/v1/manifests"):
        response = daemon.post(path, {**TIED, "tensors": [*TIED["tensors"], tensor]})
        assert response.status == 422 and response.problem()["param"] == "tensors"
        assert tensor["name"] in response.problem()["detail"] and part in response.problem()["detail"]
    assert daemon.ledger() == []


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_and_their_index_make_up_the_whole(daemon, parts):
    hash = store(daemon, MANIFEST)["manifest"]
    fields = dict(manifest=hash, experiment="model", trial=3)
    _, whole = parse(daemon.get("/v1/model", **fields).body)
    index = daemon.get("/v1/model/index", manifest=hash, parts=parts).json()
    assert index["metadata"]["total_size"] == sum(len(data) for _, data in whole.values())
    found = {}
    for part in range(parts):
        _, tensors = parse(daemon.get("/v1/model", part=f"{part}/{parts}", **fields).body)
        for name, (_, data) in tensors.items():
            assert index["weight_map"][name] == f"model-{part + 1:05}-of-{parts:05}.safetensors"
            assert data == whole[name][1]
            found[name] = True
    assert found.keys() == whole.keys() == index["weight_map"].keys()


def test_all_draws_of_a_model_are_in_the_ledger_with_the_manifests_hash(start):
    daemon = start()
    response = daemon.post("/v1/model", asked(MANIFEST))
    lines = daemon.ledger()
    assert [line["name"] for line in lines] == [tensor["name"] for tensor in MANIFEST["tensors"]]
    assert {line["manifest"] for line in lines} == {response.headers["Sower-Manifest"]}
    assert len({line["time"] for line in lines}) == 1
    daemon.post("/v1/model", asked(MANIFEST))
    daemon.get("/v1/tensor", experiment="model", trial=3, name="odd", shape="3", dtype="bf16", init="normal(std=1)")
    assert daemon.ledger() == lines
    daemon.get("/v1/tensor", experiment="model", trial=4, name="odd", shape="3", dtype="bf16", init="normal(std=1)")
    assert "manifest" not in daemon.ledger()[-1]


def test_a_manifest_and_its_draws_survive_a_restart(start, tmp_path):
    daemon = start(state=tmp_path / "kept")
    hash = store(daemon, MANIFEST)["manifest"]
    fields = dict(manifest=hash, experiment="model", trial=3)
    body, lines = daemon.get("/v1/model", **fields).body, daemon.ledger()
    daemon.stop()
    again = start(state=tmp_path / "kept")
    assert again.get("/v1/model", **fields).body == body and again.ledger() == lines


def test_ten_thousand_tensors_take_little_memory(start):
    daemon = start()
    manifest = {"experiment": "e", "defaults": {"init": "he_normal"},
                "tensors": [{"name": f"layers.{i}.w", "shape": [32, 16]} for i in range(10000)]}
    response = daemon.post("/v1/model", manifest)
    assert response.status == 200
    _, tensors = parse(response.body)
    alone = daemon.get("/v1/tensor", experiment="e", name="layers.7777.w", shape="32,16", init="he_normal", format="raw")
    assert tensors["layers.7777.w"][1] == alone.body
    assert len(daemon.ledger()) == 10000
    assert daemon.peak_memory() < 64 * 1024


@pytest.mark.parametrize(
    "change, param, part",
    [
        ({"tensors": [{"name": "a", "shape": [1]}] * 2}, "tensors", 'two tensors "a"'),
        ({"tensors": [{"name": f"t{i}", "shape": [1 << 18, 1 << 18], "init": "ones"} for i in range(65)]}, "tensors", "16 TiB"),
        ({"tensors": [{"name": "w", "shape": [4], "init": "he_norm"}]}, "tensors", '"w": There is no initializer'),
        ({"recipe": None, "rules": [], "tensors": [{"name": "w", "shape": [4]}]}, "recipe", "no recipe"),
        ({"recipe": "hf_bert", "tensors": [{"name": "w", "shape": [4]}]}, "tensors", '"w": it has no init'),
        ({"tensors": [{"name": "q", "shape": [20000, 20000], "init": "orthogonal"}]}, "tensors", "--max-orthogonal"),
        ({"experiment": ""}, "experiment", "is empty"),
        ({"trial": -1}, "trial", "whole number"),
        ({"spec": 2}, "spec", "1, the only version"),
        ({"shard": "0:0/2"}, "shard", "A manifest has no field"),
    ],
)
def test_a_bad_manifest_is_refused_and_nothing_is_recorded(start, change, param, part):
    daemon = start()
    response = daemon.post("/v1/model", {**asked(MANIFEST), **change})
    assert response.status in (400, 413)
    problem = response.problem()
    assert problem["param"] == param and part in problem["detail"], problem
    assert daemon.ledger() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100000, b'{"tensors":' + b"[" * 100000, b'{"rules":' + b"[" * 100000,
                                  b'{"tensors":[{"name":"\xff","shape":[]}]}', b"{}" + b" " * 100 + b"x"])
def test_a_body_that_is_not_a_manifest_is_refused(daemon, body):
    for path in ("/v1/model", "/v1/manifests"):
        response = daemon.request("POST", path, body=body)
        assert response.status == 400 and response.problem()


def test_a_post_of_a_manifest_with_a_query_string_is_refused(daemon):
    assert daemon.post("/v1/manifests?shard=0:0/2", asked(MANIFEST)).status == 400


def test_invalid_fields_of_a_get_are_refused(daemon):
    hash = store(daemon, MANIFEST)["manifest"]
    good = dict(manifest=hash, experiment="model")
    for change, param in [({"manifest": "x"}, "manifest"), ({"part": "3"}, "part"), ({"part": "8/8"}, "part"),
                          ({"shard": "0:3/2"}, "shard"), ({"tensors": "["}, "tensors"), ({"tensors": "nobody"}, "tensors"),
                          ({"colour": "red"}, "colour"), ({"experiment": ""}, "experiment"), ({"trial": "x"}, "trial")]:
        response = daemon.get("/v1/model", **{**good, **change})
        assert response.status == 400 and response.problem()["param"] == param, (change, response.body)
    assert daemon.get("/v1/model", manifest=hash).problem()["param"] == "experiment"
    missing = daemon.get("/v1/model", **{**good, "manifest": "0" * 64})
    assert missing.status == 404 and missing.problem()["param"] == "manifest"
    assert daemon.get("/v1/model/index", manifest=hash, parts=0).problem()["param"] == "parts"


def test_a_connection_that_is_cut_off_leaks_nothing(start):
    daemon = start()
    manifest = {"experiment": "e", "tensors": [{"name": "q", "shape": [700, 700], "init": "orthogonal"},
                                               {"name": "w", "shape": [4096, 4096], "init": "normal"}]}
    body = json.dumps(manifest).encode()
    for _ in range(3):
        with daemon.socket() as connection:
            connection.sendall(b"POST /v1/model HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            connection.recv(10)
    assert daemon.post("/v1/model", manifest).status == 200


def test_recipes_are_listed_and_work_as_rules(daemon):
    recipes = daemon.get("/v1/recipes").json()
    names = {"torch_default", "torch_transformer", "keras_default", "flax_default", "hf_gpt2", "hf_llama", "hf_mixtral",
             "hf_deepseek_v3", "hf_gemma2", "hf_bert", "hf_t5", "hf_whisper", "hf_vit", "hf_clip", "hf_resnet", "hf_mamba2",
             "torchvision_resnet", "torchvision_convnext", "torchvision_vit", "torchvision_swin", "torchvision_googlenet", "timm_vit",
             "diffusers_unet", "nanogpt", "torchtitan_llama3"}
    assert names == {r["name"] for r in recipes}
    assert all(r["source"] and r["summary"] and r["rules"] for r in recipes)
    gpt2 = daemon.get("/v1/recipes", name="hf_gpt2").json()
    tensors = [{"name": f"h.{i}.mlp.c_proj.weight", "shape": [8, 4]} for i in range(12)]
    by_name = store(daemon, {"tensors": tensors, "recipe": "hf_gpt2"})
    assert by_name["towers"] == [{"blocks": "h", "layers": 12}]
    copied = {"tensors": tensors, "rules": gpt2["rules"], "blocks": gpt2["blocks"], "constants": gpt2["constants"]}
    assert store(daemon, copied)["manifest"] == by_name["manifest"]
    assert daemon.get("/v1/recipes", name="gtp2").problem()["param"] == "name"


def test_a_new_model_is_refused_without_the_ledger(start):
    daemon = start()
    assert daemon.post("/v1/model", asked(MANIFEST, trial=1)).status == 200
    recorded = daemon.ledger()
    path = pathlib.Path(daemon.state) / "ledger.sqlite"
    path.rename(path.with_suffix(".away"))
    refused = daemon.post("/v1/model", asked(MANIFEST, trial=2))
    assert refused.status == 503 and refused.problem()["detail"].startswith("The ledger cannot be used now")
    assert daemon.post("/v1/manifests", {**MANIFEST, "layers": 99}).status == 503
    # A recorded model needs no write.
    assert daemon.post("/v1/model", asked(MANIFEST, trial=1)).status == 200
    path.with_suffix(".away").rename(path)
    assert daemon.post("/v1/model", asked(MANIFEST, trial=2)).status == 200
    assert daemon.ledger()[: len(recorded)] == recorded and len(daemon.ledger()) == 2 * len(recorded)


def test_only_the_sent_tensors_are_recorded(start):
    daemon = start()
    hash = store(daemon, MANIFEST)["manifest"]
    assert daemon.ledger() == []
    daemon.get("/v1/model", manifest=hash, experiment="e", tensors="odd")
    assert [line["name"] for line in daemon.ledger()] == ["odd"]
    daemon.get("/v1/model", manifest=hash, experiment="e")
    assert sorted(line["name"] for line in daemon.ledger()) == sorted(tensor["name"] for tensor in MANIFEST["tensors"])


FIRST_SCHEMA = """
CREATE TABLE draw (ledger INTEGER PRIMARY KEY, time INTEGER NOT NULL, draw BLOB NOT NULL UNIQUE, seed BLOB NOT NULL,
  root BLOB NOT NULL, spec INTEGER NOT NULL, experiment TEXT NOT NULL, trial INTEGER NOT NULL, name TEXT NOT NULL,
  shape TEXT NOT NULL, dtype TEXT NOT NULL, init TEXT NOT NULL, layout TEXT NOT NULL) STRICT;
CREATE INDEX draw_experiment ON draw (experiment);
CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (0, 0);
INSERT INTO draw VALUES (1, 5, x'01', x'02', x'03', 1, 'old', 0, 'w', '2', 'f32', 'zeros', 'oi');
PRAGMA application_id = 1399814002;
PRAGMA user_version = 1;
"""


def test_a_ledger_older_than_models_is_migrated_and_accepts_models(start, tmp_path):
    state = tmp_path / "old"
    state.mkdir()
    with sqlite3.connect(state / "ledger.sqlite") as database:
        database.executescript(FIRST_SCHEMA)
    database.close()
    daemon = start(state=state)
    response = daemon.post("/v1/model", asked(MANIFEST))
    assert response.status == 200
    lines = daemon.ledger()
    assert lines[0]["experiment"] == "old" and "manifest" not in lines[0]
    assert lines[1]["manifest"] == response.headers["Sower-Manifest"]


def test_models_of_a_private_root_differ_and_no_shared_cache_keeps_them(start, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    daemon = start("--root-key-file", str(key))
    hash = store(daemon, MANIFEST)["manifest"]
    private = daemon.get("/v1/model", manifest=hash, experiment="model", trial=3)
    public = start().post("/v1/model", asked(MANIFEST))
    assert private.headers["Cache-Control"].startswith("private") and public.headers["Sower-Manifest"] == hash
    assert private.body != public.body and len(private.body) == len(public.body)
    assert private.headers["ETag"] != public.headers["ETag"]


def test_many_large_manifests_at_once_do_not_take_all_memory(start):
    """Unfinished bodies take all memory for bodies. The next request gets 503 with Retry-After."""
    daemon = start("--request-seconds", "3600")  # a sanitizer on a loaded machine takes its time
    head = b"POST /v1/manifests HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (160 << 20)
    small = {"tensors": [{"name": "w", "shape": [2], "init": "zeros"}]}
    large = json.dumps(small).encode() + b" " * (9 << 20)
    connections = [daemon.socket() for _ in range(7)]  # 128 MiB for each, of 1 GiB; the large manifest needs 142 MiB
    for connection in connections:
        connection.sendall(head + b" " * (80 << 20))
    response = daemon.request("POST", "/v1/manifests", body=large)
    assert response.status == 503 and response.headers["Retry-After"] and "ask again" in response.problem()["detail"]
    assert daemon.post("/v1/manifests", small).status == 200
    for connection in connections:
        connection.close()
    while daemon.request("POST", "/v1/manifests", body=large).status != 200:
        pass  # the daemon notices the closed connections one by one
    assert daemon.peak_memory() < 700 * 1024


@pytest.mark.parametrize("change", [{}, {"slice": "1:7,2:"}, {"shape": ""}, {"shape": "0,3"}, {"dtype": "bf16"},
                                    {"name": "\x01" * 512, "experiment": "\x02" * 256}])
def test_a_single_tensor_is_available_as_safetensors(daemon, change):
    fields = {**dict(experiment="one", trial=2, name="w", shape="9,11", init="normal"), **change}
    response = daemon.get("/v1/tensor", format="safetensors", **fields)
    assert response.status == 200, response.body
    metadata, tensors = parse(response.body)
    assert list(tensors) == [fields["name"]] and metadata["sower.experiment"] == fields["experiment"]
    assert tensors[fields["name"]][1] == daemon.get("/v1/tensor", format="raw", **fields).body
    part = daemon.get("/v1/tensor", headers={"Range": "bytes=3-"}, format="safetensors", **fields)
    assert part.status == 206 and part.body == response.body[3:]
    assert daemon.get("/v1/plan", format="safetensors", **fields).json()["bytes"] == len(response.body)


def test_a_name_reserved_by_the_format_is_refused(daemon):
    response = daemon.get("/v1/tensor", experiment="one", name="__metadata__", shape="2", init="ones", format="safetensors")
    assert response.status == 400 and response.problem()["param"] == "name"


@pytest.mark.parametrize("damage", ["replace(text, 'zeros', 'ones')", "x''", "x'ff'", "text || x'20'"])
def test_a_stored_manifest_with_a_wrong_hash_is_not_served(start, damage):
    daemon = start()
    hash = store(daemon, {"tensors": [{"name": "t", "shape": [4], "init": "zeros"}]})["manifest"]
    with sqlite3.connect(daemon.state / "ledger.sqlite") as database:
        database.execute(f"UPDATE manifest SET text = CAST({damage} AS BLOB)")
    database.close()
    for path, fields in [("/v1/manifests", {}), ("/v1/model", {"experiment": "e"}), ("/v1/stats", {"experiment": "e"})]:
        response = daemon.get(path, manifest=hash, **fields)
        assert response.status == 503 and "damaged" in response.json()["detail"], (path, response.body)
    assert daemon.ledger() == []
