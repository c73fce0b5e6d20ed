"""FractalDB: what its images share, and in which order they come."""

import io

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import parameters
from ofdb_core.families import fractal_2d, fractaldb
from ofdb_core.families.fractaldb import DRAWS, FLIPS, ROWS, Render
from ofdb_core.formulas import ifs, search, streams
from ofdb_core.formulas.ifs import IFS

HOW = {"image_size": 40, "points": 1500}
FIRST = [(0, search.published(2, 0)), (1, search.published(2, 1))]
WILD = IFS(np.array([1.5 * np.eye(2)] * 2), np.array([[1.0, 0], [0, 1]]), np.full(2, 0.5))  # to infinity, and NaN


def drawn(systems=FIRST, **values):
    """Name of a file -> its pixels."""
    makers = fractaldb.image_files(systems, {0: "a", 1: "b"}, Render(**{**HOW, **values}))
    return {name: np.asarray(Image.open(io.BytesIO(make()))) for name, make in makers}


@pytest.mark.parametrize("draw", ["patch_gray", "patch_color"])
def test_each_image_is_the_weighted_system_with_patches_of_its_own_stream(draw):
    found, u = drawn(FIRST[:1], draw=draw, seed=3), HOW["points"]
    assert len(found) == ROWS * DRAWS * FLIPS
    assert len({image.tobytes() for image in found.values()}) > 0.9 * len(found)
    for row, weight in enumerate(ifs.weight_rows(0.4)):
        for count in (0, 1, 9):
            system = FIRST[0][1].weighted(weight)
            masks = streams.patches(u, 3, 0, row + ROWS * count)
            orbit = fractaldb.chaos_game.orbit(system, streams.choices(u))
            indices = fractaldb.raster.draw_indices(orbit, draw, 40, masks)
            expected = fractaldb.raster.palette(draw)[indices]
            flips = [expected, expected[::-1], expected[:, ::-1], expected[::-1, ::-1]]
            for flip, image in enumerate(flips):
                pixels = found[fractaldb.image_name("a", row, count, flip)]
                assert (pixels == (image if draw == "patch_color" else image[..., 0])).all()


def test_the_first_image_is_that_of_2d_ofdb():
    for number, system in FIRST:
        image = fractal_2d.rgb(system, category=number, size=40, points=1500, seed=5)
        pixels = drawn(seed=5, instances=1)[fractal_2d.image_name("ab"[number])]
        assert (pixels == image[..., 0]).all()
        assert (fractaldb.picture(Render(**HOW, seed=5), number) == image).all()


@pytest.mark.parametrize("one_stream", [False, True])
def test_a_smaller_set_is_in_a_larger_one_rows_first_then_patches_then_flips(one_stream):
    every = drawn(one_stream=one_stream)
    for count in (1, 25, 30, 251):
        some = drawn(one_stream=one_stream, instances=count)
        assert len(some) == 2 * count
        assert all((every[name] == image).all() for name, image in some.items())
    assert {name[2:] for name in drawn(instances=30)} == {
        *(f"{name}_{row:02d}_count_0_flip0.png" for name in "ab" for row in range(ROWS)),
        *(f"{name}_{row:02d}_count_1_flip0.png" for name in "ab" for row in range(5)),
    }
    assert "a/a_00_count_0_flip1.png" in drawn(instances=251)


@pytest.mark.parametrize("count", [1, 30, 1000])
def test_points_have_no_patches_so_a_category_has_a_hundred_images(count):
    found = drawn(draw="point_gray", instances=count)
    assert len(found) == 2 * min(count, ROWS * FLIPS)
    assert all("_count_0_" in name for name in found)


@pytest.mark.parametrize("one_stream", [False, True])
def test_an_orbit_that_leaves_every_bound_has_the_dots_before_that(one_stream):
    found = drawn([(0, WILD), FIRST[1]], points=20_000, instances=25, one_stream=one_stream)
    stream = streams.Mersenne([0])
    for row, weight in enumerate(ifs.weight_rows(0.4)):
        orbit = fractaldb.chaos_game.orbit(WILD.weighted(weight), streams.choices(20_000))
        orbit = fractaldb.raster.drop_nan(orbit)
        assert len(orbit) < 20_000
        of_stream = stream.patches(len(orbit) * DRAWS)  # the original draws a patch for each dot that is left
        masks = of_stream if one_stream else streams.patches(20_000, 0, 0, row)
        image = fractaldb.raster.draw_indices(orbit, "patch_gray", 40, masks)
        assert (found[fractaldb.image_name("a", row, 0, 0)] == image * fractaldb.raster.GRAY).all()


def test_a_users_systems_are_judged_as_they_are(tmp_path):
    ifs.save(FIRST[0][1], tmp_path / "fern.csv")
    fractaldb.check(Render(systems=str(tmp_path), points=20_000))
    ifs.save(WILD, tmp_path / "wild.csv")
    with pytest.raises(ValueError, match=r"wild\.csv: its orbit does not stay finite"):
        fractaldb.check(Render(systems=str(tmp_path), points=20_000))


@pytest.mark.parametrize(("name", "value"), [("instances", 1001), ("instances", 0), ("spread", 0.0), ("spread", 0.6)])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(parameters.ParameterError, match=f"{name}: {value} is out of range"):
        Render(**{name: value})
