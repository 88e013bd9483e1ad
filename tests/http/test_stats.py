"""/v1/stats: moments, extremes, a histogram and digests, without the bytes of the tensors."""
import hashlib
import json
import math
import struct

import pytest

TENSOR = dict(experiment="stats", name="w", shape="300,41", init="he_normal")


def raw(daemon, **fields):
    response = daemon.get("/v1/tensor", format="raw", **fields)
    assert response.status == 200, response.body
    return response.body


@pytest.mark.parametrize("change", [{}, {"dtype": "f64"}, {"dtype": "bf16"}, {"slice": "7:19,3:"}, {"init": "orthogonal"},
                                    {"shape": "", "init": "constant(2.5)"}, {"init": "uniform(-1,1)"}])
def test_statistics_are_those_of_the_tensor(daemon, change):
    fields = {**TENSOR, **change}
    stats = daemon.get("/v1/stats", **fields).json()
    data = raw(daemon, **fields)
    assert stats["digest"] == hashlib.blake2b(data, digest_size=32).hexdigest()
    code = {"f64": "d", "bf16": None}.get(fields.get("dtype"), "f")
    values = ([struct.unpack("<f", b"\0\0" + data[i : i + 2])[0] for i in range(0, len(data), 2)] if code is None
              else struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    assert stats["elements"] == len(values) and stats["min"] == min(values) and stats["max"] == max(values)
    assert math.isclose(stats["mean"], mean, rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(stats["std"], std, rel_tol=1e-9, abs_tol=1e-12)
    histogram = stats["histogram"]
    assert sum(histogram["counts"]) + histogram["below"] + histogram["above"] == len(values)


def test_an_empty_tensor_has_no_moments(daemon):
    stats = daemon.get("/v1/stats", **{**TENSOR, "shape": "0,5"}).json()
    assert stats["elements"] == 0 and stats["mean"] is None and stats["min"] is None
    assert stats["digest"] == hashlib.blake2b(b"", digest_size=32).hexdigest()


def test_expectations_are_those_of_the_plan(daemon):
    stats, plan = daemon.get("/v1/stats", **TENSOR).json(), daemon.get("/v1/plan", **TENSOR).json()
    assert stats["std_expected"] == plan["std_expected"] and stats["mean_expected"] == plan["mean_expected"]
    assert abs(stats["std"] / stats["std_expected"] - 1) < 0.05


def test_a_model_has_a_digest_for_each_tensor_and_one_for_all(daemon):
    manifest = {"tensors": [{"name": "a", "shape": [70, 30]}, {"name": "q", "shape": [20, 20], "init": "orthogonal"},
                            {"name": "b", "shape": [0]}, {"name": "c", "shape": [9], "dtype": "f16"}], "defaults": {"init": "normal"}}
    hash = daemon.post("/v1/manifests", manifest).json()["manifest"]
    fields = dict(manifest=hash, experiment="stats", trial=2)
    stats = daemon.get("/v1/stats", **fields).json()
    body = daemon.get("/v1/model", **fields).body
    (length,) = struct.unpack("<Q", body[:8])
    header, data = json.loads(body[8 : 8 + length]), body[8 + length :]
    digests = []
    for tensor in stats["tensors"]:
        start, stop = header[tensor["name"]]["data_offsets"]
        digests.append(hashlib.blake2b(data[start:stop], digest_size=32).digest())
        assert tensor["digest"] == digests[-1].hex()
    assert [tensor["name"] for tensor in stats["tensors"]] == ["a", "q", "b", "c"]
    assert stats["digest"] == hashlib.blake2b(b"".join(digests), digest_size=32).hexdigest()
    assert stats["manifest"] == hash and stats["experiment"] == "stats" and stats["trial"] == 2
    assert daemon.post("/v1/stats", fields).json() == stats
    part = daemon.get("/v1/stats", tensors="[qc]", **fields).json()
    assert [tensor["digest"] for tensor in part["tensors"]] == [digests[1].hex(), digests[3].hex()]


def test_statistics_record_nothing(start):
    daemon = start()
    assert daemon.get("/v1/stats", **TENSOR).status == 200
    assert daemon.ledger() == []


@pytest.mark.parametrize("change, status, param", [({"init": "he_norm"}, 400, "init"), ({"colour": "x"}, 400, "colour"),
                                                   ({"shape": "131072,524288", "dtype": "f32"}, 413, "shape"),
                                                   ({"init": "orthogonal", "shape": "20000,20000"}, 413, "shape")])
def test_invalid_requests_are_refused(daemon, change, status, param):
    response = daemon.get("/v1/stats", **{**TENSOR, **change})
    assert response.status == status and response.problem()["param"] == param


def test_a_daemon_that_stops_does_not_wait_for_statistics(start):
    daemon = start("--drain-seconds", "5")
    connection = daemon.connect()
    connection.request("GET", "/v1/stats?experiment=e&name=w&init=normal&shape=131072,131072")
    daemon.get("/healthz")
    assert daemon.stop() == 0


def test_statistics_stop_when_the_client_has_disconnected(start):
    daemon = start("--compute-threads", "1")
    connection = daemon.socket()
    target = daemon.url("/v1/stats", experiment="stats", name="huge", shape="17179869184", init="normal").split(daemon.address)[1]
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    while int(open(f"/proc/{daemon.process.pid}/stat").read().rsplit(") ", 1)[1].split()[11]) < 20:  # until the daemon has computed for 20 clock ticks
        pass
    connection.close()
    assert daemon.wait_for(lambda line: line.get("path") == "/v1/stats")["status"] == 503
