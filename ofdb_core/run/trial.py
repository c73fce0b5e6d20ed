"""An experiment on trial: what its families and trainings cost is told by a few categories and steps of each."""

import contextlib
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.batches.source import Batches
from ofdb_core.data import real_images
from ofdb_core.data.samples import Images, Samples
from ofdb_core.run import cost, stages
from ofdb_core.run.cost import Cost, silent
from ofdb_core.stages import finetune, pretrain
from ofdb_core.stages.recipes import Finetune, Pretrain
from ofdb_core.training import loop, networks, optimizer, precision, processes

STEPS, WARM_UP = 20, 2  # the first steps prepare what the others use
BATCH = 64  # images a step on a CPU, at most: a larger batch takes that much longer
FORWARD = 1 / 3  # of a step's time, as the backward pass costs twice the forward one
STATE = 3  # times the weights: an optimizer as AdamW keeps two more numbers for each
# What is not here yet, and looks like: pixels, each side, classes, images to train on and to test on
REAL = {"cifar10": (32, 10, 50_000, 10_000), "cifar100": (32, 100, 50_000, 10_000)}
UNKNOWN = 1000  # categories of a pre-training whose data are there already
PHOTOGRAPHS = (500, 1000, 1_281_167, 50_000)  # ImageNet-1k


@dataclass(frozen=True)
class _Work:
    """What is trained: samples (the experiment's or a stand-in), network, trainings, and images evaluated in each.

    recipe: in steps, and with the network's input size.
    """

    samples: Samples
    recipe: Pretrain | Finetune
    model: str
    options: dict[str, Any]
    trainings: int
    evaluated: int

    def images(self) -> float:
        """How many images pass through a training step, or as much work, in all trainings and evaluations."""
        return self.trainings * ((self.recipe.steps or 0) * self.recipe.batch_size + FORWARD * self.evaluated)

    def network(self) -> torch.nn.Module:
        """The network with weights as it begins."""
        shape: dict[str, Any] = {"input_size": self.recipe.input_size, "channels": self.recipe.channels}
        return networks.build(self.model, len(self.samples.classes), options=self.options, **shape, seed=0)


class _Enough(Exception):
    """The steps to be measured are done."""


class _Clock:
    """A watch of the loop that notes when each step ends, and ends the training after some steps or seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.times = seconds, list[float]()

    def due(self, step: int) -> bool:
        self.times.append(time.perf_counter())
        if len(self.times) > STEPS or (len(self.times) > 2 and self.times[-1] - self.times[0] > self.seconds):
            raise _Enough
        return False

    def __call__(self, model: torch.nn.Module, step: int) -> None:
        raise AssertionError("no step is due")

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise AssertionError("it is not resumed")

    def seconds_a_step(self) -> float:
        """The median of the steps after the first."""
        spent = np.diff(self.times)
        return float(np.median(spent[min(WARM_UP, len(spent) - 1) :]))


def glance(checked: Mapping[str, NotebookParameters]) -> dict[str, float]:
    """The seconds of each stage, roughly, by a second of its first training's steps on random pixels.

    So nothing is drawn or compiled for it; what families write and what samples cost is not counted.
    """
    start, image = cost.of_a_notebook(), 0.0
    found = dict.fromkeys(checked, start)
    before = next((other for other in checked.values() if isinstance(other, Pretrain)), None)
    for name, parameters in checked.items():
        if isinstance(parameters, Pretrain | Finetune):
            work = _in_outline(parameters, checked) if isinstance(parameters, Pretrain) else _tuning(parameters, before)
            image = image or _seconds_of_random_pixels(work)
            found[name] += image * work.images()
    return found


def _in_outline(parameters: Pretrain, checked: Mapping[str, NotebookParameters]) -> _Work:
    """A pre-training whose samples are black, one for each category that the stages before make."""
    count = max((getattr(other, "categories", None) or 0 for other in checked.values()), default=0) or UNKNOWN
    samples = Images(np.zeros((count, 1, 1), np.uint8), np.arange(count), range(count))
    return _Work(samples, parameters.of_samples(count), parameters.model, parameters.model_options, 1, count)


def _seconds_of_random_pixels(work: _Work) -> float:
    """How long an image takes in a step: forward, backward and the optimizer."""
    recipe, network, clock = _bounded(work.recipe), work.network(), _Clock(1.0)
    pixels = torch.rand(recipe.batch_size, recipe.channels or 3, *[recipe.input_size or 0] * 2)
    targets = torch.zeros(recipe.batch_size, dtype=torch.int64)
    learner = optimizer.build(network, recipe)[0]
    with contextlib.suppress(_Enough):
        for step in itertools.count():
            clock.due(step)
            with precision.autocast(recipe.precision, "cpu"):
                loss = functional.cross_entropy(network(pixels), targets)
            loss.backward()
            learner.step()
            learner.zero_grad()
    return clock.seconds_a_step() / recipe.batch_size


def measure(checked: Mapping[str, NotebookParameters], *, seconds: float) -> Iterator[tuple[str, Cost]]:
    """The stages of an experiment with their costs, in order; seconds: at most so long for the steps of a training."""
    start = cost.of_a_notebook()
    with tempfile.TemporaryDirectory(prefix="ofdb-cost-") as place:
        for name, parameters in checked.items():
            stage, found = stages.stages()[name], Cost(0.0)
            if stage.write:
                found = cost.of_a_family(stage, parameters, Path(place), cost.categories(checked, parameters))
            elif isinstance(parameters, Pretrain | Finetune):
                found = _of_a_training(parameters, Path(place), checked, seconds)
            yield name, replace(found, seconds=found.seconds + start)


def _of_a_training(
    parameters: Pretrain | Finetune, place: Path, checked: Mapping[str, NotebookParameters], seconds: float
) -> Cost:
    """What a stage that trains costs; place: where the families' stages of `checked` have written a few categories."""
    work = _work(parameters, place, checked)
    network = work.network()
    size = sum(4 * weight.numel() for weight in network.parameters())
    image = _seconds_an_image(work, network, seconds)
    spent, watts = image * work.images(), _watts()
    many = 1 if isinstance(parameters, Pretrain) else 2 * work.trainings * parameters.keep_weights
    about = f" on {processes.hardware()['hardware']}" if torch.cuda.is_available() else ""
    return Cost(
        spent,
        kept=many * size,
        meanwhile=STATE * size * parameters.keep,
        energy=None if watts is None else spent * watts / 3.6e6,
        measured=f"{work.trainings * (work.recipe.steps or 0):,} steps of {1 / image:,.0f} images/s{about}",
    )


