"""3D-OFDB: one model for each category, a cloud of points that a camera can look at from anywhere.

The model is the orbit of the category's weighted system without its start, rescaled and centred (Nakamura et al., ICCV
2023, after MV-FractalDB, Yamada et al., IROS 2021). It is shared as a PLY file, whose doubles hold it exactly.
"""

import functools
import re
from pathlib import Path

import numpy as np

from ofdb_core import chaos, streams
from ofdb_core.cloud import defect, normalised

FORMAT = "format binary_little_endian 1.0"
FIELDS = [f"property double {axis}" for axis in "xyz"]
MIN_POINTS = 2  # fewer have no extent
POINT_BYTES = 24


class Degenerate(ValueError):
    """A category whose weighted system gives no model; the message says why."""


def cloud(system, u, *, weight=0.4):
    """The model of a category, (n - 1, 3) float64 in -2..2; with the default weight that of the released 3D-OFDB.

    u: (n,) float64 in [0, 1), which choose the maps, the last unused: see `streams.choices`; weight: see
    `IFS.weighted`. Raises `Degenerate` where the weighted system diverges or never moves.
    """
    if system.d != 3:
        raise ValueError(f"system: {system.d} dimensions given; a model has 3")
    if len(u) <= MIN_POINTS:
        raise ValueError(f"points: {len(u)} is out of range; at least {MIN_POINTS + 1} are needed, with the start")
    points = chaos.orbit(system.weighted(weight), u)[1:]
    if sentence := defect(points):
        raise Degenerate(f"no model with weight {weight}: {sentence}")
    return normalised(points)


def ply(points):
    """Points (n, 3) float64 as the bytes of a PLY file, from which `load` gives them back exactly."""
    header = ["ply", FORMAT, f"element vertex {len(points)}", *FIELDS, "end_header\n"]
    return "\n".join(header).encode() + np.ascontiguousarray(points, "<f8").tobytes()


def load(path):
    """The points (n, 3) float64 of a PLY file; a ValueError names a file that is not such a model."""
    try:
        head, end, body = Path(path).read_bytes().partition(b"end_header\n")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    points = np.frombuffer(body, "<f8", _count(path, head, end, len(body)) * 3).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError(f"{path}: holds a coordinate that is not finite")
    return points.astype(float)


def _count(path, head, end, size):
    """The number of points that a header announces and that `size` bytes after it hold."""
    lines = [line for line in head.decode("latin-1").splitlines() if not line.startswith(("comment", "obj_info"))]
    if not end or lines[:1] != ["ply"]:
        raise ValueError(f"{path}: not a PLY file, or its header is cut off")
    if lines[1:2] != [FORMAT]:
        raise ValueError(f"{path}: has {', '.join(lines[1:2])!r}; a model has {FORMAT!r}")
    element = re.fullmatch(r"element vertex (\d+)", ", ".join(lines[2:3]))
    if not element or lines[3:] != FIELDS:
        raise ValueError(f"{path}: has {', '.join(lines[2:])!r}; a model has 'element vertex n', {', '.join(FIELDS)}")
    count = int(element[1])
    if count < MIN_POINTS:
        raise ValueError(f"{path}: {count} points; a model has at least {MIN_POINTS}")
    if size != count * POINT_BYTES:
        raise ValueError(f"{path}: damaged; {count} points are {count * POINT_BYTES} bytes, {size} follow the header")
    return count


def name(category):
    """The original's file name of a model: the first of its category."""
    return f"{category:06d}/{category:06d}_0000.ply"


def _draws(categories, seed, points, one_stream):
    """A triple (number, IFS, u) for each (number, IFS) pair; u: the numbers that choose its maps."""
    stream = streams.Mersenne(seed)
    for category, system in categories:
        yield category, system, stream.random(points) if one_stream else streams.choices(points, seed, category)


def files(categories, *, seed, points, weight, one_stream=False):
    """Pairs of a file name and a function that makes its bytes, for (number, IFS) pairs.

    one_stream: row i of the numbers of `RandomState(seed).random_sample((n, points))` chooses the maps of the i-th
    category, as in the original; else each category has a stream of its own, and any of them can be made alone.
    """

    def make(system, u):
        return ply(cloud(system, u, weight=weight))

    draws = _draws(categories, seed, points, one_stream)
    return ((name(category), functools.partial(make, system, u)) for category, system, u in draws)


def defects(categories, *, seed, points, weight, one_stream=False):
    """Category number -> why it has no model, for those of the (number, IFS) pairs that have none; as for `files`."""
    found = {}
    for category, system, u in _draws(categories, seed, points, one_stream):
        try:
            cloud(system, u, weight=weight)
        except Degenerate as error:
            found[category] = str(error)
    return found
