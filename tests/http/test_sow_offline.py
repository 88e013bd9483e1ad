"""sow without a daemon: seeds, plans, the catalogue, the help, and the parsing of options."""
import hashlib
import json
import os
import subprocess

import pytest

from sow_programs import PATIENCE, SOW, TENSOR, run


def blake2b(key, message, person):
    return hashlib.blake2b(message, key=key, person=person, digest_size=32).digest()


def seed_of(root, experiment, trial=None, name=None):
    """The derivation of seeds of the contract, in Python."""
    seed = blake2b(root, experiment.encode(), b"sower.experiment")
    if trial is not None:
        seed = blake2b(seed, trial.to_bytes(8, "little"), b"sower.trial")
    if name is not None:
        seed = blake2b(seed, name.encode(), b"sower.tensor")
    return seed.hex() + "\n"


PUBLIC = blake2b(b"", b"sower public root", b"")


def output_of(arguments):
    done = run(arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# Seeds


def test_the_example_in_the_contract():
    assert output_of(["seed", "-e", "exp-42", "-n", "w"]) == \
        "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d\n"


@pytest.mark.parametrize("experiment, trial, name", [
    ("exp-42", None, None), ("exp-42", 0, None), ("exp-42", 7, "w"), ("größe", 2**63 - 1, "a b\nc"),
    ("e" * 256, 1, "n" * 512),
])
def test_the_seed_is_that_of_the_most_specific_name(experiment, trial, name):
    arguments = ["seed", "--experiment", experiment]
    arguments += ["--trial", trial] if trial is not None else []
    arguments += ["--name", name] if name is not None else []
    assert output_of(arguments) == seed_of(PUBLIC, experiment, trial, name)


KEY = bytes(range(32))


@pytest.mark.parametrize("content", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\n",
                                     KEY.hex().encode() + b"\r\n"])
def test_a_private_root_is_raw_or_hex(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    assert output_of(["seed", "-e", "exp-42", "-k", tmp_path / "key"]) == seed_of(KEY, "exp-42")


@pytest.mark.parametrize("content", [b"", KEY[:31], KEY + b"\n", KEY.hex().encode()[:63], b"z" * 64,
                                     KEY.hex().encode() + b"\n\n", KEY.hex().encode() + b"00", bytes(1000)])
def test_any_other_content_is_not_a_root(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    done = run(["seed", "-e", "exp-42", "-k", tmp_path / "key"])
    assert done.returncode == 2 and "32 raw bytes or 64 hex digits" in done.stderr and done.stdout == b""


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o666])
def test_a_root_that_others_can_read_or_write_is_refused(tmp_path, mode):
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(mode)
    done = run(["seed", "-e", "exp-42", "-k", tmp_path / "key"])
    assert done.returncode == 2 and "chmod 600" in done.stderr and done.stdout == b""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another group")
def test_only_the_group_root_may_read_a_root(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o440)
    os.chown(tmp_path / "key", 0, 0)
    assert output_of(["seed", "-e", "exp-42", "-k", tmp_path / "key"]) == seed_of(KEY, "exp-42")
    os.chown(tmp_path / "key", 0, 1)
    assert run(["seed", "-e", "exp-42", "-k", tmp_path / "key"]).returncode == 2


@pytest.mark.parametrize("arguments, field", [
    (["-e", ""], "experiment"), (["-e", "e" * 257], "experiment"), (["-e", b"\xff"], "experiment"),
    (["-e", "e", "-t", "-1"], "trial"), (["-e", "e", "-t", "1.5"], "trial"), (["-e", "e", "-t", str(2**63)], "trial"),
    (["-e", "e", "-n", ""], "name"), (["-e", "e", "-n", "n" * 513], "name"),
])
def test_a_seed_of_an_invalid_name_is_refused(arguments, field):
    done = run(["seed", *[os.fsdecode(argument) for argument in arguments]])
    assert done.returncode == 1 and done.stdout == b"" and field in done.stderr.splitlines()[0]


# Plans


def test_a_plan_is_derived_offline():
    plan = json.loads(output_of(["plan", "--offline", "--json", "-e", "exp-42", "-n", "w", "-s", "4096,1024", "-i", "he_normal",
                            "--shard", "0:3/8"]))
    assert plan["seed"] + "\n" == seed_of(PUBLIC, "exp-42", 0, "w")
    assert plan["fan_in"] == 1024 and plan["shape"] == [4096, 1024] and plan["init"] == "he_normal"
    assert plan["bytes"] == 512 * 1024 * 4 + 128


def test_a_plan_is_printed_for_people():
    lines = output_of(["plan", "--offline", "-e", "exp-42", "-n", "w", "-s", "4096,1024", "-i", "he_normal"]).splitlines()
    card = dict(line.split(maxsplit=1) for line in lines if line.split()[0] not in ("fan", "std", "mean"))
    assert card["seed"] + "\n" == seed_of(PUBLIC, "exp-42", 0, "w")
    assert card["shape"] == "4096 × 1024" and card["bytes"] == f"{4096 * 1024 * 4 + 128} (16.0 MiB)"
    assert "fan in         1024" in lines and "slice" not in card


