"""Fractals in colour: each kernel against the plain rule, and what varies between instances."""

import colorsys
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from ofdb_core.base.parameters import ParameterError
from ofdb_core.data.samples import has_sets
from ofdb_core.families import coded, registry
from ofdb_core.families.colour import FAMILY, KIND, Drawing, System, draw, live, members, sample, scene
from ofdb_core.formulas import colour, ifs
from ofdb_core.formulas.streams import units

KEY = np.uint64(11)
SOME = sample(FAMILY.example(), 3)


def plain_grays(points, corners, mask, size):
    """The original's loop: each dot adds its patch, a cell at a time."""
    hits = np.zeros((size, size))
    for point in points:
        row, column = (int(v) for v in (point - corners[0]) * ((size - 1) / (corners[1] - corners[0])))
        for cell in range(9):
            r, c = row + cell // 3 - 1, column + cell % 3 - 1
            if mask & (256 >> cell) and 0 <= r < size and 0 <= c < size:
                hits[r, c] += 1
    return hits / max(hits.max(), 1)


@pytest.mark.parametrize("mask", [0, 16, 256, 0b101000111, 511])
@pytest.mark.parametrize("window", [None, np.array([0.9, 0.1, 0.0, 0.6])])
def test_grays_are_those_of_the_plain_loop(mask, window):
    points = colour.orbit(SOME.system(), KEY, 3000)
    corners = colour.region(points, window)
    np.testing.assert_array_equal(colour.grays(points, corners, mask, 31), plain_grays(points, corners, mask, 31))


def test_an_orbit_is_that_of_its_maps_from_the_fixed_point_of_the_first():
    system = SOME.system()
    at, points = np.linalg.solve(np.eye(2) - system.A[0], system.t[0]), colour.orbit(system, KEY, 50)
    for point, u in zip(points, units(KEY, 50), strict=True):
        j = np.searchsorted(np.cumsum(system.p)[:-1], u, side="right")
        at = system.A[j] @ at + system.t[j]
        np.testing.assert_allclose(point, at, atol=1e-12)


def test_points_that_run_away_are_left_out():
    away = ifs.IFS(np.array([np.eye(2) * 3.0]), np.ones((1, 2)), np.ones(1))
    assert len(colour.orbit(away, KEY)) in (0, colour.POINTS)  # it rests in its fixed point, up to rounding
    two = ifs.IFS(np.array([np.eye(2) * 3.0, np.eye(2) * 2]), np.array([[1.0, 1], [5, 2]]), np.full(2, 0.5))
    assert 0 < len(colour.orbit(two, KEY)) < 100
    assert draw(System.of_system(two), 1, 32).shape == (32, 32, 3)


def test_a_plasma_is_that_of_the_plain_rule():
    steps, decay = 3, 0.5
    last, numbers = 2**steps, iter(units(KEY, 200).tolist())
    field = {(r, c): next(numbers) for r in (0, last) for c in (0, last)}

    def mean(places):
        return sum(field[place] for place in places) / 4 + noise * (2 * next(numbers) - 1)

    for k in range(1, steps + 1):
        noise, half = math.exp(decay * (1 - k)) / 2, last // 2**k
        odd = range(half, last, 2 * half)
        for r in odd:
            for c in odd:
                field[r, c] = mean([(r + i, c + j) for i in (-half, half) for j in (-half, half)])
        for r in range(0, last + 1, half):
            for c in range(0, last + 1, half):
                if (r + c) // half % 2:
                    around = [(r - half, c), (r, c - half), (r, c + half), (r + half, c)]
                    field[r, c] = mean([(y % last if y not in (0, last) else y, x % last if x not in (0, last) else x)
                                        for y, x in around])  # fmt: skip
    found = colour.plasma(steps, decay, KEY)
    np.testing.assert_allclose(found, [[field[r, c] for c in range(last + 1)] for r in range(last + 1)], atol=1e-12)


def test_colours_are_pythons_but_for_rounding_and_a_turn_of_180():
    for hue in range(0, 256, 5):
        for saturation, value in ((255, 255), (77, 130), (0, 200)):
            plain = colorsys.hsv_to_rgb(hue / 180 % 1, saturation / 255, value / 255)
            assert np.abs(np.array(colour.rgb(hue, saturation, value)) - np.array(plain) * 255).max() <= 1.001


