"""sow model, sow stats and sow recipes with a daemon, and sow model with broken connections."""
import hashlib
import json
import struct
import threading

import pytest
from sow_programs import PATIENCE, Breaking, Terminal, environment, run
from sow_programs import start as start_sow

MANIFEST = {"experiment": "sow", "trial": 5, "recipe": "hf_gpt2", "layers": 2,
            "tensors": [{"name": f"h.{i}.{kind}", "shape": shape} for i in range(2)
                        for kind, shape in [("c_proj.weight", [256, 640]), ("ln_1.weight", [256]), ("ln_1.bias", [256])]]
            + [{"name": "q", "shape": [60, 40], "init": "orthogonal"}, {"name": "odd", "shape": [5], "dtype": "bf16", "init": "ones"}]}


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    return path


def sow(daemon, *arguments):
    return run(arguments, environment(SOW_SERVER=f"http://{daemon.address}"))


def whole(daemon):
    return daemon.post("/v1/model", MANIFEST).body


@pytest.mark.parametrize("jobs", [1, 3, 16])
def test_the_file_has_the_bytes_of_the_response_and_passes_verify(daemon, manifest, tmp_path, jobs):
    done = sow(daemon, "model", "-m", manifest, "-o", tmp_path / "out", "--jobs", jobs, "--verify")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == whole(daemon)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "out"]


def test_verify_accepts_a_private_root_only_with_its_key(start, manifest, tmp_path):
    key = tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    daemon = start("--root-key-file", str(key))
    done = sow(daemon, "model", "-m", manifest, "-o", tmp_path / "out", "--verify", "-k", key)
    assert done.returncode == 0, done.stderr
    done = sow(daemon, "model", "-m", manifest, "-o", tmp_path / "other", "--verify")
    assert done.returncode == 3 and "--verify needs --root-key-file" in done.stderr and not (tmp_path / "other").exists()


def test_a_model_can_go_to_standard_output(daemon, manifest):
    assert sow(daemon, "model", "-m", manifest, "-t", "5").stdout == whole(daemon)


def test_shapes_come_from_a_safetensors_file(daemon, manifest, tmp_path):
    like = tmp_path / "like.safetensors"
    like.write_bytes(whole(daemon))
    done = sow(daemon, "model", "-e", "fresh", "--like", like, "--init", "normal(std=0.5)", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    old, new = like.read_bytes(), (tmp_path / "out").read_bytes()
    headers = [json.loads(body[8 : 8 + struct.unpack("<Q", body[:8])[0]]) for body in (old, new)]
    for header in headers:
        del header["__metadata__"]
    assert headers[0] == headers[1] and old != new


def test_shapes_come_from_an_index_and_its_files(daemon, manifest, tmp_path):
    for part in range(2):
        sow(daemon, "model", "-m", manifest, "--part", f"{part}/2", "-o", tmp_path / f"model-{part + 1:05}-of-00002.safetensors")
    hash = daemon.post("/v1/manifests", MANIFEST).json()["manifest"]
    index = tmp_path / "model.safetensors.index.json"
    index.write_bytes(daemon.get("/v1/model/index", manifest=hash, parts=2).body)
    done = sow(daemon, "model", "-e", "e", "--like", index, "--init", "zeros", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    bad = json.loads(index.read_text())
    bad["weight_map"]["more"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(bad))
    assert sow(daemon, "model", "-e", "e", "--like", index, "--init", "zeros", "-o", tmp_path / "x").returncode == 1
    bad["weight_map"]["more"] = "../model-00001-of-00002.safetensors"
    index.write_text(json.dumps(bad))
    assert "not a file in its own directory" in sow(daemon, "model", "-e", "e", "--like", index, "-i", "zeros", "-o", tmp_path / "x").stderr


def header_of(path):
    body = path.read_bytes()
    return json.loads(body[8 : 8 + struct.unpack("<Q", body[:8])[0]])


def write_safetensors(path, entries, metadata=None, data=True):
    """Entries are {name: (dtype, shape, bytes)}; without data the file ends after its header."""
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, size) in entries.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at if data else 0))
    return path


