"""FractalDB: up to a thousand images of each category of the plane (Kataoka et al., ACCV 2020).

A category's images are 25 rows of weights on its coefficients, 10 draws of the patches and 4 flips. 2D-OFDB is the
first of them: row 0, draw 0, not flipped. Images of points have no patches to draw, so a category has 100.

Patches have a stream of (seed, category, row and draw). In the original nothing is seeded; `one_stream` follows its
order under Python's `random.seed(seed)`: one stream through all rows and draws of all categories.
"""

import functools
import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from PIL import Image

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.threads import Once
from ofdb_core.base.values import Range
from ofdb_core.data import png
from ofdb_core.families import fractal_2d
from ofdb_core.families.registry import Family, Source, Stage, golden
from ofdb_core.formulas import chaos_game, instances, raster, search, streams
from ofdb_core.formulas.ifs import IFS, weight_rows
from ofdb_core.formulas.streams import Mersenne

ROWS, DRAWS, FLIPS = 25, 10, 4


class Render(fractal_2d.Drawn):
    """Parameters of stage 3_render_fractaldb; the defaults are those of the published FractalDB-1k."""

    instances: Annotated[int, Range(1, ROWS * DRAWS * FLIPS)] = ROWS * DRAWS * FLIPS
    """Images of each category, the first ones: first the rows of weights, then other patches, then flips (FractalDB:
    1,000, or 100 of points)."""
    spread: Annotated[float, Range(0, 0.5, above=True)] = 0.4
    """Factors are 1 - 2, 1 - 1, 1 + 1 and 1 + 2 times this on one coefficient of every map (FractalDB: 0.4)."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories."""

    def code(self) -> tuple[Callable, ...]:
        return (write, picture)

    def draws(self) -> int:
        """The number of draws of patches for each row of weights."""
        return DRAWS if self.draw.startswith("patch") else 1


@dataclass(frozen=True)
class Dots:
    """The dots that images share: their count, and pixels (n, 2) uint16 and numbers (n,) uint32 of the visible ones."""

    count: int
    pixels: np.ndarray
    numbers: np.ndarray


def dots(orbit: np.ndarray, size: int) -> Dots:
    """The dots of an orbit in an image of this size."""
    pixels = raster.to_pixels(orbit, size)
    numbers = instances.visible(pixels, size)
    return Dots(len(pixels), pixels[numbers], numbers)


def pasted(dots: Dots, masks: np.ndarray, draw: raster.Draw, size: int) -> np.ndarray:
    """As `raster.draw_indices`, from the visible dots alone; masks: for all dots, hidden ones too."""
    table = instances.table_of(dots.pixels, masks[dots.numbers], np.arange(len(dots.pixels)))
    colours = 1 + dots.numbers % (len(raster.palette(draw)) - 1)
    return instances.paint(table, instances.stored(table, 1) * colours.astype(np.uint8)[:, None], size)


def image_name(name: str, row: int, draw: int, flip: int) -> str:
    """The original's file name of an instance of a category, by the category's name."""
    return f"{name}/{name}_{row:02d}_count_{draw}_flip{flip}.png"


