"""Folders of images in forms that travel: archives, shards of tar files, Parquet, and codes that make them again.

The same folder gives the same bytes, on any day and machine: names are sorted, and no date, owner or name of a packing
program is written. A folder of results is compared with its manifest on the way. A file appears whole or not at all.
"""

import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import shlex
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from ofdb_core.base import files, folder, project, record
from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.manifests import MANIFEST, SEEN
from ofdb_core.data import archive, cards, forms, scenes, yolo
from ofdb_core.data.decoding import extensions
from ofdb_core.data.shards import LABEL, LABELS

ORDER = 0  # seed of the order of the images in shards
SHARD = 2**28  # bytes of images in a shard or a Parquet file
ROWS = 256  # of a row group: what a reader of Parquet holds at once
BESIDE = LABELS, "boxes"  # keys, or columns, of what an image shows
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # that a zip can hold

Read = Callable[[str], bytes]


def pack(root: str | Path, form: str, out: str | Path | None = None) -> Path:
    """Write a folder in one of `FORMS`; return the file or folder that is written.

    out: its path; None: beside the folder. A ValueError if there is something already, or the form does not suit.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    target = Path(out) if out else root.with_name(f"{root.name}{forms.PACKED[form]}")
    if target.exists():
        raise ValueError(f"{target}: is there already; remove it, or give another --out")
    FORMS[form](target, root)
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


@dataclass(frozen=True)
class _Sample:
    """An image's file in a folder, its name in a shard, its class, and the files of its mask and of its objects."""

    file: str
    name: str
    label: str | None = None
    mask: str | None = None
    objects: str | None = None


@dataclass(frozen=True)
class _Packed:
    """What shards hold: by the beginning of their names, samples in parts of `SHARD` bytes; the classes; a reader."""

    shards: dict[str, list[list[_Sample]]]
    classes: list[str]
    read: Read

    def numbers(self, sample: _Sample) -> tuple[list[int], list[list[float]]]:
        """The classes of all that a sample shows, and their boxes."""
        assert sample.objects is not None
        try:
            return yolo.read(self.read(sample.objects))
        except ValueError as error:
            raise ValueError(f"{sample.objects}: {error}") from error


def _packed(root: Path) -> _Packed:
    """The images of a folder of classes or of scenes, or of parts of either.

    The order mixes the classes: most programs read a shard from its beginning, so neighbours in it meet in a batch.
    """
    every, read = _opened(root)
    known, parts = {*every}, forms.parts(root)
    pictures = [name for name in every if "/" in name and name.lower().endswith(extensions())]
    groups = dict[str, list[_Sample]]()
    places = {name: part.root for name, part in parts.items()} or {root.name: root}
    if all(forms.of(place) == "scenes" and not forms.shards(place) for place in places.values()):
        classes = scenes.classes_in(root)
        for name, place in places.items():
            found = scenes.Pairs.from_folder(place, classes=classes)
            files = ([os.path.relpath(str(path), root) for path in paths] for paths in (found.pictures, found.masks))
            groups[name] = [_Sample(path, Path(path).name, mask=mask) for path, mask in zip(*files, strict=True)]
            classes = found.classes
    else:
        beside = [f"{name.rpartition('.')[0]}{yolo.ENDING}" for name in pictures]
        objects = beside if known.issuperset(beside) and all(yolo.is_list(read(name)) for name in beside[:1]) else []
        for file, text in itertools.zip_longest(pictures, objects):
            part = file.partition("/")[0] if parts else ""
            name = file.removeprefix(f"{part}/") if part else file
            if (part in parts or not parts) and "/" in name:
                one = _Sample(file, name, name.partition("/")[0], objects=text)
                groups.setdefault(part or root.name, []).append(one)
        classes = sorted({str(one.label) for group in groups.values() for one in group})
    if not groups:
        raise ValueError(f"{root}: has no images in class folders; the forms tar and zip pack any folder")
    return _Packed({name: _cut(root, group) for name, group in groups.items()}, classes, read)


