"""What is measured: `python -m benchmarks.cases <case> <size>` prints one measurement and its peak memory as JSON.

Each function does a piece of real work of a given size, and the baseline does a small part of the same work in the
same process; their results are compared. A process for each, so that its time and memory are its own. What a case only
reads is made before the clock starts and kept in runs/benchmarks/ for the next one.
"""

import functools
import io
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks import plain, prepared, samples
from benchmarks.prepared import KEPT, RELEASE, Measured, timed
from ofdb_core.base.folder import Folder
from ofdb_core.batches import atoms
from ofdb_core.data.scenes import Scenes
from ofdb_core.families import fractal_2d, fractal_3d, fractaldb, registry, visual_atom
from ofdb_core.families.drawing import Drawing
from ofdb_core.formulas import camera, chaos_game, contours, ifs, raster, search, streams
from ofdb_core.run import catalogue

FIRST = 40  # candidates that the baseline judges
LIVE = 100  # categories that live samples are drawn from
MODELS = 1000  # that views are taken of, one after another, where only views are counted


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
    slow, scores = timed(baseline, 1, points, FIRST)
    finite = np.isfinite(scores) & np.isfinite(fast)
    _same(np.round(np.array(fast)[finite], 9), np.round(scores[finite], 9))

    def whole(root):
        for candidate in search.first(categories, candidates()):
            ifs.save(candidate.system, Path(root) / f"{candidate.number}.csv")
        return candidate.number + 1

    with tempfile.TemporaryDirectory() as root:
        seconds, count = timed(whole, root)
    return Measured(seconds, count, "candidate", slow / FIRST)


def search_2d(categories):
    """A search of n 2D categories, their CSV files included."""
    return _search(categories, search.candidates_2d, plain.search, 100_000)


def search_3d(categories):
    """A search of n 3D categories, their CSV files included."""
    return _search(categories, search.candidates_3d, plain.search_3d, 10_000)


def search_3d_one_core(categories):
    """The same with one thread."""
    return _search(categories, functools.partial(search.candidates_3d, workers=1), plain.search_3d, 10_000)


def _written(write, parameters, writes, reads=None):
    """Seconds, number of files and MB that it takes to write a folder anew; reads: a folder that it is made from."""
    with tempfile.TemporaryDirectory() as out:
        if reads:
            (Path(out) / reads.name).symlink_to(reads)
        seconds, made = timed(write, replace(parameters, out=out))
        return seconds, len(made["files"]), _size(Path(out) / writes)


def _verified(root):
    seconds, problems = timed(Folder(root).verify)
    if problems:
        raise RuntimeError(f"{root}: {problems[0]}")
    return Measured(seconds, len(Folder(root).manifest()["files"]), "file", disk_mb=_size(root))


def render_2d(images):
    """Rendering n images of the released 2D-OFDB, PNG files and manifest included."""
    system = next(search.first(1, search.candidates_2d())).system
    ours = fractal_2d.rgb(system, **RELEASE)[..., 0]
    slow, theirs = timed(plain.render, system, **RELEASE, seed=0)
    _same(ours, theirs)
    found = prepared.categories(images)
    seconds, count, megabytes = _written(fractal_2d.write, fractal_2d.Render(), "images", found)
    return Measured(seconds, count, "image", slow, megabytes)


