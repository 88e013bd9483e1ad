"""Tensors that take long to prepare (orthogonal): prepared once, on the compute pool, while other requests are served."""
import concurrent.futures
import http.client
import random
import signal
import socket
import struct

import pytest

from conftest import PATIENCE, Response


def orthogonal(rows, columns, **more):
    return dict(experiment="heavy", name="q", shape=f"{rows},{columns}", init="orthogonal", format="raw", **more)


def path_of(daemon, fields):
    return daemon.url("/v1/tensor", **fields).split(daemon.address)[1]


def test_a_heavy_tensor_is_orthogonal_and_always_the_same(start):
    fields = orthogonal(60, 40)
    body = start().get("/v1/tensor", **fields).body
    values = struct.unpack("<2400f", body)
    columns = [values[column::40] for column in range(40)]
    for i in range(40):
        for j in range(i + 1):
            product = sum(a * b for a, b in zip(columns[i], columns[j]))
            assert abs(product - (i == j)) < 1e-5
    assert start("--compute-threads", "1", "--cache-size", "1M").get("/v1/tensor", **fields).body == body


def test_slices_of_a_heavy_tensor_are_slices_of_the_whole(daemon):
    chance = random.Random(1)
    fields = orthogonal(900, 700)
    whole = daemon.get("/v1/tensor", **fields).body
    assert len(whole) == 4 * 900 * 700
    for _ in range(20):
        start = chance.randrange(len(whole))
        stop = start + chance.choice([1, 3, 100, 65536, 65537, 10**7])
        assert daemon.get("/v1/tensor", headers={"Range": f"bytes={start}-{stop - 1}"}, **fields).body == whole[start:stop]
    shards = [daemon.get("/v1/tensor", **fields, shard=f"0:{rank}/4").body for rank in range(4)]
    assert b"".join(shards) == whole
    assert daemon.get("/v1/tensor", **fields, slice="0:0,:").body == b""


def test_head_and_plan_prepare_nothing(start):
    daemon = start("--max-orthogonal", "100000", "--max-preparation", "1000", "--cache-size", "100G")
    before = daemon.status_kib("VmHWM")
    assert daemon.request("HEAD", path_of(daemon, orthogonal(30000, 30000))).status == 200
    assert daemon.get("/v1/plan", **orthogonal(30000, 30000)).status == 200
    assert daemon.status_kib("VmHWM") - before < 16 * 1024


def test_an_empty_slice_of_a_heavy_tensor_prepares_nothing(start):
    daemon = start("--max-orthogonal", "100000", "--max-preparation", "1000", "--cache-size", "100G")
    huge = {**orthogonal(30000, 30000), "format": "npy"}
    before = daemon.status_kib("VmHWM")
    empty = daemon.get("/v1/tensor", **huge, slice="5:5,:")
    assert empty.status == 200 and empty.body.startswith(b"\x93NUMPY") and b"(0, 30000)" in empty.body
    assert daemon.get("/v1/tensor", **{**huge, "format": "raw"}, slice="5:5,:").body == b""
    head = daemon.get("/v1/tensor", headers={"Range": "bytes=0-63"}, **huge)
    assert head.status == 206 and b"(30000, 30000)" in daemon.get("/v1/tensor", headers={"Range": "bytes=0-127"}, **huge).body
    statistics = daemon.get("/v1/stats", **orthogonal(30000, 30000), slice="5:5,:")
    assert statistics.status == 200 and statistics.json()["elements"] == 0
    assert daemon.status_kib("VmHWM") - before < 16 * 1024
    assert len(daemon.ledger()) == 1


def test_a_plan_is_refused_like_the_tensor(start):
    for options in [("--max-orthogonal", "64"), ("--cache-size", "10K")]:
        daemon = start(*options)
        refused = daemon.get("/v1/tensor", **orthogonal(500, 500))
        plan = daemon.get("/v1/plan", **orthogonal(500, 500))
        assert plan.status == refused.status == 413 and plan.problem() == refused.problem()
        assert daemon.post("/v1/plan", orthogonal(500, 500) | {"shape": [500, 500]}).problem() == refused.problem()


def test_a_tensor_too_large_to_prepare_is_413_and_not_recorded(start):
    daemon = start("--max-orthogonal", "64")
    response = daemon.get("/v1/tensor", **orthogonal(65, 1000))
    assert response.status == 413 and response.problem()["param"] == "shape" and "64" in response.problem()["detail"]
    assert daemon.get("/v1/tensor", **orthogonal(64, 1000)).status == 200
    small = start("--cache-size", "10K")
    assert small.get("/v1/tensor", **orthogonal(500, 500)).status == 413
    assert small.ledger() == []


