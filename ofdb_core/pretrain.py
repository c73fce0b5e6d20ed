"""Pre-training: a network learns to tell the categories of a data set apart, one sample for each.

What it leaves in <out>/pretrain: model.safetensors (the last weights, as the original uses them, or the averaged ones),
its model card, log.csv and predictions.csv (of the un-augmented samples).
"""

from pathlib import Path

import numpy as np

from ofdb_core import (
    archive,
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
    samples,
    train,
    weights,
)


def images_of(recipe):
    """The samples of a `recipe.Pretrain`, and the fingerprint of where they lie."""
    source = Path(recipe.out) / recipe.data
    if archive.is_archive(source):
        with processes.state().main_process_first():
            source = archive.unpacked(source, real.root_of(recipe))
    return samples.of(recipe, source), processes.shared(lambda: folder.fingerprint(source))


def pretrain(recipe):
    """Train by a `recipe.Pretrain` in its folder; return the log's rows, predictions (n,) int64 and its speed.

    A folder that holds the finished training of the same recipe, samples and code is read instead, and an unfinished
    one is gone on with. Every process of a training on several devices calls this.
    """
    root, states = (Path(recipe.out) / name for name in ("pretrain", "checkpoints/pretrain"))
    images, source = images_of(recipe)
    head = folder.header({**recipe.identity(), "source": source}, "pretrain")
    processes.fill_once(root, head, lambda: _train(images, recipe, states, head), states=states)
    rows, found = record.read_csv(root / "log.csv"), record.read_csv(root / "predictions.csv")
    return rows, np.array([row["predicted"] for row in found]), folder.manifest(root)["notes"]


def _train(images, recipe, states, head):
    store = checkpoint.open_store(states, head, recipe)
    shape = {"options": recipe.model_options, "input_size": recipe.input_size, "channels": recipe.channels}
    model = networks.build(recipe.model, len(images.classes), **shape, drop_path=recipe.drop_path, seed=recipe.seed)
    source = loading.Batches(images, recipe, seed=recipe.seed, **processes.share())
    log = train.fit(model, source, recipe, seed=recipe.seed, title="pre-training", store=store)
    predicted = evaluation.predict(model, images, recipe)
    facts = {"model": recipe.model, **shape, "mean": recipe.mean, "std": recipe.std, "classes": images.classes}
    pairs = zip(images.labels.tolist(), predicted.tolist(), strict=True)
    results = {
        "accuracy on its own categories": evaluation.accuracy(predicted, images.labels),
        "last loss": log[-1]["loss"],
    }
    about = {"recipe": recipe.identity(), "data": head["parameters"]["source"], "results": results}
    files = {
        "model.safetensors": weights.to_bytes(model, facts),
        "README.md": card.text(facts, file="model.safetensors", **about),
        "log.csv": record.csv_text([{key: row[key] for key in progress.LOGGED} for row in log]),
        "predictions.csv": record.csv_text([{"label": label, "predicted": guess} for label, guess in pairs]),
    }
    return files, {"processes": processes.state().num_processes, **progress.speed(log)}


def in_words(speed):
    """What `pretrain` says about speed, as name -> value for a reader."""
    return {
        "processes": speed["processes"],
        "training time": f"{speed['seconds']:,.0f} s",
        "images a second": f"{speed['images_per_second']:,.0f}",
        "share of time waiting for data": f"{speed['data_share']:.1%}",
    }
