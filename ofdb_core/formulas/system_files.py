"""Systems as books and other programs write them: a text becomes tables of numbers by name, and tables become a text.

A table has a row for each map, in the order of `ifs.table`; p may be missing. Three forms are told apart by what they
hold: a plain table; Fractint's .ifs, with many systems as `name { rows }`; and flam3's and Apophysis's .flame.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import numpy as np

from ofdb_core.base import files, values

ENDINGS = (".csv", ".ifs", ".flame")
DIMENSIONS = {6: 2, 7: 2, 12: 3, 13: 3}  # numbers of a map -> d
BETWEEN = "commas, semicolons or white space between them"
WIDTHS_TOLD = "a map has 6 numbers (2D) or 12 (3D), and may have its probability after them"
LETTERS = "abcdefghijkl"  # the columns in order; p follows
NAMES_OF_P = ("p", "prob", "probability", "weight")
NAMES_OF_MAPS = ("w", "map")  # a column before the others that numbers the maps, as in Barnsley's tables
SEPARATORS = re.compile(r"\s*[,\t]\s*|\s+")
ENTRY = re.compile(r"([^{}]*)\{([^{}]*)\}")  # of a Fractint file without its comments
DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
MOST_BYTES = 2**20  # of a plain table
MOST_BYTES_OF_MANY = 2**26  # of a file with many systems: 21,000 categories take 50 MB as flames
MOST_SYSTEMS = 100_000  # of a file
LONGEST_NAME = 200  # bytes; an image's file name holds it, too
# Of an xform: what changes no point, and the value with which other attributes change none (else it is 0).
NUMBERS = {"weight", "coefs", "linear", "linear3D"}
HARMLESS = NUMBERS | {"name", "color", "color_speed", "symmetry", "animate", "var_color"}
NEUTRAL = {"post": [1.0, 0, 0, 1, 0, 0], "opacity": [1.0]}
STRANGE = {"finalxform", "symmetry", "motion"}  # elements of a flame that change its maps
FLAME_COLUMNS = [0, 2, 1, 3, 4, 5]  # a flame has columns of A, one after the other: a c b d e f
SIDE = 1000  # pixels of an exported flame

Tables = dict[str, np.ndarray]  # name -> (k, 6), (k, 7), (k, 12) or (k, 13)


def read(path: str | Path) -> Tables:
    """The tables of a file; an error begins with its path. The name of a plain table is the file's, without ending."""
    path = Path(path)
    if not path.exists():  # or a broken link, or one to itself
        raise FileNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise ValueError(f"{path}: cannot be read (a folder, a pipe or a device)")
    most = MOST_BYTES if path.suffix.lower() not in ENDINGS[1:] else MOST_BYTES_OF_MANY
    if (size := path.stat().st_size) > most:
        raise ValueError(f"{path}: {size:,} bytes; at most {most:,} are read (.ifs and .flame: {MOST_BYTES_OF_MANY:,})")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:  # of an older system, where only names and comments have other characters
        text = data.decode("latin-1")
    return tables(text, str(path), path.stem)


def is_file_of_systems(path: str | Path) -> bool:
    """Whether a path is a file that holds systems, by its name."""
    return Path(path).suffix.lower() in ENDINGS and Path(path).is_file()


def tables(text: str, where: str, stem: str) -> Tables:
    """The tables in a text; an error begins with `where`; stem: the name of a system that has none."""
    text = text.partition("\x1a")[0].replace("\r\n", "\n").replace("\r", "\n")  # DOS ends a text with Ctrl-Z
    text = text.removeprefix("\ufeff").replace("\N{MINUS SIGN}", "-")  # as pages and printed tables have it
    if text.lstrip().startswith("<"):
        return _named(_flames(text, where), where, stem)
    if re.search(r"^[^#;{\n]*\{", text, re.MULTILINE):
        return _named(_entries(text, where), where, stem)
    return {stem: _table(text, where)}


def _named(found: Iterable[tuple[str, int, np.ndarray]], where: str, stem: str) -> Tables:
    """Tables by names that can be those of folders; found: (name, line, rows)."""
    named: Tables = {}
    for i, (text, line, rows) in enumerate(found):
        name = re.sub(r"[\x00-\x1f/\\]+", "_", text).strip(" .") or f"{stem}-{i}"
        if (problem := files.problem_of(name)) or len(name.encode()) > LONGEST_NAME:
            raise ValueError(f"{where}, line {line}: the name {values.shown(name)} {problem or 'is too long'}")
        if i >= MOST_SYSTEMS:
            raise ValueError(f"{where}, line {line}: more than {MOST_SYSTEMS:,} systems; divide the file")
        if name in named:
            raise ValueError(f"{where}, line {line}: a second system is named {name}; give it another name")
        named[name] = rows
    if not named:
        raise ValueError(f"{where}: holds no system")
    return named


