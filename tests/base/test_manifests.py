"""What lies beside a folder of results: where, what it holds, and that nothing of it is in a reader's way."""

import datetime
import glob
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import files, folder, manifests, record, writing
from ofdb_core.data import png
from ofdb_core.families import fractal_3d
from ofdb_core.run import experiment
from tests.helpers import tiny


def fill(root, names=("0/1.txt", "1/1.txt"), made=None, **parameters):
    def make(name):
        if made is not None:
            made.append(name)
        return name.encode()

    pairs = [(name, lambda name=name: make(name)) for name in names]
    return writing.fill(root, folder.header(parameters, "raster"), pairs, total=len(names), workers=1)


def names(root):
    return {path.name for path in root.iterdir()}


def former(root):
    """Lay a folder's manifest where 0.1.0 had it, with what that wrote."""
    path = manifests.beside(root, manifests.MANIFEST)
    facts = json.loads(path.read_text())
    old = {key: facts[key] for key in ("parameters", "code", "versions", "files")}
    (root / "manifest.json").write_text(json.dumps(old, indent=1) + "\n")
    path.unlink()
    return old


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run of 3D-OFDB, with all its folders."""
    out = tmp_path_factory.mktemp("run") / "small"
    small = {"categories": 3, "model_points": 500, "views": 2, "image_size": 32}
    fractal_3d.write(fractal_3d.FAMILY.example(out=str(out), **small))
    return out


@pytest.mark.parametrize("name", ["views", "models"])
@pytest.mark.parametrize(
    "listed",
    [
        lambda root: [os.path.basename(path) for path in glob.glob(f"{root}/*")],  # noqa: PTH119, PTH207
        lambda root: [path.name for path in Path(root).glob("*")],  # hidden names too
        os.listdir,
    ],
)
def test_readers_that_take_every_name_for_a_class_find_classes_only(run, name, listed):
    """The original's trainer of 3D-OFDB: the label of a folder is its name as a number."""
    assert sorted(int(found) for found in listed(run / name)) == [0, 1, 2]


def test_an_unfinished_folder_has_nothing_else_in_it_either(tmp_path):
    root = tmp_path / "a"

    def fail():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        writing.fill(root, folder.header({}, "raster"), [("0/1.txt", lambda: b"1"), ("1/1.txt", fail)], total=2)
    assert names(root) <= {"0", "1"}
    assert "unfinished" in folder.verify(root)[0]
    assert manifests.below(tmp_path) == manifests.below(root) == [root]


def test_a_manifest_is_what_its_schema_says(run):
    for name in ("categories3d", "models", "views"):
        facts = json.loads((run / f"{name}.manifest.json").read_text())
        tiny.schema("manifest").validate(facts)
        assert (facts["name"], facts["license"]) == (f"small/{name}", "MIT")
        assert datetime.date.fromisoformat(facts["date"])


@pytest.mark.slow
def test_a_record_is_what_its_schema_says_and_tells_no_path_of_this_machine(tmp_path):
    out = tmp_path / "out"
    small = [("categories", "2"), ("search_points", "2000"), ("filling_rate", "0.005")]
    experiment.run("quickstart", ["1_search_categories"], overrides=small, out=out)
    text = (out / record.FILE).read_text()
    tiny.schema("record").validate(json.loads(text))
    assert str(tmp_path) not in text
    assert json.loads(text)["notebooks"]["1_search_categories"]["parameters"]["out"] == "."


@pytest.mark.parametrize(
    ("value", "here", "named"),
    [
        ("/a/b/photos", "../b/photos", "photos"),
        ("local-dir:/a/b/net", "local-dir:../b/net", "local-dir:net"),
        ("/a/out", ".", "out"),
        (["/a/out/x", 3], ["x", 3], ["x", 3]),
        ({"deep": {"x": "/a/b"}}, {"deep": {"x": "../b"}}, {"deep": {"x": "b"}}),
        ("cifar10", "cifar10", "cifar10"),
        ("timm:vit_tiny_patch16_224", "timm:vit_tiny_patch16_224", "timm:vit_tiny_patch16_224"),
        (None, None, None),
        (0.5, 0.5, 0.5),
    ],
)
def test_paths_become_portable(value, here, named):
    assert manifests.portable(value, "/a/out") == here
    assert manifests.portable(value) == named


def test_a_folder_of_another_path_to_the_data_is_the_same_folder(tmp_path):
    made = []
    fill(tmp_path / "x", made=made, data="/one/photos")
    fill(tmp_path / "x", made=made, data="/two/photos")  # what lies there is told by its hash, another parameter
    assert len(made) == 2
    fill(tmp_path / "x", made=made, data="/two/pictures")
    assert len(made) == 4


