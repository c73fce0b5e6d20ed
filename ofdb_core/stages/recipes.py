"""The parameters of pre-training, fine-tuning and evaluation; quick to import, so that a mistake is refused at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from ofdb_core.base import project
from ofdb_core.base.parameters import NotebookParameters, StageParameters
from ofdb_core.base.values import (
    MOST,
    SEEDS,
    Count,
    EverySteps,
    Folder,
    Length,
    NotNegative,
    Options,
    Place,
    Positive,
    Range,
    Share,
    Steps,
    Whole,
    Workers,
)
from ofdb_core.batches.recipe import CORRUPTIONS
from ofdb_core.data import addresses, archive, decoding, label_table, real_images, real_scenes
from ofdb_core.data.samples import Samples
from ofdb_core.families import registry
from ofdb_core.families.registry import Drawing, MixingPictures
from ofdb_core.formulas.system_files import is_file_of_systems
from ofdb_core.training import places
from ofdb_core.training.recipe import Course, Precision

PRE_TRAINED, SHIPPED, FROM_SCRATCH = STARTS = ("pre-trained", "shipped", "from scratch")


class Fetched(NotebookParameters):
    """Where data that an address names, or that are packed, come to lie."""

    no_effect: ClassVar[tuple[str, ...]] = ("data_root",)

    data_root: Folder | None = None
    """Folder for what is downloaded or unpacked; null: data/ in the project."""

    def located_data(self) -> tuple[tuple[str, Path], ...]:
        """Each of `data` that is not where it says, and its path here; it is fetched first."""
        root, data = Path(self.data_root or project.DATA), getattr(self, "data", "")
        each = data if isinstance(data, list) else [data]
        return tuple((one, addresses.local(one, root)) for one in each if addresses.is_address(one))

    def place(self) -> str:
        """The value of `data`, or the path where it lies once it is fetched and has class folders."""
        data = getattr(self, "data", "")
        return str(dict(self.located_data()).get(data, data))

    def reads(self) -> tuple[str, ...]:
        return (*super().reads(), *(str(path) for _, path in self.located_data()))


class Labelled(Fetched):
    """Pictures with classes, which a table may hold."""

    labels: Folder | None = None
    """A CSV file with the columns file and label, for pictures in `data` that are not in class folders."""

    def located_data(self) -> tuple[tuple[str, Path], ...]:
        found, data = super().located_data(), getattr(self, "data", "")
        if self.labels is None:
            return found
        place = dict(found).get(data, Path(data))
        return ((data, label_table.labelled(place, self.labels, self.data_root or project.DATA)),)

    def reads(self) -> tuple[str, ...]:
        return (*super().reads(), *([self.labels] if self.labels else []))

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        data = getattr(self, "data", "")
        if self.labels and not (Path(data).exists() or addresses.is_address(data)):
            yield f"labels: {self.labels} are for pictures in a folder or archive, which data: {data} is not"


class Pretrain(StageParameters, Labelled, Course, MixingPictures, Drawing):
    """Parameters of notebook 4_pretrain; the defaults are the published recipe for ViT-Tiny on 1,000 categories.

    (Nakamura et al., ICCV 2023, and their released pre-training command, at its nominal length.)
    """

    no_effect: ClassVar[tuple[str, ...]] = ("milestones",)
    display_only: ClassVar[tuple[str, ...]] = ("required_gain",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Of weights, order, augmentation and drop path."""
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
        """What is measured of the trained network, on what it learned from."""
        return {"classification": "accuracy on its own categories", "segmentation": "mean IoU of its own scenes"}[
            self.task
        ]

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
        yield from super().conflicts()
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


