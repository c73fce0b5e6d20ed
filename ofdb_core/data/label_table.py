"""Labels that a table holds: class folders of links to pictures that lie elsewhere."""

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath

from ofdb_core.base import files
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import archive, tables
from ofdb_core.data.decoding import extensions
from ofdb_core.data.forms import PARTS

FEW = 3  # files that a refusal names


def labelled(place: Path, table: str | Path, root: str | Path) -> Path:
    """A folder of links to the pictures in a folder, <label>/<file>, by a CSV file with the columns file and label.

    file: a name below the folder; train/x.png becomes train/<label>/x.png, likewise in val/ and test/. A ParameterError
    names files that are listed and missing, listed twice, or there and not listed.
    """
    place, root = place.resolve(), Path(root)
    if archive.is_archive(place):
        place = archive.unpacked(place, root)
    try:
        rows = tables.read(table, text=("file", "label"))
    except (ValueError, OSError) as error:
        raise ParameterError([f"labels: {error}"]) from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise ParameterError([f"labels: {table}: has no rows, or no columns file and label in its first line"])
    if not place.is_dir():
        raise ParameterError([f"labels: {place} is no folder of pictures"])
    listed = Counter(row["file"] for row in rows)
    there = {name for name, _ in files.walk(place, followlinks=True) if name.lower().endswith(extensions())}
    there = {name for name in there if not any(part.startswith(".") for part in name.split("/"))}
    wrong = {
        f"missing from {place}": [name for name in listed if name not in there],
        "listed twice": [name for name, count in listed.items() if count > 1],
        f"in {place} and not listed": sorted(there - listed.keys()),
        "without a label that can name a folder": [row["file"] for row in rows if not _names_a_folder(row["label"])],
    }
    if problems := [f"labels: {table}: {_few(names)} {what}" for what, names in wrong.items() if names]:
        raise ParameterError(problems)
    links = {_with_label(PurePosixPath(row["file"]), row["label"]): str(place / row["file"]) for row in rows}
    digest = hashlib.sha256(json.dumps(links).encode()).hexdigest()[:12]
    target, part = root / f"{place.name}-labels-{digest}", root / f".{place.name}-labels-{digest}.{os.getpid()}.part"
    if not target.is_dir():
        for name, source in links.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).symlink_to(source)
        with contextlib.suppress(FileExistsError):  # another process was first
            part.rename(target)
        shutil.rmtree(part, ignore_errors=True)
    return target


def _names_a_folder(label: str) -> bool:
    return "/" not in label and not label.startswith(".") and files.problem_of(label) is None


def _with_label(file: PurePosixPath, label: str) -> str:
    first = file.parts[:1] if len(file.parts) > 1 and file.parts[0] in PARTS else ()
    return str(PurePosixPath(*first, label, *file.parts[len(first) :]))


def _few(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" * (len(names) > FEW)
    return f"{', '.join(names[:FEW])}{more} {'is' if len(names) == 1 else 'are'}"
