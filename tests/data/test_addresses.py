import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image
from timm.data import dataset_factory
from torchvision import datasets

from ofdb_core.base import folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import addresses, label_table, packing, real_images
from ofdb_core.data import hub as hub_data
from ofdb_core.data.samples import Images
from tests.helpers import hub as stand_in

NOWHERE = "http://127.0.0.1:9"  # nobody listens at this port


def pictures(root, classes=("a", "b"), each=2):
    for k, name in enumerate(classes):
        for i in range(each):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng([k, i]).integers(0, 256, (8, 8), np.uint8)).save(
                root / name / f"{i}.png"
            )
    return root


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def offline(hub, monkeypatch, tmp_path):
    from huggingface_hub.utils import close_session

    close_session()
    hub_data.commit_of.cache_clear()
    hub.url = NOWHERE
    stand_in.use(monkeypatch, hub, tmp_path / "home")


# ---- a hub


@pytest.fixture
def shards(tmp_path):
    return packing.pack(pictures(tmp_path / "photos"), "webdataset")


def test_a_data_set_of_a_hub_becomes_a_folder_that_names_its_commit(hub, shards, tmp_path, monkeypatch):
    commit = hub.commit("datasets/someone/photos", {**files(shards), ".gitattributes": b"x"})
    place = addresses.local("hf://someone/photos", tmp_path / "data")
    assert place == tmp_path / "data" / f"someone--photos@{commit}"
    assert files(place) == files(shards)
    manifest = Folder(place).manifest()
    assert (manifest["parameters"]["name"], manifest["parameters"]["commit"]) == ("someone/photos", commit)
    assert Folder(place).verify() == []
    one, other = Images.from_folder(tmp_path / "photos"), Images.from_folder(place)
    assert all(np.array_equal(one.pixels(i), other.pixels(i)) for i in range(len(one)))
    assert {path.name for path in (tmp_path / "data").iterdir()} == {place.name, f"{place.name}.manifest.json"}


def test_it_is_fetched_once_and_a_branch_that_moved_is_fetched_anew(hub, shards, tmp_path):
    first = hub.commit("datasets/someone/photos", files(shards))
    was = addresses.local("hf://someone/photos", tmp_path)
    before = len(hub.sent("/resolve/"))
    hub_data.commit_of.cache_clear()
    assert addresses.local("hf://someone/photos", tmp_path) == was
    assert len(hub.sent("/resolve/")) == before
    second = hub.commit("datasets/someone/photos", {"classes.txt": b"x\ny\n"})
    assert addresses.local("hf://someone/photos@main", tmp_path).name.endswith(first)  # in this process
    hub_data.commit_of.cache_clear()
    assert addresses.local("hf://someone/photos", tmp_path).name.endswith(second)
    assert addresses.local(f"hf://someone/photos@{first}", tmp_path) == was


