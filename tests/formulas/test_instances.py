"""Instances of an image: other patches at the same dots, as if all dots had been pasted."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays

from ofdb_core.formulas import chaos_game, instances, raster, search, streams
from tests.helpers import reference

FAR = 2**64 - 1  # the largest key


@given(strategies.data(), strategies.integers(1, 30))
def test_to_paste_the_dots_that_are_seen_is_to_paste_all(data, size):
    count = data.draw(strategies.integers(0, 60))
    pixels = data.draw(arrays.arrays(np.uint16, (count, 2), elements=strategies.integers(0, size + 4)))
    patches = data.draw(arrays.arrays(np.uint8, (count, 9)))
    dots = instances.table(pixels, np.arange(count, dtype=np.uint16), size)  # a mask that tells which dot it was
    numbers = dots[:, 2]
    assert (np.diff(numbers.astype(int)) > 0).all()
    assert (instances.paint(dots, patches[numbers], size) == reference.pasted(pixels, patches, size)).all()
    masks = np.unpackbits((numbers + 1).astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 7:]
    dots[:, 2] += 1
    assert (instances.stored(dots, 200) == masks * 200).all()


@pytest.mark.parametrize("category", [0, 7, 21])
def test_few_dots_of_an_image_are_seen(category):
    points, numbers = 20_000, np.arange(20_000, dtype=np.uint16)
    orbit = chaos_game.orbit(search.published(2, category).weighted(0.2), streams.choices(points))
    pixels, patches = (
        raster.to_pixels(orbit, 100),
        np.random.default_rng(0).integers(0, 256, (points, 9), dtype=np.uint8),
    )
    dots = instances.table(pixels, numbers, 100)
    assert dots.dtype == np.uint16
    assert 0 < len(dots) < points / 4
    assert (instances.paint(dots, patches[dots[:, 2]], 100) == reference.pasted(pixels, patches, 100)).all()


# ---- what is drawn


def test_numbers_of_a_key_are_the_top_bits_of_its_words():
    for key in (0, 1, 2**64 - 1):
        assert streams.units(np.uint64(key), 9).tolist() == [(word >> 11) / 2**53 for word in reference.words(key, 9)]


def test_the_words_are_those_of_splitmix():
    theirs = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]  # of its authors' program
    assert reference.words(0, 3) == theirs


@given(
    strategies.sampled_from(["pattern", "texture", "both"]),
    strategies.sampled_from(["dot", "image"]),
    strategies.tuples(strategies.integers(0, 255), strategies.integers(0, 255)).map(sorted),
    strategies.integers(0, FAR),
    strategies.integers(0, 12),
)
def test_patches_are_what_the_words_say(kind, unit, levels, key, n):
    found = instances.Patches(kind, unit, tuple(levels), 127).drawn(key, n)
    assert found.dtype == np.uint8
    assert (found == reference.drawn(kind, unit, *levels, key, n)).all()


def test_masks_are_uniform_and_none_is_empty():
    cells = instances.Patches("pattern", "dot", (0, 255), 1).drawn(5, 200_000)
    counts = Counter((cells @ (1 << np.arange(8, -1, -1))).tolist())
    assert set(counts) == set(range(1, 512))
    assert max(abs(count - 200_000 / 511) for count in counts.values()) < 5 * np.sqrt(200_000 / 511)


@pytest.mark.parametrize("levels", [(0, 255), (10, 12), (0, 199)])
def test_grays_are_uniform_between_their_levels(levels):
    low, high = levels
    grays = instances.Patches("texture", "dot", levels, 127).drawn(FAR, 30_000)
    counts = np.bincount(grays.ravel(), minlength=256)
    assert not counts[:low].any()
    assert not counts[high + 1 :].any()
    expected = grays.size / (high - low + 1)
    assert np.abs(counts[low : high + 1] - expected).max() < 5 * np.sqrt(expected) + 0.004 * expected
    assert all(abs(np.corrcoef(grays[:, a], grays[:, b])[0, 1]) < 0.03 for a, b in itertools.combinations(range(9), 2))
