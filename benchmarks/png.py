"""What it costs that a PNG decodes to its values everywhere: `python -m benchmarks.png` writes results/png.csv and the
table in docs/data.md.

The same drawings as this project writes them, as Pillow writes gray and RGB, and as a palette, as up to 0.1.0.
"""

import io
import time

import numpy as np
from PIL import Image

from benchmarks.pages import RESULTS
from ofdb_core.base import files, provenance
from ofdb_core.data import png, tables
from ofdb_core.families import fractal_2d, registry
from ofdb_core.formulas import camera, contours, raster, search

PAGE = provenance.PROJECT / "docs" / "data.md"
MARKS = ("<!-- png -->", "<!-- end png -->")
COUNT, RUNS = 32, 5


def _saved(picture, **how):
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1, **how)
    return data.getvalue()


def _palette(image, palette):
    picture = Image.fromarray(image)
    picture.putpalette(palette.tobytes())
    return _saved(picture, bits=1 if len(palette) == 2 else 8)


def _pillow(image, palette):
    gray = (palette == palette[:, :1]).all()
    return _saved(Image.fromarray((palette[:, 0] if gray else palette)[image]))


def _drawings():
    """Name -> images as indices, and their palette: the released sizes."""
    families, systems = registry.families(), [search.published(2, i) for i in range(COUNT)]
    for draw in ("patch_gray", "patch_color"):
        yield (
            f"2D-OFDB, {draw}",
            [fractal_2d.indices(one, category=i, draw=draw) for i, one in enumerate(systems)],
            draw,
        )
    for name, palette in (("3d", camera.PALETTE), ("visualatom", contours.GRAYS)):
        drawn = [families[name].picture(families[name].example(), i) for i in range(COUNT)]
        yield families[name].title, [image // 255 if name == "3d" else image for image in drawn], palette


def measure():
    """A row for each kind of drawing and way of writing: bytes, and the shortest ms of a few runs to write and read."""
    for name, images, palette in _drawings():
        colours = raster.palette(palette) if isinstance(palette, str) else palette
        for way, write in (("now", png.encode), ("Pillow's", _pillow), ("palette, until 0.1.0", _palette)):
            written, spent, read = [], [], []
            for _ in range(RUNS):
                began = time.perf_counter()
                written = [write(image, colours) for image in images]
                spent.append(time.perf_counter() - began)
                began = time.perf_counter()
                for data in written:
                    np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
                read.append(time.perf_counter() - began)
            each = {"write_ms": min(spent), "read_ms": min(read)}
            sizes = {"bytes": round(sum(map(len, written)) / COUNT)}
            times = {key: f"{1000 * value / COUNT:.3g}" for key, value in each.items()}
            yield {"drawing": name, "written": way, **sizes, **times, "machine": provenance.machine()}


def table():
    """The page's table as text, from results/png.csv."""
    rows = tables.read(RESULTS / "png.csv")
    lines = ["| drawing | written | bytes | ms to write | ms to read as RGB |", "|---|---|---|---|---|"]
    for row in rows:
        lines.append("| " + " | ".join(str(row[name]) for name in list(row)[:5]) + " |")
    return "\n".join([*lines, "", f"Measured on: {rows[0]['machine']}."])


if __name__ == "__main__":
    tables.write(RESULTS / "png.csv", list(measure()))
    before, _, rest = PAGE.read_text().partition(MARKS[0])
    files.write_whole(PAGE, f"{before}{MARKS[0]}\n{table()}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}")
