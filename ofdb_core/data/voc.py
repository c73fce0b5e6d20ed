"""PASCAL VOC 2012: objects, cut out of their photographs, to classify; and photographs with masks, to segment.

The challenge's own parts are used: "train" to learn from (13,609 objects; 1,464 photographs with masks), "val" to test
on (13,841; 1,449). Objects marked `difficult` are left out, as in the challenge's counts.
"""

import functools
import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from ofdb_core.base import files, folder
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import header
from ofdb_core.data.decoding import decode

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
PARTS = ("train", "val")
LARGEST = 2**22  # bytes of an annotation, and of a list

Box = tuple[int, int, int, int]  # left, top, right, bottom


def is_complete(devkit: str | Path) -> bool:
    """Whether the folder VOCdevkit/VOC2012 has the list, photographs and annotations of both parts."""
    if not all(_list(devkit, part).is_file() for part in PARTS):
        return False
    names = [name for part in PARTS for name in _names(devkit, part)]
    return all(path(devkit, name).is_file() for name in names for path in (_photograph, _annotation))


def masked(devkit: str | Path, part: str) -> list[tuple[Path, Path]]:
    """The photographs of a part that have masks, each with its mask of values 0 (the ground) and 1 to 20."""
    names = files.read_bytes(Path(devkit) / "ImageSets" / "Segmentation" / f"{part}.txt", LARGEST).decode().split()
    return [(_photograph(devkit, name), Path(devkit) / "SegmentationClass" / f"{name}.png") for name in names]


def cut_out(devkit: str | Path, root: str | Path) -> None:
    """Write the objects as <root>/<part>/<class>/<photograph>_<k>.png, the k-th object of its annotation.

    devkit: the folder VOCdevkit/VOC2012. It is filled like any folder of results. A ValueError names an annotation
    that cannot be read.
    """
    cuts = [
        (f"{part}/{class_name}/{photograph}_{k}.png", functools.partial(_cut, _photograph(devkit, photograph), box))
        for part in PARTS
        for photograph in _names(devkit, part)
        for k, class_name, box in objects(_annotation(devkit, photograph))
    ]
    Folder(root).fill(header({"photographs": folder.fingerprint(devkit)}, cut_out), cuts, total=len(cuts))


def objects(annotation: str | Path) -> list[tuple[int, str, Box]]:
    """(k, class, box) of each object of an annotation that has an area and is not difficult.

    box: left, top, right, bottom in pixels from 0, within the photograph; right and bottom are exclusive.
    """
    try:
        tree: Any = ElementTree.fromstring(files.read_bytes(Path(annotation), LARGEST))
        # a missing element is an error below
        width, height = (int(tree.find("size").findtext(name)) for name in ("width", "height"))
        kept = []
        for k, thing in enumerate(tree.findall("object")):
            bounds = thing.find("bndbox")
            corners = (round(float(bounds.findtext(side))) for side in ("xmin", "ymin", "xmax", "ymax"))
            left, top, right, bottom = corners  # the file counts from 1 and includes the last
            box = max(left - 1, 0), max(top - 1, 0), min(right, width), min(bottom, height)
            if (class_name := thing.findtext("name")) not in CLASSES:
                raise ValueError(f"{class_name!r} is none of the classes")
            if thing.findtext("difficult", "0") == "0" and box[0] < box[2] and box[1] < box[3]:
                kept.append((k, class_name, box))
    except (ElementTree.ParseError, OSError, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{annotation}: not an annotation ({error}); delete it and run again") from error
    return kept


def _list(devkit: str | Path, part: str) -> Path:
    return Path(devkit) / "ImageSets" / "Main" / f"{part}.txt"


def _names(devkit: str | Path, part: str) -> list[str]:
    return files.read_bytes(_list(devkit, part), LARGEST).decode().split()


def _photograph(devkit: str | Path, name: str) -> Path:
    return Path(devkit) / "JPEGImages" / f"{name}.jpg"


def _annotation(devkit: str | Path, name: str) -> Path:
    return Path(devkit) / "Annotations" / f"{name}.xml"


def _cut(photograph: Path, box: Box) -> bytes:
    """The bytes of a PNG file of the box."""
    left, top, right, bottom = box
    file = io.BytesIO()
    pixels = decode(photograph, upright=False)  # the boxes are of the stored picture
    Image.fromarray(pixels[top:bottom, left:right]).save(file, "PNG")
    return file.getvalue()
