"""3D-OFDB: one model for each category, a cloud of points that a camera can look at from anywhere.

A category is a random system of maps of space whose points spread along every axis (PC-FractalDB, Yamada et al., CVPR
2022). Its model is the orbit of the weighted system without its start, rescaled and centred (Nakamura et al., ICCV
2023, after MV-FractalDB, Yamada et al., IROS 2021). Sharing the models is enough: their views are stored, or rendered
during training, from anywhere, without stored images.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.folder import Folder, Makers
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.values import MOST, SEEDS, Factor, Length, Range, Workers
from ofdb_core.data import ply, png
from ofdb_core.families.fractal_2d import csv
from ofdb_core.families.live_views import (
    WHITE,
    SystemsDrawing,
    ViewsDrawing,
    has_models,
    live_models,
    live_systems,
    load_points,
)
from ofdb_core.families.registry import Family, Source, Stage
from ofdb_core.formulas import camera, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS, digest, dimensions, load_folder


class Render(StageParameters):
    """Parameters of notebook 3_render_3d; the defaults are those of the released 3D-OFDB."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)
    renamed = {"points": "model_points"}

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Of the models' points and of the cameras' jitter; each category has streams of its own."""
    categories: Annotated[int, Range(1, 999_999)] = 1000
    """How many to find; a longer search begins with the categories of a shorter one."""
    search_seed: Annotated[int, Range(0, SEEDS)] = 1
    """Of the one stream of candidates."""
    search_points: Annotated[int, Range(3, MOST)] = 10_000
    """Of each candidate's orbit, with its start (3D-OFDB: 10,000)."""
    variance: Annotated[float, Range(0, 0.9)] = 0.05
    """A candidate is a category when each axis varies more than this (3D-OFDB: 0.05)."""
    degenerate: Literal["skip", "keep"] = "skip"
    """A candidate whose weighted model diverges: skip it, or keep it without a model."""
    model_points: Annotated[int, Range(3, MOST)] = 10_000
    """Of a model's orbit, with its start, which is left out (3D-OFDB: 10,000)."""
    weight: Factor | Annotated[list[Factor], Length(12, 12)] = 0.4
    """On coefficient a of every map (3D-OFDB: 0.4); or twelve numbers, for a to l."""
    axes: camera.AXES = 1
    """What the camera turns about: 1 axis (3D-OFDB), 2 or 3."""
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

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.one_stream and self.degenerate == "skip":
            yield "one_stream: True needs degenerate: keep; the original's order passes over no candidate"

    def model(self) -> dict[str, Any]:
        """The arguments of `model_files` for the models."""
        return {"seed": self.seed, "points": self.model_points, "weight": self.weight}

    def search(self) -> dict[str, Any]:
        """The arguments of `search.candidates_3d` for the categories."""
        return {"seed": self.search_seed, "points": self.search_points, "variance": self.variance}


def model_name(category: int) -> str:
    """The original's file name of a model: the first of its category."""
    return f"{category:06d}/{category:06d}_0000.ply"


def _draws(
    categories: Iterable[tuple[int, IFS]], seed: int, points: int, one_stream: bool
) -> Iterator[tuple[int, IFS, np.ndarray]]:
    """A triple (number, IFS, u) for each (number, IFS) pair; u: the numbers that choose its maps."""
    stream = streams.Mersenne(seed)
    for category, system in categories:
        yield category, system, stream.random(points) if one_stream else streams.choices(points, seed, category)


def model_files(
    categories: Iterable[tuple[int, IFS]],
    *,
    seed: int,
    points: int,
    weight: float | list[float],
    one_stream: bool = False,
) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs.

    one_stream: row i of the numbers of `RandomState(seed).random_sample((n, points))` chooses the maps of the i-th
    category, as in the original; else each category has a stream of its own and can be made alone.
    """

    def make(system: IFS, u: np.ndarray) -> bytes:
        return ply.encode(point_cloud.model(system, u, weight=weight))

    draws = _draws(categories, seed, points, one_stream)
    return ((model_name(category), functools.partial(make, system, u)) for category, system, u in draws)


def model_defects(
    categories: Iterable[tuple[int, IFS]],
    *,
    seed: int,
    points: int,
    weight: float | list[float],
    one_stream: bool = False,
) -> dict[int, str]:
    """Category number -> why it has no model, if it has none; arguments as for `model_files`."""
    defects = {}
    for category, system, u in _draws(categories, seed, points, one_stream):
        try:
            point_cloud.model(system, u, weight=weight)
        except point_cloud.Degenerate as error:
            defects[category] = str(error)
    return defects


def view_name(category: int, index: tuple[int, ...], model: int = 0) -> str:
    """The original's file name of a view: with the indices in reverse, so f stands at the end."""
    numbers = "_".join(f"{k:03d}" for k in reversed(index))
    return f"{category:06d}/{category:06d}_{model:05d}_{numbers}.png"


