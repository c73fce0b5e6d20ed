"""PC-FractalDB: scenes of fractals in space, with boxes and labels (Yamada et al., CVPR 2022).

An instance of a category is the points of its system and, a fifth of all, those of another category's, as noise. A
scene stands 15 or more instances in a room, apart from each other, each in a box and turned about the vertical axis.
Here a scene is a file of labelled points, a file of boxes as the authors' program writes it, a picture, and a mask with
the categories of what the picture shows. That a model fills its box is our rule, and so are camera and streams: each
instance has one of (seed, category, instance), each scene one of (seed, scene).
"""

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, TypedDict

import numpy as np

from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.threads import Once
from ofdb_core.base.values import MOST, SEEDS, Range, Share, Workers
from ofdb_core.data import ply, scenes
from ofdb_core.families import live
from ofdb_core.families.live_views import WHITE, cloud
from ofdb_core.families.registry import Family, Source, Stage, golden
from ofdb_core.formulas import camera, chaos_game, point_cloud, search, streams
from ofdb_core.formulas.ifs import IFS, digest
from ofdb_core.formulas.streams import Mersenne

ROOM = 15.0  # the sides of a scene
MORE = 5  # objects of a scene beyond `objects`, on average: a Poisson number
TRIES = 100  # places for an object; if none is free, the scene is full
APART = 0.25  # at least, between the circles around two objects
SCENES, PARTNERS = 1, 2  # the uses of a seed's streams
NEAR = 1 / 7.2  # the scale at which a camera sees the whole room
HEIGHTS = 0.4, 0.95  # of a camera, for a distance of 1
SCENE, POINTS = "pc-fractaldb", "pc-fractaldb-points"


class Box(TypedDict):
    """Size (3) and centre (3) of a box on the floor, by the authors' names."""

    size: list[float]
    c_pos: list[float]


class Object(Box):
    """An object in its box, turned by theta radians about the vertical axis."""

    theta: float
    class_name: str
    file_name: str


Objects = list[tuple[int, int, Object]]  # a category's place in the list of systems, an instance, and where it stands
Systems = list[tuple[int, IFS]]


class Render(StageParameters):
    """Parameters of stage 3_render_pc-fractaldb; the defaults are the authors', but for points, size and categories."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of instances and scenes; each has a stream of its own."""
    categories: Annotated[int, Range(1, 254)] | None = None
    """The first ones of categories3d/; null: all, or 254 (PC-FractalDB: 1,000, which a mask cannot name)."""
    instances: Annotated[int, Range(1, 9999)] = 1000
    """Instances of each category, from which the objects are drawn (PC-FractalDB: 1,000)."""
    noise: Share = 0.2
    """Share of an instance's points that another category's system makes (PC-FractalDB: 0.2)."""
    model_points: Annotated[int, Range(100, MOST)] = 10_000
    """Points of an instance's two orbits, with their starts, which are left out (PC-FractalDB: 10,000)."""
    images: Annotated[int, Range(1, 999_999)] = 10_000
    """Scenes (PC-FractalDB: 10,000)."""
    objects: Annotated[int, Range(1, 200)] = 15
    """Objects of a scene, to which a Poisson number of mean 5 is added; what finds no place is left out."""
    scene_points: Annotated[int, Range(1000, MOST)] = 20_000
    """Points of a scene, at most; all objects have the same number."""
    image_size: Annotated[int, Range(16, 4096)] = 512
    """Pixels, each side."""
    point_size: camera.POINT_SIZE = 2
    """Pixels, each side, that a point lights: 1, 2 or 3."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""

    def inputs(self) -> tuple[str, ...]:
        return ("categories3d",)

    def code(self) -> tuple[Callable, ...]:
        return (write, picture)


def box(stream: Mersenne, others: Sequence[Box]) -> Box | None:
    """The box of the next object; None if no place is free."""
    base = 0.75 + 0.5 * stream.random(1)[0]
    size = (np.array([1, *(0.9 + 0.2 * stream.random(2))], np.float32) * np.float32(base)).astype(float)
    for _ in range(TRIES):
        middle = ((1 - 2 * stream.random(2)) * ROOM * 0.5).astype(np.float32).astype(float)
        if all(np.hypot(*(middle - other["c_pos"][:2])) >= _reach(size, np.array(other["size"])) for other in others):
            return {"size": size.tolist(), "c_pos": [*middle.tolist(), size[2] / 2]}
    return None


def _reach(one: np.ndarray, other: np.ndarray) -> float:
    """How far apart the centres of two boxes must lie."""
    return (np.hypot(*one[:2]) + np.hypot(*other[:2])) / 2 + APART


def layout(stream: Mersenne, objects: int, categories: list[int], instances: int) -> Objects:
    """The next scene of a stream, as the authors' program draws it."""
    found: Objects = []
    for _ in range(objects + _poisson(stream)):
        if (place := box(stream, [one for *_, one in found])) is None:
            break
        theta = float((1 - 2 * stream.random(1)[0]) * np.pi)
        which, instance = divmod(stream.integer(0, len(categories) * instances), instances)
        name = f"{categories[which]:06d}"
        file = f"{name}_{instance:04d}.ply"
        found.append((which, instance, {**place, "theta": theta, "class_name": name, "file_name": file}))
    return found


