"""Scattered dots, a control: 2D-OFDB's images with every dot somewhere else.

Category i has dots enough to light as much as category i of 2D-OFDB, at places of its own, which are fixed. An instance
draws the 3 x 3 patches of the dots anew, as 2D-OFDB's random pattern does.
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import SEEDS, Range
from ofdb_core.families import coded, noise
from ofdb_core.formulas import instances, raster
from ofdb_core.formulas.streams import units

PATCHES = instances.Patches("pattern", "dot", (0, 255), raster.GRAY)
LIT = 256 / 511  # of the pixels that dots cover: a cell of the uppermost patch is lit or dark


class Render(noise.Render):
    """Parameters of stage 3_render_scattered."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class Dots(Parameters):
    """The code of a category."""

    density: Annotated[float, Range(0, 1, above=True)]
    """Dots for each pixel of the picture; a dot has 3 x 3 pixels, whatever the picture's size."""
    seed: Annotated[int, Range(0, SEEDS)]
    """Seed of the dots' places."""


def sample(parameters: Render, category: int) -> Dots:
    """The code of a category: on average, its dots light as many pixels as the fractal's."""
    rate = min(noise.filling_rate(parameters, category), 0.999 * LIT)
    return Dots(density=max(-math.log(1 - rate / LIT) / 9, 1e-6), seed=coded.seed_of(parameters.seed, category))


def draw(code: Dots, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8; dots have 3 x 3 pixels whatever the size, as those of a fractal."""
    table = np.zeros((max(1, round(code.density * size * size)), 3), np.uint16)
    table[:, :2] = (units(np.uint64(code.seed), 2 * len(table)).reshape(-1, 2) * size).astype(np.uint16)
    return instances.paint(table, PATCHES.drawn(key, len(table)), size)


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original; the first image is about as full as 2D-OFDB's."""
    image = FAMILY.picture(FAMILY.example(), 0)
    yield (
        "scattered dots light as much as 2D-OFDB",
        bool(abs((image > 0).mean() / noise.filling_rate(Render(), 0) - 1) < 0.05),
    )


FAMILY = coded.family(
    coded.Kind("scattered", Dots, sample, draw, released=362), "Scattered dots", Render, goldens, image_size=96
)
