"""The file name in Content-Disposition: `curl -OJ` and browsers save a tensor under its name, never outside of the directory."""
import email.message
import os
import subprocess

import pytest

HOSTILE = {
    "../../etc/passwd": "_._.._etc_passwd.npy",
    "/abs/olute": "_abs_olute.npy",
    ".bashrc": "_bashrc.npy",
    "-rf": "_rf.npy",
    'a"; filename="b': "a_; filename=_b.npy",
    "a\\b\nc\r\nX-Evil: 1": "a_b_c__X-Evil_ 1.npy",
    "\u202egnp.exe": "_gnp.exe.npy",
    "\x1b[2J": "_[2J.npy",
    "w" * 512: "w" * 200 + ".npy",
}


def suggested_names(response):
    """The name in ASCII, and the name for clients that support RFC 8187."""
    value = response.headers["Content-Disposition"]
    assert value.startswith("attachment; ") and value.isascii()
    message = email.message.Message()
    message["Content-Disposition"] = value.partition("; filename*=")[0]
    plain = message.get_filename()
    message.replace_header("Content-Disposition", "attachment; filename*=" + value.partition("; filename*=")[2])
    return plain, message.get_filename()


def curl(daemon, directory, *arguments):
    """The single file that curl -OJ writes into a new directory."""
    directory.mkdir()
    subprocess.run(["curl", "-sS", "--fail", "-OJ", *arguments], cwd=directory, check=True)
    [saved] = directory.iterdir()
    return saved


@pytest.mark.parametrize("format, end", [("npy", ".npy"), ("raw", ".raw"), ("safetensors", ".safetensors")])
def test_curl_saves_a_tensor_under_its_name(daemon, draw, tmp_path, format, end):
    fields = {**draw, "name": "layers.0.attn.wq.weight", "format": format}
    saved = curl(daemon, tmp_path / "here", daemon.url("/v1/tensor", **fields))
    assert saved.name == "layers.0.attn.wq.weight" + end and saved.read_bytes() == daemon.get("/v1/tensor", **fields).body


def test_a_post_and_a_range_suggest_the_same_name(daemon, draw):
    expected = ("w.npy", "w.npy")
    assert suggested_names(daemon.get("/v1/tensor", **draw)) == expected
    assert suggested_names(daemon.post("/v1/tensor", {**draw, "shape": [4, 6]})) == expected
    part = daemon.get("/v1/tensor", {"Range": "bytes=0-9"}, **draw)
    assert part.status == 206 and suggested_names(part) == expected


def test_the_second_form_of_a_name_has_all_characters(daemon, draw):
    assert suggested_names(daemon.get("/v1/tensor", **{**draw, "name": "Gew\u00fc 權"})) == ("Gew_ _.npy", "Gew\u00fc 權.npy")


@pytest.mark.parametrize("name, expected", HOSTILE.items(), ids=range(len(HOSTILE)))
def test_a_hostile_name_stays_in_the_directory(daemon, draw, tmp_path, name, expected):
    fields = {**draw, "name": name}
    response = daemon.get("/v1/tensor", **fields)
    assert suggested_names(response) == (expected, expected) and "X-Evil" not in response.headers
    saved = curl(daemon, tmp_path / "inner", daemon.url("/v1/tensor", **fields))
    assert saved.name == expected and saved.read_bytes() == response.body
    assert os.listdir(tmp_path) == ["inner"]


def test_a_model_is_saved_under_experiment_and_trial(daemon, draw, tmp_path):
    model = {"tensors": [{"name": "t", "shape": [3]}], "defaults": {"init": "normal"}}
    fields = dict(manifest=daemon.post("/v1/manifests", model).json()["manifest"], trial=7)
    for experiment, expected in [("exp-42", "exp-42-7.safetensors"), ("team/a", "team_a-7.safetensors"),
                                 ("e" * 256, "e" * 200 + "-7.safetensors")]:
        response = daemon.get("/v1/model", experiment=experiment, **fields)
        assert suggested_names(response) == (expected, expected)
    saved = curl(daemon, tmp_path / "here", daemon.url("/v1/model", experiment="exp-42", **fields))
    assert saved.name == "exp-42-7.safetensors" and saved.read_bytes() == daemon.get("/v1/model", experiment="exp-42", **fields).body
