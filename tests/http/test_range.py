"""Ranges and conditions (RFC 9110) of /v1/tensor, for every format."""
import random
import subprocess

import pytest

FORMATS = ["npy", "raw"]


@pytest.fixture(params=FORMATS)
def tensor(request, daemon):
    """Fields of a tensor, its bytes and its entity tag."""
    fields = dict(experiment="range", name=request.param, shape="300,71", init="normal", format=request.param)
    response = daemon.get("/v1/tensor", **fields)
    return fields, response.body, response.headers["ETag"]


def ranged(daemon, fields, header, **more):
    return daemon.get("/v1/tensor", headers={"Range": header, **more}, **fields)


@pytest.mark.parametrize(
    "header, start, stop",
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, None),
        ("bytes=1-1", 1, 2),
        ("bytes=5-130", 5, 131),
        ("bytes=127-128", 127, 129),
        ("bytes=128-", 128, None),
        ("bytes=131-70000", 131, 70001),
        ("bytes=64-99999999999999999999999999", 64, None),
        ("bytes=-1", -1, None),
        ("bytes=-1000", -1000, None),
        ("bytes=-99999999999999999999999999", 0, None),
        ("BYTES=3-9", 3, 10),
        ("bytes= 3-9 ", 3, 10),
    ],
)
def test_a_single_range_gives_its_bytes(daemon, tensor, header, start, stop):
    fields, whole, etag = tensor
    response = ranged(daemon, fields, header)
    first, last = range(len(whole))[start:stop][0], range(len(whole))[start:stop][-1]
    assert response.status == 206
    assert response.body == whole[start:stop]
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    assert response.headers["Content-Length"] == str(len(response.body))
    assert response.headers["ETag"] == etag


@pytest.mark.parametrize(
    "header",
    ["bytes=0-1,5-6", "bytes=0-1, -5", "bytes=5-4", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-x", "bytes=1", "lines=0-1",
     "bytes 0-1", "bytes=--1", "bytes=0x0-1", "bytes=+1-2", "0-1"],
)
def test_several_ranges_and_malformed_ones_give_the_whole(daemon, tensor, header):
    fields, whole, _ = tensor
    response = ranged(daemon, fields, header)
    assert response.status == 200 and response.body == whole and "Content-Range" not in response.headers


@pytest.mark.parametrize("beyond", [0, 1, 10**30])
def test_a_range_after_the_end_is_416_with_the_size(daemon, tensor, beyond):
    fields, whole, _ = tensor
    response = ranged(daemon, fields, f"bytes={len(whole) + beyond}-")
    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
    assert str(len(whole)) in response.problem()["detail"]
    assert ranged(daemon, fields, "bytes=-0").status == 416


def test_an_unsatisfiable_range_of_a_new_draw_records_nothing(daemon):
    fields = dict(experiment="unsatisfiable", name="w", shape="4", init="normal")
    assert ranged(daemon, fields, "bytes=100000-").status == 416
    assert daemon.ledger(experiment="unsatisfiable") == []


def test_an_empty_body_has_no_satisfiable_range(daemon):
    fields = dict(experiment="range", name="empty", shape="0", init="normal", format="raw")
    assert ranged(daemon, fields, "bytes=0-").status == 416
    assert ranged(daemon, fields, "bytes=-5").status == 200


def test_random_ranges_of_a_streamed_tensor_are_parts_of_the_whole(daemon):
    chance = random.Random(1)
    for dtype in ["f64", "f32", "f16", "f8_e5m2"]:
        fields = dict(experiment="range", name="random", shape="400000", init="uniform", dtype=dtype)
        whole = daemon.get("/v1/tensor", **fields).body
        for _ in range(40):
            start = chance.randrange(len(whole))
            stop = start + chance.choice([1, 3, 1000, 65535, 65536, 65537, 200000, 10**7])
            assert ranged(daemon, fields, f"bytes={start}-{stop - 1}").body == whole[start:stop], (dtype, start, stop)


def test_range_is_for_get_only(daemon, tensor):
    fields, whole, _ = tensor
    path = daemon.url("/v1/tensor", **fields).split(daemon.address)[1]
    head = daemon.request("HEAD", path, headers={"Range": "bytes=0-1"})
    assert head.status == 200 and head.headers["Content-Length"] == str(len(whole))
    post = daemon.post("/v1/tensor", {**fields, "shape": [300, 71]}, headers={"Range": "bytes=0-1"})
    assert post.status == 200 and post.body == whole


@pytest.mark.parametrize("tag", ["{etag}", 'W/{etag}', '"other", {etag}', '"a,b",W/"c" , {etag}', "*", " {etag} "])
def test_if_none_match_with_the_same_etag_is_304(daemon, tensor, tag):
    fields, _, etag = tensor
    response = daemon.get("/v1/tensor", headers={"If-None-Match": tag.format(etag=etag)}, **fields)
    assert response.status == 304 and response.body == b""
    assert response.headers["ETag"] == etag and "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize("tag", ['"other"', "{bare}", '"{bare}', "", ",,", '"x" {etag}', "W/*"])
def test_if_none_match_with_another_etag_is_200(daemon, tensor, tag):
    fields, whole, etag = tensor
    response = daemon.get("/v1/tensor", headers={"If-None-Match": tag.format(etag=etag, bare=etag.strip('"'))}, **fields)
    assert response.status == 200 and response.body == whole


def test_a_304_for_an_unknown_draw_records_nothing(daemon, start):
    fields = dict(experiment="fresh", name="w", shape="4", init="normal")
    etag = daemon.get("/v1/tensor", **fields).headers["ETag"]
    fresh = start()
    assert fresh.get("/v1/tensor", headers={"If-None-Match": etag}, **fields).status == 304
    assert fresh.ledger() == []


def test_if_match_with_another_etag_is_412(daemon, tensor):
    fields, whole, etag = tensor
    assert daemon.get("/v1/tensor", headers={"If-Match": '"other"'}, **fields).status == 412
    assert daemon.get("/v1/tensor", headers={"If-Match": f"W/{etag}"}, **fields).status == 412
    assert daemon.get("/v1/tensor", headers={"If-Match": f'"other", {etag}'}, **fields).body == whole
    assert daemon.get("/v1/tensor", headers={"If-Match": "*"}, **fields).body == whole


def test_if_range_allows_a_range_only_with_the_same_etag(daemon, tensor):
    fields, whole, etag = tensor
    assert ranged(daemon, fields, "bytes=7-9", **{"If-Range": etag}).body == whole[7:10]
    for other in ['"other"', f"W/{etag}", "Sat, 01 Jan 2033 00:00:00 GMT"]:
        response = ranged(daemon, fields, "bytes=7-9", **{"If-Range": other})
        assert response.status == 200 and response.body == whole


def test_the_etag_is_the_same_on_another_daemon(daemon, tensor, start):
    fields, _, etag = tensor
    assert start("--threads", "1").get("/v1/tensor", **fields).headers["ETag"] == etag


@pytest.mark.parametrize("cut", [0, 1, 77, 128, 129, 131072, 999999])
def test_curl_resumes_a_cut_download_at_any_byte(daemon, tmp_path, cut):
    fields = dict(experiment="range", name="resume", shape="250000", init="normal")
    whole = daemon.get("/v1/tensor", **fields).body
    part = tmp_path / "part.npy"
    part.write_bytes(whole[:cut])
    subprocess.run(["curl", "-sS", "--fail", "-C", "-", "-o", part, daemon.url("/v1/tensor", **fields)], check=True)
    assert part.read_bytes() == whole
