"""Formats that others know, too: weights, archives, pictures; valid files, how each is read, and its own mutations."""

import functools
import io
import json
import tarfile
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from ofdb_core.data import archive, label_table, png, samples, scenes
from ofdb_core.training import weights
from tests.helpers import tiny

from .mutations import NAMES, Files, altered_json


@functools.cache
def checkpoints() -> Files:
    network = tiny.network()
    theirs = io.BytesIO()
    torch.save({"model": network.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}}, theirs)
    return {"model.safetensors": weights.to_bytes(network, tiny.FACTS), "theirs.pth.tar": theirs.getvalue()}


def altered_header(data: bytes, rng: Random) -> bytes:
    """A safetensors file whose header, or whose facts of this project in it, says something else."""
    end = 8 + int.from_bytes(data[:8], "little")
    header, rest = data[8:end], data[end:]
    try:
        if rng.random() < 0.5:
            header = altered_json(header, rng)
        else:
            entries = json.loads(header)
            about = entries["__metadata__"]
            about[weights.METADATA] = altered_json(about[weights.METADATA].encode(), rng).decode()
            header = json.dumps(entries).encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # another mutation was here before
        return data
    return len(header).to_bytes(8, "little") + header + rest


def other_tensor(data: bytes, rng: Random) -> bytes:
    """A file of torch.save with other values: types, forms, numbers, places."""
    try:
        content = torch.load(io.BytesIO(data), weights_only=True)
        model = content["model"]  # as every valid file here has it
        name = rng.choice(sorted(name for name in model if isinstance(model[name], torch.Tensor)))
    except Exception:  # another mutation was here before, or this is no such file
        return data
    tensor = model[name]
    model[name] = rng.choice(
        (
            *(tensor.to(dtype) for dtype in (torch.int8, torch.int64, torch.bool, torch.complex64, torch.float64)),
            *(tensor * float("nan"), tensor.new_zeros(0), tensor[None], tensor.to_sparse(), "text", None, [tensor]),
            tensor.new_zeros(1).expand(10**12),
        )
    )
    if rng.random() < 0.2:
        content = rng.choice(([model], model, {"model": content}, {"state_dict": None, **content}))
    made = io.BytesIO()
    torch.save(content, made)
    return made.getvalue()


def read_checkpoints(inside: Path) -> None:
    refusals = []
    for name in ("model.safetensors", "theirs.pth.tar"):
        try:
            tiny.loaded(inside / name, model="vit_tiny_patch16_224", options=tiny.VIT, input_size=16)
        except ValueError as error:
            refusals.append(str(error))
            if name not in str(error):
                raise
    if refusals:
        raise ValueError("\n".join(refusals))


ENTRIES = {"train/a/1.txt": b"one", "train/b/2.txt": b"two", "val/a/3.txt": b"three"}


def _zip(names: dict[str, bytes], rng: Random | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in names.items():
            info = zipfile.ZipInfo(name.encode(errors="ignore").decode() or "x")
            if rng and rng.random() < 0.2:
                info.external_attr = rng.choice((0o120777, 0o010644, 0o060644, 0o040755)) << 16
            file.writestr(info, data)
    return made.getvalue()


def _tar(names: dict[str, bytes], mode: Any, rng: Random | None = None) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode, format=tarfile.PAX_FORMAT) as file:
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if rng and rng.random() < 0.2:
                info.type = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, b"?"))
                info.linkname = rng.choice(NAMES)
            file.addfile(info, io.BytesIO(data))
    return made.getvalue()


def packed_anew(data: bytes, rng: Random) -> bytes:
    """An archive of the same format with other entries: hostile names, links, devices, the same twice, many zeros."""
    names = dict(ENTRIES)
    for _ in range(rng.choice((1, 2, 5))):
        names[rng.choice(NAMES)] = rng.choice((b"", b"four", b"\0" * rng.choice((10, 10**6))))
    try:
        if data[:2] == b"PK":
            return _zip(names, rng)
        return _tar(names, "w:gz" if data[:2] == b"\x1f\x8b" else "w", rng)
    except (ValueError, UnicodeError):  # not even the packer takes such a name
        return data


@functools.cache
def archives() -> Files:
    return {"set.zip": _zip(ENTRIES), "set.tar": _tar(ENTRIES, "w"), "set.tgz": _tar(ENTRIES, "w:gz")}


def read_archives(inside: Path) -> None:
    for name in ("set.zip", "set.tar", "set.tgz"):
        archive.unpacked(inside / name, inside / "data" / name[4:])


@functools.cache
def shards() -> Files:
    """A shard whose classes are folders, and one whose classes are numbers, with a file of their names beside it."""
    picture = png.of(np.full((4, 6), 7, np.uint8))
    numbered = {"1.png": picture, "1.cls": b"0", "2.png": picture, "2.cls": b"1"}
    return {
        "named/x-0.tar": _tar({"a/1.png": picture, "b/2.png": picture}, "w"),
        "numbered/x-0.tar": _tar(numbered, "w"),
        "numbered/classes.txt": b"cat\ndog\n",
    }


def read_shards(inside: Path) -> None:
    for name in ("named", "numbered"):
        read_pictures(inside / name)


def labelled() -> Files:
    """A table of labels, and the pictures that it names."""
    files = {f"pictures/{name}.png": png.of(np.full((4, 6), 7, np.uint8)) for name in "ab"}
    return {**files, "labels.csv": b"file,label\na.png,cat\nb.png,dog\n"}


def read_labelled(inside: Path) -> None:
    read_pictures(label_table.labelled(inside / "pictures", inside / "labels.csv", inside / "data"))


FORMATS = (
    "png",
    "jpeg",
    "webp",
    "gif",
    "tiff",
    "bmp",
    "ppm",
    "tga",
    "ico",
    "pcx",
    "jpeg2000",
    "avif",
    "dds",
    "sgi",
    "xbm",
)


@functools.cache
def pictures() -> Files:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    files = {}
    for kind in FORMATS:
        ending = {"jpeg2000": "jp2", "jpeg": "jpg"}.get(kind, kind)
        made, picture = io.BytesIO(), Image.fromarray(pixels)
        try:
            (picture.convert("1") if kind == "xbm" else picture).save(made, kind)
        except (OSError, KeyError):  # this Pillow was built without it
            continue
        files[f"class/picture.{ending}"] = made.getvalue()
    return files


def one_picture(files: Files, rng: Random) -> Files:
    """The hostile one, which is the only one that differs from what is valid."""
    hostile = {name: data for name, data in files.items() if data != pictures()[name]}
    return hostile or {name: files[name] for name in [rng.choice(sorted(files))]}


def scenes_of_masks() -> Files:
    """A folder of two scenes of 4 x 6 pixels."""
    mask = np.array([[0, 1, 2, 255, 0, 0]] * 4, np.uint8)
    made = {name: data() for name, data in scenes.lists("ab", ["ground", "cat", "dog"])}
    for name in "ab":
        picture, label = scenes.file_names(name)
        made |= {picture: png.of(np.full((4, 6), 7, np.uint8)), label: png.indexed(mask, scenes.palette())}
    return made


def read_scenes(inside: Path) -> None:
    opened = scenes.Pairs.from_folder(inside)
    for i in range(len(opened)):
        picture, mask = opened.pair(i)
        assert picture.shape[:2] == mask.shape
        assert mask.max() < len(opened.classes)


def read_pictures(inside: Path) -> None:
    images = samples.Images.from_folder(inside)
    for i in range(len(images)):
        images.pixels(i)
