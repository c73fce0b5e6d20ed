"""How often the chaos game visits each cell of a grid: the measure of a system, of which dots show a sample.

The random numbers are made as they are used, so that the memory is that of the grid, however long the game is.
"""

import functools
import os

import numpy as np

from ofdb_core.base import threads
from ofdb_core.formulas import chaos_game, point_cloud, streams
from ofdb_core.formulas.chaos_game import Point, _affine
from ofdb_core.formulas.ifs import IFS
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import split_mix, unit

FRAMING = 200_000  # points of the game that a picture is framed by
SETTLING = 100  # steps before the first that counts: until then the start shows
RUN = 2**20  # steps of one game; its visits are sorted before they are counted
BANDS = 64  # of the grid, to sort by: counting within one stays in the processor's cache

Game = tuple[np.ndarray, ...]  # A (k, d, d), t (k, d), thresholds (k,), and what gives a point's cell, (2, d + 1)


@kernel
def _play(at: Point, game: Game, key: np.uint64, shape: tuple[int, int], cells: np.ndarray) -> None:
    """Fill cells (n,) int32 with the cells that n steps visit, -1 for none, after the first SETTLING steps."""
    (A, t, thresholds, to_cells), (height, width) = game, shape
    for i in range(-SETTLING, len(cells)):
        u, j = unit(split_mix(key, i + SETTLING)), 0
        for threshold in thresholds[:-1]:
            j += u > threshold
        at = _affine(A, t, j, at)
        column, row = to_cells[0, -1], to_cells[1, -1]
        for axis in range(len(at)):
            column += to_cells[0, axis] * at[axis]
            row += to_cells[1, axis] * at[axis]
        seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        if i >= 0:
            cells[i] = int(row) * width + int(column) if seen else -1


@kernel
def _count(cells: np.ndarray, ordered: np.ndarray, hits: np.ndarray) -> None:
    """Add 1 to hits (H W,) uint32 at each of cells (n,), in the order of bands; ordered: (n,), overwritten."""
    band, ends = np.int32(len(hits) // BANDS + 1), np.zeros(BANDS + 1, np.int64)
    for cell in cells:
        ends[cell // band + 1] += cell >= 0
    for b in range(BANDS):
        ends[b + 1] += ends[b]
    for cell in cells:
        if cell >= 0:
            ordered[ends[cell // band]] = cell
            ends[cell // band] += 1
    for cell in ordered[: ends[BANDS - 1]]:
        hits[cell] += np.uint32(1)


def visits(system: IFS, to_cells: np.ndarray, shape: tuple[int, int], *, steps: int, seed: int = 0) -> np.ndarray:
    """(H, W) uint32: how often games of `steps` steps in all visit each cell of a grid of fewer than 2**31.

    to_cells: (2, d + 1), the affine map that gives a point's column and row.
    """
    game, start = (system.A, system.t, system.thresholds(), to_cells), (0.0,) * system.d
    hits, ordered = np.zeros(shape[0] * shape[1], np.uint32), np.empty(min(steps, RUN), np.int32)

    def play(run: int) -> np.ndarray:
        cells = np.empty(min(steps - run * RUN, RUN), np.int32)
        _play(start, game, np.uint64(split_mix(np.uint64(seed), run)), shape, cells)
        return cells

    runs = (functools.partial(play, run) for run in range(-(-steps // RUN)))
    for cells in threads.results(runs, os.cpu_count() or 1):  # in any order: sums are the same
        _count(cells, ordered, hits)
    return hits.reshape(shape)


def corners(system: IFS, project: np.ndarray | None = None, points: int = FRAMING) -> np.ndarray | None:
    """(2, 2) float64: the lower left and the upper right corner of what a picture shows; None if there is nothing.

    project: (2, d), of which a picture shows the plane; None: the system's own; points: of the game. Maps that stretch
    throw some points far out: those further than a tenth of what 99.8 % of the points fill are left out.
    """
    orbit = chaos_game.orbit(system, streams.shared_choices(points))[SETTLING:]
    if point_cloud.defect(orbit):
        return None
    seen = orbit if project is None else orbit @ project.T
    inner = np.quantile(seen, [0.001, 0.999], axis=0)
    reach = inner + np.array([[-1.0], [1.0]]) * (inner[1] - inner[0]) / 10
    frame = np.array([np.maximum(seen.min(axis=0), reach[0]), np.minimum(seen.max(axis=0), reach[1])])
    return frame if (frame[1] > frame[0]).any() else None
