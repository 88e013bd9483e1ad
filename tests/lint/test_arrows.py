"""tests/lint/arrows finds a forbidden include. Each test adds a fault to a copy of the tree."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(top):
    done = subprocess.run([ROOT / "tests/lint/arrows", top], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def tree(tmp_path):
    for room in ("core", "proto", "server", "client"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=lambda folder, names: [
            name for name in names if "." in name and not name.endswith((".c", ".h", ".inc"))])
    return tmp_path


def test_the_tree_has_no_faults(tree):
    assert check(tree)[0] == 0


@pytest.mark.parametrize("path, include, fault", [
    ("core/draw.c", "proto/text.h", "core must not include proto/text.h"),
    ("proto/text.c", "server/server.h", "proto must not include server/server.h"),
    ("server/base/pool.c", "server/http/http.h", "server/base must not include server/http/http.h"),
    ("server/http/query.c", "server/handlers/handlers.h", "server/http must not include server/handlers/handlers.h"),
    ("server/ledger/ledger.c", "server/server.h", "server/ledger must not include server/server.h"),
    ("client/sow/main.c", "server/options.h", "client/sow/main.c must not include server/options.h"),
    ("client/sow/daemon/report.c", "client/sow/tensors/tensor.h", "client/sow/daemon must not include client/sow/tensors/tensor.h"),
    ("core/draw.c", "draw.h", "draw.h is not a path from the top of the tree"),
])
def test_a_forbidden_include_is_named(tree, path, include, fault):
    source = tree / path
    source.write_text(source.read_text() + f'#include "{include}"\n')
    code, printed = check(tree)
    assert code == 1
    assert fault in printed
    assert printed.endswith("1 faults\n")


def test_a_file_outside_of_every_room_is_named(tree):
    (tree / "server" / "attic").mkdir()
    (tree / "server" / "attic" / "old.c").write_text("")
    assert "server/attic/old.c: this file belongs to no room" in check(tree)[1]


def test_an_include_guard_that_is_not_the_path_is_named(tree):
    header = tree / "core/draw.h"
    header.write_text(header.read_text().replace("SOWER_CORE_DRAW_H", "DRAW_H"))
    assert "core/draw.h: the include guard must be SOWER_CORE_DRAW_H" in check(tree)[1]
