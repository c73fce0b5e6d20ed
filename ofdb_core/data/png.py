"""PNG files of palette images."""

import io

import numpy as np
from PIL import Image


def encode(image: np.ndarray, palette: np.ndarray) -> bytes:
    """Palette indices (H, W) uint8 and a palette (n, 3) uint8 as a PNG file's bytes: a bit a pixel for two colours.

    Such files are not filtered, so they are smaller here than gray or RGB ones, and several times faster to write.
    """
    picture, data = Image.fromarray(image), io.BytesIO()
    picture.putpalette(palette.tobytes())
    picture.save(data, "PNG", bits=1 if len(palette) == 2 else 8, compress_level=1)
    return data.getvalue()


def of(image: np.ndarray) -> bytes:
    """A picture (H, W) or (H, W, 3) uint8 as a PNG file's bytes, gray or RGB."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG", compress_level=1)
    return data.getvalue()
