"""What users bring and others wrote: codes, annotations, notebooks, networks, pictures of every mode, folders."""

import contextlib
import functools
import hashlib
import io
import json
import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image

from ofdb_core.base.own import LIST, Own
from ofdb_core.data import decoding, voc
from ofdb_core.families import rcdb, visual_atom
from ofdb_core.run import reasons, site
from ofdb_core.stages import memory, predict
from ofdb_core.stages.inference import Predict
from ofdb_core.training.pretrained import Checkpoint
from tests.helpers import tiny

from .mutations import Files, altered_json

AUTHORS = {
    "Vertex": 120,
    "Line_num": 40,
    "Perlin_noise": 1.5,
    "line_width": 0.1,
    "Center_rad": 50,
    "Oval_rate_x": 1.2,
    "Oval_rate_y": 1.7,
    "start_pos_w": 256,
    "start_pos_h": 200,
}
KINDS = {"rcdb": rcdb.KIND, "visualatom": visual_atom.KIND}


@functools.cache
def codes() -> Files:
    files = {"authors/00000.csv": "".join(f"{name},{value}\n" for name, value in AUTHORS.items()).encode()}
    for name, kind in KINDS.items():
        code = kind.sample(rcdb.Render() if name == "rcdb" else visual_atom.Render(), 0)
        files[f"{name}/00000.json"] = json.dumps(code.values()).encode()
    return files


def altered_code(data: bytes, rng: Random) -> bytes:
    """A code with other values; of the authors' CSV, one row."""
    if data[:1] == b"{":
        return altered_json(data, rng)
    rows = data.split(b"\n")
    at = rng.randrange(len(rows))
    rows[at] = (
        rows[at].partition(b",")[0] + b"," + rng.choice((b"nan", b"inf", b"-1", b"1e308", b"1" * 5000, b"", b"1.5"))
    )
    return b"\n".join(rows)


def read_codes(inside: Path) -> None:
    for folder, kind in (("authors", KINDS["rcdb"]), *KINDS.items()):
        kind.load(inside / folder)


OBJECT = (
    "<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>30</xmax>"
    "<ymax>40</ymax></bndbox></object>"
)


def annotations() -> Files:
    objects = "".join(OBJECT.format(name, left) for name, left in (("dog", 3), ("person", 12.5)))
    text = f"<annotation><size><width>50</width><height>60</height></size>{objects}</annotation>"
    return {
        "Annotations/2007_000001.xml": text.encode(),
        **{f"ImageSets/Main/{part}.txt": b"a\n" for part in voc.PARTS},
    }


def altered_number(data: bytes, rng: Random) -> bytes:
    """An annotation with another number."""
    number = rng.choice((b"inf", b"-inf", b"nan", b"1e308", b"-5", b"1" * 5000, b"1" * 400 + b".0", b""))
    return re.sub(rb"[\d.]+(?=<)", lambda found: number if rng.random() < 0.2 else found[0], data)


def read_annotations(inside: Path) -> None:
    voc.is_complete(inside)
    voc.objects(inside / "Annotations" / "2007_000001.xml")


def notebook() -> Files:
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": "<script>1</script>", "text/plain": "x"},
    }
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# A\n", "```{include} /etc/passwd\n", "```"]},
        {"cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": [output]},
    ]
    about = {"papermill": {"end_time": "then"}, "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 4}
    return {"2_render_2d.ipynb": json.dumps(whole).encode()}


def read_notebook(inside: Path) -> None:
    path = inside / "2_render_2d.ipynb"
    reasons.is_saved(path)
    site.copy_notebook(path, inside / "site" / "copy.ipynb")


@functools.cache
def networks() -> Files:
    state = tiny.network().state_dict()
    halves = {
        f"{half}.module.backbone.{name}": tensor for half in ("teacher", "student") for name, tensor in state.items()
    }
    files = {}
    for name, content in (
        ("lightning.ckpt", {f"model.{name}": tensor for name, tensor in state.items()}),
        ("dino.pth", halves),
    ):
        made = io.BytesIO()
        torch.save({"model": content, "epoch": 3}, made)
        files[name] = made.getvalue()
    return files


def read_networks(inside: Path) -> None:
    for name in networks():
        tiny.loaded(inside / name, model="vit_tiny_patch16_224", options=tiny.VIT, input_size=16)


@functools.cache
def configured() -> Files:
    """A folder as timm saves it, and one as transformers does; the weights are as they should be."""
    network = tiny.network()
    made = io.BytesIO()
    torch.save(network.state_dict(), made)
    seen = {"input_size": [3, 16, 16], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "crop_pct": 0.9}
    timm = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 4,
        "label_names": list("abcd"),
        "pretrained_cfg": seen,
    }
    theirs = {"model_type": "vit", "image_size": 16, "id2label": {str(i): name for i, name in enumerate("abcd")}}
    return {
        "timm/config.json": json.dumps({**timm, "model_args": tiny.VIT}).encode(),
        "theirs/config.json": json.dumps(theirs).encode(),
        "theirs/preprocessor_config.json": json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}).encode(),
        **{f"{folder}/model.pth": made.getvalue() for folder in ("timm", "theirs")},
    }


def altered_config(data: bytes, rng: Random) -> bytes:
    """A configuration that says something else; sometimes of a network that is larger or deeper than any."""
    try:
        if rng.random() < 0.5:
            return altered_json(data, rng)
        said = json.loads(data)
        arguments = said.setdefault("model_args", {})
        name = rng.choice(["depth", "embed_dim", "num_heads", "patch_size", "mlp_ratio", "features_only", "img_size"])
        arguments[name] = rng.choice([0, -1, 10**8, 10**30, 0.5, None, "8", [1, 2], True, 1e308])
        if rng.random() < 0.5:
            said["pretrained_cfg"]["input_size"] = rng.choice([[3, 20000, 24], [3, 10**9, 10**9], [0, 0, 0], 7, [3]])
        return json.dumps(said).encode()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return data


