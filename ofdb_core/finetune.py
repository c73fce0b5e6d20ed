"""Fine-tuning: the pre-trained network and the same network from scratch learn real images, on equal terms.

Both get the same recipe, images, order and augmentation; they differ in the weights that they start from. What it
leaves in <out>/finetune: results.csv (a row a training), log.csv, evaluations.csv (accuracy on the way),
predictions.csv (of all test images by each training), classes.csv (accuracy of each class) and, where they are kept,
the last and the best weights of each training.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from ofdb_core import checkpoint, evaluation, folder, loading, networks, processes, real, record, train, weights

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
    train_images, test_images = images
    results, logs, evaluations, classes, speeds, files = [], [], [], [], {}, {}
    predictions = {"label": test_images.labels.tolist()}
    for trial in trials(recipe):
        few = train_images.few_shot(trial.shots, seed=recipe.seed + trial.repeat)
        model, knn = _network(recipe, trial, few, test_images)
        store = checkpoint.open_store(states / trial.file, head, recipe)
        watch = evaluation.Best(test_images, recipe, recipe.evaluate_every)
        log = _train(recipe, trial, model, few, store, watch)
        best = max(watch.rows, key=lambda row: row["accuracy"])  # the first of equals
        found = {"accuracy": watch.rows[-1]["accuracy"], "best_accuracy": best["accuracy"], "best_step": best["step"]}
        print(
            f"{trial.name}: {found['accuracy']:.1%} of {len(test_images)} test images"
            + (f", at best {best['accuracy']:.1%} at step {best['step']}" if recipe.evaluate_every else "")
        )
        where = {"start": trial.start, "shots": trial.shots, "repeat": trial.repeat}
        results.append({**where, **found, "knn": knn, "name": trial.name})
        logs += [{"name": trial.name, **{key: row[key] for key in train.LOGGED}} for row in log]
        evaluations += [{"name": trial.name, **row} for row in watch.rows]
        predictions |= {trial.name: watch.last.tolist(), f"{trial.name} (best)": watch.best.tolist()}
        by_class = evaluation.by_class(watch.last, test_images.labels, test_images.classes)
        classes += [{"name": trial.name, **row} for row in by_class]
        speeds[trial.name] = train.speed(log)
        if recipe.keep_weights:
            files |= _weights(recipe, trial, model, watch, few.classes)
    columns = [dict(zip(predictions, row, strict=True)) for row in zip(*predictions.values(), strict=True)]
    tables = {"results": results, "log": logs, "evaluations": evaluations, "classes": classes, "predictions": columns}
    return {**files, **{f"{name}.csv": record.csv_text(rows) for name, rows in tables.items()}}, speeds


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


def _train(recipe, trial, model, images, store, watch):
    seed = recipe.seed + trial.repeat
    source = loading.Batches(images, recipe, seed=seed, **processes.share())
    return train.fit(model, source, recipe, seed=seed, title=trial.name, store=store, watch=watch)


def _weights(recipe, trial, model, watch, classes):
    """The last and the best weights of a training as files' bytes, by name."""
    facts = {**_shape(recipe), "mean": recipe.mean, "std": recipe.std, "classes": classes}
    last = weights.to_bytes(model, facts)
    model.load_state_dict(watch.weights)
    return {f"{trial.file}/last.safetensors": last, f"{trial.file}/best.safetensors": weights.to_bytes(model, facts)}
