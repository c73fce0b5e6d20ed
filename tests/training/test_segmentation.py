"""Training on masks: the network, areas and scores, and a pre-training that learns and is fine-tuned from."""

import numpy as np
import pytest
import timm
import torch

from ofdb_core.data import scenes, tables
from ofdb_core.training import networks, segmentation
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny

VIT = networks.Shape("vit_tiny_patch16_224", {"patch_size": 4, "embed_dim": 16, "depth": 4, "num_heads": 2}, 32)
PLAIN = {"task": "segmentation", "mix_probability": 0.0, "label_smoothing": 0.0, "auto_augment": None, "erasing": 0.0}


@pytest.mark.parametrize("shape", [VIT, networks.Shape("test_resnet", {}, 64)])
def test_any_network_with_feature_maps_scores_each_pixel(shape):
    model = segmentation.build(shape, 5, width=8, seed=1)
    assert tiny.same(model.state_dict(), segmentation.build(shape, 5, width=8, seed=1).state_dict())
    assert tiny.same(model.trunk.state_dict(), networks.build(shape, 0, seed=1).state_dict())
    images = torch.rand(2, 3, shape.input_size, shape.input_size)
    assert model(images).shape == (2, 5, shape.input_size, shape.input_size)
    model(images).sum().backward()  # nothing that learns is left out, which several processes would not forgive
    assert all((one.grad is not None) == one.requires_grad for one in model.parameters())


def test_a_network_without_feature_maps_is_refused():
    with pytest.raises(
        ValueError, match=r"cannot be trained on masks \(has 1 feature maps; the decoder takes 2 to 4\)"
    ):
        segmentation.build(networks.Shape(VIT.model, {**VIT.options, "depth": 1}, 32), 5, width=8, seed=0)


def test_scores_are_those_of_a_small_example():
    mask = np.array([[0, 0, 1], [1, 2, scenes.NO_CLASS]], np.int16)
    found = np.array([[0, 1, 1], [1, 0, 2]])
    counts = segmentation.counted(found, mask, 4)
    assert counts.tolist() == [[1, 2, 0, 0], [2, 2, 1, 0], [2, 3, 0, 0]]
    rows = segmentation.by_class(counts, list("abcd"))
    assert [row["iou"] for row in rows] == [1 / 3, 2 / 3, 0.0, None]
    assert [row["pixels"] for row in rows] == [2, 2, 1, 0]
    assert segmentation.scores(counts, list("abcd")) == {"mean_iou": pytest.approx(1 / 3), "pixel_accuracy": 3 / 5}


def test_what_is_found_is_stretched_to_the_mask():
    square = np.arange(4).reshape(2, 2)
    assert segmentation.stretched(square, (4, 2)).tolist() == [[0, 1], [0, 1], [2, 3], [2, 3]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A pre-training on scenes, and its outcome."""
    out = tmp_path_factory.mktemp("run")
    small = {"input_size": 32, "model_options": VIT.options, "decoder": 16, "batch_size": 8, "steps": 40}
    rules = {"data": tiny.scenes(out / "scenes", 8), "learning_rate": 0.004, "crop_scale": [0.5, 1.0]}
    settings = tiny.pretrain(out=str(out), milestones=[5], **small, **rules, **PLAIN)
    return settings, tiny.trained(settings)


@pytest.mark.slow
def test_it_learns_the_class_of_each_pixel(trained):
    settings, outcome = trained
    assert outcome.log[0]["loss"] == pytest.approx(np.log(3), rel=0.05)
    constant = 0.72 / 3  # of a network that finds ground everywhere
    assert outcome.reached > 2 * constant
    assert [row["step"] for row in outcome.evaluations] == list(range(4, 41, 4))
    assert outcome.reached == outcome.evaluations[-1]["mean_iou"]
    rows = tables.read(f"{settings.out}/pretrain/classes.csv", text=("class",))
    assert [row["class"] for row in rows] == ["0", "1", "2"]
    assert np.mean([row["iou"] for row in rows]) == pytest.approx(outcome.reached)
    assert "mean IoU on the way" in outcome.in_words()


@pytest.mark.slow
def test_its_weights_are_timms_and_classification_goes_on_from_them(trained):
    settings, _ = trained
    path = f"{settings.out}/pretrain/model.safetensors"
    model = timm.create_model(VIT.model, img_size=32, num_classes=0, checkpoint_path=path, **VIT.options)
    opened, lines = Checkpoint.open(path).network(["a", "b"], seed=3)
    assert opened.num_classes == 2
    assert tiny.same(model.state_dict(), {k: v for k, v in opened.state_dict().items() if not k.startswith("head.")})
    assert [line.split(":")[0] for line in lines] == ["head.bias", "head.weight"]  # drawn anew
    assert not tiny.same(model.state_dict(), networks.build(VIT, 0, seed=0).state_dict())
    at_five = Checkpoint.open(f"{settings.out}/milestones/step_0000005.safetensors").network(["a", "b"])[0]
    assert at_five.num_classes == 2


@pytest.mark.slow
def test_a_finished_one_is_read_and_continued(trained):
    settings, outcome = trained
    again = tiny.trained(settings)
    assert again.log == outcome.log
    assert again.evaluations == outcome.evaluations


@pytest.mark.slow
def test_live_scenes_and_lit_pixels_are_learned_from(tmp_path):
    from ofdb_core.families import rcdb, segrcdb

    segrcdb.KIND.write(segrcdb.Render(out=str(tmp_path), categories=3, images=2, image_size=32))
    rcdb.KIND.write(rcdb.Render(out=str(tmp_path), categories=3, image_size=64))
    small = {
        "input_size": 32,
        "model_options": VIT.options,
        "decoder": 8,
        "batch_size": 2,
        "steps": 1,
        "warmup_steps": 0,
        **PLAIN,
    }
    for data, live in (("segrcdb-codes", {"size": 64, "objects": 3, "images": 3}), ("rcdb-codes", {"size": 64})):
        settings = tiny.pretrain(out=str(tmp_path), data=data, samples="live", live=live, changed="restart", **small)
        outcome = tiny.trained(settings)
        assert outcome.log[0]["loss"] == pytest.approx(np.log(4), rel=0.05)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"erasing": 0.5}, "erasing: 0.5 does not suit masks; give 0.0"),
        ({"data": "moire"}, "data: moire has no masks, and no ground from which they follow"),
        ({"data": "segrcdb", "samples": "one"}, "samples: one does not suit masks"),
        (
            {"data": "segrcdb", "task": "classification"},
            "data: segrcdb has masks, and no label for an image; give task",
        ),
        ({"layer_decay": 0.7}, "layer_decay: 0.7 does not suit masks; give 1.0"),
    ],
)
def test_what_does_not_suit_masks_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        tiny.pretrain(**{"data": "segrcdb", **PLAIN, **values})
