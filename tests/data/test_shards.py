"""Shards and tables as others write them are read, and what could be several things is refused with its names."""

import io
import json
import os
import tarfile

import pytest

from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import forms, label_table, real_images
from ofdb_core.data.samples import Images
from tests.helpers import tiny


def test_shards_of_others_have_their_labels_beside_them(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        for i, label in enumerate((7, 1, 1)):
            for name, data in ((f"{i:03d}.png", tiny.noise(i)), (f"{i:03d}.cls", str(label).encode())):
                about = tarfile.TarInfo(name)
                about.size = len(data)
                packed.addfile(about, io.BytesIO(data))
    found = Images.from_folder(tmp_path)
    assert (found.classes, found.labels.tolist()) == (["1", "7"], [0, 0, 1])
    assert [found.name(i) for i in range(3)] == ["001.png", "002.png", "000.png"]


def parquet_of_others(path, columns, names=None):
    """A Parquet file whose columns, name -> what they hold, have the labels 2, 0, 1 or c, a, b; names: of classes."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    known = {
        "picture": [{"bytes": tiny.noise(i), "path": None} for i in range(3)],
        "bytes": [tiny.noise(i) for i in range(3)],
        **{"number": [2, 0, 1], "text": ["c", "a", "b"], "many": [[2], [0], [1]]},
    }
    features = {name: {"_type": "ClassLabel", "names": own} for name, own in (names or {}).items()}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({name: known[what] for name, what in columns.items()})
    parquet.write_table(table.replace_schema_metadata(about), path)


@pytest.mark.parametrize(
    ("columns", "names", "classes"),
    [
        ({"img": "picture", "label": "number", "id": "number"}, {"label": ["x", "y", "z"]}, ["x", "y", "z"]),
        ({"id": "number", "pixels": "picture", "labels": "number"}, {"labels": ["x", "y", "z"]}, ["x", "y", "z"]),
        ({"image": "picture", "thumbnail": "picture", "species": "text"}, {}, ["a", "b", "c"]),
        ({"jpg": "bytes", "cls": "number"}, {}, ["0", "1", "2"]),
    ],
)
def test_the_columns_of_others_are_found(tmp_path, columns, names, classes):
    parquet_of_others(tmp_path / "x.parquet", columns, names)
    found = Images.from_folder(tmp_path)
    assert (found.classes, found.labels.tolist()) == (classes, [0, 1, 2])
    for i, name in enumerate(found.classes):  # the pictures are those of the rows
        row = {"x": 1, "y": 2, "z": 0, "a": 1, "b": 2, "c": 0, "0": 1, "1": 2, "2": 0}[name]
        assert found.pixels(i).shape == (9 + row, 8)


@pytest.mark.parametrize(
    ("columns", "names", "says"),
    [
        (
            {"img": "picture", "fine": "number", "coarse": "number"},
            {},
            r"label is not clear \(-p labels NAME tells it\)",
        ),
        ({"a": "picture", "b": "picture", "label": "number"}, {}, "image is not clear; its columns are a "),
        ({"img": "picture", "label": "many"}, {}, r"label is not clear .*label \(list<"),
    ],
)
def test_columns_that_could_be_several_things_are_refused_with_their_names(tmp_path, columns, names, says):
    parquet_of_others(tmp_path / "x.parquet", columns, names)
    with pytest.raises(ValueError, match=f"x.parquet: which column is the {says}"):
        Images.from_folder(tmp_path)


def test_the_column_of_the_labels_can_be_named(tmp_path):
    columns = {"img": "picture", "fine": "number", "coarse": "number"}
    names = {"fine": ["x", "y", "z"], "coarse": ["v", "w"]}
    for part in ("train", "test"):
        parquet_of_others(tmp_path / "mine" / "data" / f"{part}-0.parquet", columns, names)
    with pytest.raises(ParameterError, match=r"^labels: .*no column finest holds labels; its columns are img .*fine "):
        label_table.labelled(tmp_path / "mine", "finest", tmp_path / "data")
    assert not (tmp_path / "data").exists()
    place = label_table.labelled(tmp_path / "mine", "fine", tmp_path / "data")
    assert [images.classes for images in real_images.images_of(place)] == [["x", "y", "z"]] * 2


def test_a_row_without_a_label_is_refused(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"image": pa.array([tiny.noise(0), tiny.noise(1)]), "label": pa.array([1, None])})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x\.parquet: cannot be read \(a row has no label\)"):
        Images.from_folder(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("name", ["x.tar", "x.parquet", "train-0.tar"])
def test_a_pipe_or_device_in_the_place_of_a_shard_is_refused_by_name(tmp_path, kind, name):
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    for read in (Images.from_folder, forms.of, forms.parts):
        with pytest.raises(ValueError, match=f"{name}: cannot be read, it is no file"):
            read(tmp_path)
