import contextlib
import os
import pickle
import shutil
import socket
import tarfile
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from ofdb_core.base import parameters
from ofdb_core.base.folder import Folder
from ofdb_core.data import digits, download, real_images, samples, voc

NEVER = "f" * 32  # no file has this MD5


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def tree(root, *parts, classes="ab"):
    for part in parts:
        for i, name in enumerate(classes):
            save(root / part / name / f"{part or 'x'}.png", np.full((4, 4), i, np.uint8))
    return root


def test_digits_need_no_folder(tmp_path):
    train, test = real_images.images_of("digits", tmp_path / "data")
    assert np.array_equal(train.items, digits.split("train")[0])
    assert np.array_equal(test.labels, digits.split("test")[1])
    assert train.classes == test.classes == list("0123456789")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("parts", "second"), [(("train", "val"), "val"), (("train", "test"), "test"), (("train", "val", "test"), "val")]
)
def test_a_folder_has_a_part_to_train_on_and_one_to_test_on(tmp_path, parts, second):
    for place in (tree(tmp_path, *parts), tree(tmp_path / "wrapped" / "once" / "twice", *parts).parents[1]):
        real_images.check(str(place))
        train, test = real_images.images_of(place, tmp_path / "data")
        assert train.classes == test.classes == ["a", "b"]
        assert [image.stem for image in train.items] == ["train"] * 2
        assert [image.stem for image in test.items] == [second] * 2


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_an_archive_is_unpacked_once_and_read_as_a_folder(tmp_path, ending):
    tree(tmp_path / "src" / "CIFAR10", "train", "val")
    path = shutil.make_archive(str(tmp_path / "mine"), "zip" if ending == ".zip" else "gztar", tmp_path / "src")
    real_images.check(path)
    train, test = real_images.images_of(path, tmp_path / "data")
    assert train.items[0] == tmp_path / "data" / "mine" / "CIFAR10" / "train" / "a" / "train.png"
    assert test.pixels(1).tolist() == np.ones((4, 4)).tolist()
    assert Folder(tmp_path / "data" / "mine").verify() == []


def test_an_archive_without_the_parts_is_named(tmp_path):
    path = shutil.make_archive(str(tmp_path / "mine"), "zip", tree(tmp_path / "src", "train"))
    real_images.check(path)
    with pytest.raises(ValueError, match=r"data: .*mine has no train/<class>/ and val/<class>/ \(or test/<class>/\)"):
        real_images.images_of(path, tmp_path / "data")


