"""Views of a cloud: a camera turns around the origin, looks at it, and every point lights a square of pixels.

This is a projection and a scatter, so it needs no OpenGL. The float32 arithmetic repeats the original's renderer
(PyGLM's matrices and Mesa's software OpenGL) operation by operation, so an image has the original's pixels. An image is
palette indices (S, S) uint8, 0 and 1. Its first row is OpenGL's bottom row, as in the original: world +y points down.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.values import Range
from ofdb_core.formulas.jit import copy, kernel

AXES = Annotated[int, Range(1, 3)]  # of a camera: it turns about Y, then Z, then Y again
TILT = math.radians(30)  # the original adds it to every angle
POINT_SIZE = Annotated[int, Range(1, 3)]  # pixels, each side
PALETTE = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)  # of the files: white points
MARGIN = 2  # pixels beyond each edge that a point's square may touch
RUN = 256  # points projected at a time, so that their pixels stay in the cache

ONE, TWO, HALF, SUBPIXELS = np.float32(1), np.float32(2), np.float32(0.5), np.float32(256)
DISTANCE, NEAR, FAR = np.float32(4), np.float32(1), np.float32(100)  # camera to origin; nearest, farthest point seen
ZOOM = ONE / np.float32(math.tan(np.float32(math.radians(45)) / TWO))  # for a field of view of 45 degrees
DEPTH, DEPTH_AT_0 = -(FAR + ONE) / (FAR - ONE), -(TWO * FAR * NEAR) / (FAR - NEAR)


@kernel
def _rotation(angles: np.ndarray) -> np.ndarray:
    """The product (3, 3) float32 of turns by angles (axes, m) float64: rows 0 and 2 turn about Y, row 1 about Z.

    Sine and cosine are rounded from float64: the C library's float32 functions differ between versions.
    """
    result = np.eye(3).astype(np.float32)
    for axis in range(len(angles)):
        for angle in angles[axis]:
            radians = np.float64(np.float32(angle))
            c, s = np.float32(math.cos(radians)), np.float32(math.sin(radians))
            same = c + (ONE - c)  # 1, up to rounding
            for row in result:
                x, y, z = row
                if axis % 2:
                    row[0], row[1], row[2] = x * c + y * s, y * c - x * s, z * same
                else:
                    row[0], row[1], row[2] = x * c - z * s, y * same, x * s + z * c
    return result


@kernel
def _dot(a: np.ndarray, b: np.ndarray) -> np.float32:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def _cross(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        out[i] = a[j] * b[k] - b[j] * a[k]


@kernel
def look_at(rotation: np.ndarray) -> np.ndarray:
    """The matrix (3, 4) float32 from world to camera, rows right, up, back; the rotation moves the camera from -x."""
    view = np.empty((3, 4), np.float32)
    ahead = rotation[:, 0] * DISTANCE
    eye = -ahead
    ahead = ahead * (ONE / np.sqrt(_dot(ahead, ahead)))
    _cross(ahead, rotation[:, 1], view[0])
    length = ONE / np.sqrt(_dot(view[0], view[0]))
    for i in range(3):
        view[0, i], view[2, i] = view[0, i] * length, -ahead[i]
    _cross(view[0], ahead, view[1])
    for i in range(3):
        view[i, 3] = -_dot(view[i], eye)
    return view


@kernel
def _project(points: np.ndarray, start: int, view: np.ndarray, size: int, side: int, places: np.ndarray) -> np.ndarray:
    """The first pixel of the squares of RUN points (3, n), from `start` on: its place in an image with a margin.

    A point that the camera does not see has -1. Positions are rounded to 1/256 of a pixel, then down (odd sides) or to
    the nearest pixel. Mesa fuses the last product and sum; float64 with one rounding gives the same result. places:
    (RUN,) int32, overwritten.
    """
    x, y, z = points[0, start : start + RUN], points[1, start : start + RUN], points[2, start : start + RUN]
    (a, b, c, d), (e, f, g, h), (k, l, m, n) = view[0], view[1], view[2]  # noqa: E741
    middle, rounding = size / 2.0, np.int32(0 if side % 2 else 128)
    first, width = np.int32(MARGIN - side // 2), np.int32(size + 2 * MARGIN)
    for i in range(len(x)):
        right = (((a * x[i] + b * y[i]) + c * z[i]) + d) * ZOOM
        up = (((e * x[i] + f * y[i]) + g * z[i]) + h) * ZOOM
        back = ((k * x[i] + l * y[i]) + m * z[i]) + n
        ahead, depth = -back, back * DEPTH + DEPTH_AT_0
        share = ONE / ahead
        column = np.float32((right * share) * middle + middle)
        row = np.float32((up * share) * middle + middle)
        seen = (abs(right) <= ahead) & (abs(up) <= ahead) & (abs(depth) <= ahead)
        y_pixel = first + ((np.int32(SUBPIXELS * row + HALF) + rounding) >> 8)
        x_pixel = first + ((np.int32(SUBPIXELS * column + HALF) + rounding) >> 8)
        places[i] = y_pixel * width + x_pixel if seen else -1
    return places[: len(x)]


@kernel
def _mark(points: np.ndarray, view: np.ndarray, size: int, side: int, corners: np.ndarray) -> None:
    """Mark the first pixel of the square of each point; points: (3, n); corners: (S + 2 * MARGIN,) * 2 uint8, black."""
    places, pixels = np.empty(RUN, np.int32), corners.reshape(-1)
    for start in range(0, points.shape[1], RUN):
        for place in _project(points, start, view, size, side, places):
            if place >= 0:
                pixels[np.uint64(place)] = 1


@kernel
def _grow(corners: np.ndarray, side: int, light: int, image: np.ndarray) -> None:
    """Fill image (S, S) uint8 with squares of side x side pixels that begin at the corners; see `_mark`."""
    lit = np.empty(len(corners), np.uint8)  # 1 in each column where a square that reaches this row begins
    for y in range(len(image)):
        copy(corners[y + MARGIN], lit)
        for up in range(1, side):
            above = corners[y + MARGIN - up]
            for x in range(len(lit)):
                lit[x] |= above[x]
        row = image[y]
        copy(lit[MARGIN:], row)
        for back in range(1, side):
            left = lit[MARGIN - back :]
            for x in range(len(row)):
                row[x] |= left[x]
        for x in range(len(row)):
            row[x] *= np.uint8(light)


@kernel
def _paint(
    points: np.ndarray, view: np.ndarray, side: int, patches: np.ndarray, nearest: bool, image: np.ndarray
) -> None:
    """Draw each point's square with its patch, (n, 9) uint8; the point nearest to the camera is seen, or the last.

    The comparison of depths has no branch: the processor could not predict it.
    """
    places, far = np.empty(RUN, np.int32), np.empty(RUN, np.float32)
    pixels, seen = image.reshape(-1), np.full(image.size, np.inf, np.float32)
    k, l, m, n = view[2]  # noqa: E741
    for start in range(0, points.shape[1], RUN):
        x, y, z = points[0, start : start + RUN], points[1, start : start + RUN], points[2, start : start + RUN]
        _project(points, start, view, len(image) - 2 * MARGIN, side, places)
        for i in range(len(x)):
            far[i] = -(((k * x[i] + l * y[i]) + m * z[i]) + n) if nearest else np.float32(-start - i)
        for i in range(len(x)):
            if places[i] >= 0:
                place = np.uint64(places[i])
                for row in range(side):
                    for column in range(side):
                        pixel = place + np.uint64(column)
                        closer = far[i] < seen[pixel]
                        seen[pixel] = far[i] if closer else seen[pixel]
                        pixels[pixel] = patches[start + i, 3 * row + column] if closer else pixels[pixel]
                    place += np.uint64(len(image))


def rotation(angles: Sequence[float] | np.ndarray) -> np.ndarray:
    """(3, 3) float32: the matrix Ry(a) Rz(b) Ry(c) of one to three angles in radians.

    It moves the camera from -x, with +y up, to its viewpoint; a, b and c reach every viewpoint.
    """
    values.require(AXES, angles=len(angles))
    return _rotation(np.array(angles, float)[:, None])


def placed(around: float, up: float) -> np.ndarray:
    """The `rotation` to the viewpoint at an angle around the Y axis, in radians, and a height in -1..1, for radius 1.

    With both uniform, the viewpoint is uniform on the sphere.
    """
    return rotation([around, math.asin(up)])


def indices(*, axes: int = 1, views: int = 12) -> list[tuple[int, ...]]:
    """The indices (f,), (f, y) or (f, y, z) of a cloud's views**axes views, as a list; f varies fastest."""
    values.require(AXES, axes=axes)
    values.whole(1, views=views)
    return [index[::-1] for index in itertools.product(range(views), repeat=axes)]


