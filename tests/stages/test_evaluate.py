import itertools
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from ofdb_core.base import parameters
from ofdb_core.base.folder import Folder
from ofdb_core.batches.recipe import CORRUPTIONS
from ofdb_core.data import tables
from ofdb_core.show import outcomes
from ofdb_core.stages import evaluate, finetune
from tests.helpers import tiny


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    tiny.trained(tiny.pretrain(data=tiny.folder_of_shades(root / "images"), out=str(root)))
    return root


def asked(out, **values):
    return tiny.of("6_evaluate", **{"out": str(out), "loader_workers": 0, **values})


def test_an_evaluation_computes_in_single_precision_unless_it_is_asked_for_less(pretrained, tmp_path):
    how = {"checkpoint": str(pretrained / "pretrain" / "model.safetensors"), "data": str(pretrained / "images")}
    shares = []
    for precision in ({}, {"precision": "fp32"}, {"precision": "bf16"}):
        out = tmp_path / str(len(shares))
        tiny.evaluated(asked(out, **how, **precision))
        shares.append(np.load(out / "evaluation" / "probabilities.npz")["head"])
    assert (shares[0] == shares[1]).all()
    assert (shares[0] != shares[2]).any()


def test_a_checkpoint_is_evaluated_on_the_data_that_it_knows(pretrained, tmp_path, capsys):
    how = {"checkpoint": str(pretrained / "pretrain" / "model.safetensors"), "data": str(pretrained / "images")}
    for _ in range(2):
        rows, classes = tiny.evaluated(asked(tmp_path, **how))
    assert [row["class"] for row in rows] == [f"{i:05d}" for i in range(8)]
    assert [row["file"] for row in rows] == [f"{i:05d}/x.png" for i in range(8)]
    assert all(0 < row["probability"] <= 1 for row in rows)
    confusion = tables.read(tmp_path / "evaluation" / "confusion.csv")
    assert list(confusion[0]) == ["by", "class", *(f"as {i:05d}" for i in range(8))]
    diagonal = sum(row[f"as {row['class']}"] for row in confusion)
    assert diagonal == sum(row["class"] == row["predicted"] for row in rows)
    assert {row["by"] for row in classes} == {"head"}
    shares = np.load(tmp_path / "evaluation" / "probabilities.npz")["head"]
    assert shares.shape == (8, 8)
    assert [row["probability"] for row in rows] == pytest.approx(shares.max(axis=1).tolist(), abs=1e-3)
    assert Folder(tmp_path / "evaluation").verify() == []
    assert capsys.readouterr().out.count("made before and unchanged, kept") == 1


def test_the_result_of_fine_tuning_comes_out_again(pretrained, tmp_path):
    settings = tiny.finetune(
        checkpoint=str(pretrained / "pretrain" / "model.safetensors"), out=str(tmp_path), repeats=1
    )
    done = tiny.compared(settings)
    last = done.root / "pre-trained_2_0" / "model.safetensors"
    rows, _ = tiny.evaluated(asked(tmp_path, checkpoint=str(last), data="digits"))
    found = sum(row["class"] == row["predicted"] for row in rows) / len(rows)
    assert found == pytest.approx(done.results[0]["accuracy"])
    predictions = done.by_training("predictions")["pre-trained, 2 a class, repeat 0"]
    assert [{"by": "head", **row} for row in predictions] == [{**row, "name": predictions[0]["name"]} for row in rows]


def test_the_ground_of_a_training_is_that_of_its_evaluation(tmp_path, capsys):
    for name in "ab":
        (tmp_path / "mine" / name).mkdir(parents=True)
        pixels = np.full((16, 16, 4), 255, np.uint8)
        pixels[4:12, : 8 if name == "a" else 12, 3] = 0
        Image.fromarray(pixels).save(tmp_path / "mine" / name / "x.png")
    for ground in ("white", "black"):
        how = tiny.pretrain(data=str(tmp_path / "mine"), out=str(tmp_path / ground), ground=ground, batch_size=2)
        if ground == "white":  # white on white
            with pytest.raises(ValueError, match="every image is one flat colour"):
                tiny.trained(how)
        else:
            tiny.trained(how)
    checkpoint = str(tmp_path / "black" / "pretrain")
    for asked_for, ground in ((None, "black"), ("black", "black")):
        given = asked(tmp_path, checkpoint=checkpoint, data=str(tmp_path / "mine"), ground=asked_for)
        assert evaluate.start(given).images.reading.ground == ground
    with pytest.raises(ValueError, match="every image is one flat colour"):
        evaluate.start(asked(tmp_path, checkpoint=checkpoint, data=str(tmp_path / "mine"), ground="white"))
    assert "transparent pixels, in 2 classes: a, b, are seen on black (-p ground)" in capsys.readouterr().out


