import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import folder
from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.manifests import header
from ofdb_core.data import archive, forms, packing, real_images, scenes, unpacking, yolo
from ofdb_core.data.samples import Images, has_sets, open_images, sets
from ofdb_core.families.drawing import Drawing
from ofdb_core.run import experiment
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401

FORMS = [form for form in forms.PACKED if form != "codes"]
CLASSES, EACH = ("00000", "00001", "b"), 4


@pytest.fixture
def images(tmp_path):
    """A folder of results with images of three classes."""
    root = tmp_path / "run" / "images"
    names = [f"{name}/{name}_{i:04d}.png" for name in CLASSES for i in range(EACH)]
    made = {name: tiny.noise(i) for i, name in enumerate(names)}
    Folder(root).write(header({}, tiny.noise, license=None), made, {})
    (root.parent / "README.md").write_text("about these images\n")
    return root


def packed(images, form, out):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    return packing.pack(images, form, out)


def digests(path):
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_folder_gives_the_same_bytes_at_any_time(images, tmp_path, form):
    first = packed(images, form, tmp_path / f"first{forms.PACKED[form]}")
    for path in images.rglob("*"):
        os.utime(path, (0, 10**9))
        path.chmod(0o700)
    second = packed(images, form, tmp_path / f"second{forms.PACKED[form]}")
    assert [*digests(first).values()] == [*digests(second).values()]


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
def test_what_is_unpacked_is_what_was_packed(images, tmp_path, form):
    root = unpacking.unpack(packing.pack(images, form), tmp_path / "there")
    assert root == tmp_path / "there" / "images"
    assert (root / "README.md").read_text() == "about these images\n"
    assert [Folder(found.root).verify() for found in Folder.below(root)] == [[]]
    assert digests(root / "images") == digests(images)
    with pytest.raises(ValueError, match="is there already"):
        unpacking.unpack(images.with_name(f"images{forms.PACKED[form]}"), tmp_path / "there")


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_shards_are_read_in_place_as_the_folder_is(images, tmp_path, monkeypatch, form):
    monkeypatch.setattr(packing, "SHARD", 500)  # bytes: several shards
    monkeypatch.setattr(packing, "ROWS", 2)
    shards = packed(images, form, tmp_path / "shards")
    assert len([path for path in shards.iterdir() if path.suffix != ".txt"]) > 2
    expected, found = Images.from_folder(images), Images.from_folder(shards)
    assert found.classes == expected.classes == [*CLASSES]
    assert found.labels.tolist() == expected.labels.tolist()
    assert [found.name(i) for i in range(len(found))] == [expected.name(i) for i in range(len(expected))]
    assert all(np.array_equal(found.pixels(i), expected.pixels(i)) for i in range(len(expected)))


@pytest.fixture
def parts(tmp_path):
    """A folder with parts to train on and to test on; the second lacks a class."""
    root = tmp_path / "mine"
    for i, name in enumerate(("train/cat/a", "train/cat/b", "train/dog/a", "train/fox/c", "val/cat/z", "val/fox/y")):
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny.noise(i))
    return root


def renamed_as_on_the_hub(place):
    """As `datasets` writes them: in data/, and val is validation."""
    (place / "data").mkdir()
    (place / "README.md").write_text("# about\n")
    for path in place.glob("*-0*"):
        part, ending = path.name.partition("-")[0], path.suffix
        path.rename(place / "data" / f"{part.replace('val', 'validation')}-00000-of-00001{ending}")


@pytest.mark.parametrize("hub", [False, True])
@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_fine_tuning_sees_the_same_samples_of_shards_as_of_the_folder(parts, tmp_path, form, hub):
    place = packed(parts, form, tmp_path / "packed")
    assert {path.name for path in place.glob("*-0*")} == {
        f"{part}-000000{path.suffix}" for part in ("train", "val") for path in place.glob("*-0*")
    }
    if hub:
        renamed_as_on_the_hub(place)
    assert (forms.of(parts), forms.of(place)) == ("parts", "parts")
    assert real_images.classes_of(place, shots=1) == ["cat", "dog", "fox"]
    with pytest.raises(ValueError, match="shots: 2 is out of range; class dog has 1 images"):
        real_images.classes_of(place, shots=2)
    for expected, found in zip(real_images.images_of(parts), real_images.images_of(place), strict=True):
        assert found.classes == expected.classes == ["cat", "dog", "fox"]
        assert found.labels.tolist() == expected.labels.tolist()
        assert [found.name(i) for i in range(len(found))] == [expected.name(i) for i in range(len(expected))]
        assert all(np.array_equal(found.pixels(i), expected.pixels(i)) for i in range(len(expected)))


