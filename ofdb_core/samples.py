"""Labelled pictures: arrays or files, one sample after another; what the augmentation of training begins with.

A set of samples has `labels` (n,) int64, `classes` (their names) and `picture(i, rng)`, a PIL image; rng is a NumPy
generator of that sample and step, for sets whose samples have many instances. Plain images have one and do not use it.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
CACHE_BYTES = 2**30  # of decoded images that one process keeps


def decode(path):
    """The pixels of an image file, (H, W) uint8 where its RGB is gray throughout, else (H, W, 3)."""
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I;16"):
                return (np.asarray(picture) >> 8).astype(np.uint8)
            pixels = np.asarray(picture.convert("RGB"))
    except BROKEN as error:
        raise ValueError(f"{path}: cannot be read as an image ({error}); restore or delete it and run again") from error
    gray = (pixels == pixels[..., :1]).all()
    return np.ascontiguousarray(pixels[..., 0]) if gray else pixels


class Images:
    """Labelled images: arrays, or files that are decoded when first used and kept in memory up to a budget.

    items: an array (n, H, W) or (n, H, W, 3) uint8, or a list of n paths; labels: (n,) int64 in 0..C - 1; classes: C
    names; cache_bytes: how much decoded pixels of files each process (so each worker) may keep.
    """

    def __init__(self, items, labels, classes, *, cache_bytes=CACHE_BYTES):
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
        self._cache, self._budget = {}, cache_bytes

    @classmethod
    def from_folder(cls, root, *, cache_bytes=CACHE_BYTES):
        """The images of <root>/<class>/<file>; classes and files are sorted by name, hidden ones are left out."""
        root = Path(root)
        if not root.is_dir():
            raise ValueError(f"{root}: no such folder; images are read from <folder>/<class>/<file>")
        folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        if not folders:
            raise ValueError(f"{root}: has no class folders; images are read from <folder>/<class>/<file>")
        items, labels = [], []
        for label, folder in enumerate(folders):
            found = sorted(path for path in folder.rglob("*") if _is_image(path, folder))
            if not found:
                raise ValueError(f"{folder}: holds no image; allowed are {', '.join(EXTENSIONS)}")
            items += found
            labels += [label] * len(found)
        return cls(items, labels, [folder.name for folder in folders], cache_bytes=cache_bytes)

    def __len__(self):
        return len(self.items)

    def pixels(self, i):
        """Image i, (H, W) or (H, W, 3) uint8."""
        if isinstance(self.items, np.ndarray):
            return self.items[i]
        if (kept := self._cache.get(i)) is not None:
            return kept
        pixels = decode(self.items[i])
        if pixels.nbytes <= self._budget:
            self._budget -= pixels.nbytes
            self._cache[i] = pixels
        return pixels

    def picture(self, i, rng=None):
        """Image i as a PIL image, of one channel ("L") where it is gray and "RGB" otherwise; rng is not used."""
        return Image.fromarray(self.pixels(i))

    def few_shot(self, shots, *, seed):
        """So many images of each class, drawn for (seed, class); all of them for 0. More shots include the fewer."""
        if shots == 0:
            return self
        chosen = []
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(self.labels == label)
            if not 0 < shots <= len(members):
                raise ValueError(f"shots: {shots} is out of range; class {name} has {len(members)} images (0: all)")
            chosen.append(np.random.default_rng([seed, label]).permutation(members)[:shots])
        chosen = np.sort(np.concatenate(chosen))
        items = self.items[chosen] if isinstance(self.items, np.ndarray) else [self.items[i] for i in chosen]
        return Images(items, self.labels[chosen], self.classes, cache_bytes=self._budget)


def _is_image(path, folder):
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in EXTENSIONS and not hidden and path.is_file()
