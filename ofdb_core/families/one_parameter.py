"""1p-frac: one system, and a category for each of its perturbations (Nakamura et al., "Scaling Backwards", ECCV 2024).

The one system is drawn by its singular values (Anderson and Farrell, WACV 2022): their weighted sum is the
sigma-factor, which sets how much its maps contract. A category multiplies every coefficient of every map by a number
near 1; p stays, so all categories share one sequence of map choices. A perturbation whose image is too empty is drawn
again.

A category's system is kept as a file, with the position in its stream where its patches begin, so that file and seed
give the image again; or training draws it, each time anew. In the original nothing is seeded; here a stream belongs to
(seed, category). `one_stream` follows the original's order under Python's `random.seed(seed)`: one stream through all
categories.
"""

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder, fingerprint
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.values import SEEDS, Place, Points, Range, Share, Workers
from ofdb_core.data import png
from ofdb_core.families import fractal_2d, live
from ofdb_core.families.registry import Family, Source, Stage, golden
from ofdb_core.formulas import chaos_game, ifs, raster, singular
from ofdb_core.formulas.ifs import IFS
from ofdb_core.formulas.streams import Mersenne, shared_choices

MAPS = 2
SPREAD = 0.1  # of the sigma-factor, above and below
DRAW = "patch_gray"
TRIES = 1000  # perturbations of a category, before giving up
RELEASED = {"size": 512, "points": 100_000, "weight": 1.0, "seed": 0}  # the settings of the published images


class Render(StageParameters):
    """Parameters of stage 3_render_1p-frac: the published set (Nakamura et al., ECCV 2024).

    CIFAR-100 by delta, with ViT-Tiny: 0.01 19.9 %, 0.05 83.0 %, 0.1 84.2 %, 0.2 83.4 %.
    """

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    categories: Annotated[int, Range(1, 99_999)] = 1000
    """Perturbations of the one system (1p-frac: 1,000)."""
    system_seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of the one system (the original has no seed)."""
    sigma: Annotated[float, Range(0.2, 5.8)] = 3.5
    """The system's sigma-factor, within 0.1 (1p-frac's published table: 3.5; their script generate.sh: 4.0)."""
    delta: Annotated[float, Range(0, 1)] = 0.1
    """Factors are 1 - delta to 1 + delta (1p-frac: 0.1)."""
    image_size: Annotated[int, Range(16, 4096)] = 512
    """Pixels, each side (1p-frac: 512)."""
    points: Points = 100_000
    """Dots of an image (1p-frac: 100,000)."""
    filling_rate: Share = 0.05
    """An image is drawn again unless more than this share of its pixels is lit (1p-frac: 0.05)."""
    systems: Place | None = None
    """A folder of systems to draw instead, as 1p-frac-codes or some of its files; null: perturbations of the one."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all categories."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""

    def conflicts(self) -> Iterator[str]:
        if self.one_stream and self.systems:
            yield "one_stream: True needs systems: null; patches of systems in files have streams of their own"

    def code(self) -> tuple[Callable, ...]:
        return (write, picture)


def system(seed: int, sigma: float) -> IFS:
    """The base system of NumPy's `default_rng(seed)`, in the original's order of draws and of arithmetic."""
    A, t = singular.maps(np.random.default_rng(seed), MAPS, sigma - SPREAD, sigma + SPREAD)
    area = np.array([_determinant(*map_) for map_ in A.tolist()])
    return IFS(A, t, area / area.sum())


def _determinant(upper: list[float], lower: list[float]) -> float:
    """|det| of a 2 x 2 matrix as NumPy computes it: from the pivots of LAPACK's decomposition, with logarithms."""
    if abs(lower[0]) > abs(upper[0]):
        upper, lower = lower, upper
    pivot = lower[1] - lower[0] * (1.0 / upper[0]) * upper[1]
    return math.exp(math.log(abs(upper[0])) + math.log(abs(pivot)))


def perturbed(base: IFS, delta: float, stream: Mersenne) -> IFS:
    """A category: every coefficient of the base system multiplied by a number from 1 - delta to 1 + delta; p stays."""
    return base.weighted(stream.uniform(1 - delta, 1 + delta, 6 * len(base)).reshape(-1, 6))


def indices(system: IFS, parameters: Render, stream: Mersenne) -> np.ndarray:
    """The image of a system with the next patches of a stream, as palette indices (size, size) uint8."""
    with np.errstate(invalid="ignore", over="ignore"):
        orbit = raster.drop_nan(chaos_game.orbit(system, shared_choices(parameters.points)))
    return raster.draw_indices(orbit, DRAW, parameters.image_size, stream.patches(len(orbit)))


