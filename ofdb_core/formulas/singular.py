"""Random systems by their singular values, so that every map contracts (Anderson and Farrell, WACV 2022).

A map is a rotation, a scaling along the axes by its singular values, and another rotation, with random mirrors. In the
plane, the larger value of each map and twice the smaller one add up to a number alpha over all maps, which sets how
full the picture is; in space the weights are 1, 2 and 3. The rule for space is ours.
"""

from fractions import Fraction

import numpy as np

from ofdb_core.formulas import ifs

MAPS = (2, 5)  # the original draws 2 to 4 maps
Matrix = list[list[float]]


def values(rng: np.random.Generator, maps: int, alpha: float, d: int = 2) -> np.ndarray:
    """(maps, d) float64 in 0..1, falling in each row: singular values whose sum with the weights 1 to d is alpha.

    The order of draws is the original's, for the plane.
    """
    out, most = np.empty((maps, d)), [j * (j + 1) // 2 for j in range(d + 1)]  # the sum of the weights 1 to j
    left, least = alpha, alpha - most[d] * (maps - 1)  # for this map and the following ones; for this one
    for i in range(maps - 1):
        before = 1.0
        for j in range(1, d + 1):
            low = max(0, least / (most[d] - most[j - 1]))
            before = out[i, j - 1] = rng.uniform(low, min(before, left / j))
            left, least = left - j * before, least - j * before
        least += most[d]
    after = 0.0
    for j in range(d, 1, -1):
        after = out[-1, j - 1] = rng.uniform(max(after, (left - most[j - 1]) / j), left / most[j])
        left -= j * after
    out[-1, 0] = left
    return out


def _rotations(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """(n, d, d) float64, uniform: by an angle, or by a quaternion."""
    if d == 2:
        angle = rng.uniform(-np.pi, np.pi, n)
        rows = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return np.array(rows).transpose(2, 0, 1)
    w, x, y, z = (q := rng.normal(size=(4, n))) / np.sqrt((q * q).sum(axis=0))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def _product(left: Matrix, right: Matrix) -> Matrix:
    """The product of two matrices as OpenBLAS computes it: each further term is added in one fused operation."""
    return [[_fused(row, column) for column in zip(*right, strict=True)] for row in left]


def _fused(row: list[float], column: tuple[float, ...]) -> float:
    total = row[0] * column[0]
    for x, y in zip(row[1:], column[1:], strict=True):
        total = float(Fraction(x) * Fraction(y) + Fraction(total))
    return total


def maps(rng: np.random.Generator, n: int, low: float, high: float, d: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A (n, d, d) and t (n, d) float64 of n maps, with alpha drawn between low and high; t is in -1..1.

    In the plane they are the original's, in its order of draws and of arithmetic.
    """
    signs = np.sign(rng.random((2 * n, 1, d)) - 0.5)
    orthogonal = _rotations(rng, 2 * n, d) * signs
    scaled = orthogonal[:n] * values(rng, n, rng.uniform(low, high), d)[:, None]
    pairs = zip(scaled.tolist(), orthogonal[n:].tolist(), strict=True)
    return np.array([_product(left, right) for left, right in pairs]), rng.uniform(-1, 1, (n, d))


def sample(rng: np.random.Generator, d: int = 2) -> ifs.IFS:
    """A random system of 2 to 4 maps that contract, p in proportion to |det A|.

    alpha is between (5 + n) / 2 and (6 + n) / 2 for n maps; in space, where the weights' sum is twice as large, it is
    twice as large.
    """
    n = int(rng.integers(*MAPS))
    share = d * (d + 1) / 12  # of the weights' sum in the plane, halved
    A, t = maps(rng, n, (5 + n) * share, (6 + n) * share, d)
    area = ifs.determinants(A)
    return ifs.IFS(A, t, area / area.sum())
