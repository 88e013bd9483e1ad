"""Tokens: who may reach the daemon, and what each may do there."""
import re
import signal

import pytest

from broken_ledgers import refused_to_start
from conftest import Daemon
from tokens import SCOPES, Token, write_tokens

TENSOR = {"experiment": "team-a/x", "name": "w", "shape": "2", "init": "normal"}
# For each route and method: the scopes of which one suffices, and a request that succeeds or is refused later.
NEEDED = [
    ("GET", "/v1/tensor?experiment=e&name=w&shape=2&init=normal", {"draw"}),
    ("GET", "/v1/plan?experiment=e&name=w&shape=2&init=normal", {"plan"}),
    ("GET", "/v1/stats?experiment=e&name=w&shape=2&init=normal", {"plan"}),
    ("GET", "/v1/model?manifest=0", {"draw"}),
    ("GET", "/v1/model/index?manifest=0", {"plan", "draw"}),
    ("POST", "/v1/draws", {"draw"}),
    ("GET", "/v1/draws/0", {"read"}),
    ("GET", "/v1/manifests?manifest=0", {"plan", "draw"}),
    ("POST", "/v1/manifests", {"plan", "draw"}),
    ("GET", "/v1/seed?experiment=e", {"plan"}),
    ("GET", "/v1/recipes", set(SCOPES.split(","))),
    ("GET", "/v1/experiments", {"read"}),
    ("GET", "/v1/experiments/e", {"read"}),
    ("POST", "/v1/experiments/e/trials", {"trials"}),
    ("GET", "/v1/experiments/e/pin", {"read", "pin"}),
    ("PUT", "/v1/experiments/e/pin", {"pin"}),
    ("DELETE", "/v1/experiments/e/pin", {"pin"}),
    ("GET", "/v1/ledger?experiment=e", {"read", "export"}),
    ("GET", "/v1/ledger/head", {"export"}),
    ("GET", "/v1/initializers", set(SCOPES.split(","))),
]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A daemon, and a token for each scope."""
    tokens = {scope: Token(scope, scope) for scope in SCOPES.split(",")}
    directory = tmp_path_factory.mktemp("tokens")
    daemon = Daemon(directory / "state", "--tokens", str(write_tokens(directory / "tokens", *tokens.values())))
    daemon.tokens = tokens
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("method, path, scopes", NEEDED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_request_needs_a_token_with_the_scope_of_its_route(single, method, path, scopes):
    for scope, token in single.tokens.items():
        response = single.request(method, path, headers=token.headers)
        assert response.status not in (401, 403) if scope in scopes else response.status == 403, (scope, response.body)
        if scope not in scopes:
            assert all(word in response.problem()["detail"] for word in scopes), response.body


@pytest.mark.parametrize("method, path", [(method, path) for method, path, _ in NEEDED])
@pytest.mark.parametrize("headers", [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": "Basic c293ZXI6eA=="},
    {"Authorization": "Bearer " + Token("unknown").text},
    {"Authorization": "Bearer sower_"},
    {"Authorization": "Bearer " + 10000 * "a"},
], ids=["none", "empty", "no token", "blank", "basic", "unknown", "prefix", "long"])
def test_without_a_valid_token_a_request_is_refused(single, method, path, headers):
    response = single.request(method, path, headers=headers)
    assert response.status == 401 and response.headers["WWW-Authenticate"] == "Bearer"
    assert "oken" in response.problem()["detail"] and response.headers["Cache-Control"] == "no-store"


def test_every_route_of_the_daemon_needs_a_token_except_for_those_that_are_free(single):
    """The list of routes comes from the daemon, so that a new route cannot be forgotten here."""
    routes = re.findall(r"/[\w/{}.]*", single.get("/nothing").problem()["detail"].split("there are")[1])
    free = {"/healthz", "/readyz", "/openapi.json"}
    for route in {route.rstrip(".") for route in routes}:
        path = re.sub("{.*?}", "x", route)
        statuses = {single.request(method, path).status for method in ("GET", "HEAD", "POST", "PUT", "DELETE")}
        assert statuses <= ({200, 405} if route in free else {401, 405}), (route, statuses)
        assert (200 if route in free else 401) in statuses, route


def test_the_word_bearer_may_have_any_case_and_a_token_is_sent_once(single):
    token = single.tokens["plan"].text
    for value in [f"bearer {token}", f"BEARER {token}", f"Bearer   {token}", f"Bearer {token} "]:
        assert single.get("/v1/recipes", headers={"Authorization": value}).status == 200, value
    connection = single.connect()
    connection.putrequest("GET", "/v1/recipes")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    assert connection.getresponse().status == 401


def test_probes_need_no_token(single):
    assert single.get("/healthz").status == single.get("/readyz").status == 200


def test_a_hangup_reads_the_file_again_and_a_wrong_file_changes_nothing(start, tmp_path):
    old, new = Token("old"), Token("new")
    file = write_tokens(tmp_path / "tokens", old)
    daemon = start("--tokens", str(file))
    assert daemon.get("/v1/recipes", headers=new.headers).status == 401

    write_tokens(file, old, new, "# a comment", "")
    daemon.signal(signal.SIGHUP)
    assert "2 tokens" in daemon.wait_for(lambda line: line.get("event") == "reloaded")["sentence"]
    assert daemon.get("/v1/recipes", headers=new.headers).status == daemon.get("/v1/recipes", headers=old.headers).status == 200

    write_tokens(file, new)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line.get("event") == "reloaded")
    assert daemon.get("/v1/recipes", headers=old.headers).status == 401

    write_tokens(file, new, "wrong")
    daemon.signal(signal.SIGHUP)
    assert "line 2" in daemon.wait_for(lambda line: line.get("event") == "reload_failed")["sentence"]
    assert daemon.get("/v1/recipes", headers=new.headers).status == 200


def test_a_daemon_without_tokens_takes_a_hangup_as_nothing_to_do(start):
    daemon = start()
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line.get("event") == "reloaded")
    assert daemon.get("/healthz").status == 200


HASH = 64 * "0"
WRONG = {
    "few words": (f"ci {HASH} draw", "NAME HASH SCOPES EXPERIMENTS"),
    "name": (f"Ci {HASH} draw *", "begins with a letter or a digit"),
    "long name": (f"{65 * 'a'} {HASH} draw *", "1 to 64"),
    "hash": (f"ci {HASH[1:]} draw *", "64 hex digits"),
    "token for hash": (f"ci {Token('x').text} draw *", "64 hex digits"),
    "scope": (f"ci {HASH} draw,paint *", '"paint" is not a scope; there are plan, draw, trials, pin, read, export and metrics'),
    "no scope": (f"ci {HASH} , *", "is not a scope"),
    "star inside": (f"ci {HASH} draw team-*/x", "may only be the end"),
    "percent": (f"ci {HASH} draw team%2", "two hex digits"),
    "percent zero": (f"ci {HASH} draw team%00", "not 00"),
    "empty pattern": (f"ci {HASH} draw a,,b", "pattern is empty"),
    "many patterns": (f"ci {HASH} draw {','.join(65 * 'a')}", "at most 64"),
    "limit": (f"ci {HASH} draw * lines=0", "lines/s=N and lines=N"),
    "limit's name": (f"ci {HASH} draw * bytes=7", "lines/s=N and lines=N"),
    "negative": (f"ci {HASH} draw * lines/s=-7", "lines/s=N and lines=N"),
    "twice": (f"ci {HASH} draw *\nother {HASH} draw *", "twice"),
}


@pytest.mark.parametrize("lines, words", WRONG.values(), ids=WRONG)
def test_a_wrong_file_prevents_the_start_and_no_token_is_printed(tmp_path, lines, words):
    file = write_tokens(tmp_path / "tokens", "# comment", lines)
    error = refused_to_start("--state", str(tmp_path / "state"), "--tokens", str(file))
    assert words in error and str(file) in error
    assert "twice" in words or f"{file}, line 2:" in error
    assert HASH not in error and "sower_" not in error


def test_a_file_of_tokens_that_others_may_read_is_refused(tmp_path):
    file = write_tokens(tmp_path / "tokens", Token("ci"))
    file.chmod(0o644)
    error = refused_to_start("--state", str(tmp_path / "state"), "--tokens", str(file))
    assert "chmod 600" in error
