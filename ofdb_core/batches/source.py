"""Images become batches, each a function of (seed, step) and of nothing else.

The training loop asks a batch source for the batch of step i: which process or worker makes it, and how many there are,
changes nothing. Length is counted in steps. The samples come in a stream of permutations, one for each (seed, epoch),
joined end to end and cut into batches: every sample is used equally often and no tail is dropped. Augmentation is
timm's; a sample with many instances gets a generator of its own to draw one with (see `samples`).
"""

import functools
import random
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from ofdb_core.batches import mixing, timm_chain
from ofdb_core.batches.recipe import BatchRecipe, PlainRecipe
from ofdb_core.data.samples import Samples

ORDER, SAMPLE, MIX = range(3)  # the random streams of a seed; drop path has one more

Batch = tuple[torch.Tensor, torch.Tensor]  # images and targets


class Source(Protocol):
    """What the training loop asks for batches, each in `parts` equal parts."""

    parts: int

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a part of the batch, (B,) int64."""

    def batch(self, step: int, part: int = 0) -> Batch:
        """Images (B, C, S, S) float32, and their targets."""


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def parts(recipe: BatchRecipe, processes: int = 1) -> int:
    """The number of equal parts of each process's share of a batch: the fewest that its device can take one by one.

    Samples are mixed in pairs, so each part is even then. A batch that cannot be divided is a ValueError.
    """
    size = recipe.batch_size
    mixes = recipe.mixes()
    for count in range(1, size // processes + 1):
        part_size = size // (processes * count)
        equal = part_size * processes * count == size
        paired = part_size % 2 == 0 or not mixes or part_size == size
        if equal and paired and (not recipe.device_batch or part_size <= recipe.device_batch):
            return count
    even = ", each even because samples are mixed in pairs" if mixes else ""
    most = f" of at most {recipe.device_batch} (device_batch)" if recipe.device_batch else ""
    raise ValueError(f"batch_size: {size} cannot be cut into equal parts{most} for {processes} processes{even}")


class Batches:
    """The training batches of images by a recipe: the batch source that the loop asks.

    seed: of order, augmentation and mixing; process, processes: whose equal share of each batch this is. The share
    comes in `parts` equal parts, one after another.
    """

    def __init__(
        self, images: Samples, recipe: BatchRecipe, *, seed: int, process: int = 0, processes: int = 1
    ) -> None:
        self.images, self.recipe, self.seed = images, recipe, seed
        self.parts = parts(recipe, processes)
        self._part_size = recipe.batch_size // (processes * self.parts)
        self._first = process * self.parts
        self._augment = timm_chain.training(recipe)

    def places(self, part: int = 0) -> slice:
        """Where in the whole batch the samples of a part stand, as a slice."""
        return slice((self._first + part) * self._part_size, (self._first + part + 1) * self._part_size)

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a part of the batch, (B,) int64."""
        n, size = len(self.images), self.recipe.batch_size
        numbers = range(step * size, (step + 1) * size)[self.places(part)]
        return np.array([_permutation(self.seed, number // n, n)[number % n] for number in numbers])

    def batch(self, step: int, part: int = 0) -> Batch:
        """Images (B, C, S, S) float32, normalised, and soft targets (B, C) float32."""
        ids, places = self.ids(step, part), self.places(part)
        words = np.random.SeedSequence([self.seed, SAMPLE, step]).generate_state(5 * self.recipe.batch_size)
        with timm_chain.generators_kept():
            samples = [self._one(i, seeds) for i, seeds in zip(ids, words.reshape(-1, 5)[places].tolist(), strict=True)]
        targets = mixing.soft_targets(self.images.labels[ids], len(self.images.classes), self.recipe.label_smoothing)
        return mixing.mixed(torch.stack(samples), targets, self.recipe, np.random.default_rng([self.seed, MIX, step]))

    def _one(self, i: int, seeds: list[int]) -> torch.Tensor:
        random.seed(seeds[0])
        np.random.seed(seeds[1])
        torch.default_generator.manual_seed(seeds[2])
        return self._augment(Image.fromarray(self.images.pixels(i, seeds[3] << 32 | seeds[4])))


class Plain:
    """The un-augmented images in order, as a batch source; process, processes: whose share of the images this is."""

    parts = 1

    def __init__(self, images: Samples, recipe: PlainRecipe, *, process: int = 0, processes: int = 1) -> None:
        self.images, self.size = images, recipe.device_batch or recipe.batch_size
        self._transform = timm_chain.evaluation(recipe)
        self._ids = range(process, len(images), processes)

    def __len__(self) -> int:
        return -(-len(self._ids) // self.size)

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a batch, (B,) int64; the last batch may be smaller."""
        return np.array(self._ids[step * self.size : (step + 1) * self.size])

    def batch(self, step: int, part: int = 0) -> Batch:
        """Images (B, C, S, S) float32, normalised, and labels (B,) int64."""
        ids = self.ids(step)
        return torch.stack([self._transform(Image.fromarray(self.images.pixels(i))) for i in ids]), torch.as_tensor(
            self.images.labels[ids]
        )
