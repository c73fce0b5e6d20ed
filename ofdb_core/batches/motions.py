"""Rotation, shear and shift of planes (S, C, S) uint8, equal to Pillow's transform to the byte.

A pixel's source and the curve through its neighbours there are computed in double precision, in Pillow's order of
operations. Pixels from outside the picture get the fill colour, (C,) uint8; bicubic: False is bilinear.
"""

import math

import numpy as np

from ofdb_core.formulas.jit import copy, kernel

PAD = 2  # pixels on each side, for the reach of a bicubic curve
SAFE = 1e-6  # rounding never moves a number across a whole one that is this far away


@kernel
def _at(a: float, b: float, c: float, d: float, t: float, bicubic: bool) -> float:
    """Pillow's cubic curve through four values, t behind b; if not bicubic, the line from b to c."""
    if bicubic:
        return b + t * ((-a + c) + t * ((2 * (a - b) + c - d) + t * (-a + b - c + d)))
    return b + (c - b) * t


@kernel
def _as_pixel(value: float) -> np.uint8:
    return np.uint8(min(max(value, 0.0), 255.0))


@kernel
def _pad(row: np.ndarray, padded: np.ndarray) -> None:
    """Fill `padded` with a row and copies of its ends."""
    padded[:PAD], padded[PAD + len(row) :] = row[0], row[-1]
    copy(row, padded[PAD : PAD + len(row)])


@kernel
def slid(planes: np.ndarray, slope: float, offset: float, bicubic: bool, fill: np.ndarray) -> np.ndarray:
    """Each row moved along itself by slope * y + offset pixels, where y is the row's middle."""
    size, channels, width = planes.shape
    out = np.empty_like(planes)
    places = np.arange(width).astype(np.float64)
    padded = np.empty(width + 2 * PAD, np.float64)
    for y in range(size):
        move = slope * (y + 0.5)
        start, end = 0, width
        while start < width and (places[start] + 0.5 + move) + offset < 0.0:
            start += 1
        while end > start and (places[end - 1] + 0.5 + move) + offset >= width:
            end -= 1
        for channel in range(channels):
            target = out[y, channel]
            target[:start] = fill[channel]
            target[end:] = fill[channel]
            _pad(planes[y, channel], padded)
            if start < end:
                _slide(padded, places[start:end], move, offset, bicubic, target[start:end])
    return out


@kernel
def _slide(
    padded: np.ndarray, places: np.ndarray, move: float, offset: float, bicubic: bool, target: np.ndarray
) -> None:
    """Fill the target, the pixels at `places` of a row, from the row moved by move + offset."""
    jump = np.floor(move + offset)
    if SAFE < move + offset - jump < 1.0 - SAFE:  # every pixel comes from `jump` pixels and a fraction away
        first = int(places[0] + jump) + PAD
        a, b, c, d = padded[first - 1 :], padded[first:], padded[first + 1 :], padded[first + 2 :]
        for x in range(len(target)):
            t = ((places[x] + 0.5 + move) + offset - 0.5) - (places[x] + jump)
            target[x] = _as_pixel(_at(a[x], b[x], c[x], d[x], t, bicubic))
    else:
        for x in range(len(target)):
            at = (places[x] + 0.5 + move) + offset - 0.5
            left = np.floor(at)
            four = padded[int(left) + PAD - 1 : int(left) + PAD + 3]
            target[x] = _as_pixel(_at(four[0], four[1], four[2], four[3], at - left, bicubic))


@kernel
def _packed(planes: np.ndarray, channel: int) -> np.ndarray:
    """A channel with its edges repeated, (size + 4, width + 1) uint32; a number holds four pixels of a row."""
    size, _, width = planes.shape
    out = np.empty((size + 2 * PAD, width + 1), np.uint32)
    padded = np.empty(width + 2 * PAD, np.uint32)
    for y in range(size + 2 * PAD):
        row = planes[min(max(y - PAD, 0), size - 1), channel]
        _pad(row, padded)
        target = out[y]
        for x in range(width + 1):
            target[x] = np.uint32(padded[x] | padded[x + 1] << 8 | padded[x + 2] << 16 | padded[x + 3] << 24)
    return out


