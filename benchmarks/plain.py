"""The baseline: what the kernels compute, as a careful person would write it in Python and NumPy without them."""

import random

import numpy as np

from ofdb_core import ifs


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


def pixels(points, size):
    """Pixel coordinates (n, 2) of points in a square image."""
    with np.errstate(all="ignore"):
        points = points - np.minimum(points.min(axis=0), 0.0)
        low, high = points.min(axis=0), points.max(axis=0)
        return np.nan_to_num(points / (high - low) * (size - 12) + 6, posinf=0, neginf=0).astype(np.uint16)


def search(seed, draws, candidates):
    """Filling rates of the first so many candidates of a search; NaN for a system that runs off to infinity."""
    stream, rates = np.random.RandomState(seed), []
    for _ in range(candidates):
        rows = np.array([stream.uniform(-1, 1, 6) for _ in range(stream.randint(2, 8))])
        areas = np.abs(rows[:, 0] * rows[:, 3] - rows[:, 1] * rows[:, 2])
        system = ifs.of_table(np.column_stack([rows, areas / areas.sum()]))
        points = orbit(system, stream.random_sample(draws))
        image = np.zeros((512, 512), bool)
        for x, y in pixels(points, 512).tolist():
            image[y, x] = True
        rates.append(image.sum() / 512**2 if np.isfinite(points).all() else np.nan)
    return rates


def render(system, size, points, weight, seed):
    """One image (size, size) uint8 of patches, 0 and 127, drawn with the original's two random streams."""
    u = np.random.RandomState(100).random_sample(points)
    generator, image = random.Random(seed), np.zeros((size + 3, size + 3), np.uint8)
    for x, y in pixels(orbit(system.weighted(weight), u), size).tolist():
        patch = [int(bit) * 127 for bit in f"{generator.randrange(1, 512):09b}"]
        image[y + 1 : y + 4, x + 1 : x + 4] = np.reshape(patch, (3, 3))
    return image[:size, :size][::-1]