def render_fractaldb(images):
    """Rendering n images of FractalDB, a thousand of each category, PNG files and manifest included."""
    found = prepared.categories(images // 1000)
    (_, system), *_ = first = ifs.load_folder(found, 1)
    _, make = next(iter(fractaldb.image_files(first, {0: ""}, fractaldb.Render(one_stream=True))))
    slow, theirs = timed(plain.render, system, **RELEASE, seed=0)
    _same(np.asarray(Image.open(io.BytesIO(make()))), theirs)
    seconds, count, megabytes = _written(fractaldb.write, fractaldb.Render(), "fractaldb", found)
    return Measured(seconds, count, "image", slow, megabytes)


def models_3d(models):
    """n models, PLY files and manifest included."""
    found = prepared.categories_3d(models)
    seconds, count, megabytes = _written(fractal_3d.write_models, fractal_3d.Render(), "models", found)
    return Measured(seconds, count, "model", disk_mb=megabytes)


def _one_view(root):
    """Seconds of the baseline for a view of the first model, which must be ours."""
    cloud = fractal_3d.load_points(fractal_3d.load_models(root)[0][1])
    slow, theirs = timed(plain.view, cloud, np.pi / 6, 224)
    _same(camera.view(cloud, (0,), (0.0,)), theirs)
    return slow


def views_3d(models):
    """12 views of n models of the released 3D-OFDB, PNG files and manifest included."""
    root = prepared.models(models)
    slow = _one_view(root)
    seconds, count, megabytes = _written(fractal_3d.write_views, fractal_3d.Render(), "views", root)
    return Measured(seconds, count, "view", slow, megabytes)


def view_3d(views):
    """n views alone: of models in memory, on one core, without a file."""
    root = prepared.models(MODELS)
    clouds = [fractal_3d.load_points(path) for _, path in fractal_3d.load_models(root)]

    def draw():
        for i in range(views):
            camera.view(clouds[i % MODELS], (i % 12,), (0.0,))

    return Measured(timed(draw)[0], views, "view", _one_view(root))


def _live(data, root, count, **live):
    """The samples of a folder, and seconds to draw `count` of them, by these parameters of live samples."""
    found = Drawing(samples="live", live=live).opened(data, root)
    one = found.pair if isinstance(found, Scenes) else found.pixels

    def draw():
        for i in range(count):
            one(i % len(found), i)

    return found, timed(draw)[0]


def live_3d(views, **live):
    """n live views on one core, the first reading included. The baseline draws all points, and no viewpoint."""
    root = prepared.models(MODELS)
    return Measured(_live("models", root, views, **live)[1], views, "view", _one_view(root))


def instance_2d(images, **live):
    """n instances of the released 2D-OFDB from systems alone, on one core; their tables are made before.

    The baseline pastes every patch of one, whose dots and patches it is given.
    """
    root, system = prepared.categories(MODELS), next(search.first(1, search.candidates_2d())).system
    orbit = chaos_game.orbit(system.weighted(RELEASE["weight"]), streams.choices(RELEASE["points"]))
    pixels, masks = raster.to_pixels(orbit, RELEASE["size"]), streams.patches(RELEASE["points"], 0, 0)
    bits = np.unpackbits(masks.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1)[:, 7:].reshape(-1, 3, 3)
    slow, theirs = timed(plain.paste, pixels, bits * np.uint8(raster.GRAY), RELEASE["size"])
    found, seconds = _live("categories", root, images, **live)
    _same(found.pixels(0), theirs)
    return Measured(seconds, images, "instance", slow)


def render_visualatom(images):
    """n images of VisualAtom, one a category, PNG files and manifest included."""
    stream = streams.Mersenne([1])
    atom = contours.sample(stream)
    strokes = contours.strokes(atom, stream)
    slow, theirs = timed(plain.draw_contours, atom, strokes, 512)
    _same(contours.draw(atom, strokes, 512), theirs)
    how = visual_atom.Render(categories=images)
    seconds, count, megabytes = _written(visual_atom.write, how, "visualatom")
    return Measured(seconds, count, "image", slow, megabytes)


def atoms_torch(images):
    """n live atoms at 224 px by torch, in batches of 32, on a GPU if there is one; the baseline is the kernel."""
    device, codes = "cuda" if torch.cuda.is_available() else "cpu", _atoms(LIVE)
    torch.set_num_threads(1)

    def batch(first):
        keys = range(first, first + 32)
        grown = [visual_atom.grown(codes[key % LIVE], key) for key in keys]
        return atoms.Atoms(grown, 224, device).images(keys).cpu().numpy()

    slow, theirs = timed(lambda: np.stack([visual_atom.live(codes[key], key, 224) for key in range(32)]))
    _same(batch(0), theirs)
    seconds, _ = timed(lambda: [batch(first) for first in range(0, images, 32)])
    return Measured(seconds, images, "sample", slow / 32)


def _atoms(count):
    """The first published atoms."""
    return [visual_atom.sample(visual_atom.FAMILY.example(), category) for category in range(count)]


def _set(family, out, images):
    """The parameters of n categories of a family's published set, with one instance of each."""
    one = {"instances": 1} if "instances" in family.stages[-1].parameters.kinds() else {}
    return family.example(**{"out": str(out), family.stages[-1].counts: images, **one})


def write_family(family, images):
    """n categories of a family's published set, by its last stage, files and manifest included."""
    with tempfile.TemporaryDirectory() as root:
        prepared = _set(family, root, images)
        for stage in catalogue.writers(family)[:-1]:
            _prepare(stage, root, images)
        seconds, _ = timed(family.stages[-1].write, prepared)
        made = Path(root) / family.stages[-1].writes[-1]
        return Measured(seconds, len(Folder(made).manifest()["files"]), "file", disk_mb=_size(made))


def live_family(family, source, samples):
    """n samples of a family's source, drawn live at 224 px on one core; the baseline draws a stored image."""
    with tempfile.TemporaryDirectory() as out:
        for stage in family.stages:
            if stage.write:
                _prepare(stage, out, LIVE)
        _, seconds = _live(source.folder, Path(out) / source.folder, samples, size=224)
    slow, _ = timed(lambda: [family.picture(family.example(), category) for category in range(LIVE)])
    return Measured(seconds, samples, "sample", slow / LIVE)


def _prepare(stage, out, categories):
    """Fill the folders that the last stage reads, by their defaults."""
    stage.write(stage.parameters.of({"out": str(out), stage.counts: categories}))


def verify_family(family, images):
    """Verifying n categories of a family's published set: every file read and hashed."""
    out, last = KEPT / f"{family.name}-{images}", family.stages[-1]
    for stage in catalogue.writers(family)[:-1]:
        _prepare(stage, out, images)
    last.write(_set(family, out, images))
    return _verified(out / last.writes[-1])


CASES: dict[str, tuple[Callable[..., Measured], list[int]]] = {
    "import_package": (import_package, [1]),
    "search_2d": (search_2d, [250, 1000]),
    "render_2d": (render_2d, [1000]),
    "render_fractaldb": (render_fractaldb, [2000]),
    "search_3d": (search_3d, [250, 1000]),
    "search_3d_one_core": (search_3d_one_core, [250]),
    "models_3d": (models_3d, [1000]),
    "views_3d": (views_3d, [1000]),
    "view_3d": (view_3d, [10_000]),
    "live_3d": (live_3d, [10_000]),
    "live_3d_both": (functools.partial(live_3d, patches="both"), [10_000]),
    "instance_2d_pattern": (functools.partial(instance_2d, patches="pattern"), [10_000]),
    "instance_2d_texture": (functools.partial(instance_2d, patches="texture"), [10_000]),
    "instance_2d": (functools.partial(instance_2d, patches="both"), [10_000]),
    "instance_2d_varied": (functools.partial(instance_2d, patches="both", delta=0.1), [1000]),
    "render_visualatom": (render_visualatom, [1000]),
    "atoms_torch": (atoms_torch, [320]),
    **samples.CASES,
}
for _name, _family in registry.families().items():  # those of a family, unless there is a case with a baseline above
    CASES.setdefault(f"render_{_name}", (functools.partial(write_family, _family), [1000]))
    CASES[f"verify_{_name}"] = (functools.partial(verify_family, _family), [1000])
    for _source in _family.sources:
        if _source.live and _name not in ("2d", "3d"):  # these have cases of their own
            CASES[f"live_{_source.folder}"] = (functools.partial(live_family, _family, _source), [1000])

if __name__ == "__main__":
    name, size = sys.argv[1:]
    measured = CASES[name][0](int(size))
    print(json.dumps({**asdict(measured), "peak_mb": prepared.peak_mb()}))
