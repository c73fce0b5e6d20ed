"""SegRCDB: a plain-Python twin of the original with its three masks, its files, codes, and live scenes."""

import math
import random
import re

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import scenes
from ofdb_core.families import coded, segrcdb
from ofdb_core.families.drawing import Drawing
from ofdb_core.formulas import contours
from ofdb_core.formulas.streams import Mersenne


def twin(generator, codes, objects, kind):
    """The next scene of a `random.Random`, drawn by Pillow."""
    picture, mask = Image.new("L", (512, 512)), Image.new("L", (512, 512))
    pen, marker = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    for _ in range(objects):
        label = generator.randint(1, len(codes))
        code, drawn = codes[label - 1][1], []
        down, right = ((512 + generator.randint(-512, 512)) / 2 for _ in range(2))
        angle = math.pi * 2 / code.vertices
        x = [math.cos(angle * i) * code.radius * code.oval[0] + right for i in range(code.vertices)]
        y = [math.sin(angle * i) * code.radius * code.oval[1] + down for i in range(code.vertices)]
        for _ in range(code.lines):
            gray = generator.randint(0, 255)
            for axis, turn in ((x, math.cos), (y, math.sin)):
                moves = [contours.perlin(np.float32(generator.uniform(0, 10000))) for _ in range(code.vertices)]
                for i, move in enumerate(moves):
                    axis[i] -= turn(angle * i) * (float(move) * code.noise * 2 - code.noise - code.width)
            closed = [*zip(x, y, strict=True), (x[0], y[0])]
            drawn.append(closed)
            pen.line(closed, fill=gray, width=1)
            if kind == "lines":
                marker.line(closed, fill=label, width=1)
        if kind == "filled":
            marker.polygon(drawn[-1], fill=label)
        elif kind == "ring" and len(drawn) > 1:
            marker.polygon(drawn[-1], fill=label)
            marker.polygon(drawn[0], fill=0)
            for closed in (drawn[0], drawn[-1]):
                marker.line(closed, fill=label, width=1)
    return np.asarray(picture), np.asarray(mask)


@pytest.mark.parametrize("kind", ["lines", "ring", "filled"])
def test_one_stream_draws_the_scenes_of_plain_python(kind):
    example = segrcdb.Render(seed=4, images=2, objects=6, mask=kind, one_stream=True)
    codes = list(segrcdb.KIND.drawn(example))[:20]
    codes[0][1].__dict__["lines"] = 1  # such an object has no ring
    stream, generator = Mersenne([5]), random.Random(5)
    for _ in range(2):
        picture, mask = segrcdb.draw(example, codes, stream)
        theirs = twin(generator, codes, example.objects, kind)
        assert (picture == theirs[0]).all()
        assert (mask == theirs[1]).all()
        assert len(np.unique(mask)) > 3


SMALL = {"categories": 6, "images": 3, "objects": 5, "image_size": 64, "seed": 3}


