"""How sow reaches a daemon: retries, timeouts, trusted certificates, and messages about other servers."""
import email.utils
import json
import socket
import ssl
import subprocess
import time

import pytest

from sow_programs import NO_RETRY, PATIENCE, TENSOR, RawServer, StandIn, environment, page, run, send_headers, start

GIVEN = {"experiment": "e", "trial": 7, "count": 1, "seed": run(["seed", "-e", "e", "-t", "7"]).stdout.decode().strip(), "ledger": 12}
PINNED = page(200, json.dumps({"experiment": "e", "pinned": True, "ledger": 1}), "application/json")


def plan(server, *arguments):
    return run(["plan", "--json", *TENSOR, "--server", server.address, *arguments])


def pin(server, *arguments, env=None):
    return run(["pin", "e", "--server", getattr(server, "address", server), *arguments], env)


class RefusesFirst:
    """Refuses `times` requests with the status and headers, then responds; keeps the times of the requests."""

    def __init__(self, times, status, response=PINNED, **headers):
        self.left, self.status, self.response, self.headers = times, status, response, headers
        self.times, self.keys = [], []

    def __call__(self, handler, stand_in):
        self.times.append(time.monotonic())
        self.keys.append(handler.headers.get("Idempotency-Key"))
        self.left -= 1
        if self.left < 0:
            return self.response(handler, stand_in)
        body = json.dumps({"type": "about:blank", "title": "No", "status": self.status, "detail": "Not now."}).encode()
        headers = {name.replace("_", "-"): value() if callable(value) else value for name, value in self.headers.items()}
        send_headers(handler, self.status, {"Content-Type": "application/problem+json", "Content-Length": str(len(body)), **headers})
        handler.wfile.write(body)


# Retries after temporary failures


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_request_to_an_unavailable_daemon_is_repeated(status):
    server = RefusesFirst(2, status, Retry_After="0")
    with StandIn(server) as stand_in:
        done = pin(stand_in)
    assert done.returncode == 0 and len(server.times) == 3, done.stderr
    assert done.stderr == f"sow pin: {stand_in.address} cannot do it now (status {status}); " \
                          "retrying for up to 60 s (--retry-seconds).\n"


@pytest.mark.parametrize("after", ["1", lambda: email.utils.formatdate(time.time() + 3600 + 1, usegmt=True)])
def test_the_pause_is_that_of_retry_after(after):
    """In seconds, or as a date by the clock of the server, which is an hour ahead here."""
    def response(handler, stand_in):
        handler.date_time_string = lambda: email.utils.formatdate(time.time() + 3600, usegmt=True)
        server(handler, stand_in)

    server = RefusesFirst(1, 503, Retry_After=after)
    with StandIn(response) as stand_in:
        done = pin(stand_in)
    assert done.returncode == 0 and 0.9 < server.times[1] - server.times[0] < PATIENCE / 2


def test_a_pause_beyond_the_limit_is_not_started():
    server = RefusesFirst(1, 503, Retry_After="3600")
    with StandIn(server) as stand_in:
        done = pin(stand_in)
    assert done.returncode == 3 and len(server.times) == 1 and "Not now." in done.stderr and "wait for 3600 s" in done.stderr


@pytest.mark.parametrize("after", ["", "soon", "-5", "99999999999999999999999", "1e3"])
def test_an_invalid_retry_after_is_ignored(after):
    server = RefusesFirst(1, 503, Retry_After=after)
    with StandIn(server) as stand_in:
        assert pin(stand_in).returncode == 0
    assert len(server.times) == 2


def test_retries_end_with_status_3():
    server = RefusesFirst(1000, 503)
    with StandIn(server) as stand_in:
        done = pin(stand_in, "--retry-seconds", "1")
    assert done.returncode == 3 and len(server.times) > 2 and server.times[-1] - server.times[0] < PATIENCE / 2
    assert done.stderr.splitlines()[1:] == [f"sow pin: {stand_in.address} cannot do it now (status 503): Not now.",
                                            "Try again later, or let sow wait with --retry-seconds N."]


def test_retry_seconds_0_means_no_retries():
    server = RefusesFirst(1, 503)
    with StandIn(server) as stand_in:
        done = pin(stand_in, *NO_RETRY)
    assert done.returncode == 3 and len(server.times) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_a_lasting_failure_is_not_retried(status):
    server = RefusesFirst(1, status)
    with StandIn(server) as stand_in:
        done = pin(stand_in)
    assert done.returncode == (3 if status == 500 else 1) and len(server.times) == 1


def test_a_request_for_trial_numbers_is_repeated_only_with_a_key():
    trial = ["trial", "new", "-e", "e"]
    for key, times in ([], 1), (["-k", "job 17"], 3):
        server = RefusesFirst(2, 503, page(200, json.dumps(GIVEN), "application/json"))
        with StandIn(server) as stand_in:
            done = run([*trial, *key, "--server", stand_in.address])
        assert len(server.times) == times and done.returncode == (0 if key else 3), done.stderr
        assert server.keys == [key[1] if key else None] * times