def test_a_class_to_test_on_must_be_one_to_train_on(tmp_path):
    tree(tmp_path, "train", classes="ab")
    tree(tmp_path, "val", classes="ac")
    with pytest.raises(ValueError, match=r"val/ has classes that train/ lacks: c$"):
        real_images.images_of(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("lacking", ["the folder", "its images"])
def test_a_class_without_images_to_test_on_is_said(tmp_path, capsys, lacking):
    tree(tmp_path, "train", "val", classes="abc")
    shutil.rmtree(tmp_path / "val" / "b")
    if lacking == "its images":
        (tmp_path / "val" / "b" / "deeper").mkdir(parents=True)
    assert real_images.classes_of(tmp_path, shots=1) == ["a", "b", "c"]
    train, test = real_images.images_of(tmp_path)
    assert train.classes == test.classes == ["a", "b", "c"]
    assert [test.name(i) for i in range(2)] == ["a/val.png", "c/val.png"]
    assert test.labels.tolist() == [0, 2]
    assert f"{tmp_path / 'val'}: holds no image of 1 class: b" in capsys.readouterr().out


@pytest.mark.parametrize("shots", [0, 1, 2])
def test_the_classes_are_found_without_a_look_at_every_file(tmp_path, monkeypatch, shots):
    for part, count in (("train", 50), ("val", 40)):
        for name in "ab":
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                Image.new("L", (2, 1), i).save(tmp_path / part / name / f"{i}.png")
    seen, scandir = [], os.scandir

    @contextlib.contextmanager
    def watched(folder):
        with scandir(folder) as entries:
            yield (seen.append(entry.path) or entry for entry in entries)

    monkeypatch.setattr(os, "scandir", watched)
    assert real_images.classes_of(tmp_path, shots=shots) == ["a", "b"]
    assert len([path for path in seen if path.endswith(".png")]) == 2 * max(shots, 1) + 1
    with pytest.raises(ValueError, match="shots: 51 is out of range; class a has 50 images"):
        real_images.classes_of(tmp_path, shots=51)
    with pytest.raises(ValueError, match="shots: 51 is out of range; class a has 50 images"):
        real_images.images_of(tmp_path)[0].few_shot(51, seed=0)


@pytest.mark.parametrize("look", [real_images.images_of, real_images.classes_of])
def test_a_class_without_an_image_is_named(tmp_path, look):
    tree(tmp_path, "train", "val", classes="ab")
    shutil.rmtree(tmp_path / "train" / "b")
    (tmp_path / "train" / "b" / "deeper").mkdir(parents=True)
    (tmp_path / "train" / "b" / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"train/b: holds no image, by the endings of its files"):
        look(tmp_path)


def test_of_many_odd_classes_some_are_named_and_the_part_that_has_them(tmp_path):
    tree(tmp_path, "train", classes="a")
    tree(tmp_path, "test", classes="abcdef")
    with pytest.raises(ValueError, match=r"test/ has classes that train/ lacks: b, c, d, \.\.\.$"):
        real_images.images_of(tmp_path, tmp_path / "data")


def test_data_that_cannot_be_used_are_refused_before_anything_is_read(tmp_path):
    for data, words in [
        ("cifar-10", r"'cifar-10' is none of digits, .*, and no folder or archive \(\.zip.*did you mean cifar10\?"),
        ("VOC2012", r"did you mean voc2012\?"),
        ("/nowhere", r"'/nowhere' is none of digits, cifar10, cifar100, voc2012, and no folder"),
        (str(tmp_path / "nowhere.zip"), "is none of"),
        (str(tree(tmp_path / "half", "train")), "half has no train/<class>/ and val/<class>/"),
        (str(tree(tmp_path / "classes", "")), "classes has no train/<class>/"),
    ]:
        for refuse in (real_images.check, lambda data: real_images.images_of(data, tmp_path / "data")):
            with pytest.raises(ValueError, match=f"^data: .*{words}"):
                refuse(data)
    for data in real_images.NAMES:
        real_images.check(data)


def test_the_recipe_asks_before_it_is_made(tmp_path):
    from tests.helpers.tiny import finetune

    assert finetune(data="cifar100").data == "cifar100"
    with pytest.raises(parameters.ParameterError, match=r"data: 'cifar' is none of"):
        finetune(data="cifar")


def test_the_fingerprint_changes_with_the_data(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"1")
    assert real_images.fingerprint("cifar10") == "cifar10"
    before = [real_images.fingerprint(place) for place in (tree(tmp_path / "a", "train", "val"), tmp_path / "x.zip")]
    tree(tmp_path / "a", "train", classes="abc")
    (tmp_path / "x.zip").write_bytes(b"2")
    after = [real_images.fingerprint(place) for place in (tmp_path / "a", tmp_path / "x.zip")]
    assert all(one != other for one, other in zip(before, after, strict=True))


def fake_cifar(root, name, monkeypatch):
    """Batches as torchvision reads them, 4 images to train on and 4 to test on, and no MD5 checked."""
    dataset = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    fine = name == "cifar100"
    classes = [f"thing {i}" for i in range(100 if fine else 10)][::-1]
    place = root / dataset.base_folder
    place.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3072), dtype=np.uint8)
    for part, chosen in (("train", slice(0, 4)), ("test", slice(4, 8))):
        files = {"data": pixels[chosen], "fine_labels" if fine else "labels": [3, 0, 9, 3]}
        (place / part).write_bytes(pickle.dumps(files))
    (place / "meta").write_bytes(pickle.dumps({dataset.meta["key"]: classes}))
    monkeypatch.setattr(dataset, "train_list", [["train", None]])
    monkeypatch.setattr(dataset, "test_list", [["test", None]])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "filename": "meta", "md5": None})
    return pixels.reshape(8, 3, 32, 32).transpose(0, 2, 3, 1), classes


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_that_is_there_is_read_without_a_network(tmp_path, monkeypatch, name):
    pixels, classes = fake_cifar(tmp_path, name, monkeypatch)
    train, test = real_images.images_of(name, tmp_path)
    assert np.array_equal(np.concatenate([train.items, test.items]), pixels)
    assert train.items.shape == (4, 32, 32, 3)
    assert train.items.dtype == np.uint8
    assert train.labels.tolist() == test.labels.tolist() == [3, 0, 9, 3]
    assert train.classes == test.classes == classes
    assert np.array_equal(test.pixels(1), pixels[5])