def stored(index: Sequence[int], jitter: Sequence[float] | np.ndarray, *, views: int = 12) -> np.ndarray:
    """The `rotation` of a stored view; index: one of `indices`, jitter: a number for each axis (see `streams.jitter`).

    Each angle is 2 pi k / views + 30 degrees + jitter (degrees). These are three turns in the original, each rounded.
    """
    values.require(AXES, axes=len(index))
    values.whole(1, views=views)
    if not all(0 <= k < views for k in index):
        raise ValueError(f"index: {tuple(index)} is out of range; each of it is 0 to {views - 1}")
    if len(jitter) != len(index):
        raise ValueError(f"jitter: {len(jitter)} numbers given; it is one for each of {len(index)} axes")
    turns = [(k / views * math.pi * 2.0, TILT, math.radians(u)) for k, u in zip(index, jitter, strict=True)]
    return _rotation(np.array(turns))


@kernel
def _small_turn(a: float, b: float, c: float) -> np.ndarray:
    """The turn (3, 3) float32 by a about X, then by b about the new Y, then by c about the new Z, in radians."""
    (ca, cb, cc), (sa, sb, sc) = (math.cos(a), math.cos(b), math.cos(c)), (math.sin(a), math.sin(b), math.sin(c))
    turn = np.empty((3, 3), np.float32)
    turn[0, 0], turn[0, 1], turn[0, 2] = cb * cc, -cb * sc, sb
    turn[1, 0], turn[1, 1], turn[1, 2] = ca * sc + sa * sb * cc, ca * cc - sa * sb * sc, -sa * cb
    turn[2, 0], turn[2, 1], turn[2, 2] = sa * sc - ca * sb * cc, sa * cc + ca * sb * sc, ca * cb
    return turn


