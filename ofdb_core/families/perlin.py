"""Perlin noise of the plane: gradient noise in octaves (Perlin, "Improving Noise", SIGGRAPH 2002).

Kataoka et al. (ACCV 2020) compare it with FractalDB. A category is how coarse, rough and stretched the noise is, and
how often its grays are folded; an instance has new gradients. The ranges are ours.
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Range
from ofdb_core.families import coded
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne, split_mix

TURNS = 16  # directions of a gradient
ACROSS = np.array([math.cos(2 * math.pi * i / TURNS) for i in range(TURNS)])
DOWN = np.array([math.sin(2 * math.pi * i / TURNS) for i in range(TURNS)])


class Render(coded.Render):
    """Parameters of stage 3_render_perlin."""

    image_size: Annotated[int, Range(16, 4096)] = 256
    """Pixels, each side."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class Noise(Parameters):
    """The code of a category."""

    cells: Annotated[list[float], Length(2, 2), Range(0.1, 1000)]
    """Cells of the coarsest octave in the picture's width and height."""
    octaves: Annotated[int, Range(1, 10)]
    """Layers, each with cells of half the size."""
    rough: Annotated[float, Range(0, 1)]
    """Strength of a layer divided by that of the coarser one."""
    folds: Annotated[float, Range(0, 100)]
    """Times that the grays run from black to white and back, from the lowest to the highest value."""


def sample(parameters: Render, category: int) -> Noise:
    """Draw the code of a category, from the category's own random stream."""
    stream = Mersenne([parameters.seed, category])
    octaves, u = stream.randint(1, 5), stream.random(4).tolist()
    return Noise(cells=[2 * 16 ** u[0], 2 * 16 ** u[1]], octaves=octaves, rough=0.3 + 0.5 * u[2], folds=0.5 + 4 * u[3])


@kernel
def _corner(key: np.uint64, column: int, row: int, x: float, y: float) -> float:
    """The gradient at a corner of the grid times the way (x, y) from there."""
    turn = split_mix(key, (column << 24) ^ row) >> np.uint64(60)
    return ACROSS[turn] * x + DOWN[turn] * y


@kernel
def _drawn(key: np.uint64, wide: float, high: float, octaves: int, rough: float, folds: float, size: int) -> np.ndarray:
    total = np.zeros((size, size))
    for octave in range(octaves):
        strength, fine = rough**octave, 2.0**octave
        layer = split_mix(key, octave)
        for i in range(size):
            y = (i + 0.5) / size * high * fine
            row, y = int(y), y - int(y)
            v = y * y * y * (y * (y * 6 - 15) + 10)
            for j in range(size):
                x = (j + 0.5) / size * wide * fine
                column, x = int(x), x - int(x)
                u = x * x * x * (x * (x * 6 - 15) + 10)
                upper, lower = _corner(layer, column, row, x, y), _corner(layer, column, row + 1, x, y - 1)
                upper += u * (_corner(layer, column + 1, row, x - 1, y) - upper)
                lower += u * (_corner(layer, column + 1, row + 1, x - 1, y - 1) - lower)
                total[i, j] += strength * (upper + v * (lower - upper))
    least, span, picture = total.min(), total.max() - total.min(), np.empty((size, size), np.uint8)
    for i in range(size):
        for j in range(size):
            height = (total[i, j] - least) / span * 2 * folds % 2
            picture[i, j] = np.uint8(255 * (height if height <= 1 else 2 - height) + 0.5)
    return picture


def draw(code: Noise, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8."""
    wide, high = map(float, code.cells)
    return _drawn(np.uint64(key), wide, high, code.octaves, float(code.rough), float(code.folds), size)


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original to equal; with one fold the grays run from black to white."""
    code = Noise(cells=[4.0, 4.0], octaves=1, rough=0.5, folds=0.5)
    image = draw(code, 1, 64)
    yield "noise runs from black to white", bool(image.min() == 0 and image.max() == 255)


FAMILY = coded.family(
    coded.Kind("perlin", Noise, sample, draw, released=256, ground=None), "Perlin noise", Render, goldens
)
