"""tests/lint/references finds a comment that names a file which does not exist."""
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(top):
    done = subprocess.run([ROOT / "tests/lint/references", top], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


def test_every_file_that_a_comment_names_exists():
    code, printed = check(ROOT)
    assert code == 0, printed


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core/draw.c").write_text("/* as draw.c, and unlike old/sketch.h */\nint draw;\n")
    code, printed = check(tmp_path)
    assert code == 1
    assert printed == "core/draw.c: a comment names old/sketch.h, which does not exist\n1 files, 1 wrong names\n"
