"""Fine-tuning on masks: what it learns, what it starts from, what it keeps, and what it refuses."""

import numpy as np
import pytest
import safetensors.torch

from ofdb_core.data import tables
from ofdb_core.stages import segment
from ofdb_core.stages.comparison import MaskComparison
from ofdb_core.training import networks, segmentation, weights
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny

VIT = networks.Shape("vit_tiny_patch16_224", {"patch_size": 4, "embed_dim": 16, "depth": 4, "num_heads": 2}, 32)
SMALL = {"decoder": 8, "repeats": 1, "input_size": 32, "batch_size": 8, "learning_rate": 0.01, "crop_scale": [0.5, 1.0]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    tiny.scenes(root / "train", 16)
    tiny.scenes(root / "val", 6, seed=1)
    (root / "classes.txt").write_text("ground\nbright\ndark\n")
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network's weights as pre-training writes them, without a head."""
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    facts = weights.facts(VIT, tiny.segment(), [])
    path.write_bytes(weights.to_bytes(networks.build(VIT, 0, seed=7), facts))
    return str(path)


def compared(out, data, checkpoint, **values):
    settings = tiny.segment(**{**SMALL, "out": str(out), "data": str(data), "checkpoint": checkpoint, **values})
    segment.check(settings)
    given = segment.start(settings)
    return MaskComparison(settings, segment.compare(settings, given)), given


@pytest.fixture(scope="module")
def done(data, checkpoint, tmp_path_factory):
    return compared(tmp_path_factory.mktemp("run"), data, checkpoint, steps=30)


def test_both_starts_learn_to_find_what_no_constant_finds(done):
    comparison, _ = done
    known = comparison.baseline()
    assert known["name"] == "ground everywhere"
    for start, (reached,) in comparison.reached("mean_iou").items():
        assert reached > 2 * known["mean_iou"]
        (evaluations,) = comparison.of("evaluations", start)
        assert [row["step"] for row in evaluations] == list(range(3, 31, 3))
        assert evaluations[-1]["mean_iou"] == reached
        (rows,) = comparison.of("classes", start)
        assert [row["class"] for row in rows] == ["ground", "bright", "dark"]
        assert np.mean([row["iou"] for row in rows]) == pytest.approx(reached)
    assert "mean IoU of 3 classes in 6 test scenes" in comparison.headline()
    assert (
        ", by one fine-tuning of one pre-training, so without an interval; gained in the last" in comparison.headline()
    )
    assert {"pre-trained, mean IoU", "from scratch, pixel accuracy"} <= comparison.in_words().keys()


def test_the_commonest_class_everywhere_is_counted_by_hand(done):
    comparison, given = done
    masks = np.stack([given.test.pair(i)[1] for i in range(len(given.test))])
    share = float((masks == 0).mean())  # of three classes, two are never found
    assert comparison.baseline()["pixel_accuracy"] == pytest.approx(share)
    assert comparison.baseline()["mean_iou"] == pytest.approx(share / 3)


def test_the_masks_that_were_found_are_those_of_the_kept_weights(done):
    comparison, given = done
    for start, folder in (("pre-trained", "pre-trained_0"), ("from scratch", "from-scratch_0")):
        model, facts = segmentation.opened(comparison.root / folder / "segmenter.safetensors")
        assert facts["masks"] == ["ground", "bright", "dark"]
        for i, found in segmentation.found(model, given.test, given.recipe):
            assert (comparison.masks(given.test.name(i), start) == found).all()


def test_a_finished_comparison_is_read(done, capsys):
    comparison, given = done
    assert segment.compare(comparison.parameters, given) == comparison.results
    assert "unchanged, kept" in capsys.readouterr().out


def test_with_head_only_the_trunk_is_the_checkpoints(data, checkpoint, tmp_path):
    comparison, _ = compared(tmp_path, data, checkpoint, head_only=True, starts=["pre-trained"], steps=3)
    model, _ = segmentation.opened(comparison.root / "pre-trained_0" / "segmenter.safetensors")
    assert tiny.same(model.trunk.state_dict(), safetensors.torch.load_file(checkpoint))


def test_other_files_are_no_segmenters(checkpoint):
    with pytest.raises(ValueError, match=r"model\.safetensors: holds no network for masks; segmenter\.safetensors"):
        segmentation.opened(checkpoint)
    assert Checkpoint.open(checkpoint).shape == VIT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": "/nowhere"}, "data: '/nowhere' is not voc2012, and no folder or archive of train/ and val/"),
        ({"auto_augment": "rand-m9-mstd0.5-inc1"}, "auto_augment: .* does not suit masks; give null"),
        ({"mix_pictures": "pixmix"}, "mix_pictures: pixmix does not suit masks; give none"),
        ({"layer_decay": 0.7}, "layer_decay: 0.7 does not suit masks; give 1.0"),
        ({"decoder": 4}, "decoder: 4 is out of range"),
    ],
)
def test_what_cannot_be_trained_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        tiny.segment(**values)


def test_tables_are_read_back(done):
    comparison, _ = done
    rows = tables.read(comparison.root / "results.csv")
    assert rows == comparison.results
    assert {row["test_scenes"] for row in rows} == {6}
