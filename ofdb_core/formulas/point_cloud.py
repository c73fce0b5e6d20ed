"""Points of an orbit in space become a cloud: rescaled to -1..1, centred, and judged by their variance.

This module does for three dimensions what `raster` does for two. The rules are those of 3D-FractalDB's code (Yamada et
al., CVPR 2022): one scale for all three axes, and a mean that counts the start, which is not in the cloud.
"""

import numpy as np

from ofdb_core.formulas import chaos_game
from ofdb_core.formulas.ifs import IFS, Weight
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import split_mix

MIN_POINTS = 2  # fewer have no extent


@kernel
def _extremes(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number of all three axes; arbitrary if a coordinate is NaN."""
    low = high = x[0]
    for i in range(len(x)):
        low, high = min(low, x[i], y[i], z[i]), max(high, x[i], y[i], z[i])
    return low, high


@kernel
def variances(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[float, float, float]:
    """The variance of each axis after rescaling to -1..1; the three sums advance side by side."""
    n = len(x)
    low, high = _extremes(x, y, z)
    scale = 2.0 / (high - low)
    a = b = c = 0.0
    for i in range(n):
        a, b, c = a + (x[i] - low) * scale, b + (y[i] - low) * scale, c + (z[i] - low) * scale
    a, b, c = a / n, b / n, c / n
    d = e = f = 0.0
    for i in range(n):
        u, v, w = (x[i] - low) * scale - a, (y[i] - low) * scale - b, (z[i] - low) * scale - c
        d, e, f = d + u * u, e + v * v, f + w * w
    return d / n, e / n, f / n


def variance(points: np.ndarray) -> float:
    """The smallest of the three axes' variances (ddof 0) of the normalised points; a float in 0..1.

    points: (n, 3) float64, each axis contiguous, without the orbit's start. NaN for points that have a `defect`.
    """
    return float(np.min(variances(*points.T)))


def defect(points: np.ndarray) -> str | None:
    """The reason why the points (n, 3) of an orbit cannot become a cloud, in words; None if they can."""
    with np.errstate(invalid="ignore", over="ignore"):
        extent = points.max() - points.min()
    if not np.isfinite(extent):
        return "its orbit does not stay finite"
    return None if extent else "its orbit has no extent: all coordinates are one number"


def normalised(points: np.ndarray, count: int | None = None) -> np.ndarray:
    """The cloud (n, 3) float64 of an orbit's points without their start, bit for bit the original's.

    One scale takes all axes to -1..1. Then each axis is reduced by its sum / count; None: n + 1, which counts the start
    too. Points that have a `defect` become NaN.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        low, high = points.min(), points.max()
        scaled = (points - low) / (high - low) * 2 - 1
        return np.ascontiguousarray(scaled - np.cumsum(scaled, axis=0)[-1] / (count or len(points) + 1))


class Degenerate(ValueError):
    """A category whose weighted system gives no model; the message says why."""


def model(system: IFS, u: np.ndarray, *, weight: Weight = 0.4) -> np.ndarray:
    """The model of a category, (n - 1, 3) float64 in -2..2; with the default weight that of the released 3D-OFDB.

    u: (n,) float64 in [0, 1), which choose the maps (the last is unused): see `streams.choices`; weight: see
    `IFS.factors`. Raises `Degenerate` if the weighted system diverges or never moves.
    """
    if system.d != 3:
        raise ValueError(f"system: {system.d} dimensions given; a model has 3")
    if len(u) <= MIN_POINTS:
        raise ValueError(f"points: {len(u)} is out of range; at least {MIN_POINTS + 1} are needed, with the start")
    points = chaos_game.orbit(system.weighted(weight), u)[1:]
    if sentence := defect(points):
        raise Degenerate(f"no model with weight {weight}: {sentence}")
    return normalised(points)


@kernel
def _thinned(points: np.ndarray, key: np.uint64, limit: np.uint64) -> np.ndarray:
    """Those of points (3, n) float32 for which half a word of the key's stream is below the limit.

    They are taken without a branch that the processor could not predict.
    """
    chosen, count, at = np.empty(points.shape[1], np.uint8), 0, 0
    for i in range(len(chosen)):
        chosen[i] = (split_mix(key, i) >> np.uint64(32)) < limit
        count += chosen[i]
    out = np.empty((3, count), np.float32)
    for i in range(len(chosen)):
        if at == count:
            break
        out[0, at], out[1, at], out[2, at] = points[0, i], points[1, i], points[2, i]
        at += chosen[i]
    return out


def thinned(points: np.ndarray, share: float, key: int) -> np.ndarray:
    """A random choice of points (n, 3) float32, each axis contiguous; share: probability to keep a point, to 2**-32.

    The choice is a function of the key, 0 to 2**64 - 1, and the point's number.
    """
    return _thinned(points.T, np.uint64(key), np.uint64(round(share * 2**32))).T
