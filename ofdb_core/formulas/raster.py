"""Points become an image: rescaling to the image's square, dots or 3 x 3 patches, gray or colour, and the filling rate.

An image is drawn as palette indices (H, W) uint8, with 0 as background, and looked up in a palette at the end. So gray
and colour, patch and dot share one drawing, and a file needs one byte a pixel. All rules are the original's.
"""

import colorsys
from typing import Literal, get_args

import numpy as np

from ofdb_core.base import values
from ofdb_core.formulas.jit import kernel

Draw = Literal["patch_gray", "patch_color", "point_gray", "point_color"]
DRAWS = get_args(Draw)
SIDE = 512  # pixels of the picture that a category is judged by, each side
PAD = 6  # pixels kept free on each side
BEFORE_NAN = 100  # points dropped before the first NaN
GRAY = 127
MARGIN = 3  # pixels beyond the edge that a patch may touch
HUES = 128  # colours of an image: the hue turns with the number of the dot


@kernel
def _scale(axis: np.ndarray, shift: float, span: float, size: float, pad: float, out: np.ndarray) -> None:
    """Fill `out` with uint16((axis - shift) / span * size + pad); what is not finite becomes 0, as in that cast."""
    for i in range(len(axis)):
        value = (axis[i] - shift) / span * size + pad
        out[i] = np.uint16(value) if 0.0 <= value < 65536.0 else np.uint16(0)


@kernel
def _count_lit(axes: np.ndarray, shift: np.ndarray, span: np.ndarray, size: int, pad: int) -> int:
    """The number of pixels of a size x size image that points, axes (2, n), light as dots.

    Points are scaled in short runs, so that their coordinates stay in the cache.
    """
    image: np.ndarray = np.zeros((size, size), np.uint8)
    x, y = np.empty(256, np.uint16), np.empty(256, np.uint16)
    for start in range(0, axes.shape[1], 256):
        _scale(axes[0, start : start + 256], shift[0], span[0], size - 2.0 * pad, pad, x)
        _scale(axes[1, start : start + 256], shift[1], span[1], size - 2.0 * pad, pad, y)
        for i in range(min(256, axes.shape[1] - start)):
            if x[i] < size and y[i] < size:
                image[y[i], x[i]] = 1
    lit = 0
    for pixel in image.flat:
        lit += pixel
    return lit


@kernel
def _draw_points(pixels: np.ndarray, colours: int, image: np.ndarray) -> None:
    for i in range(len(pixels)):
        x, y = pixels[i, 0], pixels[i, 1]
        if x < image.shape[1] and y < image.shape[0]:
            image[y, x] = 1 + i % colours


@kernel
def _draw_patches(pixels: np.ndarray, masks: np.ndarray, colours: int, image: np.ndarray) -> None:
    """Paste each mask's nine bits, row by row, one pixel right of and below its dot; zeros overwrite too.

    `image` has a margin of MARGIN pixels right and below, so that a patch across the edge needs no clipping.
    """
    height, width = image.shape
    for i in range(len(pixels)):
        x, y = pixels[i, 0] + 1, pixels[i, 1] + 1
        if x + 2 < width and y + 2 < height:
            colour, mask = 1 + i % colours, masks[i]
            for row in range(3):
                for column in range(3):
                    image[y + row, x + column] = colour if mask & (256 >> (3 * row + column)) else 0


def drop_nan(points: np.ndarray) -> np.ndarray:
    """The points without NaN: axis by axis, NaN points are dropped, and the 100 points before the first of them.

    (If fewer than 100 come before, the original wraps around; here all of them are dropped.)
    """
    for axis in range(points.shape[1]):
        bad = np.isnan(points[:, axis])
        if bad.any():
            first = int(bad.argmax())
            bad[max(0, first - BEFORE_NAN) : first] = True
            points = np.asfortranarray(points[~bad])
    return points


def _fit(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points without NaN, and the shift (2,) and span (2,) that rescaling subtracts and divides by."""
    low = points.T.min(axis=1)
    if np.isnan(low).any():
        points = drop_nan(points)
        if not len(points):
            return points, np.zeros(2), np.ones(2)
        low = points.T.min(axis=1)
    high = points.T.max(axis=1)
    shift = np.minimum(low, 0.0)
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf: not finite, so every pixel becomes 0
        return points, shift, (high - shift) - (low - shift)


def to_pixels(points: np.ndarray, size: int, pad: int = PAD) -> np.ndarray:
    """Pixel coordinates (m, 2) uint16, x then y, of points (n, 2) in a square image of `size` pixels.

    Each axis is stretched by itself to pad..size - pad. `drop_nan` removes NaN, so m <= n; m may be 0. An axis
    without extent, or with an infinity, has pixels at 0 or `pad`, by the original's arithmetic.
    """
    points, shift, span = _fit(points)
    pixels = np.empty(points.shape, np.uint16, order="F")
    for axis in range(2):
        _scale(points[:, axis], shift[axis], span[axis], size - 2.0 * pad, pad, pixels[:, axis])
    return pixels


def filling_rate(points: np.ndarray, size: int = SIDE, pad: int = PAD) -> float:
    """Share of the pixels of a size x size image that the points (n, 2) light as dots; a float in 0..1."""
    points, shift, span = _fit(points)
    return _count_lit(points.T, shift, span, size, pad) / (size * size)


def palette(draw: str) -> np.ndarray:
    """(2, 3) or (129, 3) uint8 RGB, black first: the one gray, or the hues (HSV with S = V = 0.75, blue first)."""
    if draw.endswith("_gray"):
        return np.array([[0, 0, 0], [GRAY] * 3], np.uint8)
    hues = [colorsys.hsv_to_rgb(i / HUES, 0.75, 0.75)[::-1] for i in range(HUES)]  # the original stores blue first
    return (np.array([(0.0, 0.0, 0.0), *hues]) * 255.0).astype(np.uint8)


def draw_indices(
    points: np.ndarray, draw: str, size: int, masks: np.ndarray | None = None, pad: int = PAD
) -> np.ndarray:
    """The image (size, size) uint8 of palette indices, first row on top.

    draw: a `Draw`; masks: (n,) uint16 in 1..511, for patches, one a point.
    """
    values.require(Draw, draw=draw)
    values.whole(2 * pad + 1, 2**16 - 1, image_size=size)  # more than two pads; a coordinate has 16 bits
    pixels, image = to_pixels(points, size, pad), np.zeros((size + MARGIN, size + MARGIN), np.uint8)
    colours = 1 if draw.endswith("_gray") else HUES
    if draw.startswith("point"):
        _draw_points(pixels, colours, image)
    elif masks is None or len(masks) < len(pixels):
        raise ValueError(f"masks: {0 if masks is None else len(masks)} patches for {len(pixels)} points")
    else:
        _draw_patches(pixels, masks, colours, image)
    return np.ascontiguousarray(image[:size, :size][::-1])


def flipped(image: np.ndarray, flip: int) -> np.ndarray:
    """An image (H, W) as it is (0), turned over top to bottom (1), left to right (2), or both (3), as FractalDB's."""
    return np.ascontiguousarray(image[:: -1 if flip % 2 else 1, :: -1 if flip > 1 else 1])