class _Start(Fetched):
    """The checkpoint to start from, and the real images."""

    checkpoint: Place | None = None
    """A file or folder, ofdb:small, timm:NAME or hf-hub:OWNER/NAME; null: the network of notebook 4."""
    model: str | None = None
    """The checkpoint's timm model; null: as the file says (the authors' files do not)."""
    model_options: Options = {}
    """Further arguments for timm; {}: as the file says."""
    data: Place = "digits"
    """Folder or archive of train/<class>/ and val/<class>/; or digits, cifar10, cifar100, voc2012."""

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """As in any stage; a folder may follow local-dir:, as in timm."""
        path = values.get("checkpoint")
        plain = path.removeprefix(places.FOLDER) if isinstance(path, str) else path
        return super().located({**values, **({"checkpoint": plain} if "checkpoint" in values else {})}, base)

    def checkpoint_path(self) -> str:
        """The `checkpoint`, or that of notebook 4."""
        return self.checkpoint or str(Path(self.out) / "pretrain" / "model.safetensors")

    def inputs(self) -> tuple[str, ...]:
        return () if self.checkpoint else ("pretrain",)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        path = self.checkpoint
        if path is not None and path.partition(":")[0] != "timm" and not places.is_place(path):
            known = f"timm:<model>, hf-hub:<owner>/<name> or {', '.join(places.shipped())}"
            yield f"checkpoint: {path!r} is neither a file or folder nor {known}"


def _refusal(data: str, check: Callable[[str], None] = real_images.check) -> Iterator[str]:
    """The sentence that refuses data of real images, if any."""
    try:
        check(data)
    except ValueError as error:
        yield str(error)


class Comparing(_Start, StageParameters, Course):
    """Trainings on real images that differ in their start, and in their seed."""

    starts: Annotated[list[Literal[STARTS]], Length(1, 3, once=True)] = [PRE_TRAINED, FROM_SCRATCH]  # type: ignore[valid-type]
    """What to compare; shipped: ofdb:small, if its network is the same."""
    repeats: Annotated[int, Range(1, 1000)] = 3
    """Trainings of each kind, with seeds of their own."""
    head_only: bool = False
    """A linear probe: nothing but the head learns."""
    keep_weights: bool = True
    """Of each training, the last and the best."""
    input_size: Annotated[int, Range(8, 4096)] | None = 224  # type: ignore[assignment]  # `seeing` gives a number
    """Pixels, each side, that the network sees (positions are resized); null: as the checkpoint says."""
    channels: Literal[1, 3, None] = 3  # type: ignore[assignment]
    """Of the network's input: 3, or 1 for gray; null: as the checkpoint says."""
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
    """Of the first repeat: weights of the head, choice of shots, order, augmentation."""
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
    """At the peak, before scaling: 0.015 with 768 images a step."""
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
        yield from super().conflicts()
        if not self.labels:
            yield from _refusal(self.data)
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
    """Of each training, the last."""
    steps: Steps | None = 20_000
    """Batches; null where epochs has a value. Usual for VOC 2012; for ADE20K 160,000."""
    warmup_steps: EverySteps | None = 1_500
    """Steps of the warm-up; null where warmup_epochs has a value."""
    batch_size: Count = 16
    """Images a step, over all devices."""
    reference_batch: Count = 16
    """Images a step that the three learning rates are for; they are scaled from it to batch_size."""
    learning_rate: Positive = 6.0e-5
    """At the peak, before scaling."""
    min_learning_rate: NotNegative = 0.0
    """At the end, before scaling."""
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
        yield from super().conflicts()
        yield from self.misfits_of_masks()
        yield from _refusal(self.data, real_scenes.check)


