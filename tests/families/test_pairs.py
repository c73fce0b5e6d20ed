"""Pairs: the points lie as the image shows them, and files of one name belong together."""

import numpy as np
import pytest

from ofdb_core.data import ply
from ofdb_core.data.pairs import Pairs
from ofdb_core.families import fractal_3d, pairs
from ofdb_core.formulas import camera, search

HOW = {"model_points": 400, "image_size": 64}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    fractal_3d.write_categories(fractal_3d.Render(out=str(root), categories=3, **HOW))
    pairs.write(pairs.Render(out=str(root), images=4, instances=2, **HOW))
    return root


def test_files_of_a_pair_have_one_name(out):
    images, points = (
        sorted(path.relative_to(out / name).with_suffix("") for path in (out / name).rglob(f"*.{ending}"))
        for name, ending in ((pairs.IMAGES, "png"), (pairs.POINTS, "ply"))
    )
    assert images == points
    assert len(images) == 3 * 4


def test_a_reader_yields_both_and_the_points_are_what_the_image_shows(out):
    read = Pairs.from_folders(out / pairs.IMAGES, out / pairs.POINTS)
    assert (len(read), len(read.classes)) == (12, 3)
    for i in range(len(read)):
        again = camera.render(read.points(i), pairs.FRONT, size=64) * 255
        image = read.pixels(i)
        assert (image != again).sum() <= 0.03 * (image > 0).sum()


def test_points_are_turned_not_changed(out):
    read = Pairs.from_folders(out / pairs.IMAGES, out / pairs.POINTS)
    first, second = read.points(0), read.points(1)  # views of one model
    lengths = [np.sort(np.linalg.norm(points, axis=1)) for points in (first, second)]
    np.testing.assert_allclose(*lengths, atol=1e-5)
    assert not np.allclose(first, second, atol=0.1)


def test_an_image_without_points_is_named(out, tmp_path):
    few = tmp_path / "few" / "000000"
    few.mkdir(parents=True)
    (few / "000000_00000_000.ply").write_bytes(ply.encode(np.eye(3)))
    with pytest.raises(ValueError, match=r"11 of 12 images have no points, first .*000000_00000_001\.ply"):
        Pairs.from_folders(out / pairs.IMAGES, tmp_path / "few")


def test_the_picture_of_a_category_is_its_first_image():
    system = search.published(3, 0)
    parameters = pairs.Render(seed=4, **HOW)
    _, points, rotation = next(pairs.pairs([(0, system)], parameters))
    picture = pairs.picture(parameters, 0)
    np.testing.assert_array_equal(picture, camera.render(points, rotation, size=64) * 255)