def test_a_daemon_that_restarts_is_waited_for():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # reserved: connections are refused until it listens
        sow = start(["pin", "e", "--server", f"http://127.0.0.1:{listener.getsockname()[1]}"], stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
        assert b"cannot be reached" in sow.stderr.readline()
        listener.listen()
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            body = json.dumps({"experiment": "e", "pinned": True, "ledger": 1}).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        out, _ = sow.communicate(timeout=PATIENCE)
    assert sow.returncode == 0 and out == b"e is pinned by line 1 of the ledger.\n"


def test_an_incomplete_json_response_is_requested_again():
    def response(connection, number, _):
        body = json.dumps({"experiment": "e", "pinned": True, "ledger": 1}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + (body[:9] if number == 0 else body))

    with RawServer(response) as server:
        assert pin(server).stdout == b"e is pinned by line 1 of the ledger.\n" and server.count == 2


@pytest.mark.parametrize("option", ["--retry-seconds", "--stall-seconds"])
@pytest.mark.parametrize("value", ["", "-1", "x", "1.5", "86401", "1e3"])
def test_an_invalid_number_of_seconds_is_a_usage_error(option, value):
    done = pin("http://127.0.0.1:1", option, value)
    assert done.returncode == 2 and f"{option} takes a whole number" in done.stderr


# Every response has limits of memory and time


def flood_of_headers(connection, number, head):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Header: value\r\n" * 1000)


def flood_in_one_header(connection, number, head):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Header: ")
    while True:
        connection.sendall(b"value" * 1000)


def interim_responses_without_end(connection, number, head):
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * 100)


def refusal_without_end(connection, number, head):
    connection.sendall(b"HTTP/1.1 400 No\r\nContent-Type: application/problem+json\r\n\r\n")
    while True:
        connection.sendall(b"{" * 10000)


def response_without_end(connection, number, head):
    kind = b"application/x-ndjson" if b"GET /v1/ledger" in head and b"/head" not in head else b"application/json"
    kind = b"application/octet-stream" if b"/v1/tensor" in head or b"/v1/model" in head else kind
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
    while True:
        connection.sendall(b'{"a":"' + b"a" * 10000)


def drips(response):
    def speak(connection, number, head):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in iter(lambda: response, None) if not response else response * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
    return speak


def silent(connection, number, head):
    connection.recv(1)


ENDLESS = [flood_of_headers, flood_in_one_header, interim_responses_without_end, refusal_without_end, response_without_end]
COMMANDS = [["get", *TENSOR, "-q", "-o", "{tmp}/w"], ["model", "-e", "e", "-m", "{tmp}/m.json", "-q", "-o", "{tmp}/w"], ["plan", *TENSOR],
            ["stats", *TENSOR], ["trial", "new", "-e", "e"], ["pin", "e"], ["ledger"], ["ledger", "head"], ["ledger", "verify"],
            ["experiments"], ["experiments", "e"]]


def placed(arguments, directory):
    (directory / "m.json").write_text(json.dumps({"tensors": [{"name": "w", "shape": [2], "init": "ones"}]}))
    return [argument.replace("{tmp}", str(directory)) for argument in arguments]


