"""Fractals in colour: each kernel against the plain rule, and what varies between instances."""

import colorsys
import math

import numpy as np
import pytest
from scipy import ndimage

from ofdb_core.base.parameters import ParameterError
from ofdb_core.families import coded, registry
from ofdb_core.families.colour import FAMILY, KIND, System, draw, sample
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
    live = registry.sources()["colour-codes"]
    samples = live.opens(tmp_path, coded.Drawing(size=40), 0)
    assert samples.pixels(0, 5).shape == (40, 40, 3)
    in_space = tmp_path / "space.csv"
    in_space.write_text(",".join(["0.1"] * 12 + ["1"]))
    with pytest.raises(ValueError, match=r"space\.csv: no code of colour: has 3 dimensions"):
        KIND.load(tmp_path)


@pytest.mark.parametrize("rows", [[], [[0.5] * 6], [[0.5] * 7], [[0.5] * 6 + [-1.0], [0.5] * 6 + [2.0]]])
def test_rows_that_are_no_system_are_refused(rows):
    with pytest.raises(ParameterError, match="maps"):
        System(maps=rows)