def _number(word: str) -> float:
    if "_" in word or not word.isascii():  # Python's own ways to write a number
        raise ValueError
    return float(word)


def _rows_of_line(line: str) -> list[list[str]]:
    """The words of each row in a line: semicolons stand between rows, or between the numbers of one row.

    Between numbers, a semicolon allows a decimal comma, as spreadsheets write it in many countries.
    """
    parts = [part.strip() for part in line.split(";") if part.strip()]
    if len(parts) > 1 and all(len(part.split()) == 1 and part.count(",") <= 1 for part in parts):
        return [[part.replace(",", ".") for part in parts]]
    return [SEPARATORS.split(part) for part in parts]


def _order(words: list[str], where: str) -> list[int] | None:
    """Where the columns a, b, ..., p stand, if words name them; None if they do not."""
    names = ["p" if (name := word.strip("\"'").lower()) in NAMES_OF_P else name for word in words]
    if not all(name in {*LETTERS, "p"} for name in names):
        return None
    wanted = [*LETTERS[: 6 if len(names) < 12 else 12], *(["p"] if "p" in names else [])]
    if sorted(names) != sorted(wanted):
        raise ValueError(f"{where}: names the columns {' '.join(names)}; they are a to f (2D) or a to l (3D), and p")
    return [names.index(name) for name in wanted]


def _table(text: str, where: str) -> np.ndarray:
    """The rows of a plain table: a first line may name its columns, and # begins a comment."""
    order, rows, before = None, list[list[float]](), 0  # columns that number the maps
    for i, line in enumerate(text.split("\n"), 1):
        for words in _rows_of_line(line.partition("#")[0]):
            here = f"{where}, line {i}"
            if not rows and order is None:
                before = int(words[0].lower() in NAMES_OF_MAPS)
                if order := _order(words[before:], here):
                    continue
            try:
                rows.append([_number(word) for word in words[before:]])
            except ValueError as error:
                told = f"{values.shown(line.strip())} is no row of numbers, with a decimal point, and {BETWEEN}"
                raise ValueError(f"{here}: {told}; {WIDTHS_TOLD}") from error
            wanted = len(order or rows[0])
            if len(rows[-1]) != wanted or wanted not in DIMENSIONS:
                others = f", and {wanted} before" if wanted != len(rows[-1]) else ""
                raise ValueError(f"{here}: {len(rows[-1])} numbers{others}; {WIDTHS_TOLD}")
    if not rows:
        raise ValueError(f"{where}: holds no numbers; {WIDTHS_TOLD}")
    table = np.array(rows)
    return table[:, order] if order else table


