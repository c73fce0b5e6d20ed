"""The recipe of a training: the groups of parameters that the loop, its optimizer and its states take."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Count, EverySteps, NotNegative, Positive, Range, Share, Steps
from ofdb_core.batches.recipe import BatchRecipe, PlainRecipe

Precision = Literal["auto", "bf16", "fp16", "fp32"]


@dataclass(frozen=True)
class Inference(PlainRecipe):
    """What evaluation takes: un-augmented images and a precision."""

    precision: Precision


@dataclass(frozen=True)
class Optimisation(Parameters):
    """Optimizer, schedule and number of steps; learning rates are for `reference_batch` images a step."""

    earlier = {"decay_positions": False}  # noqa: RUF012

    steps: Steps
    batch_size: Count
    reference_batch: Count
    optimizer: str
    learning_rate: Positive
    min_learning_rate: NotNegative
    warmup_learning_rate: NotNegative
    warmup_steps: EverySteps
    weight_decay: NotNegative
    decay_positions: bool
    layer_decay: Annotated[float, Range(0, 1, above=True)]
    clip_gradient: NotNegative
    ema: Annotated[float, Range(0, 0.999999)]

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        steps, warmup = self.steps, self.warmup_steps
        if steps and warmup and warmup >= steps:
            yield (
                f"warmup_steps: {warmup} leaves no step of the {steps} steps after the warm-up; give a smaller "
                "warmup_steps or warmup_epochs, or a longer training"
            )
        if self.min_learning_rate > self.learning_rate:
            yield f"min_learning_rate: {self.min_learning_rate} is above learning_rate, {self.learning_rate}"


@dataclass(frozen=True)
class Saving(Parameters):
    """When the state of a training is saved, how many are kept, and what becomes of those of a changed training."""

    unseen: ClassVar[tuple[str, ...]] = ("save_steps", "save_minutes", "keep", "changed")

    save_steps: EverySteps
    save_minutes: NotNegative
    keep: Count
    changed: Literal["refuse", "continue", "restart"]


@dataclass(frozen=True)
class Recipe(Inference, BatchRecipe, Optimisation, Saving):
    """All that a training depends on, beside network, images and seed."""

    # log_every: a finished training is kept with the rows that its log has
    unseen: ClassVar[tuple[str, ...]] = ("out", "log_every", "tracker", "tracker_project")

    out: str
    drop_path: Share
    compile: bool
    gradient_checkpointing: bool
    log_every: Steps
    tracker: Literal["none", "tensorboard", "wandb"]
    tracker_project: str


@dataclass(frozen=True)
class Course(Recipe):
    """A recipe whose length may be given in epochs, which are steps once it is known how many samples there are."""

    either: ClassVar[tuple[tuple[str, str], ...]] = (("steps", "epochs"), ("warmup_steps", "warmup_epochs"))
    earlier = {"epochs": None, "warmup_epochs": None}  # noqa: RUF012

    steps: Steps | None  # type: ignore[assignment]  # what trains asks for `of_samples`
    epochs: Positive | None
    warmup_steps: EverySteps | None  # type: ignore[assignment]
    warmup_epochs: NotNegative | None

    def length(self) -> str:
        """How long a training is, in words."""
        return f"{self.steps:,} steps" if self.epochs is None else f"{self.epochs:g} epochs"

    def of_samples(self, n: int) -> Self:
        """The recipe in steps; an epoch of n samples is n / batch_size of them, also with repeated augmentation.

        (So it is DeiT's: an epoch of three repeats shows a third of the images.) A fraction of a step is left out.
        """
        steps, warmup = (
            given if epochs is None else int(epochs * n / self.batch_size)
            for given, epochs in ((self.steps, self.epochs), (self.warmup_steps, self.warmup_epochs))
        )
        return replace(self, steps=max(1, steps or 0), warmup_steps=warmup, epochs=None, warmup_epochs=None)
