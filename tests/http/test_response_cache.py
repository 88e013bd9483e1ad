"""Responses from the response cache equal fresh responses."""
import pytest

from conftest import Response, with_query

FIELDS = dict(experiment="again", trial="3", name="layers.0.bias", shape="32,32", init="normal(std=0.02)")
PER_REQUEST = {"Sower-Request", "Date"}


@pytest.fixture
def ask(daemon):
    """Sends requests on one connection, so that a response is in the cache before the next request."""
    connection = daemon.connect()

    def request(headers=None, method="GET", target=None, **fields):
        connection.request(method, target or with_query("/v1/tensor", {**FIELDS, **fields}), headers=headers or {})
        return Response(connection.getresponse())

    yield request
    connection.close()


def cached_headers(response):
    return [(name, text) for name, text in response.headers.items() if name not in PER_REQUEST]


@pytest.mark.parametrize(
    "fields",
    [dict(), dict(format="raw"), dict(format="safetensors"), dict(shard="0:1/4"), dict(shape="0"), dict(shape=""), dict(dtype="bf16", shape="64,256")],
    ids=["npy", "raw", "safetensors", "shard", "empty", "scalar", "32 KiB"],
)
def test_a_cached_response_has_the_headers_and_body_of_a_fresh_response(ask, start, fields):
    fields = {**fields, "experiment": f"again {fields}"}  # no other case drifts from this one
    first = ask(**fields)
    again = [ask(**fields) for _ in range(3)]
    uncached = start("--answer-cache", "0")
    fresh = [uncached.get("/v1/tensor", **{**FIELDS, **fields}) for _ in range(2)][1]
    for response in [first, *again]:
        assert response.status == fresh.status == 200
        assert response.body == fresh.body
        assert [name for name, _ in response.headers.items()] == [name for name, _ in fresh.headers.items()]
        without_ledger = [[pair for pair in cached_headers(response) if pair[0] != "Sower-Ledger"] for response in (response, fresh)]
        assert without_ledger[0] == without_ledger[1]
        assert cached_headers(response) == cached_headers(first)


def test_every_request_has_its_own_id(ask):
    responses = [ask() for _ in range(20)]
    assert all(len(response.headers.get_all("Sower-Request")) == 1 for response in responses)
    assert len({response.headers["Sower-Request"] for response in responses}) == 20


def test_the_log_line_of_a_cached_response_is_the_same(daemon, ask):
    lines = []
    for _ in range(3):
        response = ask(name="logged")
        line = daemon.wait_for(lambda line: line.get("request") == response.headers["Sower-Request"])
        assert line.pop("request") and line.pop("time") and 0 <= line.pop("seconds") < 3600
        lines.append(line)
    assert lines[0]["ledger"] > 0 and lines[0]["bytes"] == len(response.body) and lines[0]["seed"] == response.headers["Sower-Seed"]
    assert lines[1:] == lines[:1] * 2


def test_conditional_and_range_requests_work_with_the_cache(ask):
    whole, etag = ask(name="weighed").body, ask(name="weighed").headers["ETag"]
    for _ in range(2):
        assert ask({"If-None-Match": etag}, name="weighed").status == 304
        assert ask({"If-None-Match": '"other"'}, name="weighed").body == whole
        assert ask({"If-Match": '"other"'}, name="weighed").status == 412
        assert ask({"If-Match": etag}, name="weighed").body == whole
        part = ask({"Range": "bytes=5-9"}, name="weighed")
        assert (part.status, part.body) == (206, whole[5:10])
        assert ask({"Range": "bytes=5-9", "If-Range": '"other"'}, name="weighed").status == 200
        assert ask({"Range": f"bytes={len(whole)}-"}, name="weighed").status == 416
        head = ask(method="HEAD", name="weighed")
        assert head.status == 200 and head.body == b"" and head.headers["Content-Length"] == str(len(whole))
        response = ask(name="weighed")
        assert response.status == 200 and response.body == whole and "Content-Range" not in response.headers


def test_different_targets_get_different_responses(ask):
    target = with_query("/v1/tensor", {**FIELDS, "name": "a"})
    one = ask(target=target)
    assert ask(target=target + "b").body != one.body
    assert ask(target=target.replace("trial=3", "trial=4")).body != one.body
    assert ask(target=target + "&format=raw").body == one.body[-4096:]
    assert ask(target=target + "&nonsense=1").status == 400
    assert ask(target=target).body == one.body
    assert ask(target=target.replace("name=a", "name=%61")).body == one.body


def test_a_target_too_long_for_the_cache_gets_the_same_response(ask):
    name = "".join(f"%{ord('x'):02x}" for _ in range(500))
    target = f"/v1/tensor?experiment=again&name={name}&shape=4&init=normal"
    assert len({ask(target=target).body for _ in range(3)}) == 1
    assert ask(target=target).body == ask(target=target.replace("%78", "x")).body


def test_connection_close_of_one_request_does_not_affect_the_next_response(daemon, ask):
    """The Connection header belongs to one request, also in a cached response."""
    target = with_query("/v1/tensor", {**FIELDS, "name": "close"})
    first = ask(target=target)
    for _ in range(2):
        closing = daemon.request("GET", target, headers={"Connection": "close"})
        assert closing.headers["Connection"] == "close" and closing.body == first.body
        after = ask(target=target)
        assert "Connection" not in after.headers and after.body == first.body


def test_memory_is_bounded_when_every_request_is_different(start):
    daemon = start("--answer-cache", "4M")
    connection = daemon.connect()

    def ask(number):
        connection.request("GET", with_query("/v1/tensor", {**FIELDS, "name": f"w{number}", "shape": "16000"}))
        return Response(connection.getresponse()).body

    first = [ask(i) for i in range(1500)]  # 96 MB
    assert daemon.peak_memory() < 48 * 1024
    assert [ask(i) for i in range(1400, 1500)] == first[1400:]
    connection.close()
