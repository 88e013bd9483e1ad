"""libsower as a program finds it: installed, compiled against with pkg-config, and loaded into a process that has its own settings."""
import ctypes.util
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ROOT, SOWERD
from injected import Memory

BUILD = pathlib.Path(SOWERD).parent
LIBRARY = BUILD / "libsower.so.1"
SANITIZED = b"__asan_init" in LIBRARY.read_bytes() if LIBRARY.exists() else False
FLAGS = ["-fsanitize=address,undefined"] if SANITIZED else []
# Names that a request may have, and what the whole example prints for each is compared with the daemon.
REQUESTS = [
    {"shape": [64, 33], "init": "he_normal"},
    {"shape": [1000, 1000], "init": "normal(std=0.02)", "dtype": "bf16"},
    {"shape": [300, 200], "init": "orthogonal"},
    {"shape": [9, 7, 3, 3], "init": "uniform(low=-1,high=2)", "dtype": "f64", "layout": "io"},
    {"shape": [], "init": "normal"},
    {"shape": [0, 4], "init": "ones", "dtype": "f8_e4m3"},
]


def run(*command, check=True, **keywords):
    done = subprocess.run(list(map(str, command)), capture_output=True, **keywords)
    assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with all that `make install-library` installs."""
    place = tmp_path_factory.mktemp("installed")
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    run("make", "-s", "install-library", f"BUILD={BUILD}", f"DESTDIR={place}", "PREFIX=/usr", cwd=ROOT, env=environment)
    return place


def package(place, *options):
    """What pkg-config says about the installed library, with the folder before its paths."""
    environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(place / "usr/lib/pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(place),
                   "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1", "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"}
    return run("pkg-config", *options, "sower", env=environment).stdout.decode().split()


@pytest.fixture(scope="module")
def example(installed):
    """docs/example.c, compiled as its first lines say."""
    program = installed / "example"
    run("cc", "-Wall", "-Wextra", "-Werror", *FLAGS, "-o", program, ROOT / "docs/example.c", *package(installed, "--cflags", "--libs"),
        f"-Wl,-rpath,{installed}/usr/lib")
    return program


def expected(daemon, request):
    """What the example must print for a request: it makes the first half of each axis."""
    half = [(size + 1) // 2 for size in request["shape"]]
    fields = {**request, "format": "raw"}
    if half:
        fields["slice"] = ",".join(f"0:{stop}" for stop in half)
    response = daemon.post("/v1/tensor", fields)
    assert response.status == 200, response.body
    return {"digest": hashlib.blake2b(response.body, digest_size=32).hexdigest(), "seed": response.headers["Sower-Seed"],
            "first": response.body[:16].hex()}


def printed(done):
    return dict((*line.split(" "), "")[:2] for line in done.stdout.decode().splitlines())


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda fields: fields["init"])
def test_a_program_with_the_installed_library_makes_the_bytes_of_the_daemon(example, daemon, draw, request_):
    request = {"experiment": draw["experiment"], "name": "w", **request_}
    found = printed(run(example, json.dumps(request)))
    if sys.byteorder == "big":
        found["first"] = expected(daemon, request)["first"]
    assert found == expected(daemon, request)


def test_a_program_with_the_static_library_needs_no_jansson(installed, example, draw):
    program = installed / "static"
    flags = [flag if flag != "-lsower" else "-l:libsower.a" for flag in package(installed, "--static", "--cflags", "--libs")]
    run("cc", *FLAGS, "-o", program, ROOT / "docs/example.c", *flags)
    request = json.dumps({"experiment": draw["experiment"], "name": "w", "shape": [99, 98], "init": "orthogonal"})
    assert run(program, request).stdout == run(example, request).stdout
    needed = run("readelf", "--dynamic", program).stdout.decode()
    assert "libsodium" in needed and "libjansson" not in needed and "libsower" not in needed


def test_a_wrong_request_ends_the_example_with_a_sentence(example):
    done = run(example, '{"experiment":"e","name":"w","shape":[4],"init":"he_normall"}', check=False)
    assert done.returncode == 2 and b"he_normal" in done.stderr


def test_the_header_is_c99_and_cpp(installed):
    header = installed / "usr/include/sower.h"
    run("cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", header)
    if run("cc", "-x", "c++", "-E", "/dev/null", check=False).returncode == 0:
        run("cc", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", header)


def test_only_the_functions_of_the_header_are_visible():
    header = (ROOT / "client/library/sower.h").read_text()
    declared = set(re.findall(r"\b(sower_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
    listed = set(re.findall(r"^ +(sower_\w+);$", (ROOT / "client/library/libsower.map").read_text(), re.M))
    assert listed == declared
    shared = [line.split() for line in run("nm", "--dynamic", "--defined-only", LIBRARY).stdout.decode().splitlines()]
    assert {name.split("@")[0] for *_, kind, name in shared if kind != "A"} == listed
    static = [line.split() for line in run("nm", "--extern-only", "--defined-only", BUILD / "libsower.a").stdout.decode().splitlines()]
    assert {name for *_, name in filter(lambda line: len(line) == 3, static)} == listed
    assert "(SONAME)" in (dynamic := run("readelf", "--dynamic", "--wide", LIBRARY).stdout.decode()) and "[libsower.so.1]" in dynamic


def test_what_is_installed_is_complete(installed):
    files = {str(path.relative_to(installed)) for path in (installed / "usr").rglob("*") if not path.is_dir()}
    assert files == {"usr/include/sower.h", "usr/lib/libsower.so", "usr/lib/libsower.so.1", "usr/lib/libsower.a",
                     "usr/lib/pkgconfig/sower.pc", "usr/share/man/man3/sower.3"}
    version = re.search(r'SOWER_VERSION "(.*)"', (ROOT / "proto/version.h").read_text())[1]
    assert package(installed, "--modversion") == [version]


# ---- In a process of its own settings: Python with ctypes ----

SCRIPT = """
import ctypes, json, locale, os, sys
library = ctypes.CDLL(sys.argv[1])
library.sower_tensor_plan.restype = ctypes.c_char_p
library.sower_tensors_canonical.restype = ctypes.c_char_p
def opened(function, text, *more):
    handle = ctypes.c_void_p()
    code = function(ctypes.byref(handle), text, ctypes.c_size_t(len(text)), *more)
    assert code == 0, code
    return handle
