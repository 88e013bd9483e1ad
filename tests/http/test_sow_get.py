"""sow get: the final name gets all bytes or stays unchanged, and the exit status is right."""
import os
import signal
import socket
import stat
import subprocess

import pytest

from sow_programs import NO_RETRY, PATIENCE, SEED, TENSOR, StandIn, Watch, environment, page, plan_of, problem, raw, \
    run, send_headers, slow_tensor, start, tensor, tensor_headers

BODY = bytes(range(256)) * 4096  # 1 MiB


def get(stand_in, *arguments, env=None, size=len(BODY)):
    return run(["get", *raw(size), "--server", stand_in.address, *NO_RETRY, *arguments], env)


def test_the_file_has_the_body_and_no_other_file_is_left(tmp_path):
    with StandIn(tensor(BODY)) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.npy")
    assert done.returncode == 0 and done.stderr == ""
    assert (tmp_path / "w.npy").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["w.npy"]


def test_the_file_has_the_mode_of_any_new_file(tmp_path):
    with StandIn(tensor(BODY)) as stand_in:
        get(stand_in, "-o", tmp_path / "w.npy")
    (tmp_path / "plain").touch()
    assert (tmp_path / "w.npy").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("output", [[], ["-o", "-"]])
def test_a_pipe_gets_the_body(output):
    with StandIn(tensor(BODY)) as stand_in:
        done = get(stand_in, *output)
    assert done.returncode == 0 and done.stdout == BODY and done.stderr == ""


def test_an_empty_body_is_an_empty_file(tmp_path):
    with StandIn(tensor(b"")) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.raw", size=0)
    assert done.returncode == 0 and (tmp_path / "w.raw").read_bytes() == b""


def test_verbose_prints_seed_draw_and_ledger_line_in_a_pipe(tmp_path):
    with StandIn(tensor(BODY)) as stand_in:
        done = get(stand_in, "--verbose", "-o", tmp_path / "w.npy")
    assert f"seed    {SEED}\n" in done.stderr and f"draw    {plan_of(*raw(len(BODY)))['draw']}\n" in done.stderr
    assert "ledger  17\n" in done.stderr and f"server  {stand_in.address}\n" in done.stderr and "root    public\n" in done.stderr


def test_a_request_is_a_get_with_an_escaped_query(tmp_path):
    arguments = ["--experiment", "a b&c=d", "--name", "größe/+%", "--shape", "8,4", "--init", "normal(std=0.02)", "--in-axis", "-1",
                 "--fan-out", "3", "--slice", "-3:,:", "--trial", "7", "--format", "raw"]
    with StandIn(tensor(bytes(48), arguments)) as stand_in:
        done = run(["get", *arguments, "--server", stand_in.address, "-o", tmp_path / "w"])
    assert done.returncode == 0, done.stderr
    assert stand_in.requests == [("GET", "/v1/tensor", {
        "experiment": "a b&c=d", "name": "größe/+%", "shape": "8,4", "init": "normal(std=0.02)", "in_axis": "-1",
        "fan_out": "3", "slice": "-3:,:", "trial": "7", "format": "raw"}, b"")]


# Faults during a transfer


def cut(handler, _):
    send_headers(handler, 200, tensor_headers(len(BODY)))
    handler.wfile.write(BODY[:1000])


def without_length(handler, _):
    head = tensor_headers(len(BODY))
    del head["Content-Length"]
    send_headers(handler, 200, {**head, "Connection": "close"})
    handler.wfile.write(BODY)


def without_seed(handler, _):
    head = tensor_headers(len(BODY))
    del head["Sower-Seed"]
    send_headers(handler, 200, head)
    handler.wfile.write(BODY)


def hang_up(handler, _):
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("fault, words", [
    (cut, "broke after 1000 of 1048576 bytes"),
    (without_length, "Content-Length"),
    (without_seed, "it has no Sower-Seed"),
    (hang_up, "broke"),
    (page(502, "<html>bad gateway</html>", "text/html"), "not a sowerd"),
    (page(404, "{}", "application/problem+json"), "not a sowerd"),
])
def test_an_incomplete_response_leaves_no_file(tmp_path, fault, words):
    with StandIn(fault) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.npy")
    assert done.returncode == 3 and words in done.stderr and stand_in.address in done.stderr
    assert os.listdir(tmp_path) == []


