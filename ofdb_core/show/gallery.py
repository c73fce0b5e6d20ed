"""The gallery: a page of all categories of a data set, sorted and filtered by measured properties.

The pictures are tiles of sprite sheets; js/gallery.js shows those in sight. Near-duplicates are found by the normalised
correlation of thumbnails (`measures.likeness`).
"""

import base64
import functools
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from ofdb_core.base import threads
from ofdb_core.base.folder import Folder
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters, StageParameters
from ofdb_core.base.record import Entry
from ofdb_core.data import samples
from ofdb_core.families import registry
from ofdb_core.families.registry import Family, Source
from ofdb_core.formulas import ifs, measures
from ofdb_core.formulas.ifs import IFS
from ofdb_core.show import pages

PAGE = "gallery.html"
ALIKE = 0.9  # the default for the least correlation of near-duplicates
ACROSS = 16  # tiles of a sheet, in both directions
EXPLORED = 1000  # systems in the explorer
QUALITY = 60  # of the sheets, lossy WebP
OF_IMAGE: dict[str, tuple[Callable[[np.ndarray], float], str]] = {
    "filling rate": (measures.filling, "share of the pixels that are lit, 0 to 1"),
    "contrast": (measures.contrast, "standard deviation of the gray values, as a share of white: 0 to 0.5"),
    "box dimension": (measures.box_dimension, "of the lit pixels, by box counting: 1 is a line, 2 an area"),
}
OF_SYSTEM: dict[str, tuple[Callable[[IFS], float], str]] = {
    "maps": (len, "number of affine maps in the system"),
    "average contraction": (
        measures.average_contraction,
        "geometric mean of the maps' largest singular values, weighted by their probabilities. Below 1, the "
        "points of the chaos game are spread in the same way from any start: there is one invariant distribution, but "
        "no bounded attractor need exist. Above 1 the same may hold, as several steps together may contract",
    ),
}
LIKENESS = (
    f"correlation with the category most like it, of thumbnails of {measures.SIDE} x {measures.SIDE} pixels: 1 where "
    "they differ in brightness alone"
)
Tiles = tuple[list[np.ndarray], np.ndarray, list[float]]  # of a category; its thumbnail; its values of OF_IMAGE


class Systems(TypedDict):
    """Systems to the last bit: their dimension, how many maps each has, and all rows of their tables as base64."""

    d: int
    maps: list[int]
    rows: str


class Collection(TypedDict):
    """What the gallery shows of a family; `CollectionData` in js/collection.js says what the values are."""

    name: str
    title: str
    names: list[str]
    across: int
    pictures: int
    sheets: list[str]
    properties: dict[str, list[float]]
    meanings: dict[str, str]
    nearest: list[int]
    alike: float
    systems: Systems | None
    drawn: dict[str, Any] | None
    files: list[list[str]] | None