def _poisson(stream: Mersenne) -> int:
    """As NumPy's legacy `poisson(MORE)`."""
    number, product = 0, stream.random(1)[0]
    while product > np.exp(-MORE):
        number, product = number + 1, product * stream.random(1)[0]
    return number


def model(systems: Systems, which: int, instance: int, parameters: Render) -> np.ndarray:
    """The points (n, 3) float64 of an instance: those of its system, then noise; all are centred together."""
    total, seed, (category, system) = parameters.model_points, parameters.seed, systems[which]
    others = [k for k in np.argsort(Mersenne([seed, PARTNERS]).random(len(systems)), kind="stable") if k != which]
    noise = int(total * parameters.noise) if others else 0
    u = streams.choices(total, seed, category, instance)
    parts = [(system, u[: total - noise])]
    if noise > point_cloud.MIN_POINTS:
        parts.append((systems[others[instance % len(others)]][1], u[total - noise :]))
    clouds = [point_cloud.normalised(chaos_game.orbit(one, numbers)[1:], total) for one, numbers in parts]
    points = np.concatenate(clouds)
    return points - points.sum(axis=0) / total


def standing(points: np.ndarray, one: Object) -> np.ndarray:
    """Points (n, 3) float64 scaled to an object's box, turned, and moved to its place."""
    low, high = points.min(axis=0), points.max(axis=0)
    inside = (points - (low + high) / 2) / np.where(high > low, high - low, 1) * one["size"]
    c, s = np.cos(one["theta"]), np.sin(one["theta"])
    return inside @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + one["c_pos"]


class Scene:
    """A scene: objects; points (n, 3) float64, z up; labels (n, 2) int32, of a category, from 1 on, and an object."""

    def __init__(self, systems: Systems, number: int, parameters: Render) -> None:
        stream, numbers = Mersenne([parameters.seed, SCENES, number]), [category for category, _ in systems]
        found = layout(stream, parameters.objects, numbers, parameters.instances)
        each, clouds, labels = parameters.scene_points // len(found), [], []
        for k, (which, instance, one) in enumerate(found):
            points = standing(model(systems, which, instance, parameters), one)
            points = points[np.linspace(0, len(points) - 1, min(each, len(points))).astype(int)]
            clouds.append(points)
            labels.append(np.full((len(points), 2), (which + 1, k + 1), np.int32))
        self.objects = [one for *_, one in found]
        self.points, self.labels = np.concatenate(clouds), np.concatenate(labels)
        around, up = stream.random(2)
        self.rotation = camera.placed(2 * np.pi * around, HEIGHTS[0] + (HEIGHTS[1] - HEIGHTS[0]) * up)

    def shown(self, numbers: np.ndarray, *, size: int, point_size: int) -> np.ndarray:
        """(size, size) uint8: at each pixel the number, of `numbers` (n,), of the nearest point; 0 on the ground."""
        seen = self.points[:, [0, 2, 1]] * [NEAR, NEAR, -NEAR]
        grays = np.repeat(numbers.astype(np.uint8)[:, None], 9, axis=1)
        return camera.paint(cloud(seen), self.rotation, grays, size=size, point_size=point_size)[::-1]


