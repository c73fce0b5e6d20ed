"""Evaluation alone: any checkpoint on any data set.

What it leaves in <out>/evaluation: predictions.csv (label and predicted class of each image, by the head and, where
asked for, by its nearest neighbours) and classes.csv (accuracy of each class).
"""

from dataclasses import dataclass
from pathlib import Path

from ofdb_core.base import folder
from ofdb_core.data import real_images, tables
from ofdb_core.data.samples import Images
from ofdb_core.data.tables import Row
from ofdb_core.families import registry
from ofdb_core.stages.recipes import Evaluate
from ofdb_core.training import evaluation, processes, weights
from ofdb_core.training.recipe import Inference
from ofdb_core.training.weights import Checkpoint


@dataclass(frozen=True)
class Start:
    """What an evaluation starts from: images to evaluate on, those that neighbours come from, checkpoint and hashes.

    inference: the parameters, with what the checkpoint says in place of None.
    """

    images: Images
    neighbours: Images | None
    checkpoint: Checkpoint
    inference: Inference
    fingerprint: list[str]


def _data(parameters: Evaluate) -> tuple[Images | None, Images, str]:
    """Images to learn the neighbours from, if there are any, images to evaluate on, and their fingerprint."""
    place = Path(parameters.out) / parameters.data
    if parameters.data in registry.sources() or (place.is_dir() and not (place / "train").is_dir()):
        return None, Images.from_folder(place), processes.shared(lambda: folder.fingerprint(place))
    with processes.state().main_process_first():
        train, test = real_images.images_of(parameters.data, parameters.data_root)
    return train, test, processes.shared(lambda: real_images.fingerprint(parameters.data))


def start(parameters: Evaluate) -> Start:
    """Open data and checkpoint; a ValueError where they do not suit."""
    path = parameters.checkpoint_path()
    shape = {"input_size": parameters.input_size, "channels": parameters.channels}
    opened = Checkpoint.open(path, model=parameters.model, options=parameters.model_options, **shape)
    given = {name: value for name, value in parameters.values().items() if value is not None}
    inference = Inference.take({**opened.facts, **given})
    neighbours, images, data_hash = _data(parameters)
    if parameters.knn and neighbours is None:
        raise ValueError(f"knn: {parameters.data!r} has no training images to learn the neighbours from; set it to 0")
    weights_hash = processes.shared(lambda: weights.fingerprint(opened.path))
    return Start(images, neighbours, opened, inference, [weights_hash, data_hash])


def evaluate(parameters: Evaluate, given: Start) -> tuple[list[Row], list[Row]]:
    """Evaluate in <out>/evaluation; return the rows of predictions.csv and of classes.csv.

    A head whose classes are not those of the data says nothing about them: then only the neighbours are asked, and it
    is a ValueError where they are not either.
    """
    root = Path(parameters.out) / "evaluation"
    identity = {**parameters.identity(), **given.inference.identity(), "source": given.fingerprint}
    head = {**folder.header(identity, _predictions, _files), "license": None}
    states = Path(parameters.out) / "checkpoints" / "evaluation"
    processes.fill_once(root, head, lambda: (_files(_predictions(parameters, given), given.images), {}), states=states)
    return tables.read(root / "predictions.csv"), tables.read(root / "classes.csv")


def _predictions(parameters: Evaluate, given: Start) -> dict[str, list[int]]:
    """Predicted classes of the images, by the head and by the neighbours, as far as they can be asked."""
    images, known = given.images, given.checkpoint.facts.get("classes")
    model, left = given.checkpoint.network()
    for line in left:
        print(line)
    model.to(processes.state().device)
    guesses = {}
    if known == images.classes or (known is None and model.num_classes == len(images.classes)):
        guesses["head"] = evaluation.predict(model, images, given.inference).tolist()
    elif not parameters.knn:
        raise ValueError(
            f"data: {parameters.data!r} has {len(images.classes)} classes ({images.classes[0]}, ...), the head "
            f"{model.num_classes} others; fine-tune it first, or ask its features' neighbours (-p knn 20)"
        )
    if given.neighbours is not None and parameters.knn:
        neighbours = (given.neighbours, images, given.inference, parameters.knn)
        guesses["neighbours"] = evaluation.nearest_neighbours(model, *neighbours).tolist()
    return guesses


def _files(guesses: dict[str, list[int]], images: Images) -> processes.Contents:
    """The tables, by file name."""
    classes = [
        {"by": name, **row}
        for name, predicted in guesses.items()
        for row in evaluation.by_class(predicted, images.labels, images.classes)
    ]
    columns = {"label": images.labels.tolist(), **guesses}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {"predictions.csv": tables.to_text(rows), "classes.csv": tables.to_text(classes)}
