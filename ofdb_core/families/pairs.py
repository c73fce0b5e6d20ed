"""Pairs of an image and a point cloud of one system of space, as formula-supervised pre-training of both needs them.

(FSVGP, Yamada et al., ECCV 2024.) A pair is a view of a model and the model's points as that camera has them: x to the
right, y up, z towards it. The models are those of MV-FractalDB, the viewpoints random; the rule for them is ours. Files
of a pair have one name in two folders, and `data.pairs` reads both.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.values import Count, Range
from ofdb_core.data import ply, png
from ofdb_core.families import fractal_3d, live, multi_view
from ofdb_core.families.live_views import WHITE, cloud
from ofdb_core.families.registry import Family, Source, Stage
from ofdb_core.formulas import camera, search
from ofdb_core.formulas.ifs import IFS, digest
from ofdb_core.formulas.streams import Mersenne

FRONT = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)  # the rotation of a camera that looks along -z
IMAGES, POINTS = "pairs-images", "pairs-points"
Pair = tuple[str, np.ndarray, np.ndarray]  # name without ending, points (n, 3), rotation (3, 3)


class Render(multi_view.Render):
    """Parameters of stage 3_render_pairs."""

    instances: Count | None = 1
    """Models of each category, the first rows of weights; null: all of `steps`."""
    viewpoints: Literal["stored", "circle", "sphere"] = "sphere"
    """Random: uniform on the sphere or on a circle; or stored: in a ring as 3D-OFDB's views."""
    images: Annotated[int, Range(1, 999_999)] = 1
    """Pairs of each category, with random viewpoints, of one model after another."""

    def code(self) -> tuple[Callable, ...]:
        return (write, picture)


def pairs(systems: Iterable[tuple[int, IFS]], parameters: Render) -> Iterator[Pair]:
    """All pairs of (number, IFS) pairs, one category after another."""
    points, views = Mersenne(parameters.seed), Mersenne([parameters.seed])
    for category, system in systems:
        found = list(multi_view.models(category, system, parameters, points))
        rows = [row for row, _ in found]
        for number, view, rotation in multi_view.rotations(category, rows, parameters, views):
            yield fractal_3d.view_name(category, (view,), number).removesuffix(".png"), found[number][1], rotation


def seen(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Points (n, 3) float64 as the camera of a rotation has them: right, up, towards it; the origin stays."""
    return points @ camera.look_at(rotation)[:, :3].T.astype(float)


def image_files(some: Iterable[Pair], parameters: Render) -> Makers:
    """Pairs of a file name and a function that makes its bytes: the images."""
    how = {"size": parameters.image_size, "point_size": parameters.point_size}

    def make(points: np.ndarray, rotation: np.ndarray) -> bytes:
        return png.encode(camera.render(cloud(points), rotation, **how), camera.PALETTE)

    for name, points, rotation in some:
        yield f"{name}.png", functools.partial(make, points, rotation)


def point_files(some: Iterable[Pair]) -> Makers:
    """Pairs of a file name and a function that makes its bytes: the point clouds."""
    for name, points, rotation in some:
        yield f"{name}.ply", functools.partial(_encoded, points, rotation)


def _encoded(points: np.ndarray, rotation: np.ndarray) -> bytes:
    return ply.encode(seen(points, rotation))


def write(parameters: Render) -> Manifest:
    """Write the pairs of the categories in <out>/categories3d to <out>/pairs-points and <out>/pairs-images."""
    out = Path(parameters.out)
    systems = live.systems(out / "categories3d", 3)[: parameters.categories]
    about = {name: value for name, value in parameters.identity().items() if name != "categories"}
    about["source"] = digest(systems)
    each = len(parameters.weights()) * parameters.views if parameters.viewpoints == "stored" else parameters.images
    how = {"total": len(systems) * each, "workers": parameters.workers}
    points = point_files(pairs(systems, parameters))
    Folder(out / POINTS).fill(header(about, point_files, pairs), points, **how)
    images = image_files(pairs(systems, parameters), parameters)
    return Folder(out / IMAGES).fill(header(about, image_files, pairs), images, **how)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The image (size, size) uint8 of a category's first pair; the category is one of the released search."""
    _, points, rotation = next(pairs([(category, search.published(3, category))], parameters))
    how = {"size": parameters.image_size, "point_size": parameters.point_size}
    return camera.render(cloud(points), rotation, **how) * WHITE


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no original's file; the points, looked at along -z, are the image, but for rounding."""
    _, points, rotation = next(pairs([(0, search.published(3, 0))], FAMILY.example()))
    image, again = camera.render(points, rotation), camera.render(seen(points, rotation), FRONT)
    yield "the points lie as the image shows them", bool((image != again).sum() < 0.01 * image.sum())


SMALL = {"model_points": 500, "images": 2, "image_size": 32}
FAMILY = Family(
    name="pairs",
    title="Pairs of image and points",
    stages=(Stage("3_render_pairs", Render, (POINTS, IMAGES), write, small=SMALL),),
    sources=(Source(IMAGES),),
    picture=picture,
    goldens=goldens,
)
