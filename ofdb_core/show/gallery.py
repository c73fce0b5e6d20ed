"""A data set that one can look through: thousands of categories on one page, sorted and filtered by what is measured.

The pictures are tiles of sprite sheets, and gallery.js shows those in sight. Near-duplicates are told by the normalised
correlation of thumbnails of 32 x 32 pixels (`measures.likeness`).
"""

import base64
import functools
import io
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ofdb_core.base import files, folder, threads
from ofdb_core.base.parameters import NotebookParameters, StageParameters
from ofdb_core.base.record import Entry
from ofdb_core.data import samples
from ofdb_core.families import registry
from ofdb_core.families.registry import Family
from ofdb_core.formulas import ifs, measures
from ofdb_core.formulas.ifs import IFS
from ofdb_core.show import pages

PAGE = "gallery.html"
ALIKE = 0.9  # the correlation from which two categories are called near-duplicates at first
ACROSS = 16  # tiles of a sheet, in both directions
QUALITY = 60  # of the sheets, lossy WebP
MEASURED = ("filling rate", "contrast", "box dimension")  # on every image
MEANINGS = {
    "filling rate": "share of the image's pixels that are lit",
    "contrast": "standard deviation of the gray values, as a share of white",
    "box dimension": "of the lit pixels, by box counting: 1 is a line, 2 an area",
    "maps": "affine maps of the system",
    "contraction": "geometric mean of the maps' norms, by their probabilities: below 1 the orbit settles",
    "likeness": f"correlation with the category most like it, thumbnails of {measures.SIDE} x {measures.SIDE} pixels",
}
Tiles = tuple[list[np.ndarray], np.ndarray, tuple[float, ...]]  # a category's, its thumbnail, its measures


def collection(
    out: Path, family: Family, parameters: NotebookParameters | None = None, *, side: int = 64, pictures: int = 1
) -> dict[str, Any] | None:
    """All that gallery.js shows of a family's images in an experiment's folder; None where it has none, or unfinished.

    side: pixels of a tile; pictures: tiles of a category at most, where it has as many images; parameters: that the
    images were drawn by, for those of the family's properties that depend on them.
    """
    root = out / next(source.folder for source in family.sources if not source.live)
    if not folder.is_complete(root):
        return None
    paths, labels, classes = samples.class_files(root, "image", samples.extensions())
    members: list[list[Path]] = [[] for _ in classes]
    for path, label in zip(paths, labels, strict=True):
        members[label].append(path)
    count = min(pictures, min(map(len, members)))
    tasks = (functools.partial(_tiles, _spread(own, count), side) for own in members)
    made: list[Tiles] = list(threads.in_order(tasks, os.cpu_count() or 1))
    measured = dict(zip(MEASURED, zip(*(row for *_, row in made), strict=True), strict=True))
    nearest, alike = measures.likeness(np.array([small for _, small, _ in made]))
    systems = _systems(out, family, classes)
    properties = {
        **measured,
        **_of_systems(systems),
        **_own(family, parameters, len(classes)),
        "likeness": alike.tolist(),
    }
    return {
        "name": family.name,
        "title": family.title,
        "names": classes,
        "side": side,
        "across": ACROSS,
        "pictures": count,
        "sheets": _sheets([tile for tiles, *_ in made for tile in tiles]),
        "properties": {name: [float(f"{value:.4g}") for value in row] for name, row in properties.items()},
        "meanings": {name: MEANINGS.get(name, "") for name in properties},
        "nearest": nearest.tolist(),
        "alike": ALIKE,
        "systems": _packed(systems),
        "drawn": _drawn(parameters),
        "files": [[path.relative_to(out).as_posix() for path in own] for own in members],
    }


def _spread(paths: list[Path], count: int) -> list[Path]:
    return [paths[i * len(paths) // count] for i in range(count)]


def _tiles(paths: Iterable[Path], side: int) -> Tiles:
    """The tiles of one category, and what its first image says."""
    images = [samples.decode(path) for path in paths]
    tiles = [_tile(image, side) for image in images]
    first = images[0]
    measured = measures.filling(first), measures.contrast(first), measures.box_dimension(first)
    return tiles, measures.thumbnail(first), measured


def _tile(image: np.ndarray, side: int) -> np.ndarray:
    """(side, side) or (side, side, 3) uint8, made brighter: few white dots would vanish when shrunk."""
    small = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)).astype(np.float32)
    light = np.percentile(small, 99.5) or small.max() or 1.0
    return (255 * np.clip(small / light, 0, 1) ** 0.8).astype(np.uint8)


def _sheets(tiles: list[np.ndarray]) -> list[str]:
    """Tiles, each (side, side) or (side, side, 3) uint8, as the addresses of square sheets."""
    side, each, sheets = len(tiles[0]), ACROSS * ACROSS, []
    for part in (tiles[start : start + each] for start in range(0, len(tiles), each)):
        colour = any(tile.ndim == 3 for tile in part)
        sheet = np.zeros((math.ceil(len(part) / ACROSS) * side, ACROSS * side, 3 if colour else 1), np.uint8)
        for i, tile in enumerate(part):
            y, x = i // ACROSS * side, i % ACROSS * side
            sheet[y : y + side, x : x + side] = tile.reshape(side, side, -1)
        data = io.BytesIO()
        Image.fromarray(sheet if colour else sheet[..., 0]).save(data, "WEBP", quality=QUALITY, method=4)
        sheets.append(pages.as_data(data.getvalue(), "image/webp"))
    return sheets


