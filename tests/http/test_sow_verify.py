"""sow verify FILE: every bit of a file against its draws."""
import json
import os
import struct
import subprocess
import urllib.parse

import pytest

from receipts import MANIFEST, query_of, receipt
from sow_programs import PATIENCE, SOW, environment, run

ENTRIES = {"F64": 8, "F32": 4, "BF16": 2, "F8_E4M3": 1}
OK = "every bit as drawn"


def split(file):
    """The header of a safetensors file as an object, and its data."""
    size = struct.unpack("<Q", file[:8])[0]
    return json.loads(file[8:8 + size]), file[8 + size:]


def join(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def verify(file, *arguments):
    return run(["verify", file, *arguments])


def is_right(file, *arguments):
    done = verify(file, *arguments)
    return (done.returncode, done.stderr) == (0, "") and OK in done.stdout.decode()


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(MANIFEST))
    return path


@pytest.fixture
def model(daemon, tmp_path):
    """A file of the daemon, and its receipt."""
    (tmp_path / "model").write_bytes(daemon.post("/v1/model", MANIFEST).body)
    return tmp_path / "model", receipt(daemon, tmp_path)


# What is right


@pytest.mark.parametrize("threads", [1, 5])
def test_a_model_is_right_by_receipt_and_by_manifest(model, manifest, threads):
    assert is_right(model[0], "--receipt", model[1], "-j", threads)
    assert is_right(model[0], "--manifest", manifest, "-j", threads)


def test_a_model_is_right_by_its_lines(daemon, model, tmp_path):
    daemon.get("/v1/tensor?experiment=derive&trial=5&name=other&shape=3&init=zeros")
    (tmp_path / "lines").write_bytes(daemon.get("/v1/ledger?experiment=derive&trial=5").body)
    assert is_right(model[0], "--line", tmp_path / "lines")
    done = verify(model[0], "--line", tmp_path / "lines", "--tensors", "other")
    assert done.returncode == 1 and "no tensor of these lines" in done.stderr
    header, data = split(model[0].read_bytes())
    header["r"] = header.pop("q")
    (tmp_path / "changed").write_bytes(join(header, data))
    done = verify(tmp_path / "changed", "--line", tmp_path / "lines")
    assert (done.returncode, done.stdout) == (1, b"r\tit is in the file, but not among the draws\n")


@pytest.mark.parametrize("fields", [{"tensors": "[eqä]*"}, {"part": "1/3"}, {"shard": "0:1/3"}, {"tensors": "lm_head.*", "shard": "1:0/2"}])
def test_the_metadata_says_which_part_of_the_model_a_file_has(daemon, manifest, tmp_path, fields):
    path = receipt(daemon, tmp_path)
    of_model = {"experiment": "derive", "trial": 5, "manifest": json.loads(path.read_text())["manifest"], **fields}
    (tmp_path / "part").write_bytes(daemon.get("/v1/model?" + urllib.parse.urlencode(of_model)).body)
    assert is_right(tmp_path / "part", "--receipt", path)
    assert is_right(tmp_path / "part", "--manifest", manifest)


def test_the_metadata_says_which_slices_of_the_tensors_a_file_has(daemon, manifest, tmp_path):
    path, slices = receipt(daemon, tmp_path), {"wte.weight": "3:200,:-5", "q": ":,7:"}
    (tmp_path / "part").write_bytes(daemon.post("/v1/model", {**MANIFEST, "slices": slices}).body)
    assert is_right(tmp_path / "part", "--receipt", path)
    assert is_right(tmp_path / "part", "--manifest", manifest)
    header, data = split((tmp_path / "part").read_bytes())
    for wrong in ("{", "[]", '{"q":1}', '{"nobody":":"}', '{"q":":,:,:"}'):
        header["__metadata__"]["sower.slices"] = wrong
        (tmp_path / "part").write_bytes(join(header, data))
        assert verify(tmp_path / "part", "--receipt", path).returncode == 1, wrong