def test_the_draft_of_a_fine_tuning_is_that_of_its_evaluation(pretrained, tmp_path):
    for part, name in itertools.product(("train", "val"), "ab"):
        (tmp_path / "mine" / part / name).mkdir(parents=True)
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (130, 200), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / part / name / "x.jpg")
    data = str(tmp_path / "mine")
    assert [len(part) for part in finetune.images(tiny.finetune(data=data, input_size=None))] == [2, 2]
    for draft, shape in ((True, (65, 100)), (False, (130, 200))):
        out = tmp_path / str(draft)
        how = {"checkpoint": str(pretrained / "pretrain"), "data": data, "shots": [1], "repeats": 1, "batch_size": 2}
        settings = tiny.finetune(**how, out=str(out), starts=["pre-trained"], draft=draft, crop_scale=[0.5, 1.0])
        seen = finetune.start(settings).test.pixels(0)
        tiny.compared(settings)
        checkpoint = str(out / "finetune" / "pre-trained_1_0")
        given = evaluate.start(asked(tmp_path, checkpoint=checkpoint, data=data))
        assert (given.inference.draft, given.images.pixels(0).shape) == (draft, shape)
        assert (given.images.pixels(0) == seen).all()
        other = evaluate.start(asked(tmp_path, checkpoint=checkpoint, data=data, draft=not draft))
        assert other.images.pixels(0).shape != shape


def test_other_classes_are_for_the_neighbours_only(pretrained, tmp_path):
    how = {"checkpoint": str(pretrained / "pretrain" / "model.safetensors"), "data": "digits"}
    words = (
        r"'digits' has 10 classes: 0, 1, 2, \.\.\., which the head does not know; it knows 8 classes: 00000, .*-p knn"
    )
    for refuse in (tiny.evaluated, evaluate.check):
        with pytest.raises(ValueError, match=words):
            refuse(asked(tmp_path, **how))
    evaluate.check(asked(tmp_path, **how, knn=5))
    rows, classes = tiny.evaluated(asked(tmp_path, **how, knn=5))
    assert {row["by"] for row in classes} == {"neighbours"}
    assert sum(row["class"] == row["predicted"] for row in rows) / len(rows) > 0.3
    assert {row["probability"] for row in rows} == {""}


@pytest.mark.parametrize("wrapped", [False, True])
def test_some_of_the_heads_classes_are_found_by_their_names(pretrained, tmp_path, capsys, wrapped):
    checkpoint = str(pretrained / "pretrain")
    whole, _ = tiny.evaluated(asked(tmp_path / "whole", checkpoint=checkpoint, data=str(pretrained / "images")))
    mine = tmp_path / "mine" / ("deeper/val" if wrapped else "")
    for name in ("00005", "00002"):
        shutil.copytree(pretrained / "images" / name, mine / name)
    settings = asked(tmp_path / "some", checkpoint=checkpoint, data=str(tmp_path / "mine"))
    evaluate.check(settings)
    rows, classes = tiny.evaluated(settings)
    assert rows == [whole[2], whole[5]]
    assert [row["class"] for row in classes if row["images"]] == ["00002", "00005"]
    said = capsys.readouterr().out
    assert "of the head's 8 classes there are no images of 6 classes: 00000, 00001, 00003, ..." in said
    (mine / "00005").rename(mine / "five")
    with pytest.raises(ValueError, match="has 1 class: five, which the head does not know; it knows 8 classes: 00000"):
        evaluate.check(settings)


def test_classes_in_parts_are_found_whatever_lies_around_them(pretrained, tmp_path):
    for part in ("train", "val"):
        shutil.copytree(pretrained / "images", tmp_path / "mine" / "around" / part)
    settings = asked(tmp_path, checkpoint=str(pretrained / "pretrain"), data=str(tmp_path / "mine"), knn=1)
    evaluate.check(settings)
    rows, _ = tiny.evaluated(settings)
    assert [row["class"] == row["predicted"] for row in rows if row["by"] == "neighbours"] == [True] * 8


