"""A client reaches a daemon over https, with a client certificate, and over a Unix socket."""
import subprocess

import pytest

import sower


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An authority, and a certificate for this machine that serves as the daemon's and as the client's."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new, "-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    openssl("req", *new, "-subj", "/CN=machine", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "request")
    openssl("x509", "-req", "-in", folder / "request", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-copy_extensions", "copy",
            "-out", folder / "certificate.pem")
    (folder / "key.pem").chmod(0o600)
    return {name: str(folder / name) for name in ("ca.pem", "certificate.pem", "key.pem")}


@pytest.fixture
def mutual(start, files, tmp_path):
    daemon = start("--tls-certificate", files["certificate.pem"], "--tls-key", files["key.pem"], "--tls-client-ca", files["ca.pem"],
                   "--listen", f"unix:{tmp_path}/socket")
    daemon.url = daemon.url.replace("http://", "https://")
    daemon.unix = f"unix:{tmp_path}/socket"
    return daemon


def draw(client):
    return client.run("transport", trial=0).draw("w", (4, 4), "he_normal").numpy().tobytes()


def test_https_with_a_client_certificate_and_a_unix_socket_give_the_same_draw(mutual, files, monkeypatch):
    given = sower.Client(mutual.url, ca_file=files["ca.pem"], client_certificate=files["certificate.pem"], client_key=files["key.pem"])
    unix = sower.Client(mutual.unix)
    assert draw(given) == draw(unix) and unix.url == mutual.unix
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", files["ca.pem"])
    monkeypatch.setenv("SOW_CLIENT_CERTIFICATE", files["certificate.pem"])
    monkeypatch.setenv("SOW_CLIENT_KEY", files["key.pem"])
    monkeypatch.setenv("SOW_SERVER", mutual.url)
    assert draw(sower.Client()) == draw(given)


def test_what_is_not_trusted_is_refused_with_a_reason(mutual, files):
    with pytest.raises(sower.Unavailable, match="cannot be trusted"):
        draw(sower.Client(mutual.url, client_certificate=files["certificate.pem"], client_key=files["key.pem"], retry_seconds=0))
    with pytest.raises(sower.Unavailable, match="wants a certificate from its clients"):
        draw(sower.Client(mutual.url, ca_file=files["ca.pem"]))


@pytest.mark.parametrize("options, field", [
    ({"client_key": "x"}, "client_key"), ({"client_certificate": "/missing"}, "client_certificate"), ({"ca_file": "/missing"}, "ca_file"),
])
def test_wrong_files_are_refused_before_any_request(options, field):
    with pytest.raises(sower.InvalidRequest) as refusal:
        sower.Client("https://127.0.0.1:1", **options)
    assert refusal.value.field == field


def test_a_certificate_of_another_name_is_not_trusted(mutual, files):
    with pytest.raises(sower.Unavailable, match="cannot be trusted"):
        draw(sower.Client(mutual.url.replace("127.0.0.1", "localhost"), ca_file=files["ca.pem"], client_certificate=files["certificate.pem"],
                          client_key=files["key.pem"]))


def test_an_encrypted_client_key_is_refused_without_a_question(files, tmp_path):
    openssl("pkey", "-in", files["key.pem"], "-aes256", "-passout", "pass:secret", "-out", tmp_path / "key.pem")
    with pytest.raises(sower.InvalidRequest, match="encrypted"):
        sower.Client("https://127.0.0.1:1", client_certificate=files["certificate.pem"], client_key=str(tmp_path / "key.pem"))


def test_a_unix_socket_that_does_not_answer_is_named(tmp_path):
    with pytest.raises(sower.Unavailable, match=f"unix:{tmp_path}/missing does not answer: .*No such file"):
        draw(sower.Client(f"unix:{tmp_path}/missing", retry_seconds=0))
    for url in ("unix:", "unix:/" + "x" * 107):
        with pytest.raises(sower.InvalidRequest):
            sower.Client(url)