def sparse(rows, columns, sparsity):
    return dict(experiment="heavy", name="s", shape=f"{rows},{columns}", init=f"sparse(sparsity={sparsity})", format="raw")


def test_a_tensor_that_takes_too_long_to_prepare_is_413_and_not_recorded(start):
    daemon = start("--cache-size", "100G")
    for fields in [sparse(1 << 22, 1 << 13, 0.5), orthogonal(1 << 22, 8192), orthogonal(4096, 1 << 23)]:
        for path in ["/v1/tensor", "/v1/plan", "/v1/stats"]:
            response = daemon.get(path, **fields, slice="0:1,0:1")
            assert response.status == 413 and response.problem()["param"] == "shape", (path, fields)
            assert "seconds" in response.problem()["detail"] and "--max-preparation" in response.problem()["detail"]
    assert daemon.get("/v1/plan", **sparse(1 << 22, 1 << 13, 0)).status == 200, "without zeros there is nothing to prepare"
    assert daemon.ledger() == []
    strict = start("--max-preparation", "1")
    assert strict.get("/v1/tensor", **sparse(30000, 10000, 0.5), slice="0:1,0:1").status == 413
    assert strict.get("/v1/tensor", **sparse(300, 1000, 0.5)).status == 200


def test_the_memory_of_the_preparation_counts_too(start):
    daemon = start("--cache-size", "30M")
    assert daemon.get("/v1/plan", **orthogonal(2000, 2000)).status == 413, "24 MB of factors, plus memory to compute them"
    response = daemon.get("/v1/tensor", **orthogonal(50000, 2000))
    assert response.status == 413 and "--cache-size" in response.problem()["detail"], "8 MB of factors, computed from 16 MB of products"
    assert daemon.get("/v1/tensor", **orthogonal(1000, 1000)).status == 200
    assert daemon.ledger()[0]["shape"] == [1000, 1000]


def batch(*shape, axis=0, **more):
    return dict(experiment="heavy", name="b", shape=",".join(map(str, shape)), init="orthogonal", batch_axis=axis, format="raw", **more)


def test_a_batch_of_matrices_has_the_limits_of_all_together(start):
    daemon = start("--cache-size", "30M", "--max-orthogonal", "1000")
    for fields, option in [
        (batch(3, 1001, 1001), "--max-orthogonal"),
        (batch(20, 700, 700), "--cache-size"),  # 3 MB of factors for each
        (batch(1000, 10000, 8, axis=1), "--cache-size"),  # interleaved: the elements are kept
        (batch(100_000_000, 2, 2), "--max-preparation"),
    ]:
        response = daemon.get("/v1/tensor", **fields, slice="0:1,0:1,0:1")
        assert response.status == 413 and response.problem()["param"] == "shape" and option in response.problem()["detail"], fields
    assert daemon.ledger() == []
    assert daemon.get("/v1/tensor", **batch(4, 700, 700), slice="1:2").status == 200


def test_small_matrices_are_served_from_a_batch_of_any_length(start):
    """The daemon computes those that a response meets."""
    daemon = start("--cache-size", "30M")
    fields = batch(10_000_000, 9, 9)
    rows = daemon.get("/v1/tensor", **fields, slice="5000000:5000100,3:4").body
    assert len(rows) == 100 * 9 * 4
    assert rows == b"".join(daemon.get("/v1/tensor", **fields, slice=f"{start}:{start + 50},3:4").body for start in (5_000_000, 5_000_050))
    assert daemon.status_kib("VmHWM") < 300 * 1024


def test_concurrent_requests_share_a_preparation_and_other_requests_are_served(start):
    daemon = start("--threads", "1")
    fields = orthogonal(1200, 1200)
    connections = [daemon.connect() for _ in range(8)]
    for connection in connections:
        connection.request("GET", path_of(daemon, fields))
    for _ in range(20):
        assert daemon.get("/healthz").status == 200
    assert daemon.get("/v1/tensor", experiment="heavy", name="light", shape="100000", init="normal").status == 200
    bodies = {connection.getresponse().read() for connection in connections}
    assert len(bodies) == 1 and len(bodies.pop()) == 4 * 1200 * 1200
    assert len(daemon.ledger()) == 2
    for connection in connections:
        connection.close()


def test_many_heavy_tensors_beyond_the_cache_are_all_served(start):
    daemon = start("--cache-size", "2M")

    def fetch(number):
        return len(daemon.get("/v1/tensor", **{**orthogonal(250, 250), "name": f"q{number}"}).body)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fetch, range(40))) == [4 * 250 * 250] * 40


