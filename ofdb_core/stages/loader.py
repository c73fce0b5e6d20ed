"""Augmented batches with their targets, and a transform that mixes pictures with fractals, for your own training loop.

    for images, targets in loader.batches("photos", epochs=3, batch_size=32, input_size=64):
        ...

    transforms.Compose([transforms.RandomResizedCrop(64), loader.pixmix("systems"), transforms.ToTensor()])

Parameters that you leave out are as published: the defaults of `recipes.Pretrain`. It works in any folder.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image

from ofdb_core.batches.finish import Batch
from ofdb_core.batches.pixmix import PixMix
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
from ofdb_core.families.drawing import MixingPictures
from ofdb_core.stages import pretrain
from ofdb_core.stages.recipes import Pretrain


class Loader:
    """The batches of a recipe, one a step; each iteration begins with the first.

    classes: their names, in the order of the targets' columns; recipe: all parameters. A batch is a pair of images
    (B, C, S, S) float32, normalised, and targets (B, classes) float32: shares, since samples are mixed and labels
    smoothed; with mix_probability=0.0 and label_smoothing=0.0 a single 1 a row. `cross_entropy` takes both.
    """

    def __init__(self, recipe: Pretrain, device: str | torch.device) -> None:
        try:
            torch.empty(0, device=device)
        except (AssertionError, RuntimeError) as error:  # the first from a torch without CUDA, the second without a GPU
            raise ValueError(f"device: {device} cannot be used here ({error})") from error
        inputs = pretrain.start(recipe)
        self.recipe, self.classes, self._device = inputs.recipe, inputs.samples.classes, device
        self._source = Batches(inputs.samples, inputs.recipe, seed=recipe.seed, pictures=inputs.pictures)

    def __len__(self) -> int:
        return self.recipe.steps or 0

    def __iter__(self) -> Iterator[Batch]:
        return prefetch(self._source, len(self), workers=self.recipe.loader_workers, device=self._device)


def batches(data: str | os.PathLike[str], *, device: str | torch.device = "cpu", **values: Any) -> Loader:
    """The batches of a folder or archive <class>/<file>, or of a folder of systems (samples="live").

    values: parameters of a pre-training, such as steps or epochs, batch_size, input_size, seed and loader_workers. A
    value that cannot be used is a ValueError that names it.
    """
    wanted = Pretrain.layered({**Pretrain.defaults(), "warmup_steps": 0}, {**values, "data": os.fspath(data)})
    return Loader(Pretrain.of(Pretrain.located(wanted)), device)


class PixMixed:
    """A transform that mixes square pictures with others by PixMix: of Pillow's, or arrays (S, S) or (S, S, 3) uint8.

    It draws from torch's generator, which a DataLoader seeds in each of its workers. It comes before ToTensor.
    """

    def __init__(self, recipe: MixingPictures) -> None:
        pictures = recipe.mixing_pictures(out="")
        assert pictures is not None  # the recipe mixes
        self._mix = PixMix(recipe, pictures)

    def __call__(self, picture: Any) -> Any:
        pixels = picture
        if isinstance(picture, Image.Image):
            pixels = np.asarray(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[0] != pixels.shape[1]:
            raise ValueError(f"picture: {pixels.dtype} {pixels.shape} given; allowed is uint8 (S, S) or (S, S, 3)")
        mixed = self._mix(pixels, int(torch.randint(2**63 - 1, ())))
        return mixed if pixels is picture else Image.fromarray(mixed)


def pixmix(data: str | os.PathLike[str], **values: Any) -> PixMixed:
    """The transform that mixes pictures with those of a folder: pictures in class folders, codes, or systems.

    values: rounds, beta, severity and all, as pixmix_rounds ... of a recipe, and live, the parameters of pictures that
    are drawn anew each time. A value that cannot be used is a ValueError that names it.
    """
    named = {f"pixmix_{name}": value for name, value in values.items()}
    return PixMixed(MixingPictures.of({"mix_pictures": "pixmix", "pixmix_data": os.path.realpath(data), **named}))
