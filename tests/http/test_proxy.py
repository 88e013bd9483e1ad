"""HTTP caches in front of the daemon: they keep bits that never change, and nothing else."""
import errno
import json

import pytest

from caches import CACHES
from injected import faults  # noqa: F401

FIELDS = dict(experiment="proxy", name="w", shape="300,1000", init="he_normal")


@pytest.fixture(scope="module", params=CACHES, ids=lambda kind: kind.__name__)
def cache(request, daemon, tmp_path_factory):
    started = request.param(tmp_path_factory.mktemp("cache"), daemon)
    yield started
    started.stop()


@pytest.fixture(params=CACHES, ids=lambda kind: kind.__name__)
def cache_of(request, tmp_path):
    """Starts a cache in front of a daemon that the test started."""
    started = []

    def start_cache(daemon):
        started.append(request.param(tmp_path, daemon))
        return started[0]

    yield start_cache
    for one in started:
        one.stop()


@pytest.fixture
def own(request):
    """The name of an experiment that no other test uses."""
    return request.node.name


def test_the_second_request_is_served_from_the_cache_and_is_the_same(daemon, cache, own):
    fields = {**FIELDS, "experiment": own}
    direct = daemon.get("/v1/tensor", **fields)
    first, second = cache.get(**fields), cache.get(**fields)
    assert not cache.was_kept(first) and cache.was_kept(second)
    assert first.body == second.body == direct.body
    for name in ("ETag", "Sower-Seed", "Sower-Draw", "Sower-Ledger", "Content-Type", "Cache-Control"):
        assert second.headers[name] == direct.headers[name]


def test_a_model_is_kept_too(daemon, cache, own):
    manifest = {"tensors": [{"name": "t", "shape": [3]}], "defaults": {"init": "normal"}}
    fields = dict(manifest=daemon.post("/v1/manifests", manifest).json()["manifest"], experiment=own)
    first, second = cache.get("/v1/model", **fields), cache.get("/v1/model", **fields)
    assert cache.was_kept(second) and first.body == second.body == daemon.get("/v1/model", **fields).body


def test_ranges_and_conditions_are_served_from_the_cache(cache):
    whole = cache.get(**FIELDS)
    part = cache.get(headers={"Range": "bytes=1000-4999"}, **FIELDS)
    assert (part.status, part.body) == (206, whole.body[1000:5000]) and cache.was_kept(part)
    assert part.headers["Content-Range"] == f"bytes 1000-4999/{len(whole.body)}"
    fresh = cache.get(headers={"If-None-Match": whole.headers["ETag"]}, **FIELDS)
    assert fresh.status == 304 and cache.was_kept(fresh)
    resumed = cache.get(headers={"Range": "bytes=77-", "If-Range": whole.headers["ETag"]}, **FIELDS)
    assert (resumed.status, resumed.body) == (206, whole.body[77:])
    other = cache.get(headers={"Range": "bytes=77-", "If-Range": '"other"'}, **FIELDS)
    assert (other.status, other.body) == (200, whole.body)
    beyond = cache.get(headers={"Range": "bytes=99999999-"}, **FIELDS)
    assert beyond.status == 416


def test_a_first_request_with_range_or_head_fills_the_cache_correctly(daemon, cache, own):
    for headers, method in [({"Range": "bytes=1000-4999"}, "GET"), ({}, "HEAD"), ({"If-None-Match": '"other"'}, "GET")]:
        fields = {**FIELDS, "experiment": f"{own} {method} {sorted(headers)}"}
        target = daemon.url("/v1/tensor", **fields).split(daemon.address)[1]
        cache.request(method, target, headers=headers)
        assert cache.get(**fields).body == cache.get(**fields).body == daemon.get("/v1/tensor", **fields).body


def test_a_plan_is_never_stale(cache, own):
    fields = {**FIELDS, "experiment": own}
    assert cache.get("/v1/plan", **fields).json()["ledger"] is None
    line = int(cache.get(**fields).headers["Sower-Ledger"])
    assert cache.get("/v1/plan", **fields).json()["ledger"] == line


def test_the_ledger_and_its_head_are_never_stale(cache, own):
    for number in range(3):
        cache.get(**{**FIELDS, "experiment": own, "trial": number})
        lines = [json.loads(line) for line in cache.get("/v1/ledger").body.splitlines()]
        assert (lines[-1]["experiment"], lines[-1]["trial"]) == (own, number)
        head = cache.get("/v1/ledger/head").json()
        assert head["ledger"] == len(lines) and head["chains"][0]["link"] == lines[-1]["link"]
        assert cache.get("/v1/experiments").json()["experiments"][0]["draws"] == number + 1


def test_a_404_is_not_kept(cache, own):
    path = f"/v1/experiments/{own}".replace("[", "%5B").replace("]", "%5D")
    assert [cache.get(path).status for _ in range(2)] == [404, 404]
    cache.get(**{**FIELDS, "experiment": own})
    assert cache.get(path).status == 200
    assert cache.get(path + "/pin").json()["pinned"] is False
    assert cache.request("PUT", path + "/pin").status == 200
    assert cache.get(path + "/pin").json()["pinned"] is True


def test_a_refusal_is_not_kept(cache):
    bad = dict(FIELDS, shape="-1")
    for path, fields in [("/v1/tensor", bad), ("/nowhere", {}), ("/v1/stats", bad)]:
        responses = [cache.get(path, **fields) for _ in range(2)]
        assert responses[0].status == responses[1].status >= 400 and not any(cache.was_kept(response) for response in responses)


