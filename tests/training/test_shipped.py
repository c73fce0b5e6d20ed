"""The checkpoint that comes with the package: whole, with its record, and of the experiment that makes it again."""

import json

import pytest
import torch

from benchmarks import shipped
from ofdb_core.base import manifests
from ofdb_core.data import real_images
from ofdb_core.run import parameter_files
from ofdb_core.stages import finetune
from ofdb_core.training import baselines, evaluation, networks, places
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.recipe import Inference
from tests.helpers import tiny

RECORD = json.loads((places.SHIPPED / "small" / "record.json").read_text())


def test_it_opens_by_its_name_and_knows_its_categories():
    assert places.shipped() == ["ofdb:small"]
    network, left = (checkpoint := Checkpoint.open("ofdb:small")).network()
    assert left == []
    assert len(checkpoint.facts["classes"]) == RECORD["1_search_categories"]["parameters"]["categories"] == 1000
    size = checkpoint.shape.input_size
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 3, size, size)).shape == (2, 1000)


def test_its_record_is_that_of_these_weights_and_of_the_experiment_small():
    entry = RECORD["4_pretrain"]
    asked = parameter_files.values("small", "4_pretrain")
    known = entry["parameters"].keys() & asked.keys() - {"live", "out"}  # a parameter that came later is not there
    assert {"steps", "seed", "model", "data"} <= known
    assert all(entry["parameters"][name] == manifests.portable(asked[name]) for name in known)
    assert {name: entry["parameters"]["live"][name] for name in asked["live"]} == asked["live"]


def test_its_card_says_what_it_saw_and_what_was_not_shown_and_is_written_by_the_command():
    text = (places.SHIPPED / "small" / "README.md").read_text()
    assert text == shipped.card(places.SHIPPED / "small")
    for words in (
        "1,000 classes. 1,536,000 samples of 24 x 24 pixels, each drawn anew",
        "- 25% of the images are partly covered",
        "./run_all.sh small 1_search_categories 4_pretrain",
        "**one pre-training**",
        "Licence: MIT.",
        RECORD["4_pretrain"]["reads"]["categories"],
    ):
        assert words in text


def test_another_name_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"checkpoint: 'ofdb:large' is neither .* or ofdb:small"):
        tiny.finetune(checkpoint="ofdb:large")


def test_a_start_from_it_needs_its_network(tmp_path):
    other = Checkpoint.open("ofdb:small", input_size=32)
    assert finetune.shipped_like(other).shape.input_size == 32
    with pytest.raises(ValueError, match="starts: shipped is a xcit_nano_12_p8_224 with"):
        finetune.shipped_like(Checkpoint.open("ofdb:small", model="vit_tiny_patch16_224", options={"depth": 1}))


def test_its_frozen_features_tell_digits_apart_better_than_random_ones():
    checkpoint = Checkpoint.open("ofdb:small")
    recipe, (train, test) = Inference.take(checkpoint.facts), real_images.images_of("digits", None)
    few, reached = train.few_shot(20, seed=0), []
    for network in (checkpoint.network()[0], networks.build(checkpoint.shape, 2, seed=0)):
        seen, unseen = (evaluation.features(network, images, recipe) for images in (few, test))
        reached.append(baselines.accuracies(seen, few.labels, unseen, test.labels, seed=0)["logistic regression"])
    assert reached[0] > reached[1] + 0.03
