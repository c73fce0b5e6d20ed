"""Where a folder's manifest lies, and what it says of itself.

It lies beside the folder, as <folder>.manifest.json, and not in it: a data set folder is <root>/<category>/<file>.png
and nothing else, for readers that take every name in it for a class (the original's trainer of 3D-OFDB takes it for a
number). Up to 0.1.0 it lay in the folder, as manifest.json; there it is still found, and `settle` moves it.
"""

import contextlib
import datetime
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ofdb_core.base.files import sha256, write_whole

MANIFEST, PART = "manifest.json", "manifest.part"  # behind the folder's name and a point; up to 0.1.0, in the folder
LOCK = "manifest.lock"  # while it is filled
SCHEMA_VERSION = 1  # of what a manifest and a record hold: see schemas/
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # of a file that is no image
LICENSE = "MIT"  # of what is made from formulas alone, as of the project


def beside(root: str | Path, name: str) -> Path:
    """The path of what is kept about a folder: <folder>.<name>; where the folder is a link, beside what it leads to."""
    root = Path(root).resolve()
    return root.with_name(f"{root.name}.{name}")


def place(root: str | Path, name: str) -> Path:
    """`beside`, or the path in the folder where only an older one is."""
    today, former = beside(root, name), Path(root) / name
    return former if former.is_file() and not today.is_file() else today


def settle(root: str | Path) -> None:
    """Move the manifest of a folder of 0.1.0 that is complete to where it lies today."""
    former = Path(root) / MANIFEST
    if former.is_file() and former == place(root, MANIFEST):
        write_whole(beside(root, MANIFEST), former.read_bytes(), durable=True)
        former.unlink()


def below(root: str | Path) -> list[Path]:
    """The folders at or below root that have a manifest, finished or not."""
    root = Path(root)
    found = {root} if any(place(root, name).is_file() for name in (MANIFEST, PART)) else set()
    for name in (MANIFEST, PART):
        found |= {path.parent for path in root.rglob(name)}
        found |= {path.with_name(path.name[: -len(name) - 1]) for path in root.rglob(f"?*.{name}")}
    return sorted(found)


def about(root: str | Path) -> dict[str, Any]:
    """What a manifest says of itself; `root` is the folder."""
    root = Path(root).resolve()
    return {"name": f"{root.parent.name}/{root.name}", **dated()}


def dated() -> dict[str, Any]:
    """The version of the schema, the licence, and the day in UTC."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"schema_version": SCHEMA_VERSION, "license": LICENSE, "date": day}


def portable(value: Any, start: str | Path | None = None) -> Any:
    """A parameter's value without absolute paths, in lists and mappings too, for a file that others will read.

    A path, maybe behind a word as in local-dir:/a/b, is told from the folder `start`; without, it is its last name.
    """
    if isinstance(value, Mapping):
        return {name: portable(inner, start) for name, inner in value.items()}
    if isinstance(value, list):
        return [portable(inner, start) for inner in value]
    if isinstance(value, str) and (path := re.fullmatch(r"([\w-]*:)?(/.*)", value, re.DOTALL)):
        return (path[1] or "") + (Path(path[2]).name if start is None else os.path.relpath(path[2], start))
    return value


def content(path: Path) -> str:
    """A hash of what a file holds: of the pixels of a PNG in RGB, however they are packed; else of its bytes."""
    if path.suffix == ".png":
        with contextlib.suppress(*BROKEN), Image.open(path) as picture:
            pixels = picture.convert("RGB")
            return hashlib.sha256(f"{pixels.size} ".encode() + pixels.tobytes()).hexdigest()
    return sha256(path)


def text(facts: Mapping[str, Any]) -> str:
    """A manifest or a record as the text of its file."""
    return json.dumps(facts, indent=1) + "\n"
