import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ofdb_core.families import fractal_2d
from ofdb_core.formulas import chaos_game, ifs, raster, streams
from tests.helpers import reference

NUMBERS = st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0])


def orbit_of(seed, n=3000):
    stream = streams.Mersenne(seed)
    system = ifs.sample(stream)
    return chaos_game.orbit(system, stream.random(n))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_pixels_are_those_of_plain_python(seed):
    points = orbit_of(seed)
    plain = reference.pixels([tuple(point) for point in points.tolist()], 128, 6)
    assert raster.to_pixels(points, 128, 6).tolist() == [list(pixel) for pixel in plain]


def compare_with_plain_python(points, size, seed=0):
    """Pixels, all four drawings and the filling rate must be those of the plain twins."""
    plain = reference.pixels([tuple(point) for point in points.tolist()], size, 6)
    assert raster.to_pixels(points, size).tolist() == [list(pixel) for pixel in plain]
    masks = streams.patches(len(points), seed)
    for draw in ("point_gray", "patch_gray", "point_color", "patch_color"):
        options = {"masks": masks if "patch" in draw else None, "colours": 128 if "color" in draw else 1}
        assert (raster.draw_indices(points, draw, size, masks) == reference.draw(plain, size, **options)).all()
    assert raster.filling_rate(points, size) == reference.draw(plain, size).mean()


@settings(max_examples=80)
@given(arrays(np.float64, st.tuples(st.integers(1, 300), st.just(2)), elements=NUMBERS, fill=st.nothing()))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_any_points_become_the_images_of_plain_python(points):
    compare_with_plain_python(points, 24)


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_drawings_and_filling_rates_are_those_of_plain_python(seed):
    compare_with_plain_python(orbit_of(seed), 64, seed)


STILL, SPREAD = np.zeros((2, 2)), np.array([[0.9, -0.3], [0.3, 0.9]])
SPECIAL = {
    "one map": ifs.IFS(SPREAD[None], np.array([[0.5, 0.0]]), np.ones(1)),
    "one map that stays at the origin": ifs.IFS(SPREAD[None], np.zeros((1, 2)), np.ones(1)),
    "no extent along y": ifs.IFS(np.array([STILL, STILL]), np.array([[0.2, 0.5], [0.7, 0.5]]), np.array([0.5, 0.5])),
    "to infinity": ifs.IFS(np.array([[[1.5, 0.0], [0.0, 0.5]]]), np.ones((1, 2)), np.ones(1)),
    "to infinity and NaN": ifs.IFS(np.array([[[9.0, -3.0], [4.0, 9.0]]]), np.ones((1, 2)), np.ones(1)),
    "NaN from the second point on": ifs.IFS(SPREAD[None] * np.nan, np.zeros((1, 2)), np.ones(1)),
    "probabilities that are NaN": ifs.IFS(np.array([STILL, STILL]), np.ones((2, 2)), np.full(2, np.nan)),
}


@pytest.mark.parametrize("about", SPECIAL)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid", "ignore:divide")
def test_systems_that_make_no_fractal_are_drawn_as_in_plain_python(about):
    system, u = SPECIAL[about], streams.choices(3000)
    points = chaos_game.orbit(system, u)
    rows = ifs.table(system)[:, :6].tolist()
    plain = reference.orbit(rows, system.thresholds().tolist(), u.tolist(), 2)
    assert np.array_equal(points, plain, equal_nan=True)
    compare_with_plain_python(points, 64)
    assert fractal_2d.rgb(system, size=64, points=3000).shape == (64, 64, 3)
    assert raster.filling_rate(points) < 0.2


def test_the_palette_is_the_originals():
    assert raster.palette("point_gray").tolist() == [[0, 0, 0], [127, 127, 127]]
    assert raster.palette("patch_color")[1:].tolist() == [reference.hue(i) for i in range(128)]


def test_nan_takes_the_hundred_points_before_it():
    points = np.asfortranarray(np.random.default_rng(0).random((500, 2)))
    points[300:, 0] = np.nan
    points[299:, 1] = np.nan
    assert (raster.drop_nan(points) == points[:200]).all()
    assert len(raster.drop_nan(np.full((50, 2), np.nan))) == 0


def test_an_orbit_of_nothing_but_nan_is_a_black_image():
    points = np.full((200, 2), np.nan)
    assert not raster.draw_indices(points, "point_gray", 64).any()
    assert raster.filling_rate(points) == 0.0


def test_points_without_extent_light_one_pixel():
    points = np.zeros((100, 2), order="F")
    assert raster.filling_rate(points, 64) == 1 / 64**2


def test_wrong_drawings_are_refused():
    points = orbit_of(1)
    with pytest.raises(ValueError, match="'dots' is not allowed"):
        raster.draw_indices(points, "dots", 64)
    with pytest.raises(ValueError, match="patch_grey"):
        raster.draw_indices(points, "patch_grey", 64)
    with pytest.raises(ValueError, match="image_size: 12"):
        raster.draw_indices(points, "point_gray", 12)
    with pytest.raises(ValueError, match="image_size: 70000 is out of range"):
        raster.draw_indices(points, "point_gray", 70_000)
    with pytest.raises(ValueError, match="masks: 0 patches"):
        raster.draw_indices(points, "patch_gray", 64)