def test_without_a_network_what_is_here_is_taken_or_it_is_said_what_to_put_where(
    hub, shards, tmp_path, monkeypatch, capsys
):
    first = hub.commit("datasets/someone/photos", files(shards))
    was = addresses.local("hf://someone/photos", tmp_path / "data")
    offline(hub, monkeypatch, tmp_path)
    assert addresses.local("hf://someone/photos", tmp_path / "data") == was
    assert "the hub cannot be asked" in capsys.readouterr().out
    assert addresses.local(f"hf://someone/photos@{first}", tmp_path / "data") == was
    words = rf"cannot be fetched from {NOWHERE} .*; connect .* copy someone--other@<commit> with .* into {tmp_path}"
    with pytest.raises(ParameterError, match=words):
        addresses.local("hf://someone/other", tmp_path / "data2")
    assert not (tmp_path / "data2").exists()
    shutil.copytree(was, was.with_name(f"someone--photos@{'0' * 40}"))
    with pytest.raises(ParameterError, match=r"someone--photos@0{40}, someone--photos@.* are here, name one"):
        addresses.local("hf://someone/photos", tmp_path / "data")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("hf://someone/none", r"has no such data set, or it is not open to you; .* log in by `hf auth login`"),
        ("hf://someone/photos@v9", "has no revision v9"),
        (f"hf://someone/photos@{'1' * 40}", "has no revision 1{40}"),
        ("hf://photos", r"is no data set of a hub; allowed is hf://OWNER/NAME"),
        ("hf://a/../b", "is no data set of a hub"),
    ],
)
def test_what_a_hub_does_not_have_is_refused_and_leaves_nothing(hub, shards, tmp_path, address, words):
    hub.commit("datasets/someone/photos", files(shards))
    with pytest.raises(ParameterError, match=f"^data: .*{words}"):
        addresses.local(address, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_download_that_broke_off_goes_on(hub, shards, tmp_path):
    hub.commit("datasets/someone/photos", files(shards))
    hub.fails["photos-000000.tar"] = 403
    with pytest.raises(ParameterError, match="cannot be fetched"):
        addresses.local("hf://someone/photos", tmp_path / "data")
    left = [path.name for path in (tmp_path / "data").iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".someone--photos@")
    hub.fails.clear()
    hub.asked.clear()
    place = addresses.local("hf://someone/photos", tmp_path / "data")
    assert files(place) == files(shards)
    assert {path.rpartition("/")[2] for path in hub.sent("GET /datasets")} == {"photos-000000.tar"}


def test_a_file_that_came_damaged_is_not_taken(hub, shards, tmp_path, monkeypatch):
    hub.commit("datasets/someone/photos", files(shards))
    own = stand_in.Handler.file

    def damaged(self, data, name, commit):
        return own(self, data[::-1] if name.endswith(".tar") else data, name, commit)

    monkeypatch.setattr(stand_in.Handler, "file", damaged)
    with pytest.raises(ParameterError, match=r"photos-000000\.tar came damaged"):
        addresses.local("hf://someone/photos", tmp_path)
    assert not [*tmp_path.glob("someone--*")]


@pytest.mark.parametrize(
    ("names", "arranged"),
    [
        (["data/train-0.parquet", "data/test-0.parquet"], ["test/test-0.parquet", "train/train-0.parquet"]),
        (["default/train/0.parquet", "default/validation/0.parquet"], ["train/0.parquet", "val/0.parquet"]),
        (["data/train-0.parquet", "data/train-1.parquet"], ["train-0.parquet", "train-1.parquet"]),
        (["x/pictures-0.tar", "x/classes.txt", "x/notes.md"], ["classes.txt", "pictures-0.tar"]),
        (["train/a/0.png", "val/a/0.png"], ["train/a/0.png", "val/a/0.png"]),
    ],
)
def test_shards_of_splits_become_parts(hub, tmp_path, names, arranged):
    hub.commit("datasets/someone/set", {name: name.encode() for name in [*names, "README.md"]})
    assert [*files(addresses.local("hf://someone/set", tmp_path))] == ["README.md", *arranged]


def test_a_repository_with_several_sets_is_refused(hub, tmp_path):
    hub.commit("datasets/someone/set", {"a/train/0.parquet": b"1", "b/train/0.parquet": b"2"})
    with pytest.raises(ParameterError, match=r"holds several sets .* fetch one by `hf download someone/set"):
        addresses.local("hf://someone/set", tmp_path / "data")
    assert not (tmp_path / "data").exists()


# ---- the web


@pytest.fixture
def archive(hub, tmp_path):
    """The address of an archive of two parts, and its bytes."""
    for part in ("train", "val"):
        pictures(tmp_path / "src" / part)
    data = (tmp_path / shutil.make_archive(str(tmp_path / "mine"), "zip", tmp_path / "src")).read_bytes()
    hub.objects["/plain/mine.zip"] = data
    return f"{hub.url}/plain/mine.zip#sha256={hashlib.sha256(data).hexdigest()}", data


def test_an_archive_of_the_web_is_fetched_once_and_compared(hub, archive, tmp_path):
    address, data = archive
    for _ in range(2):
        assert addresses.local(address, tmp_path / "data").read_bytes() == data
    assert len(hub.sent("mine.zip")) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.zip"]
    train, test = real_images.images_of(address, tmp_path / "data")
    assert (len(train), len(test)) == (4, 4)


def test_another_file_of_the_name_is_said_to_be_that(hub, archive, tmp_path):
    address, _ = archive
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.zip").write_bytes(b"other")
    words = (
        rf"mine\.zip is there, but its SHA-256 is {hashlib.sha256(b'other').hexdigest()}, and that of .* move it away"
    )
    with pytest.raises(ParameterError, match=words):
        addresses.local(address, tmp_path / "data")
    assert not hub.sent("mine.zip")


def test_a_server_that_gives_another_file_is_said_and_nothing_is_left(hub, archive, tmp_path):
    hub.objects["/plain/mine.zip"] = b"changed"
    with pytest.raises(
        ParameterError, match=rf"gives a file whose SHA-256 is {hashlib.sha256(b'changed').hexdigest()}"
    ):
        addresses.local(archive[0], tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_file_of_the_web_that_broke_off_goes_on(hub, archive, tmp_path):
    address, data = archive
    hub.cut = 100
    with pytest.raises(
        ParameterError, match=r"cannot be downloaded .*; 100 bytes have come, and the same command goes on"
    ):
        addresses.local(address, tmp_path / "data")
    assert not (tmp_path / "data" / "mine.zip").exists()
    assert addresses.local(address, tmp_path / "data").read_bytes() == data
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["mine.zip"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://x.org/a.zip", r"lacks the SHA-256 of its file, which `sha256sum FILE` prints"),
        ("https://x.org/a.zip#sha256=12", "lacks the SHA-256"),
        (f"https://x.org/a.png#sha256={'0' * 64}", r"is no archive; allowed is a file that ends in \.zip"),
        (f"https://x.org/%2e%2e%2f..zip#sha256={'0' * 64}", "is no archive"),
        (f"{NOWHERE}/a.zip#sha256={'0' * 64}", r"cannot be downloaded .*; put a\.zip \(SHA-256 0{64}\) into "),
    ],
)
def test_an_address_of_the_web_that_cannot_be_used_is_refused(tmp_path, monkeypatch, address, words):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ParameterError, match=f"^data: .*{words}"):
        addresses.local(address, tmp_path / "data")
    assert not (tmp_path / "data").exists()


