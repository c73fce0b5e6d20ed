import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from ofdb_core.batches.resample import resized_crop, transposed, vertical_first


def pixels_of(seed, height, width, channels):
    """Noise, read-only like the pixels that kernels get."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    pixels.flags.writeable = False
    return pixels


def by_pillow(pixels, box, size, bicubic, flips):
    """The crop, resized and flipped by Pillow, as planes."""
    top, left, height, width = box
    picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    filter = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    view = picture.crop((left, top, left + width, top + height)).resize((size, size), filter)
    for flip, way in zip(flips, (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM), strict=True):
        view = view.transpose(way) if flip else view
    return np.asarray(view).reshape(size, size, -1).transpose(0, 2, 1)


def sides():
    return st.tuples(st.integers(0, 20), st.integers(1, 100), st.integers(0, 20))  # before the crop, in it, behind it


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=sides(),
    columns=sides(),
    size=st.integers(1, 60),
    channels=st.sampled_from([1, 3]),
    bicubic=st.booleans(),
    flips=st.tuples(st.booleans(), st.booleans()),
)
@example(seed=0, rows=(0, 90, 0), columns=(0, 30, 0), size=40, channels=1, bicubic=True, flips=(True, False))
@example(seed=0, rows=(0, 90, 0), columns=(2, 30, 3), size=40, channels=3, bicubic=True, flips=(True, False))
@example(seed=0, rows=(0, 30, 0), columns=(0, 30, 0), size=30, channels=3, bicubic=True, flips=(False, True))
@example(seed=0, rows=(1, 30, 0), columns=(0, 50, 0), size=30, channels=1, bicubic=False, flips=(False, True))
@example(seed=0, rows=(1, 50, 0), columns=(0, 30, 0), size=30, channels=1, bicubic=False, flips=(True, True))
def test_crops_are_resized_as_by_pillow(seed, rows, columns, size, channels, bicubic, flips):
    pixels = pixels_of(seed, sum(rows), sum(columns), channels)
    box = (rows[0], columns[0], rows[1], columns[1])
    view = resized_crop(pixels, box, size, bicubic, flips)
    assert view.dtype == np.uint8
    assert np.array_equal(view, by_pillow(pixels, box, size, bicubic, flips))


@pytest.mark.parametrize("side", [100, 150, 223, 224, 225, 362, 500])
def test_sizes_of_training_are_resized_as_by_pillow(side):
    for box in ((0, 0, side, side), (1, 2, side - 9, side - 5), (2, 1, side - 70, side - 9)):
        pixels = pixels_of(side, side, side, 1)
        assert np.array_equal(
            resized_crop(pixels, box, 224, True, (False, False)), by_pillow(pixels, box, 224, True, (False, False))
        )


def test_the_order_of_the_passes_matters_and_is_pillows():
    pixels = pixels_of(0, 60, 60, 1)
    swapped = np.ascontiguousarray(pixels.transpose(1, 0, 2))
    swapped.flags.writeable = False
    tall, wide = (0, 0, 60, 31), (0, 0, 31, 60)
    assert vertical_first(60, 31, 30)
    assert not vertical_first(31, 60, 30)
    view = resized_crop(pixels, tall, 30, True, (False, False))
    other = resized_crop(swapped, wide, 30, True, (False, False))
    assert np.array_equal(view, transposed(other))  # both shrink the longer side first
    assert not vertical_first(60, 45, 30)
    view = resized_crop(pixels, (0, 0, 60, 45), 30, True, (False, False))
    other = resized_crop(swapped, (0, 0, 45, 60), 30, True, (False, False))
    assert not np.array_equal(view, transposed(other))  # horizontal first: not symmetric


@given(st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 40))
def test_transposed_planes_exchange_rows_and_columns(height, channels, width):
    planes = np.arange(height * channels * width).astype(np.uint8).reshape(height, channels, width)
    assert np.array_equal(transposed(planes), planes.transpose(2, 1, 0))
