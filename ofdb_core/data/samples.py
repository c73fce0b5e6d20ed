"""Labelled pictures, from arrays or files: the input of augmentation.

`Samples` is a sequence of them. `Images` has one instance of each, `OneOf` draws one of a category's files. A family
may bring samples that are rendered on request.
"""

import functools
import itertools
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from tqdm import tqdm

from ofdb_core.base import threads
from ofdb_core.data import forms, shards, yolo
from ofdb_core.data.decoding import WHOLE, File, Reading, damage, decode, extensions, is_transparent
from ofdb_core.data.layout import class_files, few, require_shots, unwrapped

GB = 2**30  # bytes
MOST_BAD = 100  # files that a refusal names

Key = TypeVar("Key", bound=Hashable)


class Samples(Protocol):
    """Labelled pictures: labels (n,) int64, and the names of the classes."""

    classes: list[str]

    @property
    def labels(self) -> np.ndarray: ...

    def __len__(self) -> int: ...

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """Sample i, (H, W) or (H, W, 3) uint8; key: 64 random bits of that sample and step, which draw an instance.

        Without a key, as in evaluation, the picture is always the same.
        """


def has_sets(samples: Samples) -> bool:
    """Whether a sample shows several classes: it has a method shown(i, key) that lists their numbers."""
    return hasattr(samples, "shown")


def sets(samples: Any, ids: Iterable[int], keys: Iterable[int | None] = itertools.repeat(None)) -> np.ndarray:
    """(n, C) float32: 1 for each class that a sample of these numbers shows, drawn by its key."""
    shown = [samples.shown(i, key) for i, key in zip(ids, keys, strict=False)]
    marks = np.zeros((len(shown), len(samples.classes)), np.float32)
    for row, classes in zip(marks, shown, strict=True):
        row[classes] = 1
    return marks


class Cache(Generic[Key]):
    """Arrays that load(key) makes on first use, kept while `budget` bytes last; threads may share it.

    A kept array stays: samples come in permutations, and a cache that replaces the oldest array by the newest would
    hold none that comes next.
    """

    def __init__(self, load: Callable[[Key], np.ndarray], budget: int) -> None:
        self._load, self.budget, self.nbytes = load, budget, 0
        self._kept: dict[Key, np.ndarray] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: Key) -> np.ndarray:
        if (array := self._kept.get(key)) is None:
            array = self._load(key)
            with self._lock:
                if key not in self._kept and array.nbytes <= self.budget:
                    self.budget -= array.nbytes
                    self.nbytes += array.nbytes
                    self._kept[key] = array
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


