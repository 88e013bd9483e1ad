"""POST /v1/draws: draws are recorded without their bytes, and the receipt says all that is needed to generate them."""
import contextlib
import json
import sqlite3
import time

import pytest

from second_implementation import manifests, models
from second_implementation.ledger import layout

MANIFEST = {
    "tensors": [
        {"name": "wte.weight", "shape": [50, 16]},
        {"name": "h.0.weight", "shape": [48, 16], "dtype": "bf16"},
        {"name": "q", "shape": [24, 16], "init": "orthogonal(gain=0.5)", "layout": "io", "fan_in": 3},
        {"name": "é \"quoted\"\n", "shape": [9], "dtype": "f8_e4m3", "init": "uniform(-1,1)"},
        {"name": "none", "shape": [0, 4], "init": "ones"},
        {"name": "scalar", "shape": [], "init": "constant(2.5)"},
        {"name": "padded", "shape": [6, 4], "zero_rows": -1},
        {"name": "lm_head.weight", "shape": [50, 16], "same_as": "wte.weight"},
    ],
    "defaults": {"init": "normal(std=0.02)"},
}
TENSOR = {"name": "w", "shape": [4, 6], "init": "he_normal"}
KEYS = ["experiment", "trial", "root", "spec", "manifest", "ledger", "draws", "ties"]
DRAW_KEYS = ["name", "draw", "seed", "shape", "dtype", "init", "layout", "ledger", "drift"]


def asked(fields, experiment="e", trial=3):
    return {**fields, "experiment": experiment, "trial": trial}


def record(daemon, fields, query=""):
    response = daemon.post("/v1/draws" + query, fields)
    assert response.status == 200, response.body
    return response.json()


def refused(daemon, status, fields, query=""):
    response = daemon.request("POST", "/v1/draws" + query, body=fields if isinstance(fields, (str, bytes)) else json.dumps(fields))
    assert response.status == status, (response.status, response.body)
    return response.problem()


def said_of(receipt, draw):
    """What the ledger's line of a draw says, according to the receipt."""
    common = {key: receipt[key] for key in ("experiment", "trial", "root", "spec")}
    return {**common, **{key: value for key, value in draw.items() if value is not None}}


def check_lines(daemon, receipt, manifest=None):
    """Each draw of the receipt is a line of the ledger."""
    lines = {line["ledger"]: line for line in daemon.ledger() if line["kind"] == "draw"}
    for draw in receipt["draws"]:
        line = lines[draw["ledger"]]
        said = said_of(receipt, draw)
        assert said == {key: line[key] for key in said} and line.get("drift") == draw["drift"]
        assert line.get("manifest") == manifest


def test_the_receipt_of_a_manifest_has_its_draws_in_order_and_its_ties(recorder):
    receipt = record(recorder, asked(MANIFEST))
    wanted = manifests.Manifest(json.dumps(MANIFEST).encode())
    assert list(receipt) == KEYS and all(list(draw) == DRAW_KEYS for draw in receipt["draws"])
    assert (receipt["experiment"], receipt["trial"], receipt["spec"]) == ("e", 3, 1)
    assert receipt["manifest"] == wanted.hash.hex() and receipt["ties"] == {"lm_head.weight": "wte.weight"}
    assert [draw["name"] for draw in receipt["draws"]] == [tensor["name"] for tensor in MANIFEST["tensors"][:-1]]
    assert receipt["ledger"] == max(draw["ledger"] for draw in receipt["draws"]) == 7
    check_lines(recorder, receipt, receipt["manifest"])


def test_ids_seeds_and_fields_are_those_of_the_second_implementation(daemon):
    receipt = record(daemon, asked(MANIFEST, "second"))
    wanted = manifests.Manifest(json.dumps(MANIFEST).encode())
    for draw, tensor in zip(receipt["draws"], wanted.tensors, strict=True):
        request = wanted.request(manifests.canonical_tensor(tensor), "second", 3)
        assert (draw["draw"], draw["seed"]) == (request.draw.id.hex(), request.draw.seed.hex())
        assert (draw["name"], draw["shape"], draw["dtype"], draw["layout"]) == (request.name, request.shape, request.dtype, layout(request))
        assert draw["init"] == manifests.canonical_tensor(tensor)["init"]


