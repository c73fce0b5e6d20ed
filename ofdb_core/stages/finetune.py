"""Fine-tuning: the pre-trained network and the same network from scratch learn real images, on equal terms.

Both get the same recipe, images, order and augmentation; they differ in the weights that they start from and, if there
are several to choose from, in their learning rates. It writes to <out>/finetune: results.csv (a row a training),
baselines.csv (what the same images tell without training), choices.csv (learning rates that were tried), log.csv,
evaluations.csv (accuracy during training), predictions.csv (of each training, last and best: file, class, predicted
class and its probability), probabilities.npz (of all classes, last), confusion.csv (of the last), classes.csv (accuracy
of each class) and, if kept, the last and the best weights of each training with a model card.
"""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ofdb_core.base import folder, signals
from ofdb_core.base.manifests import Header, header
from ofdb_core.batches.source import Batches
from ofdb_core.data import real_images, tables
from ofdb_core.data.samples import Images, Samples, Single
from ofdb_core.data.tables import Row
from ofdb_core.show import augmentation
from ofdb_core.stages.recipes import FROM_SCRATCH, PRE_TRAINED, SHIPPED, STARTS, Finetune, Segment
from ofdb_core.training import baselines, evaluation, loop, model_card, networks, processes, progress, weights
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.states import Store

TABLES = ("results", "log", "evaluations", "classes", "predictions", "confusion")  # of each training
FROZEN = {  # features as baselines
    PRE_TRAINED: "frozen, pre-trained",
    SHIPPED: "frozen, shipped",
    FROM_SCRATCH: "frozen, random weights",
}
SMALL = "ofdb:small"  # the checkpoint of `SHIPPED`
INPUT = {"input_size": Finetune.defaults()["input_size"]}  # where the checkpoint is not known yet


@dataclass(frozen=True)
class Hashes:
    """The hashes of what a comparison reads: by start, the files of weights; the real images; PixMix's pictures."""

    weights: dict[str, str]
    images: str
    pictures: str | None


@dataclass(frozen=True)
class Start:
    """What a comparison starts from: images to train on and to test on, the checkpoint, and the hashes of both.

    recipe: the parameters, with the values of the checkpoint's network in place of None; pictures: those that PixMix
    mixes images with.
    """

    train: Images
    test: Images
    checkpoint: Checkpoint
    hashes: Hashes
    recipe: Finetune
    pictures: Samples | None = None

    @property
    def fingerprint(self) -> list[str]:
        """The hashes in the order in which manifests have them."""
        own, *others = self.hashes.weights.values()
        return [own, self.hashes.images, *others, *filter(None, [self.hashes.pictures])]


@dataclass(frozen=True)
class Trial:
    """One training of a comparison: its start, its images a class (0: all), its repeat, and its learning rate.

    chooses: a fifth of the training images is held out for validation, to choose the learning rate.
    """

    start: str
    shots: int
    repeat: int
    rate: float
    chooses: bool = False

    @property
    def name(self) -> str:
        """Its name in the tables."""
        suffix = f", learning rate {self.rate:g}" if self.chooses else ""
        return f"{self.start}, {self.shots or 'all'} a class, repeat {self.repeat}{suffix}"

    @property
    def file(self) -> str:
        """Its name in folder names."""
        suffix = f"_{self.rate:g}" if self.chooses else ""
        return f"{self.start.replace(' ', '-')}_{self.shots or 'all'}_{self.repeat}{suffix}"


@dataclass(frozen=True)
class Trained:
    """The outcome of a training: the model, its log, its evaluations, and its row of results.csv."""

    model: nn.Module
    log: list[Row]
    watch: evaluation.Best
    row: Row


def trials(parameters: Finetune, *, chooses: bool = False) -> list[Trial]:
    """The trainings of a comparison, in order, by `learning_rate`; or those that choose from `learning_rates`."""
    starts = [start for start in STARTS if start in parameters.starts]
    rates = parameters.learning_rates if chooses else [parameters.learning_rate]
    order = itertools.product(parameters.shots, range(parameters.repeats), starts, rates)
    return [Trial(start, shots, repeat, rate, chooses) for shots, repeat, start, rate in order]


