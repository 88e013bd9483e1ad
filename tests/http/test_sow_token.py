"""sow token new, and how sow finds and sends a token."""
import hashlib
import base64
import json
import signal

import pytest

from sow_programs import NO_RETRY, TENSOR, StandIn, environment, page, run
from tokens import Token, write_tokens

NEW = ["token", "new", "-n", "ci", "-s", "draw,plan", "-e", "exp-*"]


def ask(daemon, *arguments, env=None):
    return run(["plan", "--json", *TENSOR, "--server", f"http://{daemon.address}", *NO_RETRY, *arguments], env)


@pytest.fixture
def token_file(tmp_path):
    def write(text, mode=0o600, name="token"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_a_new_token_opens_the_daemon_that_has_its_line(start, tmp_path):
    made = run([*NEW, "-o", tmp_path / "ci.token"])
    assert made.returncode == 0 and made.stderr == ""
    assert made.stdout.count(b"\n") == 1 and b"sower_" not in made.stdout
    assert (tmp_path / "ci.token").stat().st_mode & 0o777 == 0o600
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens", made.stdout.decode().strip())))
    assert ask(daemon, "--token-file", tmp_path / "ci.token").returncode == 0
    assert ask(daemon, env=environment(SOW_TOKEN_FILE=str(tmp_path / "ci.token"))).returncode == 0

    other = run(NEW).stdout.decode().splitlines()
    assert len(other) == 2, "without -o the token comes first"
    write_tokens(tmp_path / "tokens", other[1])
    daemon.signal(signal.SIGHUP)
    daemon.wait_for(lambda line: line.get("event") == "reloaded")
    assert ask(daemon, "--token-file", tmp_path / "ci.token").returncode == 1


def test_the_line_has_the_hash_and_the_limits():
    token, line = run([*NEW, "--lines-per-second", "10", "--lines", "1000"]).stdout.decode().splitlines()
    secret = base64.urlsafe_b64decode(token.removeprefix("sower_") + "=")
    assert line == f"ci {hashlib.blake2b(secret, digest_size=32).hexdigest()} draw,plan exp-* lines/s=10 lines=1000"
    assert run(NEW).stdout.decode().splitlines()[0] != token


@pytest.mark.parametrize("arguments, words", [
    ([], "--name is missing"), (["-n", "ci", "-s", "draw"], "--experiments is missing"), (["-n", "Ci", "-s", "draw", "-e", "*"], "begins with"),
    (["-n", "ci", "-s", "paint", "-e", "*"], '"paint" is not a scope'), (["-n", "ci", "-s", "draw", "-e", "a b"], "no blanks"),
    (["-n", "ci", "-s", "draw", "-e", "a*b"], "may only be the end"), (["-n", "ci", "-s", "draw", "-e", "*", "--lines", "0"], "from 1 on"),
])
def test_a_line_that_the_daemon_would_refuse_is_not_made(arguments, words):
    done = run(["token", "new", *arguments])
    assert done.returncode == 2 and words in done.stderr and done.stdout == b""


def test_an_existing_file_is_not_replaced(token_file):
    path = token_file("precious")
    done = run([*NEW, "-o", path])
    assert done.returncode == 3 and "exists" in done.stderr and done.stdout == b"" and path.read_text() == "precious"


def test_the_first_of_two_words_leads_to_the_command():
    done = run(["token"])
    assert done.returncode == 2 and "token new" in done.stderr


@pytest.fixture
def guarded(start, tmp_path):
    """A daemon, and a token that may plan but not read."""
    token = Token("ci", "plan", "exp-42")
    daemon = start("--tokens", str(write_tokens(tmp_path / "tokens-of-daemon", token)))
    daemon.token = token
    return daemon


def test_the_configuration_names_the_token_of_each_daemon(guarded, token_file, tmp_path):
    lines = f"# mine\nhttp://other:1 {Token('x').text}\nhttp://{guarded.address}/ {guarded.token.text}\n"
    token_file(lines, name="config/sow/tokens")
    assert ask(guarded, env=environment(XDG_CONFIG_HOME=str(tmp_path / "config"))).returncode == 0
    token_file(lines, name=".config/sow/tokens")
    assert ask(guarded, env=environment(HOME=str(tmp_path))).returncode == 0
    token_file(lines, mode=0o644, name="config/sow/tokens")
    done = ask(guarded, env=environment(XDG_CONFIG_HOME=str(tmp_path / "config")))
    assert done.returncode == 2 and "chmod 600" in done.stderr
    token_file(f"http://{guarded.address} nonsense\n", name="config/sow/tokens")
    done = ask(guarded, env=environment(XDG_CONFIG_HOME=str(tmp_path / "config")))
    assert done.returncode == 2 and "sower_" in done.stderr and "nonsense" not in done.stderr


def test_without_a_token_or_its_scope_sow_says_what_is_missing(guarded, token_file, tmp_path):
    done = ask(guarded, env=environment(HOME=str(tmp_path)))
    assert done.returncode == 1 and "needs a token" in done.stderr and "--token-file FILE" in done.stderr
    path = token_file(guarded.token.text + "\n")
    done = run(["ledger", "-e", "exp-42", "--server", f"http://{guarded.address}", "--token-file", path])
    assert done.returncode == 1 and "scope read" in done.stderr
    done = ask(guarded, "--token-file", path, "--experiment", "exp-42")
    assert done.returncode == 2 and "given twice" in done.stderr
    done = run(["plan", "-e", "other", *TENSOR[2:], "--server", f"http://{guarded.address}", "--token-file", path])
    assert done.returncode == 1 and "may not use the experiment" in done.stderr


@pytest.mark.parametrize("text, mode, words", [
    ("", 0o600, "does not have a token"), ("sower_short\n", 0o600, "does not have a token"), (2000 * "x", 0o600, "does not have a token"),
    ("TOKEN\nTOKEN\n", 0o600, "does not have a token"), ("TOKEN", 0o644, "chmod 600"), ("TOKEN", 0o604, "chmod 600"),
])
def test_a_wrong_token_file_is_reported_and_nothing_is_sent(guarded, token_file, text, mode, words):
    path = token_file(text.replace("TOKEN", guarded.token.text), mode)
    done = ask(guarded, "--token-file", path)
    assert done.returncode == 2 and words in done.stderr and guarded.token.text not in done.stderr
    assert ask(guarded, "--token-file", "/nowhere").returncode == 2


def test_a_token_is_sent_unencrypted_to_this_machine_only(token_file):
    path = token_file(Token("ci").text)
    for server in ["http://sower.example", "http://192.0.2.1:7697", "sower.example:7697", "http://localhost.example"]:
        done = run(["plan", *TENSOR, "--server", server, "--token-file", path, *NO_RETRY])
        assert done.returncode == 2 and "unencrypted" in done.stderr, server
    for server in ["https://127.0.0.1:1", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"]:
        done = run(["plan", *TENSOR, "--server", server, "--token-file", path, *NO_RETRY])
        assert done.returncode == 3, (server, done.stderr)


def test_a_used_up_limit_is_not_tried_again(token_file):
    problem = json.dumps({"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": "The lines are used up."})
    with StandIn(page(429, problem, "application/problem+json")) as server:
        done = run(["plan", *TENSOR, "--server", server.address])
    assert done.returncode == 1 and "used up" in done.stderr