def test_a_drifting_draw_is_not_kept(daemon, cache, own):
    fields = {**FIELDS, "experiment": own}
    cache.get(**fields)
    drifting = {**fields, "shape": "5"}
    assert [cache.get(**drifting).status for _ in range(2)] == [200, 200]
    path = f"/v1/experiments/{own}/pin".replace("[", "%5B").replace("]", "%5D")
    assert daemon.request("PUT", path).status == 200
    assert cache.get(**drifting).status == 409 and cache.get(**fields).status == 200


def test_a_dead_daemon_is_not_ready(start, cache_of):
    daemon = start()
    cache = cache_of(daemon)
    assert [cache.get(path).status for path in ["/readyz", "/healthz", "/readyz"]] == [200] * 3
    daemon.stop()
    assert all(cache.get(path).status in (502, 503) for path in ["/readyz", "/healthz"])


def test_a_503_is_not_kept(start, cache_of, faults):  # noqa: F811
    daemon = start(environment=faults.environment)
    cache = cache_of(daemon)
    faults.write_error = errno.EIO
    for _ in range(2):
        assert cache.get(**FIELDS).status == cache.get("/readyz").status == 503
    faults.write_error = 0
    assert cache.get(**FIELDS).status == cache.get("/readyz").status == 200
    assert cache.was_kept(cache.get(**FIELDS))


def test_draws_of_a_private_root_are_in_no_shared_cache(start, cache_of, tmp_path):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    cache = cache_of(start("--root-key-file", str(tmp_path / "key")))
    responses = [cache.get(**FIELDS) for _ in range(3)]
    assert responses[0].body == responses[2].body and not any(cache.was_kept(response) for response in responses)


def responses_of_every_path(daemon):
    """(status, whether a cache may keep it, response) for each status of each path."""
    model = {"tensors": [{"name": "t", "shape": [3]}], "defaults": {"init": "normal"}}
    manifest = daemon.post("/v1/manifests", model).json()["manifest"]
    yield 200, True, daemon.get("/v1/tensor", **FIELDS)
    yield 200, True, daemon.get("/v1/tensor", **FIELDS)
    yield 200, True, daemon.get("/v1/tensor", **{**FIELDS, "init": "orthogonal", "name": "o", "shape": "4,4"})
    yield 200, True, daemon.get("/v1/model", manifest=manifest, experiment="proxy")
    tag = daemon.get("/v1/tensor", **FIELDS).headers["ETag"]
    yield 304, True, daemon.get("/v1/tensor", {"If-None-Match": tag}, **FIELDS)
    yield 206, True, daemon.get("/v1/tensor", {"Range": "bytes=1-2"}, **FIELDS)
    yield 412, False, daemon.get("/v1/tensor", {"If-Match": '"x"'}, **FIELDS)
    yield 416, False, daemon.get("/v1/tensor", {"Range": "bytes=99999999-"}, **FIELDS)
    yield 400, False, daemon.get("/v1/tensor")
    yield 405, False, daemon.request("DELETE", "/v1/tensor")
    yield 404, False, daemon.get("/nowhere")
    yield 421, False, daemon.get("/v1/plan", {"Host": "elsewhere.example"}, **FIELDS)
    yield 403, False, daemon.get("/v1/tensor", {"Origin": "https://elsewhere.example"}, **FIELDS)
    yield 400, False, daemon.get("/v1/tensor", {"Host": "two names"}, **FIELDS)
    yield 404, False, daemon.get("/v1/model", manifest="0" * 64, experiment="proxy")
    yield 413, False, daemon.request("POST", "/v1/tensor", body=b" " * (2 << 20))
    yield 422, False, daemon.request("POST", "/v1/experiments/proxy/trials?count=9", headers={"Idempotency-Key": "k"}) and daemon.request(
        "POST", "/v1/experiments/proxy/trials?count=8", headers={"Idempotency-Key": "k"})
    yield 200, False, daemon.get("/v1/tensor", **{**FIELDS, "shape": "7"})  # drifts
    yield 409, False, daemon.request("PUT", "/v1/experiments/proxy/pin") and daemon.get("/v1/tensor", **{**FIELDS, "shape": "7"})
    daemon.request("DELETE", "/v1/experiments/proxy/pin")
    for path in ["/v1/plan", "/v1/stats"]:
        yield 200, False, daemon.get(path, **{**FIELDS, "shape": "8"})
    for path in ["/healthz", "/readyz", "/metrics", "/v1/ledger", "/v1/ledger/head", "/v1/experiments", "/v1/experiments/proxy", "/v1/experiments/proxy/pin",
                 "/v1/initializers", "/v1/recipes", "/v1/seed?experiment=proxy&purposes=data", f"/v1/manifests?manifest={manifest}",
                 f"/v1/model/index?manifest={manifest}&parts=1", "/v1/draws/" + daemon.get("/v1/tensor", **FIELDS).headers["Sower-Draw"]]:
        yield 200, False, daemon.get(path)
        yield 200, False, daemon.request("HEAD", path)
    yield 200, False, daemon.request("POST", "/v1/experiments/proxy/trials")
    yield 200, False, daemon.post("/v1/draws", {"experiment": "proxy", **model})
    yield 404, False, daemon.get("/v1/draws/" + "0" * 64)
    yield 400, False, daemon.get("/openapi.json", a="b")


def test_every_response_has_a_cache_control_header(daemon):
    for status, kept, response in responses_of_every_path(daemon):
        assert response.status == status, response.body
        assert response.headers["Cache-Control"] == ("public, max-age=31536000, immutable" if kept else "no-store"), (status, response.body)


def test_a_503_forbids_caching(start, faults):  # noqa: F811
    daemon = start(environment=faults.environment)
    faults.write_error = errno.EIO
    for response in [daemon.get("/v1/tensor", **FIELDS), daemon.get("/readyz")]:
        assert (response.status, response.headers["Cache-Control"]) == (503, "no-store")
