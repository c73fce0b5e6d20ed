"""2D-OFDB: one image for each category (Nakamura et al., ICCV 2023, section 3.1).

A category is a random system of maps of the plane that fills enough of a picture (FractalDB, Kataoka et al., ACCV
2020). Its image is the orbit of the weighted system, drawn dot by dot with random 3 x 3 patches. The random numbers
that choose the maps are the same for every image, as in the original; the patches are drawn for each category.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import NotebookParameters, Parameters, StageParameters
from ofdb_core.base.values import Count, Factor, Length, Place, Points, Range, Share, Whole, Workers
from ofdb_core.data import png
from ofdb_core.families import live
from ofdb_core.families.registry import Family, Source, Stage
from ofdb_core.formulas import chaos_game, ifs, point_cloud, raster, search, streams
from ofdb_core.formulas.ifs import IFS, Weight, digest

DULL = (raster.SIDE - 2 * raster.PAD) / raster.SIDE**2  # filling rate of a straight line across the picture


class Rule(Parameters):
    """Which random systems are categories; the defaults are FractalDB's."""

    search_seed: Annotated[int, Range(0, values.SEEDS)] = 1
    """Seed of the one stream of candidates; 1 is the published one."""
    method: search.Method = "uniform"
    """How a candidate is drawn: its coefficients uniform, or its singular values, so that each map contracts."""
    filling_rate: Share = 0.2
    """Share of the picture that a candidate must light to be a category (FractalDB: 0.2)."""
    search_points: Points = 100_000
    """Points of each candidate's orbit (FractalDB: 100,000)."""

    def conflicts(self) -> Iterator[str]:
        try:
            search.check_rule(self.search_points, self.filling_rate)
        except ValueError as error:
            yield str(error)

    def rule(self) -> dict[str, Any]:
        """The arguments of `search.candidates_2d` for the categories."""
        how = {} if self.method == "uniform" else {"method": self.method}
        return {"seed": self.search_seed, "points": self.search_points, "filling_rate": self.filling_rate, **how}

    def unpublished(self) -> str:
        """Why the categories are not the published ones, in words; empty if they are."""
        differ = {name: value for name, value in Rule.defaults().items() if getattr(self, name) != value}
        return ", ".join(f"{name} is {getattr(self, name)!r}, not {value!r}" for name, value in differ.items())


class Explore(NotebookParameters, Rule):
    """Parameters of notebook 0_explore_ifs."""

    renamed = {"seed": "search_seed"}

    category: Whole = 0
    """The category to look at, counted from 0."""
    points: Points = 100_000
    """Dots of the largest picture."""
    image_size: Annotated[int, Range(64, 4096)] = 512
    """Pixels, each side."""


