"""Labels from elsewhere than the names of folders: from a table, or from a column of Parquet files.

Either gives a folder of links to what lies elsewhere.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath

from ofdb_core.base import files, folder
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import archive, tables
from ofdb_core.data.decoding import extensions
from ofdb_core.data.forms import COLUMN, PARQUET, PARTS
from ofdb_core.data.shards import require_label

FEW = 3  # files that a refusal names


def labelled(origin: Path, labels: str | Path, root: str | Path) -> Path:
    """A folder of links to the pictures in a folder, <label>/<file>, or to Parquet files, of which a column is named.

    labels: of pictures, a CSV file with the columns file and label; of Parquet files, the column.
    """
    origin, root = origin.resolve(), Path(root)
    if archive.is_archive(origin):
        origin = archive.unpacked(origin, root)
    if shards := [name for name, _ in files.walk(origin, followlinks=True) if name.endswith(PARQUET)]:
        column = Path(labels).name  # a file of this name may lie where the command ran
        try:
            for name in shards:
                require_label(origin / name, column)
        except (ValueError, OSError) as error:
            raise ParameterError([f"labels: {error}"]) from error
        asked = {str(PurePosixPath(name).with_name(COLUMN)): f"{column}\n" for name in shards}
        return _linked(origin, {name: str(origin / name) for name in shards}, asked, root)
    return _linked(origin, _links(origin, labels), {}, root)


def _linked(origin: Path, links: dict[str, str], texts: dict[str, str], root: Path) -> Path:
    """A folder with these links, name -> path, and files of text."""
    proven = folder.fingerprint(origin) if texts else ""
    digest = hashlib.sha256(json.dumps([links, texts, proven] if texts else links).encode()).hexdigest()[:12]
    target, part = root / f"{origin.name}-labels-{digest}", root / f".{origin.name}-labels-{digest}.{os.getpid()}.part"
    if not target.is_dir():
        for name, source in links.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).symlink_to(source)
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8")
        with contextlib.suppress(FileExistsError):  # another process was first
            part.rename(target)
        shutil.rmtree(part, ignore_errors=True)
    return target


def _links(origin: Path, table: str | Path) -> dict[str, str]:
    """Name -> path of the pictures in a folder, by a CSV file.

    file: a name below the folder; train/x.png becomes train/<label>/x.png, likewise in val/ and test/. A ParameterError
    names files that are listed and missing, listed twice, or there and not listed.
    """
    try:
        rows = tables.read(table, text=("file", "label"))
    except (ValueError, OSError) as error:
        raise ParameterError([f"labels: {error}"]) from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise ParameterError([f"labels: {table}: has no rows, or no columns file and label in its first line"])
    if not origin.is_dir():
        raise ParameterError([f"labels: {origin} is no folder of pictures"])
    listed = Counter(row["file"] for row in rows)
    there = {name for name, _ in files.walk(origin, followlinks=True) if name.lower().endswith(extensions())}
    there = {name for name in there if not any(part.startswith(".") for part in name.split("/"))}
    wrong = {
        f"missing from {origin}": [name for name in listed if name not in there],
        "listed twice": [name for name, count in listed.items() if count > 1],
        f"in {origin} and not listed": sorted(there - listed.keys()),
        "without a label that can name a folder": [row["file"] for row in rows if not _names_a_folder(row["label"])],
    }
    if problems := [f"labels: {table}: {_few(names)} {what}" for what, names in wrong.items() if names]:
        raise ParameterError(problems)
    return {_with_label(PurePosixPath(row["file"]), row["label"]): str(origin / row["file"]) for row in rows}


def _names_a_folder(label: str) -> bool:
    return "/" not in label and not label.startswith(".") and files.problem_of(label) is None


def _with_label(file: PurePosixPath, label: str) -> str:
    first = file.parts[:1] if len(file.parts) > 1 and file.parts[0] in PARTS else ()
    return str(PurePosixPath(*first, label, *file.parts[len(first) :]))


def _few(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" * (len(names) > FEW)
    return f"{', '.join(names[:FEW])}{more} {'is' if len(names) == 1 else 'are'}"
