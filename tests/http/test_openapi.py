"""proto/openapi.json describes the routes of the daemon: its paths, its requests and its answers."""
import json
import re
import urllib.parse

import jsonschema
import pytest

from conftest import ROOT, Daemon
from tokens import Token, write_tokens

API = json.loads((ROOT / "proto/openapi.json").read_text())
METHODS = {"get", "head", "post", "put", "delete"}
OPERATIONS = [(path, method) for path, item in API["paths"].items() for method in item]
TENSOR_FIELDS = re.findall(r'^    \{\.name = "(\w+)"', (ROOT / "proto/request.c").read_text(), re.M)


def at(reference):
    """The part of the description that a reference names."""
    part = API
    for step in reference.removeprefix("#/").split("/"):
        part = part[step.replace("~1", "/")]
    return part


def resolved(part):
    return at(part["$ref"]) if "$ref" in part else part


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        yield from references(inner)


def check(value, schema):
    """The schema stands at the root of a document that has the components, so its references lead there."""
    jsonschema.Draft202012Validator({**schema, "components": API["components"]}).validate(value)


def parameters(operation):
    return [resolved(parameter) for parameter in operation.get("parameters", [])]


def body_of(operation):
    return operation["requestBody"]["content"]["application/json"] if "requestBody" in operation else None


def target(path, chosen):
    """The address that the examples of these parameters make, and the header fields."""
    for parameter in chosen:
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", urllib.parse.quote(parameter["example"], safe=""))
    query = {parameter["name"]: parameter["example"] for parameter in chosen if parameter["in"] == "query"}
    headers = {parameter["name"]: parameter["example"] for parameter in chosen if parameter["in"] == "header"}
    return path + ("?" + urllib.parse.urlencode(query) if query else ""), headers


def choices(path, operation):
    """Sets of parameters that make a request: the required ones alone, and with each other one that may come with them."""
    all_of = parameters(operation)
    required = [parameter for parameter in all_of if parameter.get("required")]
    optional = [parameter for parameter in all_of if not parameter.get("required")]
    if path == "/v1/stats" and all_of:  # a tensor or a model: OpenAPI has no words for this
        return [[p for p in all_of if p["name"] in {"experiment", *names}]
                for names in (["name", "shape", "init"], ["manifest"], ["manifest", "tensors", "part", "shard"],
                              ["name", "shape", "init", "dtype", "slice", "format"])]
    if path == "/v1/ledger":
        experiment, optional = optional[0], optional[1:]
        return [required, [experiment], *([experiment, other] for other in optional)]
    return [required, *(required + [other] for other in optional)]


def has_tensors(path, body):
    """Whether the query may narrow this body's manifest."""
    return path == "/v1/model" or "tensors" in body


def send(daemon, path, method, chosen, body):
    address, headers = target(path, chosen)
    return daemon.request(method.upper(), address, body=None if body is None else json.dumps(body), headers=headers)


def check_answer(operation, method, response):
    """The status is described, and the response is as the description of it says."""
    assert str(response.status) in operation["responses"], (response.status, response.body)
    check_described(resolved(operation["responses"][str(response.status)]), method, response)


def from_text(text, schema):
    """The value of a header field: OpenAPI describes it as JSON, and it is sent as text."""
    return int(text) if resolved(schema).get("type") == "integer" and text.isdecimal() else text


def check_described(described, method, response):
    """The header fields, the content type and the body are as the description says."""
    for name, header in described["headers"].items():
        header = resolved(header)
        assert name in response.headers or not header.get("required"), name
        if name in response.headers:
            check(from_text(response.headers[name], header["schema"]), header["schema"])
    named = {name for name in response.headers if name.startswith("Sower-")}
    assert named <= set(described["headers"])
    if method == "head" or response.status == 304:
        assert response.body == b"" and ("content" not in described or response.status >= 400)
        return
    media = response.headers["Content-Type"]
    schema = described["content"][media].get("schema")
    if media == "application/x-ndjson":
        for line in response.body.splitlines():
            check(json.loads(line), resolved(schema)["contentSchema"])
    elif resolved(schema).get("format") == "binary":
        return
    elif media.endswith("json"):
        check(response.json(), schema)
    else:
        check(response.body.decode(), schema)


