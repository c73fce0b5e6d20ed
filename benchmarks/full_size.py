"""python -m benchmarks.full_size RUN: enter what a finished run reached beside the published figure of its recipe.

RUN is the folder of a fine-tuning. Its checkpoint leads to the run that pre-trained, unless it did so itself. A run
that is not finished, or that differs from every published recipe, is refused with the reason. The result goes to
results/full_size/ours.csv, and from there into docs/full-size.md.
"""

import argparse
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import pages, published
from benchmarks.published import TUNING, Figure
from ofdb_core.base import folder, manifests, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.record import Entry
from ofdb_core.data import real_images, tables
from ofdb_core.run import catalogue
from ofdb_core.stages.comparison import TEXT
from ofdb_core.stages.recipes import FROM_SCRATCH
from ofdb_core.training import places, weights

PRETRAINING = "4_pretrain"
KEY = ("pretraining", "network", "data", "pretrain_seed", "seed")  # a result replaces that of the same training
FREE = {  # values that may be any: seeds, the numerics of the machine, and what else the same run does
    *("seed", "precision", "compile", "gradient_checkpointing", "device_batch"),
    *("starts", "shots", "repeats", "knn", "keep_weights"),
}
OF_THE_START = {"checkpoint", "model"}  # of fine-tuning: looked up in the run that pre-trained
MOST = 8  # differences that a refusal names


@dataclass(frozen=True)
class Run:
    """A finished fine-tuning, and the entries of the run that pre-trained its checkpoint; none: nobody's here.

    network: timm's name of it.
    """

    root: Path
    tuning: Entry
    before: dict[str, Entry]
    network: str

    def table(self, name: str) -> list[tables.Row]:
        """One of the tables of the fine-tuning."""
        return tables.read(self.root / "finetune" / f"{name}.csv", text=TEXT)


def enter(root: Path) -> list[tables.Row]:
    """Enter the results of a run; return their rows."""
    run = opened(root)
    rows = [_row(run, training) for training in _trainings(run)]
    new = {tuple(row[name] for name in KEY) for row in rows}
    others = [row for row in published.ours() if tuple(row[name] for name in KEY) not in new]
    every = [*others, *rows]
    tables.write(published.OURS, sorted(every, key=lambda row: tuple(str(row[name]) for name in KEY)))
    pages.write_tables()
    return rows


def opened(root: Path) -> Run:
    """A finished run, with its files as they were written; SystemExit says what is missing."""
    entries = record.read(root)
    tuning = _finished(root, entries, TUNING)
    given = tuning["parameters"]
    checkpoint = given["checkpoint"]
    if checkpoint is not None and weights.is_published(checkpoint):
        return Run(root, tuning, {}, given["model"] or checkpoint.partition(":")[2])
    home = root if checkpoint is None else _home(root, tuning, checkpoint)
    before = record.read(home)
    _finished(home, before, PRETRAINING)
    return Run(root, tuning, before, before[PRETRAINING]["parameters"]["model"])


def _finished(root: Path, entries: dict[str, Entry], stage: str) -> Entry:
    """The entry of a stage that has run to its end, whose folders are as it wrote them.

    Images that it read may be gone; the record says whether they were those of the stages before.
    """
    if stage not in entries:
        raise SystemExit(f"{root}: {stage} has not run to its end; the command that started it goes on")
    entry = entries[stage]
    for name, digest in entry["writes"].items():
        if problems := Folder(root / name).verify(digest):
            raise SystemExit(f"{root / name}: {problems[0]}; run {stage} again")
    for other, earlier in entries.items():
        for name, digest in earlier["writes"].items():
            if entry["reads"].get(name, digest) != digest:
                raise SystemExit(f"{root}: {stage} read {name} before {other} wrote it anew; run {stage} again")
    return entry


def _home(root: Path, tuning: Entry, checkpoint: str) -> Path:
    """The folder of the run that made a checkpoint, which is still the one that was read."""
    path = (root / checkpoint.removeprefix(places.FOLDER)).resolve()
    home = next((each for each in path.parents if (each / record.FILE).is_file()), None)
    if home is None or path not in (home / "pretrain", home / "pretrain" / places.WEIGHTS):
        raise SystemExit(f"{root}: checkpoint: {path} is not what a pre-training of this project left at its end")
    if tuning["reads"].get(checkpoint) != folder.fingerprint(path):
        raise SystemExit(f"{root}: checkpoint: {path} has changed since it was read; fine-tune again")
    return home


