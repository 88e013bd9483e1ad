"""The script of the README does what the README says."""
import json
import re

import pytest

from conftest import EXPERIMENT, ROOT

torch = pytest.importorskip("torch")


def test_the_first_script_gives_a_model_its_weights(sower):
    script = re.search(r"## A first script with PyTorch.*?```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    assert "127.0.0.1:7697" in script and '"exp-42"' in script
    script = script.replace("127.0.0.1:7697", f"127.0.0.1:{sower.port}").replace("exp-42", EXPERIMENT)
    names = {}
    exec(script, names)
    state = names["model"].state_dict()
    assert [(name, tuple(tensor.shape), tensor.device.type) for name, tensor in state.items()] == [
        ("0.weight", (512, 784), "cpu"), ("0.bias", (512,), "cpu"), ("2.weight", (10, 512), "cpu"), ("2.bias", (10,), "cpu")]
    # torch_default: the default of Linear, uniform within 1/sqrt(fan_in), for weight and bias.
    for name, fan_in in [("0.weight", 784), ("0.bias", 784), ("2.weight", 512), ("2.bias", 512)]:
        assert 0.8 * fan_in**-0.5 < state[name].abs().max().item() <= fan_in**-0.5, name
    # A tensor of the model has the same bits as the single tensor.
    lines = sower.get(f"/v1/ledger?experiment={EXPERIMENT}&name=2.weight")[1]
    line = json.loads(lines.splitlines()[-1])
    alone = sower.raw(line["init"], line["shape"], name="2.weight")
    assert state["2.weight"].numpy().tobytes() == alone
