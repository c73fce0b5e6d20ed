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
from ofdb_core.data.forms import CLASSES, MASK, OBJECTS, PARQUET

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
    column: str = "image"
    other: str | None = None  # the column of what is beside the image

    @property
    def beside(self) -> "Row | None":
        """As of a `Member`."""
        return replace(self, column=self.other, other=None) if self.other else None

    def read_bytes(self) -> bytes:
        """The bytes of its file."""
        value = _group(self.shard, self.group, self.column)[self.number].as_py()
        return json.dumps({self.column: value}).encode() if self.column == LABELS else value["bytes"]

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
        except (*BROKEN, KeyError) as error:
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


def _rows(shard: Path) -> Iterator[tuple[str, Row]]:
    """The class and the image of each row of a Parquet file with the columns image and label, or mask."""
    with _parquet().ParquetFile(shard) as file:
        about = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        names = about.get("info", {}).get("features", {}).get("label", {}).get("names", [])
        columns = file.schema_arrow.names
        other = next((column for column in (MASK, LABELS) if column in columns), None)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["image.path", *(["label"] if other != MASK else [])])
            pictures = [image["path"] for image in table["image"].to_pylist()]
            labels = table["label"].to_pylist() if other != MASK else [""] * len(pictures)
            for i, (label, path) in enumerate(zip(labels, pictures, strict=True)):
                name = names[label] if isinstance(label, int) and 0 <= label < len(names) else str(label)
                yield name, Row(shard, path or f"{shard.stem}/{group}/{i}", group, i, other=other)


@functools.lru_cache(maxsize=GROUPS)
def _group(shard: Path, group: int, column: str) -> Any:
    """A column of a row group."""
    with _parquet().ParquetFile(shard) as file:
        return file.read_row_group(group, columns=[column])[column].combine_chunks()