class Search(NotebookParameters, Rule):
    """Parameters of notebook 1_search_categories."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)
    renamed = {"points": "search_points", "seed": "search_seed"}

    categories: Annotated[int, Range(1, 99_999)] = 1000
    """Number of categories; a longer search begins with the categories of a shorter one."""
    workers: Workers = 0
    """Threads; 0: one a core. The result does not depend on it."""


class Drawn(StageParameters):
    """Parameters of images that are drawn from systems of the plane; the defaults are those of the released 2D-OFDB."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    seed: Annotated[int, Range(0, values.SEEDS)] = 0
    """Seed of the patches; each category has a stream of its own."""
    systems: Place | None = None
    """Your own systems: a folder or a file (CSV, .ifs, .flame); null: categories/ of notebook 1."""
    categories: Count | None = None
    """Number of categories to render, the first ones; null: all that were found."""
    image_size: Annotated[int, Range(16, 4096)] = 362
    """Pixels, each side (2D-OFDB: 362)."""
    points: Points = 200_000
    """Dots of an image (2D-OFDB: 200,000)."""
    draw: raster.Draw = "patch_gray"
    """A 3 x 3 patch or a point for each dot; gray, or a hue that turns with time."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""

    def inputs(self) -> tuple[str, ...]:
        return () if self.systems else ("categories",)

    def source(self) -> Path:
        """The folder of the systems: the user's, or the experiment's categories."""
        return Path(self.systems) if self.systems else Path(self.out) / "categories"

    def drawing(self) -> dict[str, Any]:
        """The arguments of `indices` for the images."""
        return {"seed": self.seed, "size": self.image_size, "points": self.points, "draw": self.draw}


class Render(Drawn):
    """Parameters of notebook 2_render_2d; the defaults are those of the released 2D-OFDB."""

    weight: Factor | Annotated[list[Factor], Length(6, 6)] = 0.2
    """Factor on coefficient a of every map (2D-OFDB: 0.2; 1: as it is); or six factors, for a to f."""

    def drawing(self) -> dict[str, Any]:
        return {**super().drawing(), "weight": self.weight}


def indices(
    system: IFS,
    *,
    size: int = 362,
    points: int = 200_000,
    weight: float | list[float] = 0.2,
    draw: str = "patch_gray",
    seed: int = 0,
    category: int | None = None,
    choice_seed: int = streams.CHOICE_SEED,
) -> np.ndarray:
    """One image as palette indices (size, size) uint8; the defaults are those of the released 2D-OFDB.

    weight: see `IFS.factors`. seed: of the patches; with `category` the stream belongs to (seed, category), without it
    the patches are those of Python's `random.seed(seed)`, as in the original. choice_seed: of the map choices.
    """
    if system.d != 2:
        raise ValueError(f"system: {system.d} dimensions given; an image of 2D-OFDB has 2")
    values.whole(2, points=points)
    values.whole(high=values.SEEDS, seed=seed, choice_seed=choice_seed, category=category or 0)
    orbit = chaos_game.orbit(system.weighted(weight), streams.shared_choices(points, choice_seed))
    masks = streams.patches(points, seed, category) if draw.startswith("patch") else None
    return raster.draw_indices(orbit, draw, size, masks)


def rgb(system: IFS, *, draw: str = "patch_gray", **drawing: Any) -> np.ndarray:
    """One image (size, size, 3) uint8, pixel for pixel the original's; arguments as for `indices`."""
    return raster.palette(draw)[indices(system, draw=draw, **drawing)]


def image_name(name: str) -> str:
    """The original's file name of a category, by its name: weight row 0, instance 0, not flipped."""
    return f"{name}/{name}_00_count_0_flip0.png"


def image_files(systems: Iterable[tuple[int, IFS]], names: Mapping[int, str], *, draw: str, **drawing: Any) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs; names: of the categories."""

    def make(category: int, system: IFS) -> bytes:
        return png.encode(indices(system, category=category, draw=draw, **drawing), raster.palette(draw))

    for category, system in systems:
        yield image_name(names[category]), functools.partial(make, category, system)


def write_search(parameters: Search) -> Manifest:
    """Search 2D categories and write them to <out>/categories as 00000.csv, 00001.csv, ...; return its manifest.

    With the defaults, the files are those of the published FractalDB-1k, byte for byte. A longer search has the files
    of a shorter one and more.
    """
    count, rule = parameters.categories, parameters.rule()
    accepted = search.first(count, search.candidates_2d(**rule, workers=parameters.workers))
    files = ((f"{i:05d}.csv", functools.partial(ifs.csv, candidate.system)) for i, candidate in enumerate(accepted))
    head = header({"categories": count, **rule}, search.candidates_2d, ifs.csv)
    return Folder(Path(parameters.out) / "categories").fill(head, files, total=count, workers=1)


def check(parameters: Render) -> None:
    """Raise ValueError if the user's systems cannot be rendered; it names the file without a picture."""
    check_systems(parameters.systems, parameters.categories, parameters.points, parameters.weight)


