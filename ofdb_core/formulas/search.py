"""Random systems become categories: candidates are drawn one after another and kept when they pass a test.

A candidate has uniform coefficients, as in the originals, or is drawn by its singular values (see `singular`). In 2D
the test is the filling rate (FractalDB, Kataoka et al., ACCV 2020, section 3.2), in 3D the variance of the points
(PC-FractalDB, Yamada et al., CVPR 2022). One stream of random numbers runs through the whole search, as in the
original, so a longer search begins with the shorter one. Candidates are drawn in order and judged side by side.
"""

import functools
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np

from ofdb_core.base import threads, values
from ofdb_core.formulas import chaos_game, ifs, point_cloud, raster, singular, streams

Method = Literal["uniform", "singular-values"]  # how a candidate is drawn
PUBLISHED_AT_ONCE = 32  # categories that the first request searches


@dataclass(frozen=True)
class Candidate:
    """Candidate `number` (from 0) of a search, its system, its score and whether it passed."""

    number: int
    system: ifs.IFS
    score: float
    accepted: bool


def candidates(
    d: int,
    draws: int,
    score: Callable[[np.ndarray], float],
    passes: Callable[[float], bool],
    *,
    seed: int,
    method: Method = "uniform",
    workers: int = 0,
) -> Iterator[Candidate]:
    """Every candidate of a search, without end.

    d: 2 or 3; draws: random numbers for each candidate; score: a function of its points (draws, d); passes: a function
    of that score; workers: threads, 0 for one a core. The result does not depend on workers.
    """
    values.whole(high=values.SEEDS, seed=seed)
    values.require(Method, method=method)
    values.whole(workers=workers)
    stream, numbers, turn, arrays = streams.Mersenne(seed), itertools.count(), threading.Lock(), threading.local()
    uniform = functools.partial(ifs.sample, stream, d)
    sample = uniform if method == "uniform" else functools.partial(singular.sample, np.random.default_rng(seed), d)

    def pair() -> tuple[int, list[tuple[ifs.IFS, float]]]:
        """Draw the next two candidates when it is this thread's turn, and judge them in this thread's arrays."""
        if not hasattr(arrays, "u"):
            arrays.u, arrays.points = np.empty((2, draws)), np.empty((2, d, draws))
        with turn:
            number, systems = next(numbers), []
            for row in arrays.u:
                systems.append(sample())
                stream.random(draws, out=row)
        orbits = chaos_game.orbits(systems, arrays.u, arrays.points)
        return number, [(system, score(points)) for system, points in zip(systems, orbits, strict=True)]

    workers = workers or os.cpu_count() or 1
    done: dict[int, list[tuple[ifs.IFS, float]]] = {}
    next_number = 0
    for number, judged in threads.results(itertools.repeat(pair), workers):
        done[number] = judged
        while next_number in done:
            for i, (system, value) in enumerate(done.pop(next_number)):
                yield Candidate(2 * next_number + i, system, value, passes(value))
            next_number += 1


def check_rule(points: int, filling_rate: float) -> None:
    """Raise a ValueError if no orbit of n points can reach the filling rate: the search would never end."""
    values.whole(2, points=points)
    within = (raster.SIDE - 2 * raster.PAD + 1) ** 2  # pixels that the points are scaled to
    reachable = min(points, within) / raster.SIDE**2
    if not (isinstance(filling_rate, Real) and 0 <= filling_rate <= reachable):
        raise ValueError(
            f"filling_rate: {filling_rate!r} is out of range; {points} points can light 0 to {reachable:.4f}"
        )


def candidates_2d(
    *, seed: int = 1, points: int = 100_000, filling_rate: float = 0.2, **how: Any
) -> Iterator[Candidate]:
    """The candidates of a 2D search, judged by filling rate (score: a share of 512 x 512 pixels, 0..1).

    how: method and workers, see `candidates`. With the defaults, the accepted ones are the published FractalDB-1k, byte
    for byte.
    """
    check_rule(points, filling_rate)
    return candidates(2, points, raster.filling_rate, lambda rate: rate >= filling_rate, seed=seed, **how)


def candidates_3d(*, seed: int = 1, points: int = 10_000, variance: float = 0.05, **how: Any) -> Iterator[Candidate]:
    """The candidates of a 3D search, judged by `point_cloud.variance` (score: of the axis that varies least).

    points: of an orbit with its start, which the score leaves out; how: as for `candidates_2d`. A system whose orbit is
    not finite has the score NaN and never passes. With the defaults, the accepted ones are those of 3D-OFDB's released
    code with seed 1.
    """
    if points < 3:
        raise ValueError(f"points: {points!r} is out of range; an orbit has at least 2 points after its start")
    if not 0 <= variance < 1:
        raise ValueError(f"variance: {variance!r} is out of range; points in -1..1 can vary by 0 to below 1")

    def score(orbit: np.ndarray) -> float:
        return point_cloud.variance(orbit[1:])

    return candidates(3, points, score, lambda spread: spread > variance, seed=seed, **how)


@functools.lru_cache(maxsize=2)
def _published(d: int, count: int) -> list[ifs.IFS]:
    every = candidates_2d() if d == 2 else candidates_3d()
    return [candidate.system for candidate in first(count, every)]


def published(d: int, category: int) -> ifs.IFS:
    """The system of a category as the originals' searches find it, kept for the next call; d: 2 or 3."""
    blocks = 1 << (category // PUBLISHED_AT_ONCE).bit_length()  # so that many requests cost two searches, not one each
    return _published(d, PUBLISHED_AT_ONCE * blocks)[category]


def first(categories: int, found: Iterable[Candidate]) -> Iterator[Candidate]:
    """The first `categories` accepted candidates of a search, one after another."""
    values.whole(1, categories=categories)
    return itertools.islice((candidate for candidate in found if candidate.accepted), categories)
