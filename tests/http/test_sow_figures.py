"""sow checks JSON responses: each wrong value ends with status 3, and the message names the value and the expected one."""
import json

import pytest

from sow_programs import DRAW, NO_RETRY, SEED, StandIn, page, run, send_headers

TENSOR = ["-e", "exp-42", "-n", "w", "-s", "4,6", "-i", "he_normal"]
MANIFEST = {"experiment": "checked", "tensors": [{"name": "a", "shape": [20, 30], "init": "he_normal"}, {"name": "b", "shape": [5], "init": "ones"}]}


class Changing:
    """Forwards requests to the daemon; `change` changes the JSON object of a response to a request for `path` (without query)."""

    def __init__(self, daemon, path, change):
        def response(handler, stand_in):
            _, asked, _, body = stand_in.requests[-1]
            got = daemon.request(handler.command, handler.path, body=body or None)
            if asked == path:
                return page(got.status, json.dumps(change(got.json())), "application/json")(handler, stand_in)
            send_headers(handler, got.status, {key: value for key, value in got.headers.items() if key not in ("Connection", "Date")})
            handler.wfile.write(got.body)

        self.stand_in = StandIn(response)

    def __enter__(self):
        self.stand_in.__enter__()
        return self.stand_in

    def __exit__(self, *_):
        self.stand_in.__exit__()


def ask(server, *arguments):
    return run([*arguments, "--server", getattr(server, "address", server), *NO_RETRY])


def refuses(daemon, path, change, *arguments):
    """Checks that sow accepts the unchanged response and refuses the changed one; returns the message."""
    with Changing(daemon, path, lambda response: response) as server:
        done = ask(server, *arguments)
        assert done.returncode == 0, done.stderr
    with Changing(daemon, path, change) as server:
        done = ask(server, *arguments)
    assert done.returncode == 3 and done.stdout == b"" and f"{server.address} responded, but " in done.stderr, done.stderr
    return done.stderr


def changed(**members):
    def change(response):
        return {key: value for key, value in {**response, **members}.items() if value is not ...}
    return change


@pytest.mark.parametrize("member, value", [
    ("draw", "d7" * 32), ("draw", ...), ("seed", "d7" * 32), ("seed", None), ("root", "d7" * 32), ("spec", 2), ("experiment", "exp-43"), ("trial", 1),
    ("name", "W"), ("shape", [6, 4]), ("shape", "4,6"), ("dtype", "f64"), ("init", "glorot_normal"), ("layout", "io"), ("fan_in", 4), ("fan_out", 5),
    ("std", 0.5), ("gain", 1.0), ("mean_expected", 0.1), ("std_expected", 1e-9), ("low", -1.0), ("high", None), ("elements", 23), ("bytes", 96),
    ("format", "raw"), ("slice", [[0, 4], [0, 5]]), ("slice_shape", [4, 5]), ("ledger", 0), ("ledger", "1"), ("drift", -1),
])
def test_a_wrong_plan_is_refused(daemon, member, value):
    message = refuses(daemon, "/v1/plan", changed(**{member: value}), "plan", "-j", *TENSOR)
    assert member in ("ledger", "drift") or f'"{"draw" if member == "root" else member}" is ' in message


def test_a_plan_may_have_unknown_members(daemon):
    with Changing(daemon, "/v1/plan", changed(more=1)) as server:
        assert ask(server, "plan", "-j", *TENSOR).returncode == 0


@pytest.mark.parametrize("member, value", [
    ("name", "W"), ("shape", [4]), ("dtype", "f64"), ("elements", 25), ("mean_expected", 3.0), ("std_expected", 3.0), ("digest", "x"), ("digest", ...),
    ("histogram", ...), ("histogram", {"counts": [24] * 40, "below": 0, "above": 0}), ("histogram", {"counts": [24], "below": 0, "above": 0}),
])
def test_wrong_statistics_are_refused(daemon, member, value):
    refuses(daemon, "/v1/stats", changed(**{member: value}), "stats", *TENSOR)


