"""Samples whose images are drawn during training, from systems alone.

An instance has the dots of the stored image and new patches (OFDB's random pattern and random texture; Nakamura et al.,
ICCV 2023); if its coefficients vary, too, it has new dots. Without a key it is the stored image.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from tqdm import tqdm

from ofdb_core.base import threads, values
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import MOST, SEEDS, Factor, Length, Range, Share
from ofdb_core.data.samples import Cache
from ofdb_core.formulas import chaos_game, instances, point_cloud, raster, streams
from ofdb_core.formulas.ifs import IFS, Weight, load_folder, names, say_once, weight_rows

RELEASED = {"size": 362, "points": 200_000, "weight": 0.2, "seed": 0}  # the settings of the released images
FIXED = {"draw": "patch_gray", "one_stream": False}  # settings that training cannot change
DOTS = {"points": "dots"}  # a manifest's name of a parameter -> its name here
SIZE = {"image_size": "size"}  # a name in some manifests -> that in others
KEYS = 2**64
FLIP = int(streams.FIRST)  # XORed with the key: a stream for flips
FACTORS = 1  # the number, among a key's streams, of the one for factors of coefficients
NEW = {"pattern": "pattern", "texture": "texture", "both": "pattern and texture"}  # of `Patched.patches`


class Patched(Parameters):
    """Parameters of samples whose dots have patches; new patches cost 0.05 to 0.08 ms an image, 0.1 ms a view."""

    patches: Literal["stored", instances.Kind] = "stored"
    """Patch of a dot: stored, or drawn anew: pattern (a random mask), texture (random grays) or both."""
    unit: instances.Unit = "dot"
    """What a patch is drawn for: each dot, or the whole image."""
    levels: Annotated[list[int], Length(2, 2), Range(0, 255)] = [0, 255]
    """Grays of a texture: between these."""
    share: Share = 1.0
    """Share of the samples that are drawn so; the others are as stored."""

    def __str__(self) -> str:
        if self.patches == "stored":
            return "patches as stored"
        grays = "" if self.patches == "pattern" else ", grays {} to {}".format(*self.levels)
        return f"a new {NEW[self.patches]} for each {self.unit}{grays}"

    def conflicts(self) -> Iterator[str]:
        yield from self.falling("levels")

    def drawing(self, light: int) -> instances.Patches | None:
        """How the patches of an instance are drawn; None: the stored ones."""
        low, high = self.levels
        return None if self.patches == "stored" else instances.Patches(self.patches, self.unit, (low, high), light)


class Varied(Parameters):
    """Parameters of samples whose systems vary: 3 ms an image, 0.7 ms a view.

    steps: of `weight_rows`.
    """

    steps: ClassVar[int] = 2

    delta: Share = 0.0
    """A factor on each coefficient, from 1 - this to 1 + this (1p-frac: 0.1)."""
    weights: Annotated[float, Range(0, 0.5)] = 0.0
    """Spread of FractalDB's rows of weights (0.4), one drawn in place of weight; 0: none."""
    dots: Annotated[int, Range(3, MOST)] | None = None
    """Dots of an image, or points of a model; null: as released (200,000; 1p-frac: 100,000; models: 10,000)."""
    weight: Factor | Annotated[list[Factor], Length(6, 12)] | None = None
    """Factor on coefficient a, or a list for all; null: as released (0.2; 1p-frac: 1; in space: 0.4)."""
    seed: Annotated[int, Range(0, SEEDS)] | None = None
    """Seed of the stored images that systems stand for; null: as released (0)."""


class ImagesDrawing(Patched, Varied):
    """Parameters of samples drawn from systems of the plane."""

    flips: bool = False
    """Turn samples over, top to bottom and left to right, each with a probability of 1/2, as FractalDB's images."""
    size: Annotated[int, Range(1, 4096)] | None = None
    """Pixels, each side; null: as released (362; 1p-frac: 512)."""


def effect(weight: Weight) -> str:
    """What a weight does, in words."""
    what = f"coefficient a of every map is multiplied by {weight}" if np.ndim(weight) == 0 else f"factors {weight}"
    return f"weight: {what}, as 2D-OFDB does by 0.2 and 3D-OFDB by 0.4"


def resolve_drawing(drawing: Parameters, released: dict[str, Any], root: str | Path, stored: Path) -> dict[str, Any]:
    """The settings of pictures: the parameters', and the released ones where a parameter is None.

    root: the folder of the systems; stored: that of the run's stored pictures. If these were made with another value,
    the parameter's value is used and a line says so; for a parameter of None that is a ValueError.
    """
    made = {}
    facts = Folder(stored).manifest()["parameters"] if Folder(stored).is_complete() else {}
    facts = {SIZE.get(name, name): value for name, value in facts.items()}
    for name, only in FIXED.items():
        if facts.get(name, only) != only:
            raise ValueError(f"{stored} was made with {name}: {facts[name]}; while training it can only be {only}")
    for name, usual in released.items():
        parameter = DOTS.get(name, name)
        given = getattr(drawing, parameter)
        made[name], had = usual if given is None else given, facts.get(name)
        if name == "weight" and given is None and usual != 1 and not Folder(root).is_complete():
            print(f"{root}: {effect(usual)}; -p live.weight 1 draws the systems as they are")
        if name in facts and had != made[name]:
            sentence = f"live.{parameter}: {made[name]}, but {stored} was made with {had}"
            if given is None:
                raise ValueError(f"{sentence}; give one of the two")
            print(sentence)
    return made