def checkpoint_of(parameters: Finetune | Segment) -> Checkpoint:
    """The checkpoint, with the network that the parameters describe."""
    path, shape = parameters.checkpoint_path(), {"input_size": parameters.input_size, "channels": parameters.channels}
    return Checkpoint.open(path, model=parameters.model, options=parameters.model_options, **shape)


def images(parameters: Finetune) -> list[Images]:
    """The images to train on and to test on; they are decoded for `input_size`, or for the default one."""
    known = parameters if parameters.input_size else parameters.seeing({**parameters.values(), **INPUT})
    with processes.state().main_process_first():
        readings = known.reading_crops(), known.reading()
        train, test = real_images.images_of(parameters.place(), parameters.data_root, *readings)
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
    classes = real_images.classes_of(parameters.place(), parameters.data_root, shots=max(parameters.shots))
    _require_several(parameters.data, classes)
    in_steps = parameters.epochs is None and parameters.warmup_epochs is None
    for shots in parameters.shots:
        parameters.of_samples(shots * len(classes) if shots or in_steps else len(images(parameters)[0]))
    if parameters.checkpoint:
        opened = checkpoint_of(parameters)
        opened.network(classes, drop_path=parameters.drop_path)
        if SHIPPED in parameters.starts:
            shipped_like(opened)


def shipped_like(other: Checkpoint) -> Checkpoint:
    """The checkpoint that comes with the package; a ValueError if its network is not that of the other one."""
    own = Checkpoint.open(SMALL, input_size=other.shape.input_size, channels=other.shape.channels)
    if own.shape != other.shape:
        raise ValueError(f"starts: {SHIPPED} is a {own.shape.model} with {own.shape.options}, the checkpoint is not")
    return own


def files_of_weights(parameters: Finetune | Segment, opened: Checkpoint) -> dict[str, str]:
    """Start -> the file that it takes its weights from; the checkpoint's is the first."""
    shipped = {SHIPPED: shipped_like(opened).path} if SHIPPED in parameters.starts else {}
    return {PRE_TRAINED: opened.path, **shipped}


def start(parameters: Finetune) -> Start:
    """Open the data and the checkpoint; the main process downloads what is missing."""
    opened = checkpoint_of(parameters)
    recipe = parameters.seeing(vars(opened.shape))
    train, test = images(recipe)
    paths = files_of_weights(parameters, opened)
    mixing = parameters.pixmix_data and Path(parameters.out) / parameters.pixmix_data

    def hashed() -> Hashes:
        of_weights = {start: weights.fingerprint(path) for start, path in paths.items()}
        of_images = real_images.fingerprint(parameters.place())
        return Hashes(of_weights, of_images, folder.fingerprint(mixing) if mixing else None)

    hashes, pictures = processes.shared(hashed), parameters.mixing_pictures(parameters.out)
    return Start(train, test, opened, hashes, recipe, pictures)


def compare(parameters: Finetune, inputs: Start) -> list[Row]:
    """Fine-tune once for each start, number of shots and repeat, in <out>/finetune; return results.csv's rows.

    A row has start, shots (images a class, 0: all), repeat, learning_rate, accuracy (share of the test images, at the
    end), top5 (of more than five classes), best_accuracy and best_step (of all evaluations; chosen by test images, as
    in the original), test_images, classes and name, which predictions.csv has too. A finished folder of the same
    comparison is read instead, and an unfinished one is continued.
    """
    return compared("finetune", parameters, inputs, train_all)


def compared(name: str, parameters: Finetune | Segment, inputs: Any, train: Callable[..., processes.Made]) -> list[Row]:
    """The rows of <out>/<name>/results.csv; train(inputs, states, head) does the trainings, if they are not done."""
    root, states = Path(parameters.out) / name, Path(parameters.out) / "checkpoints" / name
    identity = {**inputs.recipe.makes(), "source": inputs.fingerprint}
    head = header(identity, train, *parameters.code(), license=None)  # the images have their own
    processes.fill_once(root, head, lambda: train(inputs, states, head), states=states, recipe=parameters)
    return tables.read(root / "results.csv")


