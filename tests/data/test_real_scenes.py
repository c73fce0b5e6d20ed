"""Real scenes: folders and archives of train/ and val/, VOC 2012, and what is refused before a training."""

import shutil

import numpy as np
import pytest
from PIL import Image

from ofdb_core.data import packing, png, real_scenes, scenes, voc
from tests.data.test_real_images import fake_voc
from tests.helpers import tiny


def test_every_damaged_file_is_named_before_anything_runs(tmp_path):
    for part in ("train", "val"):
        tiny.scenes(tmp_path / part, 3)
    (tmp_path / "train" / "images" / "0.png").write_bytes(b"")
    Image.new("RGB", (32, 32)).save(tmp_path / "val" / "masks" / "1.png")
    with pytest.raises(ValueError, match="2 of 12 files cannot be read") as error:
        real_scenes.scenes_of(tmp_path)
    assert "train/images/0.png: empty" in str(error.value)
    assert "val/masks/1.png: mode RGB; a mask has a palette" in str(error.value)


def test_classes_of_the_test_scenes_are_those_of_the_training_scenes(tmp_path):
    for part in ("train", "val"):
        tiny.scenes(tmp_path / part, 2)
    assert [part.classes for part in real_scenes.scenes_of(tmp_path)] == [["0", "1", "2"]] * 2
    mask = np.full((32, 32), 3, np.uint8)
    (tmp_path / "val" / "masks" / "0.png").write_bytes(png.indexed(mask, scenes.palette()))
    with pytest.raises(ValueError, match="has class 3; the last of 3 is 2"):
        real_scenes.scenes_of(tmp_path)[1].pair(0)


def test_a_folder_without_the_parts_is_refused(tmp_path):
    tiny.scenes(tmp_path / "train", 2)
    with pytest.raises(ValueError, match=r"has no train/ and val/ \(or test/\) with images/ and masks/ in each"):
        real_scenes.check(tmp_path)


def test_an_archive_holds_the_same_scenes(tmp_path):
    for part in ("train", "test"):
        tiny.scenes(tmp_path / "mine" / part, 2)
    path = shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "mine")
    (train, _), (unpacked, _) = (real_scenes.scenes_of(place, tmp_path / "data") for place in (tmp_path / "mine", path))
    for one, other in zip(train.pair(1), unpacked.pair(1), strict=True):
        assert (one == other).all()


def test_vocs_photographs_have_their_masks_and_names(tmp_path):
    devkit = fake_voc(tmp_path)
    (devkit / "ImageSets" / "Segmentation").mkdir()
    (devkit / "SegmentationClass").mkdir()
    for part, label in (("train", 8), ("val", 20)):
        (devkit / "ImageSets" / "Segmentation" / f"{part}.txt").write_text(f"2007_{part}\n")
        mask = np.full((30, 40), label, np.uint8)
        mask[:3] = scenes.IN_FILES
        (devkit / "SegmentationClass" / f"2007_{part}.png").write_bytes(png.indexed(mask, scenes.palette()))
    train, test = real_scenes.scenes_of("voc2012", tmp_path)
    assert train.classes == test.classes == ["ground", *voc.CLASSES]
    mask = train.pair(0)[1]
    assert train.classes[mask[5, 5]] == "cat"
    assert (mask[:3] == scenes.NO_CLASS).all()
    assert test.classes[test.pair(0)[1][5, 5]] == "tvmonitor"


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_packed_parts_hold_the_same_scenes_and_say_their_splits(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    for seed, part in enumerate(("train", "val")):
        tiny.scenes(tmp_path / "mine" / part, 3, seed=seed)
    (tmp_path / "mine" / "classes.txt").write_text("ground\nbright\ndark\n")
    packed = packing.pack(tmp_path / "mine", form)
    for one, other in zip(real_scenes.scenes_of(tmp_path / "mine"), real_scenes.scenes_of(packed), strict=True):
        assert one.classes == other.classes == ["ground", "bright", "dark"]
        assert [one.name(i) for i in range(3)] == [other.name(i) for i in range(3)]
        for i in range(3):
            assert all((a == b).all() for a, b in zip(one.pair(i), other.pair(i), strict=True))
    card = (packed / "README.md").read_text()
    assert "image-segmentation" in card
    assert "6 images with masks of 3 classes" in card
    assert "split: validation" in card
    assert not (packed / "croissant.json").exists()
