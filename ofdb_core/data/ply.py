"""PLY files of models and of scenes: point clouds, stored exactly as doubles; in a scene each point has two labels."""

import re
from pathlib import Path

import numpy as np

from ofdb_core.formulas.point_cloud import MIN_POINTS

HEADER = ("ply", "format binary_little_endian 1.0", "element vertex {}", *(f"property double {axis}" for axis in "xyz"))
LABELS = ("label", "instance")
PLAIN, LABELLED = np.dtype([("at", "<f8", 3)]), np.dtype([("at", "<f8", 3), ("labels", "<i4", 2)])


def _header(labelled: bool) -> str:
    """The header of a file, with {} for the number of points."""
    return "\n".join([*HEADER, *(f"property int {name}" for name in LABELS if labelled)])


def encode(points: np.ndarray, labels: np.ndarray | None = None) -> bytes:
    """Points (n, 3) float64, and if there are, labels (n, 2) int32, as the bytes of a PLY file; see `load`."""
    rows = np.empty(len(points), PLAIN if labels is None else LABELLED)
    rows["at"] = points
    if labels is not None:
        rows["labels"] = labels
    return f"{_header(labels is not None)}\nend_header\n".format(len(points)).encode() + rows.tobytes()


def load(path: str | Path) -> np.ndarray:
    """The points (n, 3) float64 of a PLY file; a ValueError names a file that is not a model."""
    return _load(path, labelled=False)["at"].astype(float)


def load_labelled(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The points (n, 3) float64 of a scene, and the label and instance (n, 2) int32 of each; errors as for `load`."""
    rows = _load(path, labelled=True)
    return rows["at"].astype(float), rows["labels"].astype(np.int32)


def _load(path: str | Path, *, labelled: bool) -> np.ndarray:
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(f"{path}: cannot be read (a folder, a pipe or a device)")
    try:
        head, end, body = Path(path).read_bytes().partition(b"end_header\n")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    _require_whole(path, head, end, len(body), labelled)
    rows = np.frombuffer(body, LABELLED if labelled else PLAIN)
    if not np.isfinite(rows["at"]).all():
        raise ValueError(f"{path}: holds a coordinate that is not finite")
    return rows


def _require_whole(path: str | Path, head: bytes, end: bytes, size: int, labelled: bool) -> None:
    """Raise a ValueError unless a header announces the points that `size` bytes after it hold."""
    lines = [line for line in head.decode("latin-1").splitlines() if not line.startswith(("comment", "obj_info"))]
    if not end or lines[:1] != ["ply"]:
        raise ValueError(f"{path}: not a PLY file, or its header is cut off")
    due = _header(labelled)
    if not (known := re.fullmatch(due.format(r"(\d{1,18})"), "\n".join(lines))):
        what, due = "a scene" if labelled else "a model", ", ".join(due.splitlines()[1:]).format("n")
        raise ValueError(f"{path}: has {', '.join(lines[1:])!r}; {what} has {due!r}")
    count, each = int(known[1]), (LABELLED if labelled else PLAIN).itemsize
    if count < MIN_POINTS:
        raise ValueError(f"{path}: {count} points; a model has at least {MIN_POINTS}")
    if size != count * each:
        raise ValueError(f"{path}: damaged; {count} points are {count * each} bytes, {size} follow the header")
