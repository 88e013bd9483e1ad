"""Models posted with a choice: tensors, part and shard in the query, slices in the body."""
import json
import struct

import pytest

from second_implementation import manifests, models
from second_implementation.refusal import Refusal

MANIFEST = {
    "tensors": [
        {"name": "wte.weight", "shape": [50, 16]},
        {"name": "h.0.weight", "shape": [48, 16], "dtype": "bf16"},
        {"name": "q", "shape": [24, 16], "init": "orthogonal"},
        {"name": "é \"quoted\"\n", "shape": [9], "dtype": "f8_e4m3", "init": "uniform(-1,1)"},
        {"name": "scalar", "shape": [], "init": "constant(2.5)"},
        {"name": "lm_head.weight", "shape": [50, 16], "same_as": "wte.weight"},
    ],
    "defaults": {"init": "normal(std=0.02)"},
}
SLICES = {"é \"quoted\"\n": "2:-1", "h.0.weight": "8:24", "q": ":,4:8", "wte.weight": "0:50,3:3"}


def parse(file):
    """The metadata of a safetensors file, and its tensors {name: (entry, bytes)}."""
    (length,) = struct.unpack("<Q", file[:8])
    header, data = json.loads(file[8 : 8 + length]), file[8 + length :]
    return header.pop("__metadata__"), {name: (entry, data[slice(*entry["data_offsets"])]) for name, entry in header.items()}


def post(daemon, query="", experiment="e", slices=None, manifest=MANIFEST, **fields):
    body = {**manifest, "experiment": experiment, "trial": 3, **({} if slices is None else {"slices": slices}), **fields}
    return daemon.request("POST", "/v1/model" + query, body=json.dumps(body))


def query_of(choice):
    return "?" + "&".join(f"{name}={value}" for name, value in choice.items()) if choice else ""


@pytest.mark.parametrize("choice", [dict(), dict(tensors="[hq]*"), dict(tensors="lm_head.*"), dict(part="1/3"), dict(shard="0:1/2"),
                                    dict(tensors="*.weight", part="0/2", shard="1:0/3")], ids=str)
@pytest.mark.parametrize("slices", [None, {}, SLICES, {"q": ":"}], ids=["none", "empty", "several", "whole"])
def test_a_posted_choice_gives_the_file_of_the_second_implementation(daemon, choice, slices):
    response = post(daemon, query_of(choice), f"second {choice} {slices}", slices)
    try:
        model = models.Model(manifests.Manifest(json.dumps(MANIFEST).encode()), f"second {choice} {slices}", 3, slices=slices, **choice)
    except Refusal as refusal:
        assert (response.status, response.problem()["param"]) == (refusal.status, refusal.param)
        return
    assert response.status == 200 and response.body == model.file


@pytest.mark.parametrize("choice", [dict(tensors="h.*"), dict(part="1/2"), dict(shard="0:1/2")], ids=str)
def test_a_posted_choice_gives_the_file_of_a_kept_manifest(daemon, choice):
    kept = daemon.post("/v1/manifests", MANIFEST).json()["manifest"]
    posted, got = post(daemon, query_of(choice), "kept"), daemon.get("/v1/model", manifest=kept, experiment="kept", trial=3, **choice)
    assert posted.status == got.status == 200
    assert (posted.body, posted.headers["ETag"]) == (got.body, got.headers["ETag"])


def test_slices_are_cut_from_whole_tensors_and_named_in_the_metadata(daemon):
    whole, cut = post(daemon, experiment="cut"), post(daemon, experiment="cut", slices=SLICES)
    metadata, tensors = parse(cut.body)
    _, all_tensors = parse(whole.body)
    assert metadata["sower.slices"] == '{"wte.weight":"0:50,3:3","h.0.weight":"8:24","q":":,4:8","é \\"quoted\\"\\n":"2:-1"}'
    assert [tensors[name][0]["shape"] for name in tensors] == [[50, 0], [16, 16], [24, 4], [6], []]
    assert tensors["h.0.weight"][1] == all_tensors["h.0.weight"][1][8 * 16 * 2 : 24 * 16 * 2]
    assert tensors["é \"quoted\"\n"][1] == all_tensors["é \"quoted\"\n"][1][2:8]
    assert cut.headers["ETag"] != whole.headers["ETag"] and cut.headers["Sower-Manifest"] == whole.headers["Sower-Manifest"]


def test_slices_change_no_draw_and_no_line(daemon):
    post(daemon, experiment="lines")
    lines = daemon.ledger(experiment="lines")
    assert post(daemon, experiment="lines", slices=SLICES).status == 200
    assert daemon.ledger(experiment="lines") == lines


def test_an_order_of_slices_in_the_body_does_not_matter(daemon):
    turned = dict(reversed(SLICES.items()))
    assert post(daemon, slices=turned).body == post(daemon, slices=SLICES).body


