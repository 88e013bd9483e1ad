"""The examples of docs/python.md and README.md run, and their table of errors is complete."""
import re

import sower

from conftest import ROOT

PAGE = (ROOT / "docs/python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_first_examples_are_equal_and_run(daemon, monkeypatch):
    monkeypatch.setenv("SOW_SERVER", daemon.url)
    assert EXAMPLES[0] in (ROOT / "client/python/README.md").read_text()
    names = {}
    exec(EXAMPLES[0], names)
    assert names["weight"].shape == (4096, 1024)


def test_the_example_of_a_model_runs(daemon, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    names = {"sower": sower, "memory": bytearray(50257 * 768 * 4)}
    exec(EXAMPLES[1].replace('"https://sower.example", token=token', repr(daemon.url)), names)
    assert sower.Receipt.from_json(capsys.readouterr().out) == names["receipt"]
    assert bytes(names["memory"][:512 * 768 * 4]) == names["rows"].tobytes()


def test_every_public_name_is_in_the_page():
    for name in sower.__all__:
        assert name == "__version__" or name in PAGE or name.lower() in PAGE.lower(), name