def test_a_private_root_gives_another_plan(tmp_path):
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    plan = json.loads(output_of(["plan", "--offline", "--json", *TENSOR, "-k", tmp_path / "key"]))
    assert plan["seed"] + "\n" == seed_of(KEY, "exp-42", 0, "w")
    assert run(["plan", *TENSOR, "-k", tmp_path / "key"]).returncode == 2


def test_an_invalid_plan_is_refused_offline_too():
    done = run(["plan", "--offline", "-e", "e", "-n", "w", "-s", "4,-4", "-i", "he_normal"])
    assert done.returncode == 1 and done.stderr.startswith("sow plan: refused: shape") and "--shape" in done.stderr


# The catalogue


def test_the_catalogue_lists_every_initializer_with_its_summary():
    entries = json.loads(output_of(["initializers", "--json"]))
    listed = [line.split()[0] for line in output_of(["initializers"]).splitlines() if not line.startswith(" ")]
    assert listed == [entry["name"] for entry in entries] and "he_normal" in listed


def test_every_initializer_is_explained_and_its_example_can_be_planned():
    shapes = ["64,32", "64", "64,64", "8,8,3,3", "8,8,3"]
    for entry in json.loads(output_of(["initializers", "--json"])):
        card = output_of(["initializers", entry["name"]])
        assert card.splitlines()[0].startswith(entry["name"]) and f"--init '{entry['example']}'" in card
        for parameter in entry["parameters"]:
            assert f"{parameter['name']}: " in card
        plans = [run(["plan", "--offline", "-e", "e", "-n", "w", "-s", shape, "-i", entry["example"]]).returncode
                 for shape in shapes]
        assert 0 in plans, entry["name"]
        assert json.loads(output_of(["initializers", entry["name"], "--json"])) == entry


def test_an_unknown_initializer_suggests_the_nearest():
    done = run(["initializers", "he_norml"])
    assert done.returncode == 2 and "did you mean 'he_normal'?" in done.stderr


# Options


COMMANDS = ["get", "plan", "seed", "ledger", "initializers"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_has_examples(command):
    text = output_of([command, "--help"])
    assert text.startswith(f"usage: sow {command} ") and f"\nExamples:\n  sow {command}" in text
    assert output_of([command, "-h"]) == text


def test_sow_itself_has_help_and_a_version():
    assert all(command in output_of(["--help"]) for command in COMMANDS)
    assert output_of(["--version"]).startswith("sow ")
    nothing = run([])
    assert nothing.returncode == 2 and nothing.stderr.startswith("usage: sow ") and nothing.stdout == b""


@pytest.mark.parametrize("arguments, words", [
    (["gte"], "did you mean 'get'?"),
    (["bananas"], "there is no command 'bananas'.\nTry"),
    (["initializers", "bananas"], "there is no initializer 'bananas'."),
    (["recipes", "bananas"], "there is no recipe 'bananas'."),
    (["get", "--bananas=4"], "there is no option --bananas."),
    (["get", "--shpae=4"], "there is no option --shpae; did you mean --shape?"),
    (["get", "--experimnt", "e"], "did you mean --experiment?"),
    (["get", "-x"], "there is no option -x."),
    (["get", "--sh", "4"], "--sh is ambiguous"),
    (["get", "--shape"], "--shape needs a value"),
    (["get", "-s"], "--shape needs a value"),
    (["get", "--quiet=yes"], "--quiet takes no value"),
    (["seed", "-e", "a", "-e", "b"], "--experiment is given twice"),
    (["seed", "-e", "a", "b"], "unexpected argument 'b'"),
    (["seed", "-e", "a", "--", "--name"], "unexpected argument '--name'"),
    (["ledger", "verfy"], "unexpected argument 'verfy'; did you mean 'verify'?"),
    (["seed"], "--experiment is missing"),
    (["get", "-e", "e", "-n", "w", "-i", "zeros"], "--shape is missing"),
    (["get", *TENSOR, "--quiet", "--progress"], "contradicts"),
    (["initializers", "a", "b"], "unexpected argument 'b'"),
    (["seed", "-e", "a", "\x1b[2J"], "'?[2J'"),
])
def test_a_mistake_is_reported_with_a_hint(arguments, words):
    done = run(arguments)
    assert done.returncode == 2 and done.stdout == b""
    assert words in done.stderr and "Try 'sow" in done.stderr


def test_options_may_be_shortened_joined_and_follow_operands():
    assert output_of(["seed", "--exp=exp-42", "-nw"]) == output_of(["seed", "-e", "exp-42", "--name", "w"])
    assert output_of(["initializers", "he_normal", "-j"]) == output_of(["initializers", "-j", "--", "he_normal"])


# Standard files


@pytest.mark.parametrize("arguments", [["initializers", "--json"], ["seed", "-e", "e"]])
def test_a_closed_standard_output_is_an_error_and_not_another_file(arguments):
    done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', SOW, *arguments], stderr=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 3 and b"cannot write standard output" in done.stderr
