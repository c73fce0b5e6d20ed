"""The figures that the papers published, what runs of this project reached, and what each costs: docs/full-size.md.

results/full_size/published.csv has a row for each figure: the experiment that pre-trains and the one that fine-tunes,
or neither, if the figure is there for comparison. `benchmarks.full_size` enters what a run reached into ours.csv.
"""

import functools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks import training
from ofdb_core.base import provenance, units
from ofdb_core.data import real_images, tables
from ofdb_core.run import forecast, parameter_files

RESULTS = provenance.PROJECT / "results"
FOLDER = RESULTS / "full_size"
OURS = FOLDER / "ours.csv"
TUNING = "5_finetune"  # the stage after which an experiment has a figure
MEAN = "mean"  # of a pre-training's other figures in the table
KINDS = ("CPU", "GPU")
STEP = 1 / forecast.FORWARD  # times the operations of a forward pass, for an image of a training
DATA_SHEET = ("NVIDIA A100", 312e12)  # bf16, dense: operations a second
SHARE = 0.1  # of the data sheet's operations that a training is assumed to reach
HEAD = "| fine-tuned on | published, % | ours, % | command | million images | hours, CPU | hours, GPU | disk |"


@dataclass(frozen=True)
class Figure:
    """A published accuracy in percent; pretrain, finetune: experiments. None pre-trains if a network starts afresh."""

    table: str
    pretraining: str
    network: str
    data: str
    figure: float
    source: str
    pretrain: str
    finetune: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The words that name it; a figure may stand in several tables."""
        return (self.pretraining, self.network, self.data)

    @property
    def stages(self) -> list[str]:
        """The stages of its pre-training and of the images for it."""
        return [stage for stage in notebooks(self.pretrain) if stage < TUNING] if self.pretrain else []


class Facts(NamedTuple):
    """A network's name, its number of weights, and the operations of a forward pass of one image."""

    name: str
    weights: int
    forward_flops: int


class Speed(NamedTuple):
    """The images a second of a training on a device, and whether they were measured."""

    images: float
    device: str
    measured: bool


@functools.cache
def values(experiment: str, stage: str) -> dict[str, Any]:
    """The parameters of a stage; they are not to be changed."""
    return parameter_files.values(experiment, stage)


@functools.cache
def notebooks(experiment: str) -> list[str]:
    return parameter_files.notebooks(experiment)


@functools.cache
def figures() -> list[Figure]:
    """Every published figure."""
    return [Figure(**row) for row in tables.read(FOLDER / "published.csv")]


def ours() -> list[tables.Row]:
    """What runs reached, a row for each training."""
    return tables.read(OURS, text=("commit", "pretrain_commit")) if OURS.exists() else []


@functools.cache
def data_sets() -> dict[str, tables.Row]:
    """Name of real images -> classes and test images, of which the published one may be unknown."""
    return {row["data"]: row for row in tables.read(FOLDER / "data_sets.csv")}


@functools.cache
def networks() -> dict[str, Facts]:
    """timm's name of a network -> its facts."""
    return {row.pop("network"): Facts(**row) for row in tables.read(FOLDER / "networks.csv")}


def pretraining_command(figure: Figure) -> str:
    """The command that makes the images and pre-trains."""
    return " ".join(["./run_all.sh", figure.pretrain, *figure.stages])


def tuning_command(figure: Figure) -> str:
    """The command that fine-tunes; DIR stands for a folder of real images that are not downloaded."""
    name, start = figure.finetune.split("/")[1], figure.pretrain or f"from-scratch/{figure.network}"
    if figure.pretrain:
        words = f"-p checkpoint runs/{figure.pretrain}/pretrain"
    else:
        words = f'-p checkpoint timm:{figure.network} -p starts "[from scratch]"'
    own = values(figure.finetune, TUNING)["data"] not in real_images.NAMES
    return f"./run_all.sh {figure.finetune} {words}{' -p data DIR' if own else ''} --out runs/{start}/{name}"


@functools.cache
def measured_speeds() -> dict[tuple[str, str], Speed]:
    """(kind of device, network) -> the highest speed among the measured steps of training."""
    found: dict[tuple[str, str], Speed] = {}
    path = RESULTS / "training.csv"
    for row in tables.read(path) if path.exists() else []:
        kind, name = ("CPU", row["machine"]) if row["device"] == "CPU" else ("GPU", row["device"])
        key = (kind, values(training.CASES[row["case"]][0], "4_pretrain")["model"])
        speed = Speed(row["ofdb_steps_per_s"] * row["batch"], name, True)
        found[key] = max(speed, found.get(key, speed))
    return found


def speed(kind: str, network: str) -> Speed | None:
    """The speed of a network's training: measured, else by the ratio of operations from another network's.

    If no network was measured on a GPU, by the DATA_SHEET of one; None if nothing is known.
    """
    found, facts = measured_speeds(), networks()
    if (kind, network) in found:
        return found[kind, network]
    for other in facts:
        if known := found.get((kind, other)):
            ratio = facts[other].forward_flops / facts[network].forward_flops
            return known._replace(images=known.images * ratio, measured=False)
    if kind == "GPU":
        device, peak = DATA_SHEET
        sheet = f"{device}, by {SHARE:.0%} of the {peak / 1e12:.0f} TFLOPS (bf16) of its data sheet"
        return Speed(SHARE * peak / (STEP * facts[network].forward_flops), sheet, False)
    return None


