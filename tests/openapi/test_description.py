"""Linters find nothing in proto/openapi.json."""
import json
import os
import pathlib
import subprocess

import openapi_spec_validator
import pytest

HERE = pathlib.Path(__file__).resolve().parent
API = HERE.parents[1] / "proto/openapi.json"


def test_it_is_an_openapi_document():
    openapi_spec_validator.validate(json.loads(API.read_text()), cls=openapi_spec_validator.OpenAPIV31SpecValidator)


@pytest.mark.skipif(not os.environ["REDOCLY"], reason="redocly is not installed; tests/openapi/run says why")
def test_redocly_finds_nothing():
    variables = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run([os.environ["REDOCLY"], "lint", "--config", HERE / "redocly.yaml", "--format", "json", API], capture_output=True,
                          text=True, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["problems"] == []