def test_the_daemon_gives_the_manifest_that_the_metadata_names(daemon, manifest, tmp_path):
    body, file = json.loads(manifest.read_bytes()), tmp_path / "model.safetensors"
    file.write_bytes(daemon.post("/v1/model", body).body)
    server = f"http://{daemon.address}"
    assert is_right(file, "--server", server)
    assert "--server" in verify(file).stderr, "it says that the daemon has the manifest"
    header, data = split(file.read_bytes())
    data = bytes([data[0] ^ 1]) + data[1:]
    file.write_bytes(join(header, data))
    assert verify(file, "--server", server).returncode == 1
    header["__metadata__"]["sower.manifest"] = "0" * 64
    file.write_bytes(join(header, data))
    done = verify(file, "--server", server)
    assert done.returncode != 0 and "manifest" in done.stderr and done.stdout == b""


def test_the_metadata_says_experiment_and_trial(daemon, tmp_path):
    plain = {"tensors": [{"name": "w", "shape": [20, 30], "init": "he_normal"}]}
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    (tmp_path / "model").write_bytes(daemon.post("/v1/model", {**plain, "experiment": "other", "trial": 3}).body)
    assert is_right(tmp_path / "model", "-m", tmp_path / "plain.json")
    assert verify(tmp_path / "model", "-m", tmp_path / "plain.json", "-t", "4").returncode == 1


def test_another_program_may_order_the_tensors_and_keep_tied_ones(model, tmp_path):
    header, data = split(model[0].read_bytes())
    header.pop("__metadata__")
    tied = data[slice(*header["wte.weight"]["data_offsets"])]
    header["lm_head.weight"] = {**header["wte.weight"], "data_offsets": [len(data), len(data) + len(tied)]}
    (tmp_path / "other").write_bytes(join(dict(reversed(header.items())), data + tied))
    assert is_right(tmp_path / "other", "--receipt", model[1])
    (tmp_path / "other").write_bytes(join(header, data + tied[:-4] + b"\0\0\0\x3f"))
    done = verify(tmp_path / "other", "--receipt", model[1])
    assert done.returncode == 1 and done.stdout.decode().startswith("lm_head.weight\t1 of 19200 elements")


def test_the_metadata_may_name_the_tied_tensor_the_other_way_round(model, tmp_path):
    header, data = split(model[0].read_bytes())
    header["lm_head.weight"] = header.pop("wte.weight")
    header["__metadata__"] = {"wte.weight": "lm_head.weight"}
    (tmp_path / "other").write_bytes(join(header, data))
    assert is_right(tmp_path / "other", "--receipt", model[1])


def test_a_part_of_a_larger_file_is_chosen_on_the_command_line(model, tmp_path):
    header, data = split(model[0].read_bytes())
    header["more"] = {"dtype": "I64", "shape": [1], "data_offsets": [len(data), len(data) + 8]}
    (tmp_path / "larger").write_bytes(join(header, data + bytes(8)))
    assert is_right(tmp_path / "larger", "--receipt", model[1], "--tensors", "q")
    done = verify(tmp_path / "larger", "--receipt", model[1])
    assert (done.returncode, done.stdout) == (1, b"more\tit is in the file, but not among the draws\n")


@pytest.mark.parametrize("form", ["npy", "safetensors"])
@pytest.mark.parametrize("arguments", [
    ["-e", "e", "-n", "w", "-i", "he_normal", "-s", "300,70"],
    ["-e", "e", "-n", "w", "-i", "orthogonal", "-s", "70,90", "--slice", "3:64,-11:"],
    ["-e", "e", "-n", "w", "-i", "he_normal", "-s", "64,64", "-d", "bf16", "--shard", "0:3/8"],
    ["-e", "e", "-n", "w", "-i", "ones", "-s", "", "-d", "f64"],
    ["-e", "e", "-n", "w", "-i", "zeros", "-s", "0,4", "-d", "f16"],
    ["-e", "e", "-n", "w", "-i", "normal", "-s", "100", "-d", "f8_e5m2"],
])
def test_a_tensor_is_right_by_its_fields_and_by_its_receipt(daemon, tmp_path, arguments, form):
    response = daemon.get("/v1/tensor?" + query_of([*arguments, "-f", form]))
    (tmp_path / "file").write_bytes(response.body)
    assert is_right(tmp_path / "file", *arguments)
    fields = dict(urllib.parse.parse_qsl(query_of(arguments), keep_blank_values=True))
    region = [word for key in ("slice", "shard") if key in fields for word in (f"--{key}", fields.pop(key))]
    path = receipt(daemon, tmp_path, {**fields, "shape": [int(size) for size in fields["shape"].split(",") if size]})
    assert is_right(tmp_path / "file", "--receipt", path, *region, *(["-n", "w"] if form == "safetensors" else []))


