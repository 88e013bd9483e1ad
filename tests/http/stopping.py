"""What tests of a daemon that stops share: a response that takes long, and a stand-in for systemd."""
import socket

from conftest import PATIENCE

LARGE = dict(experiment="exp-42", name="large", shape="40000000", init="normal")


def begin_stream(daemon):
    connection = daemon.connect()
    connection.request("GET", daemon.url("/v1/tensor", **LARGE).split(daemon.address)[1])
    response = connection.getresponse()
    assert response.status == 200
    return connection, response, response.read(1000)


def notifications(path):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.settimeout(PATIENCE)
    receiver.bind(str(path))
    return receiver
