"""Moire: two gratings of circles laid over each other, in closed form.

A category is the two gratings: how fine they are, how they are stretched, and how far their centres lie apart. An
instance has new centres and phases. The rule is ours; moire images as mixing pictures are in "MoireMix" (2025).
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Positive, Range
from ofdb_core.families import coded
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne, units

STEPS = 4096  # of a wave
WAVE = np.array([(1 + math.cos(2 * math.pi * i / STEPS)) / 2 for i in range(STEPS)])
Pair = Annotated[list[float], Length(2, 2), Range(0.01, 1000)]


class Render(coded.Render):
    """Parameters of stage 3_render_moire."""

    image_size: Annotated[int, Range(16, 4096)] = 256
    """Pixels, each side."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class Gratings(Parameters):
    """The code of a category."""

    rings: Pair
    """Rings of each grating in the length of the picture's side."""
    stretch: Pair
    """Height of each grating's rings divided by their width."""
    apart: Positive
    """Distance of the two centres, of the picture's side."""


def sample(parameters: Render, category: int) -> Gratings:
    """Draw the code of a category, from the category's own random stream."""
    u = Mersenne([parameters.seed, category]).random(5).tolist()
    rings, stretch = [4 * 10 ** u[0], 4 * 10 ** u[1]], [4 ** (u[2] - 0.5), 4 ** (u[3] - 0.5)]
    return Gratings(rings=rings, stretch=stretch, apart=0.02 + u[4])


@kernel
def _drawn(centres: np.ndarray, rings: np.ndarray, stretch: np.ndarray, phases: np.ndarray, size: int) -> np.ndarray:
    picture = np.empty((size, size), np.uint8)
    for row in range(size):
        for column in range(size):
            light = 255.0
            for i in range(2):
                x, y = (column + 0.5) / size - centres[i, 0], ((row + 0.5) / size - centres[i, 1]) / stretch[i]
                light *= WAVE[np.int64(STEPS * (math.sqrt(x * x + y * y) * rings[i] + phases[i])) % STEPS]
            picture[row, column] = np.uint8(light + 0.5)
    return picture


def draw(code: Gratings, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8."""
    u = units(np.uint64(key), 5)
    away = code.apart / 2 * np.array([math.cos(2 * math.pi * u[2]), math.sin(2 * math.pi * u[2])])
    centres = np.stack([u[:2] + away, u[:2] - away])
    return _drawn(centres, np.array(code.rings, float), np.array(code.stretch, float), u[3:], size)


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original; two equal gratings with one centre are one grating, whose waves are squared."""
    even = np.array([9.0, 9.0]), np.ones(2), np.zeros(2)
    image = _drawn(np.full((2, 2), 0.5), *even, 65)
    yield "gratings are brightest in their centre", bool(image[32, 32] == image.max() == 255)


FAMILY = coded.family(coded.Kind("moire", Gratings, sample, draw, released=256, ground=None), "Moire", Render, goldens)
