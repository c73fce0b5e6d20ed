"""Images in shards, read where they lie: tar files as WebDataset has them, and Parquet files as Hugging Face's hub has.

A shard is not unpacked. The images of all shards of a folder are one sequence, in the order that they would have as
files in class folders, so a training sees the same samples from either.
"""

import functools
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ofdb_core.base import files
from ofdb_core.data.archive import BROKEN, LARGEST
from ofdb_core.data.decoding import extensions
from ofdb_core.data.forms import CLASSES, COLUMN, MASK, OBJECTS, PARQUET

LABEL = "cls"  # the ending of a member that holds the number of a class
LABELS = "labels"  # the key, or the column, of the numbers of all classes that an image shows
END = 2 * tarfile.BLOCKSIZE  # zeros, at the end of every tar file
GROUPS = 16  # row groups of Parquet files that are kept in memory


@dataclass(frozen=True)
class Member:
    """An image in a tar file; beside: its mask, or the labels of all that it shows, if the shard has them."""

    shard: Path
    name: str
    offset: int
    size: int
    beside: "Member | None" = None

    def read_bytes(self) -> bytes:
        """The bytes of its file."""
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


@dataclass(frozen=True)
class Row:
    """An image in a Parquet file, or what is in another column: its mask, or the labels of all that it shows."""

    shard: Path
    name: str
    group: int
    number: int
    column: str
    other: str | None = None  # the column of what is beside the image

    @property
    def beside(self) -> "Row | None":
        """What is beside the image: see `Member`."""
        return replace(self, column=self.other, other=None) if self.other else None

    def read_bytes(self) -> bytes:
        """The bytes of its file."""
        value = _group(self.shard, self.group, self.column)[self.number].as_py()
        if self.column == LABELS:
            return json.dumps({self.column: value}).encode()
        return (value["bytes"] if isinstance(value, dict) else value) or b""

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


def images(shards: Iterable[Path]) -> tuple[list[Member | Row], list[int], list[str]]:
    """The images of shards, their labels and the names of the classes, as of class folders.

    A class is the first folder in the names of its images; if an image has none, the label beside it. A ValueError
    names a shard that cannot be read.
    """
    found = _all(shards)
    found.sort(key=lambda pair: (pair[0], Path(pair[1].name)))
    classes = sorted({name for name, _ in found})
    numbers = {name: number for number, name in enumerate(classes)}
    return [image for _, image in found], [numbers[name] for name, _ in found], classes


def pairs(shards: Iterable[Path]) -> list[tuple[Member | Row, Member | Row]]:
    """The pictures and masks of shards of scenes, sorted by name; a ValueError names a picture without a mask."""
    found = [(picture, picture.beside) for _, picture in _all(shards)]
    if alone := [str(picture) for picture, mask in found if mask is None]:
        raise ValueError(f"{alone[0]}: has no mask beside it; {len(alone)} of {len(found)} have none")
    return sorted(((one, mask) for one, mask in found if mask), key=lambda pair: Path(pair[0].name).stem)


def have_objects(images: Sequence[Member | Row]) -> bool:
    """Whether the images of shards have the labels of all that they show beside them, by the first one."""
    try:
        return bool(images[0].beside and objects(images[0]))
    except ValueError:  # what lies beside the images of others
        return False


