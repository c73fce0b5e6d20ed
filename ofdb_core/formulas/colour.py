"""Fractals in colour on a coloured ground (Anderson and Farrell, "Improving Fractal Pre-training", WACV 2022).

The gray of a pixel is how many dots fall there, as a share of the most. It becomes a hue; saturation and value are
those of the whole fractal. The ground is a plasma by diamond-square, coloured in the same way.

All random numbers are arguments. For the same numbers the grays are the authors'; bytes of colour and blur are within 1
of OpenCV's.
"""

import math

import numpy as np

from ofdb_core.formulas.ifs import IFS
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import split_mix, unit

POINTS = 100_000  # dots of a fractal
TRIES = 4  # to change a system so that it still contracts
FACTORS = 0.8, 1.1  # on all numbers of one map
HUES = 180  # in a turn of the colour circle, as OpenCV has it in bytes: a byte turns 1.4 times
FAR = 1e9  # a system that contracts does not come so far
MARGIN = 1  # pixels around the picture that a patch may reach into


def jittered(system: IFS, u: np.ndarray) -> IFS:
    """The system with one map multiplied by a factor, if each map still contracts; else as it is.

    u: (TRIES, 2) in [0, 1), for the map and the factor. p follows the area of the map.
    """
    low, high = FACTORS
    for which, factor in u:
        scale = np.ones(len(system))
        scale[int(which * len(system))] = low + (high - low) * factor
        A = system.A * scale[:, None, None]
        if stretches(A).max() <= 1:
            p = system.p * scale**2
            return IFS(A, system.t * scale[:, None], p / p.sum())
    return system


def stretches(A: np.ndarray) -> np.ndarray:
    """(k,) float64: the larger singular value of A (k, 2, 2)."""
    squares, det = (A * A).sum(axis=(1, 2)), A[:, 0, 0] * A[:, 1, 1] - A[:, 0, 1] * A[:, 1, 0]
    return np.sqrt((squares + np.sqrt(np.maximum(squares**2 - 4 * det**2, 0))) / 2)


@kernel
def _played(A: np.ndarray, t: np.ndarray, thresholds: np.ndarray, key: np.uint64, points: np.ndarray) -> int:
    """Fill points (n, 2) float64 with an orbit, and return the number of those in it that are not beyond FAR."""
    a, b, c, d = A[0, 0, 0], A[0, 0, 1], A[0, 1, 0], A[0, 1, 1]
    det, count = 1 + (a * d - b * c) - a - d, 0
    x = ((1 - d) * t[0, 0] + b * t[0, 1]) / det if det != 0 else 0.0
    y = ((1 - a) * t[0, 1] + c * t[0, 0]) / det if det != 0 else 0.0
    for i in range(len(points)):
        u, j = unit(split_mix(key, i)), 0
        for threshold in thresholds[:-1]:
            j += u >= threshold
        x, y = A[j, 0, 0] * x + A[j, 0, 1] * y + t[j, 0], A[j, 1, 0] * x + A[j, 1, 1] * y + t[j, 1]
        points[count, 0], points[count, 1] = x, y
        count += abs(x) < FAR and abs(y) < FAR
    return count


def orbit(system: IFS, key: np.uint64, points: int = POINTS) -> np.ndarray:
    """The points (n, 2) float64 of a chaos game with the choices of a key, from the fixed point of the first map on.

    Points beyond FAR, of a system that does not contract, are left out.
    """
    out = np.empty((points, 2))
    return out[: _played(system.A, system.t, system.thresholds(), key, out)]


