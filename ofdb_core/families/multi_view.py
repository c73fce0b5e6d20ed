"""MV-FractalDB: views of up to 145 models of each category of space (Yamada et al., IROS 2021).

A category's models are rows of weights on its coefficients; 3D-OFDB is the first of them. Each is seen from twelve
sides, in a ring around the Y axis. ExFractalDB (Kataoka et al., CVPR 2022) sees them from random viewpoints instead,
says its README; its released program is that of MV-FractalDB, so the rule for the viewpoints is ours.

A model has a stream of (seed, category, row). In the original nothing is seeded; `one_stream` follows its order.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.values import SEEDS, Count, Range
from ofdb_core.data import png
from ofdb_core.families import fractal_3d, live
from ofdb_core.families.live_views import WHITE, cloud
from ofdb_core.families.registry import Family, Source, Stage, golden
from ofdb_core.formulas import camera, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS, digest, weight_rows
from ofdb_core.formulas.streams import Mersenne

STEP = 0.1  # between factors


class Render(fractal_3d.Viewed):
    """Parameters of stage 3_render_mv-fractaldb; the defaults are those of the released MV-FractalDB."""

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of the models' points and of the viewpoints; each model has a stream of its own."""
    categories: Count | None = None
    """Number of categories to render, the first ones of categories3d/; null: all."""
    steps: Annotated[int, Range(0, 9)] = 6
    """Factors on a coefficient are 1 - k/10 to 1 + k/10 in tenths, for this k: 1 + 24 k models (MV-FractalDB: 6)."""
    instances: Count | None = None
    """Models of each category, the first rows of weights; null: all (MV-FractalDB: 145)."""
    views: Annotated[int, Range(1, 999)] = 12
    """Stored views of each model (MV-FractalDB: 12)."""
    viewpoints: Literal["stored", "circle", "sphere"] = "stored"
    """Viewpoints in a ring, as 3D-OFDB's stored ones; or random: uniform on that circle or the sphere (ExFractalDB)."""
    images: Annotated[int, Range(1, 999_999)] = 1000
    """Images of each category, with random viewpoints, of one model after another (ExFractalDB's paper: 1,000)."""

    def conflicts(self) -> Iterator[str]:
        if self.one_stream and self.viewpoints != "stored":
            yield f"one_stream: True needs viewpoints: stored; the original has none that are {self.viewpoints!r}"

    def inputs(self) -> tuple[str, ...]:
        return ("categories3d",)

    def code(self) -> tuple[Callable, ...]:
        return (write, picture)

    def weights(self) -> np.ndarray:
        """The rows of weights of a category's models, (n, 12) float64."""
        return weight_rows(STEP, 3, self.steps)[: self.instances]


def models(category: int, system: IFS, parameters: Render, stream: Mersenne) -> Iterator[tuple[int, np.ndarray]]:
    """The models of a category, each with its row of weights: points (n, 3) float64; those that diverge are left out.

    stream: of one_stream, whose numbers a model that is left out uses, too.
    """
    points, seed = parameters.model_points, parameters.seed
    for row, weight in enumerate(parameters.weights()):
        u = stream.random(points) if parameters.one_stream else streams.choices(points, seed, category, row)
        try:
            yield row, point_cloud.model(system, u, weight=weight)
        except point_cloud.Degenerate:
            print(f"category {category:06d} has no model of row {row}: it diverges or never moves")


def rotations(
    category: int, rows: list[int], parameters: Render, stream: Mersenne
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Triples of a model's number, its view's number and the camera's rotation, for a category's models of these rows.

    stream: of one_stream, for the jitter of stored views.
    """
    if parameters.viewpoints == "stored":
        views, seed = parameters.views, parameters.seed
        for number, row in enumerate(rows):
            own = functools.partial(streams.jitter, views, seed, category, row)
            jitter = stream.uniform(-np.pi, np.pi, views) if parameters.one_stream else own()
            for view in range(views):
                yield number, view, camera.stored((view,), jitter[view : view + 1], views=views)
    elif rows:
        on_sphere = parameters.viewpoints == "sphere"
        for i, (around, up) in enumerate(streams.viewpoints(parameters.images, parameters.seed, category).tolist()):
            yield i % len(rows), i // len(rows), camera.placed(2 * np.pi * around, 2 * up - 1 if on_sphere else 0.0)


def view_files(systems: Iterable[tuple[int, IFS]], parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs, one category after another.

    In a name, the second number counts the category's models, and the third the views of each.
    """
    points, views = Mersenne(parameters.seed), Mersenne([parameters.seed])
    how = {"size": parameters.image_size, "point_size": parameters.point_size}

    def make(points: np.ndarray, rotation: np.ndarray) -> bytes:
        return png.encode(camera.render(points, rotation, **how), camera.PALETTE)

    for category, system in systems:
        found = [(row, cloud(model)) for row, model in models(category, system, parameters, points)]
        for number, view, rotation in rotations(category, [row for row, _ in found], parameters, views):
            yield fractal_3d.view_name(category, (view,), number), functools.partial(make, found[number][1], rotation)


def write(parameters: Render) -> Manifest:
    """Render the views of all models of the categories in <out>/categories3d to <out>/mv-fractaldb."""
    systems = live.systems(Path(parameters.out) / "categories3d", 3)[: parameters.categories]
    how = {name: value for name, value in parameters.identity().items() if name != "categories"}
    each = len(parameters.weights()) * parameters.views if parameters.viewpoints == "stored" else parameters.images
    head, root = header({"source": digest(systems), **how}, view_files), Path(parameters.out) / "mv-fractaldb"
    total = len(systems) * each  # if all have models
    return Folder(root).fill(head, view_files(systems, parameters), total=total, workers=parameters.workers)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first view (size, size) uint8, without jitter, of the first model of a category of the released search."""
    u, system = streams.choices(parameters.model_points, parameters.seed, category), search.published(3, category)
    model = point_cloud.model(system, u, weight=parameters.weights()[0])
    return camera.view(model, (0,), (0.0,), **parameters.viewing()) * WHITE


def goldens() -> Iterator[tuple[str, bool]]:
    """The first models of the original's first categories, under NumPy's `RandomState(100)`, and their first view."""
    one, stream = FAMILY.example(seed=100, one_stream=True, instances=1), Mersenne(100)
    for category, known in enumerate(KNOWN):
        ((_, model),) = models(category, search.published(3, category), one, stream)
        yield golden(f"the first model of category {category}", model.tobytes(), known)
        if category == 0:
            *_, rotation = next(rotations(0, [0], one, Mersenne([0])))
            view = camera.PALETTE[camera.render(model, rotation)].tobytes()
            yield golden("its first view", view, "8e61666293d73c772a7adedbec2cd82b56b56af0b8df1bfb2455307242422e62")


KNOWN = (
    "5677d251191149da6b2b6769d092ee2d0539b7581143001bd2183dec1b821eb1",
    "67930ab2313ecd827c10cb46222518407726b2a79cfe09472e48f34369bed01d",
    "905073e58147233fa56dfe3a2061335198b51e60a267ebabe9cc52f3a311827f",
)
SMALL = {"model_points": 500, "instances": 3, "views": 3, "image_size": 32}
FAMILY = Family(
    name="mv-fractaldb",
    title="MV-FractalDB",
    stages=(Stage("3_render_mv-fractaldb", Render, ("mv-fractaldb",), write, small=SMALL),),
    sources=(Source("mv-fractaldb"),),
    picture=picture,
    goldens=goldens,
)
