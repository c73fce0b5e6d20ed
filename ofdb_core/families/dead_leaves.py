"""Dead leaves: shapes that cover one another, of sizes by a power law (Baradad et al., "Learning to See by Looking at
Noise", NeurIPS 2021, after Lee, Mumford and Huang, IJCV 2001).

A category is a kind of leaves: their corners, sizes, slenderness and grays. An instance is a new heap of them.
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Range
from ofdb_core.families import coded
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne, split_mix, unit

LEAVES = 5000  # of a picture, at most: few pixels are left to cover by then
LARGEST = 0.5  # radius of the largest leaf, of the picture's side


class Render(coded.Render):
    """Parameters of stage 3_render_dead-leaves."""

    image_size: Annotated[int, Range(16, 4096)] = 256
    """Pixels, each side."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class Leaves(Parameters):
    """The code of a category."""

    corners: Annotated[int, Range(0, 8)]
    """Corners of a leaf; 0: it is an ellipse."""
    smallest: Annotated[float, Range(0.002, 0.5)]
    """Radius of the smallest leaf, of the picture's side."""
    power: Annotated[float, Range(1, 5)]
    """Radius r is as frequent as r to the power of minus this."""
    slender: Annotated[float, Range(0.05, 1)]
    """Width of a leaf divided by its length."""
    turn: Annotated[float, Range(0, 180)]
    """Degrees in which leaves lie; 0: all alike."""
    grays: Annotated[list[int], Length(2, 2), Range(0, 255)]
    """Darkest and brightest leaf."""

    def conflicts(self) -> Iterator[str]:
        yield from self.falling("grays")


def sample(parameters: Render, category: int) -> Leaves:
    """Draw the code of a category, from the category's own random stream."""
    stream = Mersenne([parameters.seed, category])
    corners = stream.randint(2, 8)
    smallest, power, slender = (float(stream.uniform(low, high, 1)[0]) for low, high in ((0.01, 0.1), (2, 4), (0.2, 1)))
    turn = 180.0 if stream.randint(0, 1) else float(stream.uniform(0, 40, 1)[0])
    dark, bright = stream.randint(0, 100), stream.randint(156, 255)
    grays = [dark, bright]
    return Leaves(
        corners=corners if corners > 2 else 0, smallest=smallest, power=power, slender=slender, turn=turn, grays=grays
    )


@kernel
def _heap(key: np.uint64, corners: int, sizes: np.ndarray, low: int, high: int, picture: np.ndarray) -> None:
    """Lay leaves under one another, the uppermost first, until all is covered; sizes: see `Leaves`."""
    size, left = len(picture), picture.size
    smallest, power, slender, turn = sizes
    covered = np.zeros(picture.shape, np.bool_)
    side = 2 * math.pi / corners if corners else 0.0
    inner = math.cos(side / 2) if corners else 1.0
    u = np.empty(5)
    first, last = smallest ** (1 - power), LARGEST ** (1 - power)
    for leaf in range(LEAVES):
        if left == 0:
            return
        for i in range(5):
            u[i] = unit(split_mix(key, 5 * leaf + i))
        long = size * (first + u[0] * (last - first)) ** (1 / (1 - power))
        wide, angle, gray = long * slender, u[1] * turn, np.uint8(low + u[2] * (high - low + 1))
        x, y, cosine, sine = u[3] * size, u[4] * size, math.cos(angle), math.sin(angle)
        for row in range(max(0, int(y - long)), min(size, int(y + long) + 1)):
            for column in range(max(0, int(x - long)), min(size, int(x + long) + 1)):
                if covered[row, column]:
                    continue
                across, down = column + 0.5 - x, row + 0.5 - y
                a, b = (across * cosine + down * sine) / long, (down * cosine - across * sine) / wide
                if a * a + b * b > 1:
                    continue
                if corners and a * a + b * b > inner * inner:
                    around = math.atan2(b, a) % side - side / 2
                    if math.sqrt(a * a + b * b) * math.cos(around) > inner:
                        continue
                picture[row, column], covered[row, column] = gray, True
                left -= 1


def draw(code: Leaves, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8."""
    picture = np.full((size, size), code.grays[0], np.uint8)
    sizes = np.array([code.smallest, code.power, code.slender, math.radians(code.turn)])
    _heap(np.uint64(key), code.corners, sizes, code.grays[0], code.grays[1], picture)
    return picture


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original to equal; leaves cover the picture with the grays of the code."""
    code = sample(Render(), 0)
    image = draw(code, 1, 128)
    yield "leaves have the grays of their code", bool(code.grays[0] <= image.min() < image.max() <= code.grays[1])


KIND = coded.Kind("dead-leaves", Leaves, sample, draw, released=256, ground=None)
FAMILY = coded.family(KIND, "Dead leaves", Render, goldens)
