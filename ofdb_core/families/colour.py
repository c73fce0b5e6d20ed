"""Fractals in colour on a coloured ground (Anderson and Farrell, "Improving Fractal Pre-training", WACV 2022).

A category is a system whose maps contract, drawn by its singular values. An instance changes one map a little, shows
another window of the fractal, turned, with another patch for its dots, in other colours on another ground; half of the
instances are blurred. Any system of the plane can be such a category: the codes may be CSV files, too.

With `fractals` a picture shows several categories, each small, at a random place. Its target is then a set of labels.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Factor, Length, Range
from ofdb_core.data import png, yolo
from ofdb_core.data.samples import Images, OneOf, open_images
from ofdb_core.families import coded
from ofdb_core.families.registry import Source
from ofdb_core.formulas import colour, ifs, singular
from ofdb_core.formulas.streams import GOLDEN, split_mix, units

ROW = Annotated[list[Factor], Length(7, 7)]
ORBIT, GROUND, DRAWS = range(3)  # streams of a key
SIDES = 0.15, 0.6  # of one of several fractals, as a share of the picture's

Box = tuple[int, int, int, int]  # a category, and column, row and side of its square


class Several(Parameters):
    """What pictures of one or of several categories have in common."""

    fractals: Annotated[list[int], Length(2, 2), Range(1, 100)] = [1, 1]
    """Fractals in a picture: between these (fractal-pretraining with several labels: 1 to 5)."""

    def conflicts(self) -> Iterator[str]:
        yield from self.falling("fractals")

    def several(self) -> bool:
        """Whether a picture may show more than one."""
        return self.fractals[1] > 1


class Drawing(coded.Drawing, Several):
    """Parameters of samples that are drawn from systems during training."""


class Render(coded.Render, Several):
    """Parameters of stage 3_render_colour."""

    image_size: Annotated[int, Range(16, 4096)] = 224
    """Pixels, each side (fractal-pretraining: 224)."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw, scene


class System(Parameters):
    """The code of a category."""

    maps: Annotated[list[ROW], Length(1, ifs.MOST)]
    """A row for each map: a, b, c, d, e, f of x' = a x + b y + e, y' = c x + d y + f, and its probability p."""

    def conflicts(self) -> Iterator[str]:
        p = [row[-1] for row in self.maps]
        if min(p) < 0 or not abs(sum(p) - 1) <= ifs.SUM_TOLERANCE:
            yield f"maps: the last numbers of their rows add up to {sum(p):.6g}; probabilities add up to 1"

    @classmethod
    def of_system(cls, system: ifs.IFS) -> "System":
        """The code of a system of the plane; a ValueError for another."""
        if system.d != 2:
            raise ValueError(f"has {system.d} dimensions; 2 are needed")
        return cls(maps=ifs.table(system).tolist())

    def system(self) -> ifs.IFS:
        """The system."""
        return ifs.of_table(np.array(self.maps, float))


class Kind(coded.Kind):
    """The kind of codes that are stored as JSON or CSV files."""

    endings: ClassVar[tuple[str, ...]] = ("json", "csv")

    def parse(self, data: bytes, path: Path) -> Parameters:
        """As for any code, or the system of a CSV file."""
        return System.of_system(ifs.parse(data.decode())) if path.suffix == ".csv" else super().parse(data, path)

    def picture(self, parameters: Render, category: int) -> np.ndarray:
        """The first image of a category."""
        if not parameters.several():
            return super().picture(parameters, category)
        code_of, key = functools.partial(self.code_of, parameters), coded.key_of(parameters.seed, category, 0)
        boxes = members(category, parameters.categories, key, parameters.image_size, parameters.fractals)
        return scene([(code_of(box[0]), box) for box in boxes], key, parameters.image_size)

    def files(self, parameters: Render, categories: int) -> int:
        """An image of each instance, and of several fractals a file of labels beside it."""
        return super().files(parameters, categories) * (2 if parameters.several() else 1)

    def _images(self, parameters: Render, codes: coded.Codes) -> Makers:
        """As in any family; of several fractals, each image has a text file beside it: see `labels`."""
        if not parameters.several():
            yield from super()._images(parameters, codes)
            return
        size = parameters.image_size

        def make(boxes: list[Box], key: int) -> bytes:
            return png.of(scene([(codes[box[0]][1], box) for box in boxes], key, size))

        for i, (name, _) in enumerate(codes):
            for instance in range(parameters.instances):
                key, file = (
                    coded.key_of(parameters.seed, ifs.number_of(name), instance),
                    coded.image_name(name, instance),
                )
                boxes = members(i, len(codes), key, size, parameters.fractals)
                yield file, functools.partial(make, boxes, key)
                yield file.replace(".png", ".txt"), functools.partial(labels, boxes, size)


def sample(parameters: coded.Render, category: int) -> System:
    """Draw the code of a category, from the category's own random stream."""
    return System.of_system(singular.sample(np.random.default_rng([parameters.seed, category])))


def grays(system: ifs.IFS, key: np.uint64, size: int, patch: float, window: np.ndarray | None = None) -> np.ndarray:
    """(size, size) float64 in 0..1: a fractal with the choices of a key.

    patch: in [0, 1), for the cells of its dots; window: see `colour.region`.
    """
    points = colour.orbit(system, key)
    if not len(points):
        return np.zeros((size, size))
    return colour.grays(points, colour.region(points, window), int(512 * patch), size)