def test_neighbours_need_no_head(tmp_path):
    state = {name: tensor for name, tensor in tiny.network().state_dict().items() if not name.startswith("head.")}
    torch.save(state, tmp_path / "trunk.pth")
    how = {"model": "vit_tiny_patch16_224", "model_options": tiny.VIT, "input_size": 16, "data": "digits"}
    with pytest.raises(ValueError, match=r"has no head of a vit_tiny"):
        evaluate.check(asked(tmp_path, checkpoint=str(tmp_path / "trunk.pth"), **how))
    _, classes = tiny.evaluated(asked(tmp_path, checkpoint=str(tmp_path / "trunk.pth"), **how, knn=5))
    assert {row["by"] for row in classes} == {"neighbours"}


def test_neighbours_need_training_images(pretrained, tmp_path):
    how = {"checkpoint": str(pretrained / "pretrain" / "model.safetensors"), "data": str(pretrained / "images")}
    with pytest.raises(ValueError, match="has no training images"):
        tiny.evaluated(asked(tmp_path, **how, knn=5))


def test_the_authors_files_need_the_name_of_their_network(tmp_path):
    torch.save({"model": tiny.network(classes=10).state_dict(), "epoch": 3}, tmp_path / "last.pth.tar")
    how = {"checkpoint": str(tmp_path / "last.pth.tar"), "data": "digits"}
    with pytest.raises(ValueError, match="does not say which network it holds; give its timm name"):
        tiny.evaluated(asked(tmp_path / "out", **how))
    shape = {"model": "vit_tiny_patch16_224", "model_options": tiny.VIT, "input_size": 16}
    rows, _ = tiny.evaluated(asked(tmp_path / "out", **how, **shape))
    assert len(rows) == 797


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"checkpoint": "/nowhere/x.pth"}, "checkpoint: '/nowhere/x.pth' is neither a file or folder nor"),
        ({"data": "cifar1"}, r"data: 'cifar1' .*did you mean cifar10"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_runs(tmp_path, values, message):
    with pytest.raises(parameters.ParameterError, match=message):
        asked(tmp_path, **values)


def test_under_corruption_a_table_tells_accuracy_and_calibration(pretrained, tmp_path):
    how = {"checkpoint": str(pretrained / "pretrain"), "data": str(pretrained / "images")}
    names = ["contrast", "gaussian_noise"]
    for workers, out in ((0, tmp_path / "a"), (2, tmp_path / "b")):
        tiny.evaluated(asked(out, **how, corruptions=names, loader_workers=workers))
    for table in ("corruptions", "reliability"):
        texts = [(tmp_path / out / "evaluation" / f"{table}.csv").read_bytes() for out in "ab"]
        assert texts[0] == texts[1]
    rows = tables.read(tmp_path / "a" / "evaluation" / "corruptions.csv")
    assert [(row["corruption"], row["strength"]) for row in rows] == [
        ("none", 0),
        *((name, strength) for name in names for strength in range(1, 6)),
    ]
    predictions = tables.read(tmp_path / "a" / "evaluation" / "predictions.csv", text=evaluate.NAMES)
    right = np.mean([row["class"] == row["predicted"] for row in predictions])
    assert rows[0]["accuracy"] == pytest.approx(right)
    assert outcomes.metrics(tmp_path / "a")["evaluation, under corruption"] == pytest.approx(
        np.mean([row["accuracy"] for row in rows[1:]])
    )
    curves = tables.read(tmp_path / "a" / "evaluation" / "reliability.csv")
    counts = {name: sum(row["images"] for row in curves if row["pictures"] == name) for name in ("clean", "corrupted")}
    assert counts == {"clean": 8, "corrupted": 80}
    again = tiny.evaluated(asked(tmp_path / "c", **how, corruptions=names[1:], corruptions_seed=1))
    assert again
    other = tables.read(tmp_path / "c" / "evaluation" / "corruptions.csv")
    assert other[1:] != rows[6:]  # drawn anew


def test_all_is_every_corruption_and_needs_a_head_that_knows_the_classes(pretrained, tmp_path):
    assert asked(tmp_path, corruptions="all").corrupted_by == CORRUPTIONS
    with pytest.raises(parameters.ParameterError, match="corruptions: 'rain' is not allowed; allowed is one of all"):
        asked(tmp_path, corruptions="rain")
    how = {"checkpoint": str(pretrained / "pretrain"), "data": "digits", "knn": 5}
    with pytest.raises(ValueError, match="the head is asked, and it does not know the classes of 'digits'"):
        evaluate.check(asked(tmp_path, **how, corruptions=["fog"]))
