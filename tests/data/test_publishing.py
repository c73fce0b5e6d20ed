import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.manifests import header
from ofdb_core.data import addresses, packing, publishing
from ofdb_core.data.samples import Images
from ofdb_core.run import commands
from tests.data.test_addresses import files, pictures
from tests.helpers import hub as stand_in


def push(root, repository="someone/photos", **how):
    publishing.check(repository)
    found = publishing.look(publishing.prepared(root), repository, **how)
    return found, publishing.send(found)


def checkpoint(root):
    root.mkdir()
    for name in ("config.json", "model.safetensors", "README.md", "log.csv"):
        (root / name).write_text(f"{name} of OWNER/NAME\n")
    return root


def test_class_folders_go_packed_and_come_back_as_they_were(hub, tmp_path):
    root = pictures(tmp_path / "photos")
    found, commit = push(root)
    assert found.new == ["README.md", "classes.txt", "croissant.json", "photos-000000.tar"]
    assert hub.head("datasets/someone/photos") == commit
    place = addresses.local("hf://someone/photos", tmp_path / "data")
    assert place.name.endswith(commit)
    one, other = Images.from_folder(root), Images.from_folder(place)
    assert all(np.array_equal(one.pixels(i), other.pixels(i)) for i in range(len(one)))


def test_the_hubs_own_client_reads_it_back(hub, tmp_path):
    import huggingface_hub

    push(pictures(tmp_path / "photos"))
    how = {"repo_type": "dataset", "local_dir": tmp_path / "back"}
    got = huggingface_hub.snapshot_download("someone/photos", **how)
    path = huggingface_hub.hf_hub_download("someone/photos", "classes.txt", repo_type="dataset")
    packed = tmp_path / "photos-webdataset"
    for name in ("classes.txt", "photos-000000.tar"):
        assert (tmp_path / "back" / name).read_bytes() == (packed / name).read_bytes()
    assert got == str(tmp_path / "back")
    assert Path(path).read_text() == "a\nb\n"
    card = huggingface_hub.DatasetCard.load(tmp_path / "back" / "README.md").data
    assert card.configs == [{"config_name": "default", "data_files": [{"split": "train", "path": "*.tar"}]}]
    assert 'load_dataset("someone/photos"' in (tmp_path / "back" / "README.md").read_text()
    about = json.loads((tmp_path / "back" / "croissant.json").read_text())
    assert about["url"] == f"{hub.url}/datasets/someone/photos"


def test_what_is_there_is_not_sent_again(hub, tmp_path):
    root = pictures(tmp_path / "photos")
    push(root)
    hub.asked.clear()
    found, _ = push(root)
    assert found.new == []
    assert not hub.sent("POST")
    (tmp_path / "photos-webdataset" / "README.md").write_text("of mine\n")
    assert push(root)[0].new == ["README.md"]


def test_a_push_that_broke_off_goes_on(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "AT_ONCE", 1)
    root = pictures(tmp_path / "photos")
    hub.fails["/objects/batch"] = 404
    with pytest.raises(publishing.Refused, match="the same command goes on with what is not there yet"):
        push(root)
    hub.fails.clear()
    found, _ = push(root)
    assert found.new == ["photos-000000.tar"]
    assert publishing.look(found.root, "someone/photos").new == []


def test_a_checkpoint_goes_as_a_model(hub, tmp_path):
    found, commit = push(checkpoint(tmp_path / "net"), "someone/net", private=True)
    assert found.kind == "model"
    assert hub.private == {"models/someone/net": True}
    there = hub.repos["models/someone/net"][commit]
    assert there["model.safetensors"] == b"model.safetensors of OWNER/NAME\n"
    assert there["README.md"] == b"README.md of someone/net\n"
    assert found.address == f"{hub.url}/someone/net"
    assert publishing.look(tmp_path / "net", "someone/net").private


def test_who_pushes_sees_what_would_go_and_where(hub, tmp_path):
    found = publishing.look(checkpoint(tmp_path / "net"), "someone/net")
    lines = [*found.lines()]
    assert lines[0].endswith(f"net as a model to {hub.url}/someone/net:")
    assert any("model.safetensors" in line for line in lines)
    assert lines[-1].endswith("a new one: everyone can see it")
    assert not hub.sent("POST")
    assert [*publishing.look(tmp_path / "net", "someone/net", private=True).lines()][-1].endswith("you let see it")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (None, "nobody is logged in here; log in by `hf auth login`"),
        ("hf_wrong", "refuses the token that is used here; "),
    ],
)
def test_without_a_token_it_is_said_how_to_log_in(hub, tmp_path, monkeypatch, token, words):
    stand_in.use(monkeypatch, hub, tmp_path / "home", token)
    with pytest.raises(publishing.Refused, match=words):
        publishing.check("someone/photos")


