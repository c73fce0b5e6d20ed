"""RCDB: a plain-Python twin of the original, its codes, and live images."""

import math
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ofdb_core.base.folder import Folder
from ofdb_core.families import coded, rcdb
from ofdb_core.formulas import contours
from ofdb_core.formulas.streams import Mersenne


def twin(generator, instances, size):
    """A category's images from a `random.Random`, drawn by Pillow."""
    vertices = 0
    while not 2 < vertices <= 200:
        vertices = int(generator.expovariate(1 / 100))
    lines, noise, width = generator.randint(1, 200), generator.uniform(0, 4), generator.uniform(0, 0.1)
    radius, oval = generator.randint(0, 100), [generator.uniform(1, 2), generator.uniform(1, 2)]
    down, right = ((size + generator.randint(-400, 400)) / 2 for _ in range(2))
    angle = math.pi * 2 / vertices
    for _ in range(instances):
        canvas = Image.new("L", (size, size), 255)
        pen = ImageDraw.Draw(canvas)
        x = [math.cos(angle * i) * radius * oval[0] for i in range(vertices)]
        y = [math.sin(angle * i) * radius * oval[1] for i in range(vertices)]
        for _ in range(lines):
            gray = generator.randint(0, 256)
            for axis, turn in ((x, math.cos), (y, math.sin)):
                moves = [contours.perlin(np.float32(generator.uniform(0, 10000))) for _ in range(vertices)]
                for i, move in enumerate(moves):
                    axis[i] -= turn(angle * i) * (float(move) * noise * 2 - noise - width)
            for i in range(vertices):
                j = (i + 1) % vertices
                ends = x[i] + right, y[i] + down, x[j] + right, y[j] + down
                pen.line(ends, fill=min(gray, 255), width=1)
        yield np.asarray(canvas)
        oval, radius = [generator.uniform(1, 2), generator.uniform(1, 2)], generator.randint(0, 100)
        down, right = ((size + generator.randint(-400, 400)) / 2 for _ in range(2))


@pytest.mark.parametrize("seed", [1, 2, 40])
def test_one_stream_draws_the_images_of_plain_python(seed):
    generator = random.Random(seed)
    drawn = rcdb.one_stream(rcdb.Render(seed=seed, categories=2, instances=2, one_stream=True))
    for _, _, images in drawn:
        for (code, strokes), theirs in zip(images, twin(generator, 2, 512), strict=True):
            assert (rcdb.draw(code, *strokes) == theirs).all()


def test_the_images_are_made_again_from_their_codes(tmp_path):
    small = {"categories": 2, "instances": 2, "image_size": 32, "seed": 3}
    made = rcdb.KIND.write(rcdb.Render(out=str(tmp_path / "a"), **small))["files"]
    codes = tmp_path / "a" / "rcdb-codes"
    assert rcdb.KIND.write(rcdb.Render(out=str(tmp_path / "b"), codes=str(codes), **small))["files"] == made
    assert list(made) == [f"0000{i}/0000{i}_000{k}.png" for i in range(2) for k in range(2)]
    assert not Folder(tmp_path / "b" / "rcdb-codes").verify()


def as_authors(code):
    """A category's file of parameters, in the original's form."""
    centre = [(512 + shift) / 2 for shift in code.shift]
    rows = {
        "Vertex": code.vertices,
        "Perlin_noise": code.noise,
        "line_width": code.width,
        "Center_rad": code.radius,
        "Line_num": code.lines,
        "Oval_rate_x": code.oval[0],
        "Oval_rate_y": code.oval[1],
        "start_pos_h": centre[1],
        "start_pos_w": centre[0],
    }
    return "".join(f"{name},{value}\n" for name, value in rows.items())


def test_the_authors_files_of_parameters_are_codes(tmp_path):
    code = rcdb.drawn(Mersenne([1]))
    (tmp_path / "00000.csv").write_text(as_authors(code))
    assert rcdb.KIND.suits(tmp_path)
    assert rcdb.KIND.load(tmp_path) == [("00000", code)]
    (tmp_path / "00000.csv").write_text(as_authors(code).replace("Line_num", "lines"))
    with pytest.raises(ValueError, match=r"00000.csv: no code of rcdb: no row Line_num"):
        rcdb.KIND.load(tmp_path)


def test_live_images_look_like_stored_ones():
    live, stored = [], []
    for number in range(40):
        code = rcdb.sample(rcdb.Render(), number)
        live.append(np.mean([(rcdb.live(code, 100 * number + k, 512) < 255).mean() for k in range(8)]))
        images = []
        for k in range(8):
            stream = Mersenne([number, k])
            at = rcdb.elsewhere(code, stream)
            images.append((rcdb.draw(at, *rcdb.numbers(at, stream)) < 255).mean())
        stored.append(np.mean(images))
    assert np.corrcoef(live, stored)[0, 1] > 0.95
    assert abs(np.mean(live) / np.mean(stored) - 1) < 0.1


def test_codes_and_one_stream_exclude_each_other(tmp_path):
    (tmp_path / "a.json").write_bytes(coded.as_bytes(rcdb.drawn(Mersenne([1]))))
    with pytest.raises(ValueError, match="codes, one_stream: codes of your own are not drawn from one stream"):
        rcdb.Render(codes=str(tmp_path), one_stream=True)
