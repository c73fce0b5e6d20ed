"""A family of a few lines that lies outside the package and has no notebook: a category is a carpet of gray squares."""

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ofdb_core.base import manifests
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import StageParameters, setting
from ofdb_core.base.values import Count, Whole
from ofdb_core.data import png
from ofdb_core.families import registry
from ofdb_core.formulas import contours


@dataclass(frozen=True)
class Render(StageParameters):
    """3_render_toy."""

    unseen = ("workers",)

    workers: Whole
    categories: Count = setting(4, "how many to draw")
    image_size: Count = setting(24, "pixels, each side")

    def code(self):
        return (write,)


def picture(parameters, category):
    x, y = np.indices((parameters.image_size, parameters.image_size))
    return ((x ^ y) * (2 * category + 1) + 16 * parameters.seed).astype(np.uint8)


def make(parameters, category):
    return png.encode(picture(parameters, category), contours.GRAYS)


def write(parameters):
    categories, head = range(parameters.categories), manifests.header(parameters.identity(), make)
    files = ((f"{i:05d}/{i:05d}.png", functools.partial(make, parameters, i)) for i in categories)
    Folder(Path(parameters.out) / "toys").fill(head, files, total=len(categories), workers=parameters.workers)


def goldens():
    yield "the first carpet begins as it should", picture(FAMILY.example(), 0)[1, :3].tolist() == [1, 0, 3]


FAMILY = registry.Family(
    name="toy",
    title="Toy",
    stages=(registry.Stage("3_render_toy", Render, writes=("toys",), write=write, small={"image_size": 16}),),
    sources=(registry.Source("toys"),),
    picture=picture,
    goldens=goldens,
    published={"image_size": 24},
)


@contextlib.contextmanager
def registered():
    """The toy family is among the registered ones, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        every = registry.together([*registry.families().values(), FAMILY])
        patch.setattr(registry, "_found", lambda: every)
        yield FAMILY
