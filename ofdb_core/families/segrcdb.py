"""SegRCDB: scenes of many radial contours, each with a mask that says which class a pixel is of (Shinoda et al.,
ICCV 2023).

A category is a contour, as RCDB's, and a class of the masks; 0 is the ground. A scene draws categories and centres at
random; later objects cover earlier ones. A mask has what the authors call M1 (lines: the pixels of the lines), M2
(ring: between the first contour and the last) or M3 (filled: all within the last).

A category's stream belongs to (seed, category), a scene's to (seed, scene). `one_stream` follows the originals: the
categories under Python's `random.seed(seed)`, all scenes under `random.seed(seed + 1)`, for one process; the authors'
process t of T draws the scenes from t * images / T on with the seed t + 1.
"""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from PIL import Image, ImageDraw

from ofdb_core.base.filling import Makers
from ofdb_core.base.parameters import Parameters, StageParameters
from ofdb_core.base.values import SEEDS, Count, Place, Range, Workers
from ofdb_core.data import scenes
from ofdb_core.families import coded
from ofdb_core.families.rcdb import Outline, authors_rows, outline
from ofdb_core.families.registry import Source, golden
from ofdb_core.formulas import contours, growth
from ofdb_core.formulas.contours import start, trace
from ofdb_core.formulas.streams import FIRST, GOLDEN, Mersenne, split_mix, units

MOST, LINES, RADIUS = 500, 50, 50  # of a category: vertices of a contour, contours, and pixels
SHIFT = 512  # half pixels from the middle to a centre, at most
SCENES = 1  # the scenes' streams, beside those of the categories
Mask = Literal["lines", "ring", "filled"]


class Render(StageParameters):
    """Parameters of stage 3_render_segrcdb; the ranges of the categories are those of the authors' script."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of codes and scenes; each category and each scene has a stream of its own."""
    codes: Place | None = None
    """A folder of codes of your own, JSON files, one a category; null: drawn by the seed."""
    categories: Annotated[int, Range(1, 254)] = 254
    """Classes of the masks; of a folder of codes, the first ones."""
    images: Annotated[int, Range(1, 999_999)] = 20_000
    """Scenes."""
    objects: Annotated[int, Range(1, 999)] = 32
    """Objects of a scene, each of a category drawn at random."""
    mask: Mask = "lines"
    """Pixels of an object: lines (its lines: M1), ring (from its first line to its last: M2), filled (M3)."""
    image_size: Annotated[int, Range(16, 4096)] = 512
    """Pixels, each side."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories, another through all scenes."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""

    def code(self) -> tuple[Callable, ...]:
        return sample, live, stored

    def conflicts(self) -> Iterator[str]:
        yield from coded.two_origins(self.codes, self.one_stream)


class Drawing(Parameters):
    """Parameters of scenes that are drawn from codes during training."""

    images: Count = 20_000
    """Scenes that an epoch has, and that are evaluated."""
    objects: Annotated[int, Range(1, 999)] = 32
    """Objects of a scene, each of a category drawn at random."""
    mask: Mask = "lines"
    """Pixels of an object: lines, ring or filled."""
    size: Annotated[int, Range(16, 4096)] | None = None
    """Pixels, each side; null: as released. The picture is drawn smaller, not cut."""

    def __str__(self) -> str:
        return f"scenes of {self.objects} objects, masks: {self.mask}"


def drawn(stream: Mersenne) -> Outline:
    """The next category of a stream, as the original draws it."""
    return Outline(**outline(stream, MOST, LINES, RADIUS))


class Canvas:
    """A scene that objects are drawn on: `lines` (size, size) uint16, each a class times 256 plus a gray."""

    def __init__(self, size: int, mask: Mask) -> None:
        self.lines = np.zeros((size, size), np.uint16)
        self._kind, self._filled = mask, Image.new("L", (size, size))

    def fill(self, label: int, count: int, first: np.ndarray, last: np.ndarray) -> None:
        """Add an object's area to the mask; count: of its lines, first, last: corners (2, n) of these two.

        In the original a single line has no ring.
        """
        if self._kind == "lines" or (self._kind == "ring" and count == 1):
            return
        pen, (inner, outer) = ImageDraw.Draw(self._filled), (line.T.ravel().tolist() for line in (first, last))
        pen.polygon(outer, fill=label)
        if self._kind == "ring":
            pen.polygon(inner, fill=0)  # as the original: what lies below is of no class there
            for line in (inner, outer):
                pen.line([*line, *line[:2]], fill=label, width=1)

    def scene(self) -> scenes.Pair:
        """The picture (size, size) uint8, and its mask (size, size) int16."""
        mask = self.lines >> 8 if self._kind == "lines" else np.asarray(self._filled)
        return self.lines.astype(np.uint8), mask.astype(np.int16)


@functools.lru_cache(maxsize=1024)
def _start(vertices: int, radius: int, x: float, y: float) -> tuple[np.ndarray, ...]:
    return start(vertices, radius, (x, y))


def place(code: Outline, label: int, strokes: contours.Strokes, canvas: Canvas) -> None:
    """Draw an object, with the original's pixels."""
    turn, waves, ellipse = _start(code.vertices, code.radius, *code.oval)
    line = ellipse + ((len(canvas.lines) + strokes.shift) / 2)[:, None]
    gray, noise = np.uint16(label << 8) | strokes.gray.astype(np.uint16), float(code.noise)
    how = (2 * noise, noise, float(code.width), turn, waves, canvas.lines)
    trace(line, np.zeros(2), gray[:1], strokes.u[:1], *how)
    first = line.copy()
    trace(line, np.zeros(2), gray[1:], strokes.u[1:], *how)
    canvas.fill(label, code.lines, first, line)


