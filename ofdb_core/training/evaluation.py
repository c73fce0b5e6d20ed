"""Evaluation of a network: predictions, the accuracy of each class, and the vote of its features' nearest neighbours.

Several processes share the images, and each gets the whole result.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from numpy.typing import ArrayLike
from torch import nn
from tqdm import tqdm

from ofdb_core.batches.corruptions import Corruption
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.recipe import STRENGTHS
from ofdb_core.batches.source import Plain
from ofdb_core.data.samples import Images, Samples
from ofdb_core.data.tables import Row
from ofdb_core.training import precision, processes
from ofdb_core.training.recipe import Inference, Recipe

Read = Callable[[Any, torch.Tensor], torch.Tensor]  # (network, batch) -> (B, ...)


def _outputs(
    model: nn.Module, images: Samples, recipe: Inference, function: Read, corruption: Corruption | None = None
) -> np.ndarray:
    """The outputs (n, ...) of function(model, batch) -> (B, ...) for all images, un-augmented and in order."""
    device = next(model.parameters()).device
    source = Plain(images, recipe, corruption=corruption, share=processes.share())
    was_training, outputs = model.training, []
    model.eval()
    with torch.inference_mode(), precision.autocast(recipe.precision, device):
        for batch, _ in prefetch(source, len(source), workers=recipe.loader_workers, device=device):
            outputs.append(function(model, batch).cpu().numpy())
    model.train(was_training)
    shares = gather_object([np.concatenate(outputs) if outputs else None])  # with few images some processes have none
    whole = np.empty((len(images), *shares[0].shape[1:]), shares[0].dtype)
    for process, share in enumerate(shares):
        if share is not None:
            whole[process :: len(shares)] = share
    return whole


@dataclass(frozen=True)
class Guesses:
    """Predicted classes (n,) int64, and the network's probabilities of all classes, (n, C) float32, or None."""

    classes: np.ndarray
    probabilities: np.ndarray | None = None