def train_all(inputs: Start, states: Path, head: Header) -> processes.Made:
    """Do the trainings to compare; return the files of the result folder, by name, and notes on their speed.

    Only one training at a time is in memory. The main process writes the weights to keep, the last and the best of each
    training, beside the training's states, and moves them to the folder at the end.
    """
    recipe, files = inputs.recipe, processes.Contents()
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    speeds, guesses = {}, {}
    if recipe.baselines and (known := _baselines(recipe, inputs)):
        rows["baselines"] = known
    with signals.Stop():  # between two trainings too: the next one saves and stops
        if recipe.learning_rates:
            rows["choices"] = [
                _train(recipe, trial, inputs, processes.open_store(states / trial.file, head, recipe)).row
                for trial in trials(recipe, chooses=True)
            ]
        for trial in trials(recipe):
            trial = replace(trial, rate=_best_rate(rows.get("choices", []), trial))
            store = processes.open_store(states / trial.file, head, recipe)
            trained = _train(recipe, trial, inputs, store)
            guesses[trial.name] = trained.watch.last
            rows["results"].append(trained.row)
            for table, own in zip(TABLES[1:], _tables(trained, inputs.test), strict=True):
                rows[table] += [{"name": trial.name, **row} for row in own]
            best = evaluation.by_image(trained.watch.best, inputs.test)
            rows["predictions"] += [{"name": f"{trial.name} (best)", **row} for row in best]
            speeds[trial.name] = progress.speed(trained.log)
            if recipe.keep_weights and processes.state().is_main_process:
                files |= _weights(recipe, trial, inputs, trained, store)
            del trained
    files["probabilities.npz"] = evaluation.probabilities(guesses)
    return {**files, **{f"{name}.csv": tables.to_text(table) for name, table in rows.items()}}, speeds


def _best_rate(choices: list[Row], trial: Trial) -> float:
    """The learning rate of the best mean on the held-out images; the first of equals; without a choice, the trial's."""
    of_start = [row for row in choices if (row["start"], row["shots"]) == (trial.start, trial.shots)]
    by_rate: dict[float, list[float]] = {}
    for row in of_start:
        by_rate.setdefault(row["learning_rate"], []).append(row["accuracy"])
    return max(by_rate, key=lambda rate: np.mean(by_rate[rate])) if by_rate else trial.rate


def _baselines(recipe: Finetune, inputs: Start) -> list[Row]:
    """A row for each baseline, number of shots and repeat: features, judge, shots, repeat and accuracy."""
    rows: list[Row] = []
    device, pixels = processes.state().device, functools.cache(lambda: baselines.raw_pixels(inputs.test, recipe))
    for shots, repeat in itertools.product(recipe.shots, range(recipe.repeats)):
        few = inputs.train.few_shot(shots, seed=recipe.seed + repeat)
        if len(few) > baselines.MOST:
            print(f"baselines: none, since {len(few):,} training images are more than {baselines.MOST:,}")
            continue
        known: dict[str, list[np.ndarray]] = {}
        if shots or not repeat:  # of all images, each repeat has the same pixels
            known[baselines.RAW_PIXELS] = [baselines.raw_pixels(few, recipe), pixels()]
        for start in recipe.starts:
            model = network(recipe, Trial(start, shots, repeat, recipe.learning_rate), inputs).to(device)
            known |= frozen_features(FROZEN[start], model, [few, inputs.test], recipe)
        for name, (seen, unseen) in known.items():
            labelled = seen, few.labels, unseen, inputs.test.labels
            found = processes.shared(functools.partial(baselines.accuracies, *labelled, seed=recipe.seed + repeat))
            about = {"features": name, "shots": shots, "repeat": repeat}
            rows += [{**about, "judge": judge, "accuracy": accuracy} for judge, accuracy in found.items()]
    return rows


def frozen_features(name: str, model: nn.Module, sets: list[Images], recipe: Finetune) -> dict[str, list[np.ndarray]]:
    """Features of the images in each set, by name: the head's input, and the middle block where that can be read."""
    found = {name: [evaluation.features(model, images, recipe) for images in sets]}
    if hasattr(model, "forward_intermediates"):
        read = functools.partial(evaluation.features, model, recipe=recipe, read=evaluation.middle)
        width = read(Single(sets[0], 0)).shape[1]
        if width * sum(map(len, sets)) <= baselines.MOST_VALUES:
            found[f"{name}, middle block"] = [read(images) for images in sets]
        else:
            print(f"baselines: not the middle block of {name}, since it has {width:,} values of each image")
    return found