def test_shards_to_test_on_may_not_have_a_class_of_their_own(parts, tmp_path):
    (parts / "val" / "owl").mkdir()
    (parts / "val" / "owl" / "x.png").write_bytes(tiny.noise(1))
    place = packing.pack(parts, "webdataset", tmp_path / "packed")
    with pytest.raises(ValueError, match="val/ has classes that train/ lacks: owl"):
        real_images.images_of(place)


@pytest.fixture
def some_scenes(tmp_path):
    """A folder of scenes, whose pictures have two formats."""
    root = tmp_path / "scenes"
    for inside in ("images", "masks"):
        (root / inside).mkdir(parents=True)
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (9 + i, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"s.{i}.{'jpg' if i % 2 else 'png'}")
        Image.fromarray(pixels % 3).save(root / "masks" / f"s.{i}.png")
    (root / "classes.txt").write_text("ground\ncat\ndog\n")
    return root


def read(item):
    return item.read_bytes()


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_scenes_travel_with_their_masks(some_scenes, tmp_path, monkeypatch, form):
    monkeypatch.setattr(packing, "SHARD", 500)
    place = packed(some_scenes, form, tmp_path / "packed")
    assert len(forms.shards(place)) > 1
    assert (forms.of(some_scenes), forms.of(place)) == ("scenes", "scenes")
    expected, found = scenes.Pairs.from_folder(some_scenes), scenes.Pairs.from_folder(place)
    assert found.classes == expected.classes == ["ground", "cat", "dog"]
    assert [*map(read, found.pictures)] == [*map(read, expected.pictures)]
    assert [*map(read, found.masks)] == [*map(read, expected.masks)]
    for i in range(5):
        for one, other in zip(found.pair(i), expected.pair(i), strict=True):
            assert np.array_equal(one, other)
    drawing = Drawing().opened_scenes(str(place), place)
    assert len(drawing) == 5


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_pictures_of_several_classes_travel_with_their_sets(images, tmp_path, form):
    root = shutil.copytree(images, tmp_path / "several")
    for i, path in enumerate(sorted(root.rglob("*.png"))):
        shown = {i // EACH, i % len(CLASSES)}  # its own class, and another
        path.with_suffix(".txt").write_bytes(yolo.text((number, (0.5, 0.25, 1 / 3, i / 100)) for number in shown))
    place = packed(root, form, tmp_path / "packed")
    assert forms.of(place) == "classes"
    expected, found = open_images(root, False, 0, objects=True), Drawing().opened(str(place), place)
    assert has_sets(expected)
    assert (sets(found, range(12)) == sets(expected, range(12))).all()
    assert sets(expected, range(12)).sum(axis=1).tolist() == [1 + (i // 4 != i % 3) for i in range(12)]
    assert all(np.array_equal(found.pixels(i), expected.pixels(i)) for i in range(12))
    boxes = [yolo.read(path.read_bytes()) for path in sorted(root.rglob("*.txt"))]
    if form == "webdataset":
        beside = [json.loads(item.beside.read_bytes()) for item in found.items]
        assert [(one["labels"], one["boxes"]) for one in beside] == boxes


def test_texts_beside_images_that_are_no_objects_make_no_sets(images, tmp_path):
    plain = packing.pack(images, "webdataset", tmp_path / "plain")
    root = shutil.copytree(images, tmp_path / "captioned")
    for path in root.rglob("*.png"):
        path.with_suffix(".txt").write_text("a cat on a mat")
    captioned = packing.pack(root, "webdataset", tmp_path / "images-webdataset")
    (one,), (other,) = (list(place.glob("*.tar")) for place in (plain, captioned))
    assert one.read_bytes() == other.read_bytes()


def test_a_training_sees_the_same_samples_of_shards_as_of_the_folder(images, tmp_path):
    losses = []
    for place in (images, packing.pack(images, "webdataset")):
        trained = tiny.trained(tiny.pretrain(data=str(place), out=str(tmp_path / place.name)))
        losses.append([row["loss"] for row in trained.log])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("damage", ["cut off", "cut off between two", "no tar", "no label"])
def test_a_broken_shard_is_refused_by_name(images, tmp_path, damage):
    path = next(packing.pack(images, "webdataset", tmp_path / "shards").glob("*.tar"))
    if damage == "no label":
        with tarfile.open(path, "w") as packed:
            packed.addfile(tarfile.TarInfo("a.png"))
    else:
        whole = path.read_bytes()
        parts = {"cut off": whole[:700], "cut off between two": whole[:1024], "no tar": b"no tar" * 999}
        path.write_bytes(parts[damage])
    with pytest.raises(ValueError, match=f"{path.name}: cannot be read"):
        Images.from_folder(path.parent)


def altered(path, _):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swapped(path, other):
    held = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(held)


@pytest.mark.parametrize("damage", [altered, swapped, lambda path, _: path.unlink()])
@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_shards_that_are_not_as_they_were_packed_are_named(images, tmp_path, monkeypatch, form, damage):
    monkeypatch.setattr(packing, "SHARD", 500)
    place = packed(images, form, tmp_path / "shards")
    (place / "README.md").write_text("the user's\n")
    assert Folder(place).verify() == []
    first, second, *_ = forms.shards(place)
    damage(first, second)
    assert first.name in Folder(place).verify()[0]
    with pytest.raises(Altered, match=first.name):
        folder.fingerprint(place)  # as training asks for it
    packed(images, form, tmp_path / "shards")  # makes again what is wrong
    assert Folder(place).verify() == []


def test_packing_goes_on_where_it_was_interrupted(images, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "SHARD", 500)
    whole, made, opened = packing.pack(images, "webdataset", tmp_path / "whole"), [], tarfile.open

    def interrupted(*words, mode="r", **how):
        made.extend(["a shard"] * (mode == "w"))
        if len(made) == 3:
            raise KeyboardInterrupt
        return opened(*words, mode=mode, **how)

    monkeypatch.setattr(tarfile, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        packing.pack(images, "webdataset", tmp_path / "part")
    there = packing.pack(images, "webdataset", tmp_path / "part")
    assert digests(there) == digests(whole)
    assert len(made) == len(forms.shards(whole)) + 1
    with pytest.raises(ValueError, match="is there already"):
        packing.pack(images, "parquet", tmp_path / "part")


@pytest.mark.parametrize("form", ["tar", "zip"])
def test_an_archive_with_an_altered_image_is_refused_and_leaves_nothing(images, tmp_path, form):
    path = packing.pack(images, form)
    data = path.read_bytes()
    path.write_bytes(data.replace(tiny.noise(5), tiny.noise(5)[:-20] + b"!" + tiny.noise(5)[-19:]))
    with pytest.raises(ValueError, match=r"(missing or altered in the archive|Bad CRC-32)"):
        archive.unpacked(path, tmp_path / "data")
    assert [*(tmp_path / "data").iterdir()] == []


def test_an_altered_image_is_not_packed_and_nothing_is_left(images, tmp_path):
    (images / "b" / "b_0001.png").write_bytes(tiny.noise(99))
    for form in ("tar", "zip", "webdataset"):
        with pytest.raises(Altered, match=r"not as it was written|b_0001\.png: not as it was"):
            packing.pack(images, form, tmp_path / "out" / form)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_what_cannot_be_packed_is_refused(images, tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "x.png").write_bytes(tiny.noise(0))
    for root, form, says in (
        (tmp_path / "nowhere", "tar", "no such folder"),
        (tmp_path / "flat", "webdataset", "no images in class folders"),
        (images, "codes", "no record of what made it"),
    ):
        with pytest.raises(ValueError, match=says):
            packing.pack(root, form)
    packing.pack(images, "zip")
    with pytest.raises(ValueError, match="is there already"):
        packing.pack(images, "zip")


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_codes_make_the_same_bytes_again(tmp_path):
    values = [("categories", "3"), ("image_size", "32"), ("points", "500")]
    run = tmp_path / "run"
    experiment.run("2d-ofdb-1k", ["1_search_categories", "2_render_2d"], overrides=values, out=run)
    path = packing.pack(run / "images", "codes")
    root = unpacking.unpack(path, tmp_path / "there")
    assert path.stat().st_size < 10_000
    (command,) = unpacking.recipes(root)
    subprocess.run([sys.executable, "-m", *shlex.split(command)], check=True, cwd=tmp_path)
    assert digests(root / "images") == digests(run / "images")
