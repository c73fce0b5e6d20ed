"""The parameters of pre-training, fine-tuning and evaluation; light, so that a mistake is refused at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.values import (
    MOST,
    Count,
    EverySteps,
    Folder,
    Length,
    NotNegative,
    Options,
    Place,
    Range,
    Whole,
    Workers,
)
from ofdb_core.data import archive, real_images
from ofdb_core.data.samples import Drawing
from ofdb_core.families import registry
from ofdb_core.training import places
from ofdb_core.training.recipe import Course, Precision

PRE_TRAINED, FROM_SCRATCH = STARTS = ("pre-trained", "from scratch")


@dataclass(frozen=True)
class Pretrain(StageParameters, Course, Drawing):
    """4_pretrain."""

    unseen: ClassVar[tuple[str, ...]] = ("data_root", "milestones")
    shown: ClassVar[tuple[str, ...]] = ("required_gain",)

    data: Place
    data_root: Folder | None
    model: str
    model_options: Options
    milestones: Annotated[list[int], Length(0, 1000, once=True), Range(1, MOST)]
    required_gain: NotNegative

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return tuple(registry.sources())

    def inputs(self) -> tuple[str, ...]:
        return (self.data,) if self.data in registry.sources() else ()

    def code(self) -> tuple[Callable, ...]:
        return (registry.source_of(self.data, Path(self.out) / self.data).opens,)

    def required_accuracy(self, classes: int) -> float:
        """The accuracy on its own categories that a training must reach: `required_gain` times chance.

        Of so few classes that this would be more, half the way from chance to all of them is enough.
        """
        chance = 1 / classes
        return min(self.required_gain * chance, (1 + chance) / 2)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.steps and (late := [step for step in self.milestones if step > self.steps]):
            yield f"milestones: {late[0]} is after the last of {self.steps} steps"
        if source := registry.sources().get(self.data):
            if sentence := registry.misfit(self.data, source, self):
                yield sentence
        elif not (Path(self.data).is_dir() or archive.is_archive(self.data)):
            yield f"data: {self.data!r} is neither a folder or archive nor one of {', '.join(registry.sources())}"


@dataclass(frozen=True)
class _Start(StageParameters):
    """The checkpoint to start from, and the real images."""

    unseen: ClassVar[tuple[str, ...]] = ("data_root",)

    checkpoint: Place | None
    model: str | None
    model_options: Options
    data: Place
    data_root: Folder | None

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """As in any stage; a folder may stand behind local-dir:, as timm wants it."""
        path = values.get("checkpoint")
        plain = path.removeprefix(places.FOLDER) if isinstance(path, str) else path
        return super().located({**values, **({"checkpoint": plain} if "checkpoint" in values else {})}, base)

    def checkpoint_path(self) -> str:
        """The checkpoint that is asked for, or that of notebook 4."""
        return self.checkpoint or str(Path(self.out) / "pretrain" / "model.safetensors")

    def inputs(self) -> tuple[str, ...]:
        return () if self.checkpoint else ("pretrain",)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        path = self.checkpoint
        if path is not None and path.partition(":")[0] != "timm" and not places.is_place(path):
            yield f"checkpoint: {path!r} is neither a file or folder nor timm:<model> or hf-hub:<owner>/<name>"


def _refusal(data: str) -> Iterator[str]:
    """The sentence that refuses data of real images, if they are to be refused."""
    try:
        real_images.check(data)
    except ValueError as error:
        yield str(error)


@dataclass(frozen=True)
class Finetune(_Start, Course):
    """5_finetune."""

    input_size: Annotated[int, Range(8, 4096)] | None  # type: ignore[assignment]  # what trains asks for `seeing`
    channels: Literal[1, 3, None]  # type: ignore[assignment]
    starts: Annotated[list[Literal[STARTS]], Length(1, 2, once=True)]  # type: ignore[valid-type]
    head_only: bool
    evaluate_every: EverySteps
    knn: Whole
    keep_weights: bool
    shots: Annotated[list[int], Length(1, 8, once=True), Range(0, MOST)]
    repeats: Annotated[int, Range(1, 1000)]

    def seeing(self, shape: Mapping[str, Any]) -> Self:
        """The recipe with input size and channels of a checkpoint's network, where it does not say them itself."""
        return replace(self, **{name: shape[name] for name in ("input_size", "channels")})

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return real_images.NAMES

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        yield from _refusal(self.data)


@dataclass(frozen=True)
class Evaluate(_Start):
    """6_evaluate."""

    unseen: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}  # noqa: RUF012

    input_size: Annotated[int, Range(8, 4096)] | None
    channels: Literal[1, 3, None]
    interpolation: Literal["bilinear", "bicubic", None]
    crop_pct: Annotated[float, Range(0, 1, above=True)] | None
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] | None
    std: Annotated[list[float], Length(3, 3), Range(0, MOST, above=True)] | None
    batch_size: Count
    device_batch: Whole
    knn: Whole
    precision: Precision
    loader_workers: Workers

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return (*registry.sources(), *real_images.NAMES)

    def inputs(self) -> tuple[str, ...]:
        return (*super().inputs(), *((self.data,) if self.data in registry.sources() else ()))

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if source := registry.sources().get(self.data):
            if source.live:
                stored = ", ".join(name for name, other in registry.sources().items() if not other.live)
                yield f"data: {self.data} holds no images; those that can be evaluated are {stored}"
        elif not Path(self.data).is_dir():
            yield from _refusal(self.data)