# ---- timm's readers


def test_a_reader_of_timm_gives_class_folders(tmp_path, monkeypatch):

    class Fake(datasets.FakeData):
        def __init__(self, root, train, download):
            super().__init__(6 if train else 4, (3, 8, 8), 3)

    monkeypatch.setitem(dataset_factory._TORCH_BASIC_DS, "cifar10", Fake)
    place = addresses.local("torch/cifar10", tmp_path)
    train, test = (Images.from_folder(place / part) for part in ("train", "val"))
    for images, own in ((train, Fake("", True, False)), (test, Fake("", False, False))):
        pixels = {int(images.name(i).rpartition("/")[2][:-4]): images.pixels(i) for i in range(len(images))}
        assert len(pixels) == len(own)
        assert all(np.array_equal(pixels[i], np.asarray(own[i][0])) for i in pixels)
    assert Folder(place).manifest()["parameters"]["reader"] == "torch/cifar10"


def test_a_reader_keeps_the_bytes_of_files(tmp_path):
    pytest.importorskip("datasets")
    source = pictures(tmp_path / "src" / "train").parent
    shutil.copytree(source / "train", source / "test")
    place = addresses.local(f"hfds/{source}", tmp_path / "data")
    assert sorted(files(place / "train").values()) == sorted(files(source / "train").values())
    assert {path.name for path in (place / "val").iterdir()} == {"a", "b"}


@pytest.mark.parametrize("name", ["torch/nothing", "wds/nothing"])
def test_what_timm_cannot_read_is_said(tmp_path, name):
    with pytest.raises(ParameterError, match=rf"^data: (timm cannot read {name}, split train|{name} needs a package)"):
        addresses.local(name, tmp_path / "data")


# ---- labels from a table


def flat(root, names):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (4, 4), np.uint8)).save(root / name)
    return root


def test_labels_of_a_table_become_class_folders(tmp_path):
    root = flat(tmp_path / "photos", ["train/1.png", "train/2.png", "val/3.png"])
    (tmp_path / "labels.csv").write_text("file,label\ntrain/1.png,cat\ntrain/2.png,007\nval/3.png,cat\n")
    place = label_table.labelled(root, tmp_path / "labels.csv", tmp_path / "data")
    assert [*files(place)] == ["train/007/2.png", "train/cat/1.png", "val/cat/3.png"]
    train, test = real_images.images_of(place)
    assert (train.classes, train.labels.tolist(), test.labels.tolist()) == (["007", "cat"], [0, 1], [1])
    assert label_table.labelled(root, tmp_path / "labels.csv", tmp_path / "data") == place
    before = folder.fingerprint(place)
    (tmp_path / "labels.csv").write_text("file,label\ntrain/1.png,dog\ntrain/2.png,007\nval/3.png,dog\n")
    assert folder.fingerprint(label_table.labelled(root, tmp_path / "labels.csv", tmp_path / "data")) != before


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1.png,a\n2.png,b\n3.png,a\n", r"3\.png is missing from .*photos"),
        ("1.png,a\n2.png,b\n1.png,b\n", r"1\.png is listed twice"),
        ("1.png,a\n", r"2\.png is in .*photos and not listed"),
        ("1.png,a\n2.png,../b\n", r"2\.png is without a label that can name a folder"),
        ("", "has no rows"),
    ],
)
def test_a_table_that_does_not_fit_names_the_files_and_leaves_nothing(tmp_path, rows, words):
    root = flat(tmp_path / "photos", ["1.png", "2.png"])
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}")
    with pytest.raises(ParameterError, match=rf"^labels: .*labels\.csv: {words}"):
        label_table.labelled(root, tmp_path / "labels.csv", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_table_without_the_columns_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("name,class\n1.png,a\n")
    with pytest.raises(ParameterError, match="no columns file and label"):
        label_table.labelled(flat(tmp_path / "photos", ["1.png"]), tmp_path / "labels.csv", tmp_path)
    with pytest.raises(ParameterError, match=r"^labels: .*nowhere\.csv: no file"):
        label_table.labelled(tmp_path / "photos", tmp_path / "nowhere.csv", tmp_path)


# ---- the stages


def test_a_recipe_asks_nobody_before_it_is_used_and_names_what_it_reads(hub, archive, shards, tmp_path):
    from tests.helpers import tiny  # it imports torch and more

    address, _ = archive
    recipe = tiny.finetune(data=address, data_root=str(tmp_path / "data"))
    assert not hub.sent("mine.zip")
    assert recipe.place() == str(tmp_path / "data" / "mine.zip")
    assert str(tmp_path / "data" / "mine.zip") in recipe.reads()
    with pytest.raises(ParameterError, match="lacks the SHA-256"):
        tiny.finetune(data="https://x.org/a.zip")
    with pytest.raises(
        ParameterError, match=r"labels: .* are for pictures in a folder or archive, which data: digits is not"
    ):
        tiny.finetune(data="digits", labels=str(tmp_path / "x.csv"))
