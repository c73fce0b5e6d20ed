"""Fine-tuning: the pre-trained network and the same network from scratch learn real images, on equal terms.

Both get the same recipe, images, order and augmentation; they differ in the weights that they start from. It writes to
<out>/finetune: results.csv (a row a training), log.csv, evaluations.csv (accuracy during training), predictions.csv (of
each training, last and best: file, class, predicted class and its probability), confusion.csv (of the last),
classes.csv (accuracy of each class) and, if kept, the last and the best weights of each training with a model card.
"""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ofdb_core.base import provenance, signals
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Header, header
from ofdb_core.batches.source import Batches
from ofdb_core.data import real_images, tables
from ofdb_core.data.samples import Images
from ofdb_core.data.tables import Row
from ofdb_core.stages.recipes import FROM_SCRATCH, PRE_TRAINED, STARTS, Finetune
from ofdb_core.training import (
    evaluation,
    loop,
    model_card,
    networks,
    processes,
    progress,
    timm_config,
    weights,
)
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.states import Store

TABLES = ("results", "log", "evaluations", "classes", "predictions", "confusion")
NAMES = ("name", "file", "class", "predicted")  # columns of names, in predictions.csv and classes.csv


@dataclass(frozen=True)
class Start:
    """What a comparison starts from: images to train on and to test on, the checkpoint, and the hashes of both.

    recipe: the parameters, with the values of the checkpoint's network in place of None.
    """

    train: Images
    test: Images
    checkpoint: Checkpoint
    fingerprint: list[str]
    recipe: Finetune


@dataclass(frozen=True)
class Trial:
    """One training of a comparison: its start, its images a class (0: all), and its repeat."""

    start: str
    shots: int
    repeat: int

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"{self.start}, {self.shots or 'all'} a class, repeat {self.repeat}"

    @property
    def file(self) -> str:
        """Its name in folder names."""
        return f"{self.start.replace(' ', '-')}_{self.shots or 'all'}_{self.repeat}"


@dataclass(frozen=True)
class Trained:
    """The outcome of a training: the model, its log, its evaluations, and its row of results.csv."""

    model: nn.Module
    log: list[Row]
    watch: evaluation.Best
    row: Row


def trials(parameters: Finetune) -> list[Trial]:
    """The trainings of a comparison, in order."""
    starts = [start for start in STARTS if start in parameters.starts]
    order = itertools.product(parameters.shots, range(parameters.repeats), starts)
    return [Trial(start, shots, repeat) for shots, repeat, start in order]


def checkpoint_of(parameters: Finetune) -> Checkpoint:
    """The checkpoint, with the network that the parameters describe."""
    path, shape = parameters.checkpoint_path(), {"input_size": parameters.input_size, "channels": parameters.channels}
    return Checkpoint.open(path, model=parameters.model, options=parameters.model_options, **shape)


def _images(parameters: Finetune) -> list[Images]:
    with processes.state().main_process_first():
        train, test = real_images.images_of(parameters.data, parameters.data_root, parameters.ground)
    _require_several(parameters.data, train.classes)
    return [train, test]


def _require_several(data: str, classes: list[str]) -> None:
    if len(classes) < 2:
        raise ValueError(f"data: {data} has one class, {classes[0]}; a network learns to tell several apart")


def check(parameters: Finetune) -> None:
    """Raise ValueError if data or checkpoint cannot be used; download what this needs.

    In a folder, only the names of classes are read, unless the length of a training is in epochs of all its images.
    """
    loop.check(parameters)
    classes = real_images.classes_of(parameters.data, parameters.data_root, shots=max(parameters.shots))
    _require_several(parameters.data, classes)
    in_steps = parameters.epochs is None and parameters.warmup_epochs is None
    for shots in parameters.shots:
        parameters.of_samples(shots * len(classes) if shots or in_steps else len(_images(parameters)[0]))
    if parameters.checkpoint:
        checkpoint_of(parameters).network(classes, drop_path=parameters.drop_path)


def start(parameters: Finetune) -> Start:
    """Open data and checkpoint; the main process downloads what is missing."""
    train, test = _images(parameters)
    opened = checkpoint_of(parameters)
    hashes = processes.shared(lambda: [weights.fingerprint(opened.path), real_images.fingerprint(parameters.data)])
    return Start(train, test, opened, hashes, parameters.seeing(opened.shape))


def compare(parameters: Finetune, given: Start) -> list[Row]:
    """Fine-tune once for each start, number of shots and repeat, in <out>/finetune; return results.csv's rows.

    A row has start, shots (images a class, 0: all), repeat, accuracy (share of the test images, at the end),
    best_accuracy and best_step (of all evaluations; chosen by test images, as in the original), knn (by the features
    before fine-tuning, if asked for) and name, which predictions.csv has too. A finished folder of the same comparison
    is read instead, and an unfinished one is continued.
    """
    root, states = (Path(parameters.out) / name for name in ("finetune", "checkpoints/finetune"))
    identity = {**given.recipe.makes(), "source": given.fingerprint}
    head = header(identity, _compare, license=None)  # the images have their own
    compare_all = functools.partial(_compare, given.recipe, given, states, head)
    processes.fill_once(root, head, compare_all, states=states, recipe=parameters)
    return tables.read(root / "results.csv")


