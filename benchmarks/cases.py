"""What is measured: `python -m benchmarks.cases <case> <size>` prints one measurement and its peak memory as JSON.

Each function does a piece of real work of a given size, and the baseline does a small part of the same work in the
same process; their results are compared. A process for each, so that its time and memory are its own.
"""

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import plain
from ofdb_core import dataset, folder, ifs, render2d, search

RELEASE = {"size": 362, "points": 200_000, "weight": 0.2}
FIRST = 40  # candidates that the baseline judges


@dataclass
class Measured:
    """seconds for so many items of a unit; baseline: seconds for one item."""

    seconds: float
    items: int
    unit: str
    baseline: float | None = None


def _timed(function, *arguments, **named):
    began = time.perf_counter()
    result = function(*arguments, **named)
    return time.perf_counter() - began, result


def _same(ours, theirs):
    if not np.array_equal(ours, theirs):
        raise RuntimeError("the baseline computes something else, so the ratio would mean nothing")


def import_package(_):
    """Import of the package in a new process; the baseline imports numpy."""

    def spent(name):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    return Measured(spent("ofdb_core"), 1, "import", spent("numpy"))


def search_2d(categories):
    """A search of so many categories, their CSV files included."""
    fast = [candidate.score for candidate in itertools.islice(search.candidates_2d(), FIRST)]
    slow, rates = _timed(plain.search, 1, 100_000, FIRST)
    finite = np.isfinite(rates)
    _same(np.array(fast)[finite], np.array(rates)[finite])

    def whole(root):
        for candidate in search.first(categories, search.candidates_2d()):
            ifs.save(candidate.system, Path(root) / f"{candidate.number}.csv")
        return candidate.number + 1

    with tempfile.TemporaryDirectory() as root:
        seconds, candidates = _timed(whole, root)
    return Measured(seconds, candidates, "candidate", slow / FIRST)


def _images(root, images):
    dataset.write_categories(f"{root}/categories", categories=images)
    return _timed(dataset.write_images, f"{root}/images", f"{root}/categories", draw="patch_gray", **RELEASE)[0]


def render_2d(images):
    """Rendering so many images of the released 2D-OFDB, PNG files and manifest included."""
    system = next(search.first(1, search.candidates_2d())).system
    ours = render2d.rgb(system, **RELEASE)[..., 0]
    slow, theirs = _timed(plain.render, system, **RELEASE, seed=0)
    _same(ours, theirs)
    with tempfile.TemporaryDirectory() as root:
        return Measured(_images(root, images), images, "image", slow)


def verify_2d(images):
    """Verifying a data set of so many images: every file read and hashed."""
    with tempfile.TemporaryDirectory() as root:
        _images(root, images)
        return Measured(_timed(folder.verify, f"{root}/images")[0], images, "file")


CASES = {
    "import_package": (import_package, [1]),
    "search_2d": (search_2d, [250, 1000]),
    "render_2d": (render_2d, [1000]),
    "verify_2d": (verify_2d, [1000]),
}

if __name__ == "__main__":
    name, size = sys.argv[1:]
    measured = CASES[name][0](int(size))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**asdict(measured), "peak_mb": peak}))