def test_the_file_says_what_no_option_says(daemon, tmp_path):
    tensor = "/v1/tensor?experiment=e&trial=2&name=w&shape=30,20&init=he_normal&dtype=bf16&format="
    for form in ("npy", "safetensors"):
        (tmp_path / form).write_bytes(daemon.get(tensor + form).body)
    assert is_right(tmp_path / "safetensors", "-i", "he_normal")
    assert is_right(tmp_path / "npy", "-i", "he_normal", "-e", "e", "-n", "w", "-t", "2")


def test_a_private_root_needs_its_key_or_a_receipt(start, tmp_path, manifest):
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "key").chmod(0o600)
    daemon = start("--root-key-file", str(tmp_path / "key"))
    (tmp_path / "model").write_bytes(daemon.post("/v1/model", MANIFEST).body)
    assert is_right(tmp_path / "model", "--receipt", receipt(daemon, tmp_path))
    assert is_right(tmp_path / "model", "-m", manifest, "-k", tmp_path / "key")
    done = verify(tmp_path / "model", "-m", manifest)
    assert done.returncode == 1 and "--root-key-file" in done.stderr and done.stdout == b""


def test_quiet_says_nothing_about_a_file_that_is_right(model):
    done = verify(model[0], "--receipt", model[1], "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")


# What is wrong


def place(file, name, index):
    """The first byte of an element in a safetensors file."""
    header, data = split(file)
    return len(file) - len(data) + header[name]["data_offsets"][0] + index * ENTRIES[header[name]["dtype"]]


@pytest.mark.parametrize("name, indices, where", [("wte.weight", [64], "[1,0]"), ("experts", [5, 512, 2047], "[0,0,5]"), ("q", [2399], "[59,39]"), ("b", [0], "[]")])
@pytest.mark.parametrize("threads", [1, 5])
def test_it_counts_the_elements_that_differ_and_names_the_first(model, tmp_path, name, indices, where, threads):
    changed = bytearray(model[0].read_bytes())
    for index in indices:
        changed[place(changed, name, index)] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    done = verify(tmp_path / "changed", "--receipt", model[1], "-j", threads)
    assert done.returncode == 1 and "1 tensor." in done.stderr
    assert f"{name}\t{len(indices)} of " in done.stdout.decode() and f"the first is {where}: its bits are 0x" in done.stdout.decode()


def test_minus_zero_is_not_zero(daemon, tmp_path):
    file = bytearray(daemon.get("/v1/tensor?experiment=e&name=w&shape=4&init=zeros").body)
    file[-1] = 0x80
    (tmp_path / "w.npy").write_bytes(file)
    done = verify(tmp_path / "w.npy", "-e", "e", "-n", "w", "-i", "zeros")
    assert done.returncode == 1 and "is [3]: its bits are 0x80000000, expected 0x00000000" in done.stdout.decode()


def test_a_large_tensor_differs_at_its_start_and_its_end(tmp_path):
    size = 20_000_000  # several blocks
    arguments = ["-e", "e", "-n", "w", "-s", size, "-i", "normal"]
    assert run(["derive", *arguments, "-o", tmp_path / "w.npy"]).returncode == 0
    assert is_right(tmp_path / "w.npy", "-e", "e", "-n", "w", "-i", "normal")
    with open(tmp_path / "w.npy", "r+b") as file:
        for index in (7, size - 1):
            file.seek(-4 * (size - index), os.SEEK_END)
            file.write(b"\0\0\xc0\x7f")
    done = verify(tmp_path / "w.npy", "-e", "e", "-n", "w", "-i", "normal")
    assert f"2 of {size} elements differ; the first is [7]: its bits are 0x7fc00000" in done.stdout.decode()