def _tables(trained: Trained, test: Images) -> tuple[list[Row], ...]:
    """The rows of a training in each of the `TABLES` after the first."""
    last = trained.watch.last
    by_class = evaluation.by_class(last.classes, test.labels, test.classes)
    judged = (by_class, evaluation.by_image(last, test), evaluation.confusion(last, test))
    return (progress.logged(trained.log), trained.watch.rows, *judged)


def _train(recipe: Finetune, trial: Trial, inputs: Start, store: Store) -> Trained:
    """Do or continue one training of a comparison."""
    seed = recipe.seed + trial.repeat
    few, test = inputs.train.few_shot(trial.shots, seed=seed), inputs.test
    if trial.chooses:
        few, test = few.held_out(seed=seed)
    recipe = replace(recipe.of_samples(len(few)), learning_rate=trial.rate)
    model = network(recipe, trial, inputs)
    watch = evaluation.Best(test, recipe, 0 if trial.chooses else recipe.evaluate_every)
    source = Batches(few, recipe, seed=seed, pictures=inputs.pictures, share=processes.share())
    log = loop.fit(model, source, recipe, seed=seed, title=trial.name, store=store, watch=watch)
    best = max(watch.rows, key=lambda row: row["accuracy"])  # the first of equals
    last = watch.rows[-1]["accuracy"]
    on_the_way = f", at best {best['accuracy']:.1%} at step {best['step']}" if len(watch.rows) > 1 else ""
    print(f"{trial.name}: {last:.1%} of {len(test)} {'held-out' if trial.chooses else 'test'} images{on_the_way}")
    where = {"start": trial.start, "shots": trial.shots, "repeat": trial.repeat, "learning_rate": trial.rate}
    reached = {"accuracy": last, "top5": evaluation.top5(watch.last.probabilities, test.labels)}
    of_best = {"best_accuracy": best["accuracy"], "best_step": best["step"]}
    counts = {"test_images": len(test), "classes": len(test.classes)}
    return Trained(model, log, watch, {**where, **reached, **of_best, **counts, "name": trial.name})


def network(recipe: Finetune, trial: Trial, inputs: Start) -> nn.Module:
    """The network that a training starts from."""
    classes = inputs.train.classes
    how: dict[str, Any] = {"drop_path": recipe.drop_path, "seed": recipe.seed + trial.repeat}
    if trial.start != FROM_SCRATCH:
        checkpoint = inputs.checkpoint if trial.start == PRE_TRAINED else shipped_like(inputs.checkpoint)
        model, left = checkpoint.network(classes, **how)
        for line in left:
            print(f"{trial.name}: {line}")
    else:
        model = networks.build(inputs.checkpoint.shape, len(classes), **how)
    if recipe.head_only:
        networks.freeze_trunk(model)
    return model


def _weights(recipe: Finetune, trial: Trial, inputs: Start, trained: Trained, store: Store) -> processes.Contents:
    """By name: the last (model) and best weights of a training, kept in its store, config.json and model card."""
    model, row = trained.model, trained.row
    facts = weights.facts(inputs.checkpoint.shape, recipe, inputs.test.classes)
    start = {"start": trial.start, "starting weights": inputs.hashes.weights.get(trial.start)}
    results = {
        "test accuracy of model.safetensors": row["accuracy"],
        "test accuracy of best.safetensors": row["best_accuracy"],
        "step of best.safetensors": row["best_step"],
    }
    name = inputs.checkpoint.path
    about: dict[str, Any] = {
        "seen": augmentation.seen(recipe, trained.log[-1]["step"]),
        "recipe": {**start, **recipe.makes()},
        "data": {"name": Path(recipe.data).name, "hash": inputs.hashes.images},
        "base_model": name.partition(":")[2] if trial.start == PRE_TRAINED and weights.is_published(name) else None,
        "others": {"best.safetensors": "The weights of the best step"},
    }
    files = model_card.beside(model, facts, results=results, cost=progress.cost(trained.log), **about)
    files["model.safetensors"] = store.aside("last", weights.to_bytes(model, facts))
    model.load_state_dict(trained.watch.weights)
    files["best.safetensors"] = store.aside("best", weights.to_bytes(model, facts))
    return {f"{trial.file}/{name}": content for name, content in files.items()}
