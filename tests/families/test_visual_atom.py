"""The bytes of the original, as hashes; plain-Python twins; and what streams of their own promise."""

import hashlib
import io
import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from ofdb_core.base import manifests
from ofdb_core.base.folder import Folder
from ofdb_core.data import png
from ofdb_core.families import coded, visual_atom
from ofdb_core.formulas import contours, growth
from ofdb_core.formulas.contours import PUBLISHED, Atom, Ranges, Strokes
from ofdb_core.formulas.streams import Mersenne

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "visualatom.json").read_text())
SMALL = Ranges(vertices=[1, 40], lines=[1, 12], shift=[-30, 30])


def rgb(data):
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def files(categories, instances, *, one_stream=False, size=512, **how):
    if one_stream:
        return visual_atom.files_in_one_stream(categories, instances, size=size, **how)
    return visual_atom.image_files(visual_atom.atoms(categories, **how), instances, size=size, **how)


def made(*args, **how):
    return {name: function() for name, function in files(*args, **how)}


# ---- plain-Python twins


def noise(x):
    """Perlin's noise on a line, in single precision: every operation is rounded."""
    single = np.float32
    cell, x = math.floor(single(x)), single(x) - single(math.floor(single(x)))
    fade = x * x * x * (x * (x * single(6) - single(15)) + single(10))
    slopes = []
    for corner in (cell, cell + 1):
        bits = int(contours.PERMUTATION[corner % 256], 16)
        slopes.append(single(-1.0 if bits >= 8 else bits + 1.0))
    before, after = slopes[0] * x, slopes[1] * (x - single(1))
    return float((before + fade * (after - before)) * single(0.4))


def atom(generator, ranges):
    vertices, lines = generator.randint(*ranges.vertices), generator.randint(*ranges.lines)
    strength, width = generator.uniform(*ranges.noise), generator.uniform(*ranges.width)
    radius, wave, other = generator.randint(*ranges.radius), generator.randint(*ranges.waves), None
    while other is None or (other == wave and wave != 0):
        other = generator.randint(*ranges.waves)
    waves, oval = [wave, other], [generator.uniform(*ranges.oval) for _ in range(2)]
    return Atom(vertices=vertices, lines=lines, noise=strength, width=width, radius=radius, waves=waves, oval=oval)


def picture(generator, it, ranges, size):
    """An image of atom `it` from a `random.Random`, drawn by Pillow."""
    canvas = Image.new("L", (size, size))
    pen, angle = ImageDraw.Draw(canvas), math.pi * 2 / it.vertices
    bottom, right = ((size + generator.randint(*ranges.shift)) / 2 for _ in range(2))
    x = [math.cos(angle * i) * it.radius * it.oval[0] + right for i in range(it.vertices)]
    y = [math.sin(angle * i) * it.radius * it.oval[1] + bottom for i in range(it.vertices)]
    for _ in range(it.lines):
        gray = generator.randint(0, 255)
        for axis, turn in ((x, math.cos), (y, math.sin)):
            for i in range(it.vertices):
                offset = noise(generator.uniform(0, 10000)) * it.noise - it.noise
                for periods in it.waves:
                    offset -= 0.5 * math.sin(angle * i * periods)
                axis[i] -= turn(angle * i) * (offset - it.width)
        for i in range(it.vertices):
            following = (i + 1) % it.vertices
            pen.line((x[i], y[i], x[following], y[following]), fill=gray, width=1)
    return np.asarray(canvas)


# ---- the original


@pytest.mark.parametrize("run", GOLDENS["runs"], ids=lambda run: run["about"])
def test_one_stream_makes_the_originals_files(run):
    ranges = PUBLISHED if run["published"] else contours.ORIGINAL
    how = {"seed": run["seed"], "size": run["size"], "ranges": ranges, "one_stream": True}
    files = made(range(*run["categories"]), run["instances"], **how)
    assert {name: hashlib.sha256(rgb(data).tobytes()).hexdigest() for name, data in files.items()} == run["images"]
    assert list(files) == list(run["images"])


def test_noise_is_that_of_the_package():
    values = [contours.perlin(np.float32(0.04999 * i + 0.0123)) for i in range(200_000)]
    assert hashlib.sha256(np.array(values, np.float32).tobytes()).hexdigest() == GOLDENS["noise"]["sha256"]


@given(st.floats(-20_000, 20_000, width=32))
def test_noise_is_that_of_plain_python(x):
    assert contours.perlin(np.float32(x)) == noise(x)


COORDINATES = st.floats(-40, 80) | st.sampled_from([-0.5, 0.0, 23.5, 31.5, 32.0]) | st.floats(-1e4, 1e4)