@pytest.mark.parametrize("fault", ENDLESS, ids=lambda fault: fault.__name__)
def test_a_response_without_an_end_is_given_up(tmp_path, fault):
    for arguments in COMMANDS:
        with RawServer(fault) as server:
            done = run([*placed(arguments, tmp_path), "--server", server.address, *NO_RETRY])
        assert done.returncode == 3 and server.address in done.stderr, (arguments, done.stderr)
        if fault in (flood_of_headers, interim_responses_without_end):
            assert "sends more than 65536 bytes of headers" in done.stderr
        assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("fault", [silent, drips(b"HTTP/1.1 200 OK\r\n"), drips(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")],
                         ids=["silent", "header", "body"])
def test_a_server_that_stalls_is_given_up(fault):
    with RawServer(fault) as server:
        done = pin(server, "--stall-seconds", "1", *NO_RETRY)
    assert done.returncode == 3 and "stalled" in done.stderr


# Other servers


CHOICES = {"text/html": "<html><head><title>502 Bad Gateway</title></head></html>", "text/plain": "upstream is down\nsorry\n"}


@pytest.mark.parametrize("kind, words", [("text/html", '"502 Bad Gateway"'), ("text/plain", '"upstream is down"')])
def test_a_foreign_page_is_named_by_its_title(kind, words):
    with StandIn(page(502, CHOICES[kind], kind)) as stand_in:
        done = pin(stand_in, *NO_RETRY)
    assert done.returncode == 3 and f"the response with status 502 has no explanation from sowerd; it says {words}: this is not a sowerd" in done.stderr


def test_a_redirect_is_reported_and_not_followed():
    def moved(handler, _):
        send_headers(handler, 301, {"Location": "https://sower.example/v1/", "Content-Length": "0"})

    with StandIn(moved) as stand_in:
        done = pin(stand_in)
    assert done.returncode == 3 and "redirects to https://sower.example/v1/" in done.stderr and len(stand_in.requests) == 1


def test_a_page_of_a_proxy_names_the_proxy_variables():
    with StandIn(page(503, "<title>squid: no route</title>", "text/html")) as proxy:
        done = pin("http://sower.invalid:7697", *NO_RETRY, env=environment(http_proxy=proxy.address))
    assert done.returncode == 3 and "squid: no route" in done.stderr and "through a proxy, as http_proxy" in done.stderr


@pytest.mark.parametrize("greeting, words", [(b"SSH-2.0-OpenSSH_9.2\r\n", '"SSH-2.0-OpenSSH_9.2"'), (b"-ERR unknown command\r\n", '"-ERR unknown command"'),
                                             (b"\x00\x01\x02", "does not speak HTTP")])
def test_another_protocol_is_named_by_its_greeting(greeting, words):
    with RawServer(lambda connection, number, head: connection.sendall(greeting)) as server:
        done = pin(server)
    assert done.returncode == 3 and "it does not speak HTTP" in done.stderr and words in done.stderr


def test_an_unknown_host_is_named():
    done = pin("http://sower.invalid")
    assert done.returncode == 3 and "Could not resolve host: sower.invalid" in done.stderr and "--server" in done.stderr


@pytest.mark.parametrize("address", ["http://[oops", "http://127.0.0.1/?a=b", "http://127.0.0.1/#part"])
def test_an_invalid_address_is_quoted(address):
    done = pin(address)
    assert done.returncode == 2 and f"{address}: this is not the address of a daemon" in done.stderr


# TLS


def make_certificate(directory, names):
    files = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=sower", "-addext", f"subjectAltName={names}", "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    return files


class Front:
    """A TLS server in front of a daemon."""

    def __init__(self, daemon, directory, names="IP:127.0.0.1,DNS:localhost"):
        key, self.certificate = make_certificate(directory, names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)

        def forward(connection, number, head):
            with daemon.socket() as backend:
                backend.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                while block := backend.recv(65536):
                    connection.sendall(block)

        self.server = RawServer(forward, context)
        self.address = self.server.address.replace("http://", "https://")

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()


@pytest.fixture
def front(daemon, tmp_path):
    with Front(daemon, tmp_path) as between:
        yield between


def test_a_certificate_is_trusted_by_the_option_and_by_the_environment(front):
    ways = [(["--ca-file", front.certificate], {}), ([], {"SSL_CERT_FILE": str(front.certificate)}), ([], {"CURL_CA_BUNDLE": str(front.certificate)})]
    for options, variables in ways:
        done = pin(front, *options, env=environment(**variables))
        assert done.returncode == 0 and b"e is pinned" in done.stdout, (options, variables, done.stderr)


def test_the_option_takes_precedence_over_the_environment_and_a_bundle_over_a_file(front, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    _, wrong = make_certificate(other, "DNS:other")
    right = str(front.certificate)
    assert pin(front, "--ca-file", right, env=environment(CURL_CA_BUNDLE=str(wrong), SSL_CERT_FILE=str(wrong))).returncode == 0
    assert pin(front, env=environment(CURL_CA_BUNDLE=right, SSL_CERT_FILE=str(wrong))).returncode == 0
    assert pin(front, env=environment(CURL_CA_BUNDLE=str(wrong), SSL_CERT_FILE=right)).returncode == 3


def test_an_untrusted_certificate_is_refused(front):
    done = pin(front)
    assert done.returncode == 3 and f"the certificate of {front.address} is not trusted" in done.stderr and "--ca-file FILE" in done.stderr


def test_a_certificate_of_another_name_is_refused(daemon, tmp_path):
    with Front(daemon, tmp_path, "DNS:sower.example") as front:
        done = pin(front, "--ca-file", front.certificate)
    assert done.returncode == 3 and f"the certificate of {front.address} is not trusted" in done.stderr


def test_an_unreadable_certificate_file_is_a_usage_error(tmp_path):
    done = pin("https://127.0.0.1:1", "--ca-file", tmp_path / "nowhere")
    assert done.returncode == 2 and "--ca-file names a file that cannot be read" in done.stderr


def test_https_to_a_plain_http_daemon_names_the_cause(daemon):
    done = pin(daemon.url("").replace("http://", "https://"))
    assert done.returncode == 3 and "speaks plain HTTP, and not TLS" in done.stderr and "http:// in place of https://" in done.stderr


def test_http_to_a_tls_port_names_the_cause(front):
    done = pin(front.address.replace("https://", "http://"))
    assert done.returncode == 3 and "speaks TLS, and not plain HTTP" in done.stderr and "https:// in place of http://" in done.stderr


def test_http_to_a_tls_port_that_responds_with_html_names_the_cause(tmp_path):
    """As nginx does: it responds in plain HTTP on a TLS port."""
    key, certificate = make_certificate(tmp_path, "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def speak(connection, number, _):
        first = connection.recv(1, socket.MSG_PEEK)
        if first == b"\x16":
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(65536)
        text = b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>"
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    with RawServer(speak, peek=True) as server:
        done = pin(server)
    assert done.returncode == 3 and "speaks TLS, and not plain HTTP" in done.stderr
