"""The output of sow: a progress bar on a terminal and none in a pipe, tables that fit, safe text."""
import json
import os
import re
import signal

from sow_programs import DRAW, NO_RETRY, PATIENCE, SEED, StandIn, Terminal, environment, page, problem, raw, run, send_headers, \
    slow_tensor, start, tensor, tensor_headers

HALF = bytes(1 << 20)
WIPE = "\r\x1b[K"


def bar_shown(arguments, env=None, columns=100):
    """Everything that a terminal shows while half of a tensor has been received, and then the rest."""
    terminal = Terminal(columns)
    with StandIn(slow_tensor(HALF, HALF)) as stand_in:
        sow = start(["get", *raw(2 * len(HALF)), "--server", stand_in.address, *arguments], env, stderr=terminal.slave)
        terminal.leave_to_program()
        terminal.read_until(" 50%")
        stand_in.released.set()
        text = terminal.read_all()
        assert sow.wait(PATIENCE) == 0
    return text


def test_the_bar_shows_percent_bytes_rate_and_time_left(tmp_path):
    text = bar_shown(["-o", tmp_path / "w.npy"])
    assert re.search(r" 50%  1\.0 MiB of 2\.0 MiB  \d+\.?\d* [KMG]?i?B/s  (\d+:\d\d|-:--) left", text)
    assert "━" in text and "\x1b[32m" in text


def test_the_bar_is_wiped_and_one_line_is_the_summary(tmp_path):
    text = bar_shown(["-o", tmp_path / "w.npy"])
    last = text[text.rindex(WIPE) + len(WIPE):]
    assert re.fullmatch(r"2\.0 MiB in \d+\.\d\d s, \S+ \S+/s  seed 5b8208dae656…  draw [0-9a-f]{12}…  ledger line 17  "
                        r"http://127\.0\.0\.1:\d+\r\n",
                        last)


def test_the_bar_fits_the_width_of_the_terminal(tmp_path):
    text = bar_shown(["-o", tmp_path / "w.npy"], columns=50)
    bar = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).split("\r")[1]
    assert "left" in bar and len(bar) < 50


def test_no_color_removes_the_colours_of_the_bar(tmp_path):
    text = bar_shown(["-o", tmp_path / "w.npy"], environment(NO_COLOR="1"))
    assert " 50%" in text and not re.search(r"\x1b\[[0-9;]*m", text)


def test_a_locale_without_utf8_gets_an_ascii_bar(tmp_path):
    text = bar_shown(["-o", tmp_path / "w.npy"], environment(LC_ALL="C"))
    assert "###" in text and "━" not in text


def test_quiet_shows_nothing_on_a_terminal(tmp_path):
    terminal = Terminal()
    with StandIn(tensor(HALF)) as stand_in:
        sow = start(["get", *raw(len(HALF)), "--server", stand_in.address, "-q", "-o", tmp_path / "w.npy"],
                    stderr=terminal.slave)
        terminal.leave_to_program()
        assert terminal.read_all() == "" and sow.wait(PATIENCE) == 0


def test_a_terminal_that_cannot_move_its_cursor_gets_only_the_summary(tmp_path):
    terminal = Terminal()
    with StandIn(tensor(HALF)) as stand_in:
        sow = start(["get", *raw(len(HALF)), "--server", stand_in.address, "-o", tmp_path / "w.npy"],
                    environment(TERM="dumb"), stderr=terminal.slave)
        terminal.leave_to_program()
        text = terminal.read_all()
        assert sow.wait(PATIENCE) == 0
    assert text.startswith("1.0 MiB in ") and "\x1b" not in text


def test_progress_can_be_requested_in_a_pipe(tmp_path):
    with StandIn(tensor(HALF)) as stand_in:
        done = run(["get", *raw(len(HALF)), "--server", stand_in.address, "--progress", "-o", tmp_path / "w.npy"])
    assert done.returncode == 0 and "\x1b" not in done.stderr and "\r" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("100%  1.0 MiB of 1.0 MiB")


def test_an_error_is_on_its_own_line_after_the_bar(tmp_path):
    def cut(handler, stand_in):
        send_headers(handler, 200, tensor_headers(2 * len(HALF)))
        handler.wfile.write(HALF)
        assert stand_in.released.wait(PATIENCE)

    terminal = Terminal()
    with StandIn(cut) as stand_in:
        sow = start(["get", *raw(2 * len(HALF)), *NO_RETRY, "--server", stand_in.address, "-o", tmp_path / "w.npy"], stderr=terminal.slave)
        terminal.leave_to_program()
        terminal.read_until(" 50%")
        stand_in.released.set()
        text = terminal.read_all()
        assert sow.wait(PATIENCE) == 3
    assert text[text.rindex(WIPE) + len(WIPE):].startswith("sow get: the connection to ")


def test_a_signal_wipes_the_bar(tmp_path):
    terminal = Terminal()
    with StandIn(slow_tensor(HALF, HALF)) as stand_in:
        sow = start(["get", *raw(2 * len(HALF)), "--server", stand_in.address, "-o", tmp_path / "w.npy"], stderr=terminal.slave)
        terminal.leave_to_program()
        terminal.read_until(" 50%")
        sow.send_signal(signal.SIGINT)
        assert terminal.read_all().endswith(WIPE) and sow.wait(PATIENCE) == -signal.SIGINT
    assert os.listdir(tmp_path) == []