def check_systems(root: str | None, first: int | None, points: int, weight: Weight = 1.0) -> None:
    """Raise ValueError if one of the first systems of a user's folder gives no picture; it names the system."""
    if not root:
        return
    pairs, every, _ = loaded(Path(root), first)
    choices = streams.shared_choices(points)
    for number, system in pairs:
        if sentence := point_cloud.defect(chaos_game.orbit(system.weighted(weight), choices)[1:]):
            place = _place(Path(root), every[number])
            raise ValueError(f"{place}: {sentence}, so there is nothing to draw; correct its maps, or remove it")


def loaded(root: Path, first: int | None) -> tuple[list[tuple[int, IFS]], dict[int, str], dict[str, Any]]:
    """The first systems of a folder, (number, IFS) pairs; the names of all; and what a manifest says of those."""
    systems, names = live.systems(root, 2), ifs.names(root)
    if first is not None:
        values.whole(1, len(systems), categories=first)
        systems = systems[:first]
    own = sorted(name for number, _ in systems if (name := names[number]) != f"{number:05d}")
    return systems, names, {"source": digest(systems), **({"names": own} if own else {})}


def _place(source: Path, name: str) -> str:
    """Where a user's system lies, in words."""
    path = source / f"{name}.csv"
    return str(path) if path.is_file() else f"{source}, system {name}"


def _tell_dull(parameters: Render, systems: Iterable[tuple[int, IFS]], names: Mapping[int, str]) -> None:
    """Print a line for each of the user's systems that lights less than a straight line does."""
    choices = streams.shared_choices(Rule.search_points)
    for number, system in systems:
        rate = raster.filling_rate(chaos_game.orbit(system.weighted(parameters.weight), choices))
        if rate < DULL:
            place = _place(parameters.source(), names[number])
            rest = f"less than a straight line ({DULL:.2%}); the search of categories asks for {Rule.filling_rate:.0%}"
            print(f"{place}: lights {rate:.2%} of its picture, {rest}")


def write(parameters: Render) -> Manifest:
    """Draw an image of each category of <out>/categories, or of the user's systems, to <out>/images.

    The name of a system's file, such as 00000.csv or fern.csv, names its class. The patches of an image depend on seed
    and category only, so any subset, order or number of workers gives the same files.
    """
    drawing = parameters.drawing()
    if parameters.systems and parameters.weight != 1:
        effect = live.effect(parameters.weight)
        print(f"{parameters.source()}: {effect}; -p weight 1 draws the systems as they are")
    systems, names, source = loaded(parameters.source(), parameters.categories)
    if parameters.systems:
        _tell_dull(parameters, systems, names)
    head = header({**source, **drawing}, image_files)
    files = image_files(systems, names, **drawing)
    return Folder(Path(parameters.out) / "images").fill(head, files, total=len(systems), workers=parameters.workers)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The image (size, size, 3) uint8 of a published category."""
    return rgb(search.published(2, category), category=category, **parameters.drawing())


def goldens() -> Iterator[tuple[str, bool]]:
    """The first published category, rendered with the original's two random streams."""
    pixels = rgb(search.published(2, 0), size=362, points=200_000, weight=0.2, draw="patch_gray", seed=0)
    known = "0131eb43aa082472f5ef17aab29fa9ebf59ee35eb7bafa11b0d18ce96fff2321"
    yield "the renderer makes the original's pixels", hashlib.sha256(pixels.tobytes()).hexdigest() == known


SMALL_SEARCH = {"categories": 6, "search_points": 2000, "filling_rate": 0.005}
SMALL = {"image_size": 48, "points": 1000}
FAMILY = Family(
    name="2d",
    title="2D-OFDB",
    stages=(
        Stage("0_explore_ifs", Explore),
        Stage("1_search_categories", Search, ("categories",), write_search, small=SMALL_SEARCH),
        Stage("2_render_2d", Render, ("images",), write, small=SMALL, check="ofdb_core.families.fractal_2d:check"),
    ),
    sources=(
        Source("images"),
        Source(
            "categories",
            live.LiveImages,
            live=live.ImagesDrawing,
            codes=True,
            suits=lambda root: ifs.dimensions(root) == 2,
        ),
    ),
    picture=picture,
    goldens=goldens,
)