@kernel
def _across(four: np.uint32, t: float, bicubic: bool) -> float:
    """The value t behind the second of four packed pixels."""
    a, b = float(np.int32(four & 255)), float(np.int32(four >> 8 & 255))
    c, d = float(np.int32(four >> 16 & 255)), float(np.int32(four >> 24 & 255))
    return _at(a, b, c, d, t, bicubic)


@kernel
def _moved(planes: np.ndarray, matrix: tuple[float, ...], bicubic: bool, fill: np.ndarray) -> np.ndarray:
    """Each pixel taken from the position that the matrix (6 numbers, row by row) maps it to."""
    xx, xy, x0, yx, yy, y0 = matrix
    size, channels, width = planes.shape
    out = np.empty_like(planes)
    stride = width + 1
    packed = np.empty((channels, (size + 2 * PAD) * stride), np.uint32)
    for channel in range(channels):
        copy(_packed(planes, channel).reshape(-1), packed[channel])
    below = np.uint64(stride)
    places, right, down = np.empty(width, np.uint64), np.empty(width, np.float64), np.empty(width, np.float64)
    first, second, third, fourth = np.empty((4, width), np.uint32)
    for y in range(size):
        for x in range(width):
            right[x] = xx * (x + 0.5) + xy * (y + 0.5) + x0
            down[x] = yx * (x + 0.5) + yy * (y + 0.5) + y0
        start, end = 0, width
        while start < width and not (0.0 <= right[start] < width and 0.0 <= down[start] < size):
            start += 1
        while end > start and not (0.0 <= right[end - 1] < width and 0.0 <= down[end - 1] < size):
            end -= 1
        part, depth = right[start:end], down[start:end]
        for x in range(len(part)):
            left, above = np.floor(part[x] - 0.5), np.floor(depth[x] - 0.5)
            part[x], depth[x] = part[x] - 0.5 - left, depth[x] - 0.5 - above
            places[x] = np.uint64((np.int32(above) + PAD - 1) * stride + np.int32(left) + PAD - 1)
        for channel in range(channels):
            target, pixels = out[y, channel], packed[channel]
            target[:start] = fill[channel]
            target[end:] = fill[channel]
            inside = target[start:end]
            for x in range(len(inside)):  # apart from the sums, so that those become vector instructions
                place = places[x]
                first[x], second[x] = pixels[place], pixels[place + below]
                third[x], fourth[x] = pixels[place + below + below], pixels[place + below + below + below]
            for x in range(len(inside)):
                a, b = _across(first[x], part[x], bicubic), _across(second[x], part[x], bicubic)
                c, d = _across(third[x], part[x], bicubic), _across(fourth[x], part[x], bicubic)
                inside[x] = _as_pixel(_at(a, b, c, d, depth[x], bicubic))
    return out


@kernel
def rotated(planes: np.ndarray, degrees: float, bicubic: bool, fill: np.ndarray) -> np.ndarray:
    """The picture turned counter-clockwise about its middle; quarter turns reorder pixels exactly."""
    return _moved(planes, _rotation(degrees % 360.0, len(planes)), bicubic, fill)


@kernel
def _rotation(degrees: float, size: int) -> tuple[float, ...]:
    """The matrix of Pillow's Image.rotate, from a pixel to its source."""
    angle = -(degrees * (math.pi / 180))
    cos, sin, middle = rounded(math.cos(angle)), rounded(math.sin(angle)), size / 2
    minus_sin = rounded(-math.sin(angle))
    across = cos * -middle + sin * -middle + 0.0
    down = minus_sin * -middle + cos * -middle + 0.0
    return cos, sin, across + middle, minus_sin, cos, down + middle


@kernel
def rounded(x: float) -> float:
    """Python's round(x, 15) for |x| <= 1: it rounds the exact product x * 1e15, not its float64."""
    scale = 1e15
    product = x * scale
    left, right = 134217729.0 * x, 134217729.0 * scale  # Dekker's exact product, by halves of 26 bits
    left, right = left - (left - x), right - (right - scale)
    rest = ((left * right - product) + left * (scale - right) + (x - left) * right) + (x - left) * (scale - right)
    whole = np.floor(product)
    part = (product - whole) + rest
    return (whole + 1 if part > 0.5 or (part == 0.5 and whole % 2 == 1) else whole) / scale