def test_an_existing_file_stays_when_the_transfer_breaks(tmp_path):
    (tmp_path / "w.npy").write_bytes(b"precious")
    with StandIn(cut) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.npy")
    assert done.returncode == 3
    assert (tmp_path / "w.npy").read_bytes() == b"precious" and os.listdir(tmp_path) == ["w.npy"]


def test_a_refusal_names_the_field_and_says_what_to_do(tmp_path):
    with StandIn(problem(400, "A size must be positive.", "shape")) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.npy")
    assert done.returncode == 1 and os.listdir(tmp_path) == []
    assert done.stderr.splitlines() == ["sow get: refused: shape: A size must be positive.",
                                        "Change --shape and try again; nothing was recorded."]


def test_a_refused_initializer_points_to_the_catalogue():
    with StandIn(problem(400, "There is no initializer.", "init")) as stand_in:
        done = get(stand_in)
    assert done.returncode == 1 and "sow initializers" in done.stderr and done.stdout == b""


def test_a_refusal_cannot_control_the_terminal():
    with StandIn(problem(400, "Bad\x1b[2J\x9b2J\nname.", "name")) as stand_in:
        done = get(stand_in)
    assert "refused: name: Bad?[2J?2J?name." in done.stderr


def test_an_unavailable_daemon_is_not_a_refusal(tmp_path):
    with StandIn(problem(503, "The ledger cannot be written.")) as stand_in:
        done = get(stand_in, "-o", tmp_path / "w.npy")
    assert done.returncode == 3 and os.listdir(tmp_path) == []
    assert "cannot do it now (status 503): The ledger cannot be written." in done.stderr


