import json
import os
import shutil

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image

from ofdb_core.base import parameters, record
from ofdb_core.base.folder import Folder
from ofdb_core.run import experiment, parameter_files
from ofdb_core.stages import predict
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    tiny.trained(tiny.pretrain(data=tiny.folder_of_shades(root / "images"), out=str(root)))
    return root


@pytest.fixture
def pictures(pretrained, tmp_path):
    """A flat picture, nested ones, what is no picture, and one that is cut off."""
    root = tmp_path / "pictures"
    shutil.copytree(pretrained / "images" / "00001", root / "deep" / "er")
    shutil.copy(pretrained / "images" / "00006" / "x.png", root / "flat.PNG")
    (root / "linked").symlink_to(pretrained / "images" / "00004", target_is_directory=True)
    (root / "notes.txt").touch()
    (root / "._flat.png").touch()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(root / "cut.png")
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:-2000])
    return root


def asked(checkpoint, out, data, **values):
    places = [str(place) for place in data] if isinstance(data, list) else str(data)
    how = {"checkpoint": str(checkpoint), "precision": "fp32", "loader_workers": 0, "batch_size": 3}
    return tiny.of("6_predict", **{**how, "out": str(out), "data": places, **values})


def predicted(settings):
    predict.check(settings)
    return predict.predict(settings, predict.start(settings))


def test_every_picture_has_its_likeliest_classes_or_why_it_cannot_be_read(pretrained, pictures, tmp_path, capsys):
    settings = asked(pretrained / "pretrain", tmp_path / "out", pictures)
    rows = predicted(settings)
    assert [row["file"] for row in rows] == ["cut.png", "deep/er/x.png", "flat.PNG", "linked/x.png"]
    assert "cut.png: cannot be read as an image" in rows[0]["problem"]
    assert {rows[0][column] for column in rows[0] if column not in ("file", "problem")} == {""}
    assert "data: not read, by the endings of the files: 1 .txt" in capsys.readouterr().out
    how = {"checkpoint": settings.checkpoint, "precision": "fp32", "out": str(tmp_path)}
    whole, _ = tiny.evaluated(tiny.of("6_evaluate", **how, data=str(pretrained / "images")))
    shares = np.load(tmp_path / "evaluation" / "probabilities.npz")["head"]
    for row, number in zip(rows[1:], (1, 6, 4), strict=True):
        assert (row["class"], row["problem"]) == (whole[number]["predicted"], "")
        best = np.sort(shares[number])[:-6:-1]
        assert [row[f"probability{place}"] for place in predict.PLACES] == pytest.approx(best.tolist(), abs=1e-3)
        assert len({row[f"class{place}"] for place in predict.PLACES}) == 5
    assert Folder(tmp_path / "out" / "predictions").verify() == []
    assert predicted(settings) == rows
    assert "made before and unchanged, kept" in capsys.readouterr().out


def test_files_may_be_named_and_packed(pretrained, pictures, tmp_path):
    def names(data, **values):
        return [row["file"] for row in predicted(asked(pretrained / "pretrain", tmp_path, data, **values))]

    named = [pictures / "flat.PNG", pictures / "deep", pictures / "deep" / "er" / "x.png"]
    assert names(named) == ["deep/er/x.png", "flat.PNG"]
    assert names(pictures / "flat.PNG") == ["flat.PNG"]
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", pictures / "deep")
    assert names(packed, data_root=str(tmp_path / "data")) == ["x.png"]


def test_a_head_of_fewer_than_five_classes_leaves_columns_empty(pictures, tmp_path):
    torch.save(tiny.network(classes=2).state_dict(), tmp_path / "two.pth")
    how = {"model": "vit_tiny_patch16_224", "model_options": tiny.VIT, "input_size": 16}
    row = predicted(asked(tmp_path / "two.pth", tmp_path / "out", pictures, **how))[1]
    assert {row["class"], row["class_2"]} == {"0", "1"}
    assert [row[f"class{place}"] for place in predict.PLACES[2:]] == [""] * 3