def test_tensors_of_dtypes_that_sower_does_not_make_are_left_out_with_a_notice(daemon, tmp_path):
    like = write_safetensors(tmp_path / "like", {"scale": ("F8_E8M0", [4], 4), "packed": ("F4", [4, 2], 4), "w": ("BF16", [2, 2], 8), "step": ("I64", [], 8)})
    done = sow(daemon, "model", "-e", "like", "--like", like, "-i", "normal", "-o", tmp_path / "out")
    assert done.returncode == 0
    assert done.stderr == "sow model: 3 tensors of dtypes that Sower does not make are left out; the first is scale (F8_E8M0).\n"
    assert header_of(tmp_path / "out").keys() == {"__metadata__", "w"}
    assert sow(daemon, "model", "-e", "like", "--like", like, "-i", "normal", "-q", "-o", tmp_path / "out").stderr == ""


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_header_is_enough(daemon, tmp_path, size):
    like = write_safetensors(tmp_path / "like", {"a": ("F32", [3], 12), "b": ("F16", [2], 4)}, data=False)
    like.write_bytes(like.read_bytes() + bytes(size))
    done = sow(daemon, "model", "-e", "like", "--like", like, "-i", "normal", "-o", tmp_path / "out")
    assert done.returncode == 0 and {"a", "b"} < header_of(tmp_path / "out").keys(), done.stderr
    like.write_bytes(like.read_bytes()[: 8 + 20])
    done = sow(daemon, "model", "-e", "like", "--like", like, "-i", "normal", "-o", tmp_path / "no")
    assert done.returncode == 1 and "it says that its header has" in done.stderr


def test_an_index_needs_only_the_headers_of_its_files_and_says_which_are_missing(daemon, tmp_path):
    names = [f"model-{k:05}-of-00003.safetensors" for k in (1, 2, 3)]
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {f"w{k}": name for k, name in enumerate(names)}}))
    write_safetensors(tmp_path / names[0], {"w0": ("F32", [2], 8)}, data=False)
    done = sow(daemon, "model", "-e", "like", "--like", index, "-i", "normal", "-o", tmp_path / "out")
    assert done.returncode == 1 and f"2 of the 3 files that the index lists are not in its directory; the first is {names[1]}." in done.stderr
    for k in (1, 2):
        write_safetensors(tmp_path / names[k], {f"w{k}": ("F32", [2], 8)}, data=False)
    done = sow(daemon, "model", "-e", "like", "--like", index, "-i", "normal", "-o", tmp_path / "out")
    assert done.returncode == 0 and {"w0", "w1", "w2"} < header_of(tmp_path / "out").keys(), done.stderr


def test_ties_of_a_file_stay_ties(daemon, tmp_path):
    like = write_safetensors(tmp_path / "like", {"wte.weight": ("F32", [4, 2], 32)}, {"format": "pt", "author": "x", "lm_head.weight": "wte.weight"}, data=False)
    for path in ("first", "second"):  # the second is made like the first
        done = sow(daemon, "model", "-e", "like", "--like", like, "-i", "normal", "-o", tmp_path / path)
        assert done.returncode == 0, done.stderr
        like = tmp_path / path
        header = header_of(like)
        assert header.keys() == {"__metadata__", "wte.weight"} and header["__metadata__"]["lm_head.weight"] == "wte.weight"
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_same_as_ties_a_tensor_and_adds_it_if_it_is_missing(daemon, tmp_path):
    like = write_safetensors(tmp_path / "like", {"wte": ("F32", [4, 2], 32), "head": ("F32", [4, 2], 32)}, data=False)
    done = sow(daemon, "model", "-e", "tie", "--like", like, "-i", "normal", "--same-as", "head=wte", "--same-as", "decoder=head", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    header = header_of(tmp_path / "out")
    assert header.keys() == {"__metadata__", "wte"} and header["__metadata__"]["head"] == header["__metadata__"]["decoder"] == "wte"
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"tensors": [{"name": "a", "shape": [3], "init": "ones", "zero_rows": 0}, {"name": "b", "shape": [3], "init": "normal"}]}))
    done = sow(daemon, "model", "-e", "tie", "-m", manifest, "--same-as", "a=b", "-o", tmp_path / "out")
    assert done.returncode == 0 and header_of(tmp_path / "out").keys() == {"__metadata__", "b"}, done.stderr


@pytest.mark.parametrize("pair, status, part", [("head", 2, "takes NAME=OTHER"), ("=wte", 2, "takes NAME=OTHER"), ("new=none", 1, 'has no tensor "none"'),
                                                ("wte=wte", 1, "leads back to itself"), ("wte=bias", 1, "another shape")])
