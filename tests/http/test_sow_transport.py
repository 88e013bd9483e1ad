"""sow reaches a daemon over TLS, with a client certificate, and over a Unix socket, and says what to do if it cannot."""

import pytest

from certificates import Authority, TlsDaemon
from sow_programs import NO_RETRY, TENSOR, environment, run


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def client(authority):
    return authority.issue("client", purpose="clientAuth")


@pytest.fixture(scope="module")
def mutual(authority, client, tmp_path_factory):
    """A daemon that wants client certificates, with a Unix socket beside."""
    folder = tmp_path_factory.mktemp("mutual")
    daemon = TlsDaemon(folder / "state", authority.context(client), *authority.issue("server").options(), "--tls-client-ca", str(authority.certificate),
                       "--listen", f"unix:{folder}/socket")
    daemon.unix = f"unix:{folder}/socket"
    yield daemon
    assert daemon.stop() == 0


def get(server, *options, env=None):
    return run(["get", *TENSOR, "--server", server, *(NO_RETRY if "--retry-seconds" not in options else []), *options], env)


def test_a_client_certificate_is_given_by_options_or_by_the_environment(mutual, authority, client, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(client.certificate.read_bytes() + client.key.read_bytes())
    url, trust = mutual.url(""), ["--ca-file", authority.certificate]
    files = [get(url, *trust, "--client-certificate", client.certificate, "--client-key", client.key),
             get(url, *trust, "--client-certificate", both),
             get(url, env=environment(SSL_CERT_FILE=str(authority.certificate), SOW_CLIENT_CERTIFICATE=str(client.certificate), SOW_CLIENT_KEY=str(client.key))),
             get(mutual.unix)]
    assert all(file.returncode == 0 for file in files), files
    assert len({file.stdout for file in files}) == 1 and len(files[0].stdout) > 64


def test_a_missing_or_refused_client_certificate_is_named(mutual, authority, tmp_path):
    url, trust = mutual.url(""), ["--ca-file", authority.certificate]
    # A daemon that refuses a handshake resets the connection if the request has arrived already. Then sow asks again.
    asks_again = ["--retry-seconds", "60"]
    missing = get(url, *trust, *asks_again)
    assert missing.returncode == 3 and "wants a certificate from its clients" in missing.stderr and "--client-certificate FILE" in missing.stderr
    stranger = Authority(tmp_path, "foreign").issue("stranger")
    refused = get(url, *trust, *asks_again, "--client-certificate", stranger.certificate, "--client-key", stranger.key)
    assert refused.returncode == 3 and "is not accepted by" in refused.stderr and "--tls-client-ca" in refused.stderr
    untrusted = get(url, "--client-certificate", stranger.certificate, "--client-key", stranger.key)
    assert untrusted.returncode == 3 and "is not trusted" in untrusted.stderr and "--ca-file" in untrusted.stderr


def test_wrong_client_files_are_named(mutual, authority, client, tmp_path):
    url, trust = mutual.url(""), ["--ca-file", authority.certificate]
    for options, words in [(["--client-key", client.key], "needs --client-certificate"), (["--client-certificate", tmp_path / "missing"], "cannot be read"),
                           (["--client-certificate", client.certificate, "--client-key", tmp_path / "missing"], "cannot be read")]:
        done = get(url, *trust, *options)
        assert done.returncode == 2 and words in done.stderr, done
    other = authority.issue("another")
    done = get(url, *trust, "--client-certificate", client.certificate, "--client-key", other.key)
    assert done.returncode == 3 and "client" in done.stderr and "--client-key FILE" in done.stderr


def test_the_server_may_be_a_unix_socket_in_the_option_or_the_variable(mutual):
    proxies = {name: "http://127.0.0.1:1" for name in ("http_proxy", "https_proxy", "all_proxy")}
    assert get(mutual.unix, env=environment(**proxies)).returncode == 0  # no proxy
    done = run(["get", *TENSOR, *NO_RETRY], environment(SOW_SERVER=mutual.unix))
    assert done.returncode == 0 and len(done.stdout) > 64


def test_a_unix_socket_that_does_not_answer_is_named_with_the_reason(tmp_path, mutual):
    for path, reason in [(f"{tmp_path}/missing", "No such file"), ("/dev/null", "Connection refused")]:
        done = get(f"unix:{path}")
        assert done.returncode == 3 and f"no daemon can be reached at unix:{path}: {reason}" in done.stderr and "localhost" not in done.stderr, done.stderr
    for address in ("unix:", "unix:/" + "x" * 107):
        done = get(address)
        assert done.returncode == 2 and "not the address of a daemon" in done.stderr and "unix:PATH" in done.stderr


def test_plain_http_to_a_daemon_with_tls_names_the_cause(mutual):
    done = get(mutual.url("").replace("https://", "http://"))
    assert done.returncode == 3 and "speaks TLS" in done.stderr and "https://" in done.stderr


def test_a_daemon_with_tls_and_tokens_behind_a_unix_socket_gets_the_token(tmp_path, authority):
    """A token goes to a Unix socket, which only this machine can read."""
    daemon = TlsDaemon(tmp_path / "state", authority.context(), *authority.issue("server").options(), "--listen", f"unix:{tmp_path}/socket")
    try:
        token = tmp_path / "token"
        token.write_text("sower_" + "A" * 43 + "\n")
        token.chmod(0o600)
        done = get(f"unix:{tmp_path}/socket", "--token-file", token)
        assert "unencrypted" not in done.stderr
    finally:
        daemon.stop()