@pytest.mark.parametrize("change", [
    changed(manifest="d7" * 32), changed(experiment="other"), changed(trial=3), changed(tensors=[]), changed(digest="d7" * 32), changed(tensors=None),
    lambda stats: {**stats, "tensors": stats["tensors"][::-1]}, lambda stats: {**stats, "tensors": [{**stats["tensors"][0], "digest": "d7" * 32}, stats["tensors"][1]]},
], ids=range(8))
def test_wrong_statistics_of_a_model_are_refused(daemon, tmp_path, change):
    (tmp_path / "m.json").write_text(json.dumps(MANIFEST))
    refuses(daemon, "/v1/stats", change, "stats", "-m", tmp_path / "m.json")


@pytest.mark.parametrize("member, value", [("manifest", "d7" * 32), ("tensors", 3), ("bytes", 1), ("manifest", ...)])
def test_a_wrong_response_to_a_manifest_is_refused(daemon, tmp_path, member, value):
    (tmp_path / "m.json").write_text(json.dumps(MANIFEST))
    assert f'"{member}" is ' in refuses(daemon, "/v1/manifests", changed(**{member: value}), "stats", "-m", tmp_path / "m.json")


@pytest.mark.parametrize("member, value", [
    ("experiment", "f"), ("trial", -1), ("trial", "0"), ("trial", 2**63 - 2), ("trial", ...), ("count", 2), ("seed", "d7" * 32), ("seed", "x"), ("seed", ...),
    ("ledger", 0), ("ledger", ...),
])
def test_wrong_trial_numbers_are_refused(daemon, member, value):
    refuses(daemon, "/v1/experiments/e/trials", changed(**{member: value}), "trial", "new", "-e", "e", "-c", "3")


@pytest.mark.parametrize("arguments", [["pin", "e"], ["pin", "--remove", "e"]])
@pytest.mark.parametrize("member, value", [("experiment", "f"), ("pinned", 1), ("pinned", ...), ("ledger", 0), ("ledger", "x")])
def test_a_wrong_pin_is_refused(daemon, arguments, member, value):
    refuses(daemon, "/v1/experiments/e/pin", changed(**{member: value}), *arguments)


def test_a_pin_must_have_a_line(daemon):
    refuses(daemon, "/v1/experiments/e/pin", changed(ledger=None), "pin", "e")


def test_wrong_experiments_are_refused(daemon):
    for trial in "3", "5":
        assert ask(daemon.url(""), "get", "-e", "listed", "-n", "w", "-t", trial, "-s", "4", "-i", "ones", "-o", "/dev/null").returncode == 0
    one = ["/v1/experiments/listed", "experiments", "listed"]
    for change in (changed(experiment="other"), changed(drawn={}), changed(drawn=[{"trial": 3}]), changed(drawn=[{"trial": -1, "draws": 1}]),
                   lambda response: {**response, "drawn": response["drawn"][::-1]}, lambda response: {**response, "drawn": response["drawn"] * 2},
                   changed(next=7), changed(next="/v1/experiments/listed"), changed(next="@evil.example/v1/experiments?from=7"),
                   changed(next="/v1/experiments/listed?from=0"), changed(drawn=[{"trial": n, "draws": 1} for n in range(1001)])):
        refuses(daemon, one[0], change, *one[1:])
    for change in (changed(experiments=None), changed(experiments=[{}]), changed(experiments=[{"experiment": "", "draws": 1}]),
                   changed(experiments=[{"experiment": "e" * 257, "draws": 1}]), changed(experiments=[{"experiment": "e", "draws": -1}]),
                   changed(next="/v1/ledger?before=3")):
        refuses(daemon, "/v1/experiments", change, "experiments")


