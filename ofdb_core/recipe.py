"""What a notebook may be told: the name, type and range of each of its parameters.

The values themselves stand in the notebook's `parameters` cell (with a comment each) and in params/<experiment>/, which
holds only what an experiment changes. A recipe is checked whole when it is made, so a mistake is found before any work.
"""

import dataclasses
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ofdb_core.kinds import Count, Folder, Length, NotNegative, Place, Positive, Range, Share, Whole, nearest, problem

DRAWS = ("patch_gray", "patch_color", "point_gray", "point_color")
UNSEEN = ("out", "workers", "data_root", "tracker", "save_steps", "save_minutes", "keep", "changed")  # in no result
DATASETS = ("images", "views", "models", "visualatom")  # folders of an experiment that a network can be trained on
REAL = ("digits", "cifar10", "cifar100", "voc2012")  # data sets of real images that are known by name


class RecipeError(ValueError):
    """Parameters that cannot be used; `problems` holds one sentence for each."""

    def __init__(self, problems):
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def _is_place(value):
    """Whether text for a `Place` is the path of something, and not the name of a data set."""
    return value not in (*DATASETS, *REAL) and Path(value).exists()


@dataclass(frozen=True)
class Recipe:
    """The checked parameters of a notebook; a subclass has a field, with type and range, for each."""

    out: str  # the experiment's folder
    seed: Annotated[int, Range(0, 2**32 - 1)]

    def __post_init__(self):
        kinds = self.kinds()
        problems = [problem(name, getattr(self, name), kind) for name, kind in kinds.items()]
        problems = [sentence for sentence in problems if sentence] or list(self.conflicts())
        if problems:
            raise RecipeError(problems)

    def conflicts(self):
        """Sentences about values that are allowed alone but not together."""
        return []

    def inputs(self):
        """The folders of the experiment that the notebook reads; other notebooks write them."""
        return ()

    def check_possible(self):
        """Raise a ValueError for what only a slow look can tell (whether there is such a model), before work begins."""

    def check_shared(self, processes):
        """Raise a ValueError where so many processes cannot do the work together."""

    @classmethod
    def kinds(cls):
        """Field name -> annotated type, in order."""
        hints = typing.get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    @classmethod
    def take(cls, names):
        """The recipe in a notebook's `globals()`: each field's value by its name."""
        missing = [name for name in cls.kinds() if name not in names]
        if missing:
            raise RecipeError(f"{name}: missing from the parameters" for name in missing)
        return cls(**{name: names[name] for name in cls.kinds()})

    @classmethod
    def of(cls, values):
        """The recipe of a dictionary, where a name that is no field is refused."""
        known = cls.kinds()
        strange = [name for name in values if name not in known]
        if strange:
            raise RecipeError(f"{name}: unknown parameter{nearest(name, known)}" for name in strange)
        return cls.take(values)

    @classmethod
    def located(cls, values):
        """The values with absolute paths for each `Folder`, and for each `Place` where something lies."""
        found = dict(values)
        for name, kind in cls.kinds().items():
            arms, value = (kind, *typing.get_args(kind)), values.get(name)
            if isinstance(value, str) and (Folder in arms or (Place in arms and _is_place(value))):
                found[name] = str(Path(value).resolve())
        return found

    def reads(self):
        """What the notebook reads: folders of the experiment, and files and folders of the user's."""
        places = [name for name, kind in self.kinds().items() if Place in (kind, *typing.get_args(kind))]
        given = [getattr(self, name) for name in places]
        return (*self.inputs(), *(value for value in given if value and _is_place(value)))

    def values(self):
        """Field name -> value."""
        return dataclasses.asdict(self)

    def identity(self):
        """The values that the results depend on: all but where they lie, who makes them and what is saved meanwhile."""
        return {name: value for name, value in self.values().items() if name not in UNSEEN}


def _check_search(self):
    from ofdb_core import search

    search.check_rule(self.points, self.filling_rate)


@dataclass(frozen=True)
class Explore(Recipe):
    """0_explore_ifs."""

    category: Whole
    points: Annotated[int, Range(2)]
    image_size: Annotated[int, Range(64, 4096)]
    filling_rate: Share

    check_possible = _check_search


