"""Text of a server never controls the terminal, in the output of any command."""
import json

import pytest

from sow_programs import DRAW, PATIENCE, SEED, TENSOR, StandIn, Terminal, page, problem, send_headers, start

# C0, DEL, C1, and characters that change the direction of a line.
UNSAFE = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x2070)]
HOSTILE = "".join(chr(point) for point in UNSAFE if point) + "\x1b]0;owned\x07\x9b2J"
SHOWN = "owned"  # the visible part: proves that the text was printed
LINE = {"ledger": 1, "time": "2026-01-31T12:00:00.250Z", "kind": "draw", "draw": DRAW, "seed": SEED, "root": SEED, "spec": 1,
        "experiment": HOSTILE, "trial": 3, "name": HOSTILE, "shape": [4], "dtype": HOSTILE, "init": HOSTILE, "layout": "oi",
        "writer": SEED, "sequence": 1, "link": SEED}
EXPERIMENT = {"experiment": HOSTILE, "root": HOSTILE, "draws": 1, "trials": 1, "first": HOSTILE, "last": HOSTILE, "pinned": False}


def on_terminal(response, *arguments):
    """What a terminal shows when the server responds like this."""
    terminal = Terminal(400)
    with StandIn(response) as stand_in:
        sow = start([*arguments, "--server", stand_in.address], stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave)
        terminal.leave_to_program()
        text = terminal.read_all()
        assert sow.wait(PATIENCE) in (0, 1, 2, 3)
    return text.replace("\r\n", "\n")


def assert_safe(text):
    found = [hex(ord(character)) for character in text if ord(character) in UNSAFE and character != "\n"]
    assert found == [], (found, text)
    assert "\ufffd" not in text, "bytes that are not UTF-8 reached the terminal"


COMMANDS = [
    ["get", *TENSOR, "-q", "-o", "{tmp}/w"], ["model", "-e", "e", "-m", "{tmp}/m.json", "-q", "-o", "{tmp}/w"], ["plan", *TENSOR],
    ["stats", *TENSOR], ["stats", "-e", "e", "-m", "{tmp}/m.json"], ["trial", "new", "-e", "e"], ["pin", "e"], ["pin", "--remove", "e"],
    ["ledger"], ["ledger", "--json"], ["ledger", "head"], ["ledger", "verify"], ["experiments"], ["experiments", "e"],
]


def placed(arguments, directory):
    (directory / "m.json").write_text(json.dumps({"tensors": [{"name": "w", "shape": [2], "init": "ones"}]}))
    return [argument.replace("{tmp}", str(directory)) for argument in arguments]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("param", [None, HOSTILE, "shape"])
def test_a_refusal_is_shown_without_control_characters(tmp_path, arguments, param):
    text = on_terminal(problem(400, f"No, {HOSTILE} it is.", param), *placed(arguments, tmp_path))
    assert SHOWN in text
    assert_safe(text)


@pytest.mark.parametrize("arguments, shown", [([], True), (["--json"], True)])
def test_ledger_lines_are_shown_without_control_characters(arguments, shown):
    for raw in (False, True):  # as JSON escapes, and as raw characters
        line = json.dumps(LINE, ensure_ascii=not raw)
        text = on_terminal(page(200, line + "\n", "application/x-ndjson"), "ledger", *arguments)
        assert (SHOWN in text) is shown
        assert_safe(text)


def test_json_on_a_terminal_has_the_same_value():
    text = on_terminal(page(200, json.dumps(LINE, ensure_ascii=False) + "\n", "application/x-ndjson"), "ledger", "--json")
    assert json.loads(text) == LINE


@pytest.mark.parametrize("arguments", [[], ["--json"], ["e"], ["e", "--json"]])
def test_experiments_are_shown_without_control_characters(arguments):
    one = {**EXPERIMENT, "experiment": "e", HOSTILE: HOSTILE, "drawn": [], "next": None}
    response = one if "e" in arguments else {"experiments": [EXPERIMENT], "next": None}
    text = on_terminal(page(200, json.dumps(response), "application/json"), "experiments", *arguments)
    assert SHOWN in text
    assert_safe(text)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_no_json_response_controls_the_terminal(tmp_path, arguments):
    """Every member that a command may print is hostile."""
    names = ["experiment", "seed", "draw", "root", "name", "dtype", "init", "layout", "format", "digest", "manifest", "writer", "time"]
    response = {**dict.fromkeys(names, HOSTILE), "trial": 0, "count": 1, "pinned": True, "ledger": 1, "experiments": [EXPERIMENT],
              "next": HOSTILE, "drawn": [EXPERIMENT], HOSTILE: HOSTILE, "tensors": [dict.fromkeys(names, HOSTILE)]}
    for more in ([], ["--json"]):
        if not more or arguments[0] not in ("get", "model") and "verify" not in arguments and "--json" not in arguments:
            assert_safe(on_terminal(page(200, json.dumps(response, ensure_ascii=False), "application/json"), *placed(arguments, tmp_path), *more))


def test_headers_and_pages_do_not_control_the_terminal(tmp_path):
    def response(handler, _):
        hostile = "\x9b2J\x1b[2Jowned"
        send_headers(handler, 418, {"Content-Type": "text/html " + hostile, "Sower-Seed": hostile, "Content-Length": "60"})
        handler.wfile.write(f"<title>{HOSTILE}</title>".encode()[:60])

    for arguments in COMMANDS:
        assert_safe(on_terminal(response, *placed(arguments, tmp_path)))


def test_bytes_that_are_not_utf8_are_replaced(tmp_path):
    def response(handler, _):
        send_headers(handler, 200, {"Content-Type": "application/x-npy", "Content-Length": "4", "Sower-Seed": "x\x9b\xff2J",
                                 "Sower-Draw": "\xc0\x9b2J", "Sower-Ledger": "\xe2\x80\xae"})
        handler.wfile.write(b"abcd")

    assert_safe(on_terminal(response, *placed(["get", *TENSOR, "-v", "-o", "{tmp}/w"], tmp_path)))
