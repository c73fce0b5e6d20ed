"""Fine-tuning: the pre-trained network and the same network from scratch learn real images, on equal terms.

Both get the same recipe, images, order and augmentation; they differ in the weights that they start from. What it
leaves in <out>/finetune: results.csv (a row a training), log.csv, evaluations.csv (accuracy on the way),
predictions.csv (of all test images by each training), classes.csv (accuracy of each class) and, where they are kept,
the last and the best weights of each training with a model card.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ofdb_core import (
    card,
    checkpoint,
    evaluation,
    folder,
    loading,
    networks,
    processes,
    progress,
    real,
    record,
    signals,
    train,
    weights,
)

PRE_TRAINED, FROM_SCRATCH = STARTS = ("pre-trained", "from scratch")


@dataclass(frozen=True)
class Trial:
    """One training of a comparison: from where it starts, with how many images a class (0: all), and which repeat."""

    start: str
    shots: int
    repeat: int

    @property
    def name(self):
        return f"{self.start}, {self.shots or 'all'} a class, repeat {self.repeat}"

    @property
    def file(self):
        return f"{self.start.replace(' ', '-')}_{self.shots or 'all'}_{self.repeat}"


@dataclass(frozen=True)
class Done:
    """What came of a training: the model, its log, the evaluations on the way, and its row of results.csv."""

    model: nn.Module
    log: list
    watch: evaluation.Best
    row: dict


def trials(recipe):
    """The trainings of a `recipe.Finetune`, in order."""
    order = itertools.product(
        recipe.shots, range(recipe.repeats), [start for start in STARTS if start in recipe.starts]
    )
    return [Trial(start, shots, repeat) for shots, repeat, start in order]


def root_of(recipe):
    """The folder that a `recipe.Finetune` fills."""
    return Path(recipe.out) / "finetune"


def images_of(recipe):
    """Training and test images of a recipe, as `samples.Images`; the main process fetches what is to be fetched."""
    with processes.state().main_process_first():
        return real.images_of(recipe.data, real.root_of(recipe))


def check(recipe):
    """A ValueError where a recipe's data or checkpoint cannot be used; what must be downloaded for that is."""
    images, _ = images_of(recipe)
    for shots in recipe.shots:
        images.few_shot(shots, seed=recipe.seed)
    if recipe.checkpoint:
        path, asked = weights.asked(recipe)
        weights.load(path, classes=len(images.classes), **asked, drop_path=recipe.drop_path)


def compare(recipe):
    """Fine-tune by a `recipe.Finetune`, once for each start, number of shots and repeat; return results.csv's rows.

    A row has start, shots (images a class, 0: all), repeat, accuracy (share of the test images, at the end),
    best_accuracy and best_step (of the evaluations on the way; chosen by test images, as the original does), knn (by
    the features before fine-tuning, where asked for) and name, which is the training's column in predictions.csv. A
    folder that holds the same comparison, finished, is read instead, and an unfinished one is gone on with.
    """
    root, states = root_of(recipe), Path(recipe.out) / "checkpoints" / "finetune"
    images = images_of(recipe)
    path, _ = weights.asked(recipe)
    source = processes.shared(lambda: [weights.fingerprint(path), real.fingerprint(recipe.data)])
    head = folder.header({**recipe.identity(), "source": source}, "finetune")
    processes.fill_once(root, head, lambda: _compare(recipe, images, states, head), states=states)
    return record.read_csv(root / "results.csv")