def test_clients_that_disconnect_during_heavy_work_leak_nothing(start):
    daemon = start("--cache-size", "16M")
    for number in range(12):
        connection = daemon.connect()
        connection.request("GET", path_of(daemon, {**orthogonal(700, 700), "name": f"q{number % 3}"}))
        if number % 2:
            connection.getresponse().read(1000)
        connection.close()
    assert daemon.get("/v1/tensor", **orthogonal(700, 700)).status == 200


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
def test_a_preparation_stops_when_its_client_has_disconnected(start, reset):
    daemon = start("--compute-threads", "1")
    before = daemon.status_kib("VmHWM")
    connection = daemon.socket()
    connection.sendall(f"GET {path_of(daemon, orthogonal(50000, 4000))} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    while daemon.status_kib("VmHWM") < before + 16 * 1024:  # until the preparation runs
        pass
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    line = daemon.wait_for(lambda line: line.get("path") == "/v1/tensor")
    assert line["status"] == 503 and line["name"] == "q"
    assert daemon.get("/v1/tensor", **{**orthogonal(60, 40), "name": "next"}).status == 200


def test_a_half_closed_client_gets_a_response_that_is_nearly_ready(daemon):
    with daemon.socket() as connection:
        connection.sendall(f"GET {path_of(daemon, {**orthogonal(300, 300), 'name': 'half'})} HTTP/1.0\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert received.startswith(b"HTTP/1.0 200 ") or received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(daemon.get("/v1/tensor", **{**orthogonal(300, 300), "name": "half"}).body)


def stuck_reader(daemon, path, fields):
    """A client that requests more than the socket buffers hold, and reads only the headers."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.settimeout(PATIENCE)
    connection.connect((daemon.host, daemon.port))
    target = daemon.url(path, **fields).split(daemon.address)[1]
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def test_a_request_that_waits_too_long_for_memory_gets_503(start):
    daemon = start("--compute-threads", "1", "--cache-size", "200M", "--wait-seconds", "1")
    before = daemon.status_kib("VmHWM")
    with daemon.socket() as preparing:  # takes long, and most of the memory
        preparing.sendall(f"GET {path_of(daemon, orthogonal(50000, 4000))} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while daemon.status_kib("VmHWM") < before + 16 * 1024:
            pass
        other = http.client.HTTPConnection(daemon.host, daemon.port, timeout=PATIENCE, source_address=("127.0.0.2", 0))
        other.request("GET", path_of(daemon, {**orthogonal(4000, 4000), "name": "other"}))
        response = Response(other.getresponse())
        assert response.status == 503 and response.headers["Retry-After"] and "--wait-seconds 1" in response.problem()["detail"]


# The factors take 16 MB, so two such tensors do not fit into 24 MB. They are quick to compute and to read.
WIDE = sparse(6, 1000000, 0.5)


@pytest.mark.parametrize("path", ["/v1/tensor", "/v1/model"])
def test_a_slow_reader_releases_its_memory_and_continues_when_it_reads_again(start, path):
    daemon = start("--cache-size", "24M", "--wait-seconds", "6", "--idle-seconds", "3600")
    fields = WIDE
    if path == "/v1/model":
        manifest = {"tensors": [{"name": name, "shape": [6, 1000000]} for name in "st"],
                    "rules": [{"match": "*", "init": "sparse(sparsity=0.5)"}]}
        stored = daemon.post("/v1/manifests", manifest).json()["manifest"]
        fields = {"manifest": stored, "experiment": "heavy"}
    connection = stuck_reader(daemon, path, fields)
    assert daemon.get("/v1/tensor", **{**WIDE, "name": "other"}, slice="0:1,0:10").status == 200
    received = b"HTTP/1.1 200" + b"".join(iter(lambda: connection.recv(1 << 20), b""))
    connection.close()
    head, body = received.split(b"\r\n\r\n", 1)
    assert body == daemon.get(path, **fields).body


def test_a_client_that_reads_nothing_is_disconnected_and_its_memory_goes_to_a_waiting_request(start):
    daemon = start("--cache-size", "24M", "--idle-seconds", "1")
    connection = stuck_reader(daemon, "/v1/tensor", WIDE)
    response = daemon.get("/v1/tensor", **{**WIDE, "name": "other"}, slice="0:1,0:10")
    assert response.status == 200 and len(response.body) == 4 * 10
    assert any(line.get("end") == "timeout" for line in daemon.log) or daemon.wait_for(lambda line: line.get("end") == "timeout")
    connection.close()


def test_the_daemon_stops_cleanly_during_heavy_work(start):
    for options in [(), ("--drain-seconds", "0")]:
        daemon = start(*options)
        connections = [daemon.connect() for _ in range(4)]
        for number, connection in enumerate(connections):
            connection.request("GET", path_of(daemon, {**orthogonal(900, 900), "name": f"q{number}"}))
        assert daemon.get("/healthz").status == 200
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=PATIENCE) == 0
        for connection in connections:
            connection.close()
