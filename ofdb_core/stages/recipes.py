"""The parameters of pre-training and fine-tuning; quick to import, so that a mistake is refused at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.values import (
    MOST,
    SEEDS,
    Count,
    EverySteps,
    Length,
    NotNegative,
    Options,
    Place,
    Positive,
    Range,
    Share,
    Steps,
)
from ofdb_core.data import addresses, archive, real_images, real_scenes
from ofdb_core.data.samples import Samples
from ofdb_core.families import registry
from ofdb_core.families.drawing import Drawing, MixingPictures
from ofdb_core.formulas.system_files import is_file_of_systems
from ofdb_core.stages.inputs import Labelled, Starting, refusal
from ofdb_core.training.recipe import Course

PRE_TRAINED, SHIPPED, FROM_SCRATCH = STARTS = ("pre-trained", "shipped", "from scratch")


class Pretrain(StageParameters, Labelled, Course, MixingPictures, Drawing):
    """Parameters of notebook 4_pretrain; the defaults are the published recipe for ViT-Tiny on 1,000 categories.

    (Nakamura et al., ICCV 2023, and their released pre-training command, at its nominal length.)
    """

    no_effect: ClassVar[tuple[str, ...]] = ("milestones",)
    display_only: ClassVar[tuple[str, ...]] = ("required_gain",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of weights, order, augmentation and drop path."""
    data: Place = "images"
    """This experiment's images, views, models, categories ...; or a folder or archive of yours."""
    model: str = "vit_tiny_patch16_224"
    """Any timm model."""
    model_options: Options = {}
    """Further arguments for timm, as {"depth": 4, "patch_size": 8}."""
    task: Literal["classification", "segmentation"] = "classification"
    """What is learned: a class for an image, or for each pixel, from masks."""
    decoder: Annotated[int, Range(8, 4096)] = 256
    """Channels of UPerNet's decoder, with task: segmentation."""
    milestones: Annotated[list[int], Length(0, 1000, once=True), Range(1, MOST)] = []
    """Steps after which the weights are kept for good, as milestones/step_0080000.safetensors."""
    required_gain: NotNegative = 10.0
    """Check: accuracy on its own categories is at least this many times chance; of few, halfway to all."""

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return tuple(registry.sources())

    def inputs(self) -> tuple[str, ...]:
        own = (self.data,) if self.data in registry.sources() else ()
        return tuple(dict.fromkeys((*own, *self.mixed_with())))

    def code(self) -> tuple[Callable, ...]:
        return (*self.source().code(), *self.mixing_code())

    def __post_init__(self) -> None:
        """Check, and add the defaults of `live` to it, so that a record holds all values."""
        super().__post_init__()
        if self.samples == "live" and not self.problems_of_data() and (draws := self.draws(self.source())):
            object.__setattr__(self, "live", draws.values())

    def problems_of_data(self) -> list[str]:
        """Why samples cannot be drawn from the data in this way; none: they can."""
        try:
            return [*self._misfits_of_task(source := self.source()), *self.misfits(self.place(), source)]
        except (ValueError, OSError) as error:  # files of the user's that cannot be read
            return [f"data: {error}"]

    def _misfits_of_task(self, source: registry.Source) -> Iterator[str]:
        if self.task == "classification" and source.masks:
            yield f"data: {self.data} has masks, and no label for an image; give task: segmentation"
        if self.task == "segmentation" and not source.masks and source.ground is None:
            yield f"data: {self.data} has no masks, and no ground from which they follow"
        if self.task == "segmentation" and source.masks and self.samples == "one":
            yield "samples: one does not suit masks: a scene is of no category"

    def samples_in(self, place: Path) -> Samples:
        """The samples in a folder that `data` names; for segmentation they are `Scenes`."""
        opened = self.opened_scenes if self.task == "segmentation" else self.opened
        return opened(self.place(), place, self.reading_crops())

    def measure(self) -> str:
        """The name of the score of the trained network on its training samples."""
        return "mean IoU of its own scenes" if self.task == "segmentation" else "accuracy on its own categories"

    def source(self) -> registry.Source:
        """The source of the samples: one that `data` names, or one that suits the folder."""
        return registry.source_of(place := self.place(), Path(self.out) / place)

    def drawn(self) -> str:
        """How samples are drawn, for a title."""
        draws = self.draws(self.source())
        return f"samples: {self.samples}{f', {draws}' if draws else ''}"

    def required_accuracy(self, classes: int) -> float:
        """The `measure` that a training must reach: `required_gain` times chance, which for IoU is an upper bound.

        With few classes that may be too much: then half the way from chance to 1 is enough.
        """
        chance = 1 / classes
        return min(self.required_gain * chance, (1 + chance) / 2)

    def conflicts(self) -> Iterator[str]:
        if self.steps and (late := [step for step in self.milestones if step > self.steps]):
            yield f"milestones: {late[0]} is after the last of {self.steps} steps"
        if self.task == "segmentation":
            yield from self.misfits_of_masks()
        if self.data in registry.sources():
            yield from self.problems_of_data()
        elif addresses.is_address(self.data):
            yield from filter(None, [addresses.problem(self.data)])
        elif not (Path(self.data).is_dir() or archive.is_archive(self.data) or is_file_of_systems(self.data)):
            known = ", ".join(registry.sources())
            yield f"data: {self.data!r} is no folder, archive or file of systems, and none of {known}"


