"""Folders of images in forms that travel: archives, shards of tar files, Parquet, and codes that make them again.

The same folder gives the same bytes, on any day and machine: names are sorted, and no date, owner or name of a packing
program is written. A folder of results is compared with its manifest on the way. A file appears whole or not at all.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shlex
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from ofdb_core.base import files, folder, project, record
from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.manifests import MANIFEST, SEEN
from ofdb_core.data import archive, cards
from ofdb_core.data.decoding import extensions
from ofdb_core.data.shards import CLASSES, LABEL, PARQUET, TAR

ORDER = 0  # seed of the order of the images in shards
SHARD = 2**28  # bytes of images in a shard or a Parquet file
ROWS = 256  # of a row group: what a reader of Parquet holds at once
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # that a zip can hold

Read = Callable[[str], bytes]


def pack(root: str | Path, form: str, out: str | Path | None = None) -> Path:
    """Write a folder in one of `FORMS`; return the file or folder that is written.

    out: its path; None: beside the folder. A ValueError if there is something already, or the form does not suit.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    ending, write = FORMS[form]
    target = Path(out) if out else root.with_name(f"{root.name}{ending}")
    if target.exists():
        raise ValueError(f"{target}: is there already; remove it, or give another --out")
    write(target, root)
    if target.is_dir():
        cards.write(target, root)
    return target


def unpack(path: str | Path, out: str | Path) -> Path:
    """Write what an archive holds to a new folder of its name in `out`, and return that; see `archive.unpacked`.

    The folder is as it was before it was packed: folders of results in it have their own manifests.
    """
    path, out = Path(path), Path(out)
    if archive.is_archive(path) and (out / archive.named(path)).exists():
        raise ValueError(f"{out / archive.named(path)}: is there already; remove it, or give another --out")
    root = archive.unpacked(path, out)
    for name in (MANIFEST, SEEN):
        Folder(root).beside(name).unlink(missing_ok=True)
    return root


def recipes(root: Path) -> list[str]:
    """The commands that make again what was packed as codes: for each notebook with parameters beside its inputs."""
    found = [(path, project.NOTEBOOKS / f"{path.stem}.ipynb") for path in sorted(root.resolve().glob("*.yaml"))]
    return [
        shlex.join(map(str, ["papermill", notebook, path.with_suffix(".ipynb"), "-f", path, "-p", "out", path.parent]))
        for path, notebook in found
        if notebook.is_file()
    ]


def _opened(root: Path) -> tuple[list[str], Read]:
    """The names of a folder's files, sorted, and what reads one; of a folder of results, by its manifest."""
    own = Folder(root)
    listed = own.manifest()["files"] if own.is_complete() else dict.fromkeys(own.names(), "")

    def read(name: str) -> bytes:
        data = (root / name).read_bytes()
        if listed[name] not in ("", hashlib.sha256(data).hexdigest()):
            raise Altered(f"{root / name}: not as it was written; undo that, or run again what made it")
        return data

    return sorted(listed), read


def _whole(root: Path) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of a folder's files, below its own name, and of its manifest."""
    if (manifest := Folder(root).beside(MANIFEST)).is_file():
        yield manifest.name, manifest.read_bytes()
    names, read = _opened(root)
    yield from ((f"{root.name}/{name}", read(name)) for name in tqdm(names, root.name, unit="file", delay=2))


def _with_card(root: Path) -> Iterator[tuple[str, bytes]]:
    if (card := root.parent / folder.CARD).is_file():
        yield card.name, card.read_bytes()
    yield from _whole(root)