def objects(image: Member | Row) -> list[int]:
    """The numbers of the classes that an image shows; a ValueError if what is beside it does not tell them."""
    try:
        assert image.beside is not None
        return [int(number) for number in json.loads(image.beside.read_bytes())[LABELS]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{image}: the labels beside it cannot be read ({error}); get the shard again") from error


def _all(shards: Iterable[Path]) -> list[tuple[str, Member | Row]]:
    """The class and the image of each sample; a ValueError names a shard that cannot be read."""
    found: list[tuple[str, Member | Row]] = []
    for shard in shards:
        try:
            found += _rows(shard) if shard.suffix == PARQUET else _members(shard)
        except UnknownColumns:
            raise
        except (*BROKEN, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{shard}: cannot be read ({error}); it is damaged or no shard, get it again") from error
    if not found:
        raise ValueError("the shards hold no images")
    return found


def _members(shard: Path) -> Iterator[tuple[str, Member]]:
    """The class and the image of each sample in a tar file; a scene has no class."""
    names = shard.with_name(CLASSES)
    known = files.read_bytes(names).decode().splitlines() if names.is_file() else []
    pictures, labels, others = list[Member](), dict[str, Member](), dict[str, Member]()
    with shard.open("rb") as file:  # else a shard that is cut off between two members would seem whole
        file.seek(-min(END, shard.stat().st_size), 2)
        if file.read().strip(b"\0"):
            raise ValueError("it has no end")
    with tarfile.open(shard, "r:") as archive:
        for about in archive:
            if about.isreg() and about.size <= LARGEST:
                member = Member(shard, about.name.removeprefix("./"), about.offset_data, about.size)
                stem = member.name.rpartition(".")[0]
                if member.name.lower().endswith(extensions()):
                    if stem.endswith(f".{MASK}"):
                        others[stem.removesuffix(f".{MASK}")] = member
                    else:
                        pictures.append(member)
                elif member.name.endswith(f".{OBJECTS}"):
                    others[stem] = member
                elif member.name.endswith(f".{LABEL}"):
                    labels[_key(member.name)] = member
    for alone in pictures:
        picture = replace(alone, beside=others.get(alone.name.rpartition(".")[0]))
        folder, inside, _ = picture.name.rpartition("/")
        if inside or (picture.beside and not picture.beside.name.endswith(OBJECTS)):
            yield folder.partition("/")[0], picture
        else:
            number = int(labels[_key(picture.name)].read_bytes())
            yield known[number] if 0 <= number < len(known) else str(number), picture


def _key(name: str) -> str:
    """What the members of a sample have in common: the name up to the first dot of its last part."""
    folder, inside, last = name.rpartition("/")
    return f"{folder}{inside}{last.partition('.')[0]}"


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError("Parquet files need pyarrow: pip install pyarrow") from error
    return parquet


class UnknownColumns(ValueError):
    """A Parquet file whose columns do not tell which of them hold images and labels; the message lists them."""


def _rows(shard: Path) -> Iterator[tuple[str, Row]]:
    """The class and the image of each row of a Parquet file; a scene has no class."""
    with _parquet().ParquetFile(shard) as file:
        asked = shard.with_name(COLUMN)
        named = asked.read_text(encoding="utf-8").strip() if asked.is_file() else None
        image, label, names = _columns(shard, file.schema_arrow, named)
        path = f"{image}.path" if "path" in getattr(file.schema_arrow.field(image).type, "names", ()) else None
        other = next(
            (column for column in (MASK, LABELS) if column in file.schema_arrow.names and column != label), None
        )
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[column for column in (path, label) if column])
            paths = [one and one["path"] for one in table[image].to_pylist()] if path else [None] * table.num_rows
            labels = table[label].to_pylist() if label else [""] * table.num_rows
            for i, (number, name) in enumerate(zip(labels, paths, strict=True)):
                if number is None:
                    raise ValueError(f"a row has no {label}")
                known = names[number] if isinstance(number, int) and 0 <= number < len(names) else number
                yield str(known), Row(shard, name or f"{shard.stem}/{group}/{i}", group, i, image, other)


def require_label(shard: Path, label: str) -> None:
    """Raise an `UnknownColumns` error unless a Parquet file has a column of this name that can hold the labels."""
    _columns(shard, _parquet().read_schema(shard), label)


def _columns(shard: Path, schema: Any, label: str | None = None) -> tuple[str, str | None, list[str]]:
    """The columns of images and of labels (of scenes: None) in a Parquet file, and the names of the classes.

    Images: `image`, else the only column of bytes. label: its name; None: `label`, else the only column with names of
    classes, as `datasets` writes them, else the only one of whole numbers or text.
    """
    from pyarrow import types

    features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    kinds = {name: schema.field(name).type for name in schema.names}
    pictures = [name for name, kind in kinds.items() if "bytes" in getattr(kind, "names", ()) or "binary" in str(kind)]
    flat = {name: kind for name, kind in kinds.items() if not types.is_nested(kind)}
    scalars = [name for name, kind in flat.items() if types.is_integer(kind) or "string" in str(kind)]
    names = {name: features[name]["names"] for name in scalars if "names" in features.get(name, {})}

    def the(wanted: str, among: list[str], *others: list[str]) -> str:
        if wanted in among:
            return wanted
        if found := next((choice[0] for choice in others if len(choice) == 1), None):
            return found
        hint = " (-p labels NAME tells it)" * (wanted == "label")
        what = f"which column is the {wanted} is not clear{hint}" if others else f"no column {wanted} holds labels"
        raise UnknownColumns(f"{shard}: {what}; its columns are {', '.join(f'{n} ({k})' for n, k in kinds.items())}")

    image = the("image", pictures, [name for name in pictures if name != MASK])
    if MASK in pictures:
        return image, None, []
    label = the(label, scalars) if label else the("label", scalars, [*names], scalars)
    return image, label, names.get(label, [])


@functools.lru_cache(maxsize=GROUPS)
def _group(shard: Path, group: int, column: str) -> Any:
    """A column of a row group."""
    with _parquet().ParquetFile(shard) as file:
        return file.read_row_group(group, columns=[column])[column].combine_chunks()
