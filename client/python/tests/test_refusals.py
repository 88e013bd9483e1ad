"""Every refusal of a daemon, or of a proxy before it, is an exception of its own; what can be asked again is."""
import json
import pickle

import pytest

import sower

RECEIPT = sower.offline("e").record(sower.Manifest({"tensors": [{"name": "w", "shape": [2], "init": "zeros"}]}))
RECORDED = json.dumps({**json.loads(RECEIPT.to_json()), "manifest": None, "ledger": 1}).encode()
TRIALS = json.dumps({"experiment": "e", "trial": 5, "count": 1, "seed": "00" * 32, "ledger": 1}).encode()
BUSY = (503, {"Retry-After": "0"}, b"")


def problem(status, param=None, detail="No, because of a reason."):
    body = {"type": "about:blank", "title": "t", "status": status, "detail": detail, **({"param": param} if param else {})}
    return status, {"Content-Type": "application/problem+json", "Sower-Request": "0123456789abcdef"}, json.dumps(body).encode()


def draw(server, **arguments):
    return sower.Client(server.url, **arguments).run("e", trial=0).draw("w", (2,), "zeros")


@pytest.mark.parametrize("status, param, error", [
    (400, "shape", sower.InvalidRequest), (413, "shape", sower.InvalidRequest), (422, "tensors", sower.InvalidRequest), (401, None, sower.Unauthorized),
    (403, None, sower.Forbidden), (409, "name", sower.Drift), (409, "count", sower.Conflict), (409, None, sower.Conflict), (429, None, sower.TooManyRequests),
    (503, None, sower.Unavailable), (404, None, sower.SowerError), (421, None, sower.SowerError), (500, None, sower.SowerError),
])
def test_a_status_is_its_exception(fake, status, param, error):
    with pytest.raises(sower.SowerError) as caught:
        draw(fake(problem(status, param)), retry_seconds=0)
    assert type(caught.value) is error and str(caught.value) == "No, because of a reason."
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is error and str(again) == str(caught.value)
    assert (again.field, again.status, again.request) == (param, status, "0123456789abcdef")


@pytest.mark.parametrize("status, error", [(401, sower.Unauthorized), (403, sower.Forbidden), (502, sower.SowerError), (413, sower.InvalidRequest)])
@pytest.mark.parametrize("content_type, body", [("text/html", b"<html>"), ("application/problem+json", b"{"), ("application/problem+json", b"[1]")])
def test_a_refusal_of_a_proxy_has_a_sentence_too(fake, status, error, content_type, body):
    server = fake((status, {"Content-Type": content_type}, body))
    with pytest.raises(error, match=f"answered {status}"):
        draw(server, retry_seconds=0)


@pytest.mark.parametrize("answers", [[BUSY, BUSY], [(429, {"Retry-After": "0"}, b"")], [(None, {}, b"")], [(200, {"Content-Length": "9999"}, b"{")],
                                     [(503, {}, b"")], [(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"")]])
def test_what_passes_is_asked_again(fake, answers):
    server = fake(*answers, (200, {}, RECORDED))
    assert draw(server).ledger is None
    assert len({(method, path, body) for method, path, _, body in server.requests}) == 1
    assert len(server.requests) == len(answers) + 1


def test_a_repeated_trial_has_the_same_key(fake):
    server = fake(BUSY, (None, {}, b""), (200, {}, TRIALS), (200, {}, TRIALS))
    client = sower.Client(server.url)
    assert client.run("a/b ü").trial == 5 and client.run("a/b ü").trial == 5
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in server.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert {path for _, path, _, _ in server.requests} == {"/v1/experiments/a%2Fb%20%C3%BC/trials"}


def test_a_wait_longer_than_the_time_for_retries_is_not_begun(fake):
    with pytest.raises(sower.Unavailable):
        draw(fake((503, {"Retry-After": "3600"}, b"")), retry_seconds=5)


def test_nobody_listens():
    with pytest.raises(sower.Unavailable, match="127.0.0.1:1"):
        sower.Client("http://127.0.0.1:1", retry_seconds=0.2).run("e")


def test_what_is_no_daemon_is_said(fake):
    for body in (b"<html>", b"[1]", b"\xff"):
        with pytest.raises(sower.SowerError, match="sowerd"):
            draw(fake((200, {}, body)))
    with pytest.raises(sower.BadReceipt):
        draw(fake((200, {}, b"{}")))


