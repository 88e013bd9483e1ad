"""zero_rows and zero_columns: these rows and columns are 0 wherever the tensor is made, and nothing else changes."""
import hashlib
import json
import struct

import pytest

import sow_programs as sow

EMBEDDING = dict(experiment="e", name="embed", shape="7,5", init="normal(0,1)")


def rows(body, width=5):
    """The elements of an f32 tensor, row by row."""
    numbers = struct.unpack(f"<{len(body) // 4}f", body)
    return [list(numbers[at:at + width]) for at in range(0, len(numbers), width)]


def raw(daemon, **fields):
    response = daemon.get("/v1/tensor", **{**EMBEDDING, "format": "raw", **fields})
    assert response.status == 200, response.body
    return response


def with_zeros(plain, zero_rows=(), zero_columns=()):
    return [[0.0 if row in zero_rows or column in zero_columns else number for column, number in enumerate(numbers)]
            for row, numbers in enumerate(plain)]


def test_only_these_rows_and_columns_are_zero(daemon):
    plain = rows(raw(daemon).body)
    assert rows(raw(daemon, zero_rows="0").body) == with_zeros(plain, {0})
    assert rows(raw(daemon, zero_rows="-1,2", zero_columns="4").body) == with_zeros(plain, {6, 2}, {4})
    assert rows(raw(daemon, zero_columns="0,-1", slice="2:,3:").body, 2) == [line[3:] for line in with_zeros(plain, (), {0, 4})[2:]]
    assert rows(raw(daemon, zero_rows="5", shard="0:2/3").body) == with_zeros(plain, {5})[6:]


def test_they_are_part_of_the_draw_and_not_of_the_seed(daemon):
    plain, zeroed = raw(daemon), raw(daemon, zero_rows="0,3")
    assert plain.headers["Sower-Seed"] == zeroed.headers["Sower-Seed"]
    assert plain.headers["Sower-Draw"] != zeroed.headers["Sower-Draw"] and plain.headers["ETag"] != zeroed.headers["ETag"]
    assert raw(daemon, zero_rows="3,-7").headers["Sower-Draw"] == zeroed.headers["Sower-Draw"], "another way to say the same"
    (line,) = [line for line in daemon.ledger() if line["draw"] == zeroed.headers["Sower-Draw"]]
    assert line["layout"] == "oi,zero_rows=0+3"


def test_ranges_of_a_body_have_the_zeros(daemon):
    whole = raw(daemon, zero_rows="1", zero_columns="0").body
    for first, last in ((0, 0), (19, 41), (100, 139)):
        part = daemon.get("/v1/tensor", headers={"Range": f"bytes={first}-{last}"}, **EMBEDDING, format="raw", zero_rows="1", zero_columns="0")
        assert part.status == 206 and part.body == whole[first:last + 1]


def test_heavy_tensors_have_them_too(daemon):
    fields = dict(shape="90,120", init="orthogonal")
    plain = rows(raw(daemon, **fields).body, 120)
    assert rows(raw(daemon, **fields, zero_rows="89", zero_columns="7").body, 120) == with_zeros(plain, {89}, {7})
    assert rows(raw(daemon, **fields).body, 120) == plain, "the prepared factors are those of another draw"


def test_a_plan_and_statistics_expect_them(daemon):
    fields = dict(experiment="e", name="big", shape="400,300", init="uniform(1,3)", zero_rows="0,1,2,3,4,5,6,7", zero_columns="0,1,2,3,4,5,6,7")
    plan, found = daemon.get("/v1/plan", **fields).json(), daemon.get("/v1/stats", **fields).json()
    share = 392 / 400 * 292 / 300
    assert plan["mean_expected"] == pytest.approx(2 * share) and (plan["low"], plan["high"]) == (0, 3)
    assert found["mean"] == pytest.approx(plan["mean_expected"], abs=0.01) and found["std"] == pytest.approx(plan["std_expected"], abs=0.01)
    assert found["min"] == 0