def closed_port():
    """A closed port, reserved so that no other program can listen on it."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, holder.getsockname()[1]


def test_without_a_daemon_the_message_has_the_address_and_how_to_start_one(tmp_path):
    holder, port = closed_port()
    with holder:
        done = run(["get", *TENSOR, "--server", f"http://user:secret@127.0.0.1:{port}", *NO_RETRY,
                    "-o", tmp_path / "w.npy"])
    assert done.returncode == 3 and os.listdir(tmp_path) == []
    assert f"http://127.0.0.1:{port}" in done.stderr and "Start one with 'sowerd'" in done.stderr
    assert "secret" not in done.stderr


def test_an_invalid_address_is_a_usage_error():
    assert run(["get", *TENSOR, "--server", "http://[oops"]).returncode == 2
    assert run(["get", *TENSOR, "--server", "ftp://127.0.0.1/"]).returncode != 0


# Where the daemon is


def test_the_environment_names_the_daemon_and_the_option_takes_precedence():
    with StandIn(tensor(b"x")) as chosen, StandIn(tensor(b"y")) as other:
        assert run(["get", *raw(1)], environment(SOW_SERVER=other.address)).stdout == b"y"
        assert get(chosen, env=environment(SOW_SERVER=other.address), size=1).stdout == b"x"


def test_the_address_may_have_a_path_and_no_scheme():
    with StandIn(tensor(b"x")) as stand_in:
        assert run(["get", *raw(1), "--server", stand_in.address + "/sower/"]).stdout == b"x"
        assert run(["get", *raw(1), "--server", stand_in.address[len("http://"):]]).stdout == b"x"
    assert [path for _, path, _, _ in stand_in.requests] == ["/sower/v1/tensor", "/v1/tensor"]


def test_loopback_is_never_reached_through_a_proxy():
    holder, port = closed_port()
    with holder, StandIn(tensor(b"x")) as stand_in:
        proxy = environment(http_proxy=f"http://127.0.0.1:{port}", no_proxy="example.org")
        assert get(stand_in, env=proxy, size=1).stdout == b"x"


# The output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_removes_the_partial_file_and_ends_the_program(tmp_path, number):
    watch = Watch(tmp_path)
    with StandIn(slow_tensor(BODY, BODY)) as stand_in:
        sow = start(["get", *raw(2 * len(BODY)), "--server", stand_in.address, "-o", tmp_path / "w.npy"])
        assert watch.wait_for_write(".part").startswith("w.npy.")
        sow.send_signal(number)
        assert sow.wait(PATIENCE) == -number
    watch.close()
    assert os.listdir(tmp_path) == []


def test_an_output_that_cannot_be_created_is_reported_before_any_request(tmp_path):
    with StandIn(tensor(BODY)) as stand_in:
        done = get(stand_in, "-o", tmp_path / "nowhere" / "w.npy")
        assert get(stand_in, "-o", tmp_path).returncode == 2
    assert done.returncode == 2 and "nowhere" in done.stderr
    assert stand_in.requests == []


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.npy").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real/w.npy")
    with StandIn(tensor(BODY)) as stand_in:
        assert get(stand_in, "-o", tmp_path / "link").returncode == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "w.npy").read_bytes() == BODY


def test_a_dangling_link_creates_its_target(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "middle").symlink_to("real/w.npy")
    (tmp_path / "link").symlink_to(tmp_path / "middle")
    with StandIn(tensor(BODY)) as stand_in:
        assert get(stand_in, "-o", tmp_path / "link").returncode == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "w.npy").read_bytes() == BODY


def test_a_cycle_of_links_is_a_usage_error(tmp_path):
    (tmp_path / "link").symlink_to("link")
    done = run(["get", *TENSOR, "--server", "http://127.0.0.1:1", "-o", tmp_path / "link"])
    assert done.returncode == 2 and "Too many levels of symbolic links" in done.stderr


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_a_replaced_file_passes_on_its_mode(tmp_path, mode):
    (tmp_path / "w.npy").write_bytes(b"old")
    (tmp_path / "w.npy").chmod(mode)
    with StandIn(tensor(BODY)) as stand_in:
        assert get(stand_in, "-o", tmp_path / "w.npy").returncode == 0
    assert (tmp_path / "w.npy").read_bytes() == BODY and stat.S_IMODE((tmp_path / "w.npy").stat().st_mode) == mode


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another owner")
def test_a_replaced_file_passes_on_its_owner(tmp_path):
    (tmp_path / "w.npy").write_bytes(b"old")
    os.chown(tmp_path / "w.npy", 1234, 4321)
    with StandIn(tensor(BODY)) as stand_in:
        assert get(stand_in, "-o", tmp_path / "w.npy").returncode == 0
    status = (tmp_path / "w.npy").stat()
    assert (status.st_uid, status.st_gid) == (1234, 4321)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_name_is_written_to_and_not_replaced(tmp_path, name):
    (tmp_path / "all").write_bytes(b"before ")
    with StandIn(tensor(BODY)) as stand_in, open(tmp_path / "all", "ab") as file:
        sow = start(["get", *raw(len(BODY)), "--server", stand_in.address, "-o", name], stdout=file)
        assert sow.wait(PATIENCE) == 0
    assert (tmp_path / "all").read_bytes() == b"before " + BODY and os.listdir(tmp_path) == ["all"]


def test_a_named_pipe_is_written_to_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with StandIn(tensor(BODY)) as stand_in:
        sow = start(["get", *raw(len(BODY)), "--server", stand_in.address, "-o", tmp_path / "pipe"])
        assert (tmp_path / "pipe").read_bytes() == BODY
        assert sow.wait(PATIENCE) == 0
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_full_disk_is_reported():
    with StandIn(tensor(BODY)) as stand_in:
        done = get(stand_in, "-o", "/dev/full")
    assert done.returncode == 3 and "cannot write /dev/full: No space left" in done.stderr


def test_a_closed_pipe_ends_sow_without_a_message():
    with StandIn(tensor(BODY * 8)) as stand_in:
        sow = start(["get", *raw(8 * len(BODY)), "--server", stand_in.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert sow.stdout.read(1000) == BODY[:1000]
        sow.stdout.close()
        assert sow.stderr.read() == b"" and sow.wait(PATIENCE) == -signal.SIGPIPE
        sow.stderr.close()
