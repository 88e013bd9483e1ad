"""sower.torch without torch.distributed: names, ties, buffers, types, and what is refused."""
import os

import numpy
import pytest

torch = pytest.importorskip("torch")
sower_package = pytest.importorskip("sower")
import models  # noqa: E402
import sower.torch  # noqa: E402
from sower.torch._names import DTYPES, slots  # noqa: E402
from torch import nn  # noqa: E402
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper  # noqa: E402

RUN = sower.offline("one-process")
ANY = [{"match": "*", "init": "normal(std=0.02)"}]
INTEGERS = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}


def bits(tensor):
    return tensor.detach().contiguous().view(INTEGERS[tensor.element_size()])


def expected(draw, dtype):
    """The bits of a whole draw."""
    return torch.from_numpy(numpy.frombuffer(draw.numpy().tobytes(), f"i{draw.itemsize}").copy()).view(draw.shape)


def assert_filled(model, receipt):
    for name, slot in slots(model).items():
        if name in receipt.draws:
            assert torch.equal(bits(slot.tensor), expected(receipt.draws[name], slot.tensor.dtype)), name


def filled(model, **fields):
    receipt = sower.torch.fill_(model, RUN, sower.torch.manifest(model, **(fields or {"rules": ANY})))
    assert_filled(model, receipt)
    return receipt


def linear():
    return nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))


NAMES = ["0.weight", "0.bias", "1.weight", "1.bias"]


@pytest.mark.parametrize(
    "wrapped",
    [
        linear,
        lambda: torch.compile(linear()),
        lambda: checkpoint_wrapper(linear()),
        lambda: nn.Sequential(checkpoint_wrapper(nn.Linear(6, 4)), torch.compile(nn.Linear(4, 2))),
        lambda: torch.compile(checkpoint_wrapper(linear())),
        lambda: nn.DataParallel(linear()),
    ],
    ids=["plain", "compile", "checkpoint", "parts", "both", "data parallel"],
)
def test_wrappers_are_no_part_of_a_name(wrapped):
    model = wrapped()
    assert list(sower.torch.manifest(model, rules=ANY).names) == NAMES
    assert filled(model).draws["0.weight"].id == filled(linear()).draws["0.weight"].id


def test_a_module_that_is_called_module_keeps_its_name():
    model = nn.Module()
    model.module = nn.Linear(2, 2)
    assert list(sower.torch.manifest(model, rules=ANY).names) == ["module.weight", "module.bias"]


def test_ties_that_to_empty_broke_are_restored():
    model = models.on_meta()
    manifest = sower.torch.manifest(model, rules=models.RULES, blocks="layers")
    assert dict(manifest.ties) == {"head.weight": "wte.weight"}
    model.to_empty(device="cpu")
    assert model.head.weight is not model.wte.weight, "torch does not break ties any more: is the code for it still needed?"
    receipt = sower.torch.fill_(model, RUN, manifest)
    assert model.head.weight is model.wte.weight
    assert_filled(model, receipt)


def test_tensors_that_are_tied_here_and_two_in_the_manifest_are_refused():
    model = models.Model()
    fields = {"rules": models.RULES, "blocks": "layers"}
    untied = models.Model()
    untied.head.weight = nn.Parameter(torch.zeros(37, 24))
    with pytest.raises(sower.InvalidRequest, match="one tensor in this model, and two in the manifest"):
        sower.torch.fill_(model, RUN, sower.torch.manifest(untied, **{**fields, "rules": [{"match": "head.weight", "init": "zeros"}, *models.RULES]}))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_has_the_bits_of_its_draw(dtype):
    model = nn.ParameterDict({"w": nn.Parameter(torch.zeros(33, 5, dtype=dtype), requires_grad=False), "s": nn.Parameter(torch.zeros((), dtype=dtype), requires_grad=False)})
    filled(model)


def test_memory_that_is_not_contiguous_is_filled_and_nothing_beside_it():
    model = nn.Module()
    around = torch.zeros(8, 8, 3)
    model.w = nn.Parameter(around.transpose(0, 1)[1:5, 2:6, ::2])
    receipt = filled(model)
    assert int((around != 0).sum()) == model.w.numel()
    assert receipt.draws["w"].shape == (4, 4, 2)


def test_a_large_tensor_that_is_staged_in_pieces_has_the_same_bits(monkeypatch):
    monkeypatch.setattr(sower.torch._target, "_STAGED_MAX", 64)
    model = nn.Module()
    model.w = nn.Parameter(torch.zeros(7, 40).t())
    filled(model)


def test_denormal_numbers_are_kept_when_torch_flushes_them():
    model = nn.Module()
    model.w, model.b = nn.Parameter(torch.zeros(64, 64).t()), nn.Parameter(torch.zeros(64, 64))
    rules = [{"match": "*", "init": "normal(std=1e-39)"}]
    torch.set_flush_denormal(True)
    try:
        receipt = sower.torch.fill_(model, RUN, sower.torch.manifest(model, rules=rules))
    finally:
        torch.set_flush_denormal(False)
    assert_filled(model, receipt)
    assert torch.count_nonzero(bits(model.b)) > 4000


def test_no_law_is_guessed():
    with pytest.raises(sower.InvalidRequest, match="0.weight"):
        sower.torch.manifest(linear())
    assert_filled(model := nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)), filled(model, recipe="torch_default"))
    assert model[1].weight.eq(1).all() and model[1].running_var.eq(1).all() and model[1].running_mean.eq(0).all()