def _entries(text: str, where: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """(name, line, rows) of each entry of a Fractint file; ; begins a comment, and (3D) marks a system of space.

    Fractint takes the numbers one after the other, whatever lines they stand in; others write a map in each line, and
    may leave p out. An entry named comment holds text.
    """
    text, at, line = re.sub(";[^\n]*", "", text), 0, 1
    while entry := ENTRY.match(text, at):
        head, body = entry.groups()
        line, at = line + head.count("\n"), entry.end()
        title = ([part.strip() for part in head.split("\n") if part.strip()] or [""])[-1]
        name = re.sub(r"\s*\(3d\)", "", title, flags=re.IGNORECASE).strip()
        if name.lower() != "comment":
            width = 7 if name == title else 13
            yield name, line, _rows_of_entry(body, width, f"{where}, line {line}, system {values.shown(name)}")
        line += body.count("\n")
    if "{" in text[at:]:
        raise ValueError(f"{where}, line {line}: a system is begun with {{ and not ended with }}")


def _rows_of_entry(body: str, width: int, where: str) -> np.ndarray:
    """The rows of an entry's numbers, of `width` with p."""
    lines = [line.strip(", \t") for line in body.split("\n") if line.strip(", \t")]
    try:
        rows = [[_number(word) for word in SEPARATORS.split(line)] for line in lines]
    except ValueError as error:
        raise ValueError(f"{where}: {values.shown(body.strip())} holds something that is no number") from error
    numbers, widths = list(itertools.chain(*rows)), {len(row) for row in rows}
    if widths in ({width}, {width - 1}):
        return np.array(rows)
    if not numbers or len(numbers) % width:
        told = f"{len(numbers)} numbers are no maps of {width}, or of {width - 1} in a line"
        raise ValueError(f"{where}: {told}; (3D) after the name marks a system of space")
    return np.array(numbers).reshape(-1, width)


def _flames(text: str, where: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """(name, line, rows) of each flame of a file; an entity, and a flame with more than linear maps, is a ValueError.

    The parser keeps no tree, so that what is read is bounded by what is kept; a document type, and so an entity, cannot
    stand inside the element that is put around the text.
    """
    found: list[tuple[str, int, list[list[float]]]] = []
    parser = expat.ParserCreate()

    def refuse(sentence: str) -> NoReturn:
        raise ValueError(f"{where}, line {parser.CurrentLineNumber}: {sentence}")

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "flame":
            found.append((attributes.get("name", ""), parser.CurrentLineNumber, []))
        elif found and (tag == "xform" or tag in STRANGE):
            name, _, rows = found[-1]
            here = f"flame {values.shown(name)}, {tag} {len(rows)}"
            if tag != "xform":
                refuse(f"{here}: changes the maps in a way that a system of affine maps has not; remove it")
            try:
                rows.append(_xform(attributes))
            except ValueError as error:
                refuse(f"{here}: {error}")

    parser.StartElementHandler = start
    try:
        parser.Parse("<all>" + DECLARATION.sub("", text) + "</all>", True)
    except expat.ExpatError as error:
        raise ValueError(f"{where}: not the XML of a flame ({error})") from error
    for name, line, rows in found:
        if not rows:
            raise ValueError(f"{where}, line {line}: flame {values.shown(name)} has no xform")
        yield name, line, np.array(rows)


def _xform(attributes: Mapping[str, str]) -> list[float]:
    """a b c d e f and the weight of a linear xform; a ValueError for one that is more."""
    numbers: dict[str, list[float]] = {}
    for name, value in attributes.items():
        try:
            numbers[name] = [_number(word) for word in value.split()]
        except ValueError:
            if name not in HARMLESS - NUMBERS:
                raise ValueError(f"{name}={values.shown(value)} is no number") from None
            continue
        neutral = [1.0] * len(numbers[name]) if name == "chaos" else NEUTRAL.get(name, [0.0] * len(numbers[name]))
        if name not in HARMLESS and numbers[name] != neutral:
            raise ValueError(f"{name}={values.shown(value)}: only linear maps make a system; remove it, or the xform")
    scale = sum(sum(numbers.get(name, [])) for name in ("linear", "linear3D"))  # of which Apophysis writes the second
    coefficients, weight = numbers.get("coefs", []), numbers.get("weight", [])
    if len(coefficients) != 6 or len(weight) != 1 or not scale:
        raise ValueError('an xform needs weight="w", coefs="a c b d e f" and linear="1"')
    return [*(scale * coefficients[i] for i in FLAME_COLUMNS), *weight]


def to_fractint(named: Mapping[str, np.ndarray]) -> str:
    """A Fractint file of tables (k, 7) or (k, 13); `tables` reads every number back."""
    entries = []
    for name, rows in named.items():
        head = re.sub(r"[{};#]", "_", name) + (" (3D)" if rows.shape[1] == 13 else "")
        lines = ["  " + " ".join(map(repr, row)) for row in rows.tolist()]
        entries.append("\n".join([f"{head} {{", *lines, "}\n"]))
    return "\n".join(entries)


def to_flame(named: Mapping[str, np.ndarray], boxes: Mapping[str, Any]) -> str:
    """A .flame file of tables (k, 7), in grays; boxes: the corners (2, 2) of what each picture shows.

    `tables` reads every number back. Other programs draw y downwards.
    """
    grays = "".join(3 * f"{i:02X}" for i in range(256))
    lines = ["<flames>"]
    for name, rows in named.items():
        if rows.shape[1] != 7:
            raise ValueError(f"{name}: has 3 dimensions; a flame is a system of the plane")
        (left, low), (right, high) = np.asarray(boxes[name]).tolist()
        about = f'center="{(left + right) / 2!r} {(low + high) / 2!r}" scale="{SIDE / max(right - left, high - low)!r}"'
        lines.append(f'<flame name={quoteattr(name)} size="{SIDE} {SIDE}" {about}>')
        for i, row in enumerate(rows.tolist()):
            coefficients = " ".join(repr(row[column]) for column in FLAME_COLUMNS)
            colour = i / max(len(rows) - 1, 1)
            lines.append(f'  <xform weight="{row[6]!r}" color="{colour!r}" linear="1" coefs="{coefficients}"/>')
        lines += [f'  <palette count="256" format="RGB">{grays}</palette>', "</flame>"]
    return "\n".join([*lines, "</flames>\n"])