def plan(text):
    handle = opened(library.sower_tensor_open, text, None, None)
    result = library.sower_tensor_plan(handle)
    library.sower_tensor_close(handle)
    return result
"""


def python(code, environment={}, threads=None):
    environment = {**os.environ, **environment}
    if SANITIZED:
        name = run("cc", "-print-file-name=libasan.so").stdout.decode().strip()
        environment |= {"LD_PRELOAD": name, "ASAN_OPTIONS": "detect_leaks=0"}
    return run("/usr/bin/python3", "-c", SCRIPT + code, LIBRARY, env=environment).stdout.decode()


def test_a_decimal_comma_in_the_program_changes_no_bit(tmp_path):
    if shutil.which("localedef") is None or not pathlib.Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("the sources of the locales are not installed")
    run("localedef", "-i", "de_DE", "-f", "UTF-8", tmp_path / "de_DE.UTF-8", check=False)
    code = """
if os.environ.get("LOCPATH"):
    locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    assert locale.localeconv()["decimal_point"] == ","
before = locale.localeconv()
print(plan(b'{"experiment":"e","name":"w","shape":[4],"init":"normal(std=0.125)"}').decode())
text = b'{"tensors":[{"name":"w","shape":[4],"init":"normal(std=0.25/sqrt(4))"}]}'
print(library.sower_tensors_canonical(opened(library.sower_tensors_open, text, None), None).decode())
assert locale.localeconv() == before
"""
    with_comma = python(code, {"LOCPATH": str(tmp_path)})
    assert "std=0.125)" in with_comma and with_comma == python(code, {"LOCPATH": ""})


def test_the_program_keeps_its_own_jansson():
    """Blocks that the program's jansson has allocated before the library is loaded are freed after it, by free."""
    if ctypes.util.find_library("jansson") is None:
        pytest.skip("there is no shared jansson")
    code = """
jansson = ctypes.CDLL("libjansson.so.4")
libc = ctypes.CDLL(None)
for name in ("json_loads", "json_dumps"):
    getattr(jansson, name).restype = ctypes.c_void_p
for turn in range(100):
    value = ctypes.c_void_p(jansson.json_loads(b'{"a":[1,2,{"b":"c"}]}', 0, None))
    assert plan(b'{"experiment":"e","name":"w","shape":[4],"init":"normal"}')
    text = ctypes.c_void_p(jansson.json_dumps(value, 0))
    assert ctypes.string_at(text) == b'{"a": [1, 2, {"b": "c"}]}'
    libc.free(text)
    jansson.json_delete(value)
print("kept")
"""
    assert python(code) == "kept\n"


def test_a_child_after_fork_makes_the_same_bits():
    code = """
buffer = (ctypes.c_char * (4 << 20))()
handle = opened(library.sower_tensor_open, b'{"experiment":"e","name":"w","shape":[1024,1024],"init":"normal"}', None, None)
def fill():
    assert library.sower_tensor_fill(handle, None, None, buffer, ctypes.c_size_t(len(buffer)), 4, None) == 0
    return hash(bytes(buffer))
mine = fill()
child = os.fork()
if child == 0:
    os._exit(0 if fill() == mine else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), fill() == mine)
"""
    assert python(code) == "0 True\n"


# ---- Without memory ----


def test_each_allocation_that_fails_gives_no_memory_or_the_right_bytes(example, tmp_path):
    if SANITIZED:
        pytest.skip("AddressSanitizer allocates for each thread")
    request = json.dumps({"experiment": "e", "name": "w", "shape": [700, 600], "init": "orthogonal"})
    right = run(example, request).stdout
    for onward in (False, True):
        folder = tmp_path / str(onward)
        (folder / "results").mkdir(parents=True)
        memory = Memory(folder)
        memory.fork_each(Memory.AT_MAIN, onward)
        lines = run(example, request, env={**os.environ, **memory.environment, "SOWER_MEMORY_RESULTS": str(folder / "results")}).stdout
        failures = 0
        for number, status, failed in (map(int, line.split()) for line in lines.splitlines()):
            output, error = ((folder / "results" / str(number) / name).read_bytes() for name in ("stdout", "stderr"))
            code = os.waitstatus_to_exitcode(status)
            assert code in (0, 1, 2), (number, signal.Signals(-code), error)
            assert output == (right if code == 0 else b"") and (code == 0 or b"emory" in error), (number, code, output, error)
            failures += code != 0 and failed
        assert failures >= 10