def test_tensors_that_are_missing_added_or_of_another_form(model, tmp_path):
    header, data = split(model[0].read_bytes())
    header["r"] = header.pop("q")
    header["wte.weight"]["shape"] = [64, 300]
    header["fans"] = {**header["fans"], "dtype": "I32"}
    header["experts"]["dtype"] = "F16"
    (tmp_path / "changed").write_bytes(join(header, data))
    done = verify(tmp_path / "changed", "--receipt", model[1])
    assert done.returncode == 1 and "5 tensors" in done.stderr
    assert done.stdout.decode().splitlines() == [
        "wte.weight\tits shape is [64,300], expected [300,64]", "q\tit is missing", "experts\tits dtype is f16, expected bf16",
        "fans\tits dtype is one that Sower does not make, expected f32", "r\tit is in the file, but not among the draws"]


def test_of_many_differences_it_shows_the_first(daemon, tmp_path):
    many = {"experiment": "many", "tensors": [{"name": f"t{i}", "shape": [3], "init": "normal"} for i in range(30)]}
    header, data = split(daemon.post("/v1/model", many).body)
    (tmp_path / "changed").write_bytes(join(header, bytes(len(data))))
    lines = verify(tmp_path / "changed", "--receipt", receipt(daemon, tmp_path, many)).stdout.decode().splitlines()
    assert len(lines) == 21 and lines[-1] == "and 10 more"


@pytest.mark.parametrize("changes", [{"-e": "x"}, {"-t": "1"}, {"-n": "v"}, {"-i": "he_uniform"}, {"--layout": "io"}])
def test_other_fields_are_another_draw(daemon, tmp_path, changes):
    (tmp_path / "w.npy").write_bytes(daemon.get("/v1/tensor?experiment=e&name=w&shape=30,20&init=he_normal").body)
    fields = {"-e": "e", "-n": "w", "-i": "he_normal", **changes}
    done = verify(tmp_path / "w.npy", *[word for pair in fields.items() for word in pair])
    assert done.returncode == 1 and "600 elements differ" in done.stdout.decode()


def test_an_npy_file_of_another_dtype_or_length(daemon, tmp_path):
    file = daemon.get("/v1/tensor?experiment=e&name=w&shape=30&init=he_normal&fan_in=3&fan_out=3").body
    fields = ["-e", "e", "-n", "w", "-i", "he_normal", "--fan-in", "3", "--fan-out", "3"]
    (tmp_path / "w.npy").write_bytes(file)
    assert "NumPy's type <f4, expected f16" in verify(tmp_path / "w.npy", *fields, "-d", "f16").stdout.decode()
    for other in (file[:-1], file + b"\0"):
        (tmp_path / "w.npy").write_bytes(other)
        done = verify(tmp_path / "w.npy", *fields)
        assert done.returncode == 1 and "bytes of elements, expected 120" in done.stdout.decode()


# Hostile files


def with_length(length, rest=b"{}"):
    return struct.pack("<Q", length) + rest


def entry(start, stop, shape=None, dtype="F32"):
    return {"dtype": dtype, "shape": [1] if shape is None else shape, "data_offsets": [start, stop]}


