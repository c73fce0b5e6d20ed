import re

import pytest
import tiny
import torch
import yaml

from ofdb_core.training import model_card, networks, weights  # (before timm)

# isort: split
import timm

MADE = {"file": "model.safetensors", "recipe": {"steps": 3, "data": "a|b"}, "data": "ab" * 32, "results": {"loss": 0.5}}


def facts(model, options, input_size, channels=3):
    norm = {"mean": [0.5] * channels, "std": [0.5] * channels, "classes": ["x", "y", "z"]}
    return {"model": model, "options": options, "input_size": input_size, "channels": channels, **norm}


@pytest.mark.parametrize(
    ("model", "options", "input_size", "channels"),
    [
        ("vit_tiny_patch16_224", {**tiny.VIT, "global_pool": "avg"}, 16, 1),
        ("deit_tiny_distilled_patch16_224", {"depth": 1}, 64, 3),
        ("resnet10t", {}, 40, 3),
    ],
)
def test_the_code_of_a_card_makes_the_network(tmp_path, monkeypatch, model, options, input_size, channels):
    known = facts(model, options, input_size, channels)
    how = {"options": options, "input_size": input_size, "channels": channels}
    network = networks.build(model, 3, **how, seed=0)
    (tmp_path / "model.safetensors").write_bytes(weights.to_bytes(network, known))
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", model_card.text(known, **MADE), re.DOTALL)[1]
    assert len(code.strip().splitlines()) <= 3
    names = {}
    exec(code, names)
    images = torch.rand(2, channels, input_size, input_size)
    with torch.inference_mode():
        assert torch.equal(names["model"](images), network.eval()(images))
    assert names["timm"] is timm


def test_a_card_says_what_the_network_was_made_from():
    known = facts("vit_tiny_patch16_224", tiny.VIT, 16)
    text = model_card.text(known, **MADE)
    assert text == model_card.text(known, **MADE)
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header)["library_name"] == "timm"
    for line in ("| loss | 0.5 |", "| steps | 3 |", '| data | "a\\|b" |', f"`{'ab' * 32}`", "16 x 16 pixels"):
        assert line in body
