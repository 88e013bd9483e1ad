"""No unusual or malformed request makes a proxy mix up responses: the next client gets its own response.

nginx, HAProxy and Varnish reuse their connections to the daemon. Bytes that one client's request leaves on a connection would
become part of the next client's request or response.
"""
import json
import os
import socket

import pytest

from caches import Cache, Varnish
from conftest import Daemon
from shapes import CHUNKS, HIDDEN, SHAPES, VALID


class Nginx(Cache):
    program = "nginx"
    settings = ""

    def prepare(self, found, daemon):
        own = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        (self.directory / "nginx.conf").write_text(
            f"""daemon off; pid {self.directory}/pid; error_log stderr notice; {'user root;' if os.geteuid() == 0 else ''}
events {{}}
http {{ access_log off; {own} upstream sower {{ server 127.0.0.1:{daemon.port}; keepalive 1; }}
  server {{ listen 127.0.0.1:{self.port}; {self.settings}
    location / {{ proxy_pass http://sower; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
"""
        )
        return [found, "-p", str(self.directory), "-c", f"{self.directory}/nginx.conf"], "start worker process"


class LenientNginx(Nginx):
    """Forwards invalid headers, and bodies without buffering."""

    settings = "ignore_invalid_headers off; underscores_in_headers on; proxy_request_buffering off; proxy_pass_request_headers on;"


class HAProxy(Cache):
    program = "haproxy"
    settings = ""

    def __init__(self, directory, daemon):
        super().__init__(directory, daemon)
        while True:  # HAProxy prints that it runs before it listens
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None

    def prepare(self, found, daemon):
        (self.directory / "haproxy.cfg").write_text(
            f"""global
  nbthread 1
defaults
  mode http
  timeout connect 30s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend front
  bind 127.0.0.1:{self.port}
  {self.settings}
  default_backend sower
backend sower
  server daemon 127.0.0.1:{daemon.port} pool-max-conn 1
"""
        )
        return [found, "-d", "-f", f"{self.directory}/haproxy.cfg"], "Using epoll"


class LenientHAProxy(HAProxy):
    settings = "option accept-invalid-http-request"


class PlainVarnish(Varnish):
    """The cache has no effect here: no test requests the same target twice."""


def send(proxy, request):
    """Sends the request and waits up to 0.2 s for a response. After some requests the proxy waits for more bytes."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
        connection.settimeout(0.2)
        try:
            connection.sendall(request)
            connection.recv(65536)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass


def upstream_ports(daemon):
    """The remote addresses of the daemon's connections."""
    ports = set()
    for line in open("/proc/net/tcp").readlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if state == "01" and int(local.split(":")[1], 16) == daemon.port:
            ports.add(remote)
    return ports


def assert_own_response(proxy, number, after):
    response = proxy.get(f"/innocent-{number}")
    assert response.status == 404 and f"/innocent-{number};" in response.problem()["detail"], (after, response.status, response.body[:200])


@pytest.mark.parametrize("kind", [Nginx, LenientNginx, HAProxy, LenientHAProxy, PlainVarnish], ids=lambda kind: kind.__name__)
def test_no_shape_makes_a_proxy_mix_up_responses(library, kind, tmp_path):
    daemon = Daemon(tmp_path / "state", "--hosts", "any", environment=library)
    proxy = kind(tmp_path, daemon)
    try:
        assert_own_response(proxy, 0, "nothing")
        ports = upstream_ports(daemon)
        assert_own_response(proxy, 1, "nothing")
        assert ports == upstream_ports(daemon) and len(ports) == 1  # the same connection served both
        shapes = {**SHAPES, **HIDDEN, **CHUNKS, **{name: request for name, (request, _) in VALID.items()}}
        for number, (name, request) in enumerate(shapes.items(), 2):
            send(proxy, request)
            assert_own_response(proxy, number, name)
    finally:
        proxy.stop()
        assert daemon.stop() == 0
    paths = [line["path"] for line in map(json.loads, daemon.rest_of_log()) if line["event"] == "request"]
    passed = [path for path in paths if not path.startswith("/innocent-")]
    print(f"{kind.__name__}, libmicrohttpd {daemon.library}: {len(shapes)} shapes, {len(passed)} requests of them reached the daemon")
    assert len(passed) >= 40