def pair(systems: Systems, number: int, parameters: Render) -> scenes.Pair:
    """The picture (size, size) uint8 of a scene, white on black, and its mask (size, size) int16."""
    scene = Scene(systems, number, parameters)
    mask = scene.shown(scene.labels[:, 0], size=parameters.image_size, point_size=parameters.point_size)
    return np.where(mask, np.uint8(WHITE), np.uint8(0)), mask.astype(np.int16)


def point_files(systems: Systems, parameters: Render) -> Makers:
    """Names and makers of the scenes' points and boxes."""
    for i in range(parameters.images):
        scene = Once(functools.partial(Scene, systems, i, parameters))
        yield f"{i:06d}.ply", functools.partial(_points, scene)
        yield f"{i:06d}.json", functools.partial(_boxes, scene)


def _points(scene: Callable[[], Scene]) -> bytes:
    return ply.encode(scene().points, scene().labels)


def _boxes(scene: Callable[[], Scene]) -> bytes:
    return json.dumps(scene().objects).encode()


def image_files(systems: Systems, parameters: Render) -> Makers:
    """Names and makers of the scenes' pictures and masks, and of the two files that describe them."""
    names = [f"{i:06d}" for i in range(parameters.images)]
    for i, name in enumerate(names):
        yield from scenes.files(name, functools.partial(pair, systems, i, parameters))
    yield from scenes.lists(names, [scenes.NAME_OF_GROUND, *(f"{number:06d}" for number, _ in systems)])


def write(parameters: Render) -> Manifest:
    """Write scenes of the categories in <out>/categories3d to <out>/pc-fractaldb-points and <out>/pc-fractaldb."""
    out = Path(parameters.out)
    systems = live.systems(out / "categories3d", 3)[: parameters.categories or scenes.IN_FILES - 1]
    about = {name: value for name, value in parameters.identity().items() if name != "categories"}
    about["source"], count, workers = digest(systems), 2 * parameters.images, parameters.workers
    points = point_files(systems, parameters)
    Folder(out / POINTS).fill(header(about, point_files), points, total=count, workers=workers)
    images = image_files(systems, parameters)
    return Folder(out / SCENE).fill(header(about, image_files), images, total=count + 2, workers=workers)


def picture(parameters: Render, category: int) -> np.ndarray:
    """The first instance (size, size) uint8 of a category of the released search, with noise of the next category."""
    systems = [(k % 1000, search.published(3, k % 1000)) for k in (category, category + 1)]
    points = cloud(model(systems, 0, 0, parameters))
    return camera.view(points, (0,), (0.0,), size=parameters.image_size, point_size=parameters.point_size) * WHITE


def goldens() -> Iterator[tuple[str, bool]]:
    """The original program's first two scenes, under NumPy's `seed(0)`."""
    stream, every = Mersenne(0), list(range(1000))
    for number, known in enumerate(KNOWN):
        text = json.dumps([one for *_, one in layout(stream, 15, every, 1000)])
        yield golden(f"the layout of scene {number}", text.encode(), known)


KNOWN = (
    "a4e72bb2dd8daaea0114430475ecf1ced1a69ad25d583d62a4804da4ee1b1233",
    "bd69ac103f72b515c0f90685f228c5fb6a862ff21adb79aba9420d6ea455e060",
)
SMALL = {"model_points": 300, "objects": 4, "scene_points": 1000, "images": 4, "image_size": 64}
FAMILY = Family(
    name="pc-fractaldb",
    title="PC-FractalDB",
    stages=(Stage("3_render_pc-fractaldb", Render, (POINTS, SCENE), write, small=SMALL, counts="images"),),
    sources=(Source(SCENE, scenes.open_folder, masks=True),),
    picture=picture,
    goldens=goldens,
)