def image_files(systems: Iterable[tuple[int, IFS]], names: Mapping[int, str], parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs; names: of the categories.

    The images of a row share its dots, and those that are flips of one share that; a file makes them if none has.
    """
    size, draw, draws = parameters.image_size, parameters.draw, parameters.draws()
    u, stream, colours = streams.shared_choices(parameters.points), Mersenne([parameters.seed]), raster.palette(draw)

    def orbit(system: IFS, weight: np.ndarray) -> np.ndarray:
        return chaos_game.orbit(system.weighted(weight), u)

    def shared(system: IFS, weight: np.ndarray) -> Dots:
        return dots(orbit(system, weight), size)

    def pointed(system: IFS, weight: np.ndarray) -> np.ndarray:
        return raster.draw_indices(orbit(system, weight), draw, size)

    def patched(row: Once[Dots], category: int, instance: int, masks: np.ndarray | None) -> np.ndarray:
        if masks is None:
            masks = streams.patches(parameters.points, parameters.seed, category, instance)
        return pasted(row(), masks, draw, size)

    def make(image: Once[np.ndarray], flip: int) -> bytes:
        return png.encode(raster.flipped(image(), flip), colours)

    for category, system in systems:
        for number, weight in enumerate(weight_rows(parameters.spread)):
            row = Once(functools.partial(shared, system, weight))
            for count in range(draws):
                first = number + ROWS * count  # its number among the category's images; its flips come later
                if draw.startswith("point"):
                    image = Once(functools.partial(pointed, system, weight))
                else:  # of one stream, also the masks of images that no file needs
                    masks = stream.patches(row().count) if parameters.one_stream else None
                    image = Once(functools.partial(patched, row, category, first, masks))
                for flip in range(FLIPS):
                    if first + ROWS * draws * flip < parameters.instances:
                        yield image_name(names[category], number, count, flip), functools.partial(make, image, flip)


def check(parameters: Render) -> None:
    """Raise ValueError if the user's systems, as they are, cannot be rendered; it names the file without a picture."""
    fractal_2d.check_systems(parameters.systems, parameters.categories, parameters.points)


def write(parameters: Render) -> Manifest:
    """Draw the instances of each category of <out>/categories, or of the user's systems, to <out>/fractaldb."""
    systems, names, source = fractal_2d.loaded(parameters.source(), parameters.categories)
    how = {name: value for name, value in parameters.identity().items() if name not in ("systems", "categories")}
    total = len(systems) * min(parameters.instances, ROWS * parameters.draws() * FLIPS)
    head, files = header({**source, **how}, image_files), image_files(systems, names, parameters)
    return Folder(Path(parameters.out) / "fractaldb").fill(head, files, total=total, workers=parameters.workers)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first image (size, size, 3) uint8 of a published category."""
    weight = weight_rows(parameters.spread)[0]
    return fractal_2d.rgb(search.published(2, category), weight=weight, category=category, **parameters.drawing())


def goldens() -> Iterator[tuple[str, bool]]:
    """Images of the first published category, all drawn from one stream after Python's `random.seed(0)`."""
    for draw, known in KNOWN.items():
        makers = image_files([(0, search.published(2, 0))], {0: ""}, FAMILY.example(draw=draw, one_stream=True))
        some = dict(itertools.islice(makers, FLIPS * ROWS))
        for (row, count), sha256 in known.items():
            pixels = Image.open(io.BytesIO(some[image_name("", row, count, 0)]())).convert("RGB").tobytes()
            yield golden(f"the image of row {row}, draw {count} by {draw}", pixels, sha256)


KNOWN = {
    "patch_gray": {
        (0, 0): "0131eb43aa082472f5ef17aab29fa9ebf59ee35eb7bafa11b0d18ce96fff2321",
        (0, 1): "b0678cb60776202124cae13e229df5b6bf71baa2c2aca9ffa87e84b44b2d4e9d",
        (1, 0): "205f57ce427e0b055b2a3a5cdb3f5598da4d6bada31a5ee658ec6541e7147dd8",
    },
    "point_gray": {
        (2, 0): "af74f07753f225d7d87624e03abac7a4737507142fe6588844b674da9d16324f",
        (24, 0): "eb063c4629d96ab4ef045299e1468bd178cf1a2ac1f2bb3a543b0702da1475df",
    },
}
SMALL = {"image_size": 48, "points": 1000, "instances": 3}
CHECK = "ofdb_core.families.fractaldb:check"
FAMILY = Family(
    name="fractaldb",
    title="FractalDB",
    stages=(Stage("3_render_fractaldb", Render, ("fractaldb",), write, small=SMALL, check=CHECK),),
    sources=(Source("fractaldb"),),
    picture=picture,
    goldens=goldens,
)
