"""What lies beside a folder of results: where, what it holds, and that nothing of it is in a reader's way."""

import datetime
import glob
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from ofdb_core.base import manifests, record
from ofdb_core.base.folder import Folder
from ofdb_core.families import fractal_3d
from ofdb_core.run import experiment
from tests.helpers import tiny


def fill(root, names=("0/1.txt", "1/1.txt"), made=None, **parameters):
    def make(name):
        if made is not None:
            made.append(name)
        return name.encode()

    pairs = [(name, lambda name=name: make(name)) for name in names]
    return Folder(root).fill(manifests.header(parameters, "raster"), pairs, total=len(names), workers=1)


def names(root):
    return {path.name for path in root.iterdir()}


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
        Folder(root).fill(manifests.header({}, "raster"), [("0/1.txt", lambda: b"1"), ("1/1.txt", fail)], total=2)
    assert names(root) <= {"0", "1"}
    assert "unfinished" in Folder(root).verify()[0]
    assert [found.root for found in Folder.below(tmp_path)] == [found.root for found in Folder.below(root)] == [root]


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
        ("hf://someone/photos@main", "hf://someone/photos@main", "hf://someone/photos@main"),
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


def test_a_folder_that_is_removed_is_made_again(tmp_path):
    root, made = tmp_path / "x", []
    fill(root)
    shutil.rmtree(root)
    assert re.search("missing", Folder(root).verify()[0])
    fill(root, made=made)
    assert len(made) == 2


def test_the_manifest_of_a_linked_folder_lies_where_the_folder_lies(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    fill(tmp_path / "link")
    assert (tmp_path / "disk.manifest.json").is_file()
    assert Folder(tmp_path / "link").digest() == Folder(tmp_path / "disk").digest()
