import pytest
import safetensors.torch
import tiny
import torch
from tiny import network, same

from ofdb_core import weights


@pytest.fixture
def saved(tmp_path):
    facts = {
        "model": "vit_tiny_patch16_224",
        "options": tiny.VIT,
        "input_size": 16,
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    weights.save(network(), tmp_path / "model.safetensors", {**facts, "classes": ["a", "b", "c", "d"]})
    return tmp_path / "model.safetensors"


def test_a_checkpoint_comes_back_as_it_was(saved):
    model, left = weights.load(saved)
    assert left == []
    assert same(model.state_dict(), network().state_dict())
    assert weights.facts(saved)["classes"] == ["a", "b", "c", "d"]


def test_another_number_of_classes_gets_a_new_head(saved):
    model, left = weights.load(saved, classes=7, seed=3)
    assert left == ["head.bias", "head.weight"]
    assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 7)
    assert torch.equal(model.head.weight, network(classes=7, seed=3).head.weight)
    assert torch.equal(model.patch_embed.proj.weight, network().patch_embed.proj.weight)


def test_bad_checkpoints_are_named(saved, tmp_path):
    with pytest.raises(ValueError, match="no such checkpoint"):
        weights.facts(tmp_path / "none")
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        weights.facts(saved)
    saved.write_bytes(safetensors.torch.save({"x": torch.zeros(1)}))
    with pytest.raises(ValueError, match="without this project's facts"):
        weights.load(saved)
    with pytest.raises(ValueError, match="facts: model, options"):
        weights.save(network(), saved, {})
