"""Images become batches, each a function of (seed, step) and of nothing else.

The training loop asks a batch source for the batch of step i: which process or worker makes it, and how many there are,
changes nothing. Length is counted in steps. The samples come in a stream of permutations, one for each (seed, epoch),
joined end to end and cut into batches: every sample is used equally often and no tail is dropped. Augmentation is
timm's; a sample with many instances gets a generator of its own to draw one with (see `samples`). Whatever has
`parts`, `places`, `ids` and `batch` as `Batches` has them is a batch source.
"""

import contextlib
import functools
import random

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

from ofdb_core import signals, torchvision_fix  # noqa: F401  (before timm)

# isort: split
from timm.data import auto_augment, create_transform

ORDER, SAMPLE, MIX = range(3)  # the random streams of a seed; droppath has one more


def _to_rgb(picture):
    return picture.convert("RGB")


def _to_gray(picture):
    return picture.convert("L")


def _posterize(picture, bits, **_):
    """timm's operation, which at its strongest keeps no bit: a black picture, where newer versions of Pillow refuse."""
    return ImageOps.posterize(picture, bits) if bits else Image.new(picture.mode, picture.size)


auto_augment.NAME_TO_OP.update(Posterize=_posterize, PosterizeIncreasing=_posterize, PosterizeOriginal=_posterize)


def _in_channels(chain, recipe):
    """A chain of timm's transforms with gray just before the tensor, where the network has one channel."""
    if recipe.channels == 1:
        place = next(i for i, step in enumerate(chain.transforms) if "ToTensor" in type(step).__name__)
        chain.transforms.insert(place, _to_gray)
    return chain


def _normalisation(recipe):
    return {"mean": recipe.mean[: recipe.channels], "std": recipe.std[: recipe.channels]}


def augmentation(recipe):
    """timm's training transform: PIL image -> (C, S, S) float32, normalised; it draws from the global generators."""
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
        re_prob=recipe.erasing,
        re_mode="pixel",
        **_normalisation(recipe),
    )
    chain.transforms.insert(1, _to_rgb)  # after the crop, which is cheaper on one channel
    return _in_channels(chain, recipe)


def plain(recipe):
    """timm's evaluation transform: resize, crop the centre, normalise; PIL image -> (C, S, S) float32."""
    kind = "bicubic" if recipe.interpolation == "random" else recipe.interpolation
    how = {"interpolation": kind, "crop_pct": recipe.crop_pct, **_normalisation(recipe)}
    chain = create_transform(recipe.input_size, **how)
    chain.transforms.insert(0, _to_rgb)
    return _in_channels(chain, recipe)


@contextlib.contextmanager
def generators_kept():
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


def parts(recipe, processes=1):
    """Into how many equal parts each of so many processes cuts its share of a batch, so that its device can take one.

    Samples are mixed in pairs, so each part is even then. A batch that cannot be cut is a ValueError.
    """
    size = recipe.batch_size
    mixing = recipe.mix_probability > 0 and (recipe.mixup > 0 or recipe.cutmix > 0)
    for count in range(1, size // processes + 1):
        own = size // (processes * count)
        whole = own * processes * count == size and (own % 2 == 0 or not mixing or own == size)
        if whole and (not recipe.device_batch or own <= recipe.device_batch):
            return count
    even = ", each even because samples are mixed in pairs" if mixing else ""
    most = f" of at most {recipe.device_batch} (device_batch)" if recipe.device_batch else ""
    raise ValueError(f"batch_size: {size} cannot be cut into equal parts{most} for {processes} processes{even}")


class Batches:
    """The training batches of images by a recipe: the batch source that the loop asks.

    seed: of order, augmentation and mixing; process, processes: whose equal share of each batch this is. The share
    comes in `parts` equal parts, one after another.
    """

    def __init__(self, images, recipe, *, seed, process=0, processes=1):
        self.images, self.recipe, self.seed = images, recipe, seed
        self.parts = parts(recipe, processes)
        self._own = recipe.batch_size // (processes * self.parts)
        self._first = process * self.parts
        self._augment = augmentation(recipe)

    def places(self, part=0):
        """Where in the whole batch the samples of a part stand, as a slice."""
        return slice((self._first + part) * self._own, (self._first + part + 1) * self._own)

    def ids(self, step, part=0):
        """The numbers of the samples in a part of the batch, (B,) int64."""
        n, size = len(self.images), self.recipe.batch_size
        numbers = range(step * size, (step + 1) * size)[self.places(part)]
        return np.array([_permutation(self.seed, number // n, n)[number % n] for number in numbers])

    def batch(self, step, part=0):
        """Images (B, C, S, S) float32, normalised, and soft targets (B, C) float32."""
        ids, places = self.ids(step, part), self.places(part)
        words = np.random.SeedSequence([self.seed, SAMPLE, step]).generate_state(4 * self.recipe.batch_size)
        with generators_kept():
            samples = [self._one(i, own) for i, own in zip(ids, words.reshape(-1, 4)[places].tolist(), strict=True)]
        targets = soft_targets(self.images.labels[ids], len(self.images.classes), self.recipe.label_smoothing)
        return mix(torch.stack(samples), targets, self.recipe, np.random.default_rng([self.seed, MIX, step]))

    def _one(self, i, words):
        random.seed(words[0])
        np.random.seed(words[1])
        torch.default_generator.manual_seed(words[2])
        return self._augment(self.images.picture(i, np.random.default_rng(words[3])))


class Plain:
    """The un-augmented images in order, as a batch source; process, processes: whose share of the images this is."""

    parts = 1

    def __init__(self, images, recipe, *, process=0, processes=1):
        self.images, self.size, self._transform = images, recipe.device_batch or recipe.batch_size, plain(recipe)
        self._ids = range(process, len(images), processes)

    def __len__(self):
        return -(-len(self._ids) // self.size)

    def ids(self, step, part=0):
        """The numbers of the samples in a batch, (B,) int64; the last batch may be smaller."""
        return np.array(self._ids[step * self.size : (step + 1) * self.size])

    def batch(self, step, part=0):
        """Images (B, C, S, S) float32, normalised, and labels (B,) int64."""
        ids = self.ids(step)
        return torch.stack([self._transform(self.images.picture(i)) for i in ids]), torch.as_tensor(
            self.images.labels[ids]
        )


def to_pixels(batch, recipe):
    """A batch as the model sees it (B, C, S, S) as pictures (B, S, S, 3) uint8; what normalisation left is undone."""
    mean, std = (torch.tensor(values)[:, None, None] for values in _normalisation(recipe).values())
    shown = ((batch * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
    return shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()


class _Parts(Dataset):
    """A source as a data set whose samples are the parts of its batches."""

    def __init__(self, source):
        self.source = source

    def __getitem__(self, number):
        return self.source.batch(*divmod(number, self.source.parts))


def _leave_signals_to_the_main_process(_):
    signals.ignore()


def prefetch(source, steps, *, start=0, workers=0, ahead=4, device="cpu"):
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
            batches._shutdown_workers()