def draw(parameters: Any, codes: coded.Codes, stream: Mersenne) -> scenes.Pair:
    """The next scene of a stream: its picture and its mask."""
    canvas = Canvas(parameters.image_size, parameters.mask)
    for _ in range(parameters.objects):
        label = stream.randint(1, len(codes))
        code = codes[label - 1][1]
        place(code, label, contours.strokes(code, stream), canvas)
    return canvas.scene()


def draw_live(codes: coded.Codes, key: int, size: int, objects: int, mask: Mask) -> scenes.Pair:
    """A scene for 64 random bits, scaled from one of 512 pixels; see `growth`."""
    canvas, u = Canvas(size, mask), units(np.uint64(key) ^ GOLDEN, 3 * objects).reshape(objects, 3)
    for number, (choice, *centre) in enumerate(u.tolist()):
        label = 1 + int(choice * len(codes))
        code = codes[label - 1][1]
        own = int(split_mix(np.uint64(key) ^ FIRST, number))
        corners = growth.draw(_growth(code, centre), own, canvas.lines, label)
        canvas.fill(label, code.lines, *corners)
    return canvas.scene()


def _growth(code: Outline, centre: list[float]) -> growth.Growth:
    """How an object grows; centre: down and right, in [0, 1)."""
    down, right = (math.floor((2 * SHIFT + 1) * u) - SHIFT for u in centre)
    radii = (code.radius * code.oval[0], code.radius * code.oval[1])
    return growth.Growth(code.vertices, code.lines, radii, (right, down), code.noise + code.width, 2 * code.noise)


def live(code: Outline, key: int, size: int) -> np.ndarray:
    """One object (size, size) uint8, with a centre and noise of its own."""
    return growth.instance(_growth(code, units(np.uint64(key) ^ GOLDEN, 2).tolist()), key, size)


def sample(parameters: Render, category: int) -> Outline:
    """Draw the code of a category, from the category's own random stream."""
    return drawn(Mersenne([parameters.seed, category]))