def _compare(recipe: Finetune, given: Start, states: Path, head: Header) -> tuple[processes.Contents, dict[str, Any]]:
    """Do the trainings to compare; return the files of the result folder, by name, and notes on their speed.

    Only one training at a time is in memory. The main process writes the weights to keep, the last and the best of each
    training, beside the training's states, and moves them to the folder at the end.
    """
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    files: processes.Contents = {}
    speeds = {}
    with signals.Stop():  # between two trainings too: the next one saves and stops
        for trial in trials(recipe):
            store = processes.open_store(states / trial.file, head, recipe)
            trained = _train(recipe, trial, given, store)
            for name, own in _tables(trained, given.test).items():
                rows[name] += own if name == "results" else [{"name": trial.name, **row} for row in own]
            best = evaluation.by_image(trained.watch.best, given.test)
            rows["predictions"] += [{"name": f"{trial.name} (best)", **row} for row in best]
            speeds[trial.name] = progress.speed(trained.log)
            if recipe.keep_weights and processes.state().is_main_process:
                files |= _weights(recipe, trial, given, trained, store)
            del trained
    return {**files, **{f"{name}.csv": tables.to_text(table) for name, table in rows.items()}}, speeds


def _tables(trained: Trained, test: Images) -> dict[str, list[Row]]:
    """The rows of a training in each of the `TABLES`."""
    last = trained.watch.last
    by_class = evaluation.by_class(last.classes, test.labels, test.classes)
    about = ([trained.row], progress.logged(trained.log), trained.watch.rows, by_class)
    own = (*about, evaluation.by_image(last, test), evaluation.confusion(last, test))
    return dict(zip(TABLES, own, strict=True))


def _train(recipe: Finetune, trial: Trial, given: Start, store: Store) -> Trained:
    """Do or continue one training of a comparison."""
    seed = recipe.seed + trial.repeat
    few = given.train.few_shot(trial.shots, seed=seed)
    recipe = recipe.of_samples(len(few))
    model = _network(recipe, trial, given)
    knn = _neighbours(recipe, model, few, given.test) if recipe.knn else None
    watch = evaluation.Best(given.test, recipe, recipe.evaluate_every)
    source = Batches(few, recipe, seed=seed, **processes.share())
    log = loop.fit(model, source, recipe, seed=seed, title=trial.name, store=store, watch=watch)
    best = max(watch.rows, key=lambda row: row["accuracy"])  # the first of equals
    last = watch.rows[-1]["accuracy"]
    on_the_way = f", at best {best['accuracy']:.1%} at step {best['step']}" if recipe.evaluate_every else ""
    print(f"{trial.name}: {last:.1%} of {len(given.test)} test images{on_the_way}")
    where = {"start": trial.start, "shots": trial.shots, "repeat": trial.repeat}
    accuracies = {"accuracy": last, "best_accuracy": best["accuracy"], "best_step": best["step"], "knn": knn}
    return Trained(model, log, watch, {**where, **accuracies, "name": trial.name})


def _network(recipe: Finetune, trial: Trial, given: Start) -> nn.Module:
    """The network that a training starts from."""
    classes = given.train.classes
    how: dict[str, Any] = {"drop_path": recipe.drop_path, "seed": recipe.seed + trial.repeat}
    if trial.start == PRE_TRAINED:
        model, left = given.checkpoint.network(classes, **how)
        for line in left:
            print(f"{trial.name}: {line}")
    else:
        model = given.checkpoint.untrained(len(classes), **how)
    if recipe.head_only:
        networks.freeze_trunk(model)
    return model


def _neighbours(recipe: Finetune, model: nn.Module, train: Images, test: Images) -> float:
    """The accuracy of the features' nearest neighbours before fine-tuning."""
    model.to(processes.state().device)
    predicted = evaluation.nearest_neighbours(model, train, test, recipe, recipe.knn)
    return evaluation.accuracy(predicted, test.labels)