def test_a_fractal_has_one_saturation_and_value_and_is_black_outside():
    image = colour.painted(np.array([[0.0, 1e-3, 0.5, 1.0]]), np.array([0.3, 0.4, 0.5]))[0]
    assert image[0].tolist() == [0, 0, 0]
    assert {int(pixel.max()) for pixel in image[1:]} <= {190, 191}  # 0.75 of 255


def test_a_blur_is_scipys():
    image = colour.ground(40, KEY, units(KEY, 7))
    taps = np.exp(-np.array([1, 0, 1]) / (2 * 0.7**2))
    plain = image.astype(float)
    for axis in (0, 1):
        plain = ndimage.correlate1d(plain, taps / taps.sum(), axis=axis, mode="mirror")
    assert np.abs(colour.blurred(image, 0.7) - plain).max() <= 0.5 + 1e-9


def test_a_changed_system_contracts_or_is_the_same():
    edge = ifs.IFS(np.array([np.eye(2) * 0.999, np.eye(2) * 0.5]), np.ones((2, 2)), np.array([0.8, 0.2]))
    seen = set()
    for key in range(200):
        system = colour.jittered(edge, units(np.uint64(key), 8).reshape(4, 2))
        assert np.linalg.norm(system.A, 2, axis=(1, 2)).max() <= 1
        assert system.p.sum() == pytest.approx(1)
        changed = (system.A != edge.A).any(axis=(1, 2))
        assert changed.sum() <= 1
        seen.add(int(changed.sum()))
    assert 1 in seen
    wide = ifs.IFS(edge.A * 3, edge.t, edge.p)
    assert colour.jittered(wide, units(KEY, 8).reshape(4, 2)) is wide


def test_instances_differ_and_are_functions_of_the_key():
    images = [draw(SOME, key, 48) for key in range(6)]
    assert len({image.tobytes() for image in images}) == 6
    assert all(image.shape == (48, 48, 3) and image.dtype == np.uint8 for image in images)
    np.testing.assert_array_equal(images[3], draw(SOME, 3, 48))


def test_systems_of_any_csv_file_are_codes(tmp_path):
    fern = tmp_path / "fern.csv"
    fern.write_bytes(ifs.csv(SOME.system()))
    ((name, code),) = KIND.load(tmp_path)
    assert (name, code) == ("fern", SOME)
    source = registry.sources()["colour-codes"]
    samples = source.opens(tmp_path, Drawing(size=40), 0)
    assert samples.pixels(0, 5).shape == (40, 40, 3)
    in_space = tmp_path / "space.csv"
    in_space.write_text(",".join(["0.1"] * 12 + ["1"]))
    with pytest.raises(ValueError, match=r"space\.csv: no code of colour: has 3 dimensions"):
        KIND.load(tmp_path)


@pytest.mark.parametrize("rows", [[], [[0.5] * 6], [[0.5] * 7], [[0.5] * 6 + [-1.0], [0.5] * 6 + [2.0]]])
def test_rows_that_are_no_system_are_refused(rows):
    with pytest.raises(ParameterError, match="maps"):
        System(maps=rows)


# ---- several fractals in a picture


SCENES = {"size": 40, "fractals": [1, 5]}


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    root = tmp_path_factory.mktemp("codes")
    for i in range(6):
        (root / f"{i:05d}.csv").write_bytes(ifs.csv(sample(FAMILY.example(), i).system()))
    return root


def test_a_sample_shows_its_category_and_others(codes):
    samples = live(codes, Drawing(**SCENES), 0)
    shown = [samples.shown(2, key) for key in range(300)]
    assert all(2 in numbers for numbers in shown)
    assert {len(numbers) for numbers in shown} == {1, 2, 3, 4, 5}
    assert {number for numbers in shown for number in numbers} == set(range(6))
    assert {numbers.index(2) for numbers in shown if len(numbers) == 5} == set(range(5))
    assert samples.pixels(2, 7).shape == (40, 40, 3)
    np.testing.assert_array_equal(samples.pixels(2), samples.pixels(2))


