"""A Python client that openapi-python-client generates from proto/openapi.json (tests/openapi/run) works with the daemon."""
import ast
import hashlib
import json

import pytest

from conftest import Daemon
from tokens import Token, write_tokens

from sower_http import AuthenticatedClient, Client
from sower_http.api.catalogue import list_initializers
from sower_http.api.daemon import get_health
from sower_http.api.draws import get_draw, record_draws
from sower_http.api.experiments import get_pin, pin_experiment, take_trials, unpin_experiment
from sower_http.api.ledger import get_ledger_head, list_ledger
from sower_http.api.models import get_model, keep_manifest, post_model
from sower_http.api.tensors import get_plan, get_tensor, post_stats, post_tensor
from sower_http.models import DrawLine, Format, Manifest, ManifestOfExperiment, ManifestTensor, ModelRequest, Problem, Rule
from sower_http.models import TensorRequest, TrialsRequest

FIELDS = {"experiment": "client", "name": "w", "shape": "4,6", "init": "he_normal"}
TENSORS = [ManifestTensor("a.weight", [8, 4]), ManifestTensor("a.bias", [4])]
RULES = [Rule(match="*.bias", init="zeros"), Rule(match="*", init="normal(std=0.02)")]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("client"))
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def client(daemon):
    return Client(f"http://{daemon.address}", raise_on_unexpected_status=True)


def floats(npy):
    """(shape, bytes of the elements) of an npy file."""
    size = 10 + int.from_bytes(npy[8:10], "little")
    return ast.literal_eval(npy[10:size].decode())["shape"], npy[size:]


def test_it_draws_a_tensor(client):
    response = get_tensor.sync_detailed(client=client, **FIELDS)
    npy = response.parsed.payload.read()
    assert floats(npy)[0] == (4, 6)
    posted = post_tensor.sync(client=client, body=TensorRequest("client", "w", [4, 6], "he_normal", format_=Format.RAW)).payload.read()
    assert floats(npy)[1] == posted
    line = get_draw.sync(response.headers["Sower-Draw"], client=client)
    assert isinstance(line, DrawLine) and line.seed == response.headers["Sower-Seed"] and line.shape == [4, 6]


def test_what_it_plans_is_what_it_gets(client):
    plan = get_plan.sync(client=client, **{**FIELDS, "name": "planned"})
    response = get_tensor.sync_detailed(client=client, **{**FIELDS, "name": "planned"})
    assert (plan.draw, plan.seed) == (response.headers["Sower-Draw"], response.headers["Sower-Seed"])
    assert plan.ledger is None and plan.bytes_ == int(response.headers["Content-Length"])


def test_it_records_a_model_without_its_bytes(client):
    receipt = record_draws.sync(client=client, body=ManifestOfExperiment(TENSORS, RULES, experiment="model"))
    assert [(draw.name, draw.shape, draw.drift) for draw in receipt.draws] == [("a.weight", [8, 4], None), ("a.bias", [4], None)]
    assert get_draw.sync(receipt.draws[1].draw, client=client).manifest == receipt.manifest


def test_it_gets_a_model_by_its_manifest_and_by_its_hash(client):
    kept = keep_manifest.sync(client=client, body=Manifest(TENSORS, RULES))
    by_hash = get_model.sync(client=client, manifest=kept.manifest, experiment="model").payload.read()
    posted = post_model.sync(client=client, body=ModelRequest(TENSORS, RULES, experiment="model")).payload.read()
    header = json.loads(by_hash[8:8 + int.from_bytes(by_hash[:8], "little")])
    assert by_hash == posted and header["__metadata__"]["sower.manifest"] == kept.manifest
    assert kept.tensors == 2 and kept.warnings == []


def test_the_digest_of_statistics_is_that_of_the_bytes(client):
    body = TensorRequest("client", "w", [4, 6], "he_normal", format_=Format.RAW)
    raw = post_tensor.sync(client=client, body=body).payload.read()
    assert post_stats.sync(client=client, body=body).digest == hashlib.blake2b(raw, digest_size=32).hexdigest()


def test_it_takes_trial_numbers(client):
    first = take_trials.sync("sweep", client=client, body=TrialsRequest(count=2, purposes=["data"]), idempotency_key="job-1")
    again = take_trials.sync("sweep", client=client, body=TrialsRequest(count=2, purposes=["data"]), idempotency_key="job-1")
    assert first == again and (first.trial, first.count) == (0, 2) and int(first.purposes["data"]) >= 0


def test_it_lists_the_ledger(client):
    get_tensor.sync(client=client, **{**FIELDS, "experiment": "listed"})
    pin_experiment.sync("listed", client=client)
    assert get_pin.sync("listed", client=client).pinned
    unpin_experiment.sync("listed", client=client)
    lines = list_ledger.sync(client=client, experiment="listed").payload.read().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["draw", "pin", "unpin"]
    assert DrawLine.from_dict(json.loads(lines[0])).name == "w"
    assert get_ledger_head.sync(client=client).ledger == json.loads(lines[-1])["ledger"]


def test_a_refusal_is_a_problem_that_names_the_field(client):
    problem = get_tensor.sync(client=client, **{**FIELDS, "shape": "4,x"})
    assert isinstance(problem, Problem) and (problem.status, problem.param) == (400, "shape")


def test_the_catalogue_has_entries(client):
    assert list_initializers.sync(client=client, name="he_normal").name == "he_normal"
    assert {"zeros", "orthogonal"} <= {entry.name for entry in list_initializers.sync(client=client)}


def test_it_sends_a_token(tmp_path):
    token = Token("client", "plan")
    daemon = Daemon(tmp_path / "state", "--tokens", str(write_tokens(tmp_path / "tokens", token)))
    base = f"http://{daemon.address}"
    assert get_health.sync(client=Client(base)) == "ok\n"
    assert get_plan.sync(client=Client(base), **FIELDS).status == 401
    client = AuthenticatedClient(base, token.text)
    assert get_plan.sync(client=client, **FIELDS).name == "w"
    assert get_tensor.sync(client=client, **FIELDS).status == 403
    assert daemon.stop() == 0


