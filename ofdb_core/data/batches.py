"""Images become batches, each a function of (seed, step) and of nothing else.

The training loop asks a batch source for the batch of step i: which process or worker makes it, and how many there are,
changes nothing. Length is counted in steps. The samples come in a stream of permutations, one for each (seed, epoch),
joined end to end and cut into batches: every sample is used equally often and no tail is dropped. Augmentation is
timm's; a sample with many instances gets a generator of its own to draw one with (see `samples`).
"""

import functools
import random
from collections.abc import Generator
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ofdb_core.base import signals
from ofdb_core.data import augmentation, mixing
from ofdb_core.data.batch_recipe import BatchRecipe, PlainRecipe
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
        self._augment = augmentation.training(recipe)

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
        words = np.random.SeedSequence([self.seed, SAMPLE, step]).generate_state(4 * self.recipe.batch_size)
        with augmentation.generators_kept():
            samples = [self._one(i, seeds) for i, seeds in zip(ids, words.reshape(-1, 4)[places].tolist(), strict=True)]
        targets = mixing.soft_targets(self.images.labels[ids], len(self.images.classes), self.recipe.label_smoothing)
        return mixing.mixed(torch.stack(samples), targets, self.recipe, np.random.default_rng([self.seed, MIX, step]))

    def _one(self, i: int, seeds: list[int]) -> torch.Tensor:
        random.seed(seeds[0])
        np.random.seed(seeds[1])
        torch.default_generator.manual_seed(seeds[2])
        return self._augment(self.images.picture(i, np.random.default_rng(seeds[3])))


class Plain:
    """The un-augmented images in order, as a batch source; process, processes: whose share of the images this is."""

    parts = 1

    def __init__(self, images: Samples, recipe: PlainRecipe, *, process: int = 0, processes: int = 1) -> None:
        self.images, self.size = images, recipe.device_batch or recipe.batch_size
        self._transform = augmentation.evaluation(recipe)
        self._ids = range(process, len(images), processes)

    def __len__(self) -> int:
        return -(-len(self._ids) // self.size)

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a batch, (B,) int64; the last batch may be smaller."""
        return np.array(self._ids[step * self.size : (step + 1) * self.size])

    def batch(self, step: int, part: int = 0) -> Batch:
        """Images (B, C, S, S) float32, normalised, and labels (B,) int64."""
        ids = self.ids(step)
        return torch.stack([self._transform(self.images.picture(i)) for i in ids]), torch.as_tensor(
            self.images.labels[ids]
        )


class _Parts(Dataset):
    """A source as a data set whose samples are the parts of its batches."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __getitem__(self, number: int) -> Batch:
        return self.source.batch(*divmod(number, self.source.parts))


def _leave_signals_to_the_main_process(_: int) -> None:
    signals.ignore()


def prefetch(
    source: Source,
    steps: int,
    *,
    start: int = 0,
    workers: int = 0,
    ahead: int = 4,
    device: str | torch.device = "cpu",
) -> Generator[Batch, None, None]:
    """Yield the source's batches of the steps start..steps - 1, in order and part by part, on the device.

    workers: processes that make them ahead of time, `ahead` parts each; 0 makes each part here when it is asked for.
    They live for the whole training, use one thread each and end when the iteration ends, however it ends.
    """
    device = torch.device(device)
    batches = iter(
        DataLoader(
            _Parts(source),
            batch_size=None,
            sampler=range(start * source.parts, steps * source.parts),
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            worker_init_fn=_leave_signals_to_the_main_process,
            generator=torch.Generator(),  # not the caller's, from which a loader draws a number
            pin_memory=device.type == "cuda",
        )
    )
    try:
        for batch in batches:
            yield tuple(tensor.to(device, non_blocking=True) for tensor in batch)
    finally:
        if workers:
            batches._shutdown_workers()  # type: ignore[attr-defined]  # only an iterator with workers has it
