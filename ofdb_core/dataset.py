"""The folders of a 2D data set: categories (one CSV file each) and images (one folder each).

Both are filled by `folder.fill`, so they appear whole, continue after an interruption and can be verified.
"""

import functools
import io
from pathlib import Path

from ofdb_core import folder, ifs, render2d, search


def _csv(system):
    data = io.BytesIO()
    ifs.save(system, data)
    return data.getvalue()


def write_categories(root, *, categories, seed=1, points=100_000, filling_rate=0.2, workers=0):
    """Search so many categories and write them as 00000.csv, 00001.csv, ...; return the folder's manifest.

    With the defaults, the files are those of the published FractalDB-1k, byte for byte. A longer search has the files
    of a shorter one and more. workers: threads, 0 for one a core.
    """
    rule = {"seed": seed, "points": points, "filling_rate": filling_rate}
    found = search.first(categories, search.candidates_2d(**rule, workers=workers))
    files = ((f"{i:05d}.csv", functools.partial(_csv, candidate.system)) for i, candidate in enumerate(found))
    head = folder.header({"categories": categories, **rule}, "search")
    return folder.fill(root, head, files, total=categories, workers=1)


def load_categories(root, first=None):
    """(number, IFS) pairs of the CSV files of a folder, in order: the first so many, or all."""
    paths = sorted(Path(root).glob("[0-9]*.csv"))
    if not paths:
        raise FileNotFoundError(f"{root}: holds no category files (00000.csv, ...); run 1_search_categories first")
    if first is not None and first > len(paths):
        raise ValueError(f"categories: {first} is out of range; {root} holds {len(paths)}")
    return [(int(path.stem), ifs.load(path)) for path in paths[:first]]


def write_images(root, categories_root, *, categories=None, seed=0, workers=0, **how):
    """Render one image for each category of a folder; return the manifest of the image folder.

    categories: the first so many, or all; how: size, points, weight and draw as for `render2d.indices`. The patches of
    an image depend on seed and category only, so any subset, order or number of workers gives the same files.
    """
    systems = load_categories(categories_root, categories)
    source = folder.digest(categories_root)
    head = folder.header({"source": source, "categories": len(systems), "seed": seed, **how}, "render2d")
    files = render2d.files(systems, seed=seed, **how)
    return folder.fill(root, head, files, total=len(systems), workers=workers)
