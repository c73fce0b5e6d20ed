"""Evaluation alone: any checkpoint on any data set.

It writes to <out>/evaluation: predictions.csv (file, class and predicted class, by the head, with its probability, and,
if asked for, by the nearest neighbours), probabilities.npz (of all classes, by the head), confusion.csv and classes.csv
(accuracy of each class). With corruptions also corruptions.csv (accuracy and calibration of the head under each, and
without) and reliability.csv (how often it is right, by its confidence).
"""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ofdb_core.base import folder
from ofdb_core.base.manifests import header
from ofdb_core.base.parameters import ParameterError
from ofdb_core.data import forms, layout, real_images, samples, tables
from ofdb_core.data.decoding import Reading
from ofdb_core.data.samples import Images
from ofdb_core.stages.inference import Evaluate, Predict
from ofdb_core.training import evaluation, processes, weights
from ofdb_core.training.evaluation import Guesses
from ofdb_core.training.pretrained import Checkpoint, NoHead
from ofdb_core.training.recipe import Inference

NAMES = ("by", "file", "class", "predicted")  # columns of names
NO_HEAD = "corruptions: the head is asked, and it does not know the classes of {!r}"
NO_NEIGHBOURS = "knn: {!r} has no training images to learn the neighbours from; set it to 0"


@dataclass(frozen=True)
class Start:
    """What an evaluation starts from: images to evaluate on, images for the neighbours, the network and hashes.

    lines: one for each weight that was not taken unchanged; by_head: whether the head is asked, whose classes are then
    those of the images; inference: the parameters, with the checkpoint's values in place of None.
    """

    images: Images
    neighbours: Images | None
    model: nn.Module
    lines: list[str]
    by_head: bool
    inference: Inference
    fingerprint: list[str]


def _is_plain(parameters: Evaluate, path: Path) -> bool:
    """Whether the data are class folders, not parts to train on and to test on."""
    return parameters.is_own() or (path.is_dir() and forms.of(layout.unwrapped(path)) != "parts")


def _data(parameters: Evaluate, reading: Reading) -> tuple[Images | None, Images, str]:
    """Images for the neighbours, if any, images to evaluate on, and their fingerprint."""
    with processes.state().main_process_first():
        place = Path(parameters.out) / parameters.place()
    if _is_plain(parameters, place):
        images = samples.Images.from_folder(place, reading=reading)
        samples.require_readable(images)
        return None, samples.look_at(images), processes.shared(lambda: folder.fingerprint(place))
    with processes.state().main_process_first():
        train, test = real_images.images_of(parameters.place(), parameters.data_root, reading, reading)
    return train, test, processes.shared(lambda: real_images.fingerprint(parameters.place()))


def opened(parameters: Evaluate | Predict) -> tuple[Checkpoint, Inference]:
    """The checkpoint, and how its network sees images: as the parameters say, or else as in its training."""
    path, shape = parameters.checkpoint_path(), {"input_size": parameters.input_size, "channels": parameters.channels}
    checkpoint = Checkpoint.open(path, model=parameters.model, options=parameters.model_options, **shape)
    values = {name: value for name, value in parameters.values().items() if value is not None}
    try:
        return checkpoint, Inference.take({**checkpoint.facts, **values})
    except ParameterError as error:
        raise ParameterError(f"{problem}, in {checkpoint.path}" for problem in error.problems) from error


def check(parameters: Evaluate) -> None:
    """Raise ValueError if data or checkpoint cannot be used, or the head does not know the classes.

    What an earlier notebook will make is not checked.
    """
    if not parameters.checkpoint or parameters.is_own():
        return
    place = Path(parameters.place())
    if plain := _is_plain(parameters, place):
        classes = layout.class_names(place)
    else:
        classes = real_images.classes_of(parameters.place(), parameters.data_root)
    if parameters.knn and plain:
        raise ValueError(NO_NEIGHBOURS.format(parameters.data))
    _network(parameters, opened(parameters)[0], classes)


