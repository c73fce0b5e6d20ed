"""What an experiment costs on this machine: time and disk of each stage, measured before it runs.

A family's stage writes a few categories. A training does some steps on random pixels, so no data are drawn, loaded or
downloaded for it. A real one prepares batches during its steps: they cost time only if they are slower.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch.nn import functional

from ofdb_core.base import files, manifests, provenance, units
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.data import archive
from ofdb_core.families import registry
from ofdb_core.run import catalogue, ledger
from ofdb_core.stages import finetune, segment
from ofdb_core.stages.recipes import Finetune, Pretrain, Segment
from ofdb_core.training import networks, optimizer, precision, processes, segmentation
from ofdb_core.training.recipe import Course

FEW, SOME = 4, 16  # categories that a family's stage writes: two counts, whose difference leaves out the start-up time
STEPS, SECONDS, WARM_UP = 20, 1.0, 2  # of a training: steps at most, their time, and steps that are not counted
BATCH = 64  # images a step on a processor, at most: a larger batch takes proportionally longer
FORWARD = 1 / 3  # of a step's time: the backward pass costs twice the forward one
STATE = 3  # times the weights: an optimizer such as AdamW keeps two more numbers for each
# Stand-ins for data that are not downloaded: classes, images to train on, images to test on
REAL = {"digits": (10, 1000, 797), "cifar10": (10, 50_000, 10_000), "cifar100": (100, 50_000, 10_000)}
REAL["voc2012"] = (20, 13_609, 13_841)
MASKED = (20, 1464, 1449)  # VOC 2012: classes beside the ground, scenes to train on, scenes to test on
ARCHIVE = (1000, 1_281_167, 50_000)  # an archive is not opened: as many as ImageNet-1k
Checked = Mapping[str, NotebookParameters]  # stage -> its parameters
Tuning = TypeVar("Tuning", Finetune, Segment)
UNKNOWN = 1000  # categories, if no stage of the experiment and no folder says how many


@dataclass(frozen=True)
class Cost:
    """What a stage costs: seconds, bytes that stay, further bytes while it runs, and what was measured for it."""

    seconds: float
    kept: int = 0
    meanwhile: int = 0
    measured: str = ""


class _Work(NamedTuple):
    """The work of a stage that trains: a network, its classes, and a recipe with its input.

    steps: of each training; evaluated: images that are only evaluated, in all trainings together.
    """

    recipe: Course
    model: str
    options: dict[str, Any]
    classes: int
    steps: list[int]
    evaluated: int


def costs(checked: Checked, asked: Collection[str], *, draw: bool = True) -> Iterator[tuple[str, Cost]]:
    """Name and cost of the stages that are asked for, in order; the measuring leaves no files.

    checked: the parameters of all stages of the experiment; draw: False leaves out what families' stages write.
    """
    start = time.process_time()  # of a notebook's kernel, estimated by this process's own imports
    stages = {name: catalogue.stages()[name] for name in checked}
    read = {folder for name in asked if stages[name].write for folder in checked[name].inputs()}
    with tempfile.TemporaryDirectory(prefix="ofdb-cost-") as folder:
        for name, parameters in checked.items():
            cost = Cost(0.0)
            if draw and stages[name].write and (name in asked or read & {*stages[name].writes}):
                cost = _of_a_family(stages[name], parameters, Path(folder), _amount(stages[name], checked, parameters))
            elif name in asked and isinstance(parameters, Course):
                cost = _of_a_training(parameters, checked)
            if name in asked:
                yield name, replace(cost, seconds=cost.seconds + start)


def _categories(checked: Checked, parameters: NotebookParameters) -> int:
    """The number of a stage's categories: its own, or that of its input; 0 if unknown."""
    if own := getattr(parameters, "categories", None):
        return int(own)
    for name, other in checked.items():
        if set(catalogue.stages()[name].writes) & set(parameters.inputs()):
            return _categories(checked, other)
    return sum(1 for name in parameters.inputs() for _ in (Path(parameters.out) / name).glob("*.csv"))


def _amount(stage: registry.Stage, checked: Checked, parameters: NotebookParameters) -> int:
    """How much a stage writes: the number of its categories, or what it counts instead."""
    return int(getattr(parameters, stage.counts, None) or 0) or _categories(checked, parameters)


def _of_a_family(stage: registry.Stage, parameters: NotebookParameters, folder: Path, total: int) -> Cost:
    """The cost of writing `total` of what the stage counts, by writing a few and then some into a folder."""
    assert stage.write
    for name in parameters.inputs():  # inputs that the experiment has and no stage before has written
        results = Folder(Path(parameters.out) / name)
        for path in (results.root, results.beside(manifests.MANIFEST)):
            if path.exists() and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    spent, sizes, counts = [], [], [min(count, total) for count in (FEW, SOME)]
    for count in counts:
        few: dict[str, Any] = {stage.counts: count} if hasattr(parameters, stage.counts) else {}
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            stage.write(replace(parameters, out=str(folder), **few))
        spent.append(time.perf_counter() - began)
        sizes.append(sum(files.bytes_of(folder / name) for name in stage.writes))
    each = max(spent[1] - spent[0], 0.0) / max(counts[1] - counts[0], 1)
    kept = sizes[1] * total // counts[1]
    return Cost(spent[0] + each * (total - counts[0]), kept, measured=f"{counts[1]} of {total:,} {stage.counts}")