def test_a_folder_of_0_1_0_is_known_and_verified_and_kept_and_its_manifest_moves(tmp_path):
    root, made = tmp_path / "x", []
    fill(root, size=3)
    digest, old = folder.digest(root), former(root)
    assert folder.manifest(root) == old
    assert folder.verify(root) == []
    assert (folder.digest(root), folder.fingerprint(root)) == (digest, digest)
    assert manifests.below(tmp_path) == [root]
    times = {path: path.stat().st_mtime_ns for path in root.glob("*/*")}
    fill(root, made=made, size=3)
    assert made == []
    assert {path: path.stat().st_mtime_ns for path in root.glob("*/*")} == times
    assert names(root) == {"0", "1"}
    assert folder.manifest(root) == old
    assert folder.verify(root) == []


def test_a_folder_that_0_1_0_left_unfinished_is_gone_on_with(tmp_path):
    root, made = tmp_path / "x", []
    fill(root)
    manifests.beside(root, manifests.MANIFEST).unlink()
    lines = [json.dumps(folder.header({}, "raster")), f"{files.sha256(root / '0/1.txt')} 0/1.txt"]
    (root / "manifest.part").write_text("\n".join(lines) + "\n")
    (root / "1/1.txt").unlink()
    assert manifests.below(tmp_path) == [root]
    fill(root, made=made)
    assert made == ["1/1.txt"]
    assert names(root) == {"0", "1"}


def test_other_parameters_leave_no_former_manifest(tmp_path):
    root = tmp_path / "x"
    fill(root, size=3)
    former(root)
    fill(root, ["2/1.txt"], size=4)
    assert names(root) == {"2"}
    assert folder.verify(root) == []


def test_a_folder_that_is_removed_is_made_again(tmp_path):
    root, made = tmp_path / "x", []
    fill(root)
    shutil.rmtree(root)
    assert re.search("missing", folder.verify(root)[0])
    fill(root, made=made)
    assert len(made) == 2


def test_the_manifest_of_a_linked_folder_lies_where_the_folder_lies(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    fill(tmp_path / "link")
    assert (tmp_path / "disk.manifest.json").is_file()
    assert folder.digest(tmp_path / "link") == folder.digest(tmp_path / "disk")


PIXELS = [np.where(np.random.default_rng(i).random((9, 11)) < 0.5, 0, 127).astype(np.uint8) for i in range(4)]


def palette(pixels):
    """A PNG as 0.1.0 wrote it."""
    data, picture = io.BytesIO(), Image.fromarray(pixels // 127)
    picture.putpalette([0, 0, 0, 127, 127, 127])
    picture.save(data, "PNG", bits=1)
    return data.getvalue()


def pictures(root, code, encode, *, pixels=PIXELS, stop=None):
    """Fill a folder with images by code of this version; `stop`: fail at that image."""

    def make(i):
        if i == stop:
            raise RuntimeError("no")
        return encode(pixels[i])

    files = [(f"{i}/x.png", lambda i=i: make(i)) for i in range(len(pixels))]
    return writing.fill(root, {**folder.header({}, "raster"), "code": code}, files, total=len(files), workers=1)


@pytest.mark.parametrize("stop", [None, 2])
def test_images_that_are_packed_anew_keep_their_digest_so_that_trainings_on_them_are_kept(tmp_path, stop):
    pictures(tmp_path / "x", "0" * 16, palette)
    before, hashes = folder.digest(tmp_path / "x"), folder.manifest(tmp_path / "x")["files"]
    former(tmp_path / "x")
    if stop is not None:
        with pytest.raises(RuntimeError, match="no"):
            pictures(tmp_path / "x", "1" * 16, png.of, stop=stop)
    made = pictures(tmp_path / "x", "1" * 16, png.of)
    assert folder.digest(tmp_path / "x") == before
    assert not set(made["files"].values()) & set(hashes.values())
    assert folder.verify(tmp_path / "x") == []
    tiny.schema("manifest").validate(json.loads(json.dumps(made)))


def test_an_image_that_is_another_gives_another_digest(tmp_path):
    pictures(tmp_path / "x", "0" * 16, palette)
    before = folder.digest(tmp_path / "x")
    other = [*PIXELS[:-1], 127 - PIXELS[-1]]
    pictures(tmp_path / "x", "1" * 16, png.of, pixels=other)
    assert folder.digest(tmp_path / "x") != before
    (tmp_path / "x" / "0" / "x.png").write_bytes(palette(PIXELS[1]))  # altered by somebody
    pictures(tmp_path / "x", "2" * 16, palette, pixels=other)
    assert "digest" not in folder.manifest(tmp_path / "x")


def test_a_file_that_is_no_image_is_known_by_its_bytes(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no image")
    assert manifests.content(tmp_path / "x.png") == files.sha256(tmp_path / "x.png")
