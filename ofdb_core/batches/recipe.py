"""The recipe of batches: the groups of parameters for augmentation, mixing and loading."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Count, Length, NotNegative, Positive, Range, Share, Whole, Workers
from ofdb_core.batches import policy
from ofdb_core.data.decoding import LIMIT, MOST, Ground, Least, Reading

CORRUPTIONS = (  # of ImageNet-C: see `corruptions`
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
STRENGTHS = (1, 2, 3, 4, 5)
FINE = 2  # pixels of a drafted picture, each side, for one that evaluation resizes it to: closer to the whole picture


class View(Parameters):
    """A network's view of an image: its size, its channels and their scale."""

    no_effect: ClassVar[tuple[str, ...]] = ("max_pixels",)

    input_size: Annotated[int, Range(8, 4096)] = 224
    """Pixels, each side, that the network sees."""
    channels: Literal[1, 3] = 3
    """Channels of the network's input: 3, or 1 for gray."""
    interpolation: Literal["bilinear", "bicubic", "random"] = "bicubic"
    """Interpolation of the crop."""
    crop_pct: Annotated[float, Range(0, 1, above=True)] = 0.875
    """Share of the image that evaluation sees, in the centre."""
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] = [0.5, 0.5, 0.5]
    """Subtracted from each channel."""
    std: Annotated[list[float], Length(3, 3), Range(0, above=True)] = [0.5, 0.5, 0.5]
    """Each channel is divided by it."""
    ground: Ground = "white"
    """Behind the transparent pixels of your images."""
    draft: bool = False
    """Your JPEGs are decoded at 1/2, 1/4 or 1/8 of their sides where that enlarges no view: in less time and memory."""
    max_pixels: Annotated[int, Range(1, LIMIT)] = MOST
    """Most pixels of an image of yours; larger ones are refused: each thread needs some 11 bytes a pixel."""

    def reading(self) -> Reading:
        """How files are decoded to be seen whole, as in evaluation."""
        side = FINE * self.input_size / self.crop_pct
        return Reading(self.ground, Least(side, side) if self.draft else None, self.max_pixels)


class Loading(Parameters):
    """The size of a batch, and the threads that make it."""

    no_effect: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}

    batch_size: Count = 256
    """Images a step, over all devices."""
    device_batch: Whole = 0
    """Images that a device takes at once, in parts whose gradients are summed; 0: its whole share."""
    loader_workers: Workers = 1
    """Threads that augment, for each device; 0: none. The result does not depend on it."""


class Augmentation(View):
    """What is drawn anew for an image in each step: timm's chain, by its own code or by ours."""

    pipeline: Literal["ofdb", "timm"] = "ofdb"
    """ofdb: by kernels, in threads; timm: by its own code, whatever the policy."""
    augmentation_repeats: Count = 1
    """Times that each image stands in a batch, augmented anew (repeated augmentation)."""
    crop_scale: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)] = [0.08, 1.0]
    """Area of a random crop, as a share of the image: between these."""
    crop_ratio: Annotated[list[float], Length(2, 2), Range(0, above=True)] = [0.75, 1.3333]
    """Width / height of a random crop: between these."""
    hflip: Share = 0.5
    """Probability of a mirrored image."""
    vflip: Share = 0.5
    """Probability of an image upside down."""
    auto_augment: str | None = "rand-m9-mstd0.5-inc1"
    """timm's policy; null: none. With one, timm leaves out the released command's colour jitter of 0.4."""
    erasing: Share = 0.5
    """Probability of a box of noise."""

    def reading_crops(self) -> Reading:
        """How files are decoded for random crops, the smallest of which has `input_size` pixels, and to be seen whole.

        Without room for a crop of any ratio, the largest of the next best one is taken, from the centre.
        """
        whole, (narrow, wide) = self.reading(), self.crop_ratio
        if whole.least is None:
            return whole
        side = self.input_size * max(1, narrow, 1 / wide)
        root = self.input_size * math.sqrt(max(wide, 1 / narrow) / self.crop_scale[0])
        return replace(whole, least=Least(max(whole.least.side, side), max(whole.least.root, root)))

    def conflicts(self) -> Iterator[str]:
        yield from self.falling("crop_scale", "crop_ratio")
        read: Callable = policy.read_by_timm if self.pipeline == "timm" else policy.parsed
        try:
            read(self.auto_augment)
        except policy.UnknownAugmentation as error:
            yield str(error)


class Mixing(Parameters):
    """Mixup, CutMix and label smoothing: `batches/mixing.py`."""

    label_smoothing: Share = 0.1
    """Share of a target given to all classes alike."""
    mixup: NotNegative = 0.8
    """Alpha of Mixup; 0: none."""
    cutmix: NotNegative = 1.0
    """Alpha of CutMix; 0: none."""
    mix_probability: Share = 1.0
    """Share of the groups that are mixed."""
    mix_switch: Share = 0.5
    """Share of the mixed groups that get CutMix."""
    mix_groups: Count = 1
    """Groups of a batch that draw their mixing each for itself; as released: 8."""

    def mixes(self) -> bool:
        """Whether samples are ever mixed."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)


class MixedPictures(Parameters):
    """PixMix (Hendrycks et al., CVPR 2022): samples are mixed with other pictures: `batches/pixmix.py`."""

    mix_pictures: Literal["none", "pixmix"] = "none"
    """pixmix: samples are mixed with pictures of pixmix_data, after their augmentation."""
    pixmix_rounds: Annotated[int, Range(0, 64)] = 4
    """Mixings of a sample, at most; their number is drawn from 0 on."""
    pixmix_beta: Positive = 3.0
    """A higher one leaves more of the sample in each mixing; the original: 3 on CIFAR, 4 on ImageNet."""
    pixmix_severity: Annotated[float, Range(0.1, 10)] = 3.0
    """Strength of the operations on a sample's copies; the original: 3 on CIFAR, 1 on ImageNet."""
    pixmix_all: bool = False
    """Use operations, too, that overlap with corruptions of ImageNet-C: colour, contrast, brightness, sharpness."""


class PlainRecipe(Loading, View):
    """All that an un-augmented batch depends on, beside the images."""


class BatchRecipe(PlainRecipe, Augmentation, Mixing, MixedPictures):
    """All that a training batch depends on, beside images, seed and step."""

    def misfits_of_masks(self) -> list[str]:
        """Sentences about values that do not suit masks, which crops, flips and resizing alone can follow."""
        free: dict[str, float | str | None] = {"label_smoothing": 0.0, "auto_augment": None, "erasing": 0.0}
        free |= {"mix_probability": 0.0} if self.mixes() else {}
        free |= {"pipeline": "ofdb", "mix_pictures": "none", "draft": False}
        wrong = {name: wanted for name, wanted in free.items() if getattr(self, name) != wanted}
        words = {name: "null" if wanted is None else wanted for name, wanted in wrong.items()}
        return [f"{name}: {getattr(self, name)} does not suit masks; give {word}" for name, word in words.items()]

    def conflicts(self) -> Iterator[str]:
        if self.mixes() and self.mix_groups > 1 and self.batch_size % (2 * self.mix_groups):
            yield f"mix_groups: {self.mix_groups} groups of pairs do not fit batch_size: {self.batch_size}"