def test_slices_of_tensors_outside_of_the_file_are_accepted(daemon):
    response = post(daemon, "?tensors=q", experiment="outside", slices=SLICES)
    assert response.status == 200 and response.headers["Sower-Tensors"] == "1"
    assert parse(response.body)[1]["q"][0]["shape"] == [24, 4]


def test_ranks_with_their_slices_make_the_whole_model(daemon):
    whole = parse(post(daemon, experiment="ranks").body)[1]["h.0.weight"][1]
    parts = [parse(post(daemon, experiment="ranks", slices={"h.0.weight": f"{12 * rank}:{12 * rank + 12}"}).body)[1]["h.0.weight"][1] for rank in range(4)]
    assert b"".join(parts) == whole


@pytest.mark.parametrize("slices, status, words", [
    ("0:1", 400, "object"), ([], 400, "object"), (None, None, None), ({"q": 1}, 400, "object"), ({"q": None}, 400, "object"), ({"q": ["0:1"]}, 400, "object"),
    ({"q": ""}, 400, '"q"'), ({"q": "0:1:2"}, 400, '"q"'), ({"q": ":,:,:"}, 400, '"q"'), ({"q": "0"}, 400, '"q"'), ({"scalar": ":"}, 400, '"scalar"'),
    ({"q": "0:99999999999999999999"}, 400, '"q"'), ({"lm_head.weight": "0:1"}, 422, '"wte.weight"'), ({"x": ":"}, 422, '"x"'), ({"": ":"}, 422, '""'),
    ({"q": ":", "x": "not a slice"}, 422, '"x"'),
], ids=str)
def test_wrong_slices_are_refused_and_record_nothing(daemon, slices, status, words):
    if slices is None:  # null, and not left out
        response, status, words = post(daemon, experiment="wrong", manifest={**MANIFEST, "slices": None}), 400, "object"
    else:
        response = post(daemon, experiment="wrong", slices=slices)
    problem = response.problem()
    assert (response.status, problem["param"]) == (status, "slices") and words in problem["detail"]
    assert daemon.ledger(experiment="wrong") == []


def test_slices_of_a_tensor_that_is_left_out_are_refused(daemon):
    assert post(daemon, slices={"q": ":"}, leave_out=["q"]).problem()["param"] == "slices"


def test_slices_and_a_shard_are_refused_together(daemon):
    assert post(daemon, "?shard=0:0/2", slices=SLICES).problem()["param"] == "shard"


def test_a_name_twice_in_slices_is_refused(daemon):
    body = json.dumps({**MANIFEST, "experiment": "e"})[:-1] + ', "slices": {"q": "0:1", "q": "1:2"}}'
    assert daemon.request("POST", "/v1/model", body=body).status == 400
    body = json.dumps({**MANIFEST, "experiment": "e"})[:-1] + ', "slices": {"q": "0:1"}, "slices": {"q": "1:2"}}'
    assert daemon.request("POST", "/v1/model", body=body).problem()["param"] == "slices"


@pytest.mark.parametrize("path", ["/v1/manifests", "/v1/draws"])
def test_only_a_request_for_bytes_takes_slices(daemon, path):
    problem = daemon.post(path, {**MANIFEST, "experiment": "e", "slices": SLICES}).problem()
    assert (problem["status"], problem["param"]) == (400, "slices") and "/v1/model" in problem["detail"]


@pytest.mark.parametrize("query, param", [("?manifest=" + "0" * 64, "manifest"), ("?experiment=e", "experiment"), ("?slices=x", "slices"),
                                          ("?part=2/2", "part"), ("?tensors=x", "tensors"), ("?shard=0", "shard"), ("?part=0/1&part=0/1", "part")])
def test_a_wrong_query_of_a_posted_model_is_refused(daemon, query, param):
    assert post(daemon, query, "wrong").problem()["param"] == param
    assert daemon.ledger(experiment="wrong") == []


def test_a_hundred_thousand_slices_of_tensors_that_do_not_exist_are_refused_soon(daemon):
    tensors = [{"name": f"w{i}", "shape": [4]} for i in range(100_000)]
    slices = {f"x{i}": "0:2" for i in range(100_000)}
    assert post(daemon, slices=slices, manifest={**MANIFEST, "tensors": tensors}).status == 422


def test_every_tensor_of_a_large_model_can_have_a_slice(daemon):
    tensors = [{"name": f"w{i}", "shape": [4]} for i in range(20_000)]
    response = post(daemon, experiment="large", slices={f"w{i}": "1:2" for i in range(20_000)}, manifest={**MANIFEST, "tensors": tensors})
    assert response.status == 200 and response.headers["Sower-Tensors"] == "20000"
    whole, cut = post(daemon, experiment="large", manifest={**MANIFEST, "tensors": tensors}).body, response.body
    assert cut[-20_000 * 4 :] == b"".join(whole[-20_000 * 16 :][at + 4 : at + 8] for at in range(0, 20_000 * 16, 16))