def _cut(root: Path, group: list[_Sample]) -> list[list[_Sample]]:
    parts, size = [list[_Sample]()], 0
    for i in np.random.default_rng(ORDER).permutation(len(group)):
        size += (own := (root / group[i].file).stat().st_size)
        if parts[-1] and size > SHARD:
            parts, size = [*parts, []], own
        parts[-1].append(group[i])
    return parts


def _shards(out: Path, root: Path) -> None:
    """Tar files as WebDataset reads them: <class>/<name>.png, and the number of its class as <class>/<name>.cls.

    A scene is <name>.png and <name>.mask.png; what else an image shows stands in <class>/<name>.json.
    """
    packed = _packed(root)

    def members(part: Sequence[_Sample]) -> Iterator[tuple[str, bytes]]:
        for one in tqdm(part, root.name, unit="image", delay=2):
            stem = one.name.rpartition(".")[0]
            yield one.name, packed.read(one.file)
            if one.label is not None:
                yield f"{stem}.{LABEL}", str(packed.classes.index(one.label)).encode()
            if one.mask is not None:
                yield f"{stem}.{forms.MASK}{Path(one.mask).suffix}", packed.read(one.mask)
            if one.objects is not None:
                shown = dict(zip(BESIDE, packed.numbers(one), strict=True))
                yield f"{stem}.{forms.OBJECTS}", json.dumps(shown).encode()

    for name, parts in packed.shards.items():
        for i, part in enumerate(parts):
            _tar(out / f"{name}-{i:06d}{forms.TAR}", members(part))
    files.write_whole(out / forms.CLASSES, "".join(f"{name}\n" for name in packed.classes))


def _parquet(out: Path, root: Path) -> None:
    """Parquet files with the columns image and label, as Hugging Face's hub shows them and `datasets` reads them.

    Scenes have a mask in place of a label; images that show several classes have all their labels and boxes, too.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError("the form parquet needs pyarrow: pip install pyarrow") from error
    packed = _packed(root)
    first = next(iter(packed.shards.values()))[0][0]
    image, number = pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.int64()
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    columns = [("image", image)]
    if first.mask is None:
        features["label"] = {"names": packed.classes, "_type": "ClassLabel"}
        columns.append(("label", number))
    else:
        features[forms.MASK] = {"_type": "Image"}
        columns.append((forms.MASK, image))
    if first.objects is not None:
        columns += zip(BESIDE, (pa.list_(number), pa.list_(pa.list_(pa.float64()))), strict=True)
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema(columns, metadata=about)

    def row(one: _Sample) -> dict[str, Any]:
        found: dict[str, Any] = {"image": {"bytes": packed.read(one.file), "path": one.name}}
        if one.mask is not None:
            return {**found, forms.MASK: {"bytes": packed.read(one.mask), "path": one.mask}}
        beside = zip(BESIDE, packed.numbers(one), strict=True) if one.objects else ()
        return {**found, "label": packed.classes.index(str(one.label)), **dict(beside)}

    for name, parts in packed.shards.items():
        for i, part in enumerate(parts):
            path = out / f"{name}-{i:06d}{forms.PARQUET}"
            with _appearing(path) as stream, parquet.ParquetWriter(stream, schema, compression="none") as writer:
                for begin in tqdm(range(0, len(part), ROWS), root.name, delay=2):
                    rows = [row(one) for one in part[begin : begin + ROWS]]
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    if first.mask is not None:
        files.write_whole(out / forms.CLASSES, "".join(f"{name}\n" for name in packed.classes))


# form -> what writes it to a path
FORMS: dict[str, Callable[[Path, Path], None]] = {
    "tar": lambda path, root: _tar(path, _with_card(root)),
    "tar.gz": lambda path, root: _tar(path, _with_card(root), compressed=True),
    "zip": lambda path, root: _zip(path, _with_card(root)),
    "webdataset": _shards,
    "parquet": _parquet,
    "codes": lambda path, root: _tar(path, _codes(root), compressed=True),
}