def test_what_cannot_be_pushed_is_refused(hub, tmp_path):
    for name in ("photos", "a/b/c", "a//b", "a/b c"):
        with pytest.raises(publishing.Refused, match="is no name of a repository, as OWNER/NAME"):
            publishing.check(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(publishing.Refused, match="neither images in class folders, shards, nor a checkpoint"):
        publishing.prepared(tmp_path / "empty")
    with pytest.raises(publishing.Refused, match="no such folder"):
        publishing.prepared(tmp_path / "nowhere")


def test_a_packed_form_of_other_images_is_not_sent(tmp_path):
    root = pictures(tmp_path / "photos")
    packed = publishing.prepared(root)
    assert publishing.prepared(root) == packed
    pictures(root, "c")
    with pytest.raises(ValueError, match="photos-webdataset: is there already"):
        publishing.prepared(root)


def test_an_altered_checkpoint_is_not_sent(hub, tmp_path):
    made = {"config.json": "{}", "model.safetensors": "x"}
    Folder(tmp_path / "net").write(header({}, push, license=None), made, {})
    (tmp_path / "net" / "config.json").write_text("[]")
    with pytest.raises(Altered, match="not as it was written"):
        publishing.look(tmp_path / "net", "someone/net")


def test_the_command_asks_and_is_refused_before_anything_is_sent(hub, tmp_path, capsys):
    root = str(checkpoint(tmp_path / "net"))
    with pytest.raises(commands.UsageError, match="this is no terminal, so push cannot ask; give --yes"):
        commands.command.main(["push", root, "someone/net"], standalone_mode=False)
    assert not hub.asked
    assert commands.command.main(["push", root, "someone/net", "--yes"], standalone_mode=False) == 0
    assert f"has it, at commit {hub.head('models/someone/net')}" in capsys.readouterr().out


# ---- cards


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_a_packed_folder_has_a_card_that_a_hub_reads(tmp_path, form):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    root = tmp_path / "run" / "images"
    Folder(root).write(header({"categories": 2}, pictures), files(pictures(tmp_path / "src")), {})
    out = packing.pack(root, form)
    _, head, text = (out / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(head)
    ending = {"webdataset": "*.tar", "parquet": "*.parquet"}[form]
    assert about["configs"] == [{"config_name": "default", "data_files": [{"split": "train", "path": ending}]}]
    assert (about["license"], about["size_categories"]) == ("mit", ["n<1K"])
    assert about["task_categories"] == ["image-classification"]
    assert about["pretty_name"] == "run/images"
    assert "4 images of 2 classes" in text
    described = json.loads((out / "croissant.json").read_text())
    for one in described["distribution"][:-1]:
        assert one["sha256"] == hashlib.sha256((out / one["contentUrl"]).read_bytes()).hexdigest()


def test_a_card_of_images_from_elsewhere_names_no_licence(tmp_path):
    out = packing.pack(pictures(tmp_path / "photos"), "webdataset")
    _, head, text = (out / "README.md").read_text().split("---\n", 2)
    assert "license" not in yaml.safe_load(head)
    assert "Licence: that of the images" in text


@pytest.mark.slow
@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_croissant_gives_the_images_of_the_shards(tmp_path, form):
    mlcroissant = pytest.importorskip("mlcroissant")
    root = pictures(tmp_path / "photos")
    out = packing.pack(root, form)
    found = mlcroissant.Dataset(out / "croissant.json")
    assert not found.metadata.issues.errors
    rows = [*found.records("samples")]
    expected = Images.from_folder(root)
    labels = [row["samples/label"] for row in rows]
    named = [label.decode() if isinstance(label, bytes) else expected.classes[label] for label in labels]
    shown = sorted((name, np.asarray(row["samples/image"]).tobytes()) for name, row in zip(named, rows, strict=True))
    wanted = sorted((expected.classes[expected.labels[i]], expected.pixels(i).tobytes()) for i in range(len(expected)))
    assert shown == wanted
