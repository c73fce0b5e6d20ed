"""Samples whose views are rendered during training, from models in files or from systems alone.

A camera looks at a model from anywhere, or from the viewpoints of the stored views. The points are white squares, or
squares of random patches (see `live`).
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np

from ofdb_core.base.values import SEEDS, Length, Range
from ofdb_core.data import ply
from ofdb_core.data.layout import class_files, unwrapped
from ofdb_core.data.samples import Cache
from ofdb_core.families import live
from ofdb_core.formulas import camera, ifs, point_cloud, streams
from ofdb_core.formulas.ifs import IFS, Weight

MODEL = {"points": 10_000, "weight": 0.4, "seed": 0}  # the settings of the released models, and of the views
VIEWS = {"size": 224, "seed": 0, "axes": 1, "views": 12}
DRAWS = 8  # random numbers of a view: point size, share of points, three angles, three of a small turn
CAMERA, CHOICE = int(streams.FIRST), int(streams.GOLDEN)  # XORed with the key: separate streams for camera and thinning
WHITE = int(camera.PALETTE[1, 0])


class ViewsDrawing(live.Patched):
    """Parameters of views that are rendered from models during training."""

    size: Annotated[int, Range(1, 4096)] | None = None
    """Pixels, each side; null: as released (224)."""
    seed: Annotated[int, Range(0, SEEDS)] | None = None
    """Seed of the stored views' jitter; null: as released (0)."""
    axes: Annotated[int, Range(1, 3)] = 3
    """Number of axes that the camera turns about: 1 (as the stored views), 2 or 3 (any viewpoint)."""
    range: Annotated[float, Range(0, 360)] = 360.0
    """Degrees about each of these axes in which the camera may stand; 360: anywhere."""
    views: Annotated[int, Range(0, 999)] = 0
    """Stored viewpoints about each axis (12, with axes: 1) at which the camera stands; 0: anywhere."""
    jitter: Annotated[float, Range(0, 180)] = 3.0
    """Degrees, at most, of a further small turn about all three axes; none with views."""
    point_size: Annotated[list[int], Length(2, 2), Range(1, 3)] = [1, 2]
    """Pixels, each side, that a point lights: drawn between these."""
    points: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)] = [0.5, 1.0]
    """Share of a model's points that are drawn: between these."""
    depth: Literal["nearest", "last"] = "nearest"
    """Point that is seen where patches overlap: the nearest to the camera, or the last in its file."""

    def conflicts(self) -> Iterator[str]:
        yield from self.falling("point_size", "points")
        if self.unit == "image" and self.patches in ("pattern", "both") and self.point_size[0] < 3:
            yield "point_size: must be [3, 3] with unit: image; part of a mask may be all black"


class SystemsDrawing(ViewsDrawing, live.Varied):
    """Parameters of views of models that are made from systems of space."""

    steps: ClassVar[int] = 6

    weights: Annotated[float, Range(0, 0.16)] = 0.0
    """Spread of MV-FractalDB's rows of weights (0.1), one drawn in place of weight; 0: none."""
    seed: Annotated[int, Range(0, SEEDS)] | None = None
    """Seed of the stored models and views that systems stand for; null: as released (0)."""


def cloud(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) in the layout that `camera.render` reads fastest: float32, each axis contiguous."""
    return np.asfortranarray(points, np.float32)


def model(system: IFS, weight: Weight, *, points: int, seed: int, category: int) -> np.ndarray:
    """The `cloud` of a system's model; arguments as for `live.table`."""
    return cloud(point_cloud.model(system, streams.choices(points, seed, category), weight=weight))


def load_points(path: str | Path) -> np.ndarray:
    """The `cloud` of a model's file."""
    return cloud(ply.load(path))


class _Files:
    """Models in files, read at first use; an instance is the model itself."""

    def __init__(self, paths: list[Path], cache_bytes: int) -> None:
        self._paths, self._kept = paths, Cache(load_points, cache_bytes)

    def array(self, i: int, key: int | None = None) -> np.ndarray:
        """As `live.Shapes.array`."""
        return self._kept[self._paths[i]]


def _among(u: float, low: int, high: int) -> int:
    """A whole number from low to high, for u in [0, 1)."""
    return low + int(u * (high - low + 1))