def draw(code: System, key: int, size: int) -> np.ndarray:
    """An instance (size, size, 3) uint8."""
    own = [np.uint64(split_mix(np.uint64(key), stream)) for stream in range(3)]
    u = units(own[DRAWS], 28)
    system = colour.jittered(code.system(), u[:8].reshape(colour.TRIES, 2))
    gray = colour.turned(grays(system, own[ORBIT], size, u[12], u[8:12]), u[13:16])
    image = colour.ground(size, own[GROUND], u[19:26])
    image[gray > 0] = colour.painted(gray, u[16:19])[gray > 0]
    return colour.blurred(image, 0.5 + 0.5 * u[26]) if u[27] > 0.5 else image


def members(i: int, categories: int, key: int, size: int, fractals: list[int]) -> list[Box]:
    """The fractals of a picture, from the lowest to the uppermost: category i and others, each equally likely."""
    low, high = fractals
    shown, place = units(np.uint64(key), 2)
    count = low + int(shown * (high - low + 1))
    boxes = []
    for k, (which, long, x, y) in enumerate(units(np.uint64(key) ^ GOLDEN, 4 * count).reshape(count, 4)):
        other = i if k == int(place * count) else (i + 1 + int(which * (categories - 1))) % categories
        side = int((SIDES[0] + (SIDES[1] - SIDES[0]) * long) * size)
        boxes.append((other, int(x * size) - side // 2, int(y * size) - side // 2, side))
    return boxes


def scene(fractals: list[tuple[System, Box]], key: int, size: int) -> np.ndarray:
    """A picture (size, size, 3) uint8 of fractals, each drawn at half the picture's size and scaled to its square."""
    own = [np.uint64(split_mix(np.uint64(key), stream)) for stream in range(3)]
    u = units(own[DRAWS], 9)
    image = colour.ground(size, own[GROUND], u[:7])
    for number, (code, (_, x, y, side)) in enumerate(fractals):
        one = np.uint64(split_mix(own[ORBIT], number))
        v = units(one ^ GOLDEN, 15)
        system = colour.jittered(code.system(), v[:8].reshape(colour.TRIES, 2))
        gray = colour.turned(grays(system, one, size // 2, v[8]), v[9:12])
        colour.pasted(image, colour.resized(colour.painted(gray, v[12:15]), side), x, y)
    return colour.blurred(image, 0.5 + 0.5 * u[7]) if u[8] > 0.5 else image


def labels(boxes: list[Box], size: int) -> bytes:
    """A line for each fractal, as YOLO reads it: its category, and centre, width and height of the part in the picture.

    The four are shares of the picture's side.
    """
    objects = []
    for category, x, y, side in boxes:
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, size), min(y + side, size)
        numbers = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
        objects.append((category, [number / size for number in numbers]))
    return yolo.text(objects)


class LiveScenes(coded.LiveCodes):
    """Samples of several fractals; sample i always shows category i. Its target is a set of labels."""

    def __init__(self, kind: Kind, root: str | Path, drawing: Drawing, cache_bytes: int) -> None:
        super().__init__(kind, root, drawing, cache_bytes)
        self._fractals = drawing.fractals

    def _boxes(self, i: int, key: int | None) -> tuple[list[Box], int]:
        key = i if key is None else key
        return members(i, len(self), key, self._size, self._fractals), key

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """A picture (size, size, 3) uint8 with category i."""
        boxes, key = self._boxes(i, key)
        return scene([(self._codes[box[0]], box) for box in boxes], key, self._size)

    def shown(self, i: int, key: int | None = None) -> list[int]:
        """The categories that `pixels` shows."""
        return [box[0] for box in self._boxes(i, key)[0]]


def live(root: Path, drawing: Drawing, cache_bytes: int) -> coded.LiveCodes:
    """Samples of one or of several categories, drawn from the systems in <root>/*.json and *.csv."""
    opens = LiveScenes if drawing.several() else coded.LiveCodes
    return opens(KIND, root, drawing, cache_bytes)


def stored(root: Path, one: bool, cache_bytes: int) -> Images | OneOf:
    """The images of a folder; each has a set of labels if there are files of objects beside them."""
    return open_images(root, one, cache_bytes, objects=next(root.rglob(f"*{yolo.ENDING}"), None) is not None)


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no image of the original to compare with, since it sets no seed; colours are OpenCV's."""
    known = {(0, 255, 255): (255, 0, 0), (60, 255, 255): (0, 255, 0), (17, 200, 99): (99, 65, 21)}
    yield "colours are those of bytes in OpenCV", all(colour.rgb(*hsv) == rgb for hsv, rgb in known.items())


KIND = Kind("colour", System, sample, draw, released=224, ground=None)
FUNCTIONS = live, coded.LiveCodes, draw, scene
LIVE = Source(KIND.folder, live, live=Drawing, suits=KIND.suits, functions=FUNCTIONS, ground=None)
_FAMILY = coded.family(KIND, "Fractals in colour", Render, goldens)
FAMILY = dataclasses.replace(_FAMILY, sources=(Source(KIND.name, stored, ground=None), LIVE))
