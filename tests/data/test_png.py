"""PNG files: what is drawn comes back from whoever decodes it, without converting it."""

import io

import numpy as np
import pytest
from PIL import Image

from ofdb_core.data import png


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (5, 7, 3), (300, 2, 3), (700, 900), (700, 900, 3)])
@pytest.mark.parametrize("values", [256, 2, 1])
def test_any_pixels_come_back(shape, values):
    pixels = np.random.default_rng(0).integers(0, values, shape, np.uint8)
    data = png.of(pixels)
    Image.open(io.BytesIO(data)).verify()  # the checksums
    picture = Image.open(io.BytesIO(data))
    assert picture.mode == ("L" if len(shape) == 2 else "RGB")
    assert (np.asarray(picture) == pixels).all()


def test_a_part_of_an_array_is_written_as_it_looks():
    pixels = np.arange(200, dtype=np.uint8).reshape(10, 20)
    assert (np.asarray(Image.open(io.BytesIO(png.of(pixels[::-1, ::2])))) == pixels[::-1, ::2]).all()
