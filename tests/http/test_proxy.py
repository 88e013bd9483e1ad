"""A plain HTTP cache in front of the daemon just works: nginx, configured as anybody would."""
import http.client
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from conftest import PATIENCE, Answer, with_query

FIELDS = dict(experiment="proxy", name="w", shape="300,1000", init="he_normal")
NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")


class Proxy:
    """An nginx that caches what it fetches from a daemon."""

    def __init__(self, directory, daemon):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        pathlib.Path(directory, "nginx.conf").write_text(
            f"""daemon off; pid {directory}/pid; error_log stderr notice; {'user root;' if os.geteuid() == 0 else ''}
events {{}}
http {{ access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  proxy_cache_path {directory}/cache keys_zone=tensors:1m;
  server {{ listen 127.0.0.1:{self.port};
    location / {{ proxy_pass http://127.0.0.1:{daemon.port}; proxy_cache tensors; add_header X-Cache $upstream_cache_status always; }} }} }}
"""
        )
        self.process = subprocess.Popen([NGINX, "-p", directory, "-c", f"{directory}/nginx.conf"], stderr=subprocess.PIPE, text=True)
        lines = []
        while not any("start worker process" in line for line in lines):  # it listens before it says so
            lines.append(self.process.stderr.readline())
            assert lines[-1], lines

    def get(self, headers=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", with_query("/v1/tensor", fields), headers=headers or {})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def proxy(daemon, tmp_path):
    started = Proxy(str(tmp_path), daemon)
    yield started
    started.stop()


def test_the_second_request_is_served_from_the_cache_and_is_the_same(daemon, proxy):
    direct = daemon.get("/v1/tensor", **FIELDS)
    first, second = proxy.get(**FIELDS), proxy.get(**FIELDS)
    assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("MISS", "HIT")
    assert first.body == second.body == direct.body
    for name in ("ETag", "Sower-Seed", "Sower-Draw", "Sower-Ledger", "Content-Type"):
        assert second.headers[name] == direct.headers[name]


def test_ranges_and_conditions_are_answered_from_the_cache(proxy):
    whole = proxy.get(**FIELDS)
    part = proxy.get(headers={"Range": "bytes=1000-4999"}, **FIELDS)
    assert (part.status, part.headers["X-Cache"], part.body) == (206, "HIT", whole.body[1000:5000])
    fresh = proxy.get(headers={"If-None-Match": whole.headers["ETag"]}, **FIELDS)
    assert (fresh.status, fresh.headers["X-Cache"]) == (304, "HIT")
    resumed = proxy.get(headers={"Range": "bytes=77-", "If-Range": whole.headers["ETag"]}, **FIELDS)
    assert (resumed.status, resumed.body) == (206, whole.body[77:])


def test_a_refusal_is_not_cached(proxy):
    bad = dict(FIELDS, shape="-1")
    assert [proxy.get(**bad).headers["X-Cache"] for _ in range(2)] == ["MISS", "MISS"]