MODEL = {"defaults": {"init": "normal(0,1)"},
         "rules": [{"match": "*embed*", "zero_rows": [0]}],
         "tensors": [{"name": "embed", "shape": [7, 5]}, {"name": "pos_embed", "shape": [3, 5], "zero_rows": -1}, {"name": "head", "shape": [5, 7], "zero_columns": 0}]}


def test_a_model_has_the_same_bytes_as_its_tensors(daemon):
    kept = daemon.post("/v1/manifests", MODEL).json()["manifest"]
    assert '"shape":[3,5],"zero_rows":[2]}' in daemon.get("/v1/manifests", manifest=kept).body.decode()
    body = daemon.get("/v1/model", manifest=kept, experiment="e").body
    length = struct.unpack("<Q", body[:8])[0]
    header = json.loads(body[8:8 + length])
    for name, fields in (("embed", dict(zero_rows="0")), ("pos_embed", dict(shape="3,5", zero_rows="2")), ("head", dict(shape="5,7", zero_columns="0"))):
        start, stop = header[name]["data_offsets"]
        assert body[8 + length + start:8 + length + stop] == raw(daemon, name=name, **fields).body, name
    assert [line["layout"] for line in daemon.ledger() if line.get("manifest") == kept and line["name"] == "head"] == ["oi,zero_columns=0"]


@pytest.mark.parametrize("name, sentence", [("a scalar", "scalar"), ("small", "There is no row 4: the first axis has 2.")])
def test_zeros_that_do_not_fit_a_tensor_of_a_manifest_are_unprocessable(daemon, name, sentence):
    shape = {"a scalar": [], "small": [2, 3]}[name]
    tensors = [{"name": "fits", "shape": [5, 5]}, {"name": name, "shape": shape}]
    response = daemon.post("/v1/manifests", {"tensors": tensors, "rules": [{"match": "*", "zero_rows": [4]}], "defaults": {"init": "zeros"}})
    assert response.status == 422 and response.problem()["param"] == "tensors"
    assert f'"{name}"' in response.problem()["detail"] and sentence in response.problem()["detail"]


def test_sow_gets_verifies_and_checks_them(daemon, tmp_path):
    arguments = ["-e", "sow", "-n", "w", "-s", "6,4", "-i", "normal(0,1)", "--zero-rows", "0,-1", "--zero-columns", "2", "--server", f"http://{daemon.address}"]
    path = tmp_path / "w.raw"
    done = sow.run(["get", *arguments, "-f", "raw", "-o", path, "--verify"])
    assert done.returncode == 0, done.stderr
    expected = raw(daemon, experiment="sow", name="w", shape="6,4", zero_rows="0,5", zero_columns="2")
    assert path.read_bytes() == expected.body
    planned = json.loads(sow.run(["plan", "--json", *arguments]).stdout)
    assert (planned["draw"], planned["layout"]) == (expected.headers["Sower-Draw"], "oi,zero_rows=0+5,zero_columns=2")
    counted = json.loads(sow.run(["stats", "--json", *arguments]).stdout)
    assert counted["digest"] == hashlib.blake2b(expected.body, digest_size=32).hexdigest()
    lines = tmp_path / "ledger.ndjson"
    lines.write_bytes(daemon.get("/v1/ledger").body)
    done = sow.run(["ledger", "verify", lines])
    assert done.returncode == 0, done.stderr
    lines.write_bytes(lines.read_bytes().replace(b"zero_rows=0+5,zero_columns=2", b"zero_rows=0+5,zero_columns=3"))
    assert sow.run(["ledger", "verify", lines]).returncode == 1


def test_sow_refuses_what_the_daemon_refuses(daemon):
    done = sow.run(["get", "-e", "e", "-n", "w", "-s", "6,4", "-i", "zeros", "--zero-rows", "6", "--server", f"http://{daemon.address}", "-o", "/dev/null"])
    assert done.returncode == 1 and "There is no row 6" in done.stderr
