"""What is measured on images and systems: against numbers that are known, and against Pillow's."""

import numpy as np
import pytest
from PIL import Image

from ofdb_core.formulas import chaos_game, ifs, measures, streams


def test_an_area_has_dimension_two_a_line_one_and_a_dot_none():
    size = 256
    area, line, dot = (
        np.full((size, size), 255, np.uint8),
        np.zeros((size, size), np.uint8),
        np.zeros((size, size), np.uint8),
    )
    line[size // 2] = dot[7, 9] = 200
    assert measures.box_dimension(area) == pytest.approx(2)
    assert measures.box_dimension(line) == pytest.approx(1)
    assert measures.box_dimension(dot) == 0
    assert measures.box_dimension(np.zeros((8, 8, 3), np.uint8)) == 0


def test_filling_and_contrast_of_half_a_white_image():
    image = np.zeros((10, 10, 3), np.uint8)
    image[:5] = 255
    assert measures.filling(image) == 0.5
    assert measures.contrast(image) == pytest.approx(0.5)


def test_a_system_of_halves_contracts_by_a_half_whatever_its_turns():
    turn = np.array([[0.0, -1.0], [1.0, 0.0]]) / 2
    system = ifs.IFS(np.stack([np.eye(2) / 2, turn]), np.zeros((2, 2)), np.array([0.25, 0.75]))
    assert measures.average_contraction(system) == pytest.approx(0.5)


def test_a_system_may_settle_though_its_average_contraction_is_above_one():
    """The bound is not sharp: two maps of norm 1.25, each of which shrinks what the other one stretches."""
    maps = np.array([[[0.0, 1.25], [0.1, 0.0]], [[0.0, 1.25], [0.2, 0.0]]])
    system = ifs.IFS(maps, np.ones((2, 2)), np.array([0.5, 0.5]))
    assert measures.average_contraction(system) == pytest.approx(1.25)
    choices = streams.choices(100_000)
    orbit = chaos_game.orbit(system, choices)
    shifted = chaos_game.orbit(ifs.IFS(maps, np.ones((2, 2)) * 1.001, system.p), choices)
    assert np.abs(orbit).max() < 5
    assert np.abs(shifted - orbit).max() < 0.01


@pytest.mark.parametrize("size", [32, 64, 100, 361])
def test_a_thumbnail_has_the_means_of_areas(size):
    image = np.random.default_rng(size).integers(0, 256, (size, size), dtype=np.uint8)
    small = measures.thumbnail(image)
    assert small.shape == (32, 32)
    assert small.mean() == pytest.approx(image.mean() / 255, abs=1e-6)
    if size % 32 == 0:  # Pillow rounds after each axis
        known = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BOX), float)
        assert np.abs(small * 255 - known).max() <= 1


def test_the_nearest_is_found_in_blocks_as_at_once_and_a_brighter_copy_is_alike():
    images = np.random.default_rng(0).random((measures.ROWS + 40, 8, 8))
    images[-1] = images[3] * 0.5 + 0.2
    images[5] = 0.25  # of one shade: like none
    nearest, alike = measures.likeness(images)
    assert (nearest[-1], nearest[3]) == (3, len(images) - 1)
    assert alike[3] == pytest.approx(1, abs=1e-5)
    assert alike[5] == 0
    kept = np.delete(np.arange(len(images)), 5)
    known = np.corrcoef(images[kept].reshape(len(kept), -1))
    np.fill_diagonal(known, -1)
    np.testing.assert_allclose(alike[kept], np.maximum(known.max(axis=1), 0), atol=1e-5)


def test_one_image_alone_is_like_none():
    nearest, alike = measures.likeness(np.ones((1, 4, 4)))
    assert nearest.tolist() == [-1]
    assert alike.tolist() == [0]