def test_requests_are_not_sent_on(fake):
    other = fake()
    with pytest.raises(sower.SowerError, match=other.url):
        draw(fake((307, {"Location": other.url}, b"")), token="secret")
    assert other.requests == []


def test_a_token_is_sent_in_the_header(fake):
    server = fake((200, {}, RECORDED))
    draw(server, token="abc.def")
    assert server.requests[0][2]["Authorization"] == "Bearer abc.def"
    assert "abc" not in repr(sower.Client(server.url, token="abc"))


@pytest.mark.parametrize("field, arguments", [
    ("token", {"url": "http://sower.example", "token": "t"}), ("token", {"url": "https://sower.example", "token": "a b"}),
    ("token", {"url": "https://sower.example", "token": ""}), ("token", {"url": "https://sower.example", "token": "a\r\nb"}),
    ("url", {"url": "ftp://sower.example"}), ("url", {"url": "sower.example:7697"}), ("url", {"url": "http://"}), ("url", {"url": "http://a/?q=1"}),
    ("url", {"url": "http://user:word@sower.example"}), ("url", {"url": "http://[::1"}), ("expect_root", {"url": "http://a", "expect_root": "ab"}),
])
def test_a_wrong_argument_of_a_client_is_named(field, arguments):
    with pytest.raises(sower.InvalidRequest) as caught:
        sower.Client(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("key", ["", " a", "a ", "a\nb", "ü", "a" * 256, 7])
def test_a_wrong_key_is_refused_before_it_is_sent(fake, key):
    server = fake()
    with pytest.raises(sower.InvalidRequest) as caught:
        sower.Client(server.url).run("e", key=key)
    assert caught.value.field == "key" and server.requests == []
    with pytest.raises(sower.InvalidRequest):
        sower.Client(server.url).run("e", key="k", trial=1)


def test_an_answer_for_another_trial_is_not_taken(fake):
    server = fake((200, {}, RECORDED))
    with pytest.raises(sower.SowerError, match="proxy"):
        sower.Client(server.url).run("e", trial=1).draw("w", (2,), "zeros")


def test_a_model_that_ends_early_is_an_error(fake):
    manifest = sower.Manifest({"tensors": [{"name": "w", "shape": [2], "init": "zeros"}]})
    server = fake((200, {"Content-Length": "1000"}, b"x" * 10))
    with pytest.raises(sower.Unavailable, match="early"):
        with sower.Client(server.url).run("e", trial=0).model(manifest) as file:
            file.read()


def test_another_manifest_in_the_answer_is_found(fake):
    manifest = sower.Manifest({"tensors": [{"name": "w", "shape": [2], "init": "zeros"}]})
    with pytest.raises(sower.SowerError, match="version"):
        sower.Client(fake((200, {}, RECORDED)).url).run("e", trial=0).record(manifest)


def test_a_limit_that_is_used_up_is_not_tried_again(fake):
    problem = json.dumps({"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "The lines are used up."}).encode()
    server = fake((429, {"Content-Type": "application/problem+json"}, problem))
    with pytest.raises(sower.TooManyRequests, match="used up"):
        draw(server)
    assert len(server.requests) == 1


def test_the_token_comes_from_the_files_of_sow(fake, tmp_path, monkeypatch):
    token, other = "sower_" + 43 * "a", "sower_" + 43 * "b"
    server = fake((200, {}, RECORDED), (200, {}, RECORDED))
    file, config = tmp_path / "token", tmp_path / "sow" / "tokens"
    config.parent.mkdir()
    for path, text in [(file, token + "\n"), (config, f"# mine\nhttp://elsewhere {token}\n{server.url}/ {other}\n")]:
        path.touch(mode=0o600)
        path.write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for variable, found in [("", other), (str(file), token)]:
        monkeypatch.setenv("SOW_TOKEN_FILE", variable)
        draw(server)
        assert server.requests[-1][2]["Authorization"] == f"Bearer {found}"
    file.chmod(0o644)
    with pytest.raises(sower.InvalidRequest, match="chmod 600"):
        sower.Client(server.url)
    file.chmod(0o600)
    file.write_text("secret")
    with pytest.raises(sower.InvalidRequest, match="43 characters") as caught:
        sower.Client(server.url)
    assert "secret" not in str(caught.value).replace(str(file), "")
