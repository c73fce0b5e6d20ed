"""Augmentation and the plain view by timm's own transforms; they give pictures of bytes."""

import contextlib
import dataclasses
import operator
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import auto_augment, create_transform

from ofdb_core.batches import draws
from ofdb_core.batches.recipe import Augmentation, View


def _posterize(picture: Image.Image, bits: int, **_: Any) -> Image.Image:
    """timm's operation; at its strongest it keeps no bit: a black picture, which newer versions of Pillow refuse."""
    return ImageOps.posterize(picture, bits) if bits else Image.new(picture.mode, picture.size)


auto_augment.NAME_TO_OP.update(Posterize=_posterize, PosterizeIncreasing=_posterize, PosterizeOriginal=_posterize)


class TimmChain:
    """timm's training chain up to the picture of bytes, split as in its own loader; only one thread may use it.

    It draws from the global generators, which are seeded for each sample and restored after it.
    """

    keeps_gray = False
    parallel = False

    def __init__(self, recipe: Augmentation) -> None:
        self._chances = draws.chances(dataclasses.replace(recipe, auto_augment=None))
        rules: dict[str, Any] = {"scale": recipe.crop_scale, "ratio": recipe.crop_ratio, "color_jitter": None}
        rules |= {name: getattr(recipe, name) for name in ("hflip", "vflip", "auto_augment", "interpolation", "mean")}
        # the prefetcher of timm's loader normalises and erases; here `finish` does
        self._chain: Any = create_transform(recipe.input_size, is_training=True, use_prefetcher=True, **rules)
        steps = self._chain.transforms
        steps[-1:] = []  # the step to a tensor
        steps.insert(1, operator.methodcaller("convert", "RGB"))  # after the crop, which is cheaper on one channel

    def __call__(self, pixels: np.ndarray, key: int, out: np.ndarray) -> np.ndarray:
        """As `chain.Chain`."""
        words = np.random.SeedSequence(key).generate_state(3)
        with generators_kept():
            random.seed(int(words[0]))
            np.random.seed(words[1])
            torch.default_generator.manual_seed(int(words[2]))
            picture = self._chain(Image.fromarray(pixels))
        out[...] = picture.convert("L") if out.ndim == 2 else picture
        size = len(out)
        return np.array(draws.drawn(self._chances, size, size, size, np.uint64(key)).erased, np.int32)


def evaluation(recipe: View) -> Callable[[np.ndarray], np.ndarray]:
    """timm's evaluation transform, resized and cut: (H, W) or (H, W, 3) uint8 -> (S, S) if gray, else (S, S, 3).

    A network of one channel gets gray.
    """
    interpolation = "bicubic" if recipe.interpolation == "random" else recipe.interpolation
    how: dict[str, Any] = {"interpolation": interpolation, "crop_pct": recipe.crop_pct}
    chain: Any = create_transform(recipe.input_size, use_prefetcher=True, **how)
    chain.transforms[-1:] = []  # the step to a tensor

    def seen(pixels: np.ndarray) -> np.ndarray:
        picture = chain(Image.fromarray(pixels))
        return np.asarray(picture.convert("L") if recipe.channels == 1 else picture)

    return seen


def squeezed(recipe: View) -> Callable[[np.ndarray], np.ndarray]:
    """As `evaluation`, without a cut: both sides are resized to S, whatever their ratio."""
    filtered = Image.Resampling.BILINEAR if recipe.interpolation == "bilinear" else Image.Resampling.BICUBIC

    def seen(pixels: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(pixels)
        shown = picture.convert("L") if recipe.channels == 1 else picture
        return np.asarray(shown.resize((recipe.input_size, recipe.input_size), filtered))

    return seen


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Restore the global generators afterwards: timm's transforms draw from them, and so may the caller."""
    kept = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.default_generator.set_state(kept[2])
