"""Folders of images in forms that travel: archives, shards of tar files, Parquet, and codes that make them again.

The same folder gives the same bytes, on any day and machine: names are sorted, and no date, owner or name of a packing
program is written. A folder of results is compared with its manifest on the way. A file appears whole or not at all.
"""

import contextlib
import functools
import gzip
import hashlib
import io
import itertools
import json
import os
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ofdb_core.base import files, folder, record
from ofdb_core.base.folder import Altered, Folder
from ofdb_core.base.listed import CARD
from ofdb_core.base.manifests import LICENSE, MANIFEST, header
from ofdb_core.data import cards, forms, scenes, yolo
from ofdb_core.data.decoding import extensions
from ofdb_core.data.shards import LABEL, LABELS

ORDER = 0  # seed of the order of the images in shards
SHARD = 2**28  # bytes of images in a shard or a Parquet file
ROWS = 256  # of a row group: what a reader of Parquet holds at once
BESIDE = LABELS, "boxes"  # keys, or columns, of what an image shows
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # that a zip can hold

Read = Callable[[str], bytes]


def pack(root: str | Path, form: str, out: str | Path | None = None) -> Path:
    """Write a folder in one of the forms of `forms.PACKED`; return the file or folder that is written.

    out: its path; None: beside the folder. A folder of shards has a manifest, and goes on after an interruption. A
    ValueError if there is something else already, or the form does not suit.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder")
    target = Path(out) if out else root.with_name(f"{root.name}{forms.PACKED[form]}")
    if form in ARCHIVES:
        if target.exists():
            raise ValueError(f"{target}: is there already; remove it, or give another --out")
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.locked(target.with_name(f".{target.name}.lock"), wait=f"{target}: waiting for another run"):
            _written(target, functools.partial(ARCHIVES[form], root=root)).replace(target)
        return target
    license = Folder(root).manifest().get("license", LICENSE) if Folder(root).is_complete() else None
    head = header(
        {"packed": folder.fingerprint(root), "form": form}, _packed, _tar_shard, _parquet_shard, license=license
    )
    Folder(target).require_free(head)
    *makers, (card, text) = _shards(target, root, form)
    Folder(target).fill(head, makers, total=len(makers), workers=1)
    if not (target / card).exists():  # it is the user's to change
        files.write_whole(target / card, text())
    return target


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
    if (card := root.parent / CARD).is_file():
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


def _written(path: Path, write: Callable[[Path], None]) -> Path:
    """A temporary file beside a path, filled by a function; removed if that fails."""
    part = files.temporary(path)
    files.remove_temporary(path.parent, files.stem_of_temporary(path.name).__eq__)
    try:
        write(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _tar(path: Path, pairs: Iterable[tuple[str, bytes]], *, compressed: bool = False) -> None:
    with contextlib.ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("wb"))
        if compressed:
            stream = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=0))
        packed = stack.enter_context(tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT))
        for name, data in pairs:
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(data), 0o644
            packed.addfile(about, io.BytesIO(data))
            packed.members.clear()  # type: ignore[attr-defined]  # or else it keeps them all


def _zip(path: Path, root: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:  # images are compressed already
        for name, data in _with_card(root):
            about = zipfile.ZipInfo(name, FIRST_DAY)
            about.external_attr = 0o644 << 16
            packed.writestr(about, data)


@dataclass(frozen=True, slots=True)
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

    @functools.cached_property
    def number(self) -> dict[str | None, int]:
        """Class -> its number."""
        return {name: number for number, name in enumerate(self.classes)}

    @property
    def first(self) -> _Sample:
        """A sample; all have a mask, or objects, if this has."""
        return next(iter(self.shards.values()))[0][0]

    def numbers(self, sample: _Sample) -> dict[str, Any]:
        """The classes of all that a sample shows, and their boxes; empty if it has no objects."""
        if sample.objects is None:
            return {}
        try:
            return dict(zip(BESIDE, yolo.read(self.read(sample.objects)), strict=True))
        except ValueError as error:
            raise ValueError(f"{sample.objects}: {error}") from error


def _packed(root: Path) -> _Packed:
    """The images of a folder of classes or of scenes, or of parts of either.

    The order mixes the classes: most programs read a shard from its beginning, so neighbours in it meet in a batch.
    """
    every, read = _opened(root)
    parts = {name: part.root for name, part in forms.parts(root).items()}
    roots = parts or {root.name: root}
    if all(forms.of(each) == "scenes" and not forms.shards(each) for each in roots.values()):
        classes, groups = _scenes(root, roots)
    else:
        groups = _labelled(root.name, every, read, parts)
        classes = sorted({str(one.label) for group in groups.values() for one in group})
    if not groups:
        raise ValueError(f"{root}: has no images in class folders; the forms tar and zip pack any folder")
    return _Packed({name: _cut(root, group) for name, group in groups.items()}, classes, read)


def _scenes(root: Path, roots: Mapping[str, Path]) -> tuple[list[str], dict[str, list[_Sample]]]:
    """The classes of scenes, and the scenes of each part; roots: its name -> its folder."""
    classes, groups = scenes.classes_in(root), dict[str, list[_Sample]]()
    for name, place in roots.items():
        found = scenes.Pairs.from_folder(place, classes=classes)
        files = ([os.path.relpath(str(path), root) for path in paths] for paths in (found.pictures, found.masks))
        groups[name] = [_Sample(path, Path(path).name, mask=mask) for path, mask in zip(*files, strict=True)]
        classes = found.classes
    return classes, groups


def _labelled(whole: str, every: Sequence[str], read: Read, parts: Collection[str]) -> dict[str, list[_Sample]]:
    """The images in class folders, with their lists of objects, of each part; without parts, all are of the whole."""
    pictures = [name for name in every if "/" in name and name.lower().endswith(extensions())]
    lists = [f"{name.rpartition('.')[0]}{yolo.ENDING}" for name in pictures]
    objects = lists if {*every}.issuperset(lists) and all(yolo.is_list(read(name)) for name in lists[:1]) else []
    groups = dict[str, list[_Sample]]()
    for file, text in itertools.zip_longest(pictures, objects):
        part, name = file.split("/", 1) if parts else (whole, file)
        if "/" in name and (part in parts or not parts):
            groups.setdefault(part, []).append(_Sample(file, name, name.partition("/")[0], objects=text))
    return groups


def _cut(root: Path, group: list[_Sample]) -> list[list[_Sample]]:
    parts, size = [list[_Sample]()], 0
    for i in np.random.default_rng(ORDER).permutation(len(group)):
        size += (own := (root / group[i].file).stat().st_size)
        if parts[-1] and size > SHARD:
            parts, size = [*parts, []], own
        parts[-1].append(group[i])
    return parts


def _shards(out: Path, root: Path, form: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and maker of each file of a folder of shards; the card, which holds their hashes, comes last."""
    write, ending = {"webdataset": (_tar_shard, forms.TAR), "parquet": (_parquet_shard, forms.PARQUET)}[form]
    packed = _packed(root)
    parts = {f"{name}-{i:06d}{ending}": part for name, cut in packed.shards.items() for i, part in enumerate(cut)}
    for name, part in parts.items():
        yield name, functools.partial(_written, out / name, functools.partial(write, packed=packed, part=part))
    if ending == forms.TAR or packed.first.mask:
        yield forms.CLASSES, "".join(f"{name}\n" for name in packed.classes).encode
    endings = Counter(one.name.rpartition(".")[2] for part in parts.values() for one in part)
    masks = packed.first.mask is not None
    yield from cards.makers(root, [out / name for name in parts], packed.classes, endings, masks=masks)