def test_the_types_of_the_model_are_compared_with_those_of_the_manifest():
    manifest = sower.torch.manifest(linear().bfloat16(), rules=ANY)
    with pytest.raises(sower.InvalidRequest, match="'0.weight' has the type f32 here, and bf16 in the manifest"):
        sower.torch.fill_(linear(), RUN, manifest)


def test_the_shapes_of_the_model_are_compared_with_those_of_the_manifest():
    manifest = sower.torch.manifest(nn.Linear(3, 4), rules=ANY)
    with pytest.raises(sower.InvalidRequest, match=r"\[4, 2\] here, and \[4, 3\] in the manifest"):
        sower.torch.fill_(nn.Linear(2, 4), RUN, manifest)


def test_a_model_without_memory_is_refused_and_another_one_is_untouched():
    with torch.device("meta"):
        model = linear()
    manifest = sower.torch.manifest(model, rules=ANY)
    with pytest.raises(sower.InvalidRequest, match="to_empty"):
        sower.torch.fill_(model, RUN, manifest)
    for parameter in model.to_empty(device="cpu").parameters():
        parameter.data.fill_(7)
    with pytest.raises(sower.InvalidRequest, match="The manifest lacks '0.weight'"):
        sower.torch.fill_(model, RUN, sower.Manifest({"tensors": [{"name": "other", "shape": [1], "init": "zeros"}]}))
    assert all(parameter.eq(7).all() for parameter in model.parameters())


def test_state_dicts_that_are_assigned_are_filled_in_place():
    with torch.device("meta"):
        model = linear()
    manifest = sower.torch.manifest(model, rules=ANY)
    assigned = {name: torch.zeros(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(assigned, assign=True)
    assert_filled(model, sower.torch.fill_(model, RUN, manifest))
    assert model[0].weight.data_ptr() == assigned["0.weight"].data_ptr()


class Rotary(nn.Module):
    def __init__(self, persistent=False):
        super().__init__()
        self.register_buffer("angles", 1 / 10000 ** (torch.arange(4) / 4), persistent=persistent)


class Reset(Rotary):
    def reset_buffers(self):
        self.angles.copy_(1 / 10000 ** (torch.arange(4) / 4))


class Anew(Rotary):
    """Makes its buffers again as new tensors, as torchtune does; one of them is in the manifest."""

    def __init__(self, persistent=False):
        super().__init__(persistent)
        self.register_buffer("scale", torch.zeros(3))

    def rope_init(self):
        self.angles, self.scale = 1 / 10000 ** (torch.arange(4) / 4), torch.zeros(3)


@pytest.mark.parametrize("persistent", [False, True])
def test_buffers_are_computed_by_their_module_or_kept_or_refused(persistent):
    fields = {"rules": ANY, "leave_out": ["*angles"]}
    for module, keep in ((Reset, []), (Anew, []), (Rotary, ["*.angles"])):
        model = nn.Sequential(nn.Linear(2, 2), module(persistent))
        before = model[1].angles.clone()
        if not keep:
            model[1].angles.zero_()
        assert_filled(model, sower.torch.fill_(model, RUN, sower.torch.manifest(model, **fields), keep=keep))
        assert torch.equal(model[1].angles, before)
    with pytest.raises(sower.InvalidRequest, match="'1.angles'.*reset_buffers"):
        sower.torch.fill_(model, RUN, sower.torch.manifest(model, **fields))


def test_a_counter_of_batches_begins_at_zero():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    model[1].num_batches_tracked.fill_(12345)
    filled(model, recipe="torch_default")
    assert model[1].num_batches_tracked == 0


def test_a_parameter_of_a_type_that_sower_does_not_make_is_named():
    model = nn.ParameterDict({"w": nn.Parameter(torch.zeros(3, dtype=torch.int32), requires_grad=False), "v": nn.Parameter(torch.zeros(2))})
    with pytest.raises(sower.InvalidRequest, match="'w' has the type torch.int32"):
        sower.torch.manifest(model, rules=ANY)
    manifest = sower.torch.manifest(model, rules=ANY, leave_out=["w"])
    with pytest.raises(sower.InvalidRequest, match="lacks 'w'"):
        sower.torch.fill_(model, RUN, manifest)
    assert_filled(model, sower.torch.fill_(model, RUN, manifest, keep=["w"]))


def test_lazy_modules_are_named():
    with pytest.raises(sower.InvalidRequest, match="lazy"):
        sower.torch.manifest(nn.LazyLinear(3), rules=ANY)


def test_a_single_tensor_is_recorded_and_filled():
    tensor = torch.zeros(6, 4, dtype=torch.bfloat16)
    draw = sower.torch.init_(tensor, RUN, "single", "orthogonal", layout="io")
    assert draw.shape == (6, 4) and draw.dtype == "bf16"
    assert torch.equal(bits(tensor), expected(draw, tensor.dtype))
    with pytest.raises(sower.InvalidRequest, match="meta"):
        sower.torch.init_(torch.empty(3, device="meta"), RUN, "meta", "zeros")


def test_torch_knows_that_a_filled_tensor_has_changed():
    weight = nn.Parameter(torch.ones(3, 3))
    loss = (weight * weight).sum()
    sower.torch.init_(weight, RUN, "changed", "normal")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_model_on_a_gpu_has_the_same_bits():
    model = linear().cuda()
    receipt = sower.torch.fill_(model, RUN, sower.torch.manifest(model, rules=ANY))
    assert_filled(model.cpu(), receipt)


def test_the_processors_are_shared_by_the_ranks_of_a_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    for ranks, threads in (("8", 2), ("1", 16), ("32", 1), ("", 16)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", ranks)
        assert sower.torch._target.share() == threads