def test_a_wrong_same_as_is_refused(daemon, tmp_path, pair, status, part):
    like = write_safetensors(tmp_path / "like", {"wte": ("F32", [4, 2], 32), "bias": ("F32", [4], 16)}, data=False)
    done = sow(daemon, "model", "-e", "tie", "--like", like, "-i", "normal", "--same-as", pair, "-o", tmp_path / "out")
    assert done.returncode == status and part in done.stderr and "--tensors" not in done.stderr.split("usage:")[0], done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, struct.pack("<Q", 1 << 40) + b"{}", struct.pack("<Q", 2) + b"[]",
                                     struct.pack("<Q", 100000) + b"[" * 100000])
def test_a_file_that_is_not_safetensors_is_refused(daemon, tmp_path, content):
    (tmp_path / "like").write_bytes(content)
    done = sow(daemon, "model", "-e", "e", "--like", tmp_path / "like", "-i", "zeros", "-o", tmp_path / "out")
    assert done.returncode == 1 and done.stderr.startswith("sow model: refused:"), done.stderr
    assert not (tmp_path / "out").exists()


def test_warnings_and_refusals_are_printed(daemon, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"tensors": [{"name": "w", "shape": [2]}], "rules": [{"match": "x", "init": "ones"}]}))
    done = sow(daemon, "model", "-e", "e", "-m", path, "-i", "zeros", "-o", tmp_path / "out")
    assert done.returncode == 0 and done.stderr == "sow model: warning: Rule 1 (x) matches no tensor.\n"
    done = sow(daemon, "model", "-e", "e", "-m", path, "-o", tmp_path / "no")
    assert done.returncode == 1 and '"w": it has no init' in done.stderr and not (tmp_path / "no").exists()
    assert sow(daemon, "model", "-m", path, "-i", "zeros", "-o", tmp_path / "no").returncode == 2


def test_broken_connections_resume(daemon, manifest, tmp_path):
    with Breaking(daemon, 300_000) as between:
        done = sow(between, "model", "-m", manifest, "-o", tmp_path / "out", "-j", "2", "--verify")
    assert done.returncode == 0, done.stderr
    assert between.cuts > 2 and (tmp_path / "out").read_bytes() == whole(daemon)


def test_connections_without_progress_are_given_up_and_leave_no_file(daemon, manifest, tmp_path):
    with Breaking(daemon, 0) as between:
        done = sow(between, "model", "-m", manifest, "-o", tmp_path / "out", "--retry-seconds", "1")
    assert done.returncode == 3 and "broke" in done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_the_current_tensor_is_beside_the_bar(daemon, manifest, tmp_path):
    released, terminal = threading.Event(), Terminal(columns=120)
    with Breaking(daemon, 300_000, released) as between:
        program = start_sow(["model", "-m", manifest, "-o", tmp_path / "out", "-j", "1"],
                            environment(SOW_SERVER=f"http://{between.address}"), stderr=terminal.slave)
        terminal.leave_to_program()
        terminal.read_until("h.0.c_proj.weight")
        released.set()
        terminal.read_all()
    assert program.wait(PATIENCE) == 0 and (tmp_path / "out").read_bytes() == whole(daemon)
    assert f"{len(MANIFEST['tensors'])} tensors, " in terminal.text


TOWERS = {"experiment": "towers", "defaults": {"init": "constant(scale*layers)"},
          "tensors": [{"name": f"{tower}.{i}.w", "shape": [1]} for tower, layers in (("encoder.layers", 3), ("decoder.layers", 2)) for i in range(layers)]
          + [{"name": "mask", "shape": [2]}, {"name": "head", "shape": [1], "same_as": "decoder.layers.0.w"}]}
CHOSEN = ["--blocks", "layers", "--constant", "scale=0.5", "--leave-out", "mask"]


