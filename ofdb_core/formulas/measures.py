"""Measures of an image or a system, to sort categories by, and the likeness of images."""

import numpy as np

from ofdb_core.formulas.ifs import IFS

SIDE = 32  # pixels of the thumbnails whose likeness is measured, each side
ROWS = 256  # thumbnails compared with all others at once; this bounds the memory


def filling(image: np.ndarray) -> float:
    """Share of the pixels of (H, W) or (H, W, 3) uint8 that are not black, 0..1."""
    return float(np.mean(_gray(image) > 0))


def contrast(image: np.ndarray) -> float:
    """Standard deviation of the gray values of (H, W) or (H, W, 3) uint8, divided by their range: 0 to 0.5."""
    return float(_gray(image).std() / 255)


def box_dimension(image: np.ndarray) -> float:
    """Box dimension of the lit pixels of (H, W) or (H, W, 3) uint8: 0 (a dot) to 2 (an area); 0 for a black image.

    The slope of log2(boxes touched) over log2(boxes along a side), for boxes of 2, 4, ... pixels up to an eighth of the
    image: smaller boxes see single pixels, larger ones the frame.
    """
    lit = _gray(image) > 0
    if not lit.any():
        return 0.0
    sides = [2**k for k in range(1, 16) if 2**k <= max(min(lit.shape) // 8, 4)]
    counts = [np.count_nonzero(_blocks(lit, side).any(axis=(1, 3))) for side in sides]
    return max(float(-np.polyfit(np.log2(sides), np.log2(counts), 1)[0]), 0.0)


def average_contraction(system: IFS) -> float:
    """The geometric mean of the maps' largest singular values, weighted by p.

    A step of the chaos game stretches distances by this factor on average, at most. Below 1, its points are spread in
    the same way from any start: there is one invariant distribution (Barnsley and Elton, "A new class of Markov
    processes for image encoding", 1988), but no bounded attractor need exist. This is sufficient, not necessary: maps
    that stretch different directions may contract together although the mean is above 1.
    """
    norms = np.linalg.svd(system.A, compute_uv=False)[:, 0]
    return float(np.exp(np.sum(system.p * np.log(np.maximum(norms, np.finfo(float).tiny)))))


def thumbnail(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(side, side) float32 in 0..1: area means of an image (H, W) or (H, W, 3) uint8 that is no smaller."""
    gray = _gray(image).astype(np.float64) / 255
    for axis in (0, 1):
        edges = np.arange(side + 1) * gray.shape[axis] / side
        whole = np.minimum(edges.astype(int), gray.shape[axis] - 1)
        total = np.insert(np.cumsum(gray, axis=axis), 0, 0.0, axis=axis)
        part = np.expand_dims(edges - whole, 1 - axis) * np.take(gray, whole, axis=axis)
        gray = np.diff(np.take(total, whole, axis=axis) + part, axis=axis) * side / gray.shape[axis]
    return gray.astype(np.float32)


def _gray(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 2 else image.max(axis=-1)


def _blocks(image: np.ndarray, side: int) -> np.ndarray:
    """(rows, side, columns, side): the image in squares, with black beyond its edge."""
    image = np.pad(image, [(0, -length % side) for length in image.shape])
    return image.reshape(image.shape[0] // side, side, -1, side)


def likeness(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each thumbnail the most similar other one: its index (n,) int64 and correlation (n,) float32.

    thumbnails: (n, ...) float. The measure is the normalised correlation: 1 for images that differ only in
    brightness and contrast, 0 for unrelated ones and for a single shade. With n < 2 all indices are -1.
    """
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.float32(1e-12))
    nearest, value = np.full(len(flat), -1, np.int64), np.zeros(len(flat), np.float32)
    for start in range(0, len(flat) if len(flat) > 1 else 0, ROWS):
        found = flat[start : start + ROWS] @ flat.T
        rows = np.arange(len(found))
        found[rows, start + rows] = -np.inf
        nearest[start : start + ROWS] = found.argmax(axis=1)
        value[start : start + ROWS] = found.max(axis=1)
    return nearest, value