@settings(max_examples=400)
@given(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=12))
def test_polygons_are_pillows(points):
    canvas, image = Image.new("L", (32, 24)), np.zeros((24, 32), np.uint8)
    pen = ImageDraw.Draw(canvas)
    for start, end in zip(points, [*points[1:], points[0]], strict=True):
        pen.line((*start, *end), fill=200, width=1)
    contours.draw_polygon(np.array(points).T.copy(), 200, image)
    assert (image == np.asarray(canvas)).all()


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("ranges", [SMALL, replace(SMALL, noise=[0, 40], radius=[60, 300])])
def test_images_are_those_of_plain_python(seed, ranges):
    generator, stream = random.Random(seed), Mersenne([seed])
    for size in (40, 61):
        it = contours.sample(stream, ranges)
        assert it == atom(generator, ranges)
        image = contours.draw(it, contours.strokes(it, stream, ranges), size)
        assert image.dtype == np.uint8
        assert (image == picture(generator, it, ranges, size)).all()


def test_atoms_are_those_of_plain_python():
    generator, stream = random.Random(5), Mersenne([5])
    narrow = Ranges(waves=[0, 1], vertices=[7, 7])  # so that waves are drawn again often
    for ranges in [contours.ORIGINAL, PUBLISHED, narrow] * 100:
        assert contours.sample(stream, ranges) == atom(generator, ranges)


@pytest.mark.parametrize("span", [(0, 0), (0, 255), (-512, 512), (1, 2**32 - 1)])
def test_whole_numbers_are_pythons(span):
    generator, stream = random.Random(11), Mersenne([11])
    assert [stream.randint(*span) for _ in range(500)] == [generator.randint(*span) for _ in range(500)]


# ---- streams of their own


def test_files_depend_on_their_own_numbers_and_the_seed_only():
    ranges = Ranges(vertices=[20, 40], lines=[5, 12], radius=[0, 10], shift=[-30, 30])  # none leaves the image
    how = {"seed": 4, "size": 48, "ranges": ranges}
    whole = made(range(6), 4, **how)
    assert made([5, 2], 3, **how).items() <= whole.items()
    assert made(reversed(range(6)), 4, **how) == whole
    assert len(set(whole.values())) == len(whole) == 24
    others = made(range(6), 4, **{**how, "seed": 5})
    assert not set(others.values()) & set(whole.values())
    image = contours.image(5, 2, **how)
    name = visual_atom.image_name("00005", contours.category(5, seed=4, ranges=ranges).vertices, 2)
    assert (rgb(whole[name]) == image[..., None]).all()


@pytest.mark.parametrize("one_stream", [False, True])
def test_folders_do_not_depend_on_workers_or_interruptions(tmp_path, one_stream):
    head, folders = manifests.header({}, visual_atom.image_files), []

    def fill(root, workers):
        makers = files(range(3), 3, seed=2, size=48, ranges=SMALL, one_stream=one_stream)
        return Folder(root).fill(head, makers, total=9, workers=workers)["files"]

    for workers in (1, 3):
        folders.append(fill(tmp_path / str(workers), workers))
    assert folders[0] == folders[1]
    for name in list(folders[0])[1::2]:
        (tmp_path / "1" / name).unlink()
    assert fill(tmp_path / "1", 2) == folders[0]


def test_folders_verify_and_hold_n_instances_of_each_category(tmp_path):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    made = visual_atom.write(visual_atom.Render(out=a, categories=3, instances=2, image_size=32))
    assert len(made["files"]) == 6
    assert Folder(tmp_path / "a" / "visualatom").verify() == []
    one = visual_atom.write(visual_atom.Render(out=b, categories=2, image_size=32, workers=1))
    assert one["files"].items() <= made["files"].items()


def test_names_are_the_originals():
    assert visual_atom.image_name("00007", 337, 12) == "00007/vertex_0337_instance_0012.png"


def test_a_png_file_decodes_to_the_image():
    image = np.arange(24 * 32, dtype=np.uint16).astype(np.uint8).reshape(24, 32)
    assert (rgb(png.encode(image, contours.GRAYS)) == image[..., None]).all()


@pytest.mark.parametrize("size", [1, 7, 224, 700])
def test_any_size_is_drawn(size):
    it = Atom(vertices=300, lines=40, noise=1.0, width=0.01, radius=0, waves=[3, 0], oval=[1.0, 2.0])
    numbers = contours.strokes(it, Mersenne([1]), Ranges(shift=[0, 0]))
    image = contours.draw(it, numbers, size)
    assert image.shape == (size, size)
    assert image.any()


# ---- codes and live images


@pytest.mark.parametrize("one_stream", [False, True])
def test_the_images_are_made_again_from_their_codes(tmp_path, one_stream):
    small = {"categories": 3, "instances": 2, "image_size": 32, "seed": 8}
    visual_atom.write(visual_atom.Render(out=str(tmp_path / "a"), one_stream=one_stream, **small))
    codes = tmp_path / "a" / "visualatom-codes"
    first = visual_atom.KIND.load(codes)
    assert [name for name, _ in first] == ["00000", "00001", "00002"]
    visual_atom.write(visual_atom.Render(out=str(tmp_path / "b"), codes=str(codes), **small))
    again, one = (Folder(tmp_path / out / "visualatom").manifest()["files"] for out in "ba")
    assert visual_atom.KIND.load(tmp_path / "b" / "visualatom-codes") == first
    assert again.keys() == one.keys()
    assert one_stream or again == one


