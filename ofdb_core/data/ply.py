"""PLY files of models: point clouds, stored exactly as doubles."""

import re
from pathlib import Path

import numpy as np

from ofdb_core.formulas.point_cloud import MIN_POINTS

HEADER = ("ply", "format binary_little_endian 1.0", "element vertex {}", *(f"property double {axis}" for axis in "xyz"))
POINT_BYTES = 24


def encode(points: np.ndarray) -> bytes:
    """Points (n, 3) float64 as the bytes of a PLY file, from which `load` gives them back exactly."""
    header = "\n".join([*HEADER, "end_header\n"]).format(len(points))
    return header.encode() + np.ascontiguousarray(points, "<f8").tobytes()


def load(path: str | Path) -> np.ndarray:
    """The points (n, 3) float64 of a PLY file; a ValueError names a file that is not a model."""
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path}: cannot be read (a folder, a pipe or a device)")
    try:
        head, end, body = Path(path).read_bytes().partition(b"end_header\n")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    points = np.frombuffer(body, "<f8", _count(path, head, end, len(body)) * 3).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError(f"{path}: holds a coordinate that is not finite")
    return points.astype(float)


def _count(path: str | Path, head: bytes, end: bytes, size: int) -> int:
    """The number of points that a header announces and that `size` bytes after it hold."""
    lines = [line for line in head.decode("latin-1").splitlines() if not line.startswith(("comment", "obj_info"))]
    if not end or lines[:1] != ["ply"]:
        raise ValueError(f"{path}: not a PLY file, or its header is cut off")
    if not (known := re.fullmatch("\n".join(HEADER).format(r"(\d{1,18})"), "\n".join(lines))):
        raise ValueError(f"{path}: has {', '.join(lines[1:])!r}; a model has '{', '.join(HEADER[1:]).format('n')}'")
    count = int(known[1])
    if count < MIN_POINTS:
        raise ValueError(f"{path}: {count} points; a model has at least {MIN_POINTS}")
    if size != count * POINT_BYTES:
        raise ValueError(f"{path}: damaged; {count} points are {count * POINT_BYTES} bytes, {size} follow the header")
    return count
