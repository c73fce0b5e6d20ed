import hashlib
import io
import os
import shlex
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.manifests import header
from ofdb_core.data import packing
from ofdb_core.data.samples import Images
from ofdb_core.run import experiment
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401

FORMS = [form for form in packing.FORMS if form != "codes"]
CLASSES, EACH = ("00000", "00001", "b"), 4


def png(i):
    file = io.BytesIO()
    pixels = np.random.default_rng(i).integers(0, 256, (9 + i, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def images(tmp_path):
    """A folder of results with images of three classes."""
    root = tmp_path / "run" / "images"
    names = [f"{name}/{name}_{i:04d}.png" for name in CLASSES for i in range(EACH)]
    made = {name: png(i) for i, name in enumerate(names)}
    Folder(root).write(header({}, png, license=None), made, {})
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
    first = packed(images, form, tmp_path / f"first{packing.FORMS[form][0]}")
    for path in images.rglob("*"):
        os.utime(path, (0, 10**9))
        path.chmod(0o700)
    second = packed(images, form, tmp_path / f"second{packing.FORMS[form][0]}")
    assert [*digests(first).values()] == [*digests(second).values()]


@pytest.mark.parametrize("form", ["tar", "tar.gz", "zip"])
def test_what_is_unpacked_is_what_was_packed(images, tmp_path, form):
    root = packing.unpack(packing.pack(images, form), tmp_path / "there")
    assert root == tmp_path / "there" / "images"
    assert (root / "README.md").read_text() == "about these images\n"
    assert [Folder(found.root).verify() for found in Folder.below(root)] == [[]]
    assert digests(root / "images") == digests(images)
    with pytest.raises(ValueError, match="is there already"):
        packing.unpack(images.with_name(f"images{packing.FORMS[form][0]}"), tmp_path / "there")


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


def test_a_training_sees_the_same_samples_of_shards_as_of_the_folder(images, tmp_path):
    losses = []
    for place in (images, packing.pack(images, "webdataset")):
        trained = tiny.trained(tiny.pretrain(data=str(place), out=str(tmp_path / place.name)))
        losses.append([row["loss"] for row in trained.log])
    assert losses[0] == losses[1]


def test_shards_of_others_have_their_labels_beside_them(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        for i, label in enumerate((7, 1, 1)):
            for name, data in ((f"{i:03d}.png", png(i)), (f"{i:03d}.cls", str(label).encode())):
                about = tarfile.TarInfo(name)
                about.size = len(data)
                packed.addfile(about, io.BytesIO(data))
    found = Images.from_folder(tmp_path)
    assert (found.classes, found.labels.tolist()) == (["1", "7"], [0, 0, 1])
    assert [found.name(i) for i in range(3)] == ["001.png", "002.png", "000.png"]


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


def test_an_altered_image_is_not_packed_and_nothing_is_left(images, tmp_path):
    (images / "b" / "b_0001.png").write_bytes(png(99))
    for form in ("tar", "zip", "webdataset"):
        with pytest.raises(Altered, match=r"b_0001\.png: not as it was written"):
            packing.pack(images, form, tmp_path / "out" / form)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_what_cannot_be_packed_is_refused(images, tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "x.png").write_bytes(png(0))
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
    root = packing.unpack(path, tmp_path / "there")
    assert path.stat().st_size < 10_000
    (command,) = packing.recipes(root)
    subprocess.run([sys.executable, "-m", *shlex.split(command)], check=True, cwd=tmp_path)
    assert digests(root / "images") == digests(run / "images")
