"""The daemon accepts requests to its own names, and none from pages of another site."""
import socket
import sys

import pytest

from conftest import SOWERD, Daemon

DRAW = dict(experiment="hosts", name="w", shape="4", init="normal")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A daemon with the default of --hosts."""
    shared = Daemon(tmp_path_factory.mktemp("hosts") / "state", hosts=None)
    yield shared
    assert shared.stop() == 0, shared.rest_of_log()


def status(daemon, host, path="/v1/tensor", **headers):
    return daemon.get(path, headers={"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}, **DRAW).status


MACHINE = socket.gethostname()
OWN = ["localhost", "LOCALHOST:7697", "localhost.", "sower.localhost", "127.0.0.1", "127.1.2.3:1", "[::1]", "[::1]:7697", "192.168.1.5:7697",
       "[fe80::1]", "0.0.0.0", "", MACHINE, MACHINE.split(".")[0] + ":80"]
FOREIGN = ["evil.example", "evil.example:7697", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "127.0.0.1x", "1.2.3", "1.2.3.4.5",
           MACHINE + ".evil.example", "x" + MACHINE, ".", "sower"]


@pytest.mark.parametrize("host", OWN)
def test_own_names_and_addresses_are_accepted(daemon, host):
    assert status(daemon, host) == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_another_host_is_refused_with_a_sentence_that_names_the_option(daemon, host):
    response = daemon.get("/v1/tensor", headers={"Host": host}, **{**DRAW, "name": "foreign"})
    problem = response.problem()
    assert response.status == 421 and problem["param"] == "Host" and "--hosts" in problem["detail"] and host in problem["detail"]
    assert daemon.post("/v1/experiments/hosts/trials", {}, headers={"Host": host}).status == 421
    assert "foreign" not in {line.get("name") for line in daemon.ledger()}


def test_probes_are_accepted_with_any_host(daemon):
    for path in ["/healthz", "/readyz", "http://sower/healthz", "http://evil.example/readyz"]:
        assert daemon.get(path, headers={"Host": "evil.example", "Sec-Fetch-Site": "cross-site"}).status == 200


def test_the_host_of_an_absolute_target_replaces_the_header(daemon):
    assert daemon.get("http://localhost/v1/tensor", headers={"Host": "evil.example"}, **DRAW).status == 200
    assert daemon.get("http://evil.example/v1/tensor", headers={"Host": "localhost"}, **DRAW).status == 421


def test_http_1_0_needs_no_host(daemon):
    with daemon.socket() as connection:
        connection.sendall(b"GET /v1/initializers HTTP/1.0\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_the_option_lists_more_names(start):
    daemon = start(hosts="sower.example,sower")
    for host in ["sower.example", "Sower.Example:443", "sower", "localhost", "10.0.0.1"]:
        assert status(daemon, host) == 200
    for host in ["example", "sower.example.evil", "sower,", "sower.example,sower"]:
        assert status(daemon, host) == 421


@pytest.mark.parametrize("value", ["any", "*"])
def test_any_host_is_accepted_with_the_option_any(start, value):
    daemon = start(hosts=value)
    assert status(daemon, "evil.example") == status(daemon, "localhost", Origin="http://evil.example") == 200


def test_the_name_of_the_listening_address_is_accepted(start):
    daemon = start(hosts=None, listen="ip6-localhost:0") if "ip6-localhost" in open("/etc/hosts").read() else start(hosts=None, listen="localhost:0")
    assert status(daemon, "ip6-localhost" if ":" in daemon.host else "localhost") == 200


def test_a_malformed_list_of_names_is_refused_at_start(start):
    for value in ["a b", "sower:80", ",", "a,", "any,a/b", "[::1]", "ü"]:
        with pytest.raises(AssertionError, match="ended before"):
            start(hosts=value)


PAGES = [  # headers of a browser, and whether the daemon accepts the request
    ({}, True),
    ({"Origin": "http://localhost:7697"}, True),
    ({"Origin": "https://localhost:7697"}, True),
    ({"Origin": "http://LocalHost:7697", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),  # the user follows a link
    ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, True),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, False),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "http://localhost"}, False),  # another port is another site
    ({"Origin": "http://localhost:7697.evil.example"}, False),
    ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
    ({"Origin": ""}, False),
]


@pytest.mark.parametrize("headers, accepted", PAGES, ids=range(len(PAGES)))
def test_a_page_of_another_site_cannot_write_lines(daemon, headers, accepted):
    name = "page-" + "-".join([*headers.values(), "x"])
    response = daemon.get("/v1/tensor", headers={"Host": "localhost:7697", **headers}, **{**DRAW, "name": name})
    assert response.status == (200 if accepted else 403)
    if not accepted:
        assert response.problem()["param"] == "Origin"
    assert (name in {line.get("name") for line in daemon.ledger()}) == accepted
    post = daemon.post("/v1/experiments/pages/trials", {}, headers={"Host": "localhost:7697", **headers})
    assert (post.status != 403) == accepted


def test_pages_of_listed_names_are_accepted_behind_a_proxy(start):
    daemon = start(hosts="sower.example")
    assert status(daemon, "127.0.0.1:7697", Origin="https://sower.example") == 200
    assert status(daemon, "127.0.0.1:7697", Origin="https://evil.example") == 403


def test_a_unix_socket_accepts_any_host(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()
        pass_socket = ("import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()));"
                     "os.execv(sys.argv[2], sys.argv[2:])")
        daemon = start(hosts=None, listen=None, command=[sys.executable, "-c", pass_socket, str(listening.fileno()), SOWERD], pass_fds=(listening.fileno(),))
        assert daemon.address.startswith("unix:")
        for header, wanted in [("", b"200"), ("Origin: http://evil.example\r\n", b"403")]:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(tmp_path / "socket"))
                client.sendall(f"GET /v1/initializers HTTP/1.1\r\nHost: sower.example\r\n{header}Connection: close\r\n\r\n".encode())
                assert client.recv(1000).split(b" ")[1] == wanted