class LiveViews:
    """Samples whose pictures are views of models, rendered each time they are read.

    The viewpoint is that of the first stored view, turned by a random angle about each of the camera's axes and then by
    a small one; with `views` it is that of any stored view. Point size and share of points vary too, and so do the
    patches if `patches` says so.

    views: the folder of the run's stored views; categories: each sample's category number, by which stored views are
    jittered.
    """

    def __init__(
        self,
        models: live.Shapes | _Files,
        labels: list[int],
        classes: list[str],
        drawing: ViewsDrawing,
        *,
        views: Path,
        categories: list[int],
        cache_bytes: int,
    ) -> None:
        self.labels, self.classes = np.asarray(labels, np.int64), classes
        self._models, self._drawing, self._categories = models, drawing, categories
        self._fresh, self._patches = drawing.share * live.KEYS, drawing.drawing(WHITE)
        self._size, self._jitter = drawing.size or VIEWS["size"], None
        if drawing.views:
            made = live.resolve_drawing(drawing, VIEWS, views, views)
            self._size, self._views, axes = made["size"], made["views"], made["axes"]
            self._order = camera.indices(axes=axes, views=self._views)
            jitter = functools.partial(streams.jitter, axes * len(self._order), made["seed"])
            self._jitter = Cache(jitter, cache_bytes)

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """A view of model i, (size, size) uint8; 0 and 255, unless its points have patches of grays.

        Without a key: the first stored view (without its jitter, unless there are `views`), of all points, at
        the smallest point size.
        """
        drawing, u = self._drawing, None if key is None else streams.units(np.uint64(key ^ CAMERA), DRAWS)
        fresh = key if key is not None and key < self._fresh else None
        points = self._models.array(i, fresh)
        rotation, side = self._rotation(i, u), drawing.point_size[0]
        if u is not None:
            side = _among(u[0], side, drawing.point_size[1])
            fewest, most = drawing.points
            points = point_cloud.thinned(points, fewest + u[1] * (most - fewest), (key or 0) ^ CHOICE)
        if fresh is None or self._patches is None:
            return camera.render(points, rotation, size=self._size, point_size=side, light=WHITE)
        patches, nearest = self._patches.drawn(fresh, len(points)), drawing.depth == "nearest"
        return camera.paint(points, rotation, patches, size=self._size, point_size=side, nearest=nearest)

    def _rotation(self, i: int, u: np.ndarray | None) -> np.ndarray:
        """The rotation of the camera to the viewpoint of the random numbers u, or, for None, to the first one."""
        if self._jitter is not None:
            view = 0 if u is None else _among(u[2], 0, len(self._order) - 1)
            jitter = self._jitter[self._categories[i]].reshape(len(self._order), -1)[view]
            return camera.stored(self._order[view], jitter, views=self._views)
        drawing = self._drawing
        if u is None:
            return camera.anywhere(np.zeros(drawing.axes), np.zeros(3))
        angles = (u[2 : 2 + drawing.axes] - 0.5) * drawing.range
        return camera.anywhere(angles, (u[5:8] * 2 - 1) * drawing.jitter)


def has_models(root: Path) -> bool:
    """Whether a folder holds <class>/<file>.ply."""
    return root.is_dir() and any(unwrapped(root, [".ply"]).glob("*/*.ply"))


def live_models(root: str | Path, drawing: ViewsDrawing, cache_bytes: int) -> LiveViews:
    """Views of the models <root>/<class>/<file>.ply; 12 bytes a point stay in memory."""
    paths, labels, classes = class_files(root, "model", [".ply"])
    named = [int(name) if name.isdecimal() else label for label, name in enumerate(classes)]
    models, views, numbers = _Files(paths, cache_bytes), Path(root).parent / "views", [named[label] for label in labels]
    return LiveViews(models, labels, classes, drawing, views=views, categories=numbers, cache_bytes=cache_bytes)


def live_systems(root: str | Path, drawing: SystemsDrawing, cache_bytes: int) -> LiveViews:
    """Views of models made from the systems of a folder or file; without variation they are those of `live_models`.

    A system without a model has no sample, as it has no file.
    """
    made = live.resolve_drawing(drawing, MODEL, root, Path(root).parent / "models")
    make, systems = functools.partial(model, points=made["points"], seed=made["seed"]), live.systems(root, 3)
    models = live.Shapes(systems, make, made["weight"], drawing, cache_bytes=cache_bytes, label="models")
    names, views, numbers = ifs.names(root), Path(root).parent / "views", models.numbers
    labels, classes = list(range(len(numbers))), [names[number] for number in numbers]
    return LiveViews(models, labels, classes, drawing, views=views, categories=numbers, cache_bytes=cache_bytes)
