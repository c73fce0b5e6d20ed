"""How images become batches: the groups of parameters that augmentation, mixing and loading take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Count, Length, NotNegative, Range, Share, Whole, Workers


@dataclass(frozen=True)
class View(Parameters):
    """How a network sees an image: its size, its channels and their scale."""

    input_size: Annotated[int, Range(8, 4096)]
    channels: Literal[1, 3]
    interpolation: Literal["bilinear", "bicubic", "random"]
    crop_pct: Annotated[float, Range(0, 1, above=True)]
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)]
    std: Annotated[list[float], Length(3, 3), Range(0, above=True)]


@dataclass(frozen=True)
class Loading(Parameters):
    """How many images make a batch, and which processes make it."""

    unseen: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}  # noqa: RUF012

    batch_size: Count
    device_batch: Whole
    loader_workers: Workers


@dataclass(frozen=True)
class Augmentation(View):
    """What is drawn anew for an image in each step: timm's chain."""

    crop_scale: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)]
    crop_ratio: Annotated[list[float], Length(2, 2), Range(0, above=True)]
    hflip: Share
    vflip: Share
    auto_augment: str | None
    erasing: Share

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        yield from self.falling("crop_scale", "crop_ratio")
        if self.auto_augment is not None:
            yield from _misread(self.auto_augment)


def _misread(policy: str) -> Iterator[str]:
    """The sentence that refuses what timm cannot read as a policy of augmentation."""
    from ofdb_core.data import torchvision_fix  # noqa: F401  (before timm)

    # isort: split
    from timm.data import auto_augment as timms

    makers = {"rand": timms.rand_augment_transform, "augmix": timms.augment_and_mix_transform}
    make = next((maker for name, maker in makers.items() if policy.startswith(name)), timms.auto_augment_transform)
    try:
        make(policy, {})
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        yield f"auto_augment: {policy!r} is no policy of timm ({error}); one is rand-m9-mstd0.5-inc1, none is null"


@dataclass(frozen=True)
class Mixing(Parameters):
    """Mixup, CutMix and label smoothing."""

    label_smoothing: Share
    mixup: NotNegative
    cutmix: NotNegative
    mix_probability: Share
    mix_switch: Share

    def mixes(self) -> bool:
        """Whether samples are ever mixed."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)


@dataclass(frozen=True)
class PlainRecipe(Loading, View):
    """All that an un-augmented batch is a function of, beside the images."""


@dataclass(frozen=True)
class BatchRecipe(PlainRecipe, Augmentation, Mixing):
    """All that a training batch is a function of, beside images, seed and step."""