def _codes(root: Path) -> Iterator[tuple[str, bytes]]:
    """The folders that a folder of results was made from, and the parameters of the notebook that made it."""
    out = root.parent
    makers = [(stage, entry) for stage, entry in record.read(out).items() if root.name in entry["writes"]]
    if not makers:
        raise ValueError(f"{root}: {out} has no record of what made it; the form tar packs its files")
    stage, entry = makers[-1]
    values = {name: value for name, value in entry["parameters"].items() if name != "out"}
    yield f"{stage}.yaml", f"{json.dumps(values, indent=1)}\n".encode()  # JSON is YAML, too
    for name in entry["reads"]:
        if (out / name).is_dir():
            yield from _whole(out / name)


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes its name at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _tar(path: Path, pairs: Iterable[tuple[str, bytes]], *, compressed: bool = False) -> None:
    with contextlib.ExitStack() as stack:
        stream: Any = stack.enter_context(_appearing(path))
        if compressed:
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        packed = stack.enter_context(tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT))
        for name, data in pairs:
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(data), 0o644
            packed.addfile(about, io.BytesIO(data))


def _zip(path: Path, pairs: Iterable[tuple[str, bytes]]) -> None:
    with _appearing(path) as stream, zipfile.ZipFile(stream, "w") as packed:  # images are compressed already
        for name, data in pairs:
            about = zipfile.ZipInfo(name, FIRST_DAY)
            about.external_attr = 0o644 << 16
            packed.writestr(about, data)


def _images(root: Path) -> tuple[list[list[str]], dict[str, int], Read]:
    """The names of a folder's images, in parts of `SHARD` bytes; class -> number; a reader.

    The order mixes the classes: most programs read a shard from its beginning, so neighbours in it meet in a batch.
    """
    every, read = _opened(root)
    names = [name for name in every if "/" in name and name.lower().endswith(extensions())]
    if not names:
        raise ValueError(f"{root}: has no images in class folders; the forms tar and zip pack any folder")
    parts, size = [list[str]()], 0
    for i in np.random.default_rng(ORDER).permutation(len(names)):
        size += (own := (root / names[i]).stat().st_size)
        if parts[-1] and size > SHARD:
            parts, size = [*parts, []], own
        parts[-1].append(names[i])
    classes = sorted({name.partition("/")[0] for name in names})
    return parts, {name: number for number, name in enumerate(classes)}, read


def _shards(out: Path, root: Path) -> None:
    """Tar files as WebDataset reads them: <class>/<name>.png, and the number of its class as <class>/<name>.cls."""
    parts, numbers, read = _images(root)

    def members(part: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for name in tqdm(part, root.name, unit="image", delay=2):
            yield name, read(name)
            yield f"{name.rpartition('.')[0]}.{LABEL}", str(numbers[name.partition("/")[0]]).encode()

    for i, part in enumerate(parts):
        _tar(out / f"{root.name}-{i:06d}{TAR}", members(part))
    files.write_whole(out / CLASSES, "".join(f"{name}\n" for name in numbers))


def _parquet(out: Path, root: Path) -> None:
    """Parquet files with the columns image and label, as Hugging Face's hub shows them and `datasets` reads them."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError("the form parquet needs pyarrow: pip install pyarrow") from error
    parts, numbers, read = _images(root)
    features = {"image": {"_type": "Image"}, "label": {"names": [*numbers], "_type": "ClassLabel"}}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema([("image", image), ("label", pa.int64())], metadata=about)
    for i, part in enumerate(parts):
        path = out / f"{root.name}-{i:06d}{PARQUET}"
        with _appearing(path) as stream, parquet.ParquetWriter(stream, schema, compression="none") as writer:
            for begin in tqdm(range(0, len(part), ROWS), root.name, delay=2):
                names = part[begin : begin + ROWS]
                images = [{"bytes": read(name), "path": name} for name in names]
                labels = [numbers[name.partition("/")[0]] for name in names]
                writer.write_table(pa.table({"image": images, "label": labels}, schema=schema))


# form -> the ending of its file or folder, and what writes it to a path
FORMS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "tar": (".tar", lambda path, root: _tar(path, _with_card(root))),
    "tar.gz": (".tar.gz", lambda path, root: _tar(path, _with_card(root), compressed=True)),
    "zip": (".zip", lambda path, root: _zip(path, _with_card(root))),
    "webdataset": ("-webdataset", _shards),
    "parquet": ("-parquet", _parquet),
    "codes": ("-codes.tar.gz", lambda path, root: _tar(path, _codes(root), compressed=True)),
}
