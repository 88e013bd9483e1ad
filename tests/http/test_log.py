"""The log: one JSON object per line, with the fields to find a draw or a request."""
import json
import re

DRAW = dict(experiment="exp \"42\" \\ ü\n\t", name="w\x7f\u2028", shape="16", init="normal", trial="7")


def last_request(daemon, response):
    return daemon.wait_for(lambda line: line.get("request") == response.headers["Sower-Request"])


def test_a_tensor_request_is_logged_with_all_fields(start):
    daemon = start()
    response = daemon.get("/v1/tensor", **DRAW)
    line = last_request(daemon, response)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert 0 <= line.pop("seconds") < 3600
    assert line == {
        "time": line["time"], "level": "info", "event": "request", "request": response.headers["Sower-Request"], "method": "GET",
        "path": "/v1/tensor", "status": 200, "experiment": DRAW["experiment"], "trial": 7, "name": DRAW["name"],
        "seed": response.headers["Sower-Seed"], "ledger": 1, "bytes": len(response.body), "end": "complete",
    }


def test_a_refused_request_is_logged_without_a_seed(start):
    daemon = start()
    line = last_request(daemon, daemon.get("/v1/tensor", experiment="e"))
    assert line["status"] == 400 and "seed" not in line and "ledger" not in line


def test_a_cut_off_stream_is_logged_with_the_bytes_that_were_generated(start):
    daemon = start()
    connection = daemon.connect()
    connection.request("GET", daemon.url("/v1/tensor", **{**DRAW, "shape": "1000000000"}).split(daemon.address)[1])
    response = connection.getresponse()
    response.read(1000)
    response.close()
    connection.close()
    line = daemon.wait_for(lambda line: line.get("request") == response.headers["Sower-Request"])
    assert line["end"] == "cut" and 1000 <= line["bytes"] < 4_000_000_000


def test_hostile_paths_and_methods_do_not_break_lines(start):
    daemon = start()
    for path in ["/%0a%22%5c", "/%ff%fe%c3", "/" + "x" * 5000, "/%e2%82%ac"]:
        line = last_request(daemon, daemon.get(path))
        assert line["status"] == 404 and len(line["path"]) < 200
    assert last_request(daemon, daemon.request("x" * 3000, "/"))["status"] in (404, 405)


def test_every_line_is_one_json_object(start):
    daemon = start("--log-level", "debug")
    for name in ["\x01\x02", "\"", "ö" * 256, "\U0001f407" * 128]:
        daemon.get("/v1/tensor", **{**DRAW, "name": name})
    daemon.socket().close()
    daemon.stop()
    lines = [json.loads(line) for line in daemon.rest_of_log()] + daemon.log
    assert all({"time", "level", "event"} <= line.keys() for line in lines)


def test_the_level_selects_the_lines(start):
    quiet = start("--log-level", "warning")
    quiet.get("/v1/tensor", **DRAW)
    assert [line["event"] for line in quiet.log] == ["listening", "ready"], "the address is logged at every level"
    quiet.stop()
    assert quiet.rest_of_log() == []
