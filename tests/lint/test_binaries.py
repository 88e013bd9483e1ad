"""How sowerd and sow are hardened, read from the programs that were built. The flags are in the Makefile (HARDEN)."""
import os
import pathlib
import platform
import re
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
ARCHIVES = ["core.a", "proto.a", "server.a"]
# The property note of an object whose code is ready for indirect branch tracking and the shadow stack, or for their likes on aarch64.
BRANCHES = {"x86_64": "x86 feature: IBT, SHSTK", "aarch64": "AArch64 feature: BTI, PAC"}


def readelf(option, path):
    return subprocess.run(["readelf", "--wide", option, path], check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


@pytest.fixture(params=["sowerd", "sow"])
def program(request):
    path = BUILD / request.param
    if re.search(rb"__(asan|tsan)_init", path.read_bytes()):
        pytest.skip("a build with a sanitizer is not hardened")
    return path


def test_addresses_are_random_in_each_process(program):
    assert "(Position-Independent Executable file)" in readelf("--file-header", program)


def test_no_table_of_functions_can_be_written_after_the_start(program):
    assert "GNU_RELRO" in readelf("--program-headers", program)
    assert re.search(r"\(FLAGS_1\).*\bNOW\b", readelf("--dynamic", program))


def test_the_stack_holds_no_code(program):
    flags = re.search(r"GNU_STACK(?:\s+0x\w+){5}\s+(\S+)", readelf("--program-headers", program))
    assert flags and flags[1] == "RW"


def test_code_notices_an_overflow_of_the_stack_and_of_buffers(program):
    symbols = set(re.findall(r" UND (\w+)", readelf("--dyn-syms", program)))
    assert "__stack_chk_fail" in symbols
    assert {"__snprintf_chk", "__vsnprintf_chk"} & symbols, "nothing calls a fortified function: _FORTIFY_SOURCE is not defined"


@pytest.mark.parametrize("archive", ARCHIVES)
def test_every_object_is_ready_for_checks_of_indirect_branches(program, archive):
    note = BRANCHES.get(platform.machine())
    if note is None:
        pytest.skip(f"{platform.machine()} has no such note")
    members = re.split(r"^File: ", readelf("--notes", BUILD / archive), flags=re.M)[1:]
    assert members
    assert [member.split("\n")[0] for member in members if note not in member] == []