class Images:
    """Labelled images: arrays, or files that are decoded when first used and kept in memory up to a budget.

    items: an array (n, H, W) or (n, H, W, 3) uint8, or a list of n files; labels: (n,) int64 in 0..C - 1; classes: C
    names; cache_bytes: of decoded files that each process may keep; root: the folder that names begin at; reading:
    how files are decoded.
    """

    def __init__(
        self,
        items: np.ndarray | Sequence[File],
        labels: np.ndarray | list[int],
        classes: Iterable[object],
        *,
        cache_bytes: int = GB,
        root: Path | None = None,
        reading: Reading = WHOLE,
    ) -> None:
        self.root, self.reading = root, reading
        self.items, self.labels, self.classes = items, np.asarray(labels, np.int64), [str(name) for name in classes]
        if isinstance(items, np.ndarray) and (items.dtype != np.uint8 or items.ndim not in (3, 4)):
            raise ValueError(f"items: {items.dtype} {items.shape} given; allowed is uint8 (n, H, W) or (n, H, W, 3)")
        if self.labels.shape != (len(items),):
            raise ValueError(f"labels: shape {self.labels.shape} given; allowed is one for each of {len(items)} images")
        if not len(items):
            raise ValueError("items: empty; at least one image is needed")
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise ValueError(
                f"labels: {self.labels.min()} to {self.labels.max()} given; allowed is 0 to {len(self.classes) - 1}"
            )
        self._decoded = Cache(functools.partial(decode, reading=reading), cache_bytes)

    @classmethod
    def from_folder(
        cls,
        root: str | Path,
        *,
        cache_bytes: int = GB,
        reading: Reading = WHOLE,
        classes: Sequence[str] = (),
        only: Sequence[Path] = (),
        objects: bool = False,
    ) -> Self:
        """The images of <root>/<class>/<file>, in any format that Pillow reads: see `class_files`; or of shards.

        only: some of the shards in the folder; objects: see `open_images`. Images that have the labels of all that they
        show are `Sets`.
        """
        how: dict[str, Any]
        kind: Any  # of images
        if found := only or forms.shards(root):
            items, labels, names = shards.images(found)
            known = [*classes] or names
            if strange := sorted({*names} - {*known}):
                raise ValueError(f"{root}: {found[0].name} and others have {few(strange)}, which the rest lacks")
            how = {"cache_bytes": cache_bytes, "root": Path(root), "reading": reading}
            numbers = [known.index(name) for name in names]
            kind = functools.partial(Sets, shards.objects) if shards.have_objects(items) else cls
            return kind(items, [numbers[label] for label in labels], known, **how)
        files = class_files(root, "image", extensions(), classes, beside=yolo.ENDING if objects else None)
        how = {"cache_bytes": cache_bytes, "root": unwrapped(root), "reading": reading}
        kind = functools.partial(Sets, yolo.shown_in) if objects else cls
        return kind(*files, **how)

    def __len__(self) -> int:
        return len(self.items)

    def name(self, i: int) -> str:
        """The file of image i, relative to the folder of the class folders; in an array, its number."""
        item = self.items[i]
        if isinstance(item, np.ndarray):
            return str(i)
        if isinstance(item, str | Path):
            return Path(item).relative_to(self.root or Path(item).parent).as_posix()
        return item.name

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """Image i, uint8, (H, W) if it is gray, else (H, W, 3); key is not used."""
        return self.items[i] if isinstance(self.items, np.ndarray) else self._decoded[self.items[i]]

    def few_shot(self, shots: int, *, seed: int) -> "Images":
        """`shots` images of each class (0: all), drawn by (seed, class); a larger choice includes the smaller."""
        if shots == 0:
            return self
        drawn = []
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(self.labels == label)
            require_shots(shots, name, len(members))
            drawn.append(np.random.default_rng([seed, label]).permutation(members)[:shots])
        return self._only(np.concatenate(drawn))

    def held_out(self, *, seed: int) -> tuple["Images", "Images"]:
        """The images without a fifth of each class, at least one, and that fifth; drawn by (seed, class).

        A class of a single image is a ValueError.
        """
        kept, held = [], []
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(self.labels == label)
            if len(members) < 2:
                raise ValueError(f"learning_rates: class {name} has {len(members)} images; one must be held out of two")
            order = np.random.default_rng([seed, label, 1]).permutation(members)
            count = max(1, len(members) // 5)
            held.append(order[:count])
            kept.append(order[count:])
        return self._only(np.concatenate(kept)), self._only(np.concatenate(held))

    def among(self, classes: Sequence[str]) -> "Images":
        """The same images, with labels that number these classes, which include their own."""
        numbers = {name: label for label, name in enumerate(classes)}
        return self._with(self.items, np.array([numbers[name] for name in self.classes])[self.labels], classes)

    def _only(self, chosen: np.ndarray) -> "Images":
        """The images of these numbers, in their order."""
        chosen = np.sort(chosen)
        items = self.items[chosen] if isinstance(self.items, np.ndarray) else [self.items[i] for i in chosen]
        return self._with(items, self.labels[chosen], self.classes)

    def _with(self, items: Any, labels: np.ndarray, classes: Sequence[str]) -> "Images":
        more: dict[str, Any] = {"cache_bytes": self._decoded.budget, "root": self.root, "reading": self.reading}
        return Images(items, labels, classes, **more)

    def members(self) -> list[np.ndarray]:
        """The numbers of each class's images."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return np.split(np.argsort(self.labels, kind="stable"), np.cumsum(counts)[:-1])


class Sets(Images):
    """Images that show several classes; shown_in(file): their numbers, among which is the image's own label."""

    def __init__(self, shown_in: Callable, items: Sequence[File], labels: Any, classes: Any, **how: Any) -> None:
        super().__init__(items, labels, classes, **how)
        self._shown_in = shown_in

    def shown(self, i: int, key: int | None = None) -> list[int]:
        """The classes that image i shows; key is not used. A ValueError if they cannot be those of the image."""
        numbers = self._shown_in(self.items[i])
        if self.labels[i] not in numbers or not 0 <= min(numbers) <= max(numbers) < len(self.classes):
            raise ValueError(f"{self.items[i]}: the list beside it, {numbers}, does not fit its class {self.labels[i]}")
        return numbers


class OneOf:
    """A sample for each class of `Images`: one of its images, drawn anew each time; without a key, the first."""

    def __init__(self, images: Images) -> None:
        self._images, self.classes, self.labels = images, images.classes, np.arange(len(images.classes))
        self._members = images.members()

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """An image of class i, as `Images.pixels`."""
        return self._images.pixels(self._member(i, key))

    def _member(self, i: int, key: int | None) -> int:
        members = self._members[i]
        return int(members[0 if key is None else key % len(members)])


class OneOfSets(OneOf):
    """A sample for each class of `Sets`: see `OneOf`."""

    _images: Sets

    def shown(self, i: int, key: int | None = None) -> list[int]:
        """The classes that `pixels` shows."""
        return self._images.shown(self._member(i, key))


def one_of(images: Images) -> OneOf:
    """A sample for each class."""
    return OneOfSets(images) if isinstance(images, Sets) else OneOf(images)


class Single:
    """One sample as a data set, to see it drawn again and again."""

    def __init__(self, others: Samples, i: int) -> None:
        self._others, self._i = others, i
        self.labels, self.classes = others.labels[i : i + 1], others.classes

    def __len__(self) -> int:
        return 1

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """As the others' `pixels`."""
        return self._others.pixels(range(self._i, self._i + 1)[i], key)


def open_images(root: Path, one: bool, cache_bytes: int, *, objects: bool = False) -> Images | OneOf:
    """The images of a folder as samples; one: each sample is a category, not an image (see `OneOf`).

    objects: each image has a file beside it that lists all that it shows: see `yolo`.
    """
    images = Images.from_folder(root, cache_bytes=cache_bytes, objects=objects)
    return one_of(images) if one else images


def require_readable(*sets: Images) -> None:
    """Raise a ValueError that names every file that is no picture, is cut off or has too many pixels: see `damage`."""

    def look(images: Images, i: int) -> tuple[str, str | None]:
        problem = damage(images.items[i], images.reading)
        return f"{images.root}/{images.name(i)}" if problem else "", problem

    tasks = (functools.partial(look, images, i) for images in sets for i in range(len(images)))
    refuse_damaged(tasks, sum(map(len, sets)))


def refuse_damaged(looks: Iterable[Callable[[], tuple[str, str | None]]], count: int) -> None:
    """Raise a ValueError that names every damaged file; each look returns a name and the damage, or None."""
    found = threads.results(looks, os.cpu_count() or 1)
    looked = tqdm(found, "looking at the files", count, unit="file", delay=2, leave=False)
    if bad := sorted(f"  {name}: {problem}" for name, problem in looked if problem):
        more = [f"  and {len(bad) - MOST_BAD} more"] if len(bad) > MOST_BAD else []
        head = f"data: {len(bad)} of {count} files cannot be read; restore or delete them and run again:"
        raise ValueError("\n".join([head, *bad[:MOST_BAD], *more]))


def look_at(images: Images) -> Images:
    """The images of a user's files, after a look at a few; classes of flat colour, and transparency, are printed.

    Of each class, images are decoded up to the first that has two colours. A ValueError if no image of any class has,
    and all have the same colour.
    """
    flat, transparent, colours = list[str](), list[str](), set[bytes]()
    for name, members in zip(images.classes, images.members(), strict=True):
        of_one = [pixels[0, 0].tobytes() for pixels in itertools.takewhile(_is_flat, map(images.pixels, members))]
        colours.update(of_one)
        if len(of_one) == len(members) > 0:
            flat.append(name)
        if len(members) and is_transparent(images.items[members[0]]):
            transparent.append(name)
    if transparent:
        ground = images.reading.ground
        print(f"{images.root}: transparent pixels, in {few(transparent)}, are seen on {ground} (-p ground)")
    if len(flat) == len(np.unique(images.labels)) and len(colours) == 1:
        raise ValueError(
            f"{images.root}: every image is one flat colour, the same in all, so there is nothing to learn; if the "
            "files show more, save them as 8-bit gray or RGB, or give transparent ones another ground (-p ground)"
        )
    if flat:
        print(f"{images.root}: CAUTION: every image of {few(flat)} is one flat colour; look at the files")
    return images


def _is_flat(pixels: np.ndarray) -> bool:
    return bool((pixels == pixels[:1, :1]).all())