def _weights(recipe: Finetune, trial: Trial, given: Start, trained: Trained, store: Store) -> processes.Contents:
    """By name: the last (model) and best weights of a training, kept in its store, config.json and model card."""
    model, row = trained.model, trained.row
    facts = {**given.checkpoint.shape, **weights.seen(recipe), "classes": given.test.classes}
    weights_hash, data = given.fingerprint
    start = {"start": trial.start, "starting weights": weights_hash if trial.start == PRE_TRAINED else None}
    results = {
        "test accuracy of model.safetensors": row["accuracy"],
        "test accuracy of best.safetensors": row["best_accuracy"],
        "step of best.safetensors": row["best_step"],
    }
    last, config = store.aside("last", weights.to_bytes(model, facts)), timm_config.text(model, facts)
    model.load_state_dict(trained.watch.weights)
    name = given.checkpoint.path
    about: dict[str, Any] = {
        "recipe": {**start, **recipe.makes()},
        "data": {"name": Path(recipe.data).name, "hash": data},
        "base_model": name.partition(":")[2] if trial.start == PRE_TRAINED and weights.is_published(name) else None,
        "others": {"best.safetensors": "The weights of the best step"},
    }
    cost = {**processes.hardware(), **progress.speed(trained.log)}
    files: processes.Contents = {
        "model.safetensors": last,
        "config.json": config,
        "best.safetensors": store.aside("best", weights.to_bytes(model, facts)),
        "README.md": model_card.text(facts, results=results, cost=cost, **about),
    }
    return {f"{trial.file}/{name}": content for name, content in files.items()}


@dataclass(frozen=True)
class Comparison:
    """The tables of a comparison, arranged for figures and for the record."""

    parameters: Finetune
    results: list[Row]

    @property
    def root(self) -> Path:
        """The folder of the tables."""
        return Path(self.parameters.out) / "finetune"

    @property
    def outdated(self) -> bool:
        """Whether earlier code made the tables."""
        return Folder(self.root).manifest()["code"] != provenance.code_version(_compare)

    def table(self, name: str) -> list[Row]:
        """The rows of <name>.csv."""
        return tables.read(self.root / f"{name}.csv")

    def first_repeat(self, name: str, trainings: int | None = None) -> dict[str, list[Row]]:
        """Training -> its rows of <name>.csv, for the first repeat, or for only its first n trainings."""
        rows, names = self.table(name), [row["name"] for row in self.results if row["repeat"] == 0]
        return {training: [row for row in rows if row["name"] == training] for training in names[:trainings]}

    def values(self, column: str, start: str, shots: int) -> list[float]:
        """A column of results.csv for one start and number of shots, a value a repeat; empty if there is none."""
        values = [row[column] for row in self.results if (row["start"], row["shots"]) == (start, shots)]
        return [] if "" in values else values

    def accuracies(self) -> dict[str, dict[str, list[float]]]:
        """Images a class -> start -> accuracies, a value a repeat."""
        given = self.parameters
        return {
            f"{count or 'all'} images a class": {start: self.values("accuracy", start, count) for start in given.starts}
            for count in given.shots
        }

    def predictions(self) -> dict[str, list[Row]]:
        """Training, or training (best) -> its rows of predictions.csv, with class and predicted, one for each image."""
        rows = tables.read(self.root / "predictions.csv", text=NAMES)
        return {
            name: [row for row in rows if row["name"] == name] for name in dict.fromkeys(row["name"] for row in rows)
        }

    def reached(self) -> dict[str, float]:
        """Training, or training (best) -> its accuracy in results.csv."""
        last = {row["name"]: row["accuracy"] for row in self.results}
        return last | {f"{row['name']} (best)": row["best_accuracy"] for row in self.results}

    def headline(self) -> str:
        """The outcome in a sentence, for the fewest images a class: there pre-training matters most."""
        given = self.parameters
        shots = min(given.shots, key=lambda count: count or np.inf)
        means = {start: np.mean(self.values("accuracy", start, shots)) for start in given.starts}
        told = [f"{self._told('accuracy', start, shots)} {start}" for start in means]
        gain = f": {100 * (means[PRE_TRAINED] - means[FROM_SCRATCH]):+.1f} points" if len(means) == 2 else ""
        return f"{Path(given.data).name}, {shots or 'all'} images a class: {' against '.join(told)}{gain}"

    def _told(self, column: str, start: str, shots: int) -> str:
        """Mean and standard deviation of a group of repeats."""
        values = self.values(column, start, shots)
        spread = f" ± {np.std(values, ddof=1):.1%}" if len(values) > 1 else ""
        return f"{np.mean(values):.1%}{spread}"

    def in_words(self) -> dict[str, str]:
        """Mean and standard deviation of every group of repeats, as name -> value for a reader."""
        words = {}
        for column in ("accuracy", "best_accuracy", "knn"):
            for count, start in itertools.product(self.parameters.shots, self.parameters.starts):
                values = self.values(column, start, count)
                if values and (column != "best_accuracy" or self.parameters.evaluate_every):
                    suffix = "" if column == "accuracy" else f", {column.replace('_', ' ')}"
                    words[f"{start}, {count or 'all'} images a class{suffix}"] = self._told(column, start, count)
        made = Folder(self.root).manifest()
        return {**words, "trained by code": made["code"]}