def _systems(out: Path, family: Family, classes: list[str]) -> list[IFS]:
    """The systems of the categories, where the family has them in a folder of the experiment; else none."""
    for source in family.sources:
        if source.codes and folder.is_complete(out / source.folder):
            known = dict(ifs.load_folder(out / source.folder))
            found = [known[int(name)] for name in classes if name.isdecimal() and int(name) in known]
            return found if len(found) == len(classes) else []
    return []


def _of_systems(systems: list[IFS]) -> dict[str, list[float]]:
    if not systems:
        return {}
    return {"maps": [len(system) for system in systems], "contraction": [measures.contraction(s) for s in systems]}


def _own(family: Family, parameters: NotebookParameters | None, count: int) -> dict[str, list[float]]:
    """The properties that the family itself knows of its categories."""
    if parameters is None or family.properties is None:
        return {}
    rows = [family.properties(parameters, category) for category in range(count)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _drawn(parameters: NotebookParameters | None) -> dict[str, Any] | None:
    """How the images were drawn, as the explorer's settings; None where it cannot draw so, or nobody knows."""
    drawing: dict[str, Any] = getattr(parameters, "drawing", dict)()
    one = isinstance(drawing.get("weight"), int | float)  # as the explorer has it, which knows no six of them
    if not (one and isinstance(parameters, StageParameters)):
        return None
    return {**drawing, "seed": parameters.seed}


def _packed(systems: list[IFS]) -> dict[str, Any] | None:
    """Coefficients to the last bit: the maps of each system, and all rows of their tables as base64 of float64."""
    if not systems:
        return None
    rows = np.concatenate([ifs.table(system) for system in systems]).astype("<f8")
    maps = [len(system) for system in systems]
    return {"d": systems[0].d, "maps": maps, "rows": base64.b64encode(rows.tobytes()).decode()}


def systems(out: Path, most: int) -> list[list[list[float]]]:
    """The tables of the first 2D systems of an experiment's folder, as the explorer takes them; most: so many."""
    for source in registry.sources().values():
        root = out / source.folder
        if source.codes and folder.is_complete(root):
            found = [system for _, system in ifs.load_folder(root)[:most]]
            if found[0].d == 2:
                return [ifs.table(system).tolist() for system in found]
    return []


def of_run(out: Path, entries: Mapping[str, Entry], **look: int) -> list[dict[str, Any]]:
    """The collections of all families that have images in an experiment's folder; entries: notebook -> its record."""
    drawn = {}
    for family in registry.families().values():
        if entry := entries.get((stage := family.stages[-1]).name):
            values = {**stage.parameters.recorded(entry["parameters"]), "out": str(out)}
            drawn[family.name] = stage.parameters.of(stage.parameters.located(values))
    return of_folder(out, drawn, **look)


def of_folder(out: Path, drawn: Mapping[str, NotebookParameters], **look: int) -> list[dict[str, Any]]:
    """As `of_run`; drawn: name of a family -> the parameters of its images, where they are known."""
    found = (collection(out, family, drawn.get(family.name), **look) for family in registry.families().values())
    return [each for each in found if each]


SHOWN = """import {mount} from "gallery";
import {mount as explore, paint, picture} from "explorer";

mount(document.getElementById("gallery"), data, {
  explorer: (place, system, settings) => explore(place, {system, settings}),
  draw: (canvas, system, settings) => paint(canvas, picture(system, settings), settings.draw),
});"""


def page(title: str, collections: list[dict[str, Any]]) -> str:
    """A page of collections, as text."""
    return pages.page(title, f"<h1>{pages.escape(title)}</h1>{part(collections)}")


def part(collections: list[dict[str, Any]]) -> pages.Text:
    """Collections as a part of any page."""
    style = pages.own("gallery.css") + pages.own("explorer.css")
    script = pages.script(["gallery.js", "explorer.js"], SHOWN, {"sets": collections})
    return f'<style>{style}</style><p class="lead">{_about(collections)}</p><div id="gallery"></div>{script}'


def _about(collections: list[dict[str, Any]]) -> str:
    counts = ", ".join(f"{len(each['names']):,} categories of {each['title']}" for each in collections)
    return pages.escape(
        f"{counts}. Drag over a histogram to filter; click a picture to see what it is made of. Near-duplicates are "
        f"told by the normalised correlation of thumbnails of {measures.SIDE} x {measures.SIDE} pixels, from {ALIKE}."
    )


def widget(out: Path, entries: Mapping[str, Entry]) -> Any:
    """The gallery of an experiment's folder as a widget, which takes the pictures when it is seen in JupyterLab."""
    import anywidget

    class Gallery(anywidget.AnyWidget):
        """A stored notebook holds none of its pictures."""

        _esm, _css = pages.module("gallery.js"), pages.own("gallery.css")

    def send(shown: Gallery, *_: Any) -> None:
        sets = of_run(out, entries)
        shown.send({"sets": [{**each, "files": None} for each in sets]})  # those are beside a page

    shown = Gallery()
    shown.on_msg(send)
    return shown


def write(out: Path, title: str, entries: Mapping[str, Entry]) -> Path | None:
    """Write gallery.html into an experiment's folder; None where it has no images."""
    collections = of_run(out, entries)
    if not collections:
        return None
    files.write_whole(out / PAGE, page(title, collections))
    return out / PAGE
