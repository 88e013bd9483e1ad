"""HTTP caches between a test and a daemon: the real programs with usual configurations."""
import http.client
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from conftest import PATIENCE, Response, with_query
from ports import free_port

PATH = os.environ["PATH"] + ":/usr/sbin"


class Cache:
    """A cache in front of a daemon. A subclass writes the configuration and recognizes responses from the cache."""

    program = None

    def __init__(self, directory, daemon):
        found = shutil.which(self.program, path=PATH)
        if found is None:
            pytest.skip(f"{self.program} is not installed (make deps-ci)")
        self.directory, self.port = pathlib.Path(directory), free_port()
        command, started = self.prepare(found, daemon)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        lines = []
        while not any(started in line for line in lines):
            lines.append(self.process.stdout.readline())
            assert lines[-1], lines
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, path="/v1/tensor", headers=None, **fields):
        return self.request("GET", with_query(path, fields), headers=headers)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)


class Nginx(Cache):
    program = "nginx"
    settings = ""  # in addition to the minimum that makes nginx cache

    def prepare(self, found, daemon):
        own = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        (self.directory / "nginx.conf").write_text(
            f"""daemon off; pid {self.directory}/pid; error_log stderr notice; {'user root;' if os.geteuid() == 0 else ''}
events {{}}
http {{ access_log off; {own} proxy_cache_path {self.directory}/cache keys_zone=tensors:1m;
  server {{ listen 127.0.0.1:{self.port};
    location / {{ proxy_pass http://127.0.0.1:{daemon.port}; proxy_cache tensors; {self.settings}
      add_header X-Cache $upstream_cache_status always; }} }} }}
"""
        )
        return [found, "-p", str(self.directory), "-c", f"{self.directory}/nginx.conf"], "start worker process"  # nginx listens before it writes this line

    def was_kept(self, response):
        return response.headers["X-Cache"] == "HIT"


class EagerNginx(Nginx):
    """Keeps every response for an hour unless a header forbids it: a usual configuration in front of a slow service."""

    settings = "proxy_cache_valid any 1h;"


class Varnish(Cache):
    program = "varnishd"

    def prepare(self, found, daemon):
        (self.directory / "work").mkdir()
        return [found, "-F", "-n", f"{self.directory}/work", "-a", f"127.0.0.1:{self.port}", "-b", f"127.0.0.1:{daemon.port}",
                "-s", "malloc,64M", "-j", "none", "-T", "none"], "Child starts"

    def was_kept(self, response):
        return len(response.headers["X-Varnish"].split()) == 2  # a hit also names the request that filled the cache


CACHES = [Nginx, EagerNginx, Varnish]
