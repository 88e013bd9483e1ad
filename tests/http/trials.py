"""Requests for trial numbers."""
import urllib.parse


def path(experiment, **fields):
    """The path and query of the request."""
    query = "?" + urllib.parse.urlencode(fields) if fields else ""
    return f"/v1/experiments/{urllib.parse.quote(experiment, safe='')}/trials{query}"


def take(daemon, experiment, key=None, **fields):
    """Takes numbers with one request and returns them."""
    response = daemon.request("POST", path(experiment, **fields), headers={"Idempotency-Key": key} if key else {})
    assert response.status == 200, response.body
    given = response.json()
    assert given["experiment"] == experiment
    return list(range(given["trial"], given["trial"] + given["count"]))
