"""Files from the daemon are taken by their own readers: every tensor of a class is in the file, under the name that the reader expects,
and tied tensors are tied again. Integer tensors, which sower does not make, are what the class itself sets."""
import json

import pytest

import classes
import proof

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")


def manifest_of(case, tensors):
    """The manifest of a case, with its rules. Tied tensors are tied in it."""
    return {"tensors": proof.entries(tensors), "recipe": case.recipe, "rules": case.rules, **case.fields}


def load_cases(name):
    """The cases of classes/NAME.py, as parameters of a test; without its packages, none."""
    return [pytest.param(case, id=f"{case.recipe}: {case.name}") for case in classes.of(name)]


def first_case(recipe):
    found = [case for case in classes.of("huggingface") if case.recipe == recipe]
    return found[0] if found else pytest.skip("transformers is missing")


def floating(model):
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def taken(model, found):
    """Whether a reader found everything. Only integer tensors, as num_batches_tracked, may be missing: the class sets them."""
    assert not found["unexpected_keys"] and not found["mismatched_keys"], found
    assert not set(found["missing_keys"]) & floating(model).keys(), found


def equal(model, file, tied):
    """Whether the model has the tensors of the file, tied ones too. A table that the file leaves out is the class's own."""
    for name, tensor in floating(model).items():
        if name in file or name in tied:
            assert torch.equal(tensor, file[tied.get(name, name)]), name


# transformers 5.24.0 divides out_proj again when it reads a file, one of its own too.
CHANGED_BY_READING = "rescale_prenorm_residual"


@pytest.mark.parametrize("case", [case for case in load_cases("huggingface") if CHANGED_BY_READING not in case.id])
def test_from_pretrained_takes_a_file(sower, tmp_path, case):
    tensors = case.build(0)
    body = sower.post("/v1/model", {"experiment": "files", **manifest_of(case, tensors)})
    made = case.make()
    made.config.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(body)
    model, found = type(made).from_pretrained(tmp_path, output_loading_info=True)
    taken(model, found)
    file = safetensors_torch.load(body)
    if file.keys() <= model.state_dict().keys():
        equal(model, file, tensors.same_as)
    else:  # the file has other names than the class
        written = case.read(model)
        assert written.values.keys() == file.keys()
        assert all((written.values[name] == file[name].numpy()).all() for name in file)


def parts_of(sower, folder, manifest, count):
    """Writes the parts of a model and their index, as transformers names them."""
    kept = json.loads(sower.post("/v1/manifests", manifest))["manifest"]
    index = json.loads(sower.get(f"/v1/model/index?manifest={kept}&parts={count}")[1])
    for part in range(count):
        _, body = sower.get(f"/v1/model?manifest={kept}&experiment=files&part={part}/{count}")
        (folder / f"model-{part + 1:05}-of-{count:05}.safetensors").write_bytes(body)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("recipe", ["hf_gpt2", "hf_mixtral", "hf_t5", "hf_whisper"])
def test_from_pretrained_takes_parts_with_an_index(sower, tmp_path, recipe):
    case = first_case(recipe)
    tensors, made = case.build(0), case.make()
    parts_of(sower, tmp_path, manifest_of(case, tensors), 3)
    made.config.save_pretrained(tmp_path)
    model, found = type(made).from_pretrained(tmp_path, output_loading_info=True)
    taken(model, found)
    file = safetensors_torch.load(sower.post("/v1/model", {"experiment": "files", **manifest_of(case, tensors)}))
    equal(model, file, tensors.same_as)


@pytest.mark.parametrize("case", load_cases("vision") + load_cases("timm") + load_cases("torchtitan"))
def test_load_state_dict_takes_a_file(sower, case):
    tensors = case.build(0)
    file = safetensors_torch.load(sower.post("/v1/model", {"experiment": "files", **manifest_of(case, tensors)}))
    model = case.make()
    found = model.load_state_dict(file, strict=False)
    assert not found.unexpected_keys
    tables = {name for name, tensor in model.named_buffers() if name not in tensors.parameters and name not in file}
    assert set(found.missing_keys) <= tables  # swin's relative positions, which the class computes
    equal(model, file, tensors.same_as)


@pytest.mark.parametrize("case", load_cases("diffusers"))
def test_diffusers_from_pretrained_takes_a_file(sower, tmp_path, case):
    tensors = case.build(0)
    body = sower.post("/v1/model", {"experiment": "files", **manifest_of(case, tensors)})
    made = case.make()
    made.save_config(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(body)
    model, found = type(made).from_pretrained(tmp_path, output_loading_info=True)
    taken(model, found)
    equal(model, safetensors_torch.load(body), tensors.same_as)


def test_load_model_takes_a_file_with_tied_tensors(sower, tmp_path):
    case = first_case("hf_gpt2")
    body = sower.post("/v1/model", {"experiment": "files", **manifest_of(case, case.build(0))})
    (tmp_path / "model.safetensors").write_bytes(body)
    missing, unexpected = safetensors_torch.load_model(case.make(), str(tmp_path / "model.safetensors"), strict=True)
    assert not missing and not unexpected
