"""/v1/tensor and /v1/plan: headers and bodies of responses."""
import ast
import json
import struct
import subprocess

import pytest


def npy(body):
    """The header and the data of an .npy file, version 1.0."""
    assert body[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", body[8:10])
    assert (10 + length) % 64 == 0 and body[9 + length] == ord("\n")
    return ast.literal_eval(body[10 : 10 + length].decode()), body[10 + length :]


def test_npy_has_the_header_of_numpy(daemon, draw):
    response = daemon.get("/v1/tensor", **draw)
    assert response.status == 200
    header, data = npy(response.body)
    assert header == {"descr": "<f4", "fortran_order": False, "shape": (4, 6)}
    assert len(data) == 4 * 24


def test_raw_is_the_data_of_npy(daemon, draw):
    raw = daemon.get("/v1/tensor", **draw, format="raw")
    assert raw.body == npy(daemon.get("/v1/tensor", **draw).body)[1]
    assert raw.headers["Content-Type"] == "application/octet-stream"


def test_headers_describe_the_body(daemon, draw):
    plan = daemon.get("/v1/plan", **draw).json()
    response = daemon.get("/v1/tensor", **draw)
    assert response.headers["Content-Type"] == "application/x-npy"
    assert response.headers["Content-Length"] == str(len(response.body)) == str(plan["bytes"])
    assert response.headers["Sower-Seed"] == plan["seed"]
    assert response.headers["Sower-Draw"] == plan["draw"]
    assert response.headers["Sower-Ledger"] == str(daemon.ledger(experiment=draw["experiment"])[0]["ledger"])
    assert response.headers["Sower-Spec"] == "1"
    assert response.headers["Sower-Shape"] == "4,6"
    assert response.headers["Sower-Dtype"] == "f32"
    assert response.headers["Sower-Fan"] == "6,4"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["ETag"].startswith('"') and response.headers["ETag"].endswith('"')
    assert len(response.headers["Sower-Request"]) == 16


def test_every_response_has_its_own_request_id(daemon, draw):
    paths = ["/healthz", "/readyz", "/v1/initializers", "/v1/ledger", "/nothing", "/v1/tensor"]
    ids = [daemon.get(path).headers["Sower-Request"] for path in paths]
    assert len(set(ids)) == len(paths) and all(ids)


def test_equivalent_requests_give_the_same_bytes(daemon, draw):
    got = daemon.get("/v1/tensor", **draw).body
    assert daemon.post("/v1/tensor", {**draw, "shape": [4, 6]}).body == got
    by_object = {**draw, "shape": [4, 6], "init": {"type": "normal", "std": 0.02}, "trial": 0, "dtype": "float32"}
    assert daemon.post("/v1/tensor", by_object).body == got


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded", None])
def test_post_reads_json_with_any_media_type(daemon, draw, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    assert daemon.post("/v1/tensor", {**draw, "shape": [4, 6]}, headers).status == 200


def test_curl_gets_and_posts_the_same(daemon, draw, tmp_path):
    got, posted = tmp_path / "got", tmp_path / "posted"
    url = daemon.url("/v1/tensor")
    query = [argument for key, value in draw.items() for argument in ("--data-urlencode", f"{key}={value}")]
    subprocess.run(["curl", "-sS", "--fail", "-G", *query, "-o", got, url], check=True)
    subprocess.run(["curl", "-sS", "--fail", "-d", json.dumps({**draw, "shape": [4, 6]}), "-o", posted, url], check=True)
    assert got.read_bytes() == posted.read_bytes() == daemon.get("/v1/tensor", **draw).body


def test_plan_records_nothing(daemon, draw):
    plan = daemon.get("/v1/plan", **draw)
    assert plan.status == 200 and plan.json()["name"] == "w"
    assert daemon.post("/v1/plan", {**draw, "shape": [4, 6]}).json() == plan.json()
    assert daemon.ledger(experiment=draw["experiment"]) == []


FANS = [
    (dict(), "60,160"),
    (dict(layout="io"), "96,120"),
    (dict(in_axis="1", out_axis="2,3", batch_axis="0"), "3,20"),
    (dict(in_axis="-1", out_axis="0"), "60,96"),
    (dict(fan_in="7"), "7,160"),
    (dict(layout="io", fan_out="9"), "96,9"),
]


@pytest.mark.parametrize("fields, fan", FANS)
def test_layout_and_axes_determine_the_fans_of_get_and_post(daemon, draw, fields, fan):
    draw.update(fields, shape="8,3,4,5", init="xavier_uniform")
    response = daemon.get("/v1/tensor", **draw)
    assert response.status == 200, response.body
    assert response.headers["Sower-Fan"] == fan
    plan = daemon.get("/v1/plan", **draw).json()
    assert f"{plan['fan_in']},{plan['fan_out']}" == fan
    assert plan["limit"] == pytest.approx((6 / (plan["fan_in"] + plan["fan_out"])) ** 0.5, rel=1e-15)
    numbers = {key: [int(part) for part in draw[key].split(",")] for key in draw if key == "shape" or key.endswith("_axis")}
    numbers |= {key: int(draw[key]) for key in draw if key.startswith("fan_")}
    assert daemon.post("/v1/tensor", {**draw, **numbers}).body == response.body
    assert len(daemon.ledger(experiment=draw["experiment"])) == 1


DTYPES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "f8_e4m3": 1, "f8_e5m2": 1}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_initializer_works_in_every_dtype_with_get_and_post(daemon, draw, dtype):
    for entry in daemon.get("/v1/initializers").json():
        shape = [8, 4, 4][: max(entry["rank"][0], 1)]
        draw.update(name=entry["name"], shape=",".join(map(str, shape)), init=entry["example"], dtype=dtype, format="raw")
        response = daemon.get("/v1/tensor", **draw)
        assert response.status == 200, (entry["name"], response.body)
        count = 1
        for size in shape:
            count *= size
        assert len(response.body) == count * DTYPES[dtype]
        assert daemon.post("/v1/tensor", {**draw, "shape": shape}).body == response.body


@pytest.mark.parametrize("shape, size", [("0", 0), ("3,0,5", 0), ("", 4), ("1", 4), ("1,1,1,1,1,1,1,1", 4)])
def test_empty_tensors_and_scalars_are_served(daemon, draw, shape, size):
    draw["shape"] = shape
    response = daemon.get("/v1/tensor", **draw)
    assert response.status == 200, response.body
    header, data = npy(response.body)
    assert header["shape"] == tuple(int(part) for part in shape.split(",") if part)
    assert len(data) == size
    raw = daemon.get("/v1/tensor", **draw, format="raw")
    assert raw.status == 200 and raw.body == data and raw.headers["Content-Length"] == str(size)


@pytest.mark.parametrize("dtype, size", [("f64", 8), ("f32", 4), ("f16", 2), ("bf16", 2), ("f8_e4m3", 1), ("f8_e5m2", 1)])
@pytest.mark.parametrize("elements", [1, 7, 16351, 16384, 16385, 300001])
def test_small_and_streamed_bodies_have_the_same_elements(daemon, draw, dtype, size, elements):
    """Elements do not depend on the tensor's size, so a long body begins like a short one of the same name."""
    draw.update(shape=str(elements), dtype=dtype, format="raw", init="normal")
    body = daemon.get("/v1/tensor", **draw).body
    assert len(body) == elements * size
    draw["shape"] = "400000"
    assert daemon.get("/v1/tensor", **draw).body.startswith(body)


def test_joined_shards_equal_the_whole(daemon, draw):
    draw.update(shape="700,33", format="raw")
    whole = daemon.get("/v1/tensor", **draw).body
    rows = [daemon.get("/v1/tensor", **draw, shard=f"0:{rank}/8") for rank in range(8)]
    assert b"".join(response.body for response in rows) == whole
    assert rows[0].headers["Sower-Shape"] == "88,33"
    assert len({response.headers["ETag"] for response in rows}) == 8
    assert len({response.headers["Sower-Draw"] for response in rows}) == 1
    assert len(daemon.ledger(experiment=draw["experiment"])) == 1


def test_another_format_has_another_etag(daemon, draw):
    assert daemon.get("/v1/tensor", **draw).headers["ETag"] != daemon.get("/v1/tensor", **draw, format="raw").headers["ETag"]


def test_the_public_example_has_its_published_seed(daemon):
    response = daemon.get("/v1/plan", experiment="exp-42", name="w", shape="4", init="normal")
    assert response.json()["seed"] == "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d"


def test_initializers_lists_the_catalogue_and_one_entry(daemon):
    everything = daemon.get("/v1/initializers").json()
    assert "he_normal" in [entry["name"] for entry in everything]
    one = daemon.get("/v1/initializers", name="he_normal").json()
    assert one in everything
    assert daemon.get("/v1/initializers", name="he_nrmal").problem()["param"] == "name"
    assert daemon.get("/v1/initializers", nom="he_normal").problem()["param"] == "nom"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/tensor/", "/v1/Tensor", "/v2/tensor", "/healthz/x"])
def test_unknown_paths_are_404_problems(daemon, path):
    response = daemon.get(path)
    assert response.status == 404 and path in response.problem()["detail"]


@pytest.mark.parametrize(
    "path, methods, allow",
    [
        ("/v1/tensor", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"], "GET, HEAD, POST"),
        ("/v1/plan", ["PUT", "DELETE"], "GET, HEAD, POST"),
        ("/v1/ledger", ["POST", "DELETE"], "GET, HEAD"),
        ("/v1/draws", ["GET", "PUT", "DELETE"], "POST"),
        ("/v1/draws/00", ["POST", "DELETE"], "GET, HEAD"),
        ("/v1/initializers", ["POST"], "GET, HEAD"),
        ("/metrics", ["POST", "DELETE"], "GET, HEAD"),
        ("/healthz", ["POST"], "GET, HEAD"),
        ("/openapi.json", ["POST", "DELETE"], "GET, HEAD"),
        ("/readyz", ["PUT"], "GET, HEAD"),
    ],
)
def test_other_methods_are_405_problems_with_the_allowed_methods(daemon, path, methods, allow):
    for method in methods:
        response = daemon.request(method, path)
        assert response.status == 405 and response.headers["Allow"] == allow
        assert response.problem()["detail"]