@kernel
def _anywhere(angles: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """As `anywhere`, in radians. The product is written out, because BLAS rounds it differently on each processor."""
    turns = np.zeros((len(angles), 3))
    for axis in range(len(angles)):
        turns[axis, 1], turns[axis, 2] = TILT, angles[axis]
    first, small = _rotation(turns), _small_turn(turn[0], turn[1], turn[2])
    result = np.empty((3, 3), np.float32)
    for i in range(3):
        for j in range(3):
            result[i, j] = _dot(first[i], small[:, j])
    return result


def anywhere(angles: Sequence[float] | np.ndarray, turn: Sequence[float] | np.ndarray) -> np.ndarray:
    """The `rotation` of the first stored view, turned by one to three angles and then a little about X, Y, Z.

    angles: degrees, as the jitter of `stored`; turn: three angles in degrees, about the camera's axes.
    """
    values.require(AXES, angles=len(angles))
    return _anywhere(np.radians(np.asarray(angles, float)), np.radians(np.asarray(turn, float)))


def render(
    points: np.ndarray, rotation: np.ndarray, *, size: int = 224, point_size: int = 1, light: int = 1
) -> np.ndarray:
    """The image (size, size) uint8 of points (n, 3), from the camera that `rotation` (3, 3) moves.

    A pixel is `light` on a point and 0 elsewhere. A point whose centre is out of view is not drawn. Float32 points with
    each axis contiguous are fastest.
    """
    axes, view, corners = _prepared(points, rotation, size, point_size)
    _mark(axes, view, size, point_size, corners)
    image = np.empty((size, size), np.uint8)
    _grow(corners, point_size, light, image)
    return image


def paint(
    points: np.ndarray,
    rotation: np.ndarray,
    patches: np.ndarray,
    *,
    size: int = 224,
    point_size: int = 1,
    nearest: bool = True,
) -> np.ndarray:
    """As `render`, the image (size, size) uint8, but each point has its own grays.

    patches: (n, 9) uint8, 3 x 3 grays a point, row by row; a square takes the first rows and columns. Where squares
    overlap, the point nearest to the camera is seen (of equally near ones the first), or the last; its zeros count too.
    """
    axes, view, image = _prepared(points, rotation, size, point_size)
    if patches.shape != (len(points), 9) or patches.dtype != np.uint8:
        raise ValueError(f"patches: {patches.dtype} {patches.shape} given; allowed is uint8 ({len(points)}, 9)")
    _paint(axes, view, point_size, patches, nearest, image)
    return np.ascontiguousarray(image[MARGIN:-MARGIN, MARGIN:-MARGIN])


def _prepared(
    points: np.ndarray, rotation: np.ndarray, size: int, point_size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (3, n) float32, the camera's matrix, and a black image with a margin; a ValueError for bad arguments."""
    points, rotation = np.asarray(points), np.ascontiguousarray(rotation, np.float32)
    if points.ndim != 2 or points.shape[1] != 3 or rotation.shape != (3, 3):
        raise ValueError(f"points {points.shape} and rotation {rotation.shape} given; allowed are (n, 3) and (3, 3)")
    values.whole(1, 2**15, image_size=size)  # the number of a pixel has 32 bits
    values.require(POINT_SIZE, point_size=point_size)
    image = np.zeros((size + 2 * MARGIN,) * 2, np.uint8)
    return np.ascontiguousarray(points.T, np.float32), look_at(rotation), image


def view(
    points: np.ndarray, index: Sequence[int], jitter: Sequence[float] | np.ndarray, *, views: int = 12, **how: int
) -> np.ndarray:
    """One stored view of points (n, 3), (size, size) uint8 of 0 and 1: see `stored`; how: as for `render`."""
    return render(points, stored(index, jitter, views=views), **how)