def test_a_tensor_is_not_written_to_a_terminal():
    terminal = Terminal()
    with StandIn(tensor(HALF)) as stand_in:
        sow = start(["get", *raw(len(HALF)), "--server", stand_in.address], stdout=terminal.slave, stderr=terminal.slave)
        terminal.leave_to_program()
        text = terminal.read_all()
        assert sow.wait(PATIENCE) == 2
    assert "-o FILE" in text and stand_in.requests == []


# The ledger

LINE = {"ledger": 7, "time": "2026-01-31T12:00:00.250Z", "draw": DRAW, "seed": SEED, "root": SEED, "spec": 1,
        "experiment": "exp-42", "trial": 3, "name": "layers.0.weight", "shape": [4096, 1024], "dtype": "f32",
        "init": "he_normal", "layout": "oi"}


def ledger(*lines):
    return page(200, "".join(json.dumps(line) + "\n" for line in lines), "application/x-ndjson")


def ledger_on_terminal(response, *arguments, columns=120):
    terminal = Terminal(columns)
    with StandIn(response) as stand_in:
        sow = start(["ledger", "--server", stand_in.address, *arguments], stdout=terminal.slave, stderr=terminal.slave)
        terminal.leave_to_program()
        text = terminal.read_all()
        return sow.wait(PATIENCE), text.replace("\r\n", "\n")


def test_a_terminal_gets_the_ledger_as_a_table():
    code, text = ledger_on_terminal(ledger(LINE, {**LINE, "ledger": 8, "shape": []}))
    head, first, second = text.splitlines()
    assert code == 0
    assert head.split() == ["LINE", "TIME", "(UTC)", "EXPERIMENT", "TRIAL", "NAME", "SHAPE", "DTYPE", "INIT", "DRIFT"]
    assert first.split() == ["7", "2026-01-31", "12:00:00", "exp-42", "3", "layers.0.weight", "4096×1024", "f32",
                             "he_normal"]
    assert second.split()[0] == "8" and "×" not in second


def test_the_table_names_other_kinds_and_the_line_that_a_draw_drifts_from():
    other = {"time": LINE["time"], "root": SEED, "experiment": "exp-42"}
    code, text = ledger_on_terminal(ledger({**LINE, "kind": "draw", "drift": 4},
                                           {"ledger": 8, "kind": "trials", "trial": 5, "count": 2, **other},
                                           {"ledger": 9, "kind": "trials", "trial": 7, "count": 1, "key": "k", **other},
                                           {"ledger": 10, "kind": "pin", **other}, {"ledger": 11, "kind": "unpin", **other}))
    drifts, two, one, pin, unpin = text.splitlines()[1:]
    assert code == 0 and drifts.split()[-2:] == ["he_normal", "4"]
    assert two.split()[3:] == ["exp-42", "5", "(2", "trials)"] and one.split()[4:] == ["7", "(1", "trial)"]
    assert pin.split()[3:] == ["exp-42", "(pinned)"] and unpin.split()[3:] == ["exp-42", "(unpinned)"]


def test_the_table_fits_the_terminal_and_names_cannot_control_it():
    name = "\x1b[31m\n" + "長" * 100
    code, text = ledger_on_terminal(ledger({**LINE, "name": name, "init": "i" * 500, "experiment": "e" * 256}))
    head, row = text.splitlines()
    wide = sum(2 if character == "長" else 1 for character in row)
    assert code == 0 and "\x1b" not in row and "?[31m?" in row and "…" in row
    assert wide <= 120 and wide == len(head)


def test_a_pipe_gets_the_ledger_unchanged():
    text = json.dumps(LINE) + "\n"
    with StandIn(ledger(LINE)) as stand_in:
        done = run(["ledger", "--server", stand_in.address, "--experiment", "exp-42", "--after", "6", "--limit", "1"])
    assert done.returncode == 0 and done.stdout.decode() == text
    assert stand_in.requests == [("GET", "/v1/ledger", {"experiment": "exp-42", "after": "6", "limit": "1"}, b"")]


def test_json_is_printed_on_a_terminal_too():
    code, text = ledger_on_terminal(ledger(LINE), "--json")
    assert code == 0 and json.loads(text) == LINE


def test_a_response_that_is_not_a_ledger_is_refused():
    for response in (page(200, "<html>", "text/html"), page(200, "hello\n", "application/x-ndjson"),
                   page(200, "x" * 100000, "application/x-ndjson")):
        code, text = ledger_on_terminal(response)
        assert code == 3 and "this is not a sowerd" in text


def test_a_refused_ledger_request_is_reported():
    code, text = ledger_on_terminal(problem(400, "after is not a number.", "after"))
    assert code == 1 and text.startswith("sow ledger: refused: after is not a number.")


def test_an_incomplete_ledger_is_not_a_success():
    def broken(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-ndjson")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        line = json.dumps(LINE).encode() + b"\n"
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    with StandIn(broken) as stand_in:
        done = run(["ledger", "--server", stand_in.address])
    assert done.returncode == 3 and json.loads(done.stdout) == LINE and "broke" in done.stderr