class Comparing(Starting, StageParameters, Course):
    """Trainings on real images that differ in their start, and in their seed."""

    starts: Annotated[list[Literal[STARTS]], Length(1, 3, once=True)] = [PRE_TRAINED, FROM_SCRATCH]  # type: ignore[valid-type]
    """What to compare; shipped: ofdb:small, if its network is the same."""
    repeats: Annotated[int, Range(1, 1000)] = 3
    """Trainings of each kind, with seeds of their own."""
    head_only: bool = False
    """A linear probe: nothing but the head learns."""
    keep_weights: bool = True
    """Keep the last and the best weights of each training."""
    input_size: Annotated[int, Range(8, 4096)] | None = 224  # type: ignore[assignment]  # `seeing` gives a number
    """Pixels, each side, that the network sees (positions are resized); null: as the checkpoint says."""
    channels: Literal[1, 3, None] = 3  # type: ignore[assignment]
    """Channels of the network's input: 3, or 1 for gray; null: as the checkpoint says."""
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] = [0.485, 0.456, 0.406]
    """Subtracted from each channel: ImageNet's."""
    std: Annotated[list[float], Length(3, 3), Range(0, above=True)] = [0.229, 0.224, 0.225]
    """Each channel is divided by it: ImageNet's."""
    vflip: Share = 0.0

    def seeing(self, shape: Mapping[str, Any]) -> Self:
        """The recipe, where input size and channels, if None, are those of a checkpoint's network."""
        return replace(self, **{name: shape[name] for name in ("input_size", "channels")})


class Finetune(Labelled, Comparing, MixingPictures):
    """Parameters of notebook 5_finetune; the defaults are the released recipe for CIFAR (SGD, 1,000 epochs)."""

    renamed = {"knn": "baselines"}

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of the first repeat: weights of the head, choice of shots, order, augmentation."""
    shots: Annotated[list[int], Length(1, 8, once=True), Range(0, MOST)] = [0]
    """Images of each class to train on; 0: all of them."""
    evaluate_every: EverySteps = 0
    """Steps between evaluations, of which the best is reported too; 0: at the end only."""
    baselines: bool = True
    """Also judge raw pixels, and the features of both starts before fine-tuning, with up to 10,000 images."""
    steps: Steps | None = 65_104  # type: ignore[assignment]
    """Batches; null where epochs has a value. Nominal for CIFAR: 50,000 images x 1,000 epochs / 768."""
    warmup_steps: EverySteps | None = 651  # type: ignore[assignment]
    """Steps of the warm-up; null where warmup_epochs has a value. The original: 10 epochs."""
    batch_size: Count = 768
    """Images a step, over all devices; the original: 8 processes of 96."""
    optimizer: str = "sgd"
    """Any timm optimizer; timm's sgd has Nesterov's momentum of 0.9, as the original's."""
    learning_rate: Positive = 1.0e-2
    """Learning rate at the peak, before scaling: 0.015 with 768 images a step."""
    learning_rates: Annotated[list[float], Length(0, 8, once=True), Range(0, MOST, above=True)] = []
    """Peaks from which each start takes its best, on a fifth of the training images, held out; []: learning_rate."""
    weight_decay: NotNegative = 1.0e-4
    erasing: Share = 0.25
    draft: bool = True

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return real_images.NAMES

    def inputs(self) -> tuple[str, ...]:
        return (*super().inputs(), *self.mixed_with())

    def code(self) -> tuple[Callable, ...]:
        return self.mixing_code()

    def conflicts(self) -> Iterator[str]:
        if not self.labels:
            yield from refusal(self.data)
        if self.learning_rates and min(self.learning_rates) < self.min_learning_rate:
            yield f"learning_rates: {min(self.learning_rates)} is below min_learning_rate, {self.min_learning_rate}"
        if self.learning_rates and 1 in self.shots:
            yield "learning_rates: of 1 image a class (shots) none can be held out"


class Segment(Comparing):
    """Parameters of notebook 5_segment; rates, weight decay and batch are those of UPerNet with Swin.

    (Liu et al., ICCV 2021.)
    """

    data: Place = "voc2012"
    """Folder or archive: train/ and val/, each with images/ and masks/; or voc2012."""
    decoder: Annotated[int, Range(8, 4096)] = 256
    """Channels of UPerNet's decoder."""
    cache_gb: NotNegative = 1.0
    """Memory, for each device, for decoded images and masks; what is beyond is read anew."""
    keep_weights: bool = True
    """Keep the last weights of each training."""
    steps: Steps | None = 20_000
    """Batches; null where epochs has a value. Usual for VOC 2012; for ADE20K 160,000."""
    warmup_steps: EverySteps | None = 1_500
    """Steps of the warm-up; null where warmup_epochs has a value."""
    batch_size: Count = 16
    """Images a step, over all devices."""
    reference_batch: Count = 16
    """Images a step that the three learning rates are for; they are scaled from it to batch_size."""
    learning_rate: Positive = 6.0e-5
    """Learning rate at the peak, before scaling."""
    min_learning_rate: NotNegative = 0.0
    """Learning rate at the end, before scaling."""
    weight_decay: NotNegative = 0.01
    auto_augment: str | None = None
    """A mask cannot follow it: null."""
    erasing: Share = 0.0
    label_smoothing: Share = 0.0
    mix_probability: Share = 0.0
    crop_scale: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)] = [0.25, 1.0]
    """Area of a random crop, as a share of the image: between these. Ours: a fixed crop of UPerNet's is not here."""

    no_effect: ClassVar[tuple[str, ...]] = ("cache_gb",)

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return real_scenes.NAMES

    def conflicts(self) -> Iterator[str]:
        yield from self.misfits_of_masks()
        yield from refusal(self.data, real_scenes.check)