def _seconds_an_image(work: _Work, network: torch.nn.Module, seconds: float) -> float:
    """How long an image takes in a training, of which some steps are done."""
    recipe, clock = _bounded(work.recipe), _Clock(seconds)
    with silent(), contextlib.suppress(_Enough):
        loop.fit(network, Batches(work.samples, recipe, seed=0), recipe, seed=0, watch=clock)
    return clock.seconds_a_step() / recipe.batch_size


def _work(parameters: Pretrain | Finetune, place: Path, checked: Mapping[str, NotebookParameters]) -> _Work:
    before = next((other for other in checked.values() if isinstance(other, Pretrain)), None)
    with silent():
        if isinstance(parameters, Pretrain):
            return _pretraining(parameters, place, checked)
        return _tuning(parameters, before)


def _pretraining(parameters: Pretrain, place: Path, checked: Mapping[str, NotebookParameters]) -> _Work:
    """The experiment's samples or, where they are not written yet, a few of them, as if of all categories."""
    here = (Path(parameters.out) / parameters.data).exists()
    samples = pretrain.start(parameters if here else replace(parameters, out=str(place))).samples
    count = len(samples)
    if not here:
        numbers = [getattr(other, "categories", None) for other in checked.values()]
        count = max(number for number in numbers if number)
        samples.classes = [str(number) for number in range(count)]
    return _Work(samples, parameters.of_samples(count), parameters.model, parameters.model_options, 1, count)


def _tuning(parameters: Finetune, before: Pretrain | None) -> _Work:
    """The real images where they are here, and otherwise random ones of their size."""
    if parameters.data == "digits" or Path(parameters.data).is_dir():
        train, test = real_images.images_of(parameters.data)
        most = 0 if 0 in parameters.shots else max(parameters.shots)  # 0: all of them
        tested, recipe = len(test), parameters.of_samples(len(train.few_shot(most, seed=0)))
    else:
        side, classes, trained, tested = REAL.get(parameters.data, PHOTOGRAPHS)
        pixels = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), np.uint8)
        train = Images(pixels, np.arange(BATCH) % classes, range(classes))
        recipe = parameters.of_samples(trained)
    if before and not parameters.checkpoint:
        shape: dict[str, Any] = {"model": before.model, "options": before.model_options}
        shape |= {"input_size": before.input_size, "channels": before.channels}
    else:
        shape = finetune.checkpoint_of(parameters).shape
    recipe = recipe.seeing({name: getattr(recipe, name) or shape[name] for name in ("input_size", "channels")})
    every = recipe.evaluate_every
    times = 1 + ((recipe.steps or 0) - 1) // every if every else 1
    return _Work(train, recipe, shape["model"], shape["options"], len(finetune.trials(parameters)), tested * times)


def _bounded(parameters: Pretrain | Finetune) -> Pretrain | Finetune:
    """The recipe with a batch that a CPU takes at once, and without what is written or kept elsewhere."""
    recipe = replace(parameters, tracker="none")
    size = recipe.batch_size
    while size > BATCH and not torch.cuda.is_available():
        size //= 2
    if size == recipe.batch_size:
        return recipe
    with contextlib.suppress(ParameterError):  # as where groups of a batch are mixed
        return replace(recipe, batch_size=size)
    return replace(recipe, batch_size=size, mix_groups=1)


def _watts() -> float | None:
    """What the GPU draws now, where its driver tells."""
    if not torch.cuda.is_available() or not (program := shutil.which("nvidia-smi")):
        return None
    asked = [program, "--query-gpu=power.draw", "--format=csv,noheader,nounits", f"--id={torch.cuda.current_device()}"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return float(answer) if answer.replace(".", "", 1).isdigit() else None
