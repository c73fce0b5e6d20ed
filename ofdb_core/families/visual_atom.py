"""VisualAtom: one or more images of each category, an atom of contours (Takashima et al., CVPR 2023).

There is nothing to search: every draw is a category, whose code is its atom. An atom's stream belongs to (seed,
category), an image's to (seed, category, instance); in the original one stream runs through all of them (`one_stream`).
"""

import functools
import hashlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image

from ofdb_core.base.filling import Makers
from ofdb_core.base.manifests import Manifest
from ofdb_core.base.values import Range
from ofdb_core.data import png
from ofdb_core.families import coded
from ofdb_core.formulas import contours, growth
from ofdb_core.formulas.contours import ORIGINAL, Atom, Ranges, Strokes
from ofdb_core.formulas.ifs import number_of
from ofdb_core.formulas.streams import GOLDEN, Mersenne, units


class Render(coded.Render):
    """Parameters of notebook 3_render_visualatom."""

    instances: Annotated[int, Range(1, 9_999)] = 1
    """Images of each category; one, as OFDB would have it (VisualAtom-1k: 1,000)."""
    image_size: Annotated[int, Range(1, 4096)] = 512
    """Pixels, each side (VisualAtom: 512)."""
    settings: Literal["published", "original"] = "published"
    """Ranges of the atoms: published (VisualAtom-1k) or original (the program's defaults)."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories."""

    def code(self) -> tuple[Callable, ...]:
        return (write,)

    def conflicts(self) -> Iterator[str]:
        yield from coded.two_origins(self.codes, self.one_stream)


def image_name(name: str, vertices: int, instance: int) -> str:
    """The original's file name, for the name of a category."""
    return f"{name}/vertex_{vertices:04d}_instance_{instance:04d}.png"


def atoms(categories: Iterable[int], *, seed: int, ranges: Ranges = ORIGINAL) -> list[tuple[str, Atom]]:
    """Names and atoms of these categories, each from the stream of (seed, category)."""
    return [(f"{number:05d}", contours.category(number, seed=seed, ranges=ranges)) for number in categories]


def image_files(
    codes: Iterable[tuple[str, Atom]], instances: int, *, seed: int, size: int = 512, ranges: Ranges = ORIGINAL
) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for n instances of each atom.

    A file depends on its atom, name, instance and the seed alone.
    """

    def make(name: str, atom: Atom, instance: int) -> bytes:
        stream = Mersenne([seed, number_of(name), instance])
        return png.encode(contours.draw(atom, contours.strokes(atom, stream, ranges), size), contours.GRAYS)

    for name, atom in codes:
        for instance in range(instances):
            yield image_name(name, atom.vertices, instance), functools.partial(make, name, atom, instance)


def in_one_stream(
    categories: Iterable[int], instances: int, *, seed: int, ranges: Ranges = ORIGINAL
) -> Iterator[tuple[str, Atom, Iterator[Strokes]]]:
    """Name, atom and an iterator of the strokes of n images, for each category; use it up in turn, as the original.

    The random numbers are those of Python's `random.seed(seed)`; the original's process i has the seed i + 1.
    """
    stream = Mersenne([seed])
    for number in categories:
        atom = contours.sample(stream, ranges)
        yield f"{number:05d}", atom, (contours.strokes(atom, stream, ranges) for _ in range(instances))
        contours.centre_shift(stream, ranges)  # the original draws one more after the last image: stay in step


def files_in_one_stream(*arguments: Any, size: int = 512, **how: Any) -> Makers:
    """As `image_files`, for the images of `in_one_stream`."""

    def make(atom: Atom, strokes: Strokes) -> bytes:
        return png.encode(contours.draw(atom, strokes, size), contours.GRAYS)

    for name, atom, images in in_one_stream(*arguments, **how):
        for instance, strokes in enumerate(images):
            yield image_name(name, atom.vertices, instance), functools.partial(make, atom, strokes)


def grown(atom: Atom, key: int) -> growth.Growth:
    """The `Growth` of an instance of an atom, with a new centre."""
    low, high = ORIGINAL.shift
    right, down = np.floor(low + (high - low + 1) * units(np.uint64(key) ^ GOLDEN, 2)).tolist()
    radii, waves = (atom.radius * atom.oval[0], atom.radius * atom.oval[1]), (atom.waves[0], atom.waves[1])
    away, strength = atom.noise + atom.width, atom.noise
    return growth.Growth(atom.vertices, atom.lines, radii, (right, down), away, strength, waves)


def live(atom: Atom, key: int, size: int = contours.RELEASED) -> np.ndarray:
    """An instance (size, size) uint8 of an atom; `batches.atoms` draws many at once, on any device."""
    return growth.instance(grown(atom, key), key, size)


def sample(parameters: Render, category: int) -> Atom:
    """Draw the atom of a category, from the category's own random stream."""
    return contours.category(category, seed=parameters.seed, ranges=contours.SETTINGS[parameters.settings])


def one_stream(parameters: Render) -> Iterator[tuple[str, Atom, Iterator[Strokes]]]:
    """As `in_one_stream`, for a stage's categories."""
    how: dict[str, Any] = {"seed": parameters.seed, "ranges": contours.SETTINGS[parameters.settings]}
    return in_one_stream(range(parameters.categories), parameters.instances, **how)


def stored(parameters: Render, codes: coded.Codes) -> Makers:
    """The files of a stage's images."""
    how: dict[str, Any] = {"seed": parameters.seed, "size": parameters.image_size}
    how["ranges"] = contours.SETTINGS[parameters.settings]
    if parameters.one_stream:
        return files_in_one_stream(range(parameters.categories), parameters.instances, **how)
    return image_files(codes, parameters.instances, **how)


class Kind(coded.Kind):
    """VisualAtom's codes; their stored images are the original's."""

    def picture(self, parameters: Any, category: int) -> np.ndarray:
        """The first image (size, size) uint8 of a category; with one_stream, as without."""
        atom, ranges = self.code_of(parameters, category), contours.SETTINGS[parameters.settings]
        strokes = contours.strokes(atom, Mersenne([parameters.seed, category, 0]), ranges)
        return contours.draw(atom, strokes, parameters.image_size)

    def properties(self, parameters: Any, category: int) -> dict[str, float]:
        """As in any family; also the waves and the oval. None with one_stream, where an atom depends on all before."""
        if parameters.one_stream:
            return {}
        numbers = super().properties(parameters, category)
        atom = self.code_of(parameters, category)
        return {**numbers, "waves": sum(atom.waves), "oval": max(atom.oval) / min(atom.oval)}


def goldens() -> Iterator[tuple[str, bool]]:
    """The first two images of the original program, seeded with 1 and drawing two instances of each category."""
    known = [
        "fc5e4119658763a7501e876b9d8d8cba9b391427da34b096c7be9eb9cea80ccf",
        "96a4c92e1ee7ab25a495472f7a71c2b52538be1364942d9525a80356d80c29f2",
    ]
    files = itertools.islice(files_in_one_stream(range(3), 2, seed=1), len(known))
    pixels = [Image.open(io.BytesIO(make())).convert("RGB").tobytes() for _, make in files]
    yield "the first two images are the original's", [hashlib.sha256(data).hexdigest() for data in pixels] == known


KIND = Kind("visualatom", Atom, sample, live, stored, through=one_stream)
FAMILY = coded.family(KIND, "VisualAtom", Render, goldens)


def write(parameters: Render) -> Manifest:
    """Fill <out>/visualatom-codes and <out>/visualatom; return the manifest of the images."""
    return KIND.write(parameters)
