"""3D-OFDB: one model for each category, a cloud of points that a camera can look at from anywhere.

A category is a random system of maps of space whose points spread along every axis (PC-FractalDB, Yamada et al., CVPR
2022). Its model is the orbit of the weighted system without its start, rescaled and centred (Nakamura et al., ICCV
2023, after MV-FractalDB, Yamada et al., IROS 2021). Sharing the models is enough: their views are stored, or rendered
during training, from anywhere, without stored images.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.threads import Once
from ofdb_core.base.values import MOST, SEEDS, Factor, Length, Range, Workers
from ofdb_core.data import ply, png
from ofdb_core.families import live_views
from ofdb_core.families.live_views import WHITE, load_points
from ofdb_core.families.registry import Family, Source, Stage, golden
from ofdb_core.formulas import camera, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS, csv, digest, dimensions, load_folder


class Viewed(StageParameters):
    """Parameters of views of models; the defaults are those of the released 3D-OFDB."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)
    renamed = {"points": "model_points"}

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of the models' points and of the cameras' jitter; each category has streams of its own."""
    model_points: Annotated[int, Range(3, MOST)] = 10_000
    """Points of a model's orbit, with its start, which is left out (3D-OFDB: 10,000)."""
    views: Annotated[int, Range(1, 999)] = 12
    """Stored for each axis: 12, 144 or 1,728 images a category (3D-OFDB: 12)."""
    image_size: Annotated[int, Range(1, 4096)] = 224
    """Pixels, each side (3D-OFDB: 224)."""
    point_size: camera.POINT_SIZE = 1
    """Pixels, each side, that a point lights: 1 (3D-OFDB), 2 or 3."""
    one_stream: bool = False
    """The original's order: one stream of random numbers through all models, one through all views."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""

    def viewing(self) -> dict[str, Any]:
        """The arguments of `camera.view` for the views, beside index and jitter."""
        return {"views": self.views, "size": self.image_size, "point_size": self.point_size}


class Render(Viewed):
    """Parameters of notebook 3_render_3d; the defaults are those of the released 3D-OFDB."""

    categories: Annotated[int, Range(1, 999_999)] = 1000
    """Number of categories; a longer search begins with the categories of a shorter one."""
    search_seed: Annotated[int, Range(0, SEEDS)] = 1
    """Seed of the one stream of candidates."""
    method: search.Method = "uniform"
    """How a candidate is drawn: its coefficients uniform, or its singular values, so that each map contracts."""
    search_points: Annotated[int, Range(3, MOST)] = 10_000
    """Points of each candidate's orbit, with its start (3D-OFDB: 10,000)."""
    variance: Annotated[float, Range(0, 0.9)] = 0.05
    """A candidate is a category when each axis varies more than this (3D-OFDB: 0.05)."""
    degenerate: Literal["skip", "keep"] = "skip"
    """A candidate whose weighted model diverges: skip it, or keep it without a model."""
    weight: Factor | Annotated[list[Factor], Length(12, 12)] = 0.4
    """Factor on coefficient a of every map (3D-OFDB: 0.4); or twelve factors, for a to l."""
    axes: camera.AXES = 1
    """Number of axes that the camera turns about: 1 (3D-OFDB), 2 or 3."""

    def conflicts(self) -> Iterator[str]:
        if self.one_stream and self.degenerate == "skip":
            yield "one_stream: True needs degenerate: keep; the original's order passes over no candidate"

    def model(self) -> dict[str, Any]:
        """The values that a model depends on, with its category's system and number."""
        return {"seed": self.seed, "points": self.model_points, "weight": self.weight}

    def search(self) -> dict[str, Any]:
        """The arguments of `search.candidates_3d` for the categories."""
        how = {} if self.method == "uniform" else {"method": self.method}
        return {"seed": self.search_seed, "points": self.search_points, "variance": self.variance, **how}


def model_name(category: int) -> str:
    """The original's file name of a model: the first of its category."""
    return f"{category:06d}/{category:06d}_0000.ply"


