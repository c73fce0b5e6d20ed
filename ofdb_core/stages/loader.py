"""Augmented batches with their targets, for your own training loop.

    for images, targets in loader.batches("photos", epochs=3, batch_size=32, input_size=64):
        ...

Parameters that you leave out are as published: the defaults of `recipes.Pretrain`. It works in any folder.
"""

import os
from collections.abc import Iterator
from typing import Any

import torch

from ofdb_core.batches.finish import Batch
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
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
        given = pretrain.start(recipe)
        self.recipe, self.classes, self._device = given.recipe, given.samples.classes, device
        self._source = Batches(given.samples, given.recipe, seed=recipe.seed, pictures=given.pictures)

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
