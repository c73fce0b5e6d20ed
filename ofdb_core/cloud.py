"""Points of an orbit in space become a cloud: rescaled to -1..1, centred, and judged by how far they spread.

This is to three dimensions what `raster` is to two. The rules are those of 3D-FractalDB (Yamada et al., CVPR 2022), as
the original's code has them: one scale for all three axes, and a centre that counts the start, which is no point.
"""

import numpy as np

from ofdb_core.jit import kernel


@kernel
def _sums(x, y, z):
    """The smallest and the largest number of all three axes, and the sum of each axis, added up point by point."""
    low = high = x[0]
    sums = 0.0, 0.0, 0.0
    for i in range(len(x)):
        low, high = min(low, x[i], y[i], z[i]), max(high, x[i], y[i], z[i])
        sums = sums[0] + x[i], sums[1] + y[i], sums[2] + z[i]
    return low, high, sums


@kernel
def _variances(x, y, z):
    """The variance of each axis once it is rescaled to -1..1; NaN where a point is not finite or all are one point."""
    n = len(x)
    low, high, (a, b, c) = _sums(x, y, z)
    a, b, c, scale = a / n, b / n, c / n, 2.0 / (high - low)
    squares = 0.0, 0.0, 0.0
    for i in range(n):
        u, v, w = (x[i] - a) * scale, (y[i] - b) * scale, (z[i] - c) * scale
        squares = squares[0] + u * u, squares[1] + v * v, squares[2] + w * w
    return squares[0] / n, squares[1] / n, squares[2] / n


def variance(points):
    """The smallest of the three axes' variances (ddof 0) of the normalised points; a float in 0..1.

    points: (n, 3) float64, an axis contiguous, without the orbit's start. NaN where `defect` finds something.
    """
    return float(np.min(_variances(*points.T)))


def defect(points):
    """Why points (n, 3) cannot become a cloud, in words; None where they can."""
    if not np.isfinite(points).all():
        return "its points are not finite: the system does not contract"
    if points.min() == points.max():
        return "its points have no extent: all coordinates are one number"
    return None


def normalised(points):
    """The cloud (n, 3) float64 of an orbit's points without their start, bit for bit the original's.

    One scale takes all axes to -1..1; then each axis loses its sum divided by n + 1, the number of points with the start.
    Points that have a `defect` become NaN.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        low, high = points.min(), points.max()
        scaled = (points - low) / (high - low) * 2 - 1
        return np.ascontiguousarray(scaled - np.cumsum(scaled, axis=0)[-1] / (len(points) + 1))
