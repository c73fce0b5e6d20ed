"""Images become batches, each a function of (seed, step) and of nothing else.

The training loop asks a batch source for the batch of step i. The process or thread that makes it, and their number,
change nothing. Length is counted in steps. The samples are a stream of permutations, one for each (seed, epoch), joined
end to end and cut into batches: every sample is used equally often and no tail is dropped. Each sample has random words
for its draws; the first draws an instance if there are several (see `samples`).
"""

import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches import chain, mixing, pixmix, timm_chain
from ofdb_core.batches.corruptions import Corruption, corrupted
from ofdb_core.batches.finish import Batch, RawBatch, ToNetwork
from ofdb_core.batches.recipe import BatchRecipe, PlainRecipe
from ofdb_core.data.samples import Samples, has_sets, sets
from ofdb_core.data.scenes import Scenes

ORDER, SAMPLE, MIX = range(3)  # the random streams of a seed; drop path has one more
Share = tuple[int, int]  # a process's number, and the number of all processes
ALONE = (0, 1)


class Source(Protocol):
    """A source of batches for the training loop, each in `parts` equal parts.

    parallel: whether threads may make them side by side.
    """

    parts: int
    parallel: bool
    finish: ToNetwork

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a part of the batch, (B,) int64."""

    def raw_batch(self, step: int, part: int = 0) -> RawBatch:
        """The raw batch of a part; `finish` makes the network's input of it."""

    def batch(self, step: int, part: int = 0) -> Batch:
        """The network's input of a part: see `finish.ToNetwork`."""
        return self.finish(self.raw_batch(step, part))


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def parts(recipe: BatchRecipe, processes: int = 1) -> int:
    """The smallest number of equal parts of a process's share of a batch that its device can take one by one.

    Mixing takes pairs of samples, so it needs even parts. A batch that cannot be divided is a ValueError.
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


def _stacked(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures (S, S) or (S, S, 3) as one tensor (B, S, S, 1), or (B, S, S, 3) if one has colour."""
    if all(picture.ndim == 2 for picture in pictures):
        return torch.from_numpy(np.stack(pictures)[..., None])
    coloured = [np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture for picture in pictures]
    return torch.from_numpy(np.stack(coloured))