def collection(
    out: Path, family: Family, parameters: NotebookParameters | None = None, *, side: int = 64, pictures: int = 1
) -> Collection | None:
    """The gallery's data on a family's images in an experiment's folder; None if they are missing or unfinished.

    parameters: those of the images, for properties that depend on them; side: pixels of a tile; pictures: the most
    tiles of a category, one for each image.
    """
    stored = next(source for source in family.sources if not source.live)
    root = out / stored.folder
    if not Folder(root).is_complete():
        return None
    paths, labels, classes = stored.files(root)
    members: list[list[Path]] = [[] for _ in classes]
    for path, label in zip(paths, labels, strict=True):
        members[label].append(path)
    count = min(pictures, min(map(len, members)))
    spread = ([own[i * len(own) // count] for i in range(count)] for own in members)
    tasks = (functools.partial(_tiles, chosen, side) for chosen in spread)
    tiles, thumbnails, measured = zip(*threads.in_order(tasks, os.cpu_count() or 1), strict=True)
    nearest, alike = measures.likeness(np.array(thumbnails))
    systems = _systems(out, family, classes)
    found = {**_properties(family, parameters, measured, systems), "likeness": (LIKENESS, alike.tolist())}
    return {
        "name": family.name,
        "title": family.title,
        "names": classes,
        "across": ACROSS,
        "pictures": count,
        "sheets": sheets([tile for own in tiles for tile in own]),
        "properties": {name: [float(f"{value:.4g}") for value in row] for name, (_, row) in found.items()},
        "meanings": {name: meaning for name, (meaning, _) in found.items()},
        "nearest": nearest.tolist(),
        "alike": ALIKE,
        "systems": _packed(systems),
        "drawn": _drawn(parameters),
        "files": [[path.relative_to(out).as_posix() for path in own] for own in members],
    }


def _tiles(paths: Iterable[Path], side: int) -> Tiles:
    """The tiles of one category, and what is measured on its first image."""
    images = [samples.decode(path) for path in paths]
    measured = [measure(images[0]) for measure, _ in OF_IMAGE.values()]
    return [tile(image, side) for image in images], measures.thumbnail(images[0]), measured


def _properties(
    family: Family, parameters: NotebookParameters | None, measured: Sequence[list[float]], systems: list[IFS]
) -> dict[str, tuple[str, Sequence[float]]]:
    """The properties of images, systems and the family: name -> what it means, and a value for each category."""
    of_images = zip(OF_IMAGE.items(), zip(*measured, strict=True), strict=True)
    found: dict[str, tuple[str, Sequence[float]]] = {name: (words, row) for (name, (_, words)), row in of_images}
    if systems:
        found |= {name: (words, [measure(each) for each in systems]) for name, (measure, words) in OF_SYSTEM.items()}
    if parameters is not None and family.properties is not None:
        rows = [family.properties(parameters, category) for category in range(len(measured))]
        found |= {name: (family.meanings.get(name, ""), [row[name] for row in rows]) for name in rows[0]}
    return found


def tile(image: np.ndarray, side: int) -> np.ndarray:
    """(side, side) or (side, side, 3) uint8, brightened: a few white dots would vanish when the image shrinks."""
    small = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)).astype(np.float32)
    light = np.percentile(small, 99.5) or small.max() or 1.0
    return (255 * np.clip(small / light, 0, 1) ** 0.8).astype(np.uint8)


def sheets(tiles: list[np.ndarray]) -> list[str]:
    """Tiles, each (side, side) or (side, side, 3) uint8, as sheets, each the address of a WebP image."""
    side, each, addresses = len(tiles[0]), ACROSS * ACROSS, []
    for part in (tiles[start : start + each] for start in range(0, len(tiles), each)):
        mode = "RGB" if any(tile.ndim == 3 for tile in part) else "L"
        sheet = Image.new(mode, (ACROSS * side, math.ceil(len(part) / ACROSS) * side))
        for i, tile in enumerate(part):
            sheet.paste(Image.fromarray(tile), (i % ACROSS * side, i // ACROSS * side))
        data = io.BytesIO()
        sheet.save(data, "WEBP", quality=QUALITY, method=4)
        addresses.append(pages.as_data(data.getvalue(), "image/webp"))
    return addresses


def _stored(out: Path, sources: Iterable[Source]) -> Iterator[list[tuple[int, IFS]]]:
    """The systems, by number, of each folder of them in an experiment's folder that is complete."""
    roots = (out / each.folder for each in sources if each.codes)
    return (ifs.load_folder(root) for root in roots if Folder(root).is_complete())


def _systems(out: Path, family: Family, classes: list[str]) -> list[IFS]:
    """The systems of the categories; none unless the experiment's folder has all of them."""
    known = dict(next(_stored(out, family.sources), ()))
    numbers = [int(name) for name in classes if name.isdecimal()]
    complete = len(numbers) == len(classes) and known.keys() >= set(numbers)
    return [known[number] for number in numbers] if complete else []


def systems(out: Path) -> list[list[list[float]]]:
    """The tables of the 2D systems of an experiment's folder, as the explorer takes them, at most `EXPLORED`."""
    for found in _stored(out, registry.sources().values()):
        if found[0][1].d == 2:
            return [ifs.table(system).tolist() for _, system in found[:EXPLORED]]
    return []


def _packed(systems: list[IFS]) -> Systems | None:
    if not systems:
        return None
    rows = np.concatenate([ifs.table(system) for system in systems]).astype("<f8")
    maps = [len(system) for system in systems]
    return {"d": systems[0].d, "maps": maps, "rows": base64.b64encode(rows.tobytes()).decode()}


def _drawn(parameters: NotebookParameters | None) -> dict[str, Any] | None:
    """The explorer's settings for the images; None if they are unknown or it cannot draw so."""
    drawing: dict[str, Any] = getattr(parameters, "drawing", dict)()
    explorable = isinstance(drawing.get("weight"), int | float)  # not one for each coefficient
    return {**drawing, "seed": parameters.seed} if explorable and isinstance(parameters, StageParameters) else None


def of_run(out: Path, entries: Mapping[str, Entry], **look: int) -> list[Collection]:
    """The collections of all families with images in an experiment's folder.

    entries: notebook -> its record; look: `side` and `pictures`, as for `collection`.
    """
    drawn = {}
    for family in registry.families().values():
        if entry := entries.get((stage := family.stages[-1]).name):
            values = {**entry["parameters"], "out": str(out)}
            drawn[family.name] = stage.parameters.of(stage.parameters.located(values))
    return of_folder(out, drawn, **look)


def of_folder(out: Path, drawn: Mapping[str, NotebookParameters], **look: int) -> list[Collection]:
    """As `of_run`; drawn: name of a family -> the parameters of its images, if known."""
    found = (collection(out, family, drawn.get(family.name), **look) for family in registry.families().values())
    return [each for each in found if each]


SHOWN = """import {mount} from "gallery";
import {mount as explore, paint, picture} from "explorer";

mount(document.getElementById("gallery"), data, {
  explorer: (place, system, settings) => explore(place, {system, settings}),
  draw: (canvas, system, settings) => paint(canvas, picture(system, settings), settings.draw),
});"""


def page(title: str, collections: list[Collection]) -> str:
    """A page of collections, as text."""
    return pages.page(title, f"<h1>{pages.escape(title)}</h1>{part(collections)}")


def part(collections: list[Collection]) -> pages.Text:
    """Collections as a part of any page."""
    style = pages.own("gallery.css") + pages.own("explorer.css")
    script = pages.script(["gallery.js", "explorer.js"], SHOWN, {"sets": collections})
    return f'<style>{style}</style><p class="lead">{_about(collections)}</p><div id="gallery"></div>{script}'


def _about(collections: list[Collection]) -> str:
    titles: dict[int, list[str]] = {}  # of the families that have this number of categories
    for each in collections:
        titles.setdefault(len(each["names"]), []).append(each["title"])
    counts = (f"{n:,} categories {'each ' * (len(of) > 1)}of {', '.join(of)}" for n, of in titles.items())
    return pages.escape(
        f"{'; '.join(counts)}. Drag over a histogram to filter; click a picture to see what it is made of. "
        f"Categories are near-duplicates if their thumbnails of {measures.SIDE} x {measures.SIDE} pixels correlate by "
        f"{ALIKE} or more."
    )


def widget(out: Path, entries: Mapping[str, Entry]) -> Any:
    """The gallery of an experiment's folder as a widget; the pictures are sent when JupyterLab shows it."""
    import anywidget

    class Gallery(anywidget.AnyWidget):
        """Its pictures are in no trait, so a stored notebook does not hold them."""

        _esm, _css = pages.module("gallery.js"), pages.own("gallery.css")

    def send(shown: Gallery, *_: Any) -> None:
        shown.send({"sets": [{**each, "files": None} for each in of_run(out, entries)]})  # files lie beside a page only

    shown = Gallery()
    shown.on_msg(send)
    return shown


def write(out: Path, title: str, entries: Mapping[str, Entry]) -> Path | None:
    """Write gallery.html into an experiment's folder; None if it has no images."""
    if not (collections := of_run(out, entries)):
        return None
    return Own(out).write(PAGE, page(title, collections))