@pytest.fixture(scope="module")
def filled(daemon):
    """A daemon to which the examples of what records and keeps were sent, for the examples of what reads."""
    for path in ("/v1/manifests", "/v1/draws", "/v1/model", "/v1/experiments/{experiment}/trials"):
        operation = API["paths"][path]["post"]
        required = [parameter for parameter in parameters(operation) if parameter.get("required")]
        response = send(daemon, path, "post", required, body_of(operation)["example"])
        assert response.status == 200, response.body
    return daemon


def test_every_reference_leads_somewhere_and_every_component_is_used():
    used = set(references(API))
    for reference in used:
        at(reference)
    used |= {"#/components/securitySchemes/" + name for needed in API["security"] for name in needed}
    assert {f"#/components/{kind}/{name}" for kind, parts in API["components"].items() for name in parts} == used


def test_every_schema_is_a_json_schema():
    for schema in API["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_operations_have_names_of_their_own():
    names = [API["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)


def test_the_paths_and_methods_are_those_of_the_table_of_routes():
    rows = re.findall(r'^    \{"([^"]+)",\s*([A-Z_| ]+),', (ROOT / "server/handlers/routes.c").read_text(), re.M)
    routes = {path: {method.lower() for method in re.findall(r"SOWER_(\w+)", methods)} for path, methods in rows}
    assert {path: set(item) for path, item in API["paths"].items()} == routes


def test_each_operation_needs_the_scopes_of_the_table_of_routes():
    """An operation is open to a token with one of its scopes, and to everybody if the daemon has no tokens ({})."""
    routes = re.findall(r'^    \{"([^"]+)",(.*?)\},$', (ROOT / "server/handlers/routes.c").read_text(), re.M | re.S)
    for path, rest in routes:
        scopes = dict(re.findall(r"\.((?:read_)?scopes) = ([A-Z| ]+)", rest))
        for method, operation in API["paths"][path].items():
            of_route = scopes.get("read_scopes", scopes["scopes"]) if method in ("get", "head") else scopes["scopes"]
            needed = {"FREE": [], "ANY": API["security"]}.get(of_route, [*({"bearer": [scope.lower()]} for scope in of_route.split(" | ")), {}])
            assert operation.get("security", API["security"]) == needed, (path, method)


def test_a_404_lists_the_paths_and_is_not_cut(daemon):
    detail = daemon.get("/" + "x" * 200).problem()["detail"]
    assert re.findall(r"/[a-z][^ ,;]*", detail.split("there are ")[1].removesuffix(".")) == list(API["paths"])
    assert detail.endswith(f" and {list(API['paths'])[-1]}.")


def test_the_daemon_serves_the_description_of_its_version(daemon):
    response = daemon.get("/openapi.json")
    assert response.body == (ROOT / "proto/openapi.json").read_bytes()
    version = re.search(r'SOWER_VERSION "(.*)"', (ROOT / "proto/version.h").read_text())[1]
    assert API["info"]["version"] == version
    assert all(urllib.parse.urljoin(daemon.url("/openapi.json"), server["url"]) == daemon.url("/") for server in API["servers"])


def test_caches_ask_whether_the_description_is_still_the_same(daemon):
    response = daemon.get("/openapi.json")
    assert response.headers["Cache-Control"] == "no-cache"
    again = daemon.get("/openapi.json", {"If-None-Match": response.headers["ETag"]})
    assert again.status == 304 and again.body == b"" and again.headers["Cache-Control"] == "no-cache"
    part = daemon.get("/openapi.json", {"Range": "bytes=-10"})
    assert part.status == 206 and part.body == response.body[-10:]


@pytest.mark.parametrize("path", API["paths"])
def test_a_method_that_is_not_described_is_refused_and_allow_names_the_others(filled, path):
    response = filled.request("PATCH", path.replace("{draw}", "0" * 64).replace("{experiment}", "e"))
    assert response.status == 405
    check(response.problem(), at("#/components/schemas/Problem"))
    assert {method.strip().lower() for method in response.headers["Allow"].split(",")} == set(API["paths"][path])


@pytest.mark.parametrize("path, method", OPERATIONS)
def test_the_examples_of_an_operation_get_the_answers_that_are_described(filled, path, method):
    operation = API["paths"][path][method]
    body = body_of(operation)
    if body:
        check(body["example"], body["schema"])
    for chosen in choices(path, operation):
        for parameter in chosen:
            if "example" in parameter:
                check(parameter["example"], parameter["schema"])
        example = body["example"] if body else None
        if body and any(parameter["in"] == "query" for parameter in chosen):
            if path == "/v1/draws":  # the query narrows a manifest
                example = body_of(API["paths"]["/v1/model"]["post"])["example"]
            elif not has_tensors(path, example):  # the fields are in the query or in the body
                example = None
        response = send(filled, path, method, chosen, example)
        last = chosen[-1]["name"] if chosen else None
        assert response.status == {"Range": 206}.get(last, 200), (chosen, response.body)
        check_answer(operation, method, response)


EXAMPLES = [(path, method, media) for path, method in OPERATIONS
            for media, content in API["paths"][path][method]["responses"]["200"].get("content", {}).items() if "example" in content]


@pytest.mark.parametrize("path, method, media", EXAMPLES)
def test_the_example_of_a_response_is_one(path, method, media):
    content = API["paths"][path][method]["responses"]["200"]["content"][media]
    check(content["example"], content["schema"])


def test_only_bytes_of_tensors_and_the_description_itself_have_no_example_of_a_response():
    without = {(path, method) for path, method in OPERATIONS if method != "head"} - {(path, method) for path, method, _ in EXAMPLES}
    assert {path for path, _ in without} == {"/v1/tensor", "/v1/model", "/openapi.json"}


@pytest.mark.parametrize("status", at("#/components/responses"))
def test_the_example_of_a_problem_has_its_status(status):
    content = at(f"#/components/responses/{status}/content/application~1problem+json")
    check(content["example"], content["schema"])
    assert content["example"]["status"] == int(status)


def without_history(value):
    """What does not depend on when and how often the daemon was asked before."""
    changing = {"ledger", "time", "writer", "sequence", "link", "first", "last"}
    if isinstance(value, dict):
        return {key: without_history(inner) for key, inner in value.items() if key not in changing}
    return [without_history(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path, method, fields", [
    ("/v1/plan", "get", ["experiment", "name", "shape", "init"]), ("/v1/plan", "post", None), ("/v1/stats", "post", None),
    ("/v1/draws", "post", None), ("/v1/draws/{draw}", "get", []), ("/v1/manifests", "post", None), ("/v1/manifests", "get", ["manifest"]),
    ("/v1/model/index", "get", ["manifest", "parts"]), ("/v1/seed", "get", ["experiment", "trial", "purposes"]),
])
def test_the_example_of_a_response_is_the_answer_to_the_example_of_the_request(filled, path, method, fields):
    operation = API["paths"][path][method]
    chosen = [p for p in parameters(operation) if p["in"] == "path" or p["name"] in (fields or [])]
    response = send(filled, path, method, chosen, body_of(operation)["example"] if fields is None else None)
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert without_history(response.json()) == without_history(example)


def test_a_tensor_request_has_the_fields_of_the_daemons_table():
    schema = at("#/components/schemas/TensorRequest")
    assert list(schema["properties"]) == TENSOR_FIELDS
    assert [p["name"] for p in parameters(API["paths"]["/v1/tensor"]["get"]) if p["in"] == "query"] == TENSOR_FIELDS
    assert [p["name"] for p in parameters(API["paths"]["/v1/plan"]["get"])] == TENSOR_FIELDS


def refused(daemon, path, method, body=None, **query):
    response = daemon.request(method.upper(), path + ("?" + urllib.parse.urlencode(query) if query else ""),
                              body=None if body is None else json.dumps(body))
    assert response.status == 400
    check_answer(API["paths"][path][method], method, response)
    return response.problem()


@pytest.mark.parametrize("path", ["/v1/tensor", "/v1/plan", "/v1/stats", "/v1/draws", "/v1/model", "/v1/manifests"])
def test_schema_and_daemon_refuse_an_unknown_field_alike(daemon, path):
    body = body_of(API["paths"][path]["post"])
    wrong = {**body["example"], "seeds": 1}
    with pytest.raises(jsonschema.ValidationError):
        check(wrong, body["schema"])
    assert refused(daemon, path, "post", wrong)["param"] == "seeds"


@pytest.mark.parametrize("path", [path for path, method in OPERATIONS if method == "get" and path.startswith("/v1/") and "{" not in path])
def test_a_field_that_is_not_described_is_refused_in_a_query(daemon, path):
    required = {p["name"]: p["example"] for p in parameters(API["paths"][path]["get"]) if p.get("required")}
    assert refused(daemon, path, "get", **required, seeds=1)["param"] == "seeds"


@pytest.mark.parametrize("field", at("#/components/schemas/TensorRequest")["required"])
def test_schema_and_daemon_refuse_a_missing_field_alike(daemon, field):
    body = body_of(API["paths"]["/v1/tensor"]["post"])
    wrong = {name: value for name, value in body["example"].items() if name != field}
    with pytest.raises(jsonschema.ValidationError):
        check(wrong, body["schema"])
    assert refused(daemon, "/v1/tensor", "post", wrong)["param"] == field


TENSOR = {"experiment": "answers", "name": "w", "shape": [4], "init": "zeros"}
MANIFEST = {"experiment": "answers", "tensors": [{"name": "m", "shape": [4], "init": "zeros"}]}
NOT_TIED = [{"name": "m", "shape": [4], "same_as": "n"}]
ONES = {**TENSOR, "init": "ones"}


@pytest.mark.parametrize("status, path, method, address, body, headers", [
    (403, "/v1/draws", "post", "", TENSOR, {"Sec-Fetch-Site": "cross-site"}),
    (404, "/v1/draws/{draw}", "get", "/v1/draws/" + "0" * 64, None, {}),
    (404, "/v1/experiments/{experiment}", "get", "/v1/experiments/never", None, {}),
    (404, "/v1/manifests", "get", "/v1/manifests?manifest=" + "0" * 64, None, {}),
    (409, "/v1/tensor", "post", "", ONES, {}),
    (409, "/v1/plan", "post", "", ONES, {}),
    (409, "/v1/draws", "post", "", ONES, {}),
    (413, "/v1/tensor", "post", "", {**TENSOR, "shape": [1 << 50]}, {}),
    (412, "/v1/tensor", "get", "/v1/tensor?experiment=answers&name=w&shape=4&init=zeros", None, {"If-Match": '"0"'}),
    (416, "/v1/tensor", "get", "/v1/tensor?experiment=answers&name=w&shape=4&init=zeros", None, {"Range": "bytes=9999-"}),
    (421, "/v1/seed", "get", "/v1/seed?experiment=answers", None, {"Host": "elsewhere.example"}),
    (422, "/v1/manifests", "post", "", {"tensors": NOT_TIED}, {}),
    (422, "/v1/model", "post", "", {**MANIFEST, "tensors": NOT_TIED}, {}),
    (422, "/v1/draws", "post", "", {**MANIFEST, "tensors": NOT_TIED}, {}),
])
def test_a_refusal_is_described(daemon, status, path, method, address, body, headers):
    if status == 409:
        daemon.post("/v1/draws", TENSOR)
        daemon.request("PUT", "/v1/experiments/answers/pin")
    response = daemon.request(method.upper(), address or path, body=None if body is None else json.dumps(body), headers=headers)
    assert response.status == status, response.body
    check_answer(API["paths"][path][method], method, response)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A daemon with tokens, and a token that may only read metrics."""
    directory = tmp_path_factory.mktemp("guarded")
    token = Token("few", "metrics")
    daemon = Daemon(directory / "state", "--tokens", str(write_tokens(directory / "tokens", token)))
    daemon.few = token
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("path, method", OPERATIONS)
def test_a_request_without_a_token_or_its_scope_gets_the_refusal_that_is_described(guarded, path, method):
    operation = API["paths"][path][method]
    address, _ = target(path, [p for p in parameters(operation) if p.get("required")])
    scopes = operation.get("security", API["security"])
    for headers, status in (({}, 401), (guarded.few.headers, 200 if scopes == API["security"] or {"bearer": ["metrics"]} in scopes else 403)):
        response = guarded.request(method.upper(), address, headers=headers)
        assert response.status == (status if scopes else 200)
        check_answer(operation, method, response)


@pytest.mark.parametrize("limit, retry", [("lines=1000", False), ("lines/s=1", True)])
def test_the_refusal_of_a_token_that_has_used_up_its_limit_is_described(tmp_path, limit, retry):
    many = {"experiment": "answers", "tensors": [{"name": f"w{n}", "shape": [4], "init": "zeros"} for n in range(1000)]}
    token = Token("few", "draw,trials,pin", "*", limit)
    daemon = Daemon(tmp_path / "state", "--tokens", str(write_tokens(tmp_path / "tokens", token)))
    assert daemon.request("POST", "/v1/draws", json.dumps(many), token.headers).status == 200
    for path, method in OPERATIONS:
        operation = API["paths"][path][method]
        if "429" in operation["responses"] and (path, method) != ("/v1/model", "get"):  # which needs a manifest that is kept
            chosen = [p for p in parameters(operation) if p.get("required")]
            body = body_of(operation)["example"] if body_of(operation) and not path.endswith("/trials") else None
            address, _ = target(path, chosen)
            response = daemon.request(method.upper(), address, None if body is None else json.dumps(body), token.headers)
            if method != "delete":  # nothing is pinned, so nothing would be recorded
                assert response.status == 429 and ("Retry-After" in response.headers) == retry, (path, method, response.body)
            check_answer(operation, method, response)
    daemon.stop()


def test_what_drifts_and_each_kind_of_line_is_described(daemon):
    tensor, plan, draws, model = (API["paths"][f"/v1/{name}"]["post"] for name in ("tensor", "plan", "draws", "model"))
    first, second = ({**TENSOR, "experiment": "lines", "init": init} for init in ("zeros", "ones"))
    manifest = {"experiment": "lines", "tensors": [{"name": "w", "shape": [4], "init": "constant(2)"}]}
    for path, operation, body in (("tensor", tensor, first), ("tensor", tensor, second), ("plan", plan, second),
                                  ("draws", draws, second), ("draws", draws, manifest), ("model", model, manifest)):
        response = daemon.post("/v1/" + path, body)
        assert response.status == 200
        check_answer(operation, "post", response)
    assert response.headers["Sower-Drift"]
    for count, status in ((1, 200), (2, 422)):
        response = daemon.post("/v1/experiments/lines/trials", {"count": count}, headers={"Idempotency-Key": "k"})
        assert response.status == status
        check_answer(API["paths"]["/v1/experiments/{experiment}/trials"]["post"], "post", response)
    daemon.request("PUT", "/v1/experiments/lines/pin")
    daemon.request("DELETE", "/v1/experiments/lines/pin")
    response = daemon.get("/v1/ledger", experiment="lines")
    assert [json.loads(line)["kind"] for line in response.body.splitlines()] == ["draw", "draw", "draw", "trials", "pin", "unpin"]
    check_answer(API["paths"]["/v1/ledger"]["get"], "get", response)
