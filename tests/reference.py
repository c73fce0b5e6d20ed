"""Plain-Python twins of the kernels, written from the description of the original, one number at a time."""

import math
import random

import numpy as np


def orbit(rows, thresholds, u, d):
    """rows: the coefficients of each map (A row by row, then t); the points of the chaos game as tuples."""
    at = (0.0,) * d
    points = [at]
    for number in u[:-1]:
        for row, threshold in zip(rows, thresholds, strict=True):
            if number <= threshold:
                moved = []
                for r in range(d):
                    total = at[0] * row[r * d]
                    for c in range(1, d):
                        total = total + at[c] * row[r * d + c]
                    moved.append(total + row[d * d + r])
                at = tuple(moved)
                break
        points.append(at)
    return points


def pixels(points, size, pad):
    """Integer pixel coordinates of 2D points; NaN points go, axis by axis, with the 100 before the first of them."""
    for axis in range(2):
        bad = [i for i, point in enumerate(points) if math.isnan(point[axis])]
        if bad:
            gone = set(bad) | set(range(max(0, bad[0] - 100), bad[0]))
            points = [point for i, point in enumerate(points) if i not in gone]
    columns = []
    for axis in range(2):
        values = [point[axis] for point in points]
        shift = min([*values, 0.0])
        values = [value - shift for value in values]
        low, high = (min(values), max(values)) if values and not any(map(math.isnan, values)) else (math.nan, math.nan)
        columns.append([_cast(value, high - low, size, pad) for value in values])
    return list(zip(*columns, strict=True))


def _cast(value, span, size, pad):
    with np.errstate(all="ignore"):
        scaled = np.float64(value) / np.float64(span) * float(size - 2 * pad) + float(pad)
    return int(scaled) if math.isfinite(scaled) else 0


def draw(coordinates, size, masks=None):
    """The image of dots, or of 3 x 3 masks, with values 0 and 1, first row on top."""
    image = [[0] * size for _ in range(size)]
    for i, (x, y) in enumerate(coordinates):
        if masks is None:
            if x < size and y < size:
                image[y][x] = 1
            continue
        for bit, lit in enumerate(f"{masks[i]:09b}"):
            row, column = y + 1 + bit // 3, x + 1 + bit % 3
            if row < size and column < size:
                image[row][column] = int(lit)
    return np.array(image[::-1], np.uint8)


def patches(n, seed):
    generator = random.Random(seed)
    return [generator.randrange(1, 512) for _ in range(n)]


def hue(index):
    """Colour of dot `index` as the original stores it: HSV with S = V = 0.75, hue by index modulo 128, blue first."""
    sector = (3.0 / math.pi) * (2.0 * math.pi * (float(index % 128) / 128.0))
    whole = math.floor(sector)
    value, low = 0.75, 0.75 * (1.0 - 0.75)
    falling, rising = 0.75 * (1.0 - 0.75 * (sector - whole)), 0.75 * (1.0 - 0.75 * (1.0 - sector + whole))
    red, green, blue = [
        (value, rising, low),
        (falling, value, low),
        (low, value, rising),
        (low, falling, value),
        (rising, low, value),
        (value, low, falling),
    ][whole]
    return [int(channel * 255.0) for channel in (blue, green, red)]
