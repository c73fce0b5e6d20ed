"""Evaluation alone: any checkpoint on any data set.

It writes to <out>/evaluation: predictions.csv (file, class and predicted class, by the head, with its probability, and,
if asked for, by the nearest neighbours), probabilities.npz (of all classes, by the head), confusion.csv and classes.csv
(accuracy of each class).
"""

from dataclasses import dataclass
from pathlib import Path

from ofdb_core.base import folder
from ofdb_core.base.manifests import header
from ofdb_core.data import real_images, samples, tables
from ofdb_core.data.decoding import Ground
from ofdb_core.data.samples import Images
from ofdb_core.data.tables import Row
from ofdb_core.families import registry
from ofdb_core.stages.recipes import Evaluate
from ofdb_core.training import evaluation, processes, weights
from ofdb_core.training.evaluation import Guesses
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.recipe import Inference

NAMES = ("by", "file", "class", "predicted")  # columns of names


@dataclass(frozen=True)
class Start:
    """What an evaluation starts from: images to evaluate on, images for the neighbours, checkpoint and hashes.

    inference: the parameters, with the checkpoint's values in place of None.
    """

    images: Images
    neighbours: Images | None
    checkpoint: Checkpoint
    inference: Inference
    fingerprint: list[str]


def _data(parameters: Evaluate, ground: Ground) -> tuple[Images | None, Images, str]:
    """Images for the neighbours, if any, images to evaluate on, and their fingerprint."""
    place = Path(parameters.out) / parameters.data
    if parameters.data in registry.sources() or (place.is_dir() and not (place / "train").is_dir()):
        images = samples.look_at(samples.Images.from_folder(place, ground=ground))
        return None, images, processes.shared(lambda: folder.fingerprint(place))
    with processes.state().main_process_first():
        train, test = real_images.images_of(parameters.data, parameters.data_root, ground)
    return train, test, processes.shared(lambda: real_images.fingerprint(parameters.data))


def start(parameters: Evaluate) -> Start:
    """Open data and checkpoint; a ValueError if they do not fit."""
    path = parameters.checkpoint_path()
    shape = {"input_size": parameters.input_size, "channels": parameters.channels}
    opened = Checkpoint.open(path, model=parameters.model, options=parameters.model_options, **shape)
    given = {name: value for name, value in parameters.values().items() if value is not None}
    inference = Inference.take({**opened.facts, **given})
    neighbours, images, data_hash = _data(parameters, inference.ground)
    if parameters.knn and neighbours is None:
        raise ValueError(f"knn: {parameters.data!r} has no training images to learn the neighbours from; set it to 0")
    weights_hash = processes.shared(lambda: weights.fingerprint(opened.path))
    return Start(images, neighbours, opened, inference, [weights_hash, data_hash])


def evaluate(parameters: Evaluate, given: Start) -> tuple[list[Row], list[Row]]:
    """Evaluate in <out>/evaluation; return the rows of predictions.csv and of classes.csv.

    If the head's classes are not those of the data, only the neighbours predict; if they are not asked for, that is a
    ValueError.
    """
    root = Path(parameters.out) / "evaluation"
    identity = {**parameters.identity(), **given.inference.identity(), "source": given.fingerprint}
    head = header(identity, _predictions, _files, license=None)
    states = Path(parameters.out) / "checkpoints" / "evaluation"
    processes.fill_once(root, head, lambda: (_files(_predictions(parameters, given), given.images), {}), states=states)
    return tuple(tables.read(root / f"{name}.csv", text=NAMES) for name in ("predictions", "classes"))  # type: ignore[return-value]


def _predictions(parameters: Evaluate, given: Start) -> dict[str, Guesses]:
    """Predicted classes of the images, by the head if its classes fit, and by the neighbours if asked for."""
    images, known = given.images, given.checkpoint.facts.get("classes")
    model, left = given.checkpoint.network()
    for line in left:
        print(line)
    model.to(processes.state().device)
    guesses: dict[str, Guesses] = {}
    if known == images.classes or (known is None and model.num_classes == len(images.classes)):
        guesses["head"] = evaluation.guess(model, images, given.inference)
    elif not parameters.knn:
        raise ValueError(
            f"data: {parameters.data!r} has {len(images.classes)} classes ({images.classes[0]}, ...), the head "
            f"{model.num_classes} others; fine-tune it first, or ask its features' neighbours (-p knn 20)"
        )
    if given.neighbours is not None and parameters.knn:
        neighbours = (given.neighbours, images, given.inference, parameters.knn)
        guesses["neighbours"] = Guesses(evaluation.nearest_neighbours(model, *neighbours))
    return guesses


def _files(guesses: dict[str, Guesses], images: Images) -> processes.Contents:
    """The tables, by file name."""
    rows: dict[str, list[Row]] = {"predictions": [], "confusion": [], "classes": []}
    for judge, guessed in guesses.items():
        by_class = evaluation.by_class(guessed.classes, images.labels, images.classes)
        own = (evaluation.by_image(guessed, images), evaluation.confusion(guessed, images), by_class)
        for table, found in zip(rows.values(), own, strict=True):
            table += [{"by": judge, **row} for row in found]
    texts = {f"{name}.csv": tables.to_text(table) for name, table in rows.items()}
    return {**texts, "probabilities.npz": evaluation.probabilities(guesses)}