def test_the_receipt_of_one_tensor_has_one_draw_and_no_manifest(recorder):
    receipt = record(recorder, asked(TENSOR))
    assert list(receipt) == KEYS and receipt["manifest"] is None and receipt["ties"] == {}
    (draw,) = receipt["draws"]
    assert list(draw) == DRAW_KEYS and draw["ledger"] == receipt["ledger"] == 1 and draw["drift"] is None
    check_lines(recorder, receipt)
    served = recorder.post("/v1/tensor", asked(TENSOR))
    assert (served.headers["Sower-Draw"], served.headers["Sower-Seed"], served.headers["Sower-Ledger"]) == (draw["draw"], draw["seed"], "1")


def test_asking_again_gives_the_same_receipt_and_writes_nothing(recorder):
    first = [record(recorder, asked(MANIFEST)), record(recorder, asked(TENSOR))]
    state = recorder.state / "ledger.sqlite"
    files = [path for path in (state, state.with_name(state.name + "-wal")) if path.exists()]
    before, head = [path.read_bytes() for path in files], recorder.get("/v1/ledger/head").json()
    assert [record(recorder, asked(MANIFEST)), record(recorder, asked(TENSOR))] == first
    head_after = recorder.get("/v1/ledger/head").json()
    assert [path.read_bytes() for path in files] == before and head_after["chains"] == head["chains"]


def test_draws_of_earlier_and_of_now_are_in_one_receipt(recorder):
    early = {"name": "h.0.weight", "shape": [48, 16], "dtype": "bf16", "init": "normal(std=0.02)"}
    recorder.post("/v1/tensor", asked(early))
    receipt = record(recorder, asked(MANIFEST))
    assert {draw["name"]: draw["ledger"] for draw in receipt["draws"]} == {
        "wte.weight": 2, "h.0.weight": 1, "q": 3, "é \"quoted\"\n": 4, "none": 5, "scalar": 6, "padded": 7}


def test_a_recorded_model_is_then_served_without_a_new_line(daemon):
    receipt = record(daemon, asked(MANIFEST, "served"))
    lines = daemon.ledger(experiment="served")
    response = daemon.get("/v1/model", manifest=receipt["manifest"], experiment="served", trial=3)
    assert response.status == 200 and daemon.ledger(experiment="served") == lines


@pytest.mark.parametrize("choice", [dict(tensors="h.*"), dict(tensors="lm_head*"), dict(part="1/3"), dict(tensors="[hq]*", part="0/2")], ids=str)
def test_a_query_chooses_tensors_of_the_manifest(daemon, choice):
    wanted = manifests.Manifest(json.dumps(MANIFEST).encode())
    names = [tensor.name for tensor in models.chosen(wanted, **choice)]
    experiment = f"chosen {choice}"
    query = "?" + "&".join(f"{name}={value}" for name, value in choice.items())
    receipt = record(daemon, asked(MANIFEST, experiment), query)
    assert [draw["name"] for draw in receipt["draws"]] == names
    assert receipt["ties"] == ({"lm_head.weight": "wte.weight"} if "wte.weight" in names else {})
    assert [line["name"] for line in daemon.ledger(experiment=experiment)] == names


def test_a_part_without_tensors_has_an_empty_receipt(daemon):
    receipt = record(daemon, asked(MANIFEST, "parts"), "?part=99/100")
    assert (receipt["draws"], receipt["ties"], receipt["ledger"]) == ([], {}, 0)


@pytest.mark.parametrize("fields", [dict(slice="0:1"), dict(shard="0:1/2"), dict(format="raw")], ids=str)
def test_what_concerns_only_the_bytes_of_a_tensor_changes_nothing(daemon, fields):
    assert record(daemon, {**asked(TENSOR, "bytes"), **fields}) == record(daemon, asked(TENSOR, "bytes"))


def test_a_draw_that_drifts_is_recorded_and_says_from_which_line(recorder):
    record(recorder, asked(TENSOR))
    one = record(recorder, asked({**TENSOR, "init": "zeros"}))
    many = record(recorder, asked({"tensors": [{"name": "v", "shape": [2]}, {**TENSOR, "shape": [7]}], "defaults": {"init": "zeros"}}))
    assert [draw["drift"] for draw in one["draws"] + many["draws"]] == [1, None, 1]
    check_lines(recorder, many, many["manifest"])


@pytest.mark.parametrize("how", ["strict", "pinned"])
def test_drift_that_is_not_allowed_refuses_everything(start, how):
    daemon = start(*(["--strict"] if how == "strict" else []))
    record(daemon, asked(TENSOR))
    if how == "pinned":
        daemon.request("PUT", "/v1/experiments/e/pin")
    lines = daemon.ledger()
    changed = {**TENSOR, "shape": [7, 6]}
    for fields in (changed, {"tensors": [{"name": "new", "shape": [2], "init": "zeros"}, changed]}):
        assert refused(daemon, 409, asked(fields))["param"] == "name"
    assert daemon.ledger() == lines and record(daemon, asked(TENSOR))["draws"][0]["ledger"] == 1


