"""The folders of a data set: categories (one CSV file each), models (one PLY file each) and images (one folder each).

All are filled by `folder.fill`, so they appear whole, continue after an interruption and can be verified. Each family
of images is one module with a function `files`; here it meets its folder.
"""

import functools
import hashlib
import io
from pathlib import Path

from ofdb_core import bounds, camera, folder, ifs, model3d, render2d, search, visualatom


def _csv(system):
    data = io.BytesIO()
    ifs.save(system, data)
    return data.getvalue()


def _write_found(root, head, found, categories, digits):
    """Write the systems that a search finds as CSV files, numbered with so many digits as in the original."""
    files = ((f"{i:0{digits}d}.csv", functools.partial(_csv, system)) for i, system in enumerate(found))
    return folder.fill(root, head, files, total=categories, workers=1, label=Path(root).name)


def write_categories(root, *, categories, seed=1, points=100_000, filling_rate=0.2, workers=0):
    """Search so many 2D categories and write them as 00000.csv, 00001.csv, ...; return the folder's manifest.

    With the defaults, the files are those of the published FractalDB-1k, byte for byte. A longer search has the files
    of a shorter one and more. workers: threads, 0 for one a core.
    """
    rule = {"seed": seed, "points": points, "filling_rate": filling_rate}
    found = search.first(categories, search.candidates_2d(**rule, workers=workers))
    head = folder.header({"categories": categories, **rule}, "search")
    return _write_found(root, head, (candidate.system for candidate in found), categories, 5)


def write_categories_3d(root, *, categories, seed=1, points=10_000, variance=0.05, model=None, workers=0):
    """Search so many 3D categories and write them as 000000.csv, ...; return the folder's manifest.

    model: None, or seed, points and weight as for `model3d.files`: then a candidate whose weighted model diverges or
    degenerates is passed over, for the next one, and reported; so every category has a model.
    """
    bounds.whole(1, categories=categories)
    rule = {"seed": seed, "points": points, "variance": variance}
    found = (candidate for candidate in search.candidates_3d(**rule, workers=workers) if candidate.accepted)
    head = folder.header({"categories": categories, **rule, "model": model}, "search")
    return _write_found(root, head, _with_models(found, categories, model), categories, 6)


def _with_models(found, categories, model):
    """The systems of the first so many candidates that have a model."""
    number = 0
    while number < categories:
        candidate = next(found)
        if model and (why := model3d.defects([(number, candidate.system)], **model)):
            print(f"candidate {candidate.number} is skipped: {why[number]}")
        else:
            yield candidate.system
            number += 1


def load_categories(root, first=None):
    """(number, IFS) pairs of the CSV files of a folder, in order: the first so many, or all."""
    paths = sorted(Path(root).glob("[0-9]*.csv"))
    if not paths:
        raise FileNotFoundError(f"{root}: holds no category files (00000.csv, ...); search them first")
    if first is not None:
        bounds.whole(1, len(paths), categories=first)
    return [(int(path.stem), ifs.load(path)) for path in paths[:first]]


def _hash_of(systems):
    """One hash for (number, IFS) pairs: what is rendered, wherever the files came from."""
    found = hashlib.sha256()
    for number, system in systems:
        found.update(f"{number} {ifs.table(system).shape} ".encode() + ifs.table(system).tobytes())
    return found.hexdigest()


def write_images(root, categories_root, *, categories=None, seed=0, workers=0, **how):
    """Render one image for each 2D category of a folder (the original's will do); return the image folder's manifest.

    categories: the first so many, or all; how: size, points, weight and draw as for `render2d.indices`. The patches of
    an image depend on seed and category only, so any subset, order or number of workers gives the same files.
    """
    systems = load_categories(categories_root, categories)
    head = folder.header({"source": _hash_of(systems), "seed": seed, **how}, "render2d")
    files = render2d.files(systems, seed=seed, **how)
    return folder.fill(root, head, files, total=len(systems), workers=workers)


def write_models(root, categories_root, *, seed=0, points=10_000, weight=0.4, one_stream=False, workers=0):
    """Write the model of each 3D category of a folder as a PLY file; return the manifest of the model folder.

    A category whose weighted system gives no model has no file; the manifest's `missing` says which and why.
    one_stream: the random numbers in the original's order (see `model3d.files`).
    """
    systems = load_categories(categories_root)
    how = {"seed": seed, "points": points, "weight": weight, "one_stream": one_stream}
    missing = model3d.defects(systems, **how)
    for category, why in missing.items():
        print(f"category {category:06d} is kept without a model: {why}")
    head = folder.header({"source": _hash_of(systems), **how}, "model3d")
    head["missing"] = {f"{category:06d}": why for category, why in missing.items()}
    lacking = {model3d.name(category) for category in missing}
    files = ((name, make) for name, make in model3d.files(systems, **how) if name not in lacking)
    return folder.fill(root, head, files, total=len(systems) - len(missing), workers=workers)


def load_models(root):
    """(number, path) pairs of the PLY files of a folder, in order."""
    paths = sorted(Path(root).glob("[0-9]*/*_0000.ply"))
    if not paths:
        raise FileNotFoundError(f"{root}: holds no models (000000/000000_0000.ply, ...); write them first")
    return [(int(path.parent.name), path) for path in paths]


def write_views(root, models_root, *, seed=0, axes=1, views=12, workers=0, **how):
    """Render views**axes views of each model of a folder; return the manifest of the folder of views.

    how: size, point_size and one_stream as for `camera.files`.
    """
    models, source = load_models(models_root), folder.digest(models_root)
    how = {"seed": seed, "axes": axes, "views": views, **how}
    head = folder.header({"source": source, **how}, "camera")
    return folder.fill(root, head, camera.files(models, **how), total=len(models) * views**axes, workers=workers)


def write_visualatom(root, *, categories, settings, instances=1, seed=0, size=512, one_stream=False, workers=0):
    """Draw so many instances of each VisualAtom category; return the manifest of the image folder.

    settings: "published", those of VisualAtom-1k, or "original", the program's defaults; one_stream: the random numbers
    in the original's order (see `visualatom.files`), instead of a stream for each category and image.
    """
    how = {"seed": seed, "size": size, "one_stream": one_stream}
    head = folder.header({"categories": categories, "instances": instances, "settings": settings, **how}, "visualatom")
    files = visualatom.files(range(categories), instances, ranges=visualatom.SETTINGS[settings], **how)
    return folder.fill(root, head, files, total=categories * instances, workers=workers)
