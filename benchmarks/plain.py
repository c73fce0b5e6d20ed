"""The baseline: what the kernels compute, as a careful person would write it in Python and NumPy without them."""

import math
import random

import numpy as np
from PIL import Image, ImageDraw

from ofdb_core.formulas import contours, ifs


def orbit(system, u):
    """The points (n, 2) of the chaos game, one step of Python at a time."""
    maps, choices = ifs.table(system)[:, :6].tolist(), np.searchsorted(system.thresholds(), u[:-1]).tolist()
    x = y = 0.0
    points = [(x, y)]
    for j in choices:
        a, b, c, d, e, f = maps[j]
        x, y = x * a + y * b + e, x * c + y * d + f
        points.append((x, y))
    return np.array(points)


def orbit_3d(system, u):
    """The points (n - 1, 3) of the chaos game in space, without its start."""
    maps, choices = ifs.table(system)[:, :12].tolist(), np.searchsorted(system.thresholds(), u[:-1]).tolist()
    x = y = z = 0.0
    points = []
    for i in choices:
        a, b, c, d, e, f, g, h, k, j, l, m = maps[i]  # noqa: E741
        x, y, z = x * a + y * b + z * c + j, x * d + y * e + z * f + l, x * g + y * h + z * k + m
        points.append((x, y, z))
    return np.array(points)


def pixels(points, size):
    """Pixel coordinates (n, 2) of points in a square image."""
    with np.errstate(all="ignore"):
        points = points - np.minimum(points.min(axis=0), 0.0)
        low, high = points.min(axis=0), points.max(axis=0)
        return np.nan_to_num(points / (high - low) * (size - 12) + 6, posinf=0, neginf=0).astype(np.uint16)


def candidates(seed, draws, count, d=2):
    """n random systems of a search and the random numbers of each."""
    stream = np.random.RandomState(seed)
    for _ in range(count):
        rows = np.array([stream.uniform(-1, 1, d * d + d) for _ in range(stream.randint(2, 8))])
        areas = np.abs(np.linalg.det(rows[:, : d * d].reshape(-1, d, d)))
        yield ifs.of_table(np.column_stack([rows, areas / areas.sum()])), stream.random_sample(draws)


def search(seed, draws, count):
    """Filling rates of the first n candidates of a search; NaN for a system that runs off to infinity."""
    rates = []
    for system, u in candidates(seed, draws, count):
        points = orbit(system, u)
        image = np.zeros((512, 512), bool)
        for x, y in pixels(points, 512).tolist():
            image[y, x] = True
        rates.append(image.sum() / 512**2 if np.isfinite(points).all() else np.nan)
    return np.array(rates)


def search_3d(seed, draws, count):
    """The smallest variance of the three axes for the first n candidates of a search in space."""
    found = []
    for system, u in candidates(seed, draws, count, d=3):
        with np.errstate(all="ignore"):
            points = orbit_3d(system, u)
            scaled = (points - points.min()) / (points.max() - points.min()) * 2 - 1
            found.append(np.var(scaled, axis=0).min())
    return np.array(found)


def render(system, size, points, weight, seed):
    """One image (size, size) uint8 of patches, 0 and 127, drawn with the original's two random streams."""
    u = np.random.RandomState(100).random_sample(points)
    generator, image = random.Random(seed), np.zeros((size + 3, size + 3), np.uint8)
    for x, y in pixels(orbit(system.weighted(weight), u), size).tolist():
        patch = [int(bit) * 127 for bit in f"{generator.randrange(1, 512):09b}"]
        image[y + 1 : y + 4, x + 1 : x + 4] = np.reshape(patch, (3, 3))
    return image[:size, :size][::-1]


def paste(pixels, patches, size):
    """The picture (size, size) uint8 of dots at pixels (n, 2), each pasted as its patch, (n, 3, 3) uint8."""
    image = np.zeros((size + 3, size + 3), np.uint8)
    for (x, y), patch in zip(pixels.tolist(), patches, strict=True):
        image[y + 1 : y + 4, x + 1 : x + 4] = patch
    return image[:size, :size][::-1]


def view(points, angle, size):
    """A view (size, size) uint8 of points (n, 3), from a camera that was turned about Y; one point at a time."""
    image, c, s, zoom = np.zeros((size, size), np.uint8), math.cos(angle), math.sin(angle), 1 / math.tan(math.pi / 8)
    for x, y, z in points.tolist():
        depth, across = 4 + c * x - s * z, s * x + c * z
        column, row = (size / 2 * (1 + zoom * side / depth) for side in (across, y))
        image[int(256 * row + 0.5) >> 8, int(256 * column + 0.5) >> 8] = 1
    return image


def noise(x):
    """Perlin's noise on a line, in single precision."""
    single = np.float32
    x, cell = single(x) - single(math.floor(x)), math.floor(x)
    fade = x * x * x * (x * (x * single(6) - single(15)) + single(10))
    before, after = (single(contours.GRADIENTS[corner % 256]) for corner in (cell, cell + 1))
    before, after = before * x, after * (x - single(1))
    return float((before + fade * (after - before)) * single(0.4))


def draw_contours(atom, strokes, size):
    """An image (size, size) uint8 of an atom, line by line with Pillow."""
    canvas, angle = Image.new("L", (size, size)), math.pi * 2 / atom.vertices
    pen, centre = ImageDraw.Draw(canvas), (size + strokes.shift) / 2
    turns, axes = (math.cos, math.sin), []
    for turn, oval, middle in zip(turns, atom.oval, centre.tolist(), strict=True):
        axes.append([turn(angle * i) * atom.radius * oval + middle for i in range(atom.vertices)])
    for gray, line in zip(strokes.gray.tolist(), strokes.u.tolist(), strict=True):
        for axis, turn, numbers in zip(axes, turns, line, strict=True):
            for i, u in enumerate(numbers):
                waves = sum(0.5 * math.sin(angle * i * periods) for periods in atom.waves)
                axis[i] -= turn(angle * i) * (noise(u * 10_000) * atom.noise - atom.noise - waves - atom.width)
        ends = list(zip(*axes, strict=True))
        for start, end in zip(ends, [*ends[1:], ends[0]], strict=True):
            pen.line((*start, *end), fill=gray, width=1)
    return np.asarray(canvas)
