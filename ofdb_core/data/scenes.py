"""Scenes: pictures that have a label map, the mask, beside them: a class for each pixel.

A folder of scenes holds images/<name>.png and masks/<name>.png. A mask is a palette PNG whose indices are the classes,
as in PASCAL VOC: 0 is the ground, 255 is no class. classes.txt names the classes from 0 on, a line each; metadata.csv
pairs the files for Hugging Face's `imagefolder`. In a folder of the user's both may be missing, the pictures may have
any format, and a mask may be gray.
"""

import abc
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from ofdb_core.base import threads
from ofdb_core.data import forms, png, shards
from ofdb_core.data.decoding import WHOLE, File, Reading, damage, decode, extensions, stream
from ofdb_core.data.forms import CLASSES, IMAGES, MASKS
from ofdb_core.data.layout import FEW
from ofdb_core.data.samples import GB, Cache, Samples, refuse_damaged

METADATA = "metadata.csv"
NO_CLASS, IN_FILES = -100, 255  # of a pixel that does not count: in arrays, as torch's cross entropy has it; in files
NAME_OF_GROUND = "ground"
SHOWN = 1000  # scenes in a gallery
MOST = 2**15 - 1  # classes, so that a mask can be int16

Pair = tuple[np.ndarray, np.ndarray]  # a picture (H, W) or (H, W, 3) uint8, and its mask (H, W) int16


class Scenes(abc.ABC):
    """Pictures with masks; classes: the names of the masks' values, from 0, the ground, on.

    They are `Samples` without labels: each has the label 0.
    """

    classes: list[str]

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def pair(self, i: int, key: int | None = None) -> Pair:
        """Scene i, drawn by 64 random bits as in `Samples.pixels`."""

    @property
    def labels(self) -> np.ndarray:
        """Zeros (n,) int64."""
        return np.zeros(len(self), np.int64)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """The picture of scene i."""
        return self.pair(i, key)[0]