def _tar_shard(path: Path, packed: _Packed, part: Sequence[_Sample]) -> None:
    """A tar file as WebDataset reads it: <class>/<name>.png, and the number of its class as <class>/<name>.cls.

    A scene is <name>.png and <name>.mask.png; what else an image shows stands in <class>/<name>.json.
    """

    def members() -> Iterator[tuple[str, bytes]]:
        for one in tqdm(part, path.name, unit="image", delay=2, leave=False):
            stem = one.name.rpartition(".")[0]
            yield one.name, packed.read(one.file)
            if one.label is not None:
                yield f"{stem}.{LABEL}", str(packed.number[one.label]).encode()
            if one.mask is not None:
                yield f"{stem}.{forms.MASK}{Path(one.mask).suffix}", packed.read(one.mask)
            if shown := packed.numbers(one):
                yield f"{stem}.{forms.OBJECTS}", json.dumps(shown).encode()

    _tar(path, members())


def _parquet_shard(path: Path, packed: _Packed, part: Sequence[_Sample]) -> None:
    """A Parquet file with the columns image and label, as Hugging Face's hub shows it and `datasets` reads it.

    Scenes have a mask in place of a label; images that show several classes have all their labels and boxes, too.
    """
    pa, parquet = _pyarrow()
    image, number = pa.struct([("bytes", pa.binary()), ("path", pa.string())]), pa.int64()
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    columns = [("image", image)]
    if packed.first.mask is None:
        features["label"] = {"names": packed.classes, "_type": "ClassLabel"}
        columns.append(("label", number))
    else:
        features[forms.MASK] = {"_type": "Image"}
        columns.append((forms.MASK, image))
    if packed.first.objects is not None:
        columns += zip(BESIDE, (pa.list_(number), pa.list_(pa.list_(pa.float64()))), strict=True)
    schema = pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})

    def row(one: _Sample) -> dict[str, Any]:
        found: dict[str, Any] = {"image": {"bytes": packed.read(one.file), "path": one.name}}
        if one.mask is not None:
            return {**found, forms.MASK: {"bytes": packed.read(one.mask), "path": one.mask}}
        return {**found, "label": packed.number[one.label], **packed.numbers(one)}

    with parquet.ParquetWriter(path, schema, compression="none") as writer:
        for begin in tqdm(range(0, len(part), ROWS), path.name, delay=2, leave=False):
            rows = [row(one) for one in part[begin : begin + ROWS]]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ValueError("the form parquet needs pyarrow: pip install pyarrow") from error
    return pyarrow, parquet


# form -> what writes a folder to one file
ARCHIVES: dict[str, Callable[..., None]] = {
    "tar": lambda path, root: _tar(path, _with_card(root)),
    "tar.gz": lambda path, root: _tar(path, _with_card(root), compressed=True),
    "zip": _zip,
    "codes": lambda path, root: _tar(path, _codes(root), compressed=True),
}
