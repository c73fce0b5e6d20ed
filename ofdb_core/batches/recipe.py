"""How images become batches: the groups of parameters that augmentation, mixing and loading take."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Count, Length, NotNegative, Range, Share, Whole, Workers
from ofdb_core.batches import policy


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
    """How many images make a batch, and how many threads make it."""

    unseen: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}  # noqa: RUF012

    batch_size: Count
    device_batch: Whole
    loader_workers: Workers


@dataclass(frozen=True)
class Augmentation(View):
    """What is drawn anew for an image in each step: timm's chain, by its own code or by ours."""

    earlier = {"pipeline": "ofdb", "augmentation_repeats": 1}  # noqa: RUF012

    pipeline: Literal["ofdb", "timm"]
    augmentation_repeats: Count
    crop_scale: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)]
    crop_ratio: Annotated[list[float], Length(2, 2), Range(0, above=True)]
    hflip: Share
    vflip: Share
    auto_augment: str | None
    erasing: Share

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        yield from self.falling("crop_scale", "crop_ratio")
        yield from self._misread()

    def _misread(self) -> Iterator[str]:
        """The sentence that refuses a policy that the pipeline does not know."""
        if self.pipeline == "timm" and self.auto_augment is not None:
            if refused := policy.refused_by_timm(self.auto_augment):
                yield refused
            return
        try:
            policy.parsed(self.auto_augment)
        except policy.UnknownAugmentation as error:
            yield str(error)


@dataclass(frozen=True)
class Mixing(Parameters):
    """Mixup, CutMix and label smoothing."""

    earlier = {"mix_groups": 1}  # noqa: RUF012

    label_smoothing: Share
    mixup: NotNegative
    cutmix: NotNegative
    mix_probability: Share
    mix_switch: Share
    mix_groups: Count

    def mixes(self) -> bool:
        """Whether samples are ever mixed."""
        return self.mix_probability > 0 and (self.mixup > 0 or self.cutmix > 0)


@dataclass(frozen=True)
class PlainRecipe(Loading, View):
    """All that an un-augmented batch is a function of, beside the images."""


@dataclass(frozen=True)
class BatchRecipe(PlainRecipe, Augmentation, Mixing):
    """All that a training batch is a function of, beside images, seed and step."""

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.mixes() and self.mix_groups > 1 and self.batch_size % (2 * self.mix_groups):
            yield f"mix_groups: {self.mix_groups} groups of pairs do not fit batch_size: {self.batch_size}"