@kernel
def _corners(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = points[0].copy(), points[0].copy()
    for i in range(len(points)):
        for axis in range(2):
            low[axis], high[axis] = min(low[axis], points[i, axis]), max(high[axis], points[i, axis])
    return low, high


def region(points: np.ndarray, u: np.ndarray | None = None) -> np.ndarray:
    """(2, 2) float64: the corners of the window that a picture of points (n, 2) shows; without `u`, all points.

    u: (4,) in [0, 1), which move the centre by up to a fifth of the extent, and scale each axis by 0.5 to 2.
    """
    low, high = _corners(points)
    if u is None:
        return np.stack([low, high])
    extent = high - low
    centre, half = (high + low) / 2 + extent * (0.4 * u[:2] - 0.2), extent * (0.5 + 1.5 * u[2:]) / 2
    return np.stack([centre - half, centre + half])


@kernel
def grays(points: np.ndarray, region: np.ndarray, mask: int, size: int) -> np.ndarray:
    """(size, size) float64 in 0..1: how many of points (n, 2) fall on each pixel, divided by the most; x is the row.

    mask: of the 3 x 3 patch around each dot, row by row; its highest bit, 256, is the first.
    """
    side = size + 2 * MARGIN
    dots: np.ndarray = np.zeros((side, side), np.int64)
    spans = np.empty(2)
    for axis in range(2):
        span = region[1, axis] - region[0, axis]
        spans[axis] = (size - 1) / (span if span > 0 else 1.0)
    for i in range(len(points)):
        row, column = (points[i, 0] - region[0, 0]) * spans[0], (points[i, 1] - region[0, 1]) * spans[1]
        if -2 < row < size + 1 and -2 < column < size + 1:
            dots[int(row) + MARGIN, int(column) + MARGIN] += 1  # int cuts towards zero
    hits: np.ndarray = np.zeros((size, size), np.int64)
    for cell in range(9):
        if mask & (256 >> cell):
            down, right = cell // 3, cell % 3
            for row in range(size):
                for column in range(size):
                    hits[row, column] += dots[row + 2 - down, column + 2 - right]
    return hits / max(hits.max(), 1)


@kernel
def rgb(hue: int, saturation: int, value: int) -> tuple[int, int, int]:
    """Red, green and blue of bytes of hue, saturation and value, as OpenCV's."""
    share = np.float32(1 / 255)
    turn, s, v = np.float32(hue) * np.float32(6 / HUES), np.float32(saturation) * share, np.float32(value) * share
    while turn >= 6:
        turn -= np.float32(6)
    sector = int(turn)
    turn -= np.float32(sector)
    one = np.float32(1)
    high, low = v, v * (one - s)
    falling, rising = v * (one - s * turn), v * (one - s * (one - turn))
    if sector == 0:
        red, green, blue = high, rising, low
    elif sector == 1:
        red, green, blue = falling, high, low
    elif sector == 2:
        red, green, blue = low, high, rising
    elif sector == 3:
        red, green, blue = low, falling, high
    elif sector == 4:
        red, green, blue = rising, low, high
    else:
        red, green, blue = high, low, falling
    scale = np.float32(255)
    return int(red * scale), int(green * scale), int(blue * scale)


@kernel
def painted(grays: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: grays (H, W) in colour, black where they are 0; u: (3,), for hue, saturation and value."""
    shift, saturation, value = u[0] * 255, int((0.3 + 0.7 * u[1]) * 255), int((0.5 + 0.5 * u[2]) * 255)
    height, width = grays.shape
    image: np.ndarray = np.zeros((height, width, 3), np.uint8)
    for row in range(height):
        for column in range(width):
            if grays[row, column] > 0:
                colour = rgb(int(grays[row, column] * 255 + shift) & 255, saturation, value)
                image[row, column, 0], image[row, column, 1], image[row, column, 2] = colour
    return image


@kernel
def plasma(steps: int, decay: float, key: np.uint64) -> np.ndarray:
    """(2**steps + 1, 2**steps + 1) float64 by diamond-square; the noise of step k is within exp(decay (1 - k)) / 2.

    The key draws the corners, then for each step the middles of squares, then of edges, row by row. At the picture's
    edge the neighbour beyond is that of the other side.
    """
    last, drawn = 2**steps, 4
    field: np.ndarray = np.zeros((last + 1, last + 1))
    for corner in range(4):
        field[corner // 2 * last, corner % 2 * last] = unit(split_mix(key, corner))
    for k in range(1, steps + 1):
        noise, half = 0.5 * math.exp(decay * (1 - k)), last >> k
        for row in range(half, last, 2 * half):
            for column in range(half, last, 2 * half):
                up, down, left, right = row - half, row + half, column - half, column + half
                mean = 0.25 * (field[up, left] + field[up, right] + field[down, left] + field[down, right])
                field[row, column] = mean + noise * (2 * unit(split_mix(key, drawn)) - 1)
                drawn += 1
        for i in range(2**k + 1):
            row = i * half
            up, down = row - half if row else last - half, row + half if row < last else half
            for column in range(half if i % 2 == 0 else 0, last + 1, 2 * half):
                left, right = column - half if column else last - half, column + half if column < last else half
                mean = 0.25 * (field[up, column] + field[row, left] + field[row, right] + field[down, column])
                field[row, column] = mean + noise * (2 * unit(split_mix(key, drawn)) - 1)
                drawn += 1
    return field


@kernel
def coloured(field: np.ndarray, size: int, u: np.ndarray) -> np.ndarray:
    """(size, size, 3) uint8: the corner of a plasma; u: (6,), for scale and shift of hue, saturation and value."""
    hue, hue_shift = (0.25 + 0.75 * u[0]) * 255, u[1] * 255
    saturation, saturation_shift = (0.1 + 0.2 * u[2]) * 255, (0.4 + 0.2 * u[3]) * 255
    value, value_shift = (0.3 + 0.3 * u[4]) * 255, (0.4 + 0.2 * u[5]) * 255
    image = np.empty((size, size, 3), np.uint8)
    for row in range(size):
        for column in range(size):
            x = field[row, column]
            h, s = int(x * hue + hue_shift) & 255, int(min(x * saturation + saturation_shift, 255.0)) & 255
            colour = rgb(h, s, int(min(x * value + value_shift, 255.0)) & 255)
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = colour
    return image


def ground(size: int, key: np.uint64, u: np.ndarray) -> np.ndarray:
    """A coloured ground (size, size, 3) uint8; key: of the plasma's noise; u: (7,), for its decay and its colours."""
    return coloured(plasma(max(1, math.ceil(math.log2(size))), 0.4 + 0.4 * u[0], key), size, u[1:])


@kernel
def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """An image (H, W, 3) uint8 blurred by a Gaussian of 3 x 3 pixels, mirrored at its edges."""
    side = math.exp(-1 / (2 * sigma * sigma))
    middle = 1 / (1 + 2 * side)
    side *= middle
    height, width, channels = image.shape
    rows, out = np.empty((height, width, channels)), np.empty_like(image)
    for row in range(height):
        up, down = abs(row - 1), min(row + 1, 2 * (height - 1) - row - 1)
        for column in range(width):
            for c in range(channels):
                rows[row, column, c] = middle * image[row, column, c] + side * (
                    np.float64(image[up, column, c]) + image[down, column, c]
                )
    for row in range(height):
        for column in range(width):
            left, right = abs(column - 1), min(column + 1, 2 * (width - 1) - column - 1)
            for c in range(channels):
                value = middle * rows[row, column, c] + side * (rows[row, left, c] + rows[row, right, c])
                out[row, column, c] = np.uint8(value + 0.5)
    return out


@kernel
def resized(image: np.ndarray, side: int) -> np.ndarray:
    """An image (n, n, 3) uint8 as (side, side, 3), bilinear between the centres of pixels, as OpenCV's INTER_LINEAR."""
    out, last, step = np.empty((side, side, 3), np.uint8), len(image) - 1, len(image) / side
    for row in range(side):
        y = min(max((row + 0.5) * step - 0.5, 0.0), float(last))
        top, down = int(y), y - int(y)
        for column in range(side):
            x = min(max((column + 0.5) * step - 0.5, 0.0), float(last))
            left, across = int(x), x - int(x)
            for c in range(3):
                upper = image[top, left, c] * (1 - across) + image[top, min(left + 1, last), c] * across
                below = min(top + 1, last)
                lower = image[below, left, c] * (1 - across) + image[below, min(left + 1, last), c] * across
                out[row, column, c] = np.uint8(upper * (1 - down) + lower * down + 0.5)
    return out


@kernel
def pasted(image: np.ndarray, patch: np.ndarray, x: int, y: int) -> None:
    """Write a patch (s, s, 3), but for its black pixels, into an image (n, n, 3), its corner at column x, row y."""
    for row in range(max(0, -y), min(len(patch), len(image) - y)):
        for column in range(max(0, -x), min(len(patch), len(image) - x)):
            pixel = patch[row, column]
            if pixel[0] or pixel[1] or pixel[2]:
                for c in range(3):
                    image[y + row, x + column, c] = pixel[c]


def turned(picture: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A picture (H, W) mirrored at its diagonal, top to bottom and left to right, where u (3,) is above 1/2."""
    diagonal, down, across = u > 0.5
    picture = picture.T if diagonal else picture
    return np.ascontiguousarray(picture[:: -1 if down else 1, :: -1 if across else 1])
