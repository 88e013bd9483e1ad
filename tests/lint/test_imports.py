"""tests/lint/imports finds an import from a test file."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def check(folder):
    done = subprocess.run([ROOT / "tests/lint/imports", folder], stdout=subprocess.PIPE, text=True)
    return done.returncode, done.stdout


def test_no_file_imports_from_a_test_file():
    code, printed = check(ROOT / "tests")
    assert code == 0, printed


@pytest.mark.parametrize("line", ["from test_ledger import Locked", "import test_ledger", "from http import test_ledger", "from http.test_ledger import Locked",
                                  "def test():\n    from test_ledger import Locked"])
def test_an_import_from_a_test_file_is_named(tmp_path, line):
    (tmp_path / "http").mkdir()
    (tmp_path / "http/test_ledger.py").write_text("class Locked:\n    pass\n")
    (tmp_path / "http/test_trials.py").write_text(line + "\n")
    code, printed = check(tmp_path)
    assert code == 1
    number = line.count("\n") + 1
    assert printed == f"http/test_trials.py:{number}: imports from the test file test_ledger.py\n2 files, 1 imports from test files\n"


def test_a_module_with_a_similar_name_is_allowed(tmp_path):
    (tmp_path / "test_ledger.py").write_text("from ledger import Locked\n")
    (tmp_path / "ledger.py").write_text("import test.support\n")
    assert check(tmp_path) == (0, "2 files, 0 imports from test files\n")