class _Looking(_Start):
    """How a trained network sees images; null is what the checkpoint says."""

    no_effect: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}

    input_size: Annotated[int, Range(8, 4096)] | None = None
    """Pixels, each side, that the network sees."""
    channels: Literal[1, 3, None] = None
    """Of the network's input."""
    interpolation: Literal["bilinear", "bicubic", None] = None
    """When an image is resized."""
    crop_pct: Annotated[float, Range(0, 1, above=True)] | None = None
    """Share of the image that is seen, in the centre."""
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] | None = None
    """Subtracted from each channel."""
    std: Annotated[list[float], Length(3, 3), Range(0, MOST, above=True)] | None = None
    """Each channel is divided by it."""
    ground: Literal["white", "black", None] = None
    """Behind the transparent pixels of your images."""
    draft: bool | None = None
    """JPEGs are decoded at a part of their sides; null: if the checkpoint's training did so."""
    max_pixels: Annotated[int, Range(1, decoding.LIMIT)] = decoding.MOST
    """Of your images, each; larger ones are refused, as some 11 bytes a pixel are needed in every thread."""
    batch_size: Count = 256
    """Images at once."""
    device_batch: Whole = 0
    """Of these, at most on a device at once; 0: all."""
    precision: Precision = "fp32"
    """As timm's validate; bf16, which auto takes where it can, may turn a close call."""
    loader_workers: Workers = 1
    """Threads that read images, for each device; 0: none. The result does not depend on it."""

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return tuple(registry.sources())

    def inputs(self) -> tuple[str, ...]:
        return (*super().inputs(), *((self.data,) if self.is_own() else ()))

    def is_own(self) -> bool:
        """Whether `data` names images of this experiment."""
        return isinstance(self.data, str) and self.data in registry.sources()

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        known = registry.sources()
        if self.is_own() and (known[self.data].live or known[self.data].masks):
            stored = ", ".join(name for name, other in known.items() if not other.live and not other.masks)
            yield f"data: {self.data} holds no images of one class each; those that can be evaluated are {stored}"


class Evaluate(_Looking, Labelled):
    """Parameters of notebook 6_evaluate."""

    no_effect: ClassVar[tuple[str, ...]] = ("max_pixels",)

    data: Place = "digits"
    """Folder or archive: val/<class>/ or <class>/; or digits, cifar10, cifar100, voc2012, images ..."""
    knn: Whole = 0
    """Neighbours among the training images that vote; 0: not asked."""
    corruptions: Literal["all"] | Annotated[list[Literal[CORRUPTIONS]], Length(0, 15, once=True)] = []  # type: ignore[valid-type]
    """Of ImageNet-C, which the images suffer one after another, at five strengths; all: all fifteen."""
    corruptions_seed: Annotated[int, Range(0, SEEDS)] = 0
    """Of what the corruptions draw."""

    @property
    def corrupted_by(self) -> tuple[str, ...]:
        """The names of the corruptions."""
        return CORRUPTIONS if self.corruptions == "all" else tuple(self.corruptions)

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return (*super().data_names(), *real_images.NAMES)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if not (self.is_own() or Path(self.data).is_dir()):
            yield from _refusal(self.data)


class Predict(_Looking):
    """Parameters of notebook 6_predict."""

    data: Place | list[Place] = "images"  # type: ignore[assignment]
    """Pictures: a folder, however deep, an archive, a file, or a list of these; or images of this run."""
    memory: Folder | None = None
    """A folder of <class>/<picture> to edit: the nearest there name others; null: the head does."""
    neighbours: Count = 5
    """Pictures of the memory that vote."""

    def reads(self) -> tuple[str, ...]:
        return (*super().reads(), *([self.memory] if self.memory else []))

    @property
    def places(self) -> list[str]:
        """Where the pictures are: the entries of `data`."""
        if isinstance(self.data, str) and self.is_own():
            return [str(Path(self.out) / self.data)]
        known = dict(self.located_data())
        return [str(known.get(one, one)) for one in (self.data if isinstance(self.data, list) else [self.data])]

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if not self.is_own():
            if self.data == []:
                yield "data: the list is empty; name at least one picture or folder"
            for one in self.data if isinstance(self.data, list) else [self.data]:
                if addresses.is_address(one):
                    yield from filter(None, [addresses.problem(one)])
                elif not Path(one).exists():
                    yield f"data: {one!r}: no such file or folder"
