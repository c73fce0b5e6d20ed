"""RCDB: radial contours, a polygon grown by noise, on white (Kataoka et al., "Replacing Labeled Real-Image Datasets",
CVPR 2022).

There is nothing to search: every draw is a category. An instance has a centre, radius and oval of its own; those of a
category's first instance are in its code. A category's stream belongs to (seed, category), an image's to (seed,
category, instance). `one_stream` follows the original's order under Python's `random.seed(seed)`, for one process: the
authors' process t of T draws the categories from t * C / T on with the seed t + 1.
"""

import csv
import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Range
from ofdb_core.data import png
from ofdb_core.families import coded
from ofdb_core.families.registry import golden
from ofdb_core.formulas import contours
from ofdb_core.formulas.contours import ANY, SOME, line_by_line, start, trace
from ofdb_core.formulas.growth import Growth, instance
from ofdb_core.formulas.ifs import number_of
from ofdb_core.formulas.streams import GOLDEN, Mersenne, units

WHITE = 255
MEAN = 100  # vertices of a contour, without a bound
MOST, LINES, RADIUS = 200, 200, 100  # of a category: vertices of a contour, contours, and pixels
SHIFT = 400  # half pixels from the middle to a centre, at most
ROWS = {  # of the authors' param/*.csv
    "vertices": "Vertex",
    "lines": "Line_num",
    "noise": "Perlin_noise",
    "width": "line_width",
    "radius": "Center_rad",
}
OVAL, CENTRE = ("Oval_rate_x", "Oval_rate_y"), ("start_pos_w", "start_pos_h")


class Render(coded.Render):
    """Parameters of stage 3_render_rcdb; the ranges of the categories are those of the authors' script."""

    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories."""

    def code(self) -> tuple[Callable, ...]:
        return sample, live, stored

    def conflicts(self) -> Iterator[str]:
        yield from coded.two_origins(self.codes, self.one_stream)


class Outline(Parameters):
    """Contours that grow from an ellipse; SegRCDB's code of a category."""

    vertices: Annotated[int, SOME]
    """Points of each contour."""
    lines: Annotated[int, SOME]
    """Contours of an image, or of an object in a scene."""
    noise: Annotated[float, ANY]
    """Pixels by which a contour lies farther out than the one before, about."""
    width: Annotated[float, ANY]
    """Pixels that are added to the noise."""
    radius: Annotated[int, ANY]
    """Pixels, of the ellipse that the contours start from (RCDB: those of the first instance)."""
    oval: Annotated[list[float], Length(2, 2), ANY]
    """Factors of the radius for x and y."""


class Centre(Parameters):
    """Where the contours of the first instance lie."""

    shift: Annotated[list[int], Length(2, 2), Range(-9_999, 9_999)]
    """Half pixels from the middle to the centre of the first instance, x and y."""


class Contours(Outline, Centre):
    """The code of a category, whose files have the values in this order."""


def outline(stream: Mersenne, most: int, lines: int, radius: int) -> dict[str, Any]:
    """The next values of an `Outline`, as the originals draw them; most (vertices), lines, radius: upper bounds."""
    vertices = 0
    while not 2 < vertices <= most:
        vertices = int(-math.log(1.0 - float(stream.random(1)[0])) * MEAN)
    found: dict[str, Any] = {"vertices": vertices, "lines": stream.randint(1, lines)}
    found |= {name: float(stream.uniform(0.0, end, 1)[0]) for name, end in (("noise", 4.0), ("width", 0.1))}
    return {**found, "radius": stream.randint(0, radius), "oval": stream.uniform(1.0, 2.0, 2).tolist()}


def drawn(stream: Mersenne) -> Contours:
    """The next category of a stream, as the original draws it."""
    return Contours(**outline(stream, MOST, LINES, RADIUS), shift=_shift(stream))


def _shift(stream: Mersenne) -> list[int]:
    down, right = (stream.randint(-SHIFT, SHIFT) for _ in range(2))
    return [right, down]


def elsewhere(code: Contours, stream: Mersenne) -> Contours:
    """The code with the oval, radius and centre of the next instance, as the original draws them."""
    oval, radius = stream.uniform(1.0, 2.0, 2).tolist(), stream.randint(0, RADIUS)
    return Contours.of({**code.values(), "oval": oval, "radius": radius, "shift": _shift(stream)})


def numbers(code: Contours, stream: Mersenne) -> tuple[np.ndarray, np.ndarray]:
    """The gray of each line, (lines,) uint8, and the numbers of its noise: see `contours.Strokes`."""
    gray, u = np.empty(code.lines, np.uint8), np.empty((code.lines, 2, code.vertices))
    stream.run(line_by_line, 256, gray, u)
    return gray, u


def draw(code: Contours, gray: np.ndarray, u: np.ndarray, *, size: int = 512) -> np.ndarray:
    """The image (size, size) uint8 of an instance's code and random numbers."""
    turn, waves, ellipse = start(code.vertices, code.radius, code.oval)
    image, centre = np.full((size, size), WHITE, np.uint8), (size + np.array(code.shift)) / 2
    noise, width = float(code.noise), float(code.width)
    trace(ellipse, centre, gray, u, 2 * noise, noise, width, turn, waves, image)
    return image