def test_blocks_constants_and_tensors_to_leave_out_come_from_options(daemon, tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps(TOWERS))
    done = sow(daemon, "model", "-m", path, *CHOSEN, "-o", tmp_path / "out")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    same = {**TOWERS, "blocks": ["layers"], "constants": {"scale": 0.5}, "leave_out": ["mask"]}
    assert (tmp_path / "out").read_bytes() == daemon.post("/v1/model", same).body
    path.write_text(json.dumps({**same, "leave_out": ["head"], "constants": {"scale": 3, "other": 1}}))
    done = sow(daemon, "model", "-m", path, *CHOSEN, "--constant", "scale=2", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    same = {**same, "constants": {"scale": 2, "other": 1}, "leave_out": ["head", "mask"]}
    assert (tmp_path / "out").read_bytes() == daemon.post("/v1/model", same).body


@pytest.mark.parametrize("options, status, part", [
    (["--constant", "scale"], 2, "takes NAME=NUMBER"), (["--constant", "=1"], 2, "takes NAME=NUMBER"), (["--constant", "scale=x"], 2, "takes NAME=NUMBER"),
    ([], 1, "scale"), (["--constant", "scale=1"], 1, "layers"), (["--leave-out", "["], 1, "leave_out"), (["--blocks", ""], 1, "blocks"),
])
def test_wrong_options_for_a_manifest_are_refused(daemon, tmp_path, options, status, part):
    path = tmp_path / "m.json"
    path.write_text(json.dumps(TOWERS))
    done = sow(daemon, "model", "-m", path, *options, "-o", tmp_path / "out")
    assert done.returncode == status and part in done.stderr and not (tmp_path / "out").exists(), done.stderr


def test_the_summary_shows_layers_and_what_is_tied_or_left_out(daemon, tmp_path):
    path, terminal = tmp_path / "m.json", Terminal(columns=120)
    path.write_text(json.dumps(TOWERS))
    program = start_sow(["model", "-m", path, *CHOSEN, "-o", tmp_path / "out"], environment(SOW_SERVER=f"http://{daemon.address}"), stderr=terminal.slave)
    terminal.leave_to_program()
    text = terminal.read_all()
    assert program.wait(PATIENCE) == 0
    assert "3 layers in encoder.layers, 2 layers in decoder.layers\r\n1 tensor left out: mask\r\n5 tensors, and 1 tied, " in text, text


def test_stats_of_a_tensor_and_of_a_model(daemon, manifest):
    draw = ["-e", "sow", "-n", "w", "-s", "64,64", "-i", "he_normal"]
    stats = json.loads(sow(daemon, "stats", "-j", *draw).stdout)
    data = daemon.get("/v1/tensor", experiment="sow", name="w", shape="64,64", init="he_normal", format="raw").body
    assert stats["digest"] == hashlib.blake2b(data, digest_size=32).hexdigest()
    shown = sow(daemon, "stats", *draw)
    assert shown.returncode == 0 and stats["digest"].encode() in shown.stdout and b"####" in shown.stdout
    model = json.loads(sow(daemon, "stats", "-j", "-m", manifest).stdout)
    assert len(model["tensors"]) == len(MANIFEST["tensors"])
    assert model["digest"].encode() in sow(daemon, "stats", "-m", manifest).stdout
    assert sow(daemon, "stats", "-m", manifest, "-n", "w").returncode == 2
    assert sow(daemon, "stats", *draw, "--part", "0/2").returncode == 2


def test_recipes_are_printed_as_rules_for_a_manifest(daemon, tmp_path):
    (tmp_path / "rules.json").write_bytes(run(["recipes", "hf_llama"]).stdout)
    like = tmp_path / "like.safetensors"
    header = json.dumps({"lm_head.weight": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]}}).encode()
    like.write_bytes(struct.pack("<Q", len(header)) + header + bytes(32))
    outputs = []
    for how in (["-m", tmp_path / "rules.json"], ["-r", "hf_llama"]):
        done = sow(daemon, "model", "-e", "e", "--like", like, *how, "-q")
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    # the list has what the JSON has, apart from the rules
    text = " ".join(run(["recipes"]).stdout.decode().split())
    for recipe in json.loads(run(["recipes", "-j"]).stdout):
        constants = ", ".join(f"{name}={value:.15g}" for name, value in recipe.get("constants", {}).items())
        parts = [f"{recipe['name']} {recipe['summary']}", "Blocks: " + ", ".join(recipe.get("blocks", [])), f"Constants: {constants}",
                 *(f"Compared with {with_['package']} {with_['version']} ({with_['date']}): {with_['classes']}" for with_ in recipe["compared"])]
        assert all(part in text for part in parts if not part.endswith(": ")), (recipe, text)
        printed = json.loads(run(["recipes", recipe["name"]]).stdout)
        assert printed == {name: value for name, value in recipe.items() if name in ("blocks", "constants", "rules")}
    assert run(["recipes"]).stdout.startswith(b"torch_default") and run(["recipes", "gtp2"]).returncode == 2
    assert json.loads(run(["recipes", "-j"]).stdout)[0]["name"] == "torch_default"