def test_pages_without_an_end_are_refused():
    """Each response names the same next page."""
    response = {"experiments": [{"experiment": "e", "draws": 1, "trials": 0, "first": "", "last": "", "pinned": False}], "next": "/v1/experiments?before=7"}
    with StandIn(page(200, json.dumps(response), "application/json")) as stand_in:
        done = ask(stand_in, "experiments")
    assert done.returncode == 3 and "the address of its next page is invalid" in done.stderr and len(stand_in.requests) == 2


LINE = {"ledger": 7, "time": "2026-01-31T12:00:00.250Z", "kind": "draw", "draw": DRAW, "seed": SEED, "root": SEED, "spec": 1, "experiment": "e", "trial": 3,
        "name": "w", "shape": [4], "dtype": "f32", "init": "ones", "layout": "oi"}


@pytest.mark.parametrize("arguments, lines", [
    ([], [{**LINE, "ledger": "7"}]), ([], [{**LINE, "ledger": 0}]), ([], [LINE, LINE]), ([], [LINE, {**LINE, "ledger": 6}]), ([], [[]]),
    (["-a", "7"], [LINE]), (["-l", "1"], [LINE, {**LINE, "ledger": 8}]), (["-l", "0"], [LINE]), (["-e", "f"], [LINE]),
    (["-e", "e", "-t", "4"], [LINE]), (["-e", "e", "-n", "v"], [LINE]), (["--seed", "5c" * 32], [LINE]), (["--manifest", "5c" * 32], [LINE]),
])
def test_lines_that_were_not_requested_are_refused(arguments, lines):
    text = "".join(json.dumps(line) + "\n" for line in lines)
    with StandIn(page(200, text, "application/x-ndjson")) as stand_in:
        done = ask(stand_in, "ledger", *arguments)
    assert done.returncode == 3 and stand_in.address in done.stderr and len(done.stdout.splitlines()) == len(lines) - 1


def test_lines_that_were_requested_are_accepted(daemon):
    text = json.dumps(LINE) + "\n" + json.dumps({**LINE, "ledger": 9, "kind": "trials", "trial": 1, "count": 5}) + "\n"
    with StandIn(page(200, text, "application/x-ndjson")) as stand_in:
        done = ask(stand_in, "ledger", "-e", "e", "-t", "3", "-a", "6", "-l", "2")
    assert done.returncode == 0 and done.stdout.decode() == text


def test_a_ledger_whose_last_line_is_incomplete_is_refused():
    with StandIn(page(200, json.dumps(LINE), "application/x-ndjson")) as stand_in:
        done = ask(stand_in, "ledger")
    assert done.returncode == 3 and "not ended" in done.stderr


@pytest.mark.parametrize("kind", ["text/html", "", "application/x-ndjson"])
@pytest.mark.parametrize("arguments", [["plan", *TENSOR], ["stats", *TENSOR], ["trial", "new", "-e", "e"], ["pin", "e"], ["experiments"], ["ledger", "head"]],
                         ids=lambda arguments: arguments[0])
def test_json_with_another_media_type_is_refused(kind, arguments):
    with StandIn(page(200, "{}", kind)) as stand_in:
        done = ask(stand_in, *arguments)
    assert done.returncode == 3 and f'its media type is "{kind}", expected application/json' in done.stderr


def test_a_daemon_with_a_private_root_is_accepted_by_the_id_of_its_root(start, tmp_path):
    (tmp_path / "key").write_bytes(bytes(range(32)))
    (tmp_path / "key").chmod(0o600)
    daemon = start("--root-key-file", str(tmp_path / "key"))
    plan = json.loads(ask(daemon.url(""), "plan", "-j", *TENSOR).stdout)
    assert plan["root"] != json.loads(run(["plan", "--offline", "-j", *TENSOR]).stdout)["root"]
    assert ask(daemon.url(""), "trial", "new", "-e", "e").stdout == b"0\n"
    with Changing(daemon, "/v1/plan", changed(draw="d7" * 32)) as server:
        assert ask(server, "plan", *TENSOR).returncode == 3