def of_config(files: Files, rng: Random) -> Files:
    """Only what says how the network is built is hostile; the weights of its neighbour are another reader's."""
    return {**files, **{name: data for name, data in configured().items() if name.endswith(".pth")}}


def read_configured(inside: Path) -> None:
    how: dict[str, Any] = {"model": "vit_tiny_patch16_224", "options": tiny.VIT}
    read = (inside / "timm" / "config.json").is_file()  # without it the network is guessed, which takes longer
    Checkpoint.open(str(inside / "timm"), **({} if read else how)).network()
    Checkpoint.open(str(inside / "theirs"), **how).network()


@functools.cache
def moded() -> Files:
    """Pictures of the modes that are laid on a ground, scaled or turned."""
    values = np.random.default_rng(0).integers(0, 256, (12, 10), dtype=np.uint8)
    gray = Image.fromarray(values)
    palette = gray.convert("P")
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "la.png": (gray.convert("LA"), {}),
        "rgba.png": (gray.convert("RGBA"), {}),
        "rgba.webp": (gray.convert("RGBA"), {"lossless": True}),
        "palette.png": (palette, {"transparency": 3}),
        "palette.gif": (palette, {"transparency": 3}),
        "key.png": (gray, {"transparency": 5}),
        "bits.png": (gray.convert("1"), {}),
        "cmyk.jpg": (gray.convert("CMYK"), {}),
        "turned.jpg": (gray, {"exif": turned}),
        "sixteen.png": (Image.fromarray(values.astype(np.uint16) * 16), {}),
        "sixteen.tiff": (Image.fromarray(values.astype(np.uint16) * 256), {}),
        "integers.tiff": (Image.fromarray(values.astype(np.int32)), {}),
        "floats.tiff": (Image.fromarray(values.astype(np.float32) / 255), {}),
    }
    files = {}
    for name, (picture, how) in pictures.items():
        made = io.BytesIO()
        picture.save(made, {"jpg": "jpeg"}.get(name.partition(".")[2], name.partition(".")[2]), **how)
        files[f"class/{name}"] = made.getvalue()
    return files


def read_moded(inside: Path) -> None:
    for name in moded():
        if (inside / name).exists():
            decoding.decode(inside / name)
            decoding.is_transparent(inside / name)


def one_moded(files: Files, rng: Random) -> Files:
    """The hostile one, which is the only one that differs from what is valid."""
    return {name: data for name, data in files.items() if data != moded()[name]} or {
        "class/la.png": files["class/la.png"]
    }


@functools.cache
def asked() -> Files:
    """Pictures to predict, and the features of a memory."""
    pictures = {name.removeprefix("class/"): data for name, data in moded().items() if name.endswith(".png")}
    known = {hashlib.sha256(data).hexdigest(): np.ones(4, np.float32) for data in pictures.values()}
    return {
        "features.safetensors": memory.to_bytes(known, "by"),
        **{f"asked/deep/{name}": pictures[name] for name in pictures},
    }


def read_asked(inside: Path) -> None:
    memory.kept(inside / "features.safetensors", "by")
    place = Predict(out=str(inside), data=str(inside / "asked"))
    paths = sorted(predict.paths_of(place, Counter()))
    memory.hashes(paths)
    pictures = predict.Pictures(paths, decoding.WHOLE)
    for i in range(len(pictures)):
        pictures.pixels(i)


def altered_header(data: bytes, rng: Random) -> bytes:
    """A safetensors file whose tensors have other shapes, types or places."""
    end = 8 + int.from_bytes(data[:8], "little")
    try:
        entries = json.loads(data[8:end])
        entry = entries[rng.choice(["features", "sha256"])]
        other: dict[str, list[Any]] = {
            "shape": [[], [0], [2**40], [1, 2, 3]],
            "dtype": ["F64", "I64", "BOOL"],
            "data_offsets": [[0, 2**60], [4, 0]],
        }
        kind = rng.choice(sorted(other))
        entry[kind] = rng.choice(other[kind])
    except (ValueError, LookupError, TypeError):  # no such file, or another mutation was here before
        return data
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header + data[end:]


@functools.cache
def own_files() -> Files:
    """A folder of a user's choice with the files that the lab wrote there."""
    pages = {name: name.encode() for name in ("report.html", "a.ipynb", "deep/figure.svg")}
    lines = [f"{hashlib.sha256(data).hexdigest()} {name}" for name, data in pages.items()]
    return {
        LIST: "\n".join(
            ["# The files that OFDB Lab wrote here: SHA-256, or - while one is written, and name.", *lines]
        ).encode(),
        **pages,
    }


def write_own(inside: Path) -> None:
    """Write and remove what the lab may; an altered file must stay."""
    before = {
        path: path.read_bytes()
        for path in inside.rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != LIST
    }
    own = Own(inside)
    was = own.listed()
    own.altered()
    for name in ("report.html", "a.ipynb", "deep/figure.svg"):
        with contextlib.suppress(FileExistsError):
            own.write(name, "another")
    for path, data in before.items():
        hashed = hashlib.sha256(data).hexdigest()
        listed = was.get(path.relative_to(inside).as_posix(), [])
        if hashed not in listed and listed[-1:] != ["-"] and path.read_bytes() != data:
            raise AssertionError(f"{path} was the user's")