@pytest.mark.parametrize("fields, status, param", [
    ({**TENSOR, "init": "he_norml"}, 400, "init"),
    ({**TENSOR, "slice": "0:1:2"}, 400, "slice"),
    ({**TENSOR, "nome": "x"}, 400, "nome"),
    ({**TENSOR, "experiment": ""}, 400, "experiment"),
    ({"tensors": []}, 400, "tensors"),
    ({"tensors": [{"name": "w", "shape": [2]}]}, 400, "tensors"),
    ({"tensors": [TENSOR, TENSOR]}, 400, "tensors"),
    ({"tensors": [TENSOR], "slices": {"w": ":"}}, 400, "slices"),
    ({"tensors": [TENSOR], "recipe": "none"}, 400, "recipe"),
    ({"tensors": [{"name": "w", "shape": [2], "same_as": "v"}]}, 422, "tensors"),
    ({"tensors": [{"name": "w", "shape": [1 << 40], "init": "zeros"}] * 2}, 400, "tensors"),
], ids=str)
def test_a_wrong_body_is_refused_and_records_nothing(daemon, fields, status, param):
    lines = daemon.get("/v1/ledger/head").json()["ledger"]
    body = {"experiment": "wrong", **fields}
    assert refused(daemon, status, body).get("param") == param
    assert daemon.get("/v1/ledger/head").json()["ledger"] == lines


@pytest.mark.parametrize("query, param", [("?shard=0:0/2", "shard"), ("?slices=x", "slices"), ("?part=3/3", "part"), ("?tensors=nothing", "tensors"),
                                          ("?tensors=a&tensors=b", "tensors"), ("?experiment=e", "experiment"), ("?tensors=", "tensors")])
def test_a_wrong_query_is_refused_and_records_nothing(daemon, query, param):
    lines = daemon.get("/v1/ledger/head").json()["ledger"]
    assert refused(daemon, 400, asked(MANIFEST, "wrong"), query)["param"] == param
    assert daemon.get("/v1/ledger/head").json()["ledger"] == lines


def test_a_query_does_not_choose_of_one_tensor(daemon):
    assert "manifest" in refused(daemon, 400, asked(TENSOR, "wrong"), "?tensors=w")["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{\"tensors\"", b"{\"tensors\":[", b"tensors", b"{\"a\":\"\\", b"{\"experiment\":\"e\"}x", b"\xff",
                                  b"{\"x\":" + b"[" * 5000, b"{" + b" " * 5000])
def test_a_body_that_is_no_json_object_is_refused(daemon, body):
    refused(daemon, 400, body)


def test_a_large_body_without_tensors_is_refused_with_413(daemon):
    refused(daemon, 413, json.dumps({"x": "y" * (1 << 20)}))


def test_a_tensor_that_this_daemon_cannot_prepare_is_recorded(start):
    daemon = start("--max-orthogonal", "64")
    fields = asked({"name": "q", "shape": [128, 128], "init": "orthogonal"})
    assert daemon.post("/v1/tensor", fields).status == 413
    assert record(daemon, fields)["ledger"] == 1


def test_a_receipt_is_json_and_is_not_cached(daemon):
    response = daemon.post("/v1/draws", asked(TENSOR, "headers"))
    assert response.headers["Content-Type"] == "application/json" and response.headers["Cache-Control"] == "no-store"
    assert response.body.endswith(b"}\n")


def test_the_warnings_of_a_manifest_are_in_a_header(daemon):
    manifest = {**MANIFEST, "rules": [{"match": "nothing.*", "init": "zeros"}]}
    assert "nothing.*" in daemon.post("/v1/draws", asked(manifest, "warnings")).headers["Sower-Warning"]


def test_ten_thousand_tensors_are_recorded_within_a_second(start):
    daemon = start()
    tensors = [{"name": f"model.layers.{i}.weight", "shape": [64, 64]} for i in range(10_000)]
    manifest = {"tensors": tensors, "defaults": {"init": "normal(std=0.02)"}}
    daemon.peak_memory()  # skips the test for a daemon that a sanitizer makes slow
    seconds = []
    for trial in range(3):
        body = json.dumps(asked(manifest, trial=trial))
        begun = time.monotonic()
        response = daemon.request("POST", "/v1/draws", body=body)
        seconds.append(time.monotonic() - begun)
        receipt = response.json()
        assert [draw["name"] for draw in receipt["draws"]] == [tensor["name"] for tensor in tensors]
        assert [draw["ledger"] for draw in receipt["draws"]] == list(range(10_000 * trial + 1, 10_000 * trial + 10_001))
    assert min(seconds) < 1, seconds