def stored(parameters: Render, codes: coded.Codes) -> Makers:
    """Names and makers of the scenes' pictures and masks, and of the two files that describe them."""
    names = [f"{i:06d}" for i in range(parameters.images)]
    through = Mersenne([parameters.seed + 1])
    for i, name in enumerate(names):
        scene = functools.partial(_scene, parameters, codes, i)
        if parameters.one_stream:
            scene = functools.partial(_drawn, draw(parameters, codes, through))
        yield from scenes.files(name, scene)
    yield from scenes.lists(names, classes(codes))


def _drawn(scene: scenes.Pair) -> scenes.Pair:
    return scene


def _scene(parameters: Render, codes: coded.Codes, i: int) -> scenes.Pair:
    return draw(parameters, codes, Mersenne([parameters.seed, SCENES, i]))


def classes(codes: coded.Codes) -> list[str]:
    """The names of the masks' values."""
    return [scenes.NAME_OF_GROUND, *(name for name, _ in codes)]


class LiveScenes(scenes.Scenes):
    """Scenes that are drawn from the codes in <root>/*.json; without a key always the same ones."""

    def __init__(self, root: str | Path, drawing: Drawing, cache_bytes: int) -> None:
        self._codes, self._count = KIND.load(root), drawing.images
        if len(self._codes) > scenes.IN_FILES - 1:
            raise ValueError(f"{root}: {len(self._codes)} codes; at most {scenes.IN_FILES - 1} are classes of a mask")
        self._how: tuple[int, int, Mask] = drawing.size or KIND.released, drawing.objects, drawing.mask
        self.classes = classes(self._codes)

    def __len__(self) -> int:
        return self._count

    def pair(self, i: int, key: int | None = None) -> scenes.Pair:
        """A scene; without a key that of number i."""
        return draw_live(self._codes, int(split_mix(FIRST, i)) if key is None else key, *self._how)


class Kind(coded.Kind):
    """SegRCDB's codes, the authors' own among them; they are numbered from 1, as the classes of the masks."""

    endings = ("json", "csv")
    of_images = ("images", "objects", "mask", "image_size")

    def parse(self, data: bytes, path: Path) -> Parameters:
        """As in any family; a CSV file is one of the authors' param/*.csv."""
        return super().parse(data, path) if path.suffix != ".csv" else Outline.of(authors_rows(data)[0])

    def drawn(self, parameters: Any) -> Iterator[tuple[str, Outline]]:
        """As in any family; with one_stream, in the order of the stream."""
        stream = Mersenne([parameters.seed])
        for i in range(parameters.categories):
            yield f"{i + 1:05d}", drawn(stream) if parameters.one_stream else sample(parameters, i)

    def files(self, parameters: Any, categories: int) -> int:
        """Two for each scene, and two that describe them."""
        return 2 * parameters.images + 2


def goldens() -> Iterator[tuple[str, bool]]:
    """The first picture and mask of the original program, for one process, with the first and last of its classes."""
    example = Render(images=1, one_stream=True)
    codes = list(KIND.drawn(example))
    picture, mask = draw(example, codes, Mersenne([1]))
    picture_hash = "99a2b2b61a22d1b60f9d7569c07fd629dda94e0280ffa241dd59dd00ebe9f1b2"
    yield golden("picture 0", picture[..., None].repeat(3, axis=2).tobytes(), picture_hash)
    mask_hash = "48cd66923b482e20bdbc18d9ac8f120099485006c45a9afcdf4783346289a59a"
    yield golden("mask 0 (M1)", mask.astype(np.uint8).tobytes(), mask_hash)


KIND = Kind("segrcdb", Outline, sample, live, stored)
_FAMILY = coded.family(KIND, "SegRCDB", Render, goldens, image_size=128, images=4, objects=24)
_STORED = Source(KIND.name, scenes.open_folder)
_LIVE = Source(KIND.folder, LiveScenes, live=Drawing, suits=KIND.suits, functions=(LiveScenes, draw_live))
FAMILY = replace(
    _FAMILY,
    stages=tuple(replace(stage, counts="images") for stage in _FAMILY.stages),
    sources=tuple(replace(source, masks=True) for source in (_STORED, _LIVE)),
    properties=None,  # an image shows many categories
)