def _number(value: float) -> str:
    """A number to two digits."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _about(value: float, measured: bool) -> str:
    return f"{'' if measured else '≈ '}{_number(value)}"


def _cost(network: str, recipe: dict[str, Any], *, evaluated: int = 0, kept: float) -> list[str]:
    """Images, hours on each kind of device and disk of a training, as cells.

    evaluated: images that are only evaluated; kept: bytes, beside the states of the unfinished training.
    """
    images = recipe["steps"] * recipe["batch_size"]
    cells = [f"{images / 1e6:,.0f}"]
    for kind in KINDS:
        found = speed(kind, network)
        hours = (images + forecast.FORWARD * evaluated) / found.images / 3600 if found else 0
        cells.append(_about(hours, found.measured) if found else "")
    states = forecast.STATE * 4 * networks()[network].weights * recipe["keep"]
    return [*cells, units.size(round(kept + states))]


def _stored(figure: Figure) -> float:
    """The bytes of a pre-training's images."""
    measured = {row["stage"]: row["mb"] for row in tables.read(FOLDER / "images.csv")}  # of 1,000 categories
    count, total = 0, 0.0
    for stage in figure.stages:
        given = values(figure.pretrain, stage)
        count = given.get("categories") or count
        total += measured.get(stage, 0.0) * 1e3 * count * given.get("instances", 1)
    return total


def _pretraining_row(figure: Figure) -> list[str]:
    name = f"**{figure.pretraining}**, {networks()[figure.network].name}"
    if not figure.finetune:
        return [f"{name}: for comparison", *[""] * 7]
    if not figure.pretrain:
        return [name, *[""] * 7]
    recipe, weights = values(figure.pretrain, "4_pretrain"), 4 * networks()[figure.network].weights
    cost = _cost(figure.network, recipe, kept=_stored(figure) + weights)
    return [name, "", "", f"`{pretraining_command(figure)}`", *cost]


def _tuning_row(figure: Figure, reached: str) -> list[str]:
    cells = [figure.data, f"{figure.figure:.1f}", reached]
    if not figure.finetune:
        return [*cells, *[""] * 5]
    recipe = values(figure.finetune, TUNING)
    times = 1 + (recipe["steps"] - 1) // recipe["evaluate_every"]
    test, weights = data_sets()[figure.data]["test_images"] or 0, 4 * networks()[figure.network].weights
    cost = _cost(figure.network, recipe, evaluated=times * test, kept=2 * weights)  # the last and the best
    return [*cells, f"`{tuning_command(figure)}`", *cost]


def _reached(figure: Figure, rows: list[tables.Row]) -> str:
    """The accuracies of a figure's runs, best and last; if there are several, their means and deviations."""
    own = [row for row in rows if tuple(row[name] for name in ("pretraining", "network", "data")) == figure.key]
    if not own:
        return ""
    best, last = (_mean([row[name] for row in own]) for name in ("best", "last"))
    return f"{best}{f' of {len(own)}' if len(own) > 1 else ''} (last {last})"


def _mean(found: list[float]) -> str:
    return f"{statistics.mean(found):.1f}" + (f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else "")


def _mean_of_all(group: list[Figure], rows: list[tables.Row]) -> str:
    """The mean of the best accuracies on all data sets of a pre-training; nothing while one of them is missing."""
    found = []
    for figure in group:
        best = [row["best"] for row in rows if (row["pretraining"], row["network"], row["data"]) == figure.key]
        if figure.data != MEAN and not best:
            return ""
        found += [statistics.mean(best)] if best else []
    return f"{statistics.mean(found):.1f}"


def groups(name: str) -> Iterator[list[Figure]]:
    """The figures of each pre-training and network in a table, in the file's order."""
    every = [figure for figure in figures() if figure.table == name]
    for pretraining, network in dict.fromkeys((figure.pretraining, figure.network) for figure in every):
        yield [figure for figure in every if (figure.pretraining, figure.network) == (pretraining, network)]


def table(name: str) -> str:
    """One of the papers' tables, as text."""
    lines, rows, sources = [HEAD, "|---" * (HEAD.count("|") - 1) + "|"], ours(), []
    for group in groups(name):
        cells = [_pretraining_row(group[0])]
        for figure in group:
            sources.append(figure.source)
            if figure.data == MEAN:
                reached = _mean_of_all(group, rows)
                cells.append([f"{MEAN} of the {len(group) - 1}", f"{figure.figure:.1f}", reached, *[""] * 5])
            else:
                cells.append(_tuning_row(figure, _reached(figure, rows)))
        lines += [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([*lines, "", f"Source: {'; '.join(dict.fromkeys(sources))}."])


def speeds() -> str:
    """The table of speeds that the hours come from, as text."""
    lines = [
        "| network | GFLOPs, an image in a step | images a second, CPU | images a second, GPU |",
        "|---|---|---|---|",
    ]
    devices = []
    for network, facts in networks().items():
        cells = [facts.name, f"{STEP * facts.forward_flops / 1e9:.1f}"]
        for kind in KINDS:
            found = speed(kind, network)
            cells.append(_about(found.images, found.measured) if found else "not measured")
            devices += [f"{kind}: {found.device}"] if found else []
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{'; '.join(dict.fromkeys(devices))}."])


def progress() -> str:
    """The number of figures that runs have reached, as a sentence."""
    keys = {figure.key for figure in figures() if figure.finetune}
    done = {(row["pretraining"], row["network"], row["data"]) for row in ours()}
    return f"{len(done)} of {len(keys)} figures have been run."


def tables_by_marks() -> list[tuple[tuple[str, str], functools.partial[str]]]:
    """The marks in docs/full-size.md, and what makes the text between them."""
    names = list(dict.fromkeys(figure.table for figure in figures()))
    makers = {name: functools.partial(table, name) for name in names}
    makers |= {"progress": functools.partial(progress), "speeds": functools.partial(speeds)}
    return [((f"<!-- {name} -->", f"<!-- end {name} -->"), made) for name, made in makers.items()]