def _network(parameters: Evaluate, checkpoint: Checkpoint, classes: list[str]) -> tuple[nn.Module, list[str], bool]:
    """The network, a line for each weight not taken unchanged, and whether its head has these classes, by their names.

    A head without names has them if they are as many as its outputs. A ValueError if it has not, and no neighbours are
    asked.
    """
    try:
        model, lines = checkpoint.network()
    except NoHead:
        if parameters.knn and not parameters.corruptions:
            return (*checkpoint.network(classes), False)
        raise
    known, outputs, problem = checkpoint.facts.get("classes"), model.num_classes, ""
    if known is None and outputs != len(classes):
        problem = f"{len(classes)} classes, the head {outputs} without names"
    elif known and (strange := sorted({*classes} - {*known})):
        problem = f"{layout.few(strange)}, which the head does not know; it knows {layout.few(known)}"
    if problem and not parameters.knn:
        raise ValueError(
            f"data: {parameters.data!r} has {problem}. Name the folders as the head's classes, fine-tune it first, or "
            "ask its features' neighbours (-p knn 20)"
        )
    if problem and parameters.corruptions:
        raise ValueError(NO_HEAD.format(parameters.data))
    return model, lines, not problem


def start(parameters: Evaluate) -> Start:
    """Open the data and the checkpoint; a ValueError if they do not fit each other."""
    checkpoint, inference = opened(parameters)
    neighbours, images, data_hash = _data(parameters, inference.reading())
    if parameters.knn and neighbours is None:
        raise ValueError(NO_NEIGHBOURS.format(parameters.data))
    model, lines, by_head = _network(parameters, checkpoint, images.classes)
    if by_head and (known := checkpoint.facts.get("classes")):
        if lacking := sorted({*known} - {*images.classes}):
            print(f"data: of the head's {len(known)} classes there are no images of {layout.few(lacking)}")
        images, neighbours = images.among(known), neighbours and neighbours.among(known)
    weights_hash = processes.shared(lambda: weights.fingerprint(checkpoint.path))
    return Start(images, neighbours, model, lines, by_head, inference, [weights_hash, data_hash])


def evaluate(parameters: Evaluate, inputs: Start) -> tuple[list[tables.Row], list[tables.Row]]:
    """Evaluate in <out>/evaluation; return the rows of predictions.csv and of classes.csv.

    The head predicts if it knows all classes of the data, and the neighbours if they are asked for.
    """
    root = Path(parameters.out) / "evaluation"
    identity = {**parameters.identity(), **inputs.inference.identity(), "source": inputs.fingerprint}
    head = header(identity, _predictions, _files, *([_corrupted] if parameters.corruptions else []), license=None)
    states = Path(parameters.out) / "checkpoints" / "evaluation"

    def made() -> processes.Made:
        files = _files(_predictions(parameters, inputs), inputs.images)
        return files | (_corrupted(parameters, inputs) if parameters.corruptions else {}), {}

    processes.fill_once(root, head, made, states=states)
    return tuple(tables.read(root / f"{name}.csv", text=NAMES) for name in ("predictions", "classes"))  # type: ignore[return-value]


def _predictions(parameters: Evaluate, inputs: Start) -> dict[str, Guesses]:
    """Predicted classes of the images, by the head if it knows them, and by the neighbours if asked for."""
    images, model = inputs.images, inputs.model.to(processes.state().device)
    for line in inputs.lines:
        print(line)
    guesses: dict[str, Guesses] = {}
    if inputs.by_head:
        guesses["head"] = evaluation.guess(model, images, inputs.inference)
    if inputs.neighbours is not None and parameters.knn:
        neighbours = (inputs.neighbours, images, inputs.inference, parameters.knn)
        guesses["neighbours"] = Guesses(evaluation.nearest_neighbours(model, *neighbours))
    return guesses


def _corrupted(parameters: Evaluate, inputs: Start) -> processes.Contents:
    """The tables of the head under corruptions."""
    model = inputs.model.to(processes.state().device)
    how = (parameters.corrupted_by, parameters.corruptions_seed)
    rows, curves = evaluation.under_corruption(model, inputs.images, inputs.inference, *how)
    return {"corruptions.csv": tables.to_text(rows), "reliability.csv": tables.to_text(curves)}


def _files(guesses: dict[str, Guesses], images: Images) -> processes.Contents:
    """The tables, by file name."""
    rows: dict[str, list[tables.Row]] = {"predictions": [], "confusion": [], "classes": []}
    for judge, guessed in guesses.items():
        by_class = evaluation.by_class(guessed.classes, images.labels, images.classes)
        own = (evaluation.by_image(guessed, images), evaluation.confusion(guessed, images), by_class)
        for table, found in zip(rows.values(), own, strict=True):
            table += [{"by": judge, **row} for row in found]
    texts = {f"{name}.csv": tables.to_text(table) for name, table in rows.items()}
    return {**texts, "probabilities.npz": evaluation.probabilities(guesses)}