def live(code: Contours, key: int, size: int) -> np.ndarray:
    """An instance (size, size) uint8 with noise, centre, radius and oval of its own."""
    u = units(np.uint64(key) ^ GOLDEN, 5)
    radius, oval = math.floor(101 * u[0]), 1 + u[1:3]
    right, down = np.floor((2 * SHIFT + 1) * u[3:5]) - SHIFT
    radii, away = (radius * oval[0], radius * oval[1]), code.noise + code.width
    growth = Growth(code.vertices, code.lines, radii, (right, down), away, 2 * code.noise)
    return instance(growth, key, size, WHITE)


def sample(parameters: Render, category: int) -> Contours:
    """Draw the code of a category, from the category's own random stream."""
    return drawn(Mersenne([parameters.seed, category]))


def one_stream(parameters: Render) -> Iterator[tuple[str, Contours, Iterator[tuple[Contours, Any]]]]:
    """Name and code of each category, and an iterator of its images' codes and random numbers; use it up in turn."""
    stream = Mersenne([parameters.seed])

    def images(code: Contours) -> Iterator[tuple[Contours, Any]]:
        for _ in range(parameters.instances):
            yield code, numbers(code, stream)
            code = elsewhere(code, stream)

    for category in range(parameters.categories):
        code = drawn(stream)
        yield f"{category:05d}", code, images(code)


def stored(parameters: Render, codes: coded.Codes) -> Makers:
    """Pairs of a file name and a function that makes its bytes."""
    size, seed = parameters.image_size, parameters.seed

    def encoded(code: Contours, strokes: Any) -> bytes:
        return png.of(draw(code, *strokes, size=size))

    def make(name: str, code: Any, instance: int) -> bytes:
        stream = Mersenne([seed, number_of(name), instance])
        at = elsewhere(code, stream) if instance else code
        return encoded(at, numbers(at, stream))

    if parameters.one_stream:
        for name, _, images in one_stream(parameters):
            for instance, (code, strokes) in enumerate(images):
                yield coded.image_name(name, instance), functools.partial(encoded, code, strokes)
        return
    for name, own in codes:
        for instance in range(parameters.instances):
            yield coded.image_name(name, instance), functools.partial(make, name, own, instance)


def authors_rows(data: bytes, *further: str) -> tuple[dict[str, Any], list[float]]:
    """The values in one of the authors' param/*.csv: those of a contour by name, and those of further rows."""
    rows = dict(row for row in csv.reader(data.decode().splitlines()) if len(row) == 2)
    if missing := [name for name in (*ROWS.values(), *OVAL, *further) if name not in rows]:
        raise ValueError(f"no row {missing[0]}")
    kinds = {"noise": float, "width": float}
    values = {name: kinds.get(name, int)(rows[row]) for name, row in ROWS.items()}
    return {**values, "oval": [float(rows[name]) for name in OVAL]}, [float(rows[name]) for name in further]


class Kind(coded.Kind):
    """RCDB's codes, the authors' own among them."""

    endings = ("json", "csv")

    def parse(self, data: bytes, path: Path) -> Parameters:
        """As in any family; a CSV file is one of the authors' param/*.csv, for images of 512 pixels."""
        if path.suffix != ".csv":
            return super().parse(data, path)
        values, centre = authors_rows(data, *CENTRE)
        shift = [round(2 * at) - contours.RELEASED for at in centre]
        return Contours.of({**values, "shift": shift})

    def picture(self, parameters: Any, category: int) -> np.ndarray:
        """The first image (size, size) uint8 of a category; with one_stream, as without."""
        code = self.code_of(parameters, category)
        return draw(code, *numbers(code, Mersenne([parameters.seed, category, 0])), size=parameters.image_size)


def goldens() -> Iterator[tuple[str, bool]]:
    """Images of the original program, seeded with 1 and drawing two instances of each category."""
    known = [
        "204d262a0ba02df5c7e60112186abb24214471bee2c168491ccc2b7385e5e5e7",
        None,
        "89462cd2ec918ff5560e4b815de5d1a2c1665daddf4e2ead17176e85c286d1ca",
        "e05fd3eb216bc448effe5117f5db1d3c130132e8ae6c0ed422f10ec324236194",
    ]
    drawn = one_stream(Render(seed=1, categories=2, instances=2, one_stream=True))
    images = (code for _, _, images in drawn for code in images)
    for i, (sha256, (code, strokes)) in enumerate(zip(known, images, strict=True)):
        if sha256:
            pixels = draw(code, *strokes)[..., None].repeat(3, axis=2).tobytes()
            yield golden(f"image {i % 2} of category {i // 2}", pixels, sha256)


KIND = Kind("rcdb", Contours, sample, live, stored, ground=WHITE, through=one_stream)
FAMILY = coded.family(KIND, "RCDB", Render, goldens, image_size=512)  # a small image may show nothing