def test_one_fractal_is_no_set(codes):
    assert has_sets(live(codes, Drawing(**SCENES), 0))
    assert not has_sets(live(codes, Drawing(), 0))


def test_stored_pictures_of_several_fractals_have_sets(tmp_path, capsys):
    how = {"fractals": [2, 4], "categories": 4, "instances": 3, "image_size": 32}
    parameters = FAMILY.example(out=str(tmp_path), **how)
    FAMILY.stages[0].write(parameters)
    samples = FAMILY.sources[0].opens(tmp_path / "colour", False, 0)
    assert "not read" not in capsys.readouterr().out
    keys = [coded.key_of(parameters.seed, i // 3, i % 3) for i in range(12)]
    drawn = [[box[0] for box in members(i // 3, 4, key, 32, [2, 4])] for i, key in enumerate(keys)]
    assert [samples.shown(i) for i in range(12)] == drawn
    one = FAMILY.sources[0].opens(tmp_path / "colour", True, 0)
    assert len(one) == 4
    for key in range(5):
        assert one.shown(2, key) == samples.shown(6 + key % 3)
        assert (one.pixels(2, key) == samples.pixels(6 + key % 3)).all()
    (tmp_path / "colour" / "00001" / "00001_0000.txt").write_text("0 0.5 0.5 1 1\n")
    with pytest.raises(ValueError, match=r"00001_0000.png: the list beside it, \[0\], does not fit its class 1"):
        samples.shown(3)
    (tmp_path / "colour" / "00001" / "00001_0000.txt").write_text("a cat\n")
    with pytest.raises(ValueError, match=r"00001_0000.txt: is no list of objects.* restore it"):
        samples.shown(3)


def test_fractals_lie_in_their_boxes():
    key = 4
    boxes = members(1, 6, key, 100, [3, 3])
    assert all(15 <= side <= 60 and -side / 2 <= x < 100 and -side / 2 <= y < 100 for _, x, y, side in boxes)
    some = [(sample(FAMILY.example(), box[0]), box) for box in boxes]
    empty, whole = scene([], key, 100), scene(some, key, 100)
    inside = np.zeros((100, 100), bool)
    for _, x, y, side in boxes:
        inside[max(0, y - 1) : y + side + 1, max(0, x - 1) : x + side + 1] = True  # a blur reaches a pixel farther
    different = (empty != whole).any(axis=2)
    assert different.any()
    assert not (different & ~inside).any()


def test_labels_are_files_beside_the_images(tmp_path):
    parameters = FAMILY.example(out=str(tmp_path), fractals=[2, 4], categories=3, instances=2, image_size=32)
    FAMILY.stages[0].write(parameters)
    files = sorted(path.name for path in (tmp_path / "colour" / "00001").iterdir())
    assert files == [f"00001_000{i}.{ending}" for i in range(2) for ending in ("png", "txt")]
    for path in (tmp_path / "colour").glob("*/*.txt"):
        rows = [line.split() for line in path.read_text().splitlines()]
        assert 2 <= len(rows) <= 4
        assert int(path.parent.name) in {int(row[0]) for row in rows}
        numbers = np.array([[float(word) for word in row[1:]] for row in rows])
        assert (numbers[:, :2] - numbers[:, 2:] / 2).min() >= -1e-6
        assert (numbers[:, :2] + numbers[:, 2:] / 2).max() <= 1 + 1e-6
    first = np.asarray(Image.open(tmp_path / "colour" / "00001" / "00001_0000.png"))
    np.testing.assert_array_equal(first, FAMILY.picture(parameters, 1))


def test_a_scaled_fractal_keeps_its_corners_and_means():
    image = colour.ground(30, KEY, units(KEY, 7))
    np.testing.assert_array_equal(colour.resized(image, 30), image)
    double = colour.resized(image, 60)
    np.testing.assert_array_equal(double[[0, 0, -1, -1], [0, -1, 0, -1]], image[[0, 0, -1, -1], [0, -1, 0, -1]])
    means = image.reshape(15, 2, 15, 2, 3).mean(axis=(1, 3))
    assert np.abs(colour.resized(image, 15) - means).max() <= 0.5
