"""Tables as CSV text: rows are dictionaries of the same keys."""

import csv
import io
import re
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from ofdb_core.base import files

Row = dict[str, Any]
NUMBER = re.compile(r"-?(0|[1-9]\d{0,300})(\.\d+)?(e[+-]?\d{1,3})?", re.ASCII)


def to_text(rows: Sequence[Row]) -> str:
    """The text of a CSV file with a header; rows: dictionaries with the same keys."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def write(path: str | Path, rows: Sequence[Row]) -> None:
    """Write a CSV file with a header, whole or not at all; rows: dictionaries with the same keys."""
    files.write_whole(path, to_text(rows))


def read(path: str | Path, *, text: Container[str] = ()) -> list[Row]:
    """The rows of a CSV file as dictionaries; numbers become numbers again, but 007, 1_0 and nan stay text.

    text: columns that stay text throughout. A file that is no table is a ValueError.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: no file")
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if line]
    except (ValueError, csv.Error) as error:  # not text, or a field that is too long
        raise ValueError(f"{path}: not a table ({error})") from error
    names, *rows = lines or [[]]
    for row in rows:
        if len(row) != len(names):
            raise ValueError(f"{path}: not a table; a row has {len(row)} columns, the first line {len(names)}")
    return [
        {name: cell if name in text else _number(cell) for name, cell in zip(names, row, strict=True)} for row in rows
    ]


def _number(text: str) -> int | float | str:
    if not NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdecimal() else float(text)
