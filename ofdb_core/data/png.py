"""PNG files that hold the pixels themselves, gray or RGB: every decoder, converting or not, gives the same pixels.

Masks are the exception: their indices are what counts, and the colours of their palette are for the eye.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image

GRAY, RGB = 0, 2  # the colour types of a PNG header


def encode(image: np.ndarray, palette: np.ndarray) -> bytes:
    """Indices (H, W) uint8 looked up in a palette (n, 3) uint8, as a PNG file's bytes: gray if the palette is."""
    gray = (palette == palette[:, :1]).all()
    return of((palette[:, 0] if gray else palette)[image])


def indexed(mask: np.ndarray, colours: bytes) -> bytes:
    """Indices (H, W) uint8 as a PNG file's bytes that keep them; colours: red, green and blue of each, for viewers."""
    picture, data = Image.fromarray(mask), io.BytesIO()
    picture.putpalette(colours)
    picture.save(data, "PNG", bits=8, compress_level=1)
    return data.getvalue()


def of(pixels: np.ndarray) -> bytes:
    """Pixels (H, W) or (H, W, 3) uint8 as the bytes of a PNG file of 8 bits a channel, gray or RGB.

    The rows are not filtered and only runs are packed. For these drawings that is smaller and several times faster than
    Pillow's way with gray and RGB. Pillow packs this way only with a palette, so the rows go as indices.
    """
    height, width = pixels.shape[:2]
    rows, data = Image.fromarray(np.ascontiguousarray(pixels).reshape(height, -1)), io.BytesIO()
    rows.putpalette(bytes(3 * 256))
    rows.save(data, "PNG", bits=8, compress_level=1, compress_type=zlib.Z_RLE)
    packed = data.getvalue()
    header = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, GRAY if pixels.ndim == 2 else RGB, 0, 0, 0)
    start = struct.pack(">I", len(header) - 4) + header + struct.pack(">I", zlib.crc32(header))
    return packed[:8] + start + packed[packed.index(b"IDAT") - 4 :]
