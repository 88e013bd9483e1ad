"""What schemathesis does not know of this API. schemathesis.toml names this file.

A JSON Schema describes each field of a request, but not all that two fields mean together: whether a shape has the axis that
`in_axis` names, whether a glob matches a tensor of the manifest. So the check positive_data_acceptance accepts 400, 413 and 422
here, and the check below looks at these refusals more closely: each must be for a reason of the table.
"""
import json
import re

import jsonschema
import schemathesis
from schemathesis.core import NotSet

# Why a request whose fields all fit their schemas is refused nevertheless: the problem's `param`, and what no schema says.
TENSOR = {
    "shape": "how many axes the initializer takes, how many bytes the tensor has, sizes beyond 2^63 - 1",
    "init": "the expressions of initializers, with their parameters and what these accept, also with this dtype",
    "in_axis": "the shape has the axis, and no other field names it",
    "out_axis": "the same",
    "batch_axis": "the same",
    "fan_in": "the fans fit the axes",
    "fan_out": "the same",
    "zero_rows": "the shape has such rows, and each is given once",
    "zero_columns": "the same",
    "slice": "the shape has the axes",
    "shard": "the shape has the axes, the rank is below the count; in a query: there is no slice",
    "dtype": "the initializer makes this dtype",
    "name": "not __metadata__ in a safetensors file",
}
MANIFEST = {
    "tensors": "names are given once and have initializers, globs match, and all that tensors mean together",
    "rules": "globs are well-formed, and each rule has an effect",
    "defaults": "as the fields of a tensor",
    "recipe": "which recipes exist",
    "constants": "the names that constants may have",
    "blocks": "what a list of blocks is",
    "leave_out": "globs are well-formed",
    "layers": "needed by formulas",
    "slices": "the names are those of tensors, the slices fit them",
    "part": "k is below n",
    "shard": "rank is below count; not with slices",
}
KEPT = {"tensors": "the glob is well-formed and matches a tensor", "part": MANIFEST["part"], "shard": TENSOR["shard"]}
EITHER = "the fields are those of a tensor, or those of a kept manifest's model"
REASONS = {
    "/v1/tensor": TENSOR,
    "/v1/plan": TENSOR,
    "/v1/stats": {**TENSOR, **KEPT, **dict.fromkeys(("manifest", "layout", "format", "name", "init", "shape"), EITHER)},
    "/v1/model": {**MANIFEST, **TENSOR},
    "/v1/model/index": KEPT,
    "/v1/draws": {**MANIFEST, **TENSOR, "": "a query chooses tensors, and the body is that of one tensor"},
    "/v1/manifests": {**MANIFEST, **TENSOR},
    "/v1/seed": {"purposes": "each name is given once"},
    "/v1/experiments/{experiment}/trials": {"": "fields are in the query or in the body, not in both", "purposes": "each name is given once",
                                            "Idempotency-Key": "this key was used with another count"},
    "/v1/ledger": {"trial": "needs an experiment", "name": "needs an experiment", "manifest": "not with trial or name alone"},
    "/v1/initializers": {"name": "which initializers exist"},
    "/v1/recipes": {"name": "which recipes exist"},
}


@schemathesis.check
def refusal_for_a_reason_that_no_schema_can_say(context, response, case):
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not positive or response.status_code not in (400, 413, 422) or case.method == "HEAD":
        return
    problem = json.loads(response.content)
    reasons = REASONS.get(case.operation.path, {})
    if problem.get("param", "") not in reasons:
        raise AssertionError(f"{case.method} {case.operation.path} refuses a request that its schema allows: {problem}")


@schemathesis.check
def each_line_of_the_ledger_is_one(context, response, case):
    """schemathesis knows no NDJSON."""
    if response.headers.get("content-type") == ["application/x-ndjson"]:
        components = case.operation.schema.raw_schema["components"]
        line_schema = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/LedgerLine", "components": components})
        for line in response.content.splitlines():
            line_schema.validate(json.loads(line))


# Random text is hardly ever an initializer, and the daemon would look at nothing else of the request.
INITS = ["he_normal", "normal(std=0.02)", "zeros", "orthogonal", "trunc_normal(std=1,a=-2,b=2)", "uniform(low=0,high=1)", "constant(value=3)"]


def as_written(body):
    """A body as a client would write it: initializers, and whole numbers without a fraction, which JSON Schema does not ask for."""
    if isinstance(body, dict):
        body = {key: as_written(value) for key, value in body.items()}
        text = body.get("init")
        if isinstance(text, str) and not re.match("[a-z_]{4}", text):
            body["init"] = INITS[len(text) % len(INITS)]
        return body
    if isinstance(body, list):
        return [as_written(value) for value in body]
    whole = isinstance(body, float) and body.is_integer() and abs(body) < 2**63
    return int(body) if whole else body


def keep_one_way(path, query, body):
    """Leaves out query fields that the others or the body exclude: OpenAPI has no words for this."""
    excluded = []
    if "slice" in query:
        excluded += ["shard"]
    if path == "/v1/stats" and "manifest" in query and "shape" in query:
        excluded += ["manifest", "tensors", "part"]
    if path == "/v1/draws" and isinstance(body, dict) and "tensors" not in body:
        excluded += ["tensors", "part"]
    if path.endswith("/trials") and isinstance(body, dict):
        excluded += ["count", "purposes"]
    for name in excluded:
        query.pop(name, None)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops what is no fault. A part of a JSON text is no JSON text. And schemathesis counts a body that is left out as a wrong one, also
    where it may be left out."""
    if failure.code == "ST109" and response.status_code == 206:
        return False
    wrong = [location.value for location, part in case.meta.components.items() if part.mode.is_negative] if case.meta else []
    optional = case.operation.path == "/v1/experiments/{experiment}/trials"
    return not (failure.code == "ST201" and optional and wrong == ["body"] and isinstance(case.body, NotSet))


@schemathesis.hook
def map_case(context, case):
    """Of requests that their schemas allow, more come through to what the daemon does with them."""
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.body = as_written(case.body)
        keep_one_way(case.operation.path, case.query, case.body)
    return case


@schemathesis.deserializer("application/octet-stream", "application/x-npy", "application/x-ndjson")
def as_bytes(context, response):
    """Their schema is that of a string with any bytes. Other tests compare the bytes of tensors with the contract."""
    return ""