def test_timms_published_heads_name_imagenets_classes():
    with torch.device("meta"):
        model = timm.create_model("resnet18")
    assert predict.published_classes("timm:resnet18", model)[1] == "goldfish, Carassius auratus"
    assert predict.published_classes("mine.pth", model)[:2] == ["0", "1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "/nowhere"}, "data: '/nowhere': no such file or folder"),
        ({"data": ["/nowhere/a.png", "/nowhere/b.png"]}, "(?s)a.png': no such.*b.png': no such"),
        ({"data": []}, "data: the list is empty"),
        ({"data": "images", "checkpoint": "/nowhere/x.pth"}, "checkpoint: '/nowhere/x.pth' is neither"),
        ({"data": "models"}, "data: models holds no images of one class each; those that can be evaluated are"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(tmp_path, given, message):
    with pytest.raises(parameters.ParameterError, match=message):
        tiny.of("6_predict", **{"out": str(tmp_path), **given})


def test_a_picture_whose_name_no_table_can_hold_is_refused_by_name(pretrained, pictures, tmp_path):
    os.rename(pictures / "flat.PNG", os.fsencode(pictures) + b"/\xff.png")  # noqa: PTH104
    settings = asked(pretrained / "pretrain", tmp_path / "out", pictures)
    with pytest.raises(ValueError, match=r"pictures: the name '\\udcff\.png' is not Unicode; give it another one"):
        predict.start(settings)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [("crop_pct", 1e300, "crop_pct: 1e.300 is out of range"), ("std", [0, 0, 0], "std: .* is out of range")],
)
def test_a_fact_beside_others_weights_that_cannot_be_used_is_refused_with_their_name(
    pretrained, pictures, tmp_path, key, value, sentence
):
    folder = tmp_path / "theirs"
    shutil.copytree(pretrained / "pretrain", folder)
    state = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file(state, folder / "model.safetensors")  # without this project's facts
    said = json.loads((folder / "config.json").read_text())
    said["pretrained_cfg"][key] = value
    (folder / "config.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match=f"^{sentence}.*, in .*theirs/model.safetensors"):
        predict.check(asked(folder, tmp_path / "out", pictures))


def test_without_a_picture_it_is_said(pretrained, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").touch()
    settings = asked(pretrained / "pretrain", tmp_path, tmp_path / "none")
    with pytest.raises(ValueError, match=r"none: no pictures, by the endings of the files \(1 \.txt\)"):
        predict.check(settings)
    (tmp_path / "none" / "a.png").touch()
    with pytest.raises(ValueError, match=r"none of 1 pictures can be read; .*a\.png: cannot be read"):
        predicted(settings)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_the_command_leaves_a_table_and_two_sheets(pretrained, pictures, tmp_path, capsys):
    given = [("checkpoint", str(pretrained / "pretrain")), ("data", str(pictures)), ("loader_workers", "0")]
    experiment.run("predict", ["6_predict"], overrides=given, out=tmp_path / "out")
    entry = record.read(tmp_path / "out")["6_predict"]
    assert [figure["file"] for figure in entry["figures"]] == [
        f"figures/6_predict_{name}.png" for name in ("surest", "least_sure")
    ]
    assert all(check["holds"] for check in entry["checks"])
    assert entry["headline"]["sentence"].startswith("3 pictures: ")
    assert "1 unreadable: predictions.csv says why" in capsys.readouterr().out
    for wrong in ("data", "checkpoint"):
        wrongly = [*given, (wrong, str(tmp_path / "nowhere"))]
        with pytest.raises(parameters.ParameterError, match=f"{wrong}: .*nowhere"):
            experiment.run("predict", overrides=wrongly, out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_files_are_named_from_the_current_folder(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(pictures)
    how = [("data", "[flat.PNG, deep]"), ("checkpoint", "flat.PNG")]
    (made,) = parameter_files.checked("predict", ["6_predict"], how, tmp_path).values()
    assert made.data == [str(pictures / "flat.PNG"), str(pictures / "deep")]
    assert {*made.reads()} == {made.checkpoint, *made.data}


@pytest.fixture
def memory(pretrained, tmp_path):
    """Pictures of two shades under two names, one of them deep, and an empty name."""
    for name, shades in (("dark", (0, 1)), ("light", (6, 7)), ("none", ())):
        (tmp_path / "memory" / name / "deep").mkdir(parents=True)
        for shade in shades:
            shutil.copy(pretrained / "images" / f"{shade:05d}" / "x.png", tmp_path / "memory" / name / f"{shade}.png")
    (tmp_path / "memory" / "light" / "7.png").rename(tmp_path / "memory" / "light" / "deep" / "7.png")
    return tmp_path / "memory"


def computed(asked, capsys):
    """The rows of a prediction by a memory, and the number of features that it computed."""
    rows = predicted(asked)
    return rows, int(capsys.readouterr().out.rpartition("features to compute: ")[2].split()[0])


def test_the_nearest_of_a_memory_name_pictures_and_it_is_edited_as_a_folder(
    pretrained, pictures, memory, tmp_path, capsys
):
    (pictures / "extra.png").write_bytes((memory / "dark" / "0.png").read_bytes())
    settings = asked(pretrained / "pretrain", tmp_path / "out", pictures, memory=str(memory), neighbours=2)
    rows, count = computed(settings, capsys)
    named = {row["file"]: row for row in rows}
    assert count == 4 + 2  # cut.png and 00004: three of the five pictures are in the memory, too
    assert "cut.png: cannot be read as an image" in named["cut.png"]["problem"]
    assert {named["cut.png"][column] for column in ("class", "nearest", "similarity")} == {""}
    assert (named["extra.png"]["class"], named["extra.png"]["nearest"]) == ("dark", "dark/0.png")
    assert (named["flat.PNG"]["class"], named["flat.PNG"]["nearest"]) == ("light", "light/6.png")
    assert named["flat.PNG"]["similarity"] == pytest.approx(1, abs=1e-4)
    assert named["flat.PNG"]["nearest_2"] != ""
    assert named["flat.PNG"]["nearest_3"] == ""  # two vote
    assert predict.likened(predict.start(settings), rows, [1])[1][0] == f"{rows[1]['class']}?"

    (memory / "light").rename(memory / "bright")
    (memory / "dark" / "1.png").unlink()
    shutil.move(pictures / "linked" / "x.png", memory / "none" / "new.png")
    rows, count = computed(settings, capsys)
    assert count == 1  # cut.png, which has none
    named = {row["file"]: row for row in rows}
    assert (named["flat.PNG"]["class"], named["flat.PNG"]["nearest"]) == ("bright", "bright/6.png")
    assert named["deep/er/x.png"]["nearest"] != "dark/1.png"
    predicted(settings)
    assert "made before and unchanged, kept" in capsys.readouterr().out


def test_features_of_another_checkpoint_or_of_no_proof_are_computed_again(
    pretrained, pictures, memory, tmp_path, capsys
):
    (pictures / "cut.png").unlink()
    settings = asked(pretrained / "pretrain", tmp_path / "out", pictures, memory=str(memory))
    rows, count = computed(settings, capsys)
    file = tmp_path / "out" / "predictions" / "features.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    assert computed(settings, capsys) == (rows, count)
    other = asked(pretrained / "pretrain", tmp_path / "out", pictures, memory=str(memory), input_size=20)
    assert computed(other, capsys)[1] == count


def test_a_memory_needs_no_head_but_pictures(pretrained, pictures, memory, tmp_path, capsys):
    weights = tiny.network(classes=2).state_dict()
    torch.save(
        {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}, tmp_path / "bare.pth"
    )
    how = {"model": "vit_tiny_patch16_224", "model_options": tiny.VIT, "input_size": 16}
    settings = asked(tmp_path / "bare.pth", tmp_path / "out", pictures, memory=str(memory), **how)
    assert computed(settings, capsys)[0][-1]["class"] in ("dark", "light")
    (memory / "dark" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"(?s)1 of 5 files cannot be read.*dark/bad\.png: no picture"):
        predicted(settings)
    shutil.rmtree(memory)
    with pytest.raises(ValueError, match=r"memory: .*no such folder"):
        predict.check(settings)
    memory.mkdir()
    with pytest.raises(ValueError, match=r"memory: .*has no class folders"):
        predict.check(settings)


@pytest.mark.parametrize("judge", ["head", "memory"])
def test_pipes_devices_and_broken_links_are_rows_too(judge, pretrained, pictures, memory, tmp_path):
    (pictures / "lost.png").symlink_to("nowhere")
    (pictures / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(pictures / "pipe.png")
    how = {"memory": str(memory)} if judge == "memory" else {}
    rows = predicted(asked(pretrained / "pretrain", tmp_path / "out", pictures, **how))
    unread = {row["file"] for row in rows if "cannot be read as an image" in row["problem"]}
    assert unread == {"cut.png", "lost.png", "pipe.png", "zero.png"}