def _compare(recipe, images, states, head):
    results, logs, evaluations, classes, speeds, files = [], [], [], [], {}, {}
    _, test_images = images
    predictions = {"label": test_images.labels.tolist()}
    with signals.Stop():  # between two trainings too: the next one saves and stops
        for trial in trials(recipe):
            done = _one(recipe, trial, images, checkpoint.open_store(states / trial.file, head, recipe))
            watch = done.watch
            results.append(done.row)
            logs += [{"name": trial.name, **{key: row[key] for key in progress.LOGGED}} for row in done.log]
            evaluations += [{"name": trial.name, **row} for row in watch.rows]
            predictions |= {trial.name: watch.last.tolist(), f"{trial.name} (best)": watch.best.tolist()}
            by_class = evaluation.by_class(watch.last, test_images.labels, test_images.classes)
            classes += [{"name": trial.name, **row} for row in by_class]
            speeds[trial.name] = progress.speed(done.log)
            if recipe.keep_weights:
                files |= _weights(recipe, trial, done, head)
    columns = [dict(zip(predictions, row, strict=True)) for row in zip(*predictions.values(), strict=True)]
    tables = {"results": results, "log": logs, "evaluations": evaluations, "classes": classes, "predictions": columns}
    return {**files, **{f"{name}.csv": record.csv_text(rows) for name, rows in tables.items()}}, speeds


def _one(recipe, trial, images, store):
    """Do one training of a comparison, or go on with it; returns what came of it."""
    train_images, test_images = images
    seed = recipe.seed + trial.repeat
    few = train_images.few_shot(trial.shots, seed=seed)
    model, knn = _network(recipe, trial, few, test_images)
    watch = evaluation.Best(test_images, recipe, recipe.evaluate_every)
    source = loading.Batches(few, recipe, seed=seed, **processes.share())
    log = train.fit(model, source, recipe, seed=seed, title=trial.name, store=store, watch=watch)
    best = max(watch.rows, key=lambda row: row["accuracy"])  # the first of equals
    found = {"accuracy": watch.rows[-1]["accuracy"], "best_accuracy": best["accuracy"], "best_step": best["step"]}
    print(
        f"{trial.name}: {found['accuracy']:.1%} of {len(test_images)} test images"
        + (f", at best {best['accuracy']:.1%} at step {best['step']}" if recipe.evaluate_every else "")
    )
    where = {"start": trial.start, "shots": trial.shots, "repeat": trial.repeat}
    return Done(model, log, watch, {**where, **found, "knn": knn, "name": trial.name})


def _shape(recipe):
    path, asked = weights.asked(recipe)
    found = weights.described(path, **asked)
    return {name: found[name] for name in ("model", "options", "input_size", "channels")}


def _network(recipe, trial, images, test_images):
    """The network that a training starts from, and the accuracy of its features' nearest neighbours, if asked for."""
    how = {"drop_path": recipe.drop_path, "seed": recipe.seed + trial.repeat}
    if trial.start == PRE_TRAINED:
        path, asked = weights.asked(recipe)
        model, left = weights.load(path, classes=len(images.classes), **asked, **how)
        for line in left:
            print(f"{trial.name}: {line}")
    else:
        shape = _shape(recipe)
        model = networks.build(shape.pop("model"), len(images.classes), **shape, **how)
    if recipe.head_only:
        networks.freeze_trunk(model)
    if not recipe.knn:
        return model, None
    model.to(processes.state().device)
    predicted = evaluation.nearest_neighbours(model, images, test_images, recipe, recipe.knn)
    return model, evaluation.accuracy(predicted, test_images.labels)


def _weights(recipe, trial, done, head):
    """The last and the best weights of a training and their model card as files' bytes or text, by name."""
    model, row = done.model, done.row
    facts = {**_shape(recipe), "mean": recipe.mean, "std": recipe.std, "classes": done.watch.images.classes}
    weights_hash, data = head["parameters"]["source"]
    start = {"start": trial.start, "starting weights": weights_hash if trial.start == PRE_TRAINED else None}
    results = {
        "test accuracy of last.safetensors": row["accuracy"],
        "test accuracy of best.safetensors": row["best_accuracy"],
        "step of best.safetensors": row["best_step"],
    }
    files = {"last.safetensors": weights.to_bytes(model, facts)}
    model.load_state_dict(done.watch.weights)
    files["best.safetensors"] = weights.to_bytes(model, facts)
    about = {"recipe": {**start, **recipe.identity()}, "data": data, "results": results}
    files["README.md"] = card.text(facts, file="last.safetensors", **about)
    return {f"{trial.file}/{name}": content for name, content in files.items()}
