"""One daemon for all comparisons, and a client that returns NumPy arrays."""
import http.client
import io
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse

import numpy
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOWERD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "sowerd"
EXPERIMENT = "interop"


class Sower:
    """A running sowerd. Keyword arguments are fields of a request. The default of `name` is the initializer."""

    def __init__(self, state):
        command = [SOWERD, "--listen", "127.0.0.1:0", "--state", state]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            event = json.loads(line)
            if event.get("event") == "ready":
                self.port = int(event["address"].rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError(f"sowerd ended with {self.process.wait()} before it was ready")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        return self.process.wait()

    def ask(self, path, **fields):
        """(status, headers, body) of a GET."""
        if fields:
            fields = {"experiment": EXPERIMENT, "name": fields["init"], **fields}
            fields["shape"] = ",".join(map(str, fields["shape"]))
            path += "?" + urllib.parse.urlencode(fields)
        return self.exchange("GET", path)

    def exchange(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, path, fields):
        status, _, body = self.exchange("POST", path, json.dumps(fields))
        assert status == 200, (path, body)
        return body

    def get(self, path, **fields):
        status, headers, body = self.ask(path, **fields)
        assert status == 200, (path, fields, body)
        return headers, body

    def catalogue(self):
        return json.loads(self.get("/v1/initializers")[1])

    def plan(self, init, shape, **fields):
        return json.loads(self.get("/v1/plan", init=init, shape=shape, **fields)[1])

    def array(self, init, shape, **fields):
        return numpy.load(io.BytesIO(self.get("/v1/tensor", init=init, shape=shape, **fields)[1]), allow_pickle=False)

    def raw(self, init, shape, **fields):
        return self.get("/v1/tensor", init=init, shape=shape, format="raw", **fields)[1]


@pytest.fixture(scope="session")
def sower(tmp_path_factory):
    running = Sower(tmp_path_factory.mktemp("sowerd"))
    yield running
    assert running.stop() == 0
