"""Augmentation and the plain view, by timm's transforms: a PIL image becomes what a network sees."""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from ofdb_core.batches.recipe import Augmentation, View
from ofdb_core.data import torchvision_fix  # noqa: F401  (before timm)

# isort: split
from timm.data import auto_augment, create_transform

Transform = Callable[[Image.Image], torch.Tensor]


def _to_rgb(picture: Image.Image) -> Image.Image:
    return picture.convert("RGB")


def _to_gray(picture: Image.Image) -> Image.Image:
    return picture.convert("L")


def _posterize(picture: Image.Image, bits: int, **_: Any) -> Image.Image:
    """timm's operation, which at its strongest keeps no bit: a black picture, where newer versions of Pillow refuse."""
    return ImageOps.posterize(picture, bits) if bits else Image.new(picture.mode, picture.size)


auto_augment.NAME_TO_OP.update(Posterize=_posterize, PosterizeIncreasing=_posterize, PosterizeOriginal=_posterize)


def _in_channels(chain: Any, recipe: View) -> Any:
    """A chain of timm's transforms with gray just before the tensor, where the network has one channel."""
    if recipe.channels == 1:
        place = next(i for i, step in enumerate(chain.transforms) if "ToTensor" in type(step).__name__)
        chain.transforms.insert(place, _to_gray)
    return chain


def _normalisation(recipe: View) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel."""
    return tuple(recipe.mean[: recipe.channels]), tuple(recipe.std[: recipe.channels])


def training(recipe: Augmentation) -> Transform:
    """timm's training transform: PIL image -> (C, S, S) float32, normalised; it draws from the global generators."""
    mean, std = _normalisation(recipe)
    smallest, largest = recipe.crop_scale
    narrowest, widest = recipe.crop_ratio
    chain: Any = create_transform(
        recipe.input_size,
        is_training=True,
        scale=(smallest, largest),
        ratio=(narrowest, widest),
        hflip=recipe.hflip,
        vflip=recipe.vflip,
        color_jitter=None,  # type: ignore[arg-type]  # timm's annotation forgets None, which it handles
        auto_augment=recipe.auto_augment,
        interpolation=recipe.interpolation,
        re_prob=recipe.erasing,
        re_mode="pixel",
        mean=mean,
        std=std,
    )
    chain.transforms.insert(1, _to_rgb)  # after the crop, which is cheaper on one channel
    return _in_channels(chain, recipe)


def evaluation(recipe: View) -> Transform:
    """timm's evaluation transform: resize, crop the centre, normalise; PIL image -> (C, S, S) float32."""
    interpolation = "bicubic" if recipe.interpolation == "random" else recipe.interpolation
    mean, std = _normalisation(recipe)
    chain: Any = create_transform(
        recipe.input_size, interpolation=interpolation, crop_pct=recipe.crop_pct, mean=mean, std=std
    )
    chain.transforms.insert(0, _to_rgb)
    return _in_channels(chain, recipe)


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Give the global generators back as they were: timm's transforms draw from them, the caller's must not notice."""
    kept = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.default_generator.set_state(kept[2])


def to_pixels(batch: torch.Tensor, recipe: View) -> np.ndarray:
    """A batch as the model sees it (B, C, S, S) as pictures (B, S, S, 3) uint8; what normalisation left is undone."""
    mean, std = (torch.tensor(values)[:, None, None] for values in _normalisation(recipe))
    shown = ((batch * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
    return shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
