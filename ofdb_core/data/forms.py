"""The form that data have on disk, by names alone, and of shards by the first sample: the one place that tells it.

A folder of classes may be packed in shards; so may parts to train and to test on, and scenes.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple

Form = Literal["archive", "parts", "scenes", "classes"]

TAR, PARQUET = ".tar", ".parquet"
IMAGES, MASKS = "images", "masks"  # the folders of scenes
MASK, OBJECTS = "mask", "json"  # what a sample of a shard may have: a mask, or the labels of all that it shows
CLASSES = "classes.txt"  # beside shards, and in a folder of scenes: the names of the classes, a line each
COLUMN = "label.txt"  # beside Parquet files: the name of the column of their labels
PARTS = {  # part -> what the names of its folder, or of its shards, hold
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
PACKED = {  # what `packing` writes -> the ending of its file or folder
    **{"tar": ".tar", "tar.gz": ".tar.gz", "zip": ".zip"},
    **{"webdataset": "-webdataset", "parquet": "-parquet", "codes": "-codes.tar.gz"},
}


ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")  # of archives


class Part(NamedTuple):
    """A part of a data set: a folder, and the shards in it that are of the part; none: it has class folders."""

    name: str
    root: Path
    shards: list[Path]


def of(path: str | Path) -> Form:
    """The form of a file or folder, packed or not."""
    root = Path(path)
    if is_archive(root):
        return "archive"
    if len(parts(root)) > 1:
        return "parts"
    if (root / IMAGES).is_dir() and (root / MASKS).is_dir():
        return "scenes"
    return "scenes" if any(has_masks(shard) for shard in shards(root)[:1]) else "classes"


def is_archive(path: str | Path) -> bool:
    """Whether a path is a file that `archive.unpacked` takes, by its name; hidden files are not."""
    path = Path(path)
    return path.name.lower().endswith(ENDINGS) and not path.name.startswith(".") and path.is_file()


def shards(root: str | Path) -> list[Path]:
    """The shards in a folder, sorted, or in data/ in it, as on Hugging Face's hub; none if it has other folders.

    A ValueError names one that is a pipe or a device, which would be read for ever.
    """
    root = Path(root)
    inside = [path for path in root.iterdir() if not path.name.startswith(".")] if root.is_dir() else []
    if folders := [path for path in inside if path.is_dir()]:
        return shards(folders[0]) if [path.name for path in folders] == ["data"] else []
    found = sorted(path for path in inside if path.suffix in (TAR, PARQUET))
    if wrong := next((path for path in found if not path.is_file()), None):
        raise ValueError(f"{wrong}: cannot be read, it is no file; remove it")
    return found


def parts(root: str | Path) -> dict[str, Part]:
    """The parts train, val and test that a folder has: folders of these names, or shards such as train-000000.tar."""
    root = Path(root)
    found = {name: Part(name, root / name, shards(root / name)) for name in PARTS if (root / name).is_dir()}
    for shard in shards(root):
        words = re.split(r"[^a-z]+", shard.stem.lower())
        if name := next((name for name, known in PARTS.items() if {*known} & {*words}), None):
            found.setdefault(name, Part(name, shard.parent, [])).shards.append(shard)
    return {name: found[name] for name in PARTS if name in found} if "train" in found else {}


def has_masks(shard: Path) -> bool:
    """Whether the first sample of a shard has a mask; a shard that cannot be read has none, and is refused later."""
    import tarfile  # the commands import this module, and are to answer at once

    try:
        if shard.suffix == PARQUET:
            from pyarrow import parquet

            return MASK in parquet.read_schema(shard).names
        with tarfile.open(shard, "r:") as packed:
            names = [packed.next(), packed.next()]
        return any(Path(about.name).stem.endswith(f".{MASK}") for about in names if about)
    except (OSError, ValueError, tarfile.TarError, ImportError):
        return False