def _of_a_training(parameters: Course, checked: Checked) -> Cost:
    """The cost of a stage that trains."""
    before = next((other for other in checked.values() if isinstance(other, Pretrain)), None)
    if isinstance(parameters, Finetune):
        work = _tuning(parameters, before)
    elif isinstance(parameters, Segment):
        work = _segmenting(parameters, before)
    else:
        assert isinstance(parameters, Pretrain)
        work = _pretraining(parameters, checked)
    shape = networks.Shape(work.model, work.options, work.recipe.input_size or 0, work.recipe.channels or 0)
    if isinstance(parameters, Segment) or (isinstance(parameters, Pretrain) and parameters.task == "segmentation"):
        network: torch.nn.Module = segmentation.build(shape, 1 + work.classes, width=parameters.decoder, seed=0)
    else:
        network = networks.build(shape, work.classes, seed=0)
    image, size = seconds_an_image(network, work.recipe), sum(4 * weight.numel() for weight in network.parameters())
    copies = 2 if isinstance(parameters, Finetune) else 1  # the last and the best
    many = copies * len(work.steps) * getattr(parameters, "keep_weights", True)
    where = f" on {processes.hardware()['hardware']}" if torch.cuda.is_available() else ""
    return Cost(
        image * (sum(work.steps) * work.recipe.batch_size + FORWARD * work.evaluated),
        kept=many * size,
        meanwhile=STATE * size * parameters.keep,
        measured=f"{sum(work.steps):,} steps of {float(f'{1 / image:.2g}'):,g} images/s{where}",
    )


def _pretraining(parameters: Pretrain, checked: Checked) -> _Work:
    """A pre-training: on the user's own data if they are no archive, else on a sample of each category."""
    count = classes = _categories(checked, parameters) or UNKNOWN
    if (place := parameters.place()) not in registry.sources() and not archive.is_archive(place):
        samples = parameters.samples_in(Path(place))
        count, classes = len(samples), len(samples.classes)
    recipe = parameters.of_samples(count)
    return _Work(recipe, recipe.model, recipe.model_options, classes, [recipe.steps or 0], count)


def _tuning(parameters: Finetune, before: Pretrain | None) -> _Work:
    """Fine-tunings, from the checkpoint or from the pre-training before them."""
    classes, trained, tested = REAL.get(parameters.data, ARCHIVE)
    if Path(parameters.place()).is_dir():
        train, test = finetune.images(parameters)
        classes, trained, tested = len(train.classes), len(train), len(test)
    seen, recipe = _seen(parameters, before)
    trials = finetune.trials(parameters, chooses=True) + finetune.trials(parameters)
    counts = [min(trial.shots * classes, trained) or trained for trial in trials]  # 0 shots: all
    steps = [recipe.of_samples(count).steps or 0 for count in counts]
    evaluations = [1 + ((n - 1) // recipe.evaluate_every if recipe.evaluate_every else 0) for n in steps]
    in_steps = recipe.of_samples(max(counts))
    return _Work(in_steps, seen["model"], seen["options"], classes, steps, tested * sum(evaluations))


def _segmenting(parameters: Segment, before: Pretrain | None) -> _Work:
    """Fine-tunings on masks."""
    classes, trained, tested = MASKED
    if Path(parameters.place()).is_dir():
        train, test = segment.scenes_of(parameters)
        classes, trained, tested = len(train.classes) - 1, len(train), len(test)
    seen, recipe = _seen(parameters, before)
    recipe, many = recipe.of_samples(trained), parameters.repeats * len(parameters.starts)
    evaluated = tested * many * segmentation.EVALUATIONS
    return _Work(recipe, seen["model"], seen["options"], classes, [recipe.steps or 0] * many, evaluated)


def _seen(parameters: Tuning, before: Pretrain | None) -> tuple[dict[str, Any], Tuning]:
    """The facts of the network that is fine-tuned, and the recipe with its input."""
    if before and not parameters.checkpoint:
        seen = {**before.values(), "options": before.model_options}
    else:
        seen = vars(finetune.checkpoint_of(parameters).shape)
    size = {name: getattr(parameters, name) or seen[name] for name in ("input_size", "channels")}
    return seen, parameters.seeing(size)


def seconds_an_image(network: torch.nn.Module, recipe: Course) -> float:
    """Seconds for an image in a step (forward, backward, optimizer): the median of about a second's steps."""
    device, times = processes.state().device, [time.perf_counter()]
    size = min(recipe.batch_size, BATCH) if device.type == "cpu" else recipe.batch_size
    pixels = torch.rand(size, recipe.channels or 3, *[recipe.input_size or 0] * 2, device=device)
    learner = optimizer.build(network.to(device), recipe)[0]
    while len(times) <= STEPS and (len(times) < 3 or times[-1] - times[0] < SECONDS):
        with precision.autocast(recipe.precision, device):
            outputs = network(pixels)  # of images, or of their pixels
            loss = functional.cross_entropy(outputs, torch.zeros_like(outputs[:, 0], dtype=torch.int64))
        loss.backward()
        learner.step()
        learner.zero_grad()
        loss.item()  # waits for the device
        times.append(time.perf_counter())
    return float(np.median(np.diff(times)[min(WARM_UP, len(times) - 2) :])) / size


def table(title: str, found: Iterable[tuple[str, Cost]], *, note: bool = False) -> Iterator[str]:
    """The lines of the costs, each as soon as it is known, and their sum; note: keep the sum in the ledger."""
    yield f"{title}, on {provenance.machine()}:"
    every = []
    for name, cost in found:
        every.append(cost)
        yield _row(name, cost.seconds, cost.kept, cost.measured)
    meanwhile = max((cost.meanwhile for cost in every), default=0)
    price = ledger.Price(sum(cost.seconds for cost in every), sum(cost.kept for cost in every))
    if note:
        ledger.note(title, price)
    yield _row("together", *price, f"and {units.size(meanwhile)} while it trains" if meanwhile else "")


def _row(name: str, seconds: float, kept: int, further: str) -> str:
    return f"  {name:24} {units.duration(seconds):>9} {units.size(kept) if kept else '':>10}  {further}".rstrip()