def accepted(base: IFS, parameters: Render, stream: Mersenne) -> tuple[IFS, int, np.ndarray]:
    """The next category of a stream: the first perturbation that fills enough, where its patches begin, its image."""
    for _ in range(TRIES):
        system = perturbed(base, parameters.delta, stream)
        start, image = stream.position, indices(system, parameters, stream)
        if np.count_nonzero(image) > parameters.filling_rate * image.size:
            return system, start, image
    raise ValueError(
        f"filling_rate: none of {TRIES} perturbations lights more than {parameters.filling_rate} of the pixels with "
        f"{parameters.points} points and delta {parameters.delta}; lower it"
    )


def code_files(parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes: the systems of the categories."""
    base, stream = system(parameters.system_seed, parameters.sigma), Mersenne([parameters.seed])

    def make(category: int) -> bytes:
        return ifs.csv(*accepted(base, parameters, Mersenne([parameters.seed, category]))[:2])

    for category in range(parameters.categories):
        if parameters.one_stream:
            found, start, _ = accepted(base, parameters, stream)
            yield f"{category:05d}.csv", functools.partial(ifs.csv, found, start)
        else:
            yield f"{category:05d}.csv", functools.partial(make, category)


def image_name(name: str) -> str:
    """A name as in 2D-OFDB; the original's, of two or three digits, do not sort in order as text."""
    return f"{name}/{name}_00_count_0_flip0.png"


def image_files(codes: Path, parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for the systems of a folder."""
    names, starts, gray = ifs.names(codes), ifs.starts(codes), raster.palette(DRAW)
    stream = Mersenne([parameters.seed])

    def make(category: int, system: IFS) -> bytes:
        own = Mersenne([parameters.seed, category])
        own.skip_to(starts[category])
        return png.encode(indices(system, parameters, own), gray)

    for category, found in ifs.load_folder(codes):
        if parameters.one_stream:
            stream.skip_to(starts[category])
            maker = functools.partial(png.encode, indices(found, parameters, stream), gray)
        else:
            maker = functools.partial(make, category, found)
        yield image_name(names[category]), maker


def check(parameters: Render) -> None:
    """Raise ValueError if the user's systems cannot be rendered; it names the file without a picture."""
    fractal_2d.check_systems(parameters.systems, None, parameters.points)


def write(parameters: Render) -> Manifest:
    """Fill <out>/1p-frac-codes with the categories' systems, or the user's, and <out>/1p-frac with their images."""
    about = {name: value for name, value in parameters.identity().items() if name != "systems"}
    codes, makers, total = Path(parameters.out) / "1p-frac-codes", code_files(parameters), parameters.categories
    if given := parameters.systems:
        names, starts, pairs = ifs.names(given), ifs.starts(given), ifs.load_folder(given)
        total, about["source"] = len(pairs), fingerprint(given)
        makers = ((f"{names[i]}.csv", functools.partial(ifs.csv, system, starts[i])) for i, system in pairs)
    how: dict[str, Any] = {"total": total, "workers": parameters.workers}
    Folder(codes).fill(header(about, code_files), makers, **how)
    return Folder(codes.with_name("1p-frac")).fill(header(about, image_files), image_files(codes, parameters), **how)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The image (size, size, 3) uint8 of a category."""
    base, stream = system(parameters.system_seed, parameters.sigma), Mersenne([parameters.seed, category])
    return raster.palette(DRAW)[accepted(base, parameters, stream)[-1]]


def live_codes(root: str | Path, drawing: live.ImagesDrawing, cache_bytes: int) -> live.LiveImages:
    """Samples drawn from the systems in <root>/*.csv."""
    how: dict[str, Any] = {"released": RELEASED, "stored": "1p-frac", "starts": ifs.starts(root)}
    return live.LiveImages(root, drawing, cache_bytes, **how)


def goldens() -> Iterator[tuple[str, bool]]:
    """The original's system of seed 0, and its first image under Python's `random.seed(0)`, which is a second try."""
    base = system(0, 3.5)
    pixels = raster.palette(DRAW)[accepted(base, Render(out="", seed=0), Mersenne([0]))[-1]].tobytes()
    yield golden("the one system", ifs.csv(base), "4db89b3c958eb5d346e334b4f042bbef6b61f848ebc366b5a65b8fe329a2f40f")
    yield golden("the first image", pixels, "16f520cebe15e8ffccb0674ae5e2d5e934a43e08143f9f484ed5eb202ad41da4")


CHECK = "ofdb_core.families.one_parameter:check"
SMALL = {"categories": 5, "image_size": 48, "points": 1000}
FAMILY = Family(
    name="1p-frac",
    title="1p-frac",
    stages=(Stage("3_render_1p-frac", Render, ("1p-frac-codes", "1p-frac"), write, small=SMALL, check=CHECK),),
    sources=(Source("1p-frac"), Source("1p-frac-codes", live_codes, live=live.ImagesDrawing, codes=True)),
    picture=picture,
    goldens=goldens,
)
