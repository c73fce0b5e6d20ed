"""Evaluation alone: any checkpoint on any data set.

What it leaves in <out>/evaluation: predictions.csv (label and predicted class of each image, by the head and, where
asked for, by its nearest neighbours) and classes.csv (accuracy of each class).
"""

import dataclasses
from pathlib import Path

from ofdb_core import evaluation, folder, processes, real, record, samples, weights
from ofdb_core.recipe import DATASETS

SEEN = ("input_size", "channels", "mean", "std")  # what a network needs of its images, and a checkpoint may say


def images_of(recipe):
    """The images of a `recipe.Evaluate`: to learn the neighbours from, if there are any, and to evaluate on."""
    path = Path(recipe.out) / recipe.data
    if recipe.data in DATASETS or (path.is_dir() and not (path / "train").is_dir()):
        return None, samples.Images.from_folder(path)
    with processes.state().main_process_first():
        return real.images_of(recipe.data, real.root_of(recipe))


def settings_of(recipe):
    """The recipe with what the checkpoint says in place of None."""
    path, asked = weights.asked(recipe)
    known = weights.described(path, **asked)
    return dataclasses.replace(recipe, **{name: known[name] for name in SEEN if getattr(recipe, name) is None})


def examine(recipe):
    """Evaluate by a `recipe.Evaluate`; return the rows of predictions.csv and of classes.csv.

    A head whose classes are not those of the data says nothing about them: then only the neighbours are asked, and it
    is a ValueError where they are not either.
    """
    root, settings = Path(recipe.out) / "evaluation", settings_of(recipe)
    train_images, images = images_of(recipe)
    if recipe.knn and train_images is None:
        raise ValueError(f"knn: {recipe.data!r} has no training images to learn the neighbours from; set it to 0")
    path, _ = weights.asked(recipe)
    source = processes.shared(lambda: [weights.fingerprint(path), _fingerprint(recipe)])
    head = folder.header({**settings.identity(), "source": source}, "exam")
    processes.fill_once(
        root, head, lambda: _files(settings, train_images, images), states=root.with_name("checkpoints") / "evaluation"
    )
    return record.read_csv(root / "predictions.csv"), record.read_csv(root / "classes.csv")


def _fingerprint(recipe):
    path = Path(recipe.out) / recipe.data
    return folder.fingerprint(path) if recipe.data in DATASETS else real.fingerprint(recipe.data)


def _files(recipe, train_images, images):
    path, asked = weights.asked(recipe)
    known = weights.described(path, **asked).get("classes")
    model, left = weights.load(path, **asked)
    for line in left:
        print(line)
    model.to(processes.state().device)
    found = {}
    if known == images.classes or (known is None and model.num_classes == len(images.classes)):
        found["head"] = evaluation.predict(model, images, recipe)
    elif not recipe.knn:
        raise ValueError(
            f"data: {recipe.data!r} has {len(images.classes)} classes ({images.classes[0]}, ...), the head "
            f"{model.num_classes} others; fine-tune it first, or ask its features' neighbours (-p knn 20)"
        )
    if recipe.knn:
        found["neighbours"] = evaluation.nearest_neighbours(model, train_images, images, recipe, recipe.knn)
    classes = [
        {"by": name, **row} for name in found for row in evaluation.by_class(found[name], images.labels, images.classes)
    ]
    columns = {"label": images.labels.tolist(), **{name: guesses.tolist() for name, guesses in found.items()}}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {"predictions.csv": record.csv_text(rows), "classes.csv": record.csv_text(classes)}, {}