def view_files(
    models: Iterable[tuple[int, Path]],
    *,
    seed: int,
    axes: int = 1,
    views: int = 12,
    size: int = 224,
    point_size: int = 1,
    one_stream: bool = False,
) -> Makers:
    """Pairs of a file name and a function that makes its bytes: all views of models, which are (number, path) pairs.

    The jitter of a category's views is drawn from the stream of (seed, category), in the order of `camera.indices`.
    one_stream: from Python's `random.seed(seed)`, one model after another, as in the original.
    """
    order, stream = camera.indices(axes=axes, views=views), streams.Mersenne([seed])
    cloud = functools.lru_cache(maxsize=16)(load_points)  # threads work on few models at a time, each of many views

    def make(path: Path, index: tuple[int, ...], jitter: tuple[float, ...]) -> bytes:
        image = camera.view(cloud(path), index, jitter, views=views, size=size, point_size=point_size)
        return png.encode(image, camera.PALETTE)

    for category, path in models:
        count = axes * len(order)
        drawn = stream.uniform(-np.pi, np.pi, count) if one_stream else streams.jitter(count, seed, category)
        for index, jitter in zip(order, drawn.reshape(-1, axes), strict=True):
            yield view_name(category, index), functools.partial(make, path, index, tuple(jitter))


def write_categories(
    root: str | Path,
    *,
    categories: int,
    seed: int = 1,
    points: int = 10_000,
    variance: float = 0.05,
    model: dict[str, Any] | None = None,
    workers: int = 0,
) -> Manifest:
    """Search n 3D categories and write them as 000000.csv, ...; return the folder's manifest.

    model: None, or seed, points and weight as for `model_files`: then a candidate whose weighted model diverges or
    degenerates is skipped and reported, so every category has a model.
    """
    values.whole(1, categories=categories)
    rule: dict[str, Any] = {"seed": seed, "points": points, "variance": variance}
    accepted = (candidate for candidate in search.candidates_3d(**rule, workers=workers) if candidate.accepted)
    systems = _with_models(accepted, categories, model)
    files = ((f"{i:06d}.csv", functools.partial(csv, system)) for i, system in enumerate(systems))
    head = header({"categories": categories, **rule, "model": model}, search.candidates_3d, _with_models, csv)
    return Folder(root).fill(head, files, total=categories, workers=1)


def _with_models(accepted: Iterator[search.Candidate], count: int, model: dict[str, Any] | None) -> Iterator[IFS]:
    """The systems of the first `count` candidates that have a model."""
    number = 0
    while number < count:
        candidate = next(accepted)
        if model and (defects := model_defects([(number, candidate.system)], **model)):
            print(f"candidate {candidate.number} is skipped: {defects[number]}")
        else:
            yield candidate.system
            number += 1


def write_models(
    root: str | Path,
    categories_root: str | Path,
    *,
    seed: int = 0,
    points: int = 10_000,
    weight: float | list[float] = 0.4,
    one_stream: bool = False,
    workers: int = 0,
) -> Manifest:
    """Write the model of each 3D category of a folder as a PLY file; return the manifest of the model folder.

    A category whose weighted system gives no model has no file; the manifest's `missing` says which and why.
    one_stream: the random numbers in the original's order (see `model_files`).
    """
    systems = load_folder(categories_root)
    model: dict[str, Any] = {"seed": seed, "points": points, "weight": weight, "one_stream": one_stream}
    missing = model_defects(systems, **model)
    for category, why in missing.items():
        print(f"category {category:06d} is kept without a model: {why}")
    head = header({"source": digest(systems), **model}, model_files)
    head["missing"] = {f"{category:06d}": why for category, why in missing.items()}
    lacking = {model_name(category) for category in missing}
    files = ((name, make) for name, make in model_files(systems, **model) if name not in lacking)
    return Folder(root).fill(head, files, total=len(systems) - len(missing), workers=workers)


