"""Images become batches, each a function of (seed, step) and of nothing else.

The training loop asks a batch source for the batch of step i: which process or worker makes it, and how many there are,
changes nothing. Length is counted in steps. The samples come in a stream of permutations, one for each (seed, epoch),
joined end to end and cut into batches: every sample is used equally often and no tail is dropped. Augmentation is
timm's; a sample with many instances gets a generator of its own to draw one with (see `samples`).
"""

import contextlib
import functools
import random
import signal

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from ofdb_core import torchvision_fix  # noqa: F401  (before timm)

# isort: split
from timm.data import auto_augment, create_transform

ORDER, SAMPLE, MIX = range(3)  # the random streams of a seed


def _to_rgb(picture):
    return picture.convert("RGB")


def _posterize(picture, bits, **_):
    """timm's operation, which at its strongest keeps no bit: a black picture, where newer versions of Pillow refuse."""
    return ImageOps.posterize(picture, bits) if bits else Image.new(picture.mode, picture.size)


auto_augment.NAME_TO_OP.update(Posterize=_posterize, PosterizeIncreasing=_posterize, PosterizeOriginal=_posterize)


def augmentation(recipe):
    """timm's training transform: PIL image -> (3, S, S) float32, normalised; it draws from the global generators."""
    chain = create_transform(
        recipe.input_size,
        is_training=True,
        scale=recipe.crop_scale,
        ratio=recipe.crop_ratio,
        hflip=recipe.hflip,
        vflip=recipe.vflip,
        color_jitter=None,
        auto_augment=recipe.auto_augment,
        interpolation=recipe.interpolation,
        mean=recipe.mean,
        std=recipe.std,
        re_prob=recipe.erasing,
        re_mode="pixel",
    )
    chain.transforms.insert(1, _to_rgb)  # after the crop, which is cheaper on one channel
    return chain


def plain(recipe):
    """timm's evaluation transform: resize, crop the centre, normalise; PIL image -> (3, S, S) float32."""
    kind = "bicubic" if recipe.interpolation == "random" else recipe.interpolation
    chain = create_transform(
        recipe.input_size, interpolation=kind, mean=recipe.mean, std=recipe.std, crop_pct=recipe.crop_pct
    )
    chain.transforms.insert(0, _to_rgb)
    return chain


@contextlib.contextmanager
def _generators_kept():
    """Give the global generators back as they were: timm's transforms draw from them, the caller's must not notice."""
    kept = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.default_generator.set_state(kept[2])


@functools.lru_cache(maxsize=4)
def _permutation(seed, epoch, n):
    return np.random.default_rng([seed, ORDER, epoch]).permutation(n)


def soft_targets(labels, classes, smoothing):
    """Labels (B,) as probabilities (B, C) float32: 1 - smoothing for the label, and smoothing shared by all classes."""
    targets = torch.full((len(labels), classes), smoothing / classes)
    return targets.scatter_add_(1, torch.as_tensor(labels)[:, None], torch.full((len(labels), 1), 1.0 - smoothing))


def mix(images, targets, recipe, rng):
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019), one draw for the whole batch.

    images (B, 3, S, S) and targets (B, C) float32. Sample 2k is mixed with sample 2k + 1, so that a batch can be split
    between processes; the last sample of an odd batch stays alone.
    """
    if rng.random() >= recipe.mix_probability or not (recipe.mixup or recipe.cutmix):
        return images, targets
    cut = recipe.cutmix > 0 and (recipe.mixup == 0 or rng.random() < recipe.mix_switch)
    share = rng.beta(*[recipe.cutmix if cut else recipe.mixup] * 2)  # of a sample itself; the rest is its partner's
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


class Batches:
    """The training batches of images by a recipe: the batch source that the loop asks.

    seed: of order, augmentation and mixing; process, processes: which equal part of each batch this one makes.
    """

    def __init__(self, images, recipe, *, seed, process=0, processes=1):
        own = recipe.batch_size // processes
        mixing = recipe.mix_probability > 0 and (recipe.mixup > 0 or recipe.cutmix > 0)
        if own * processes != recipe.batch_size or (processes > 1 and mixing and own % 2):
            even = ", each part even because samples are mixed in pairs" if mixing else ""
            raise ValueError(f"batch_size: {recipe.batch_size} cannot be split over {processes} processes{even}")
        self.images, self.recipe, self.seed = images, recipe, seed
        self._part = slice(process * own, (process + 1) * own)
        self._augment = augmentation(recipe)

    def ids(self, step):
        """The numbers of the samples in this process's part of the batch, (B,) int64."""
        n, size = len(self.images), self.recipe.batch_size
        places = range(step * size, (step + 1) * size)[self._part]
        return np.array([_permutation(self.seed, place // n, n)[place % n] for place in places])

    def batch(self, step):
        """Images (B, 3, S, S) float32, normalised, and soft targets (B, C) float32."""
        ids = self.ids(step)
        words = np.random.SeedSequence([self.seed, SAMPLE, step]).generate_state(4 * self.recipe.batch_size)
        with _generators_kept():
            samples = [self._one(i, own) for i, own in zip(ids, words.reshape(-1, 4)[self._part].tolist(), strict=True)]
        targets = soft_targets(self.images.labels[ids], len(self.images.classes), self.recipe.label_smoothing)
        return mix(torch.stack(samples), targets, self.recipe, np.random.default_rng([self.seed, MIX, step]))

    def _one(self, i, words):
        random.seed(words[0])
        np.random.seed(words[1])
        torch.default_generator.manual_seed(words[2])
        return self._augment(self.images.picture(i, np.random.default_rng(words[3])))


def in_order(images, recipe):
    """Yield the un-augmented images in order, in batches: (B, 3, S, S) float32 and labels (B,) int64."""
    transform = plain(recipe)
    for first in range(0, len(images), recipe.batch_size):
        ids = range(first, min(first + recipe.batch_size, len(images)))
        yield torch.stack([transform(images.picture(i)) for i in ids]), torch.as_tensor(images.labels[list(ids)])


def to_pixels(batch, recipe):
    """A batch as the model sees it (B, 3, S, S) as pictures (B, S, S, 3) uint8; what normalisation left is undone."""
    shown = batch * torch.tensor(recipe.std)[:, None, None] + torch.tensor(recipe.mean)[:, None, None]
    return (shown.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


class _Steps(Dataset):
    """A source as a data set whose samples are the batches of the steps."""

    def __init__(self, source):
        self.source = source

    def __getitem__(self, step):
        return self.source.batch(step)


def _leave_interrupts_to_the_main_process(_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def prefetch(source, steps, *, start=0, workers=0, ahead=4, pin_memory=False):
    """Yield the source's batches of the steps start..steps - 1, in order.

    workers: processes that make them ahead of time, `ahead` batches each; 0 makes each batch here when it is asked for.
    They live for the whole training, use one thread each and end when the iteration ends, however it ends.
    """
    batches = iter(
        DataLoader(
            _Steps(source),
            batch_size=None,
            sampler=range(start, steps),
            num_workers=workers,
            prefetch_factor=ahead if workers else None,
            worker_init_fn=_leave_interrupts_to_the_main_process,
            generator=torch.Generator(),  # not the caller's, from which a loader draws a number
            pin_memory=pin_memory,
        )
    )
    try:
        yield from batches
    finally:
        if workers:
            batches._shutdown_workers()
