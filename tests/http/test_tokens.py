"""Tokens: who may reach the daemon, and what each may do there."""
import json
import re
import signal
import urllib.parse

import pytest

from broken_ledgers import refused_to_start
from conftest import Daemon
from tokens import SCOPES, Token, write_tokens

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
    ("POST", "/v1/manifests", {"draw"}),
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


FIELDS = {"name": "w", "shape": "2", "init": "normal"}
MANIFEST = {"tensors": [{"name": "w", "shape": [2], "init": "normal"}]}


class Teams:
    """A daemon with two teams, each with a token for its own experiments, and with a token for everything."""

    def __init__(self, start, directory):
        self.a, self.b = Token("a", SCOPES, "team-a/*,shared"), Token("b", SCOPES, "team-b/*,shared")
        self.all = Token("all")
        self.daemon = start("--tokens", str(write_tokens(directory / "tokens", self.a, self.b, self.all)))

    def request(self, token, method, path, body=None):
        return self.daemon.request(method, path, body=json.dumps(body) if body is not None else None, headers=token.headers)

    def get(self, token, path, **fields):
        return self.daemon.get(path, headers=token.headers, **fields)

    def lines(self, token, **fields):
        response = self.get(token, "/v1/ledger", **fields)
        assert response.status == 200, response.body
        return [json.loads(line) for line in response.body.splitlines()]


@pytest.fixture
def teams(start, tmp_path):
    return Teams(start, tmp_path)


def same(one, other):
    """The parts of a response that a client can compare: everything but the date and the id of the request."""
    return [(response.status, [(name, value) for name, value in response.headers.items() if name not in ("Date", "Sower-Request")],
             response.body) for response in (one, other)]


def naming_requests(name):
    """Requests that name an experiment."""
    path = urllib.parse.quote(name, safe="")
    query = urllib.parse.urlencode({**FIELDS, "experiment": name})
    yield "tensor", "GET", f"/v1/tensor?{query}", None
    yield "head of a tensor", "HEAD", f"/v1/tensor?{query}", None
    yield "posted tensor", "POST", "/v1/tensor", {**FIELDS, "shape": [2], "experiment": name}
    yield "plan", "GET", f"/v1/plan?{query}", None
    yield "stats", "GET", f"/v1/stats?{query}", None
    yield "model", "POST", "/v1/model", {**MANIFEST, "experiment": name}
    yield "draws", "POST", "/v1/draws", {**MANIFEST, "experiment": name}
    yield "one draw", "POST", "/v1/draws", {**FIELDS, "shape": [2], "experiment": name}
    yield "seed", "GET", f"/v1/seed?{urllib.parse.urlencode({'experiment': name})}", None
    yield "trials", "POST", f"/v1/experiments/{path}/trials", None
    yield "pin", "PUT", f"/v1/experiments/{path}/pin", None
    yield "pinned", "GET", f"/v1/experiments/{path}/pin", None
    yield "unpin", "DELETE", f"/v1/experiments/{path}/pin", None
    yield "experiment", "GET", f"/v1/experiments/{path}", None
    yield "ledger", "GET", f"/v1/ledger?{urllib.parse.urlencode({'experiment': name})}", None
    yield "trial of the ledger", "GET", f"/v1/ledger?{urllib.parse.urlencode({'experiment': name, 'trial': 0, 'name': 'w'})}", None


@pytest.mark.parametrize("what, method, path, body", naming_requests("team-b/x"), ids=lambda value: value if isinstance(value, str) else "")
def test_an_experiment_of_another_team_is_refused_the_same_whether_it_exists_or_not(teams, what, method, path, body):
    before = teams.request(teams.a, method, path, body)
    for _, own_method, own_path, own_body in naming_requests("team-b/x"):
        assert teams.request(teams.b, own_method, own_path, own_body).status == 200
    lines = teams.lines(teams.all)
    after = teams.request(teams.a, method, path, body)
    assert after.status == 403
    if method != "HEAD":
        assert after.problem()["param"] == "experiment" and "team-b/x" in after.problem()["detail"]
    one, other = same(before, after)
    assert one == other
    assert teams.lines(teams.all) == lines, "a refused request records nothing"


def test_a_kept_manifest_does_not_open_another_teams_experiment(teams):
    manifest = teams.request(teams.b, "POST", "/v1/manifests", {**MANIFEST, "experiment": "team-b/x"}).json()["manifest"]
    for path in ["/v1/model", "/v1/stats"]:
        assert teams.get(teams.a, path, manifest=manifest, experiment="team-b/x").status == 403
        assert teams.get(teams.b, path, manifest=manifest, experiment="team-b/x").status == 200
        assert teams.get(teams.a, path, manifest=manifest, experiment="team-a/x").status == 200