@dataclass(frozen=True)
class Search(Recipe):
    """1_search_categories."""

    categories: Annotated[int, Range(1, 99_999)]
    filling_rate: Share
    points: Annotated[int, Range(2)]
    workers: Whole

    check_possible = _check_search


@dataclass(frozen=True)
class Render2D(Recipe):
    """2_render_2d."""

    categories: Count | None
    image_size: Annotated[int, Range(16, 4096)]
    points: Annotated[int, Range(2)]
    weight: float | Annotated[list[float], Length(6, 6)]
    draw: Literal[DRAWS]
    workers: Whole

    def inputs(self):
        return ("categories",)


@dataclass(frozen=True)
class Render3D(Recipe):
    """3_render_3d."""

    categories: Annotated[int, Range(1, 999_999)]
    search_seed: Annotated[int, Range(0, 2**32 - 1)]
    search_points: Annotated[int, Range(3)]
    variance: Annotated[float, Range(0, 0.9)]
    degenerate: Literal["skip", "keep"]
    points: Annotated[int, Range(3)]
    weight: float | Annotated[list[float], Length(12, 12)]
    axes: Annotated[int, Range(1, 3)]
    views: Annotated[int, Range(1, 999)]
    image_size: Annotated[int, Range(1, 4096)]
    point_size: Annotated[int, Range(1, 3)]
    one_stream: bool
    workers: Whole

    def conflicts(self):
        if self.one_stream and self.degenerate == "skip":
            yield "one_stream: True needs degenerate: keep; the original's order passes over no candidate"


@dataclass(frozen=True)
class RenderVisualAtom(Recipe):
    """3_render_visualatom."""

    categories: Annotated[int, Range(1, 99_999)]
    instances: Annotated[int, Range(1, 9_999)]
    image_size: Annotated[int, Range(1, 4096)]
    settings: Literal["published", "original"]
    one_stream: bool
    workers: Whole


@dataclass(frozen=True)
class Training(Recipe):
    """What pre-training and fine-tuning have in common: the loop, the optimizer and the augmentation."""

    input_size: Annotated[int, Range(8)]
    channels: Literal[1, 3]
    steps: Count
    batch_size: Count
    device_batch: Whole
    reference_batch: Count
    optimizer: str
    learning_rate: Positive
    min_learning_rate: NotNegative
    warmup_learning_rate: NotNegative
    warmup_steps: Whole
    weight_decay: NotNegative
    layer_decay: Annotated[float, Range(0, 1, above=True)]
    clip_gradient: NotNegative
    ema: Annotated[float, Range(0, 0.999999)]
    drop_path: Share
    label_smoothing: Share
    mixup: NotNegative
    cutmix: NotNegative
    mix_probability: Share
    mix_switch: Share
    crop_scale: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)]
    crop_ratio: Annotated[list[float], Length(2, 2), Range(0, above=True)]
    interpolation: Literal["bilinear", "bicubic", "random"]
    crop_pct: Annotated[float, Range(0, 1, above=True)]
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)]
    std: Annotated[list[float], Length(3, 3), Range(0, above=True)]
    hflip: Share
    vflip: Share
    auto_augment: str | None
    erasing: Share
    precision: Literal["auto", "bf16", "fp16", "fp32"]
    compile: bool
    gradient_checkpointing: bool
    workers: Whole
    log_every: Count
    tracker: Literal["none", "tensorboard", "wandb"]
    save_steps: Whole
    save_minutes: NotNegative
    keep: Count
    changed: Literal["refuse", "continue", "restart"]

    def conflicts(self):
        if self.warmup_steps >= self.steps:
            yield f"warmup_steps: {self.warmup_steps} leaves no step of the {self.steps} steps after the warm-up"
        if self.min_learning_rate > self.learning_rate:
            yield f"min_learning_rate: {self.min_learning_rate} is above learning_rate, {self.learning_rate}"
        yield from self._unsorted("crop_scale", "crop_ratio")

    def _unsorted(self, *names):
        for name in names:
            low, high = getattr(self, name)
            if low > high:
                yield f"{name}: {[low, high]} must rise"

    def check_possible(self):
        from ofdb_core import train

        train.check(self)

    def check_shared(self, processes):
        from ofdb_core import loading

        loading.parts(self, processes)


