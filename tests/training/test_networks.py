import pytest
import torch

from ofdb_core.training import networks
from tests.helpers import tiny


@pytest.mark.parametrize(
    ("name", "options", "size", "drop_path", "message"),
    [
        ("vit_tny_patch16_224", {}, 224, 0.0, r"not a timm model \(did you mean vit_tiny_patch16_224"),
        ("vit_tiny_patch16_224", {"patchsize": 4}, 224, 0.0, "model_options: patchsize is no option"),
        ("vit_tiny_patch16_224", {"num_classes": 4}, 224, 0.0, "num_classes is not allowed"),
        ("vit_tiny_patch16_224", {"in_chans": 1}, 224, 0.0, "in_chans is not allowed"),
        ("vit_tiny_patch16_224", {"embed_dim": 10, "num_heads": 3}, 224, 0.0, "do not make a"),
        ("vit_tiny_patch16_224", {"num_heads": 0}, 224, 0.0, "do not make a"),
        ("vit_tiny_patch16_224", {"patch_size": 0}, 224, 0.0, "do not make a"),
        ("vit_tiny_patch16_224", {"features_only": True}, 224, 0.0, "features_only makes no network with a head"),
        ("vit_tiny_patch16_224", {"patch_size": 32}, 16, 0.0, "input_size: 16 does not suit"),
        ("vgg11", {}, 224, 0.1, "drop_path: 0.1 is not allowed"),
    ],
)
def test_models_that_cannot_be_made_are_refused(name, options, size, drop_path, message):
    with pytest.raises(ValueError, match=message):
        networks.check_model(networks.Shape(name, options, size), drop_path=drop_path)


def test_models_without_positions_take_any_size():
    networks.check_model(networks.Shape("resnet10t", {}, 40))


@pytest.mark.parametrize("name", ["hrnet_w18_small", "resnet10t"])
def test_arguments_are_those_that_timm_takes(name):
    assert networks.arguments(networks.Shape(name, {}, 64, 1), 3) == {"num_classes": 3, "in_chans": 1}


def test_networks_of_one_channel():
    shape = networks.Shape("vit_tiny_patch16_224", tiny.VIT, 16, 1)
    networks.check_model(shape)
    model = networks.build(shape, 4, seed=0)
    assert model(torch.zeros(2, 1, 16, 16)).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "options", "size", "seen"),
    [
        (
            "vit_tiny_patch16_224",
            {**tiny.VIT, "patch_size": 6},
            25,
            "25 is no multiple of 6, .* 1 of 25 rows .*; 24 and 30",
        ),
        (
            "swin_tiny_patch4_window7_224",
            {"window_size": 7},
            226,
            "226 is no multiple of 4, .* 2 of 226 rows .*; 224 and 228",
        ),
        ("convnext_atto", {}, 66, "66 is no multiple of 4"),
        ("vit_tiny_patch16_224", {**tiny.VIT, "dynamic_img_size": True, "dynamic_img_pad": True}, 25, None),
        ("resnet10t", {}, 65, None),
    ],
)
def test_pixels_that_no_patch_sees_are_refused(name, options, size, seen):
    if seen is None:
        networks.check_model(networks.Shape(name, options, size))
    else:
        with pytest.raises(ValueError, match=seen):
            networks.check_model(networks.Shape(name, options, size))
