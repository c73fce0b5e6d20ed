import re

import pytest
import torch
import yaml

from ofdb_core.training import model_card, networks, timm_config, weights
from tests.helpers import tiny

COST = {"processes": 1, "hardware": "a machine", "seconds": 5400.0}
MADE = {
    "seen": "12 samples of 16 x 16 pixels",
    "recipe": {"steps": 3, "data": "a|b", "from": "/home/someone/x"},
    "data": {"name": "images", "hash": "ab" * 32},
    "results": {"loss": 0.5, "accuracy on its own categories": 0.25},
    "cost": COST,
}


def facts(model, options, input_size, channels=3):
    seen = {"mean": [0.3] * 3, "std": [0.2] * 3, "interpolation": "bilinear", "crop_pct": 0.9}
    shape = {"model": model, "options": options, "input_size": input_size, "channels": channels}
    return {**shape, **seen, "classes": ["x", "y", "z"]}


@pytest.mark.parametrize(
    ("model", "options", "input_size", "channels"),
    [
        ("vit_tiny_patch16_224", {**tiny.VIT, "global_pool": "avg"}, 16, 1),
        ("vit_tiny_patch16_224.augreg_in21k", tiny.VIT, 16, 3),
        ("deit_tiny_distilled_patch16_224", {"depth": 1}, 64, 3),
        ("resnet10t", {}, 40, 3),
    ],
)
def test_the_code_of_a_card_makes_network_and_view(tmp_path, monkeypatch, model, options, input_size, channels):
    known = facts(model, options, input_size, channels)
    network = networks.build(networks.Shape(model, options, input_size, channels), 3, seed=0)
    (tmp_path / "model.safetensors").write_bytes(weights.to_bytes(network, known))
    (tmp_path / "config.json").write_text(timm_config.text(network, known))
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", model_card.text(known, **MADE), re.DOTALL)[1]
    names = {}
    exec(code, names)
    images = torch.rand(2, channels, input_size, input_size)
    with torch.inference_mode():
        assert torch.equal(names["model"](images), network.eval()(images))
    resize, *_, scale = names["transform"].transforms
    assert resize.size == round(input_size / 0.9) or resize.size == int(input_size / 0.9)
    assert resize.interpolation.value == "bilinear"
    assert scale.mean.tolist() == pytest.approx([0.3] * channels)
    assert scale.std.tolist() == pytest.approx([0.2] * channels)


def test_a_card_says_what_the_network_was_made_from():
    known = facts("vit_tiny_patch16_224", tiny.VIT, 16)
    text = model_card.text(
        known,
        **MADE,
        license="mit",
        base_model="vit_tiny",
        others={"best.safetensors": "The best"},
        notes="\n## More\n",
    )
    _, header, body = text.split("---\n", 2)
    said = yaml.safe_load(header)
    assert (said["library_name"], said["license"], said["base_model"]) == ("timm", "mit", "vit_tiny")
    (result,) = said["model-index"][0]["results"]
    assert result["dataset"]["name"] == "images"
    assert [metric["value"] for metric in result["metrics"]] == [0.25]
    for line in ("| loss | 0.5 |", "| steps | 3 |", '| data | "a\\|b" |', '| from | "x" |', f"`{'ab' * 32}`"):
        assert line in body
    for line in (
        "3 classes. 12 samples of 16 x 16 pixels\n\n## More\n\n## Results",
        "| hours | 1.5 |",
        '| hardware | "a machine" |',
        "Licence: mit",
        "checkpoint_path='best.",
    ):
        assert line in body


def test_a_card_does_not_invent_a_licence():
    text = model_card.text(facts("vit_tiny_patch16_224", tiny.VIT, 16), **MADE)
    assert "license" not in yaml.safe_load(text.split("---\n")[1])
    assert "licence of the images that it learned from applies" in text
