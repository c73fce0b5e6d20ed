"""python -m benchmarks.forms: how fast samples come from a folder, and from the forms that `pack` writes.

1,000 images of 2D-OFDB, 362 px, decoded anew for each sample (no cache) by the published recipe; the forms take turns.
Writes results/forms.csv and the table in docs/data.md.
"""

import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import pages, prepared, samples
from ofdb_core.base import files, provenance
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
from ofdb_core.data import packing, tables
from ofdb_core.data.samples import Images
from ofdb_core.stages import recipes

FORMS, STEPS, TURNS, THREADS = ("folder", "webdataset", "parquet"), 8, 5, 2
MARKS = ("<!-- forms -->", "<!-- end forms -->")


def measure(root):
    """A row for each form: seconds to open it, and samples a second (median of `TURNS`)."""
    recipe = samples.recipe_of("2d-ofdb-1k", "4_pretrain", recipes.Pretrain)
    with tempfile.TemporaryDirectory() as work:
        places = {form: root if form == "folder" else packing.pack(root, form, Path(work) / form) for form in FORMS}
        opened = {}
        seconds: dict[str, list[float]] = {form: [] for form in FORMS}
        for form, place in places.items():
            began = time.perf_counter()
            images = Images.from_folder(place, cache_bytes=0)
            opened[form] = time.perf_counter() - began, Batches(images, recipe, seed=0)
        for turn, form in itertools.product(range(TURNS + 1), FORMS):
            began = time.perf_counter()
            for _ in prefetch(opened[form][1], STEPS, workers=THREADS):
                pass
            if turn:  # the first one compiles
                seconds[form].append(time.perf_counter() - began)
    rates = {form: STEPS * recipe.batch_size / np.median(seconds[form]) for form in FORMS}
    about = {"images": 1000, "threads": THREADS, "commit": provenance.commit(), "machine": provenance.machine()}
    return [
        {"form": form, "open_s": f"{opened[form][0]:.3f}", "samples_per_s": f"{rates[form]:.0f}"}
        | {"of_folder": f"{rates[form] / rates['folder']:.2f}", **about}
        for form in FORMS
    ]


def table(rows):
    """The table of docs/data.md."""
    lines = ["| form | s to open | samples a second | of the folder's |", "|---|---|---|---|"]
    lines += [f"| {row['form']} | {row['open_s']} | {row['samples_per_s']} | {row['of_folder']} |" for row in rows]
    one = rows[0]
    return "\n".join([*lines, "", f"{one['images']} images, {one['threads']} threads, no cache; {one['machine']}."])


if __name__ == "__main__":
    found = measure(prepared.released(1000))
    tables.write(pages.RESULTS / "forms.csv", found)
    page = provenance.PROJECT / "docs" / "data.md"
    files.write_whole(page, pages.between(page.read_text(encoding="utf-8"), MARKS, table(found)))
