"""The writer that must have signed a head, when one of several daemons on a ledger responds."""
import json

import pytest

import sow_programs as sow


@pytest.fixture
def pair(start, tmp_path):
    """Two daemons on one ledger. Each wrote a line."""
    daemons = [start("--ledger", f"sqlite:{tmp_path}/shared") for _ in range(2)]
    for number, daemon in enumerate(daemons):
        assert daemon.get("/v1/tensor", experiment="e", name=f"w{number}", shape="2", init="normal").status == 200
    return daemons


def save_head(daemon, path):
    """Saves the daemon's head; returns the key that signed it."""
    text = daemon.get("/v1/ledger/head").body
    path.write_bytes(text)
    return json.loads(text)["writer"]


def verify(daemon, *arguments):
    return sow.run(["ledger", "verify", *arguments, "--server", f"http://{daemon.address}"])


def test_the_writer_of_a_saved_head_is_trusted_with_either_daemon(pair, tmp_path):
    writer = save_head(pair[0], tmp_path / "head")
    for daemon in pair:
        done = verify(daemon, "--head", tmp_path / "head", "--writer", writer)
        assert done.returncode == 0 and done.stdout.count(b"matches: ") == 2, done.stderr


def test_every_saved_head_must_be_signed_by_the_given_writer(pair, tmp_path):
    writers = [save_head(daemon, tmp_path / f"head{number}") for number, daemon in enumerate(pair)]
    heads = ["--head", tmp_path / "head0", "--head", tmp_path / "head1"]
    assert verify(pair[0], *heads).returncode == 0
    for writer in writers:
        done = verify(pair[0], *heads, "--writer", writer)
        assert done.returncode == 1 and "not by the writer that --writer names" in done.stderr and "head" in done.stderr


def test_without_a_saved_head_the_daemons_head_must_be_signed_by_the_given_writer(pair, tmp_path):
    writers = [save_head(daemon, tmp_path / "head") for daemon in pair]
    assert verify(pair[0], "--writer", writers[0]).returncode == 0
    done = verify(pair[0], "--writer", writers[1])
    assert done.returncode == 1 and "the daemon's head is signed by" in done.stderr