def test_a_folder_of_some_codes_names_their_classes(tmp_path):
    (name, atom), *_ = visual_atom.atoms([12], seed=0, ranges=PUBLISHED)
    for stem in (name, "mine"):
        (tmp_path / f"{stem}.json").write_bytes(coded.as_bytes(atom))
    how = {"out": str(tmp_path / "out"), "codes": str(tmp_path), "image_size": 48}
    files = visual_atom.write(visual_atom.Render(**how))["files"]
    whole = made([12], 1, seed=0, ranges=PUBLISHED, size=48)
    assert [file.split("/")[0] for file in files] == ["00012", "mine"]
    assert files.items() >= {name: hashlib.sha256(data).hexdigest() for name, data in whole.items()}.items()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Expecting"),
        ("[1]", "not a mapping"),
        ('{"vertices": 3}', "lines: missing"),
        ("9" * 70_000, "no file of at most 65,536 bytes"),
        ("[" * 30_000, "recursion"),
    ],
)
def test_what_is_no_code_is_refused_by_the_name_of_its_file(tmp_path, text, told):
    path = tmp_path / "00000.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"00000.json: no code of visualatom: .*{told}"):
        visual_atom.KIND.load(tmp_path)
    assert not visual_atom.KIND.suits(tmp_path)


def test_live_images_differ_by_key_and_are_scaled_from_the_released_size():
    atom = contours.category(1, seed=0, ranges=PUBLISHED)
    one, same, other = (visual_atom.live(atom, key) for key in (5, 5, 2**64 - 1))
    assert (one == same).all()
    assert (one != other).any()
    half = visual_atom.live(atom, 5, 256)
    lit = [np.argwhere(image).mean(axis=0) / len(image) for image in (one, half)]
    assert np.allclose(*lit, atol=0.02)


def test_the_noise_of_live_images_has_the_distribution_of_the_originals():
    levels = np.sort(growth.noise_levels())
    drawn = [contours.perlin(np.float32(10_000 * u)) for u in np.random.default_rng(0).random(4000)]
    below = np.searchsorted(levels, np.sort(drawn)) / len(levels)
    assert np.abs(below - np.linspace(0, 1, len(below))).max() < 0.03  # Kolmogorov and Smirnov: 0.03 at p = 0.0015


def test_live_atoms_are_as_large_and_as_bright_as_stored_ones():
    shares, stored = [], []
    for number in range(40):
        it = contours.category(number, seed=0, ranges=PUBLISHED)
        shares.append(np.mean([(visual_atom.live(it, 100 * number + k) > 0).mean() for k in range(8)]))
        images = [contours.draw(it, contours.strokes(it, Mersenne([number, k]), PUBLISHED)) for k in range(8)]
        stored.append(np.mean([(image > 0).mean() for image in images]))
    assert np.corrcoef(shares, stored)[0, 1] > 0.95
    assert abs(np.mean(shares) / np.mean(stored) - 1) < 0.1


# ---- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "image_size: 0 is out of range; allowed is a whole number, at least 1 and at most 9999"),
        ({"size": 64.0}, "image_size: 64.0"),
        (
            {"instance": 10_000},
            "instance: 10000 is out of range; .* at least 0 and at most 9999",
        ),
        ({"number": -1}, "category: -1 is out of range; allowed is a whole number, at least 0 and at most 99999"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": 2**32}, "seed: 4294967296"),
    ],
)
def test_bad_requests_are_refused(change, message):
    good = {"number": 0, "instance": 0, "seed": 0}
    with pytest.raises(ValueError, match=message):
        contours.image(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices": [0, 10]}, r"vertices: \[0, 10\] is out of range; .* at least 1 and at most 9999"),
        ({"lines": [1.5, 10]}, r"lines: \[1.5, 10\]"),
        ({"noise": [0, math.nan]}, r"noise: \[0, nan\]"),
        ({"width": [0, math.inf]}, r"width: \[0, inf\]"),
        ({"radius": [5, 2]}, r"radius: \[5, 2\] must rise"),
        ({"oval": [2]}, r"oval: \[2\] is out of range; .* of 2 entries"),
        ({"shift": [-20_000, 0]}, r"shift: \[-20000, 0\] is out of range"),
        ({"waves": [4, 4]}, "must be able to differ"),
    ],
)
def test_ranges_that_cannot_be_drawn_from_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Ranges(**change)


def test_bad_atoms_and_strangers_strokes_are_refused():
    it = contours.category(0, seed=0, ranges=SMALL)
    with pytest.raises(ValueError, match="vertices: 0 is out of range"):
        replace(it, vertices=0)
    with pytest.raises(ValueError, match=r"oval: \[1.0, -1\] is out of range"):
        replace(it, oval=[1.0, -1])
    with pytest.raises(ValueError, match="do not fit"):
        contours.draw(it, Strokes(np.zeros(2, np.int64), np.zeros(it.lines, np.uint8), np.zeros((it.lines, 2, 1000))))