@pytest.mark.parametrize("file", [
    b"", b"\0", with_length(0, b""), with_length(2**64 - 1), with_length(2**63), with_length(100_000_001), with_length(3),
    with_length(2, b"[]"), with_length(2, b"{x"), join({"w": entry(0, 8)}, bytes(8)), join({"w": entry(4, 0)}, bytes(4)),
    join({"w": entry(0, 4)}, bytes(3)), join({"w": entry(0, 4)}, bytes(5)), join({"w": entry(4, 8)}, bytes(8)),
    join({"w": entry(0, 4), "v": entry(0, 4)}, bytes(8)), join({"w": entry(0, 8), "v": entry(4, 8)}, bytes(8)),
    join({"w": entry(0, 4, [2**62, 2**62])}, bytes(4)), join({"w": entry(0, 4, [1] * 9)}, bytes(4)),
    join({"w": entry(0, 4, [-1])}, bytes(4)), join({"w": entry(0, 2**62, [2**60])}, bytes(4)), join({"w": entry(0, 4, dtype="Q")}, bytes(4)),
    join({"w": 7}, bytes(4)), join({"w": {}}, bytes(4)),
    with_length(116, b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'.ljust(116) + bytes(8)),
])
def test_a_malformed_safetensors_file_is_refused(tmp_path, file):
    (tmp_path / "file").write_bytes(file)
    done = verify(tmp_path / "file", "-e", "e", "-n", "w", "-i", "zeros")
    assert done.returncode == 1 and any(word in done.stderr for word in ("safetensors", "The tensor", "data_offsets", "JSON"))
    assert done.stdout == b""


def npy(text, version=1, length=None):
    text = text.encode()
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text + bytes(16)


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n"


@pytest.mark.parametrize("version, text", [(1, PLAIN), (2, PLAIN), (3, PLAIN), (1, "{'shape':(4,),'fortran_order':False,'descr':'<f4'}")])
def test_an_npy_header_of_another_writer_is_read(tmp_path, version, text):
    (tmp_path / "file").write_bytes(npy(text, version))
    assert is_right(tmp_path / "file", "-e", "e", "-n", "w", "-i", "zeros")


@pytest.mark.parametrize("file", [
    b"\x93NUMPY", b"\x93NUMPY\1", b"\x93NUMPY\1\0\xff", npy(PLAIN, 4), npy(PLAIN, 0), npy(PLAIN, 1, 65535), npy(PLAIN, 2, 2**32 - 1), npy(""),
    npy("{}"), npy(PLAIN.replace("False", "True")), npy(PLAIN.replace("'<f4'", "[('a', '<f4')]")), npy(PLAIN.replace("4,", "-4,")),
    npy(PLAIN.replace("4,", "4 5")), npy(PLAIN.replace("4,", "9223372036854775808,")), npy(PLAIN.replace("4,", "1,1,1,1,1,1,1,1,1")),
    npy(PLAIN.replace("descr", "other")), npy(PLAIN.replace("}", "} x")), npy(PLAIN.replace("}", "'shape': (4,)}")), npy(PLAIN.replace("}", "")),
    npy(PLAIN.replace("<f4", "<" * 40)), npy(PLAIN.replace("'<f4'", "'<f4")), npy(PLAIN.replace("(4,)", "(")), npy("{'"), npy("{'descr':"), npy("{,}"),
])
def test_a_malformed_npy_file_is_refused(tmp_path, file):
    (tmp_path / "file").write_bytes(file)
    done = verify(tmp_path / "file", "-e", "e", "-n", "w", "-i", "zeros")
    assert done.returncode == 1 and "NumPy" in done.stderr and done.stdout == b""


def test_an_array_in_another_byte_order_is_of_another_type(tmp_path):
    (tmp_path / "file").write_bytes(npy(PLAIN.replace("<f4", ">f4")))
    done = verify(tmp_path / "file", "-e", "e", "-n", "w", "-i", "zeros", "-d", "f32")
    assert done.returncode == 1 and ">f4" in done.stdout.decode()


@pytest.mark.parametrize("content, word", [(b'{"ledger":1}\n', "sow ledger verify"), (b"SQLite format 3\0" + bytes(84), "sow ledger verify")])
def test_a_ledger_is_for_another_command(tmp_path, content, word):
    (tmp_path / "file").write_bytes(content)
    done = verify(tmp_path / "file", "-i", "zeros")
    assert done.returncode == 1 and word in done.stderr


# The command line


def test_it_needs_to_know_the_draws(model):
    done = verify(model[0])
    assert done.returncode == 2 and "--receipt" in done.stderr


@pytest.mark.parametrize("arguments, status", [([], 2), (["/none", "-i", "zeros"], 3), (["/dev/null", "-i", "zeros"], 3), (["/", "-i", "zeros"], 3)])
def test_a_file_is_needed(arguments, status):
    assert run(["verify", *arguments]).returncode == status


def test_names_are_safe_on_a_terminal(daemon, tmp_path):
    header = {"\u001b[2J": entry(0, 4), "w": entry(4, 8)}
    (tmp_path / "file").write_bytes(join(header, bytes(8)))
    path = receipt(daemon, tmp_path, {"experiment": "e", "tensors": [{"name": "w", "shape": [1], "init": "zeros"}]})
    done = subprocess.run([SOW, "verify", tmp_path / "file", "--receipt", path], capture_output=True, env=environment(), timeout=PATIENCE)
    assert done.returncode == 1 and b"\x1b" not in done.stdout and b"not among the draws" in done.stdout
