import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ofdb_core import chaos, ifs, raster, streams

NUMBERS = st.floats(-100, 100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0])


def orbit_of(seed, n=3000):
    stream = streams.Mersenne(seed)
    system = ifs.sample(stream)
    return chaos.orbit(system, stream.random(n))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_pixels_are_those_of_plain_python(seed):
    points = orbit_of(seed)
    plain = reference.pixels([tuple(point) for point in points.tolist()], 128, 6)
    assert raster.to_pixels(points, 128, 6).tolist() == [list(pixel) for pixel in plain]


@settings(max_examples=200)
@given(arrays(np.float64, st.tuples(st.integers(1, 300), st.just(2)), elements=NUMBERS, fill=st.nothing()))
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_any_points_become_an_image(points):
    pixels = raster.to_pixels(points, 64)
    assert pixels.shape[1] == 2
    assert len(pixels) <= len(points)
    masks = np.full(len(points), 511, np.uint16)
    for draw in ("point_gray", "patch_gray", "point_color", "patch_color"):
        assert raster.draw_indices(points, draw, 64, masks).shape == (64, 64)
    assert 0 <= raster.filling_rate(points, 64) <= 1


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_drawings_are_those_of_plain_python(seed):
    points, masks = orbit_of(seed), streams.patches(3000, seed)
    coordinates = raster.to_pixels(points, 64).tolist()
    assert (raster.draw_indices(points, "point_gray", 64) == reference.draw(coordinates, 64)).all()
    assert (raster.draw_indices(points, "patch_gray", 64, masks) == reference.draw(coordinates, 64, masks)).all()
    colours = raster.draw_indices(points, "patch_color", 64, masks)
    assert ((colours > 0) == reference.draw(coordinates, 64, masks)).all()


def test_the_palette_is_the_originals():
    assert raster.palette("point_gray").tolist() == [[0, 0, 0], [127, 127, 127]]
    assert raster.palette("patch_color")[1:].tolist() == [reference.hue(i) for i in range(128)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_filling_rate_counts_the_lit_pixels_of_the_dots(seed):
    points = orbit_of(seed)
    assert raster.filling_rate(points, 128) == raster.draw_indices(points, "point_gray", 128).mean()


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


def test_a_system_of_one_map_is_drawn():
    system = ifs.IFS(np.array([[[0.9, -0.3], [0.3, 0.9]]]), np.array([[0.5, 0.0]]), np.ones(1))
    assert 0 < raster.filling_rate(chaos.orbit(system, np.zeros(1000)), 64) < 0.2


def test_wrong_drawings_are_refused():
    points = orbit_of(1)
    with pytest.raises(ValueError, match="'dots' is not allowed"):
        raster.draw_indices(points, "dots", 64)
    with pytest.raises(ValueError, match="patch_grey"):
        raster.draw_indices(points, "patch_grey", 64)
    with pytest.raises(ValueError, match="image_size: 12"):
        raster.draw_indices(points, "point_gray", 12)
    with pytest.raises(ValueError, match="masks: 0 patches"):
        raster.draw_indices(points, "patch_gray", 64)