def _draws(categories: Iterable[tuple[int, IFS]], parameters: Render) -> Iterator[tuple[int, IFS, np.ndarray]]:
    """A triple (number, IFS, u) for each (number, IFS) pair; u: the numbers that choose its maps."""
    stream, points, seed = streams.Mersenne(parameters.seed), parameters.model_points, parameters.seed
    for number, system in categories:
        yield number, system, stream.random(points) if parameters.one_stream else streams.choices(points, seed, number)


def model_files(categories: Iterable[tuple[int, IFS]], parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs.

    one_stream: row i of the numbers of `RandomState(seed).random_sample((n, points))` chooses the maps of the i-th
    category, as in the original; else each category has a stream of its own and can be made alone.
    """

    def make(system: IFS, u: np.ndarray) -> bytes:
        return ply.encode(point_cloud.model(system, u, weight=parameters.weight))

    for category, system, u in _draws(categories, parameters):
        yield model_name(category), functools.partial(make, system, u)


def model_defects(categories: Iterable[tuple[int, IFS]], parameters: Render) -> dict[int, str]:
    """Category number -> why it has no model, if it has none; for (number, IFS) pairs."""
    defects = {}
    for category, system, u in _draws(categories, parameters):
        try:
            point_cloud.model(system, u, weight=parameters.weight)
        except point_cloud.Degenerate as error:
            defects[category] = str(error)
    return defects


def view_name(category: int, index: tuple[int, ...], model: int = 0) -> str:
    """The original's file name of a view: with the indices in reverse, so f stands at the end."""
    numbers = "_".join(f"{k:03d}" for k in reversed(index))
    return f"{category:06d}/{category:06d}_{model:05d}_{numbers}.png"


def view_files(models: Iterable[tuple[int, Path]], parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes: all views of models, which are (number, path) pairs.

    The jitter of a category's views is drawn from the stream of (seed, category), in the order of `camera.indices`.
    one_stream: from Python's `random.seed(seed)`, one model after another, as in the original.
    """
    seed, axes = parameters.seed, parameters.axes
    order, stream = camera.indices(axes=axes, views=parameters.views), streams.Mersenne([seed])

    def make(cloud: Once[np.ndarray], index: tuple[int, ...], jitter: tuple[float, ...]) -> bytes:
        return png.encode(camera.view(cloud(), index, jitter, **parameters.viewing()), camera.PALETTE)

    for category, path in models:
        count = axes * len(order)
        drawn = stream.uniform(-np.pi, np.pi, count) if parameters.one_stream else streams.jitter(count, seed, category)
        cloud = Once(functools.partial(load_points, path))  # of all views of a model
        for index, jitter in zip(order, drawn.reshape(-1, axes), strict=True):
            yield view_name(category, index), functools.partial(make, cloud, index, tuple(jitter))


def write_categories(parameters: Render) -> Manifest:
    """Search 3D categories and write them to <out>/categories3d as 000000.csv, ...; return the folder's manifest.

    A candidate whose weighted model diverges or degenerates is reported and skipped, so that every category has a
    model; with degenerate: keep it is a category.
    """
    count, rule = parameters.categories, parameters.search()
    skip = parameters if parameters.degenerate == "skip" else None
    systems = itertools.islice(_systems(search.candidates_3d(**rule, workers=parameters.workers), skip), count)
    files = ((f"{i:06d}.csv", functools.partial(csv, system)) for i, system in enumerate(systems))
    about = {"categories": count, **rule, "model": skip and skip.model()}
    head = header(about, search.candidates_3d, _systems, csv)
    return Folder(Path(parameters.out) / "categories3d").fill(head, files, total=count, workers=1)


def _systems(candidates: Iterable[search.Candidate], skip: Render | None) -> Iterator[IFS]:
    """The systems of accepted candidates; with `skip`, of those that have a model by these parameters."""
    number = 0
    for candidate in candidates:
        if not candidate.accepted:
            continue
        if skip and (defects := model_defects([(number, candidate.system)], skip)):
            print(f"candidate {candidate.number} is skipped: {defects[number]}")
        else:
            yield candidate.system
            number += 1


def write_models(parameters: Render) -> Manifest:
    """Write the model of each category of <out>/categories3d to <out>/models as a PLY file; return its manifest.

    A category whose weighted system gives no model has no file; the manifest's `missing` says which and why.
    """
    systems = load_folder(Path(parameters.out) / "categories3d")
    missing = model_defects(systems, parameters)
    for category, why in missing.items():
        print(f"category {category:06d} is kept without a model: {why}")
    about = {"source": digest(systems), **parameters.model(), "one_stream": parameters.one_stream}
    head = header(about, model_files)
    head["missing"] = {f"{category:06d}": why for category, why in missing.items()}
    lacking = {model_name(category) for category in missing}
    files = ((name, make) for name, make in model_files(systems, parameters) if name not in lacking)
    total = len(systems) - len(missing)
    return Folder(Path(parameters.out) / "models").fill(head, files, total=total, workers=parameters.workers)


def load_models(root: str | Path) -> list[tuple[int, Path]]:
    """(number, path) pairs of the PLY files of a folder, in order."""
    paths = sorted(Path(root).glob("[0-9]*/*_0000.ply"))
    if not paths:
        raise FileNotFoundError(f"{root}: holds no models (000000/000000_0000.ply, ...); write them first")
    return [(int(path.parent.name), path) for path in paths]


def write_views(parameters: Render) -> Manifest:
    """Render views**axes views of each model of <out>/models to <out>/views; return the folder's manifest."""
    root, axes = Path(parameters.out) / "models", parameters.axes
    models, about = load_models(root), {"source": Folder(root).proven(), "seed": parameters.seed, "axes": axes}
    head = header({**about, **parameters.viewing(), "one_stream": parameters.one_stream}, view_files)
    files, total = view_files(models, parameters), len(models) * parameters.views**axes
    return Folder(root.with_name("views")).fill(head, files, total=total, workers=parameters.workers)


def write(parameters: Render) -> None:
    """Fill <out>/categories3d, <out>/models and <out>/views."""
    write_categories(parameters)
    write_models(parameters)
    write_views(parameters)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first view (size, size) uint8, without jitter, of a category of the released search."""
    system = search.published(3, category)
    u = streams.choices(parameters.model_points, parameters.seed, category)
    points, axes = point_cloud.model(system, u, weight=parameters.weight), parameters.axes
    return camera.view(points, (0,) * axes, (0.0,) * axes, **parameters.viewing()) * WHITE


def goldens() -> Iterator[tuple[str, bool]]:
    """The original program's first category, its model and its first view, under the original's random streams."""
    first = search.published(3, 0)
    points = point_cloud.model(first, streams.choices(10_000, seed=100), weight=0.4)
    view = camera.PALETTE[camera.view(points, (0,), streams.jitter(1, seed=0), views=12)]
    yield golden("the first category", csv(first), "d553a774a6d3c4b4bb6e567f9679f2b0837fe5d97d3ad782c5da3b7201b69ae1")
    yield golden("its model", points.tobytes(), "5677d251191149da6b2b6769d092ee2d0539b7581143001bd2183dec1b821eb1")
    yield golden("its first view", view.tobytes(), "8e61666293d73c772a7adedbec2cd82b56b56af0b8df1bfb2455307242422e62")


SMALL = {"categories": 4, "model_points": 500, "views": 3, "image_size": 32}
FAMILY = Family(
    name="3d",
    title="3D-OFDB",
    stages=(Stage("3_render_3d", Render, ("categories3d", "models", "views"), write, small=SMALL),),
    sources=(
        Source("views"),
        Source("models", live_views.live_models, live=live_views.ViewsDrawing, suits=live_views.has_models),
        Source(
            "categories3d",
            live_views.live_systems,
            live=live_views.SystemsDrawing,
            codes=True,
            suits=lambda root: dimensions(root) == 3,
        ),
    ),
    picture=picture,
    goldens=goldens,
)