@functools.cache
def palette() -> bytes:
    """PASCAL VOC's colours, red, green and blue of 256 classes: the bits of a class become high bits of the three."""
    colours, classes = np.zeros((256, 3), np.uint8), np.arange(256)
    for bit in range(8):
        colours[:, bit % 3] |= ((classes >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours.tobytes()


def coloured(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) as a picture (H, W, 3) uint8 in the palette's colours; a class has that of its last 8 bits."""
    colours = np.frombuffer(palette(), np.uint8).reshape(256, 3)
    return colours[np.where(mask == NO_CLASS, IN_FILES, mask % 256)]


def file_names(name: str) -> tuple[str, str]:
    """The names of a scene's two files."""
    return f"{IMAGES}/{name}.png", f"{MASKS}/{name}.png"


def files(name: str, scene: Callable[[], Pair]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and makers of a scene's two files; scene: makes its picture and its mask, once for both."""
    once = threads.Once(scene)
    for which, file in enumerate(file_names(name)):
        yield file, functools.partial(_encoded, once, which)


def _encoded(scene: Callable[[], Pair], which: int) -> bytes:
    shown = scene()[which]
    return png.indexed(shown.astype(np.uint8), palette()) if which else png.of(shown)


def lists(names: Iterable[str], classes: Sequence[str]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names and makers of the two files that describe a folder of scenes."""
    rows = ["image_file_name,mask_file_name", *(",".join(file_names(name)) for name in names)]
    yield CLASSES, "".join(f"{name}\n" for name in classes).encode
    yield METADATA, "".join(f"{row}\n" for row in rows).encode


def read_mask(path: File) -> np.ndarray:
    """The classes (H, W) int16 in a file: the indices of a palette, or the values of a gray picture of 8 bits."""
    try:
        with Image.open(stream(path)) as picture:
            _require_indices(picture)
            mask = np.array(picture).astype(np.int16)
    except Exception as error:  # every format has other errors, as in `decoding.decode`
        raise ValueError(f"{path}: cannot be read as a mask ({error}); restore or delete it and run again") from error
    mask[mask == IN_FILES] = NO_CLASS
    return mask


def _require_indices(mask: Image.Image) -> None:
    if mask.mode not in ("P", "L"):
        raise ValueError(f"mode {mask.mode}; a mask has a palette, or gray values of 8 bits")


class First(Scenes):
    """The first scenes of others, at most `count`."""

    def __init__(self, others: Scenes, count: int) -> None:
        self._others, self._count, self.classes = others, min(count, len(others)), others.classes

    def __len__(self) -> int:
        return self._count

    def pair(self, i: int, key: int | None = None) -> Pair:
        """As the others' `pair`."""
        return self._others.pair(range(self._count)[i], key)


class Lit(Scenes):
    """Labelled pictures as scenes: the pixels of another colour than the ground are of the picture's class.

    samples: with at most `MOST` - 1 classes; ground: the gray of the ground.
    """

    def __init__(self, samples: Samples, ground: int) -> None:
        if len(samples.classes) >= MOST:
            raise ValueError(f"{len(samples.classes):,} classes; a mask holds at most {MOST - 1:,} beside the ground")
        self._samples, self._ground, self.classes = samples, ground, [NAME_OF_GROUND, *samples.classes]

    def __len__(self) -> int:
        return len(self._samples)

    def pair(self, i: int, key: int | None = None) -> Pair:
        """Sample i and its mask."""
        picture = self._samples.pixels(i, key)
        lit = picture != self._ground
        shown = lit if lit.ndim == 2 else lit.any(axis=2)
        return picture, shown.astype(np.int16) * np.int16(self._samples.labels[i] + 1)


class Pairs(Scenes):
    """Scenes in files, which are decoded when first used and kept in memory up to a budget.

    pictures, masks: paths, one of each for a scene; classes, cache_bytes, reading: as for `samples.Images`.
    """

    def __init__(
        self,
        pictures: Sequence[File],
        masks: Sequence[File],
        classes: Sequence[str],
        *,
        cache_bytes: int = GB,
        reading: Reading = WHOLE,
    ) -> None:
        self.pictures, self.masks, self.classes = list(pictures), list(masks), list(classes)
        self._pictures: Cache[Any] = Cache(functools.partial(decode, reading=reading), cache_bytes // 2)
        self._masks: Cache[Any] = Cache(self._mask, cache_bytes // 2)

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        *,
        cache_bytes: int = GB,
        reading: Reading = WHOLE,
        classes: Sequence[str] = (),
        only: Sequence[Path] = (),
    ) -> Self:
        """The scenes of <root>/images and <root>/masks, whose names differ in their endings alone; or of shards.

        classes: their names; else those in classes.txt; else the numbers up to the largest in a mask; only: some of the
        shards in the folder. A ValueError names pictures and masks that have no partner.
        """
        how: dict[str, Any] = {"cache_bytes": cache_bytes, "reading": reading}
        if packed := only or forms.shards(root):
            ones, others = zip(*shards.pairs(packed), strict=True)
            return cls(ones, others, classes or classes_in(packed[0].parent) or _numbers(others), **how)
        pictures, masks = (_by_name(Path(root) / folder) for folder in (IMAGES, MASKS))
        if alone := sorted(pictures.keys() ^ masks.keys()):
            raise ValueError(
                f"{root}: {len(alone)} files have no partner of the same name in {IMAGES}/ and {MASKS}/: "
                f"{', '.join(alone[:FEW])}{', ...' * (len(alone) > FEW)}"
            )
        names = sorted(pictures)
        found = [masks[name] for name in names]
        named = classes or classes_in(Path(root)) or _numbers(found)
        return cls([pictures[name] for name in names], found, named, **how)

    def __len__(self) -> int:
        return len(self.pictures)

    def pair(self, i: int, key: int | None = None) -> Pair:
        """Scene i; key is not used. A ValueError if its files do not fit each other."""
        picture, mask = self._pictures[self.pictures[i]], self._masks[self.masks[i]]
        if picture.shape[:2] != mask.shape:
            raise ValueError(f"{self.masks[i]}: {mask.shape} rows and columns; its picture has {picture.shape[:2]}")
        return picture, mask

    def name(self, i: int) -> str:
        """The name of scene i's picture, without folder and ending."""
        path = self.pictures[i]
        return Path(path if isinstance(path, str) else path.name).stem

    def _mask(self, path: File) -> np.ndarray:
        mask = read_mask(path)
        if mask.max() >= len(self.classes):
            raise ValueError(f"{path}: has class {mask.max()}; the last of {len(self.classes)} is {self.classes[-1]}")
        return mask


def open_folder(root: Path, drawing: Any, cache_bytes: int) -> Pairs:
    """The scenes of a folder, as `registry.Source` opens it."""
    return Pairs.from_folder(root, cache_bytes=cache_bytes)


def require_readable(*sets: Pairs) -> None:
    """Raise a ValueError that names every picture and mask that is damaged, or no mask; nothing is decoded."""

    def look(path: File, is_mask: bool) -> tuple[str, str | None]:
        problem = damage(path)
        if is_mask and not problem:
            try:
                with Image.open(stream(path)) as mask:
                    _require_indices(mask)
            except ValueError as error:
                problem = str(error)
        return str(path), problem

    every = [(paths, kind) for pairs in sets for paths, kind in ((pairs.pictures, False), (pairs.masks, True))]
    looks = (functools.partial(look, path, kind) for paths, kind in every for path in paths)
    refuse_damaged(looks, sum(len(paths) for paths, _ in every))


def listed(root: str | Path) -> tuple[list[Path], list[int], list[str]]:
    """Paths, labels and names of the first scenes in a folder, for who looks at them: each has a picture and a mask."""
    pictures, masks = (_by_name(Path(root) / folder) for folder in (IMAGES, MASKS))
    names = sorted(pictures.keys() & masks.keys())[:SHOWN]
    paths = [path for name in names for path in (pictures[name], masks[name])]
    return paths, [label for label in range(len(names)) for _ in range(2)], names


def _by_name(folder: Path) -> dict[str, Path]:
    """The image files of a folder by their names without endings; a ValueError if there are none, or two of a name."""
    files = (path for path in sorted(folder.glob("[!.]*")) if path.is_file())
    found = [path for path in files if path.suffix.lower() in extensions()]
    if not found:
        raise ValueError(f"{folder}: holds no image files")
    if len(by_name := {path.stem: path for path in found}) < len(found):
        raise ValueError(f"{folder}: two files differ in their endings alone; a scene has one picture and one mask")
    return by_name


def classes_in(root: Path) -> list[str]:
    """The names of the classes in <root>/classes.txt; none if there is no such file."""
    path, what = root / CLASSES, "it names the classes of the masks, a line each"
    if not path.is_file():
        return []
    try:
        names = path.read_text(encoding="utf-8").splitlines()
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); {what}") from error
    if not names:
        raise ValueError(f"{path}: is empty; {what}")
    return names


def _numbers(masks: Sequence[File]) -> list[str]:
    """The numbers of the classes, up to the largest in a mask."""
    tasks = (functools.partial(read_mask, path) for path in masks)
    last = max(int(mask.max()) for mask in threads.results(tasks, os.cpu_count() or 1))
    return [str(k) for k in range(1 + max(last, 0))]
