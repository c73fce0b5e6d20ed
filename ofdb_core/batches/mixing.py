"""Mixup, CutMix and soft targets of a batch."""

import numpy as np
import torch

from ofdb_core.batches.recipe import Mixing


def soft_targets(labels: np.ndarray, classes: int, smoothing: float) -> torch.Tensor:
    """Labels (B,) as probabilities (B, C) float32: 1 - smoothing for the label, and smoothing shared by all classes."""
    targets = torch.full((len(labels), classes), smoothing / classes)
    return targets.scatter_add_(1, torch.as_tensor(labels)[:, None], torch.full((len(labels), 1), 1.0 - smoothing))


def mixed(
    images: torch.Tensor, targets: torch.Tensor, recipe: Mixing, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019), one draw for the whole batch.

    images (B, 3, S, S) and targets (B, C) float32. Sample 2k is mixed with sample 2k + 1, so that a batch can be split
    between processes; the last sample of an odd batch stays alone.
    """
    if rng.random() >= recipe.mix_probability or not recipe.mixes():
        return images, targets
    cut = recipe.cutmix > 0 and (recipe.mixup == 0 or rng.random() < recipe.mix_switch)
    alpha = recipe.cutmix if cut else recipe.mixup
    share = rng.beta(alpha, alpha)  # of a sample itself; the rest is its partner's
    partner = torch.arange(len(images)) ^ 1
    partner[partner == len(images)] -= 1
    if cut:
        size = images.shape[-1]
        corner = rng.integers(size, size=2) - int(size * np.sqrt(1 - share)) // 2
        (top, left), (bottom, right) = np.clip([corner, corner + int(size * np.sqrt(1 - share))], 0, size)
        images[:, :, top:bottom, left:right] = images[partner][:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / size**2
    else:
        images = images * share + images[partner] * (1 - share)
    return images, targets * share + targets[partner] * (1 - share)
