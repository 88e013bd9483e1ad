"""Purposes: numbers for the other randomness of a trial, the same wherever they are asked for."""
import json
import pathlib
import urllib.parse

import pytest

from sow_programs import run
from trials import path

VECTORS = json.loads((pathlib.Path(__file__).resolve().parents[2] / "proto/vectors/purposes.json").read_text())["purposes"]
PUBLIC_ROOT = VECTORS[0]["root"]


@pytest.fixture
def root_file(tmp_path):
    """A function that writes a root to a key file."""
    def write(root):
        file = tmp_path / f"{root}.key"
        file.write_text(root)
        file.chmod(0o600)
        return file
    return write


@pytest.mark.parametrize("root", sorted({vector["root"] for vector in VECTORS}))
def test_the_daemon_and_sow_give_the_published_numbers(start, root_file, root):
    file = root_file(root)
    daemon = start(f"--root-key-file={file}")
    for vector in [vector for vector in VECTORS if vector["root"] == root and "," not in vector["purpose"]]:
        given = daemon.get("/v1/seed", experiment=vector["experiment"], trial=vector["trial"], purposes=vector["purpose"]).json()
        assert given["purposes"] == {vector["purpose"]: vector["number"]} and given["trial"] == vector["trial"]
        done = run(["seed", "-e", vector["experiment"], "-t", vector["trial"], "--purpose", vector["purpose"], "--root-key-file", file])
        assert done.stdout.decode() == vector["number"] + "\n"


def test_the_answer_of_trials_has_the_numbers_of_the_first_trial_also_for_a_repeated_key(daemon):
    for count in [1, 3]:
        target, key = path("purposes", count=count, purposes="data,dropout"), {"Idempotency-Key": f"k{count}"}
        given = daemon.request("POST", target, headers=key).json()
        assert list(given) == ["experiment", "trial", "count", "seed", "ledger", "purposes"]
        seed = daemon.get("/v1/seed", experiment="purposes", trial=given["trial"], purposes="data,dropout").json()
        assert given["purposes"] == seed["purposes"] and list(given["purposes"]) == ["data", "dropout"]
        assert given["seed"] == seed["seed"]
        assert daemon.request("POST", target, headers=key).json() == given
        plain = daemon.request("POST", path("purposes", count=count), headers=key).json()
        assert plain == {name: value for name, value in given.items() if name != "purposes"}


def test_a_body_may_have_purposes_with_commas(daemon):
    given = daemon.post(path("comma"), {"purposes": ["a,b", "é"]}).json()
    assert list(given["purposes"]) == ["a,b", "é"]
    assert given["purposes"]["é"] == daemon.get("/v1/seed", experiment="comma", purposes="é").json()["purposes"]["é"]


def test_a_seed_has_the_root_and_records_nothing(start, root_file):
    daemon = start(f"--root-key-file={root_file('07' * 32)}")
    answer = daemon.get("/v1/seed", experiment="e")
    assert answer.headers["Cache-Control"] == "no-store" and list(answer.json()) == ["experiment", "trial", "root", "seed"]
    plan = daemon.get("/v1/plan", experiment="e", name="w", shape="2", init="zeros").json()
    assert answer.json()["root"] == plan["root"] and answer.json()["trial"] == 0
    assert answer.json()["seed"] == daemon.request("POST", path("e")).json()["seed"]
    assert [line["kind"] for line in daemon.ledger()] == ["trials"]


@pytest.mark.parametrize("query, param", [
    ("", "experiment"), ("experiment", "experiment"), ("experiment=", "experiment"), (f"experiment={'x' * 257}", "experiment"),
    ("experiment=e&trial=-1", "trial"), ("experiment=e&trial=9223372036854775808", "trial"), ("experiment=e&trial=x", "trial"),
    ("experiment=e&purposes", "purposes"), ("experiment=e&purposes=", "purposes"), ("experiment=e&purposes=a,a", "purposes"),
    ("experiment=e&purposes=" + ",".join(map(str, range(65))), "purposes"), (f"experiment=e&purposes={'x' * 257}", "purposes"),
    ("experiment=e&purposes=%ff", "purposes"), ("experiment=e&purposes=a%00", "purposes"), ("experiment=e&name=w", "name"),
])
def test_a_wrong_question_for_a_seed_is_refused_with_its_field(daemon, query, param):
    response = daemon.request("GET", f"/v1/seed?{query}")
    assert response.status == 400 and response.problem()["param"] == param


@pytest.mark.parametrize("purposes", ["a", [], [""], ["a", "a"], [1], {"a": 1}, None, ["x" * 257], [str(n) for n in range(65)]], ids=repr)
def test_a_wrong_purpose_takes_no_number(daemon, purposes):
    before = len(daemon.ledger())
    response = daemon.post(path("refused"), {"purposes": purposes})
    assert response.status == 400 and response.problem()["param"] == "purposes" and len(daemon.ledger()) == before


def test_sow_prints_a_line_for_each_purpose_and_refuses_what_the_daemon_refuses():
    both = run(["seed", "-e", "exp-42", "--purpose", "data,dropout"]).stdout.decode()
    assert both == "".join(vector["number"] + "\n" for vector in VECTORS[:2])
    for arguments in [["--purpose", ""], ["--purpose", "a,a"], ["--purpose", "x" * 257], ["--purpose", "data", "--name", "w"]]:
        done = run(["seed", "-e", "exp-42", *arguments])
        assert done.returncode == (2 if "--name" in arguments else 1) and done.stdout == b"" and "purpose" in done.stderr