class Batches(Source):
    """The training batches of images by a recipe, as a batch source; of `Scenes`, each sample has its mask.

    seed: of order, augmentation and mixing; share: this process's number, and the number of all processes; each has an
    equal share of every batch. It comes in `parts` equal parts, one after another. pictures: to mix the images with, if
    the recipe asks for it.
    """

    def __init__(
        self, images: Samples, recipe: BatchRecipe, *, seed: int, share: Share = ALONE, pictures: Samples | None = None
    ) -> None:
        self.images, self.recipe, self.seed, (process, processes) = images, recipe, seed, share
        self.parts = parts(recipe, processes)
        self._part_size = recipe.batch_size // (processes * self.parts)
        self._first = process * self.parts
        self._chain = timm_chain.TimmChain(recipe) if recipe.pipeline == "timm" else chain.Chain(recipe)
        self.parallel = self._chain.parallel
        if (pictures is None) != (recipe.mix_pictures == "none"):
            raise ValueError(f"pictures: {pictures} does not suit mix_pictures: {recipe.mix_pictures}")
        self._pixmix = pixmix.PixMix(recipe, pictures, recipe.channels) if pictures is not None else None
        self._masks = images if isinstance(images, Scenes) else None
        if self._masks and (problems := recipe.misfits_of_masks()):
            raise ParameterError(problems)
        self.finish = ToNetwork(recipe, None if self._masks else (len(images.classes), recipe.label_smoothing))

    def places(self, part: int = 0) -> slice:
        """The positions of a part's samples in the whole batch, as a slice."""
        return slice((self._first + part) * self._part_size, (self._first + part + 1) * self._part_size)

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a part of the batch, (B,) int64.

        With n `augmentation_repeats` each sample appears n times within about a batch. Its repeats stand apart, because
        neighbours are mixed.
        """
        n, size, repeats = len(self.images), self.recipe.batch_size, self.recipe.augmentation_repeats
        stretch = max(1, size // repeats)  # different samples in a row
        found = []
        for place in range(step * size, (step + 1) * size)[self.places(part)]:
            number = place // (stretch * repeats) * stretch + place % stretch
            found.append(_permutation(self.seed, number // n, n)[number % n])
        return np.array(found)

    def raw_batch(self, step: int, part: int = 0) -> RawBatch:
        """The raw batch of a part: augmented pictures, and the draws for erasing and mixing."""
        ids, places, size = self.ids(step, part), self.places(part), self.recipe.batch_size
        words = np.random.SeedSequence([self.seed, SAMPLE, step]).generate_state(3 * size, np.uint64)
        keys = words.reshape(size, 3)[places]
        draws = zip(ids, keys[:, 0].tolist(), keys[:, 1].tolist(), strict=True)
        pictures, boxes, labels = zip(*(self._one(*words) for words in draws), strict=True)
        marks = sets(self.images, ids.tolist(), keys[:, 0].tolist()) if has_sets(self.images) else np.stack(labels)
        mixed = mixing.draw(self.recipe, size, self.recipe.input_size, [self.seed, MIX, step]).part(places)
        return RawBatch(
            _stacked(pictures),
            torch.from_numpy(marks),
            torch.from_numpy(np.stack(boxes)),
            torch.from_numpy(keys[:, 2].astype(np.uint32).view(np.int32)),
            *map(torch.from_numpy, mixed),
        )

    def _one(self, i: int, instance: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """An augmented picture of sample i, its box to erase, and its label, or the part of its mask in the picture."""
        size = self.recipe.input_size
        if self._masks and isinstance(self._chain, chain.Chain):
            pixels, mask = self._masks.pair(i, instance)
            label = self._chain.of_mask(mask, key, size)
        else:
            pixels, label = self.images.pixels(i, instance), self.images.labels[i]
        gray = self.recipe.channels == 1 or (pixels.ndim == 2 and self._chain.keeps_gray)
        picture = np.empty((size, size) if gray else (size, size, 3), np.uint8)
        erased = self._chain(pixels, key, picture)
        return self._pixmix(picture, key) if self._pixmix else picture, erased, label


class Plain(Source):
    """The un-augmented images in order, as a batch source; share: as in `Batches`.

    The picture of a scene is squeezed into the network's square, not cut: every pixel of its mask is to be judged.
    corruption: what the pictures suffer once they have the size that the network sees.
    """

    parts = 1
    parallel = True

    def __init__(
        self, images: Samples, recipe: PlainRecipe, *, share: Share = ALONE, corruption: Corruption | None = None
    ) -> None:
        self.images, self.size = images, recipe.device_batch or recipe.batch_size
        self._corruption = corruption
        self._seen = (timm_chain.squeezed if isinstance(images, Scenes) else timm_chain.evaluation)(recipe)
        self.finish = ToNetwork(recipe)
        self._ids = range(share[0], len(images), share[1])

    def __len__(self) -> int:
        return -(-len(self._ids) // self.size)

    def ids(self, step: int, part: int = 0) -> np.ndarray:
        """The numbers of the samples in a batch, (B,) int64; the last batch may be smaller."""
        return np.array(self._ids[step * self.size : (step + 1) * self.size])

    def raw_batch(self, step: int, part: int = 0) -> RawBatch:
        """The raw batch of a step: the pictures."""
        ids = self.ids(step)
        return RawBatch(
            _stacked([self._picture(i) for i in ids]),
            torch.from_numpy(self.images.labels[ids]),
            torch.zeros(len(ids), 4, dtype=torch.int32),
            torch.zeros(len(ids), dtype=torch.int32),
            *map(torch.from_numpy, mixing.unmixed(len(ids))),
        )

    def _picture(self, i: int) -> np.ndarray:
        seen = self._seen(self.images.pixels(i))
        return corrupted(seen, self._corruption, i) if self._corruption else seen
