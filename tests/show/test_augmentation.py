"""What augmentation does, in words: as the recipe says, and nothing else."""

import pytest
import torch

from ofdb_core.data import scenes
from ofdb_core.show import augmentation
from tests.helpers import tiny

OFF = {"hflip": 0.0, "vflip": 0.0, "auto_augment": None, "erasing": 0.0, "mix_probability": 0.0}


def test_what_a_recipe_leaves_out_is_not_named():
    words = augmentation.in_words(tiny.of("4_pretrain", **OFF, crop_scale=[0.3, 1.0]))
    assert words == "- each image is a crop of 30% to 100% of its area\n- no two images are mixed"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"hflip": 0.5}, "50% of the images are mirrored"),
        ({"vflip": 0.25}, "25% of the images are turned upside down"),
        ({"auto_augment": "rand-m9-mstd0.5-inc1"}, "`rand-m9-mstd0.5-inc1` may turn, shear, move,"),
        ({"erasing": 0.1}, "10% of the images are partly covered by a box of noise"),
    ],
)
def test_each_operation_of_a_recipe_is_named(values, line):
    words = augmentation.in_words(tiny.of("4_pretrain", **{**OFF, **values}))
    assert f"- {line}" in words
    assert len(words.splitlines()) == 3


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "100% of the batches have their images mixed in pairs: by mixup, as a mean of both (50%) or by CutMix"),
        ({"cutmix": 0.0}, "in pairs: by mixup, as a mean of both (100%)"),
        ({"mixup": 0.0}, "in pairs: by CutMix, as a box of one in the other (100%)"),
        ({"mix_switch": 1.0}, "in pairs: by CutMix, as a box of one in the other (100%)"),
        ({"mix_groups": 8, "mix_probability": 0.5}, "50% of the groups of 32 images have"),
        ({"mixup": 0.0, "cutmix": 0.0}, "no two images are mixed"),
    ],
)
def test_mixing_is_named_as_it_is_drawn(values, line):
    assert line in augmentation.in_words(tiny.of("4_pretrain", **values)).splitlines()[-1]


def test_a_picture_with_a_mask_is_followed_by_it_in_colours():
    recipe = tiny.rules()
    masks = torch.tensor([[[0, 1]], [[2, scenes.NO_CLASS]]])
    pictures, titles = augmentation.shown((torch.zeros(2, 3, 1, 2), masks), recipe, ["ground", "a", "b"])
    assert titles == ["", "2 classes", "", "2 classes"]
    assert pictures[1].tolist() == [[[0, 0, 0], [128, 0, 0]]]
    assert pictures[3].tolist() == [[[0, 128, 0], [224, 224, 192]]]
    targets = torch.tensor([[0.1, 0.9, 0.0], [0.0, 0.6, 0.4]])
    assert augmentation.shown((torch.zeros(2, 3, 1, 2), targets), recipe, ["x", "a", "b"])[1] == ["a", "a + b"]
