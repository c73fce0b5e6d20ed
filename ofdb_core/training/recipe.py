"""The recipe of a training: the groups of parameters for the loop, its optimizer and its states."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Count, EverySteps, NotNegative, Options, Positive, Range, Share, Steps
from ofdb_core.batches.recipe import BatchRecipe, PlainRecipe

Precision = Literal["auto", "bf16", "fp16", "fp32"]
TRACKER = ("tracker", "tracker_project", "tracker_group", "tracker_options")


class Inference(PlainRecipe):
    """The parameters of evaluation: un-augmented images and a precision."""

    precision: Precision = "auto"
    """auto: bf16 where the hardware has it, else fp32."""


class Optimisation(Parameters):
    """timm's optimizer and its cosine schedule; learning rates are for `reference_batch` images a step."""

    steps: Steps  # the default is that of `Course`
    warmup_steps: EverySteps
    batch_size: Count  # as `Loading` has it
    reference_batch: Count = 512
    """Images a step that the three learning rates are for; they are scaled from it to batch_size, as released."""
    optimizer: str = "adamw"
    """Any timm optimizer."""
    learning_rate: Positive = 1.0e-3
    """Learning rate at the peak, before scaling: 5e-4 with 256 images a step."""
    min_learning_rate: NotNegative = 1.0e-5
    """Learning rate at the end, before scaling."""
    warmup_learning_rate: NotNegative = 1.0e-6
    """Learning rate at the start, before scaling."""
    weight_decay: NotNegative = 0.05
    """Decay of weights, not of biases and norms."""
    decay_positions: bool = False
    """Weight decay also of positions and class token, as the released code does; timm exempts them."""
    layer_decay: Annotated[float, Range(0, 1, above=True)] = 1.0
    """Factor on the learning rate from each layer to the one before; 1: none."""
    clip_gradient: NotNegative = 0.0
    """Largest norm of the gradient; 0: any."""
    ema: Annotated[float, Range(0, 0.999999)] = 0.0
    """Decay of averaged weights, which are then evaluated and kept; 0: none."""

    def conflicts(self) -> Iterator[str]:
        steps, warmup = self.steps, self.warmup_steps
        if steps and warmup and warmup >= steps:
            yield (
                f"warmup_steps: {warmup} leaves no step of the {steps} steps after the warm-up; give a smaller "
                "warmup_steps or warmup_epochs, or a longer training"
            )
        if self.min_learning_rate > self.learning_rate:
            yield f"min_learning_rate: {self.min_learning_rate} is above learning_rate, {self.learning_rate}"


class Saving(Parameters):
    """The rules for states of a training: when to save, the number to keep, and what to do after a change."""

    no_effect: ClassVar[tuple[str, ...]] = ("save_steps", "save_minutes", "keep", "changed")

    save_steps: EverySteps = 0
    """Steps between states on disk; 0: by minutes only."""
    save_minutes: NotNegative = 10.0
    """Minutes between states on disk; 0: by steps only."""
    keep: Count = 2
    """States that stay on disk."""
    changed: Literal["refuse", "continue", "restart"] = "refuse"
    """What becomes of an unfinished training of other parameters; a finished pre-training is continued, too."""


class Recipe(Inference, BatchRecipe, Optimisation, Saving):
    """All that a training depends on, beside network, images and seed."""

    # log_every: a finished training is kept with the rows that its log has
    no_effect: ClassVar[tuple[str, ...]] = ("out", "log_every", *TRACKER)

    out: str = "runs/lab"
    drop_path: Share = 0.1
    """Share of residual branches left out."""
    compile: bool = False
    """The network by torch.compile: faster on a GPU, after minutes of compilation."""
    gradient_checkpointing: bool = False
    """Less memory for more time."""
    log_every: Steps = 10
    """Steps between rows of the log."""
    tracker: str = "none"
    """Any that accelerate knows, as tensorboard, wandb or mlflow; beside the log and the figures."""
    tracker_project: str = "ofdb-lab"
    """Each training is a run of it."""
    tracker_group: str | None = None
    """Group of the runs in wandb, trackio and swanlab; null: the experiment."""
    tracker_options: Options = {}
    """More arguments of the tracker's start, as {entity: lab, name: first} of wandb."""

    def misfits_of_masks(self) -> list[str]:
        decayed = [f"layer_decay: {self.layer_decay} does not suit masks; give 1.0"] if self.layer_decay != 1 else []
        return [*super().misfits_of_masks(), *decayed]


class Course(Recipe):
    """A recipe whose length may be in epochs; they become steps when the number of samples is known."""

    exclusive: ClassVar[tuple[tuple[str, str], ...]] = (("steps", "epochs"), ("warmup_steps", "warmup_epochs"))

    steps: Steps | None = 312_500  # type: ignore[assignment]  # `of_samples` gives what trains a number
    """Batches; null where epochs has a value. Nominal: 80,000 epochs x 1,000 images / 256."""
    epochs: Positive | None = None
    """Passes over the samples, in place of steps."""
    warmup_steps: EverySteps | None = 20  # type: ignore[assignment]
    """Steps of the warm-up; null where warmup_epochs has a value. The original: 5 epochs, nominally of 4 steps."""
    warmup_epochs: NotNegative | None = None
    """Epochs of warm-up, in place of warmup_steps."""

    def length(self) -> str:
        """The length of a training, in words."""
        return f"{self.steps:,} steps" if self.epochs is None else f"{self.epochs:g} epochs"

    def of_samples(self, n: int) -> Self:
        """The recipe in steps; an epoch of n samples is n / batch_size of them, also with repeated augmentation.

        (As in DeiT: an epoch of three repeats shows a third of the images.) A fraction of a step is left out.
        """
        steps, warmup = (
            given if epochs is None else int(epochs * n / self.batch_size)
            for given, epochs in ((self.steps, self.epochs), (self.warmup_steps, self.warmup_epochs))
        )
        return replace(self, steps=max(1, steps or 0), warmup_steps=warmup, epochs=None, warmup_epochs=None)
