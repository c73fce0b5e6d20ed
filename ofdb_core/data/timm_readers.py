"""Data sets that timm's readers read, by timm's own names: their pictures are copied once into class folders."""

import functools
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import header
from ofdb_core.base.parameters import ParameterError

READERS = {  # timm's word before a name -> the package that it needs
    **{"hfds/": "datasets", "hfids/": "datasets", "wds/": "webdataset", "tfds/": "tensorflow-datasets"},
    "torch/": "torchvision",
}
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@functools.cache
def fetched(address: str, root: Path) -> Path:
    """A folder with the pictures that a reader of timm gives, train/<class>/<file> and val/<class>/<file>."""
    import timm

    target = Folder(root / address.replace("/", "--"))
    head = header({"reader": address, "timm": timm.__version__}, _pictures, license=None)
    if target.is_kept(head):
        return target.root
    parts = {"train": _read(address, root, "train"), "val": _read(address, root, "validation", "val", "test")}
    target.fill(head, _pictures(parts), total=sum(map(len, parts.values())), workers=1)
    return target.root


def _read(address: str, root: Path, *splits: str) -> Any:
    """timm's data set of the first of these splits that there is."""
    from timm.data import create_dataset

    prefix, _, name = address.partition("/")
    place = root / name if prefix == "wds" else root  # shards are not fetched; the others fetch to the folder
    for split in splits:
        try:
            return create_dataset(address, str(place), split=split, download=True, input_img_mode=None)  # type: ignore[arg-type]
        except ImportError as error:
            raise ParameterError([f"data: {address} needs a package: pip install {READERS[f'{prefix}/']}"]) from error
        except Exception as error:  # each reader has its own
            failed = error
    named, reason = " or ".join(splits), f"{type(failed).__name__}: {failed}"
    raise ParameterError([f"data: timm cannot read {address}, split {named}, in {place} ({reason})"]) from failed


def _pictures(parts: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """<part>/<class>/<number>.<ending> and what gives the file's bytes, of data sets of pictures and labels.

    A file is as it was, where the reader has it; other pictures become PNG.
    """
    for part, pairs in parts.items():
        reader, count = getattr(pairs, "reader", pairs), 0
        names = {number: name for name, number in (getattr(reader, "class_to_idx", None) or {}).items()}
        source = map(reader.__getitem__, range(len(reader))) if hasattr(reader, "__getitem__") else pairs
        for picture, label, *_ in source:
            data, ending = _file(picture)
            name = str(names.get(int(label), int(label))).replace("/", "_")
            yield f"{part}/{name}/{count:07d}.{ending}", functools.partial(bytes, data)
            count += 1
        if count != (len(pairs) or count):
            raise ParameterError([f"data: {part}: timm's reader gave {count} pictures of {len(pairs)}"])


def _file(picture: Any) -> tuple[bytes, str]:
    """The bytes of a picture's file, and their ending."""
    if not isinstance(picture, Image.Image):
        data = picture.read()
        with Image.open(io.BytesIO(data)) as opened:
            return data, str(opened.format).lower()
    file = io.BytesIO()
    (picture if picture.mode in PNG_MODES else picture.convert("RGB")).save(file, "PNG")
    return file.getvalue(), "png"