def _trainings(run: Run) -> list[tables.Row]:
    """The rows of results.csv that trained on all images."""
    if found := [row for row in run.table("results") if row["shots"] == 0]:
        return found
    raise SystemExit(f"{run.root}: shots: {run.tuning['parameters']['shots']}, published: all images")


def _row(run: Run, training: tables.Row) -> tables.Row:
    """A training as a row of ours.csv; SystemExit if its recipe is not a published one."""
    scratch = training["start"] == FROM_SCRATCH
    if not scratch and not run.before:
        raise SystemExit(f"{run.root}: its checkpoint was not pre-trained here, so its recipe is not known")
    rivals = [each for each in published.figures() if each.finetune and (not each.pretrain) == scratch]
    counts = {
        name: sum(row["name"] == training["name"] for row in run.table(name)) for name in ("classes", "predictions")
    }
    differing = {figure: list(_differences(run, counts, figure)) for figure in rivals}
    nearest = min(differing, key=lambda figure: len(differing[figure]))
    if sentences := differing[nearest]:
        more = [f"and {len(sentences) - MOST} more"] if len(sentences) > MOST else []
        what = f"{nearest.pretraining} on {nearest.data}, the nearest published recipe"
        raise SystemExit("\n  ".join([f"{run.root}: differs from {what}:", *sentences[:MOST], *more]))
    tuning, before = run.tuning, None if scratch else run.before[PRETRAINING]
    return {
        **dict(zip(("pretraining", "network", "data"), nearest.key, strict=True)),
        "best": f"{100 * training['best_accuracy']:.2f}",
        "last": f"{100 * training['accuracy']:.2f}",
        "best_step": training["best_step"],
        "steps": tuning["parameters"]["steps"],
        "seed": tuning["parameters"]["seed"] + training["repeat"],
        "commit": tuning["commit"],
        "pretrain_steps": before["parameters"]["steps"] if before else "",
        "pretrain_seed": before["parameters"]["seed"] if before else "",
        "pretrain_commit": before["commit"] if before else "",
        "pretrain_machine": before["machine"] if before else "",
        "date": tuning["started"][:10],
        "machine": tuning["machine"],
        "versions": " ".join(f"{name}={version}" for name, version in tuning["versions"].items()),
    }


def _differences(run: Run, counts: dict[str, int], figure: Figure) -> Iterator[str]:
    """A sentence for each value in which a training differs from a published recipe.

    counts: rows of the tables of classes and of predictions.
    """
    for stage in figure.stages:
        if stage not in run.before:
            yield f"{stage}: has not run"
        else:
            yield from _of_stage(stage, run.before[stage]["parameters"], published_recipe(figure.pretrain, stage))
    if run.network != figure.network:
        yield f"network: {run.network}, published {figure.network}"
    recipe = published_recipe(figure.finetune, TUNING)
    recipe = {name: value for name, value in recipe.items() if name not in OF_THE_START}
    yield from _of_stage(TUNING, run.tuning["parameters"], recipe)
    facts = published.data_sets()[figure.data]
    for table, name in (("classes", "classes"), ("predictions", "test_images")):
        if facts[name] not in ("", counts[table]):
            yield f"{TUNING}.data: {counts[table]} {name.replace('_', ' ')}, published {facts[name]}"


@functools.cache
def published_recipe(experiment: str, stage: str) -> dict[str, Any]:
    """The values of an experiment's stage that its results depend on, as a record has them."""
    kind, given = catalogue.stages()[stage].parameters, published.values(experiment, stage)
    if stage != TUNING or given["data"] in real_images.NAMES:
        return manifests.portable(kind.of(given).makes())
    recipe = manifests.portable(kind.of({**given, "data": "digits"}).makes())
    return {name: value for name, value in recipe.items() if name != "data"}  # the reader's folder has any name


def _of_stage(stage: str, ran: dict[str, Any], recipe: dict[str, Any]) -> Iterator[str]:
    for name, value in recipe.items():
        if name not in FREE and ran.get(name) != value:
            yield f"{stage}.{name}: {ran.get(name)!r}, published {value!r}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__.splitlines()[0])
    parser.add_argument("run", metavar="RUN", type=Path, help="the folder of a finished fine-tuning")
    for entered in enter(parser.parse_args().run):
        words = f"{entered['pretraining']} on {entered['data']}"
        print(f"{words}: best {entered['best']} %, last {entered['last']} %, entered")
