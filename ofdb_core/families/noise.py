"""Noise, a control: what 2D-OFDB's images have but for their shapes. Pixels lit at random, in the same gray.

Category i has the filling rate of category i of 2D-OFDB. Of its own pixels, which are fixed, an instance lights half:
as a fractal keeps its dots, and draws their patches anew.
"""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import SEEDS, Points, Range, Share
from ofdb_core.families import coded, fractal_2d
from ofdb_core.formulas import raster
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import split_mix, unit


class Render(coded.Render):
    """Parameters of stage 3_render_noise."""

    image_size: Annotated[int, Range(16, 4096)] = 362
    """Pixels, each side (2D-OFDB: 362)."""
    points: Points = 200_000
    """Dots of the fractal that an image is as full as (2D-OFDB: 200,000)."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class Noise(Parameters):
    """The code of a category."""

    lit: Share
    """Share of the pixels that are lit."""
    seed: Annotated[int, Range(0, SEEDS)]
    """Seed of the pixels that can be lit."""


def filling_rate(parameters: Render, category: int) -> float:
    """Share of the lit pixels in the image of a published category of 2D-OFDB, of this size and with these dots."""
    fractal = fractal_2d.Render(image_size=parameters.image_size, points=parameters.points)
    return float((fractal_2d.picture(fractal, category) > 0).mean())


def sample(parameters: Render, category: int) -> Noise:
    """The code of a category."""
    return Noise(lit=filling_rate(parameters, category), seed=coded.seed_of(parameters.seed, category))


@kernel
def _drawn(seed: np.uint64, key: np.uint64, lit: float, size: int) -> np.ndarray:
    picture, able = np.zeros((size, size), np.uint8), min(2 * lit, 1.0)
    flat = picture.reshape(-1)
    for i in range(len(flat)):
        if unit(split_mix(seed, i)) < able and unit(split_mix(key, i)) < lit / able:
            flat[i] = raster.GRAY
    return picture


def draw(code: Noise, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8; a pixel is a pixel, whatever the size."""
    return _drawn(np.uint64(code.seed), np.uint64(key), max(code.lit, 1e-9), size)


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original; the first image is as full and as bright as 2D-OFDB's."""
    image, fractal = FAMILY.picture(FAMILY.example(), 0), fractal_2d.picture(fractal_2d.Render(), 0)
    yield "noise has the filling rate of 2D-OFDB", bool(abs((image > 0).mean() - (fractal > 0).mean()) < 0.005)
    yield "noise has the gray of 2D-OFDB", bool(image.max() == fractal.max())


FAMILY = coded.family(coded.Kind("noise", Noise, sample, draw, released=362), "Noise", Render, goldens)
