"""TLS: which clients get a response, what the daemon refuses, and certificates that change while it runs."""
import concurrent.futures
import contextlib
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from certificates import Authority, Pair, TlsDaemon, openssl
from conftest import PATIENCE, SOWERD, why_it_ended
from shapes import CHUNKS, FOLLOWING, HIDDEN, REFUSALS, SHAPES, VALID, exchange, statuses_of
from sockets import receive_all


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("server")


@pytest.fixture(scope="module")
def client(authority):
    return authority.issue("client", purpose="clientAuth")


@pytest.fixture
def serve(tmp_path, authority, pair):
    """Starts daemons with TLS. At the end of the test each must stop with status 0."""
    started = []

    def serve_tls(*options, pair=pair, context=None, **keywords):
        daemon = TlsDaemon(tmp_path / f"state-{len(started)}", context or authority.context(), *pair.options(), *options, **keywords)
        started.append(daemon)
        return daemon

    yield serve_tls
    for daemon in started:
        assert daemon.stop() == 0, daemon.rest_of_log()


def requests_in(lines):
    return [line for line in lines if b'"event":"request"' in line]


def s_client(daemon, *options):
    """Connects with openssl, sends one request at once, and returns what the server sent."""
    done = subprocess.run(["openssl", "s_client", "-connect", daemon.address, "-cipher", "DEFAULT@SECLEVEL=0", "-quiet", "-ign_eof", *map(str, options)],
                          input=b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", capture_output=True, timeout=PATIENCE)
    return done.stdout


# Which versions

@pytest.mark.parametrize("version, accepted", [("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False), ("-tls1", False)])
def test_tls_1_2_and_1_3_are_spoken_and_older_versions_are_not(serve, library, authority, version, accepted):
    daemon = serve(environment=library)
    answer = subprocess.run(["openssl", "s_client", "-connect", daemon.address, "-cipher", "DEFAULT@SECLEVEL=0", version, "-CAfile", authority.certificate,
                             "-verify_return_error"], input=b"", capture_output=True, timeout=PATIENCE)
    assert (f"New, TLSv1.{version[-1]}, Cipher is".encode() in answer.stdout and answer.returncode == 0) == accepted, answer
    assert (b"no peer certificate available" in answer.stdout) == (not accepted)
    assert daemon.get("/healthz").status == 200


def test_curl_gets_the_same_bytes_with_and_without_tls(serve, start, authority):
    fields = dict(experiment="same", name="w", shape="1000000", init="normal")
    answers = [subprocess.run(["curl", "-sSf", "--cacert", authority.certificate, daemon.url("/v1/tensor", **fields)], capture_output=True, check=True).stdout
               for daemon in (serve(), start())]
    assert answers[0] == answers[1] and len(answers[0]) > 4_000_000


def test_unix_sockets_of_a_daemon_with_tls_are_plain(serve, tmp_path):
    daemon = serve("--listen", f"unix:{tmp_path}/socket")
    assert daemon.log[-1]["listeners"] == f"https://{daemon.address},unix:{tmp_path}/socket"
    for url, socket_options in [(f"https://{daemon.address}/healthz", ["-k"]), ("http://x/healthz", ["--unix-socket", f"{tmp_path}/socket"])]:
        assert subprocess.run(["curl", "-sSf", *socket_options, url], capture_output=True, check=True).stdout == b"ok\n"


# Clients with certificates

@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_only_clients_with_a_valid_certificate_of_the_authority_reach_a_request(serve, library, authority, client, tmp_path, version):
    foreign = Authority(tmp_path, "foreign")
    strangers = {
        "none": (None, r"certificate required|handshake failure"),
        "foreign": (foreign.issue("stranger"), "unknown ca"),
        "expired": (authority.issue("expired", expired=True), "certificate expired"),
        "a server's": (authority.issue("other", purpose="serverAuth"), "bad certificate"),
    }
    daemon = serve("--tls-client-ca", str(authority.certificate), "--log-level", "debug", context=authority.context(client), environment=library)
    for name, (stranger, reason) in strangers.items():
        context = authority.context(stranger)
        context.maximum_version = getattr(ssl.TLSVersion, version)
        with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
            with context.wrap_socket(daemon.plain_socket(), server_hostname="localhost") as connection:
                connection.recv(1)  # in TLS 1.3 the handshake ends for the client before the server has seen its certificate
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert connection.recv(1), name
                raise AssertionError(f"{name}: got a response")
        assert re.search(reason, str(refusal.value)), (name, refusal.value)
    daemon.context.maximum_version = getattr(ssl.TLSVersion, version)
    assert daemon.get("/healthz").status == 200
    assert daemon.stop() == 0
    assert len(requests_in(daemon.rest_of_log())) == 1


def test_a_request_sent_together_with_a_refused_certificate_is_never_answered(serve, library, authority, client, tmp_path):
    daemon = serve("--tls-client-ca", str(authority.certificate), "--log-level", "debug", context=authority.context(client), environment=library)
    stranger = Authority(tmp_path, "foreign").issue("stranger")
    for options in [[], ["-cert", stranger.certificate, "-key", stranger.key]] * 5:
        assert s_client(daemon, *options) == b""
    assert s_client(daemon, "-cert", client.certificate, "-key", client.key).endswith(b"ok\n")
    assert daemon.stop() == 0
    assert len(requests_in(daemon.rest_of_log())) == 1


# Wrong files

def refused(*options, environment=None):
    done = subprocess.run([SOWERD, "--listen", "127.0.0.1:0", *map(str, options)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, why_it_ended(done.stderr)


def damaged(tmp_path, authority, pair):
    """Wrong files: name → (pair, client CA or None, words of the sentence)."""
    open_key, encrypted, old, empty = (Pair(pair.certificate, tmp_path / name) for name in ("open.key", "encrypted.key", "old.key", "empty"))
    open_key.key.write_bytes(pair.key.read_bytes())
    open_key.key.chmod(0o640)
    openssl("pkey", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", encrypted.key)
    openssl("ec", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", old.key)
    empty.key.write_bytes(b"")
    (tmp_path / "large").write_bytes(b"#" * (5 << 20))
    for key in (encrypted.key, old.key, empty.key):
        key.chmod(0o600)
    os.chown(open_key.key, -1, os.getgid() or 1)
    other = authority.issue("another")
    return {
        "readable key": (open_key, None, "open to others (mode 0640)"), "encrypted key": (encrypted, None, "is encrypted"),
        "encrypted key of the old form": (old, None, "is encrypted"), "no key": (empty, None, "cannot be used"),
        "missing key": (Pair(pair.certificate, tmp_path / "missing"), None, "cannot be read: No such file"),
        "missing certificate": (Pair(tmp_path / "missing", pair.key), None, "cannot be read: No such file"),
        "directory": (Pair(pair.certificate, tmp_path), None, "is a directory"), "certificate is a directory": (Pair(tmp_path, pair.key), None, "directory"),
        "key of another certificate": (Pair(pair.certificate, other.key), None, "does not belong to the certificate"),
        "expired": (authority.issue("old", expired=True), None, "has expired ("), "key as certificate": (Pair(pair.key, pair.key), None, "has no certificate"),
        "large": (Pair(tmp_path / "large", pair.key), None, "larger than"), "no authority": (pair, empty.key, "has no certificate"),
        "missing authority": (pair, tmp_path / "missing", "cannot be read"),
    }


def test_wrong_files_are_refused_at_the_start_with_a_sentence(tmp_path, authority, pair):
    for name, (wrong, client_ca, words) in damaged(tmp_path, authority, pair).items():
        options = [*wrong.options(), *(["--tls-client-ca", client_ca] if client_ca else []), "--state", tmp_path / "state"]
        status, sentence = refused(*options)
        assert status == 1 and words in sentence and "secret" not in sentence, (name, sentence)


@pytest.mark.parametrize("options, words", [(["--tls-certificate", "x"], "both"), (["--tls-key", "x"], "both"), (["--tls-client-ca", "x"], "needs TLS")])
def test_incomplete_options_are_refused(options, words):
    status, sentence = refused(*options)
    assert status == 2 and words in sentence


# New files while the daemon runs

def put(pair, source):
    """Replaces both files, as a program that renews certificates does."""
    for file, new in [(pair.certificate, source.certificate), (pair.key, source.key)]:
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_bytes(new.read_bytes())
        fresh.chmod(0o600)
        fresh.rename(file)


def serial(daemon):
    """The serial number of the certificate that a new connection gets."""
    with daemon.socket() as connection:
        return connection.getpeercert()["serialNumber"]


def reload(daemon, event="reloaded"):
    daemon.signal(signal.SIGHUP)
    return daemon.wait_for(lambda line: line["event"] in ("reloaded", "reload_failed") and line["event"] == event)


def test_new_certificates_serve_new_connections_and_drop_none(serve, library, authority, tmp_path):
    pairs = [authority.issue(f"generation-{number}") for number in range(2)]
    served = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    put(served, pairs[0])
    daemon = serve(pair=served, environment=library)
    stopping, counts = threading.Event(), []

    def go_on():
        connection = daemon.connect()
        connection.connect()
        address, count = connection.sock.getsockname(), 0
        while not stopping.is_set():
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok\n" and connection.sock.getsockname() == address
            count += 1
        counts.append(count)

    threads = [threading.Thread(target=go_on) for _ in range(3)]
    stream = daemon.connect()
    stream.request("GET", "/v1/tensor?experiment=tls&name=large&shape=268435456&init=normal")  # 1 GiB
    response = stream.getresponse()
    size, expected = 0, int(response.headers["Content-Length"])
    for thread in threads:
        thread.start()
    serials = []
    for number in range(8):
        for _ in range(100):
            size += len(response.read(1 << 20))
        put(served, pairs[number % 2])
        assert "expires at 20" in reload(daemon)["sentence"]
        serials.append(serial(daemon))
    while piece := response.read(1 << 20):
        size += len(piece)
    stopping.set()
    for thread in threads:
        thread.join()
    assert size == expected > 1 << 30
    assert len(counts) == 3 and min(counts) > 10
    assert len(set(serials)) == 2 and serials[:2] * 4 == serials


def test_wrong_new_files_leave_the_old_ones_in_use(serve, authority, pair, tmp_path):
    served = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    put(served, pair)
    daemon = serve(pair=served)
    before = serial(daemon)
    (tmp_path / "wrong").mkdir()
    for name, (wrong, client_ca, words) in damaged(tmp_path / "wrong", authority, pair).items():
        if client_ca is not None or "directory" in name or "missing" in name:
            continue
        put(served, wrong)
        if name == "readable key":
            served.key.chmod(0o644)
        failed = reload(daemon, "reload_failed")
        assert failed["level"] == "error" and words.split(" (")[0] in failed["sentence"], (name, failed)
        assert serial(daemon) == before
    put(served, pair)
    served.key.unlink()
    assert "cannot be read" in reload(daemon, "reload_failed")["sentence"]
    put(served, authority.issue("renewed"))
    reload(daemon)
    assert serial(daemon) != before


def test_a_new_client_authority_replaces_the_old_one(serve, authority, client, tmp_path):
    other = Authority(tmp_path, "other")
    accepted = tmp_path / "clients.pem"
    accepted.write_bytes(authority.certificate.read_bytes())
    newcomer = other.issue("newcomer")
    daemon = serve("--tls-client-ca", str(accepted), context=authority.context(client))
    with contextlib.closing(daemon.connect()) as old:
        old.request("GET", "/healthz")
        assert old.getresponse().read() == b"ok\n"
        accepted.write_bytes(other.certificate.read_bytes())
        reload(daemon)
        old.request("GET", "/healthz")  # a connection keeps what it began with
        assert old.getresponse().read() == b"ok\n"
    assert s_client(daemon, "-cert", client.certificate, "-key", client.key) == b""
    assert s_client(daemon, "-cert", newcomer.certificate, "-key", newcomer.key).endswith(b"ok\n")


def test_a_thousand_reloads_leak_nothing(serve):
    daemon = serve()
    for number in range(1000):
        if number == 100:
            before = daemon.status_kib("VmRSS")
        reload(daemon)
        if number % 10 == 0:
            assert daemon.get("/healthz").status == 200
    assert daemon.status_kib("VmSize") > 1 << 30 or daemon.status_kib("VmRSS") < before + 2048


# Clients that do not speak TLS, or not well

def test_http_on_the_tls_port_and_tls_on_the_plain_port_end_without_harm(serve, start, library, authority):
    tls, plain = serve(environment=library), start("--header-seconds", "1", environment=library)
    with tls.plain_socket() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in receive_all(connection)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        authority.context().wrap_socket(plain.socket(), server_hostname="localhost")
    assert tls.get("/healthz").status == plain.get("/healthz").status == 200


def test_a_handshake_that_does_not_end_is_closed(serve, library):
    """Silent, or with a byte now and then, or complete without a request."""
    daemon = serve("--header-seconds", "1", environment=library)
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        daemon.context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
    silent, trickling, complete = daemon.plain_socket(), daemon.plain_socket(), daemon.socket()
    bytes_left = iter(hello.read())
    trickling.settimeout(0.1)
    while True:
        try:
            trickling.sendall(bytes([next(bytes_left)]))
            if trickling.recv(1) == b"":
                break
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
    assert len(list(bytes_left)) > 10
    assert receive_all(silent) == receive_all(complete) == b""
    assert daemon.get("/healthz").status == 200


def test_failed_handshakes_disturb_nobody_and_leak_nothing(serve, library):
    daemon = serve(environment=library)
    files = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    random.seed(7)
    with contextlib.closing(daemon.connect()) as friend:
        for number in range(400):
            with contextlib.suppress(OSError), daemon.plain_socket() as stranger:
                stranger.sendall(b"\x16\x03\x01" * (number % 2) + random.randbytes(random.randrange(1, 600)))
                if number % 3 == 0:
                    stranger.shutdown(socket.SHUT_WR)
                if number % 4 == 0:
                    stranger.settimeout(0.05)
                    stranger.recv(1000)
            if number == 100:
                before = daemon.status_kib("VmRSS")
            if number % 50 == 0:
                friend.request("GET", "/healthz")
                assert friend.getresponse().read() == b"ok\n"
        friend.request("GET", "/healthz")
        assert friend.getresponse().read() == b"ok\n"
    while len(os.listdir(f"/proc/{daemon.process.pid}/fd")) > files + 1:
        daemon.get("/healthz")
    assert daemon.status_kib("VmSize") > 1 << 30 or daemon.status_kib("VmRSS") < before + 8192


# The same guards as without TLS

@pytest.fixture(scope="module")
def framed(library, tmp_path_factory, authority, pair):
    daemon = TlsDaemon(tmp_path_factory.mktemp("framing") / "state", authority.context(), *pair.options(), "--hosts", "any", environment=library)
    yield daemon
    assert daemon.stop() == 0, daemon.rest_of_log()


def test_framing_is_as_strict_through_tls(framed):
    def statuses_after(request):
        return [status for status in statuses_of(exchange(framed, request + FOLLOWING)) if status != b"<open>"]

    malformed = {**(SHAPES if framed.library == "0.9.75" else {**SHAPES, **HIDDEN}), **CHUNKS}
    wrong = {}
    with concurrent.futures.ThreadPoolExecutor(16) as threads:  # most of the time goes into waiting for further responses
        for name, statuses in zip(malformed, threads.map(statuses_after, malformed.values())):
            if len(statuses) > 1 or (name not in CHUNKS and not set(statuses) <= REFUSALS) or 404 in statuses:
                wrong[name] = statuses
        for (name, (request, status)), statuses in zip(VALID.items(), threads.map(statuses_after, [request for request, _ in VALID.values()])):
            if statuses != ([status] if b"Transfer-Encoding" in request or b"HTTP/1.0" in request else [status, 404]):
                wrong[name] = statuses
    assert not wrong
    assert "smuggled" not in {line.get("name") for line in framed.ledger()}


def test_hosts_and_pages_are_checked_through_tls(serve):
    daemon = serve(hosts=None)
    assert daemon.get("/v1/initializers", headers={"Host": "evil.example"}).status == 421
    assert daemon.get("/v1/initializers", headers={"Origin": "https://evil.example"}).status == 403
    assert daemon.get("/v1/initializers", headers={"Origin": f"https://{daemon.address}"}).status == 200


def test_many_keep_alive_connections_with_tls_are_served_together(serve, library):
    daemon = serve("--connections-per-client", "512", "--threads", "2", environment=library)
    connections = [daemon.connect() for _ in range(256)]
    for _ in range(3):
        for connection in connections:
            connection.request("GET", "/healthz")
        assert all(connection.getresponse().read() == b"ok\n" for connection in connections)
    for connection in connections:
        connection.close()


def test_a_body_of_many_records_arrives_and_a_stream_comes_back_whole(serve, library):
    daemon = serve(environment=library)
    response = daemon.request("POST", "/v1/tensor", body="x" * (1 << 20))
    assert response.status == 400
    response = daemon.get("/v1/tensor", experiment="s", name="w", shape="5000000", init="normal")
    assert response.status == 200 and len(response.body) == int(response.headers["Content-Length"])
