"""Tables as CSV text: rows are dictionaries of the same keys."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ofdb_core.base import files

Row = dict[str, Any]


def to_text(rows: Sequence[Row]) -> str:
    """Dictionaries of the same keys as the text of a CSV file with a header."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def write(path: str | Path, rows: Sequence[Row]) -> None:
    """Write dictionaries of the same keys as a CSV file with a header, whole or not at all."""
    files.write_whole(path, to_text(rows))


def read(path: str | Path) -> list[Row]:
    """The rows of a CSV file as dictionaries; numbers are numbers again. A file that is no table is a ValueError."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no file")
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (ValueError, csv.Error) as error:  # no text, or too long a field
        raise ValueError(f"{path}: not a table ({error})") from error
    names, *rows = lines or [[]]
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"{path}: not a table; a row has {len(row)} columns, the first line {len(names)}")
    return [dict(zip(names, map(_number, row), strict=True)) for row in rows]


def _number(text: str) -> int | float | str:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
