"""Random systems become categories: candidates are drawn one after another and kept when they pass a test.

In 2D the test is the filling rate (FractalDB, Kataoka et al., ACCV 2020, section 3.2), in 3D the variance of the points
(PC-FractalDB, Yamada et al., CVPR 2022). One stream of random numbers runs through the whole search, as in the
original, so a longer search has the shorter one as its prefix. The candidates are drawn in order and judged side by
side.
"""

import itertools
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Real

import numpy as np

from ofdb_core.base import values
from ofdb_core.formulas import chaos_game, ifs, point_cloud, raster, streams


@dataclass(frozen=True)
class Candidate:
    """Candidate `number` (from 0) of a search, its system, its score and whether it passed."""

    number: int
    system: ifs.IFS
    score: float
    accepted: bool


def candidates(d, draws, score, passes, *, seed, workers=0):
    """Every candidate of a search, without end.

    d: 2 or 3; draws: random numbers a candidate; score(points (draws, d)) -> float, passes(score) -> bool; workers:
    threads, 0 for one a core. The result does not depend on workers.
    """
    values.whole(high=values.SEEDS, seed=seed)
    values.whole(workers=workers)
    stream, numbers, turn, own = streams.Mersenne(seed), itertools.count(), threading.Lock(), threading.local()

    def pair():
        """Draw the next two candidates, when it is this thread's turn, and judge them in arrays of its own."""
        if not hasattr(own, "u"):
            own.u, own.points = np.empty((2, draws)), np.empty((2, d, draws))
        with turn:
            number = next(numbers)
            systems = [(ifs.sample(stream, d), stream.random(draws, out=row))[0] for row in own.u]
        orbits = chaos_game.orbits(systems, own.u, own.points)
        return number, [(system, score(points)) for system, points in zip(systems, orbits, strict=True)]

    workers = workers or os.cpu_count()
    with ThreadPoolExecutor(workers) as pool:
        running, done = deque(), {}
        for number in itertools.count():
            while number not in done:
                running.extend(pool.submit(pair) for _ in range(2 * workers - len(running)))
                done.update([running.popleft().result()])
            for i, (system, value) in enumerate(done.pop(number)):
                yield Candidate(2 * number + i, system, value, passes(value))


def check_rule(points, filling_rate):
    """Raise a ValueError where no orbit of so many points can fill that share of the picture: a search without end."""
    values.whole(2, points=points)
    within = (raster.SIDE - 2 * raster.PAD + 1) ** 2  # pixels that the points are scaled to
    reachable = min(points, within) / raster.SIDE**2
    if not (isinstance(filling_rate, Real) and 0 <= filling_rate <= reachable):
        raise ValueError(
            f"filling_rate: {filling_rate!r} is out of range; {points} points can light 0 to {reachable:.4f}"
        )


def candidates_2d(*, seed=1, points=100_000, filling_rate=0.2, workers=0):
    """The candidates of a 2D search, judged by filling rate (score: a share of 512 x 512 pixels, 0..1).

    With the defaults, the accepted ones are the published FractalDB-1k, byte for byte.
    """
    check_rule(points, filling_rate)
    return candidates(2, points, raster.filling_rate, lambda rate: rate >= filling_rate, seed=seed, workers=workers)


def candidates_3d(*, seed=1, points=10_000, variance=0.05, workers=0):
    """The candidates of a 3D search, judged by variance (score: of the axis that varies least, see `cloud.variance`).

    points: of an orbit with its start, which is left out of the judgement. A system whose orbit is not finite has the
    score NaN and never passes. With the defaults, the accepted ones are those of 3D-OFDB's released code with seed 1.
    """
    if points < 3:
        raise ValueError(f"points: {points!r} is out of range; an orbit has at least 2 points after its start")
    if not 0 <= variance < 1:
        raise ValueError(f"variance: {variance!r} is out of range; points in -1..1 can vary by 0 to below 1")

    def score(orbit):
        return point_cloud.variance(orbit[1:])

    return candidates(3, points, score, lambda found: found > variance, seed=seed, workers=workers)


def first(categories, found):
    """The first `categories` accepted candidates of a search, one after another."""
    values.whole(1, categories=categories)
    return itertools.islice((candidate for candidate in found if candidate.accepted), categories)
