"""Images in shards, read where they lie: tar files as WebDataset has them, and Parquet files as Hugging Face's hub has.

A shard is not unpacked. The images of all shards of a folder are one sequence, in the order that they would have as
files in class folders, so a training sees the same samples from either.
"""

import functools
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofdb_core.data.archive import BROKEN, LARGEST
from ofdb_core.data.decoding import extensions

TAR, PARQUET = ".tar", ".parquet"
CLASSES = "classes.txt"  # beside shards: the names of the classes, a line each
LABEL = "cls"  # the ending of a member that holds the number of a class
END = 2 * tarfile.BLOCKSIZE  # zeros, at the end of every tar file
GROUPS = 16  # row groups of Parquet files that are kept in memory


@dataclass(frozen=True)
class Member:
    """An image in a tar file."""

    shard: Path
    name: str
    offset: int
    size: int

    def read_bytes(self) -> bytes:
        """The bytes of its file."""
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


@dataclass(frozen=True)
class Row:
    """An image in a Parquet file."""

    shard: Path
    name: str
    group: int
    number: int

    def read_bytes(self) -> bytes:
        """The bytes of its file."""
        return _group(self.shard, self.group)[self.number].as_py()

    def __str__(self) -> str:
        return f"{self.shard}: {self.name}"


def paths(root: Path) -> list[Path]:
    """The shards in a folder, sorted; none if it has folders, too, as those of classes."""
    inside = [path for path in root.iterdir() if not path.name.startswith(".")] if root.is_dir() else []
    if any(path.is_dir() for path in inside):
        return []
    return sorted(path for path in inside if path.suffix in (TAR, PARQUET))


def images(shards: Iterable[Path]) -> tuple[list[Member | Row], list[int], list[str]]:
    """The images of shards, their labels and the names of the classes, as of class folders.

    A class is the first folder in the names of its images; if an image has none, the label beside it. A ValueError
    names a shard that cannot be read.
    """
    found: list[tuple[str, Member | Row]] = []
    for shard in shards:
        try:
            found += _rows(shard) if shard.suffix == PARQUET else _members(shard)
        except (*BROKEN, KeyError) as error:
            raise ValueError(f"{shard}: cannot be read ({error}); it is damaged or no shard, get it again") from error
    if not found:
        raise ValueError("the shards hold no images")
    found.sort(key=lambda pair: (pair[0], Path(pair[1].name)))
    classes = sorted({name for name, _ in found})
    numbers = {name: number for number, name in enumerate(classes)}
    return [image for _, image in found], [numbers[name] for name, _ in found], classes


def _members(shard: Path) -> Iterator[tuple[str, Member]]:
    """The class and the image of each sample in a tar file."""
    names = shard.with_name(CLASSES)
    known = names.read_text(encoding="utf-8").splitlines() if names.is_file() else []
    pictures, labels = list[Member](), dict[str, Member]()
    with shard.open("rb") as file:  # else a shard that is cut off between two members would seem whole
        file.seek(-min(END, shard.stat().st_size), 2)
        if file.read().strip(b"\0"):
            raise ValueError("it has no end")
    with tarfile.open(shard, "r:") as archive:
        for about in archive:
            if about.isreg() and about.size <= LARGEST:
                member = Member(shard, about.name.removeprefix("./"), about.offset_data, about.size)
                if member.name.lower().endswith(extensions()):
                    pictures.append(member)
                elif member.name.endswith(f".{LABEL}"):
                    labels[_key(member.name)] = member
    for picture in pictures:
        folder, inside, _ = picture.name.rpartition("/")
        if inside:
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
    """The class and the image of each row of a Parquet file with the columns image and label."""
    with _parquet().ParquetFile(shard) as file:
        about = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
        names = about.get("info", {}).get("features", {}).get("label", {}).get("names", [])
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["label", "image.path"])
            pictures = [image["path"] for image in table["image"].to_pylist()]
            for i, (label, path) in enumerate(zip(table["label"].to_pylist(), pictures, strict=True)):
                name = names[label] if isinstance(label, int) and 0 <= label < len(names) else str(label)
                yield name, Row(shard, path or f"{shard.stem}/{group}/{i}", group, i)


@functools.lru_cache(maxsize=GROUPS)
def _group(shard: Path, group: int) -> Any:
    """The bytes of the images of a row group."""
    with _parquet().ParquetFile(shard) as file:
        return file.read_row_group(group, columns=["image.bytes"])["image"].combine_chunks().field("bytes")
