"""nginx and HAProxy reach the daemon over TLS with a client certificate, and over a Unix socket."""
import os
import socket

import pytest

from caches import Cache
from certificates import Authority, TlsDaemon

DRAW = dict(experiment="proxies", name="w", shape="100000", init="normal")


class Nginx(Cache):
    program = "nginx"

    def prepare(self, found, daemon):
        own = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        (self.directory / "nginx.conf").write_text(
            f"""daemon off; pid {self.directory}/pid; error_log stderr notice; {'user root;' if os.geteuid() == 0 else ''}
events {{}}
http {{ access_log off; {own}
  upstream tls {{ server 127.0.0.1:{daemon.port}; keepalive 2; }}
  upstream local {{ server unix:{daemon.path}; keepalive 2; }}
  server {{ listen 127.0.0.1:{self.port}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host sower;
    location /local/ {{ proxy_pass http://local/; }}
    location /tls/ {{ proxy_pass https://tls/; proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate {daemon.trusted};
      proxy_ssl_certificate {daemon.client.certificate}; proxy_ssl_certificate_key {daemon.client.key}; }} }} }}
"""
        )
        return [found, "-p", str(self.directory), "-c", f"{self.directory}/nginx.conf"], "start worker process"


class HAProxy(Cache):
    program = "haproxy"

    def __init__(self, directory, daemon):
        super().__init__(directory, daemon)
        while True:  # HAProxy prints that it runs before it listens
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None

    def prepare(self, found, daemon):
        both = self.directory / "client.pem"
        both.write_bytes(daemon.client.certificate.read_bytes() + daemon.client.key.read_bytes())
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
  use_backend tls if {{ path_beg /tls/ }}
  default_backend local
backend tls
  http-request replace-path /tls/(.*) /\\1
  server daemon 127.0.0.1:{daemon.port} ssl verify required verifyhost localhost ca-file {daemon.trusted} crt {both}
backend local
  http-request replace-path /local/(.*) /\\1
  server daemon unix@{daemon.path}
"""
        )
        return [found, "-d", "-f", f"{self.directory}/haproxy.cfg"], "Using epoll"


@pytest.mark.parametrize("kind", [Nginx, HAProxy], ids=lambda kind: kind.__name__)
def test_a_proxy_reaches_the_daemon_over_tls_and_over_a_unix_socket(library, kind, tmp_path):
    authority = Authority(tmp_path)
    client, path = authority.issue("client"), tmp_path / "socket"
    daemon = TlsDaemon(tmp_path / "state", authority.context(client), *authority.issue("server").options(), "--tls-client-ca", str(authority.certificate),
                       "--listen", f"unix:{path}", environment=library)
    daemon.client, daemon.path, daemon.trusted = client, path, authority.certificate
    direct = daemon.get("/v1/tensor", **DRAW)
    proxy = kind(tmp_path, daemon)
    try:
        for way in ("tls", "local", "tls", "local"):
            response = proxy.get(f"/{way}/v1/tensor", **DRAW)
            assert response.status == 200 and response.body == direct.body, (way, response.status, response.body[:200])
            assert proxy.get(f"/{way}/nothing").status == 404
            assert proxy.request("POST", f"/{way}/v1/plan", body="{").problem()["status"] == 400
    finally:
        proxy.stop()
        assert daemon.stop() == 0