def systems(root: str | Path, d: int) -> list[tuple[int, IFS]]:
    """(number, IFS) pairs of d dimensions, of a folder or file; others are left out, and if all are, a ValueError."""
    pairs = load_folder(root)
    fit = [(number, system) for number, system in pairs if system.d == d]
    if not fit:
        raise ValueError(f"{root}: holds systems of {pairs[0][1].d} dimensions; {d} are needed")
    if others := len(pairs) - len(fit):
        say_once(f"{root}: {others} of {len(pairs)} systems have {5 - d} dimensions, not {d}, and are left out")
    return fit


class Shapes:
    """An array for each system, make(system, weight, category=number): the stored one, or one varied for an instance.

    The stored arrays are made here, in threads, and kept up to cache_bytes; the rest are made anew at each use. A
    `Degenerate` system is named and left out of the `numbers`.

    For an instance, a row of `weight_rows` replaces the weight if there are weights; then each coefficient is
    multiplied by a factor from 1 - delta to 1 + delta.
    """

    def __init__(
        self,
        systems: Iterable[tuple[int, IFS]],
        make: Callable[..., np.ndarray],
        weight: Weight,
        drawing: Varied,
        *,
        cache_bytes: int,
        label: str,
    ) -> None:
        self._systems, self._make, self._delta = dict(systems), make, drawing.delta
        d = next(iter(self._systems.values())).d
        self._weights = [weight, *(weight_rows(drawing.weights, d, drawing.steps) if drawing.weights else [])]
        self._kept: Cache[tuple[int, int]] = Cache(self._of_row, cache_bytes)
        lacking = self._begin(label)
        self.numbers = [number for number in self._systems if number not in lacking]
        if not self.numbers:
            raise ValueError(f"none of {len(lacking)} systems gives {label}")

    def _of_row(self, key: tuple[int, int]) -> np.ndarray:
        number, row = key
        return self._make(self._systems[number], self._weights[row], category=number)

    def _begin(self, label: str) -> set[int]:
        """Make the stored arrays, and return the numbers of the systems that have none."""
        lacking, total = set(), len(self._systems)

        def begin(number: int) -> tuple[int, str]:
            try:
                self._kept[number, 0]
            except point_cloud.Degenerate as error:
                return number, str(error)
            return number, ""

        tasks = (functools.partial(begin, number) for number in self._systems)
        for number, why in tqdm(threads.results(tasks, os.cpu_count() or 1), label, total, unit="category"):
            if why:
                lacking.add(number)
                print(f"category {number} is left out: {why}")
        megabytes, rest = self._kept.nbytes / 1e6, total - len(lacking) - len(self._kept)
        print(f"{len(self._kept)} {label} in memory, {megabytes:.0f} MB" + (f"; {rest} are made anew" if rest else ""))
        return lacking

    def array(self, i: int, key: int | None = None) -> np.ndarray:
        """The array of the i-th of the numbers, or of an instance; if that is `Degenerate`, the stored one."""
        number, rows = self.numbers[i], len(self._weights) - 1
        if key is None:
            return self._kept[number, 0]
        row = 1 + key % rows if rows else 0
        try:
            if not self._delta:
                return self._kept[number, row]
            system = self._systems[number]
            factors = system.factors(self._weights[row])
            noise = np.random.default_rng([key, FACTORS]).uniform(1 - self._delta, 1 + self._delta, factors.shape)
            return self._make(system, factors * noise, category=number)
        except point_cloud.Degenerate:
            return self._kept[number, 0]


def table(
    system: IFS,
    weight: Weight,
    *,
    size: int,
    points: int,
    seed: int,
    category: int,
    starts: Mapping[int, int] | None = None,
) -> np.ndarray:
    """The dots of an image of 2D-OFDB, as an `instances.table`; arguments as for `fractal_2d.indices`.

    starts: see `ifs.starts`.
    """
    orbit = chaos_game.orbit(system.weighted(weight), streams.shared_choices(points))
    masks = streams.patches(points, seed, category, start=(starts or {}).get(category, 0))
    return instances.table(raster.to_pixels(orbit, size), masks, size)


class LiveImages:
    """Samples whose pictures are drawn from the systems of a folder or file, one for each.

    It keeps tables of dots in memory, 50 KB a category as released. released: the settings of the stored images, which
    lie beside root in the folder `stored`; starts: see `ifs.starts`.
    """

    def __init__(
        self,
        root: str | Path,
        drawing: ImagesDrawing,
        cache_bytes: int,
        *,
        released: dict[str, Any] = RELEASED,
        stored: str = "images",
        starts: Mapping[int, int] | None = None,
    ) -> None:
        made = resolve_drawing(drawing, released, root, Path(root).parent / stored)
        self._size = made["size"]
        values.whole(2 * raster.PAD + 1, **{"live.size": self._size})
        make = functools.partial(table, size=self._size, points=made["points"], seed=made["seed"], starts=starts)
        self._shapes = Shapes(systems(root, 2), make, made["weight"], drawing, cache_bytes=cache_bytes, label="tables")
        named = names(root)
        self.classes = [named[number] for number in self._shapes.numbers]
        self.labels = np.arange(len(self.classes))
        self._patches, self._fresh, self._flips = drawing.drawing(raster.GRAY), drawing.share * KEYS, drawing.flips

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """The image of category i, (size, size) uint8; without a key the stored one."""
        fresh = key if key is not None and key < self._fresh else None
        table = self._shapes.array(i, fresh)
        if fresh is None or self._patches is None:
            patches = instances.stored(table, raster.GRAY)
        else:
            patches = self._patches.drawn(fresh, len(table))
        image = instances.paint(table, patches, self._size)
        if fresh is None or not self._flips:
            return image
        return raster.flipped(image, int(streams.split_mix(np.uint64(fresh ^ FLIP), 0) >> np.uint64(62)))
