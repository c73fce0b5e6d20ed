"""The chaos game: an IFS and random numbers become an orbit of points (Barnsley, Fractals Everywhere, chapter 3).

The orbit starts at the origin; every step applies one map, chosen by a random number. All arithmetic is float64 in the
original's order, (x*a + y*b) + e, with no fused operation, so the points have the original's bits.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.extending import overload

from ofdb_core.formulas.ifs import IFS
from ofdb_core.formulas.jit import kernel

Point = tuple[float, ...]  # d coordinates
Game = tuple[np.ndarray, ...]  # A (k, d, d), t (k, d), thresholds (k,), u (n,), and the points (d, n) to fill


@kernel
def _choices(thresholds: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(n,) uint8: for each number u the first map j with u <= thresholds[j], or k if there is none.

    thresholds: (k,), in rising order, or all NaN.
    """
    choices = np.zeros(len(u), np.uint8)
    for threshold in thresholds:  # the outer loop: the inner one runs over contiguous numbers
        for i in range(len(u)):
            choices[i] += np.uint8(not (u[i] <= threshold))
    return choices


def _affine(A: np.ndarray, t: np.ndarray, j: int, at: Point) -> Point:
    """A[j] at + t[j] for a tuple of d coordinates, in kernels only: numba compiles the code for d = 2 or 3 below."""
    raise NotImplementedError


@overload(_affine, inline="always")
def _affine_in_kernel(A: Any, t: Any, j: Any, at: Any) -> Callable[..., Any]:
    """The function that numba compiles for `_affine`, by the types of its arguments.

    The two signatures must be equal, annotations included: numba compares them.
    """

    def plane(A: Any, t: Any, j: Any, at: Any) -> Any:
        x, y = at
        return (x * A[j, 0, 0] + y * A[j, 0, 1]) + t[j, 0], (x * A[j, 1, 0] + y * A[j, 1, 1]) + t[j, 1]

    def space(A: Any, t: Any, j: Any, at: Any) -> Any:
        x, y, z = at
        return (
            ((x * A[j, 0, 0] + y * A[j, 0, 1]) + z * A[j, 0, 2]) + t[j, 0],
            ((x * A[j, 1, 0] + y * A[j, 1, 1]) + z * A[j, 1, 2]) + t[j, 1],
            ((x * A[j, 2, 0] + y * A[j, 2, 1]) + z * A[j, 2, 2]) + t[j, 2],
        )

    return {2: plane, 3: space}[len(at)]


@kernel
def _two_orbits(start: Point, game: Game, other: Game) -> None:
    """Play two games side by side: a step waits for the one before, so the second orbit costs no time.

    points[:, 0] is the start. u[i] chooses the map from points[:, i] to points[:, i + 1]; without one, it repeats.
    """
    (A, t, thresholds, u, points), (B, s, limits, v, others) = game, other
    first, second = _choices(thresholds, u[:-1]), _choices(limits, v[:-1])
    at = to = start
    for axis in range(len(start)):
        points[axis, 0] = others[axis, 0] = start[axis]
    for i in range(len(first)):
        if first[i] < len(A):
            at = _affine(A, t, first[i], at)
        if second[i] < len(B):
            to = _affine(B, s, second[i], to)
        for axis in range(len(start)):
            points[axis, i + 1] = at[axis]
            others[axis, i + 1] = to[axis]


def orbits(
    systems: Sequence[IFS], u: Sequence[np.ndarray] | np.ndarray, out: np.ndarray | None = None
) -> list[np.ndarray]:
    """The orbits of m systems of the same dimension d.

    u: (m, n) float64 in [0, 1); the last number of a row stays unused, as in the original. Returns m arrays of points
    (n, d) float64, the origin first (each axis contiguous). A number above every threshold repeats the previous point.
    A system that does not contract may reach inf and then NaN: these points are returned too. out: (m, d, n) float64,
    memory for a caller that plays many games.
    """
    d = systems[0].d
    out = np.empty((len(systems), d, len(u[0]))) if out is None else out
    games = [(ifs.A, ifs.t, ifs.thresholds(), *rows) for ifs, *rows in zip(systems, u, out, strict=True)]
    for i in range(0, len(games), 2):
        _two_orbits((0.0,) * d, games[i], games[min(i + 1, len(games) - 1)])
    return [points.T for points in out]


def orbit(ifs: IFS, u: np.ndarray) -> np.ndarray:
    """The orbit (n, d) of one system under the random numbers u (n,): see `orbits`."""
    return orbits([ifs], [u])[0]