@dataclass(frozen=True)
class Pretrain(Training):
    """4_pretrain."""

    data: Place
    data_root: Folder | None
    views: Literal["all", "one", "live"]
    live_size: Annotated[int, Range(1, 4096)]
    live_axes: Annotated[int, Range(1, 3)]
    live_range: Annotated[float, Range(0, 360)]
    live_jitter: Annotated[float, Range(0, 180)]
    live_point_size: Annotated[list[int], Length(2, 2), Range(1, 3)]
    live_points: Annotated[list[float], Length(2, 2), Range(0, 1, above=True)]
    model: str
    model_options: dict
    required_gain: NotNegative

    def inputs(self):
        return (self.data,) if self.data in DATASETS else ()

    def conflicts(self):
        from ofdb_core import archive

        yield from super().conflicts()
        yield from self._unsorted("live_point_size", "live_points")
        if self.data not in DATASETS and not (Path(self.data).is_dir() or archive.is_archive(self.data)):
            yield f"data: {self.data!r} is neither a folder or archive nor one of {', '.join(DATASETS)}"
        if self.data in DATASETS and (self.data == "models") != (self.views == "live"):
            yield f"views: {self.views} does not suit data: {self.data}; only models are rendered live"

    def check_possible(self):
        from ofdb_core import networks

        super().check_possible()
        shape = {"channels": self.channels, "drop_path": self.drop_path}
        networks.check_model(self.model, self.model_options, self.input_size, **shape)


def _no_checkpoint(path):
    """The sentence that refuses a checkpoint, if it is to be refused."""
    if path is not None and path.partition(":")[0] != "timm" and not Path(path).is_file():
        yield f"checkpoint: {path!r} is neither a file nor timm:<model>"


def _no_data(data):
    """The sentence that refuses data of real images, if they are to be refused."""
    from ofdb_core import real

    try:
        real.check(data)
    except ValueError as error:
        yield str(error)


@dataclass(frozen=True)
class Finetune(Training):
    """5_finetune."""

    checkpoint: Place | None
    model: str | None
    model_options: dict
    data: Place
    data_root: Folder | None
    starts: Annotated[list[Literal["pre-trained", "from scratch"]], Length(1, 2)]
    head_only: bool
    evaluate_every: Whole
    knn: Whole
    keep_weights: bool
    shots: Annotated[list[int], Length(1, 8), Range(0)]
    repeats: Count

    def inputs(self):
        return () if self.checkpoint else ("pretrain",)

    def conflicts(self):
        yield from super().conflicts()
        yield from _no_checkpoint(self.checkpoint)
        yield from _no_data(self.data)

    def check_possible(self):
        from ofdb_core import finetune

        super().check_possible()
        finetune.check(self)


@dataclass(frozen=True)
class Evaluate(Recipe):
    """6_evaluate."""

    checkpoint: Place | None
    model: str | None
    model_options: dict
    data: Place
    data_root: Folder | None
    input_size: Annotated[int, Range(8)] | None
    channels: Literal[1, 3, None]
    interpolation: Literal["bilinear", "bicubic"]
    crop_pct: Annotated[float, Range(0, 1, above=True)]
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] | None
    std: Annotated[list[float], Length(3, 3), Range(0, above=True)] | None
    batch_size: Count
    device_batch: Whole
    knn: Whole
    precision: Literal["auto", "bf16", "fp16", "fp32"]
    workers: Whole

    def conflicts(self):
        yield from _no_checkpoint(self.checkpoint)
        if self.data not in DATASETS and not Path(self.data).is_dir():
            yield from _no_data(self.data)

    def inputs(self):
        return (*(() if self.checkpoint else ("pretrain",)), *((self.data,) if self.data in DATASETS else ()))


@dataclass(frozen=True)
class Report(Recipe):
    """6_report."""

    title: str
