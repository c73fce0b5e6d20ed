"""Instances of contours: any number of images of one atom or polygon, fast and at any size, for training.

The stored images of `contours` have the original's pixels. These have its distribution.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from ofdb_core.formulas.contours import RELEASED, outline, perlin
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import split_mix


@kernel
def quantised() -> np.ndarray:
    """(65536,) float32: Perlin's noise at even steps through its period, a value for each sixteen random bits."""
    noise = np.empty(1 << 16, np.float32)
    for i in range(len(noise)):
        noise[i] = perlin(np.float32((i + 0.5) / 256))
    return noise


noise_levels = functools.cache(quantised)


@kernel
def _instance(
    key: np.uint64,
    lines: int,
    moves: np.ndarray,
    polygon: np.ndarray,
    scale: float,
    levels: np.ndarray,
    label: int,
    image: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the lines of `instance`; the words of `split_mix`, four numbers each, choose the noise among the levels.

    Return the corners of the first line and of the last.
    """
    corners, before, after = np.empty(polygon.shape, np.int64), polygon.reshape(-1), moves[0].reshape(-1)
    loose, count, pixels, flat = moves[1].reshape(-1), polygon.size, image.reshape(-1), corners.reshape(-1)
    words = np.empty((count + 4) // 4, np.uint64)
    digits, first = words.view(np.uint16), corners
    for line in range(lines):
        for i in range(len(words)):
            words[i] = split_mix(key, line * len(words) + i)
        for i in range(count):
            before[i] += after[i] - loose[i] * levels[digits[i]]
        for i in range(count):
            flat[i] = np.int64(before[i] * np.float32(scale))
        outline(corners, np.uint16(label << 8 | digits[count] & 255), pixels, image.shape[1])
        if line == 0:
            first = corners.copy()
    return first, corners


@kernel
def _moves(vertices: int, noise: float, strength: float, waves: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of each vertex's angle, (2, n) float32, and how far a line moves without noise, and by noise."""
    turn, moves = np.empty((2, vertices), np.float32), np.empty((2, 2, vertices), np.float32)
    for i in range(vertices):
        angle = 2 * math.pi / vertices * i
        turn[0, i], turn[1, i] = math.cos(angle), math.sin(angle)
        wave = 0.5 * (math.sin(angle * waves[0]) + math.sin(angle * waves[1]))
        for axis in range(2):
            moves[0, axis, i], moves[1, axis, i] = turn[axis, i] * (noise + wave), turn[axis, i] * strength
    return turn, moves


@dataclass(frozen=True)
class Growth:
    """How contours grow from an ellipse: what `instance` draws, in pixels of an image of RELEASED pixels.

    radii: of the ellipse, x and y; shift: half pixels from the middle to its centre; away: by which a line lies farther
    out than the one before, without noise; strength: of the noise; waves: periods of two sine waves.
    """

    vertices: int
    lines: int
    radii: tuple[float, float]
    shift: tuple[float, float]
    away: float
    strength: float
    waves: tuple[int, int] = (0, 0)


def start(growth: Growth) -> tuple[np.ndarray, np.ndarray]:
    """The ellipse (2, n) float32, and the steps (2, 2, n) float32 of a line: without noise, and of the noise."""
    turn, moves = _moves(growth.vertices, float(growth.away), float(growth.strength), growth.waves)
    centre = (RELEASED + np.array(growth.shift, np.float32)) / 2
    return turn * np.array(growth.radii, np.float32)[:, None] + centre[:, None], moves


def instance(growth: Growth, key: int, size: int = RELEASED, ground: int = 0) -> np.ndarray:
    """An image (size, size) uint8 of contours, scaled from RELEASED pixels, with the noise of 64 random bits.

    As `trace`, but in single precision and with 65,536 levels of noise: other pixels, the same distribution.
    """
    image = np.full((size, size), ground, np.uint8)
    draw(growth, key, image)
    return image


def draw(growth: Growth, key: int, image: np.ndarray, label: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw an instance on an image (size, size); return the corners (2, vertices) int64 of the first and last line.

    image: uint8 for the grays alone; or uint16, whose upper bytes become the label.
    """
    polygon, moves = start(growth)
    return _instance(np.uint64(key), growth.lines, moves, polygon, len(image) / RELEASED, noise_levels(), label, image)
