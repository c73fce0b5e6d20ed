"""VisualAtom: one or more images of each category, an atom of contours (Takashima et al., CVPR 2023).

There is nothing to search: every draw is a category. An atom's stream belongs to (seed, category), an image's to (seed,
category, instance); in the original one stream runs through all of them (`one_stream`).
"""

import functools
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from PIL import Image

from ofdb_core.base.folder import Folder, Makers
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.values import SEEDS, Range, Workers
from ofdb_core.data import png
from ofdb_core.families.registry import Family, Source, Stage
from ofdb_core.formulas import contours
from ofdb_core.formulas.contours import ORIGINAL, Atom, Ranges, Strokes
from ofdb_core.formulas.streams import Mersenne


class Render(StageParameters):
    """Parameters of notebook 3_render_visualatom."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Of atoms and images; each category and each image has a stream of its own."""
    categories: Annotated[int, Range(1, 99_999)] = 1000
    """VisualAtom-1k: 1,000."""
    instances: Annotated[int, Range(1, 9_999)] = 1
    """Images of each category; one, as OFDB would have it (VisualAtom-1k: 1,000)."""
    image_size: Annotated[int, Range(1, 4096)] = 512
    """Pixels, each side (VisualAtom: 512)."""
    settings: Literal["published", "original"] = "published"
    """Ranges of the atoms: published (VisualAtom-1k) or original (the program's defaults)."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""


def image_name(category: int, vertices: int, instance: int) -> str:
    """The original's file name."""
    return f"{category:05d}/vertex_{vertices:04d}_instance_{instance:04d}.png"


def image_files(
    categories: Iterable[int],
    instances: int,
    *,
    seed: int,
    size: int = 512,
    ranges: Ranges = ORIGINAL,
    one_stream: bool = False,
) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for n instances of each category number.

    one_stream: the random numbers are those of Python's `random.seed(seed)` in the order of the files, as in the
    original, whose process i has the seed i + 1. So a file depends on those before it; else on itself and the seed.
    Images are made in any order; the numbers of the one stream are drawn here, in turn.
    """
    stream = Mersenne([seed])

    def make(number: int, instance: int) -> bytes:
        return png.encode(contours.image(number, instance, seed=seed, size=size, ranges=ranges), contours.GRAYS)

    def make_drawn(atom: Atom, strokes: Strokes) -> bytes:
        return png.encode(contours.draw(atom, strokes, size), contours.GRAYS)

    for number in categories:
        atom = contours.sample(stream, ranges) if one_stream else contours.category(number, seed=seed, ranges=ranges)
        for instance in range(instances):
            name = image_name(number, atom.vertices, instance)
            if one_stream:
                yield name, functools.partial(make_drawn, atom, contours.strokes(atom, stream, ranges))
            else:
                yield name, functools.partial(make, number, instance)
        if one_stream:
            contours.centre_shift(stream, ranges)  # the original draws one more after the last image: stay in step


def write(parameters: Render) -> Manifest:
    """Draw the instances of each category to <out>/visualatom; return the folder's manifest."""
    categories, instances = parameters.categories, parameters.instances
    how: dict[str, Any] = {"seed": parameters.seed, "size": parameters.image_size, "one_stream": parameters.one_stream}
    about = {"categories": categories, "instances": instances, "settings": parameters.settings, **how}
    files = image_files(range(categories), instances, ranges=contours.SETTINGS[parameters.settings], **how)
    root, total = Path(parameters.out) / "visualatom", categories * instances
    return Folder(root).fill(header(about, write), files, total=total, workers=parameters.workers)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first image (size, size) uint8 of a category."""
    ranges = contours.SETTINGS[parameters.settings]
    return contours.image(category, 0, seed=parameters.seed, size=parameters.image_size, ranges=ranges)


MEANINGS = {
    "vertices": "points of each contour",
    "lines": "contours of an image",
    "noise": "pixels by which a contour lies farther out than the one before, about",
    "width": "pixels that are added to the noise",
    "radius": "pixels, of the ellipse that the contours start from",
    "waves": "periods in a turn, of both sine waves together",
    "oval": "the longer axis of the ellipse divided by the shorter one",
}


def properties(parameters: Render, category: int) -> dict[str, float]:
    """The numbers of a category's atom; none with one_stream, where they depend on all images before it."""
    if parameters.one_stream:
        return {}
    atom = contours.category(category, seed=parameters.seed, ranges=contours.SETTINGS[parameters.settings])
    plain = {name: getattr(atom, name) for name in ("vertices", "lines", "noise", "width", "radius")}
    return {**plain, "waves": sum(atom.waves), "oval": max(atom.oval) / min(atom.oval)}


def goldens() -> Iterator[tuple[str, bool]]:
    """The first two images of the original program, seeded with 1 and drawing two instances of each category."""
    known = [
        "fc5e4119658763a7501e876b9d8d8cba9b391427da34b096c7be9eb9cea80ccf",
        "96a4c92e1ee7ab25a495472f7a71c2b52538be1364942d9525a80356d80c29f2",
    ]
    files = itertools.islice(image_files(range(3), 2, seed=1, one_stream=True), len(known))
    pixels = [Image.open(io.BytesIO(make())).convert("RGB").tobytes() for _, make in files]
    yield "the first two images are the original's", [hashlib.sha256(data).hexdigest() for data in pixels] == known


FAMILY = Family(
    name="visualatom",
    title="VisualAtom",
    stages=(Stage("3_render_visualatom", Render, ("visualatom",), write, small={"categories": 5, "image_size": 48}),),
    sources=(Source("visualatom"),),
    picture=picture,
    goldens=goldens,
    properties=properties,
    meanings=MEANINGS,
)
