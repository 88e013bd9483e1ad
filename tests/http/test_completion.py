"""Completion of sow and sowerd in bash, zsh and fish."""
import json
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, SOWERD
from sow_programs import SOW
from shells import Fish, shell  # noqa: F401  (a fixture)


def offered(*words):
    """Candidates of sow for the last word."""
    done = subprocess.run([SOW, "complete", *words], check=True, capture_output=True, text=True)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def output(*words):
    return subprocess.run([SOW, *words], check=True, capture_output=True, text=True).stdout


def commands():
    """All of the help; each stands in the columns 2 to 15."""
    lines = output("--help").split("Commands:\n")[1].split("\n\n")[0].splitlines()
    return [line[2:16].strip() for line in lines if line[2] != " "]


def test_every_command_of_the_help_is_offered():
    names = commands()
    assert len(names) > 10 and "ledger verify" in names
    assert offered("") == list(dict.fromkeys(name.split()[0] for name in names))
    for first in {name.split()[0] for name in names if " " in name}:
        assert offered(first, "") == [name.split()[1] for name in names if name.startswith(first + " ")]


def test_every_option_of_the_help_is_offered():
    for command in commands():
        options = re.findall(r"^  (?:-\w,|   ) (--[a-z-]+)", output(*command.split(), "--help"), re.M)
        assert "--help" in options, command
        assert offered(*command.split(), "--") == options, command
        assert offered(*command.split(), "--he") == [option for option in options if option.startswith("--he")], command


def test_the_values_are_those_that_sow_accepts():
    initializers = [entry["name"] for entry in json.loads(output("initializers", "--json"))]
    assert offered("get", "--init", "") == offered("get", "-i", "") == offered("initializers", "") == initializers
    recipes = [recipe["name"] for recipe in json.loads(output("recipes", "--json"))]
    assert offered("model", "--recipe", "") == offered("recipes", "") == recipes
    tensor = ["derive", "-e", "e", "-n", "w", "--shape", "2", "--init", "he_normal", "--fan-in", "2"]
    for option in ("dtype", "format", "layout"):
        values = offered("derive", f"--{option}", "")
        assert len(values) > 1
        for value in values:
            subprocess.run([SOW, *tensor, f"--{option}", value, *(["-f", "raw"] if option == "dtype" else [])], check=True, capture_output=True)


def test_there_is_no_candidate_where_sow_knows_none():
    for words in (["get", "--experiment", ""], ["pin", ""], ["no-command", ""], ["get", "--verify="], ["get", "--", "--dt"], []):
        assert offered(*words) == [], words


@pytest.mark.parametrize("line, completed", [
    ("sow mod", "sow model"),
    ("sow ledger ver", "sow ledger verify"),
    ("sow token n", "sow token new"),
    ("sow ledger head --wri", "sow ledger head --writer"),
    ("sow get --dty", "sow get --dtype"),
    ("sow get --dtype f8_e4", "sow get --dtype f8_e4m3"),
    ("sow get --dtype=f8_e4", "sow get --dtype=f8_e4m3"),
    ("sow get --layout i", "sow get --layout io"),
    ("sow get -f saf", "sow get -f safetensors"),
    ("sow get --name 'a b' --init glorot_n", "sow get --name 'a b' --init glorot_normal"),
    ("sow model --recipe hf_deep", "sow model --recipe hf_deepseek_v3"),
    ("sow initializers delta", "sow initializers delta_orthogonal"),
    ("sow trial n", "sow trial new"),
    ("sow verify start", "sow verify start.safetensors"),
    ("sow get --output=start", "sow get --output=start.safetensors"),
    ("sowerd --log-l", "sowerd --log-level"),
    ("sowerd --strict=y", "sowerd --strict=yes"),
    ("sowerd --root-key-file start", "sowerd --root-key-file start.safetensors"),
])
def test_a_shell_completes(shell, line, completed):  # noqa: F811
    (shell.home / "start.safetensors").touch()
    assert shell.complete(line) == completed


def test_every_option_of_the_daemon_is_offered(tmp_path):
    """As bash and fish list them."""
    options = re.findall(r"^  (--[a-z-]+)", subprocess.run([SOWERD, "--help"], check=True, capture_output=True, text=True).stdout, re.M)
    assert len(options) > 20
    script = f"source {ROOT}/server/completions/sowerd.bash; COMP_WORDS=({SOWERD} --) COMP_CWORD=1; _sowerd {SOWERD} --; printf '%s\\n' ${{COMPREPLY[@]}}"
    assert subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout.split() == options
    if shutil.which("fish") is None:
        pytest.skip("there is no fish; make deps-ci installs it")
    # fish offers --strict and --strict= both.
    assert {word.rstrip("=") for word in Fish(tmp_path).offered("sowerd --")} == set(options)
