"""python -m benchmarks.draft: how far what a network sees of a drafted JPEG is from what it sees of the whole one.

Two photographs of scikit-learn (640 x 424, JPEG quality 92), at the input sizes for which they are decoded at 1/2, 1/4
and 1/8: so each picture has just the pixels that are needed. Writes results/draft.csv and the table in docs/data.md.
"""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks import pages
from ofdb_core.base import files, provenance
from ofdb_core.batches import draws, timm_chain
from ofdb_core.batches.recipe import BatchRecipe
from ofdb_core.data import tables
from ofdb_core.data.decoding import decode

ROWS = 424  # of the photographs: a multiple of 8
CROPS = 500  # of each photograph
MARKS = ("<!-- draft -->", "<!-- end draft -->")


class Photograph:
    """A JPEG in memory, as a file for `decode`."""

    name = "photograph.jpg"

    def __init__(self, pixels):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=92)
        self._data, self.size = stream.getvalue(), (pixels.shape[1], pixels.shape[0])

    def read_bytes(self):
        return self._data


def crop(pixels, box, size):
    """A box (top, left, height, width) of pixels, resized to size x size."""
    top, left, high, wide = box
    place = (left, top, left + wide, top + high)
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, place), int)


def views(photograph, recipe, reading):
    """Pairs of a view of the whole picture and of the drafted one: as evaluation sees them, or random crops."""
    whole, small = decode(photograph), decode(photograph, reading)
    if reading == recipe.reading():
        see = timm_chain.evaluation(recipe)
        yield see(whole).astype(int), see(small).astype(int)
        return
    part, chances, (high, wide) = len(whole) // len(small), draws.chances(recipe), small.shape[:2]
    for key in range(CROPS):
        box = draws.drawn(chances, high, wide, recipe.input_size, np.uint64(key)).crop
        yield crop(whole, [part * x for x in box], recipe.input_size), crop(small, box, recipe.input_size)


def largest(photograph, part, read):
    """The recipe of the largest input for which a photograph is decoded at 1/part."""
    for size in range(ROWS, 7, -1):
        recipe = BatchRecipe(input_size=size, draft=True)
        if read(recipe).least.scale(*photograph.size) == part:
            return recipe
    raise RuntimeError(f"no input size for 1/{part}")


def measure():
    """A row for each view and part."""
    rows, photographs = [], [Photograph(pixels[:ROWS]) for pixels in load_sample_images().images]
    for view, read in (("evaluation", BatchRecipe.reading), ("random crops", BatchRecipe.reading_crops)):
        for part in (2, 4, 8):
            recipe = largest(photographs[0], part, read)
            pairs = [pair for photograph in photographs for pair in views(photograph, recipe, read(recipe))]
            apart = [np.abs(one - other) for one, other in pairs]
            found = {
                "mean": f"{np.mean(apart):.2f}",
                "p99": f"{np.percentile(apart, 99):.0f}",
                "max": int(np.max(apart)),
            }
            rows.append({"view": view, "decoded_at": f"1/{part}", "input_size": recipe.input_size, **found})
    return [{**row, "commit": provenance.commit()} for row in rows]


def table(rows):
    """The table of docs/data.md."""
    lines = ["| view | decoded at | input | grays, mean | 99 % below | most |", "|---|---|---|---|---|---|"]
    names = ("view", "decoded_at", "input_size", "mean", "p99", "max")
    return "\n".join([*lines, *("| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows)])


if __name__ == "__main__":
    measured = measure()
    tables.write(pages.RESULTS / "draft.csv", measured)
    page = provenance.PROJECT / "docs" / "data.md"
    files.write_whole(page, pages.between(page.read_text(encoding="utf-8"), MARKS, table(measured)))
