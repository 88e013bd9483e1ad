"""A client with a token that floods the daemon with everything that it may do, in turn, gives no error to another client."""

import pytest

from conftest import Daemon
from hostile import FLOODS, Other, flooded, start

SMALL = 2  # a small request takes at most this many seconds under any load; make bench compares with a quiet daemon


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    daemon = start(Daemon, tmp_path_factory.mktemp("hostile"), "--log-level", "warning")
    yield daemon
    assert daemon.stop() == 0


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_one_client_gives_no_error_to_another(attacked, name):
    other = Other(attacked)
    other.seconds("known")
    with flooded(attacked, name):
        times = other.measure(50)
    assert max(times.values()) < SMALL, times


def test_each_flood_is_one_that_the_daemon_would_serve(attacked):
    """So a flood is more than a refusal that costs nothing. The last two are refusals, which a flood may be too."""
    texts = {name: make(attacked.greedy.text, 1).replace(b"17179869184", b"1000") for name, make in FLOODS.items()}
    refused = {name for name, text in texts.items() if status_of(attacked, text) >= 400}
    assert refused == {"unknown tokens", "malformed requests"}


def status_of(daemon, text):
    with daemon.socket() as connection:
        connection.sendall(text)
        return int(connection.recv(100).split()[1])


def test_a_token_of_one_name_is_one_client_from_any_address(attacked):
    """Its heavy work is served in turn with that of another name, although all come from one address."""
    with flooded(attacked, "statistics"):
        response = attacked.get("/v1/tensor", headers=attacked.other.headers, experiment="other", name="q", shape="64,64", init="orthogonal")
    assert response.status == 200
