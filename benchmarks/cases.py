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
from ofdb_core import camera, dataset, folder, ifs, model3d, render2d, search, streams, visualatom

RELEASE = {"size": 362, "points": 200_000, "weight": 0.2}
FIRST = 40  # candidates that the baseline judges


@dataclass
class Measured:
    """seconds for so many items of a unit; baseline: seconds for one item; disk_mb: of the files that were written."""

    seconds: float
    items: int
    unit: str
    baseline: float | None = None
    disk_mb: float | None = None


def _timed(function, *arguments, **named):
    began = time.perf_counter()
    result = function(*arguments, **named)
    return time.perf_counter() - began, result


def _size(root):
    return sum(path.stat().st_size for path in Path(root).rglob("*") if path.is_file()) / 1e6


def _same(ours, theirs):
    if not np.array_equal(ours, theirs):
        raise RuntimeError("the baseline computes something else, so the ratio would mean nothing")


def import_package(_):
    """Import of the package in a new process; the baseline imports numpy."""

    def spent(name):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    return Measured(spent("ofdb_core"), 1, "import", spent("numpy"))


def _search(categories, candidates, baseline, points):
    fast = [candidate.score for candidate in itertools.islice(candidates(), FIRST)]
    slow, scores = _timed(baseline, 1, points, FIRST)
    finite = np.isfinite(scores) & np.isfinite(fast)
    _same(np.round(np.array(fast)[finite], 9), np.round(scores[finite], 9))

    def whole(root):
        for candidate in search.first(categories, candidates()):
            ifs.save(candidate.system, Path(root) / f"{candidate.number}.csv")
        return candidate.number + 1

    with tempfile.TemporaryDirectory() as root:
        seconds, count = _timed(whole, root)
    return Measured(seconds, count, "candidate", slow / FIRST)


def search_2d(categories):
    """A search of so many 2D categories, their CSV files included."""
    return _search(categories, search.candidates_2d, plain.search, 100_000)


def search_3d(categories):
    """A search of so many 3D categories, their CSV files included."""
    return _search(categories, search.candidates_3d, plain.search_3d, 10_000)


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
        return Measured(_images(root, images), images, "image", slow, _size(f"{root}/images"))


def verify_2d(images):
    """Verifying a data set of so many images: every file read and hashed."""
    with tempfile.TemporaryDirectory() as root:
        _images(root, images)
        return Measured(_timed(folder.verify, f"{root}/images")[0], images, "file")


def views_3d(models):
    """12 views of so many models of the released 3D-OFDB, PNG files and manifest included."""
    with tempfile.TemporaryDirectory() as root:
        dataset.write_categories_3d(f"{root}/categories", categories=models)
        dataset.write_models(f"{root}/models", f"{root}/categories")
        cloud = model3d.load(dataset.load_models(f"{root}/models")[0][1])
        ours = camera.view(cloud, (0,), (0.0,))
        slow, theirs = _timed(plain.view, cloud, np.pi / 6, 224)
        _same(ours, theirs)
        seconds, made = _timed(dataset.write_views, f"{root}/views", f"{root}/models")
        return Measured(seconds, len(made["files"]), "view", slow, _size(f"{root}/views"))


def models_3d(models):
    """So many models, PLY files and manifest included."""
    with tempfile.TemporaryDirectory() as root:
        dataset.write_categories_3d(f"{root}/categories", categories=models)
        seconds, _ = _timed(dataset.write_models, f"{root}/models", f"{root}/categories")
        return Measured(seconds, models, "model", disk_mb=_size(f"{root}/models"))


def render_visualatom(images):
    """So many images of VisualAtom, one a category, PNG files and manifest included."""
    stream = streams.Mersenne([1])
    atom = visualatom.sample(stream)
    strokes = visualatom.strokes(atom, stream)
    slow, theirs = _timed(plain.contours, atom, strokes, 512)
    _same(visualatom.draw(atom, strokes, 512), theirs)
    with tempfile.TemporaryDirectory() as root:
        seconds, _ = _timed(dataset.write_visualatom, f"{root}/images", categories=images, settings="published")
        return Measured(seconds, images, "image", slow, _size(f"{root}/images"))


CASES = {
    "import_package": (import_package, [1]),
    "search_2d": (search_2d, [250, 1000]),
    "render_2d": (render_2d, [1000]),
    "verify_2d": (verify_2d, [1000]),
    "search_3d": (search_3d, [250, 1000]),
    "models_3d": (models_3d, [1000]),
    "views_3d": (views_3d, [1000]),
    "render_visualatom": (render_visualatom, [1000]),
}

if __name__ == "__main__":
    name, size = sys.argv[1:]
    measured = CASES[name][0](int(size))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**asdict(measured), "peak_mb": peak}))