def load_models(root: str | Path) -> list[tuple[int, Path]]:
    """(number, path) pairs of the PLY files of a folder, in order."""
    paths = sorted(Path(root).glob("[0-9]*/*_0000.ply"))
    if not paths:
        raise FileNotFoundError(f"{root}: holds no models (000000/000000_0000.ply, ...); write them first")
    return [(int(path.parent.name), path) for path in paths]


def write_views(
    root: str | Path,
    models_root: str | Path,
    *,
    seed: int = 0,
    axes: int = 1,
    views: int = 12,
    workers: int = 0,
    **drawing: Any,
) -> Manifest:
    """Render views**axes views of each model of a folder; return the manifest of the folder of views.

    drawing: size, point_size and one_stream as for `view_files`.
    """
    models, source = load_models(models_root), Folder(models_root).digest()
    drawing = {"seed": seed, "axes": axes, "views": views, **drawing}
    head = header({"source": source, **drawing}, view_files)
    files = view_files(models, **drawing)
    return Folder(root).fill(head, files, total=len(models) * views**axes, workers=workers)


def write(parameters: Render) -> None:
    """Fill <out>/categories3d, <out>/models and <out>/views."""
    found, models, images = (Path(parameters.out) / name for name in ("categories3d", "models", "views"))
    one_stream, workers, model = parameters.one_stream, parameters.workers, parameters.model()
    skip = model if parameters.degenerate == "skip" else None
    write_categories(found, categories=parameters.categories, model=skip, workers=workers, **parameters.search())
    write_models(models, found, one_stream=one_stream, workers=workers, **model)
    write_views(
        images,
        models,
        seed=parameters.seed,
        axes=parameters.axes,
        views=parameters.views,
        workers=workers,
        size=parameters.image_size,
        point_size=parameters.point_size,
        one_stream=one_stream,
    )


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first view (size, size) uint8, without jitter, of a category of the released search."""
    system = search.published(3, category)
    u = streams.choices(parameters.model_points, parameters.seed, category)
    points, axes = point_cloud.model(system, u, weight=parameters.weight), parameters.axes
    size, point_size = parameters.image_size, parameters.point_size
    return camera.view(points, (0,) * axes, (0.0,) * axes, size=size, point_size=point_size) * WHITE


def goldens() -> Iterator[tuple[str, bool]]:
    """The original program's first category, its model and its first view, under the original's random streams."""
    first = search.published(3, 0)
    points = point_cloud.model(first, streams.choices(10_000, seed=100), weight=0.4)
    view = camera.view(points, (0,), streams.jitter(1, seed=0), views=12)
    known = {
        "the first category": "d553a774a6d3c4b4bb6e567f9679f2b0837fe5d97d3ad782c5da3b7201b69ae1",
        "its model": "5677d251191149da6b2b6769d092ee2d0539b7581143001bd2183dec1b821eb1",
        "its first view": "8e61666293d73c772a7adedbec2cd82b56b56af0b8df1bfb2455307242422e62",
    }
    made = [csv(first), points.tobytes(), np.repeat(view[..., None] * WHITE, 3, axis=2).tobytes()]
    for (name, expected), data in zip(known.items(), made, strict=True):
        yield f"{name} is the original's", hashlib.sha256(data).hexdigest() == expected


FAMILY = Family(
    name="3d",
    title="3D-OFDB",
    stages=(
        Stage(
            "3_render_3d",
            Render,
            writes=("categories3d", "models", "views"),
            write=write,
            small={"categories": 4, "model_points": 500, "views": 3, "image_size": 32},
        ),
    ),
    sources=(
        Source("views"),
        Source("models", live_models, live=ViewsDrawing, suits=has_models),
        Source("categories3d", live_systems, live=SystemsDrawing, codes=True, suits=lambda root: dimensions(root) == 3),
    ),
    picture=picture,
    goldens=goldens,
)