def test_what_is_found_by_a_hash_or_in_a_list_leaves_out_other_teams(teams):
    for token, experiment in [(teams.a, "team-a/1"), (teams.b, "team-b/1"), (teams.b, "shared"), (teams.a, "team-a/2"), (teams.b, "team-b/2")]:
        assert teams.request(token, "POST", "/v1/draws", {**MANIFEST, "experiment": experiment}).status == 200
        assert teams.request(token, "POST", f"/v1/experiments/{urllib.parse.quote(experiment, safe='')}/trials").status == 200
    everything = teams.lines(teams.all)
    theirs = [line for line in everything if line["experiment"].startswith("team-b")]
    seen = [line for line in everything if line not in theirs]
    assert len(theirs) == 4 and len(seen) == 6

    assert teams.lines(teams.a) == seen
    assert teams.lines(teams.a, limit=3) == seen[:3] and teams.lines(teams.a, limit=3, after=seen[2]["ledger"]) == seen[3:]
    assert teams.lines(teams.a, manifest=theirs[0]["manifest"]) == [line for line in seen if line["kind"] == "draw"]
    for line in theirs:
        if line["kind"] == "draw":
            assert teams.lines(teams.a, seed=line["seed"]) == [] and teams.lines(teams.b, seed=line["seed"]) == [line]
            never, other = same(teams.get(teams.a, f"/v1/draws/{line['draw']}"), teams.get(teams.a, "/v1/draws/" + 64 * "0"))
            assert never == other and never[0] == 404
            assert teams.get(teams.b, f"/v1/draws/{line['draw']}").json() == line

    names = [experiment["experiment"] for experiment in teams.get(teams.a, "/v1/experiments").json()["experiments"]]
    assert names == ["team-a/2", "shared", "team-a/1"]
    for token, experiments in [(teams.a, ["team-a/2", "shared", "team-a/1"]), (teams.b, ["team-b/2", "shared", "team-b/1"])]:
        names, address = [], "/v1/experiments?limit=1"
        while address is not None:
            page = teams.get(token, address).json()
            names += [experiment["experiment"] for experiment in page["experiments"]]
            address = page["next"]
        assert names == experiments


def test_only_a_token_of_all_experiments_gets_the_head(teams):
    assert teams.get(teams.a, "/v1/ledger/head").status == 403
    assert teams.get(teams.all, "/v1/ledger/head").status == 200


def test_the_whole_ledger_needs_the_scope_export(start, tmp_path):
    read, export = Token("read", "read"), Token("export", "export")
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens", read, export)))
    for fields in [{}, {"after": 0}, {"limit": 1}]:
        assert daemon.get("/v1/ledger", headers=read.headers, **fields).status == 403
        assert daemon.get("/v1/ledger", headers=export.headers, **fields).status == 200
    for fields in [{"experiment": "e"}, {"seed": 64 * "0"}, {"manifest": 64 * "0"}]:
        assert daemon.get("/v1/ledger", headers=read.headers, **fields).status == 200


def test_a_response_from_the_cache_is_for_the_team_of_its_experiment_only(teams):
    """The daemon keeps small responses under their target: a known draw, asked for twice."""
    fields = {**FIELDS, "experiment": "team-b/x"}
    assert [teams.get(teams.b, "/v1/tensor", **fields).status for _ in range(4)] == [200] * 4
    assert [teams.get(teams.a, "/v1/tensor", **fields).status for _ in range(2)] == [403] * 2
    assert teams.get(teams.b, "/v1/tensor", **fields).status == 200


def test_with_tokens_no_shared_cache_keeps_a_draw(teams):
    for _ in range(3):
        response = teams.get(teams.a, "/v1/tensor", **FIELDS, experiment="team-a/x")
        assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("pattern, matching, others", [
    ("team-a/*", ["team-a/", "team-a/x", "team-a/x/y", "team-a/*"], ["team-a", "team-b/x", "Team-a/x", " team-a/x"]),
    ("exp", ["exp"], ["exp2", "ex", "exp/x"]),
    ("a%20b", ["a b"], ["a%20b", "a+b"]),
    ("a%2Cb,%2A", ["a,b", "*"], ["a", "b", "x"]),
    ("*", ["x", "team-b/x", "ü", "*"], []),
    ("ü*", ["ü", "über"], ["u"]),
])
def test_a_pattern_is_a_name_or_the_beginning_of_names(start, tmp_path, pattern, matching, others):
    token = Token("t", "plan", pattern)
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens", token)))
    for names, status in [(matching, 200), (others, 403)]:
        for name in names:
            assert daemon.get("/v1/seed", headers=token.headers, experiment=name).status == status, name


def test_a_token_that_is_withdrawn_ends_no_request_that_has_begun(start, tmp_path):
    token = Token("ci")
    file = write_tokens(tmp_path / "tokens", token)
    daemon = start("--tokens", str(file))
    connection = daemon.connect()
    connection.request("GET", daemon.url("/v1/tensor", **FIELDS | {"shape": "40000000"}, experiment="e").split(daemon.address)[1],
                       headers=token.headers)
    response = connection.getresponse()
    head = response.read(1000)
    write_tokens(file, Token("other"))
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line.get("event") == "reloaded")
    assert len(head + response.read()) == int(response.headers["Content-Length"])
    assert daemon.get("/v1/recipes", headers=token.headers).status == 401


def test_no_secret_is_in_the_log_or_in_the_command_line(teams):
    for token in [teams.a, Token("unknown")]:
        teams.get(token, "/v1/tensor", **FIELDS, experiment="team-a/x")
        teams.get(token, "/v1/tensor", **FIELDS, experiment="team-b/x")
    teams.daemon.stop()
    log = json.dumps(teams.daemon.log) + "".join(map(str, teams.daemon.rest_of_log()))
    assert "sower_" not in log and teams.a.hash not in log