def test_torchvisions_reader_of_voc_yields_the_scenes(tmp_path, monkeypatch):
    """By the lines on the page."""
    segrcdb.KIND.write(segrcdb.Render(out=str(tmp_path / "runs/segrcdb"), categories=4, images=3, image_size=64))
    page = (provenance.PROJECT / "docs" / "families.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "VOCSegmentation" in block)
    monkeypatch.chdir(tmp_path)
    exec(code, names := {})
    ours = scenes.Pairs.from_folder(tmp_path / "runs/segrcdb/segrcdb")
    assert len(names["pairs"]) == len(ours) == 3
    for i, (picture, mask) in enumerate(names["pairs"]):
        assert (np.asarray(picture) == ours.pair(i)[0][..., None]).all()
        assert (np.asarray(mask) == ours.pair(i)[1]).all()


@pytest.mark.parametrize("one_stream", [False, True])
def test_pictures_and_masks_lie_side_by_side_in_files(tmp_path, one_stream):
    made = segrcdb.KIND.write(segrcdb.Render(out=str(tmp_path), one_stream=one_stream, **SMALL))["files"]
    names = [f"{part}/00000{i}.png" for part in ("images", "masks") for i in range(3)]
    assert list(made) == sorted([*names, "classes.txt", "metadata.csv"])
    root = tmp_path / "segrcdb"
    assert (root / "classes.txt").read_text().split() == ["ground", *(f"0000{i}" for i in range(1, 7))]
    assert (root / "metadata.csv").read_text().splitlines()[:2] == [
        "image_file_name,mask_file_name",
        "images/000000.png,masks/000000.png",
    ]
    opened = scenes.Pairs.from_folder(root)
    drawn = segrcdb.Render(one_stream=one_stream, **SMALL)
    codes, through = segrcdb.KIND.load(tmp_path / "segrcdb-codes"), Mersenne([4])
    for i in range(3):
        stream = through if one_stream else Mersenne([3, segrcdb.SCENES, i])
        for mine, theirs in zip(opened.pair(i), segrcdb.draw(drawn, codes, stream), strict=True):
            assert (mine == theirs).all()


def test_the_scenes_are_made_again_from_their_codes(tmp_path):
    made = segrcdb.KIND.write(segrcdb.Render(out=str(tmp_path / "a"), **SMALL))["files"]
    codes = tmp_path / "a" / "segrcdb-codes"
    again = segrcdb.Render(out=str(tmp_path / "b"), codes=str(codes), **SMALL)
    assert segrcdb.KIND.write(again)["files"] == made
    assert not Folder(tmp_path / "b" / "segrcdb").verify()


def test_the_authors_files_of_parameters_are_codes(tmp_path):
    code = segrcdb.drawn(Mersenne([0]))
    rows = {"Category_num": 1, "Vertex": code.vertices, "Perlin_noise": code.noise, "line_width": code.width}
    rows |= {"Center_rad": code.radius, "Line_num": code.lines, "Oval_rate_x": code.oval[0]}
    rows |= {"Oval_rate_y": code.oval[1], "Color_Gray": 1}
    (tmp_path / "00001.csv").write_text("".join(f"{name},{value}\n" for name, value in rows.items()))
    assert segrcdb.KIND.load(tmp_path) == [("00001", code)]


@pytest.mark.parametrize("kind", ["lines", "ring", "filled"])
def test_live_scenes_look_like_stored_ones(kind):
    example = segrcdb.Render(mask=kind)
    codes = [(f"{i:05d}", segrcdb.sample(example, i)) for i in range(60)]
    live = [segrcdb.draw_live(codes, key, 512, 32, kind) for key in range(30)]
    stored = [segrcdb.draw(example, codes, Mersenne([key])) for key in range(30)]
    for which in (0, 1):
        filled, wanted = (np.mean([(scene[which] > 0).mean() for scene in some]) for some in (live, stored))
        assert abs(filled / wanted - 1) < 0.1
    picture, mask = live[0]
    assert (mask[picture > 0] > 0).all() or kind != "lines"


def test_live_scenes_come_in_any_size(tmp_path):
    segrcdb.KIND.write(segrcdb.Render(out=str(tmp_path), **SMALL))
    how = Drawing(samples="live", live={"size": 96, "images": 7, "objects": 4, "mask": "filled"})
    opened = how.opened_scenes("segrcdb-codes", tmp_path / "segrcdb-codes")
    assert len(opened) == 7
    pairs = [opened.pair(i, key) for i, key in ((0, None), (1, None), (0, 9), (1, 9))]
    assert all(picture.shape == mask.shape == (96, 96) for picture, mask in pairs)
    assert not (pairs[0][1] == pairs[1][1]).all()  # without a key each number has its scene
    assert (pairs[2][1] == pairs[3][1]).all()  # with a key, the key


def test_training_on_one_label_an_image_refuses_scenes(tmp_path):
    from ofdb_core.stages import inference, recipes

    with pytest.raises(ValueError, match="data: segrcdb has masks, and no label for an image"):
        recipes.Pretrain(data="segrcdb", out=str(tmp_path))
    with pytest.raises(ValueError, match="data: segrcdb holds no images of one class each"):
        inference.Evaluate(data="segrcdb", out=str(tmp_path))


def test_codes_and_one_stream_exclude_each_other(tmp_path):
    (tmp_path / "a.json").write_bytes(coded.as_bytes(segrcdb.drawn(Mersenne([1]))))
    with pytest.raises(ValueError, match="codes, one_stream: codes of your own are not drawn from one stream"):
        segrcdb.Render(codes=str(tmp_path), one_stream=True)
