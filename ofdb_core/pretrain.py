"""Pre-training: a network learns to tell the categories of a data set apart, one rendered image for each.

What it leaves in its folder: model.safetensors (the last weights, as the original uses them), log.csv and
predictions.csv (of the un-augmented images).
"""

from pathlib import Path

import numpy as np

from ofdb_core import folder, loading, networks, record, train, weights


def pretrain(images, source, recipe, root):
    """Train by a `recipe.Pretrain` on `samples.Images`; return the log's rows, predictions (n,) int64 and its speed.

    source: fingerprint of the images. A folder that holds the finished training of the same recipe, images and code is
    read instead.
    """
    root = Path(root)
    head = folder.header({**recipe.identity(), "source": source}, "pretrain")
    if folder.is_current(root, head):
        print(f"{root}: trained before and unchanged, kept")
    else:
        folder.begin(root, head)
        _train(images, recipe, root, head)
    rows, found = record.read_csv(root / "log.csv"), record.read_csv(root / "predictions.csv")
    return rows, np.array([row["predicted"] for row in found]), folder.manifest(root)["notes"]


def _train(images, recipe, root, head):
    how = {"options": recipe.model_options, "input_size": recipe.input_size, "channels": 3}
    model = networks.build(recipe.model, len(images.classes), **how, drop_path=recipe.drop_path, seed=recipe.seed)
    log = train.fit(
        model, loading.Batches(images, recipe, seed=recipe.seed), recipe, seed=recipe.seed, title="pre-training"
    )
    predicted, _ = train.evaluate(model, images, recipe)
    facts = {"model": recipe.model, **how, "mean": recipe.mean, "std": recipe.std, "classes": images.classes}
    weights.save(model, root / "model.safetensors", facts)
    record.write_csv(root / "log.csv", [{key: row[key] for key in train.LOGGED} for row in log])
    pairs = zip(images.labels.tolist(), predicted.tolist(), strict=True)
    record.write_csv(root / "predictions.csv", [{"label": label, "predicted": guess} for label, guess in pairs])
    folder.seal(root, head, notes=train.speed(log))
