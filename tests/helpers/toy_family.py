"""A family of a few lines that lies outside the package and has no notebook: a category is a carpet of gray squares.

Training draws from its images, or from its seeds: a number a category, of which live samples are carpets with holes.
"""

import contextlib
import functools
from pathlib import Path

import numpy as np
import pytest

from ofdb_core.base import manifests
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import Parameters, StageParameters
from ofdb_core.base.values import Count, Share, Whole
from ofdb_core.data import png
from ofdb_core.families import registry
from ofdb_core.formulas import contours


class Render(StageParameters):
    """Parameters of 3_render_toy."""

    no_effect = ("workers",)

    workers: Whole = 0
    """Threads; 0: one a core."""
    categories: Count = 4
    """How many to draw."""
    image_size: Count = 24
    """Pixels, each side."""

    def code(self):
        return (write,)


class Drawing(Parameters):
    """Parameters of carpets that are drawn while training."""

    holes: Share = 0.0
    """Share of the pixels that are black."""

    def __str__(self):
        return f"holes in {self.holes:.0%}"


def carpet(category, size, seed=0):
    x, y = np.indices((size, size))
    return ((x ^ y) * (2 * category + 1) + 16 * seed).astype(np.uint8)


def picture(parameters, category):
    return carpet(category, parameters.image_size, parameters.seed)


def make(parameters, category):
    return png.encode(picture(parameters, category), contours.GRAYS)


def number(category):
    return f"{category}\n".encode()


def write(parameters):
    out, categories, workers = Path(parameters.out), range(parameters.categories), parameters.workers
    seeds = ((f"{i:05d}.seed", functools.partial(number, i)) for i in categories)
    Folder(out / "toy_seeds").fill(
        manifests.header({"categories": len(categories)}, number), seeds, total=len(categories), workers=workers
    )
    head = manifests.header(parameters.identity(), make)
    files = ((f"{i:05d}/{i:05d}.png", functools.partial(make, parameters, i)) for i in categories)
    Folder(out / "toys").fill(head, files, total=len(categories), workers=workers)


class LiveCarpets:
    """Samples whose pictures are drawn from the seeds of a folder."""

    def __init__(self, root, drawing, cache_bytes):
        paths = sorted(Path(root).glob("*.seed"))
        self._categories, self._holes = [int(path.read_text()) for path in paths], drawing.holes
        self.classes, self.labels = [path.stem for path in paths], np.arange(len(paths))

    def __len__(self):
        return len(self.labels)

    def pixels(self, i, key=None):
        pixels = carpet(self._categories[i], 24)
        if key is not None:
            pixels[np.random.default_rng(key).random(pixels.shape) < self._holes] = 0
        return pixels


def goldens():
    yield "the first carpet begins as it should", picture(FAMILY.example(), 0)[1, :3].tolist() == [1, 0, 3]


FAMILY = registry.Family(
    name="toy",
    title="Toy",
    stages=(
        registry.Stage("3_render_toy", Render, writes=("toy_seeds", "toys"), write=write, small={"image_size": 16}),
    ),
    sources=(registry.Source("toys"), registry.Source("toy_seeds", LiveCarpets, live=Drawing)),
    picture=picture,
    goldens=goldens,
)


@contextlib.contextmanager
def registered():
    """The toy family is among the registered ones, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        every = registry.together([*registry.families().values(), FAMILY])
        patch.setattr(registry, "families", lambda: every)
        yield FAMILY