def guess(model: nn.Module, images: Samples, recipe: Inference, corruption: Corruption | None = None) -> Guesses:
    """The `Guesses` of the un-augmented images, in order; corruption: applied to each first."""

    def likeliest(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        outputs = model.forward(batch).float()
        found = outputs.argmax(dim=1, keepdim=True)  # a float32 is exact up to 2^24
        return torch.cat([found.float(), outputs.softmax(dim=1)], dim=1)

    found = _outputs(model, images, recipe, likeliest, corruption)
    return Guesses(found[:, 0].astype(np.int64), found[:, 1:])


def likeliest(model: nn.Module, images: Samples, recipe: Inference, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest classes of the images, (n, k) int64, from the first on, and their probabilities, (n, k) float32.

    k: `count`, or the number of classes if that is smaller.
    """

    def first(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        shares = model.forward(batch).float().softmax(dim=1)
        sure, classes = shares.topk(min(count, shares.shape[1]))
        return torch.cat([classes.float(), sure], dim=1)

    classes, shares = np.hsplit(_outputs(model, images, recipe, first), 2)
    return classes.astype(np.int64), shares


def predict(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """Predicted classes (n,) int64 of the un-augmented images, in order."""
    return guess(model, images, recipe).classes


def scores(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """The network's outputs (n, C) float32 for the un-augmented images, in order."""
    return _outputs(model, images, recipe, lambda model, batch: model(batch).float())


def pooled(model: Any, batch: torch.Tensor) -> torch.Tensor:
    """The input (B, D) of a network's head."""
    return model.forward_head(model.forward_features(batch), pre_logits=True).float()


def middle(model: Any, batch: torch.Tensor) -> torch.Tensor:
    """All tokens of the middle block, or of a CNN all of its middle stage, (B, D): nearer to the pixels than `pooled`.

    Networks without timm's `forward_intermediates` cannot be read so.
    """
    of_block = {"indices": [len(model.feature_info) // 2], "intermediates_only": True}
    (tokens,) = model.forward_intermediates(batch, **of_block)
    return tokens.flatten(1).float()


def features(model: nn.Module, images: Samples, recipe: Inference, read: Read = pooled) -> np.ndarray:
    """Features of the images, (n, D) float32, each of length 1; read(model, batch) -> (B, D) takes them."""
    raw = _outputs(model, images, recipe, read)
    return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)


def nearest_neighbours(
    model: nn.Module, train_images: Samples, images: Samples, recipe: Inference, neighbours: int
) -> np.ndarray:
    """Predicted classes (n,) int64 by the vote of the training images with the most similar features (by cosine)."""
    from sklearn.neighbors import KNeighborsClassifier  # it takes a second to import

    train_features = features(model, train_images, recipe)
    classifier = KNeighborsClassifier(min(neighbours, len(train_features)), weights="distance")
    return classifier.fit(train_features, train_images.labels).predict(features(model, images, recipe))


def accuracy(predicted: ArrayLike, labels: np.ndarray) -> float:
    """Share of the predictions that are right."""
    return float(np.mean(np.asarray(predicted) == labels))


def top5(probabilities: np.ndarray | None, labels: np.ndarray) -> float | None:
    """Share of the images whose class is among the five likeliest; None if there are at most five classes."""
    if probabilities is None or probabilities.shape[1] <= 5:
        return None
    own = probabilities[np.arange(len(labels)), labels][:, None]
    return float(np.mean((probabilities > own).sum(axis=1) < 5))


def surest_mistakes(rows: Sequence[Row], count: int = 16) -> list[int]:
    """The numbers of the misclassified images with the highest probabilities, at most `count`; rows: of `by_image`."""
    wrong = [i for i, row in enumerate(rows) if row["class"] != row["predicted"]]
    return sorted(wrong, key=lambda i: -rows[i]["probability"])[:count]


def probabilities(guesses: Mapping[str, Guesses]) -> bytes:
    """A .npz file (numpy.load): name -> (n, C) float16, the probability of each class for each image, in order."""
    known = {name: one.probabilities for name, one in guesses.items() if one.probabilities is not None}
    arrays: dict[str, Any] = {name: shares.astype(np.float16) for name, shares in known.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def by_class(predicted: ArrayLike, labels: np.ndarray, classes: list[str]) -> list[Row]:
    """Rows with class, images and accuracy (None if a class has no image)."""
    hits = np.asarray(predicted) == labels
    rows = []
    for label, name in enumerate(classes):
        hit = hits[np.asarray(labels) == label]
        rows.append({"class": name, "images": len(hit), "accuracy": float(hit.mean()) if len(hit) else None})
    return rows


def by_image(guesses: Guesses, images: Images) -> list[Row]:
    """Rows with file, class, predicted and probability (None if it is unknown)."""
    shares = guesses.probabilities
    sure: list[float | None] = [None] * len(images)
    if shares is not None:
        sure = shares[np.arange(len(shares)), guesses.classes].astype(float).round(4).tolist()
    known = zip(images.labels.tolist(), guesses.classes.tolist(), sure, strict=True)
    named = images.classes
    return [
        {"file": images.name(i), "class": named[label], "predicted": named[predicted], "probability": share}
        for i, (label, predicted, share) in enumerate(known)
    ]


BINS = 15  # of confidence, as in Guo et al. (ICML 2017)
EACH = 100  # images of a bin of the RMS calibration error, as in PixMix


def reliability(guesses: Guesses, labels: np.ndarray) -> list[Row]:
    """A row for each of the `BINS` of confidence: from, to, images, and the mean confidence and accuracy of these."""
    sure, hits = _confidence(guesses, labels)
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = []
    for number in range(BINS):
        within = places == number
        columns = {"confidence": sure[within], "accuracy": hits[within]}
        means = {name: float(values.mean()) if len(values) else None for name, values in columns.items()}
        rows.append({"from": number / BINS, "to": (number + 1) / BINS, "images": int(within.sum()), **means})
    return rows


def calibration(guesses: Guesses, labels: np.ndarray) -> Row:
    """Expected calibration error (ece), over the `BINS`, and RMS calibration error (rms), over bins of `EACH` images.

    The second is PixMix's, with the last bin, of the surest images, which the published code leaves out.
    """
    sure, hits = _confidence(guesses, labels)
    known = [row for row in reliability(guesses, labels) if row["images"]]
    ece = sum(row["images"] * abs(row["confidence"] - row["accuracy"]) for row in known) / len(labels)
    order = np.argsort(sure, kind="stable")
    ends = np.arange(EACH, EACH * max(1, len(order) // EACH), EACH)
    parts = np.split(order, ends)
    squares = [len(part) * (sure[part].mean() - hits[part].mean()) ** 2 for part in parts]
    return {"rms": float(np.sqrt(sum(squares) / len(labels))), "ece": float(ece)}


def _confidence(guesses: Guesses, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability of the named class, and whether it is right, for each image."""
    shares = guesses.probabilities
    if shares is None:
        raise ValueError("guesses: no probabilities; calibration needs them")
    return shares[np.arange(len(labels)), guesses.classes].astype(float), guesses.classes == labels


def under_corruption(
    model: nn.Module, images: Samples, recipe: Inference, names: Sequence[str], seed: int = 0
) -> tuple[list[Row], list[Row]]:
    """Accuracy and calibration of a network on images as they are and under corruptions, at each strength.

    Rows with corruption ("none" first), strength, images, accuracy, rms and ece; and the rows of `reliability`, with
    `pictures`: clean, or corrupted, for all corruptions together. An image's corruption depends on seed and place.
    """
    rows, every = [], list[Guesses]()
    order = [None, *(Corruption(name, strength, seed) for name in names for strength in STRENGTHS)]
    for how in tqdm(order, "corruptions", unit="corruption", delay=2):
        guessed = guess(model, images, recipe, how)
        every.append(guessed)
        what = {"corruption": how.name if how else "none", "strength": how.strength if how else 0}
        reached = accuracy(guessed.classes, images.labels)
        rows.append({**what, "images": len(images), "accuracy": reached, **calibration(guessed, images.labels)})
    clean, *corrupted = every
    classes, shares = zip(*((one.classes, one.probabilities) for one in corrupted), strict=True)
    together = Guesses(np.concatenate(classes), np.concatenate(shares)), np.tile(images.labels, len(corrupted))
    curves = {"clean": reliability(clean, images.labels), "corrupted": reliability(*together)}
    return rows, [{"pictures": name, **row} for name, curve in curves.items() for row in curve]


def mean_corruption(rows: Sequence[Row], column: str = "accuracy") -> float:
    """The mean of a column of `under_corruption` over corruptions and strengths; the mean corruption error is 1 - it.

    It is not divided by AlexNet's errors, which exist for ImageNet alone.
    """
    return float(np.mean([row[column] for row in rows if row["strength"]]))


def confusion(guesses: Guesses, images: Images) -> list[Row]:
    """A row for each true class, with the number of its images that were taken `as` each class."""
    counts = np.zeros((len(images.classes),) * 2, int)
    np.add.at(counts, (images.labels, guesses.classes), 1)
    return [
        {"class": name, **{f"as {other}": count for other, count in zip(images.classes, row, strict=True)}}
        for name, row in zip(images.classes, counts.tolist(), strict=True)
    ]


class Best:
    """Evaluates a network while it trains, every `every` steps and at the end, and keeps the weights of the best step.

    rows: step and accuracy of each evaluation; best, last: the `Guesses` of the best and of the last one; weights: name
    -> tensor, of the best. All are empty before the first evaluation.
    """

    def __init__(self, images: Samples, recipe: Recipe, every: int) -> None:
        self.images, self.recipe, self.every = images, recipe, every
        self.rows: list[Row] = []
        self.best = self.last = Guesses(np.empty(0, np.int64))
        self.weights: dict[str, torch.Tensor] = {}

    def due(self, step: int) -> bool:
        """Whether the network is evaluated after this step."""
        return step == self.recipe.steps or (self.every > 0 and step % self.every == 0)

    def __call__(self, model: nn.Module, step: int) -> None:
        self.last = guess(model, self.images, self.recipe)
        reached = accuracy(self.last.classes, self.images.labels)
        if all(row["accuracy"] < reached for row in self.rows):
            self.best = self.last
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        self.rows.append({"step": step, "accuracy": reached})

    def state_dict(self) -> dict[str, Any]:
        pairs = {"best": self.best, "last": self.last}.items()
        classes = {name: torch.as_tensor(one.classes) for name, one in pairs}
        shares = {f"{name}_shares": torch.as_tensor(one.probabilities) for name, one in pairs if self.rows}
        return {"rows": self.rows, "weights": self.weights, **classes, **shares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["rows"]:  # or else nothing was evaluated before the state was saved
            self.rows, self.weights = list(state["rows"]), state["weights"]
            arrays = ((state[name].numpy(), state[f"{name}_shares"].numpy()) for name in ("best", "last"))
            self.best, self.last = (Guesses(*pair) for pair in arrays)