def test_an_archive_that_was_put_there_by_hand_is_used(tmp_path, monkeypatch):
    fake_cifar(tmp_path / "src", "cifar10", monkeypatch)
    (tmp_path / "data").mkdir()
    with tarfile.open(tmp_path / "data" / datasets.CIFAR10.filename, "w:gz") as made:
        made.add(tmp_path / "src" / datasets.CIFAR10.base_folder, datasets.CIFAR10.base_folder)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", None)
    assert len(real_images.images_of("cifar10", tmp_path / "data")[0]) == 4


@pytest.mark.parametrize(
    ("name", "url", "file"),
    [
        ("cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "cifar-10-python.tar.gz"),
        ("cifar100", "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "cifar-100-python.tar.gz"),
        ("voc2012", datasets.voc.DATASET_YEAR_DICT["2012"]["url"], "VOCtrainval_11-May-2012.tar"),
    ],
)
def test_without_a_network_it_is_said_what_to_put_where(tmp_path, name, url, file):
    words = rf"data: {name} cannot be downloaded from {url} \(.*no network.*\); put {file} \(MD5 .*\) into {tmp_path}"
    with pytest.raises(ValueError, match=words):
        real_images.images_of(name, tmp_path / "data")
    assert socket.getdefaulttimeout() is None


def test_an_archive_with_another_digest_is_said_to_be_that(tmp_path):
    (tmp_path / datasets.CIFAR10.filename).write_bytes(b"other")
    md5 = datasets.CIFAR10.tgz_md5
    words = rf"{datasets.CIFAR10.filename} is there, but its MD5 is [0-9a-f]{{32}}, and that of cifar10 is {md5}"
    with pytest.raises(ValueError, match=words):
        real_images.images_of("cifar10", tmp_path)


def test_a_download_of_another_file_is_said_and_leaves_nothing(tmp_path, monkeypatch, hub):
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    hub.objects["/plain/cifar.tar.gz"] = b"other"
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{hub.url}/plain/cifar.tar.gz")
    with pytest.raises(ValueError, match=r"gives a file whose MD5 is "):
        real_images.images_of("cifar10", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(datasets.CIFAR10, "url", f"http://127.0.0.1:{server.getsockname()[1]}/cifar-10.tar.gz")
        monkeypatch.setattr(download, "PATIENCE", 0.2)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(ValueError, match=r"cannot be downloaded from .* \(timed out\)"):
            real_images.images_of("cifar10", tmp_path)


def thing(name, box, *, difficult=None, part=False):
    corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    bounds = "".join(f"<{key}>{value}</{key}>" for key, value in corners)
    hard = "" if difficult is None else f"<difficult>{difficult}</difficult>"
    head = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>" if part else ""
    return f"<object><name>{name}</name>{hard}<bndbox>{bounds}</bndbox>{head}</object>"


def fake_voc(root):
    """A VOC tree of two photographs of 40 x 30 pixels, each with noise of its own; return the noise."""
    devkit = root / "VOCdevkit" / "VOC2012"
    photographs = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    inside = {
        "train": [
            thing("cat", (1, 1, 40, 30), difficult=0),
            thing("dog", ("2.4", 3, 11, 22), part=True),
            thing("cat", (5, 5, 9, 9), difficult=1),
            thing("cat", (-3, 20, 44, 99), difficult=0),
            thing("cat", (9, 9, 8, 20), difficult=0),
        ],
        "val": [thing("dog", (40, 30, 40, 30)), thing("cat", (2, 2, 3, 3))],
    }
    for pixels, (part, things) in zip(photographs, inside.items(), strict=True):
        save(devkit / "JPEGImages" / f"2007_{part}.jpg", pixels)
        for place in ("Annotations", "ImageSets/Main"):
            (devkit / place).mkdir(parents=True, exist_ok=True)
        size = "<size><width>40</width><height>30</height><depth>3</depth></size>"
        text = f"<annotation>{size}{''.join(things)}</annotation>"
        (devkit / "Annotations" / f"2007_{part}.xml").write_text(text)
        (devkit / "ImageSets" / "Main" / f"{part}.txt").write_text(f"2007_{part}\n")
    return devkit


def test_the_objects_of_voc_are_cut_out_once(tmp_path, capsys):
    devkit = fake_voc(tmp_path)
    for _ in range(2):
        train, test = real_images.images_of("voc2012", tmp_path)
    root = tmp_path / "voc2012-objects"
    assert [path.relative_to(root).as_posix() for path in train.items] == [
        *("train/cat/2007_train_0.png", "train/cat/2007_train_3.png", "train/dog/2007_train_1.png")
    ]
    assert [path.relative_to(root).as_posix() for path in test.items] == [
        *("val/cat/2007_val_1.png", "val/dog/2007_val_0.png")
    ]
    assert train.classes == test.classes == ["cat", "dog"]
    photograph = samples.decode(devkit / "JPEGImages" / "2007_train.jpg")
    for i, part in enumerate([photograph, photograph[19:], photograph[2:22, 1:11]]):
        assert np.array_equal(train.pixels(i), part)
    assert test.pixels(1).shape[:2] == (1, 1)  # the last pixel alone
    assert Folder(root).verify() == []
    assert capsys.readouterr().out.count("complete and unchanged, kept") == 1


def test_a_lost_object_is_cut_out_again(tmp_path):
    fake_voc(tmp_path)
    real_images.images_of("voc2012", tmp_path)
    lost = tmp_path / "voc2012-objects" / "train" / "cat" / "2007_train_0.png"
    before = lost.read_bytes()
    lost.unlink()
    real_images.images_of("voc2012", tmp_path)
    assert lost.read_bytes() == before


@pytest.mark.parametrize("lost", ["JPEGImages/2007_val.jpg", "Annotations/2007_train.xml", "ImageSets/Main/val.txt"])
def test_an_incomplete_voc_is_unpacked_again_from_the_archive(tmp_path, monkeypatch, lost):
    with tarfile.open(tmp_path / "packed.tar", "w") as made:
        made.add(fake_voc(tmp_path / "src").parent, "VOCdevkit")
    (fake_voc(tmp_path / "data") / lost).unlink()
    with pytest.raises(ValueError, match="voc2012 cannot be downloaded"):
        real_images.images_of("voc2012", tmp_path / "data")
    source = datasets.voc.DATASET_YEAR_DICT["2012"]
    (tmp_path / "packed.tar").rename(tmp_path / "data" / source["filename"])
    monkeypatch.setitem(source, "md5", None)
    assert len(real_images.images_of("voc2012", tmp_path / "data")[0]) == 3


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("</annotation>", "", "no element found"),
        ("<name>dog", "<name>../../dog", "'../../dog' is none of the classes"),
        ("<xmin>1<", "<xmin>left<", "could not convert"),
        ("<size>", "<size_>", "mismatched tag"),
        ("<width>40</width>", "", "int"),
    ],
)
def test_a_damaged_annotation_is_named(tmp_path, old, new, words):
    path = fake_voc(tmp_path) / "Annotations" / "2007_train.xml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"2007_train\.xml: not an annotation \(.*{words}.*\); delete it"):
        voc.objects(path)
