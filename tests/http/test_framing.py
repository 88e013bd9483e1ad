"""A request that a proxy could read differently is refused; an unusual valid request is accepted.

Tests each version of libmicrohttpd over raw sockets. test_framing_proxies.py tests proxies.
"""
import json

import pytest

from shapes import CHUNKS, FOLLOWING, HIDDEN, REFUSALS, SHAPES, VALID, exchange, statuses_of


@pytest.fixture(scope="module")
def framed(library, tmp_path_factory):
    from conftest import Daemon

    daemon = Daemon(tmp_path_factory.mktemp("framing") / "state", "--hosts", "any", environment=library)
    yield daemon
    assert daemon.stop() == 0, daemon.rest_of_log()


def drawn(daemon):
    return {line["name"] for line in daemon.ledger() if "name" in line}


def test_an_ambiguous_request_is_refused_and_gets_one_response(framed):
    wrong, closed = {}, 0
    shapes = SHAPES if framed.library == "0.9.75" else {**SHAPES, **HIDDEN}
    for name, request in shapes.items():
        statuses = statuses_of(exchange(framed, request + FOLLOWING))
        closed += not statuses
        if len(statuses) > 1 or not set(statuses) <= REFUSALS:
            wrong[name] = statuses
    print(f"libmicrohttpd {framed.library}: of {len(shapes)} shapes {len(shapes) - closed - len(wrong)} refused, {closed} closed without a response, "
          f"{len(wrong)} got another response: {wrong}")
    assert not wrong and len(shapes) >= 97
    assert not drawn(framed) & {"-", "smuggled", *shapes}


def test_no_response_follows_malformed_chunks(framed):
    """The daemon cannot see the framing of chunks, so it always closes the connection."""
    wrong = {}
    for name, request in CHUNKS.items():
        statuses = statuses_of(exchange(framed, request + FOLLOWING))
        if [status for status in statuses if status != b"<open>"][1:] or 404 in statuses:
            wrong[name] = statuses
    print(f"libmicrohttpd {framed.library}: {len(CHUNKS)} shapes of chunks, {len(wrong)} followed by another response: {wrong}")
    assert not wrong
    assert "smuggled" not in drawn(framed)


def test_an_unusual_valid_request_gets_one_normal_response(framed):
    wrong = {}
    for name, (request, status) in VALID.items():
        ends = b"Transfer-Encoding" in request or b"HTTP/1.0" in request
        statuses = statuses_of(exchange(framed, request + FOLLOWING))
        if statuses != ([status] if ends else [status, 404]):
            wrong[name] = statuses
    print(f"libmicrohttpd {framed.library}: of {len(VALID)} valid requests {len(wrong)} got another response: {wrong}")
    assert not wrong
    assert {name for name in VALID if name in ("plain", "absolute", "chunks", "escaped-path")} <= drawn(framed)


@pytest.mark.parametrize("library", ["bookworm"], indirect=True)  # other versions refuse most of these requests themselves
@pytest.mark.parametrize("request_, field, words", [
    (SHAPES["length-two"], "Content-Length", "more than once"), (SHAPES["coding-two"], "Transfer-Encoding", "more than once"),
    (SHAPES["coding='cow'"], "Transfer-Encoding", "chunked"), (SHAPES["host-two"], "Host", "more than once"), (SHAPES["host='a b'"], "Host", "HOST:PORT"),
    (SHAPES["name-40-inside"], "", "name is malformed"), (SHAPES["value-01-inside"], "X", "header X has a control byte"),
    (SHAPES["target='/v1/tensor%zz'"], "", "percent sign"), (SHAPES["target='/a#b'"], "", "a URL may not have"), (SHAPES["target='sower:80'"], "", "not a path"),
    (SHAPES["target='http://sower:x/'"], "", "host in the request's target"), (SHAPES["method='\"GET\"'"], "", "method is malformed"),
])
def test_a_refusal_describes_the_error_and_closes_the_connection(framed, request_, field, words):
    head, body = exchange(framed, request_ + FOLLOWING).split(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == 400 and problem.get("param", "") == field and words in problem["detail"]
    assert b"\r\nConnection: close" in head and b"\r\nCache-Control: no-store" in head