def test_a_model_of_many_commits_has_one_receipt(start):
    daemon = start()
    names = [f"w{i}" for i in range(40_000)]
    manifest = {"tensors": [{"name": name, "shape": [2]} for name in names], "defaults": {"init": "zeros"}}
    receipt = record(daemon, asked(manifest))
    assert [draw["name"] for draw in receipt["draws"]] == names
    assert [draw["ledger"] for draw in receipt["draws"]] == list(range(1, 40_001))
    assert record(daemon, asked(manifest)) == receipt


def test_a_draw_is_found_by_its_id(recorder):
    receipt = record(recorder, asked(MANIFEST))
    lines = {line["draw"]: line for line in recorder.ledger()}
    for draw in receipt["draws"]:
        response = recorder.get(f"/v1/draws/{draw['draw']}")
        assert response.status == 200 and response.json() == lines[draw["draw"]]
        assert response.headers["Content-Type"] == "application/json" and response.headers["Cache-Control"] == "no-store"
    head = recorder.request("HEAD", f"/v1/draws/{draw['draw']}")
    assert head.status == 200 and head.headers["Content-Length"] == str(len(response.body)) and not head.body


def test_a_draw_without_a_line_is_404_and_is_then_found(recorder):
    draw = recorder.get("/v1/plan", experiment="e", trial=3, name="w", shape="4,6", init="he_normal").json()["draw"]
    for method in ("GET", "HEAD"):
        assert recorder.request(method, f"/v1/draws/{draw}").status == 404
    assert recorder.get(f"/v1/draws/{draw}").problem()["param"] == "draw"
    record(recorder, asked(TENSOR))
    assert recorder.get(f"/v1/draws/{draw}").json()["ledger"] == 1


def test_a_sqlite_ledger_of_an_earlier_version_gets_the_index_for_draw_ids(start, tmp_path):
    daemon = start(state=tmp_path / "state")
    draw = record(daemon, asked(TENSOR))["draws"][0]["draw"]
    assert daemon.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "state/ledger.sqlite")) as database:
        database.execute("DROP INDEX line_id")
    daemon = start(state=tmp_path / "state")
    assert daemon.get(f"/v1/draws/{draw}").json()["ledger"] == 1
    assert any(line.get("event") == "ledger_upgrade" for line in daemon.log)


def test_a_postgresql_ledger_of_an_earlier_version_gets_the_index_for_draw_ids(start, postgres):
    postgres.create("index_of_draws")
    daemon = start("--ledger", postgres.url("index_of_draws"))
    draw = record(daemon, asked(TENSOR))["draws"][0]["draw"]
    assert daemon.stop() == 0
    postgres.query("index_of_draws", "DROP INDEX sower.line_id")
    daemon = start("--ledger", postgres.url("index_of_draws"))
    assert daemon.get(f"/v1/draws/{draw}").json()["ledger"] == 1
    assert "line_id" in str(postgres.query("index_of_draws", "SELECT indexname FROM pg_indexes WHERE schemaname = 'sower'"))


def test_the_index_of_a_large_postgresql_ledger_may_take_longer_than_other_statements(start, postgres):
    postgres.create("slow_index")
    daemon = start("--ledger", postgres.url("slow_index"))
    draw = record(daemon, asked(TENSOR))["draws"][0]["draw"]
    assert daemon.stop() == 0
    # The database takes 7 seconds to begin; a statement may take 5, and an exchange 6.
    for statement in ["DROP INDEX sower.line_id", "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(7); END $$",
                      "CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION slow()"]:
        postgres.query("slow_index", statement)
    daemon = start("--ledger", postgres.url("slow_index"))
    assert daemon.get(f"/v1/draws/{draw}").json()["ledger"] == 1


@pytest.mark.parametrize("draw", ["0" * 63, "0" * 65, "g" * 64, "0" * 62 + "%00", "", "0" * 64 + "?x=1", "0" * 64 + "?", "x" * 2000])
def test_a_malformed_draw_id_is_refused(daemon, draw):
    status = 404 if draw == "0" * 64 + "?" else 400
    assert daemon.get(f"/v1/draws/{draw}").status == status
