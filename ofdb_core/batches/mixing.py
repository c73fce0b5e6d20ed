"""Mixup, CutMix and soft targets: the draws for each sample of a batch.

Sample 2k is mixed with sample 2k + 1, so that a batch can be split between processes; the last of an odd batch stays
alone.
"""

from typing import NamedTuple, Self

import numpy as np
import torch

from ofdb_core.batches.recipe import Mixing


class Mixed(NamedTuple):
    """The mixing of each of B samples with its partner.

    boxes: (B, 4) int32, top, left, bottom and right of the area that the partner's picture fills; shares: (B,) float32,
    weight of the sample's pixels against the partner's, 1 with a box; weights: (B,) float32, of the sample's label.
    """

    boxes: np.ndarray
    shares: np.ndarray
    weights: np.ndarray

    def part(self, places: slice) -> Self:
        """The mixing of some of the samples."""
        return type(self)(*(array[places] for array in self))


def unmixed(samples: int) -> Mixed:
    """The mixing that leaves samples as they are."""
    return Mixed(np.zeros((samples, 4), np.int32), np.ones(samples, np.float32), np.ones(samples, np.float32))


def draw(recipe: Mixing, samples: int, size: int, key: list[int]) -> Mixed:
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019), drawn for each of the recipe's groups of a batch.

    samples: of the batch; size: pixels, each side; key: of the random stream, to which the group's number is appended.
    """
    drawn = unmixed(samples)
    for group, places in enumerate(np.split(np.arange(samples), recipe.mix_groups)):
        rng = np.random.default_rng([*key, group])
        if rng.random() >= recipe.mix_probability or not recipe.mixes():
            continue
        cut = recipe.cutmix > 0 and (recipe.mixup == 0 or rng.random() < recipe.mix_switch)
        alpha = recipe.cutmix if cut else recipe.mixup
        share = rng.beta(alpha, alpha)  # of a sample itself; the rest is its partner's
        if cut:
            box = _box(size, share, rng.integers(size, size=2))
            share = 1 - (box[2] - box[0]) * (box[3] - box[1]) / size**2
            drawn.boxes[places] = box
        else:
            drawn.shares[places] = share
        drawn.weights[places] = share
    if samples % 2:
        for array, alone in zip(drawn, unmixed(1), strict=True):
            array[-1:] = alone
    return drawn


def _box(size: int, share: float, centre: np.ndarray) -> np.ndarray:
    """Top, left, bottom and right (4,) of a square around the centre that leaves about `share` of a picture.

    Its side is even, as in the original, which subtracts and adds half of it.
    """
    half = int(size * np.sqrt(1 - share)) // 2
    return np.clip([*(centre - half), *(centre + half)], 0, size)


def soft_targets(labels: torch.Tensor, classes: int, smoothing: float) -> torch.Tensor:
    """Labels (B,) as probabilities (B, C) float32: 1 - smoothing for the label, and smoothing shared by all classes.

    The same for sets of labels (B, C) float32, of 0 and 1.
    """
    if labels.ndim == 2:
        return labels * (1 - smoothing) + smoothing / classes
    targets = torch.full((len(labels), classes), smoothing / classes, device=labels.device)
    return targets.scatter_add_(1, labels[:, None], torch.full_like(targets[:, :1], 1.0 - smoothing))
