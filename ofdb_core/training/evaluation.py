"""Evaluation of a network: predictions, the accuracy of each class, and the vote of its features' nearest neighbours.

Several processes share the images, and each gets the whole result.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from numpy.typing import ArrayLike
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Plain
from ofdb_core.data.samples import Samples
from ofdb_core.data.tables import Row
from ofdb_core.training import precision, processes
from ofdb_core.training.recipe import Inference, Recipe


def _outputs(
    model: nn.Module,
    images: Samples,
    recipe: Inference,
    function: Callable[[nn.Module, torch.Tensor], torch.Tensor],
) -> np.ndarray:
    """The outputs (n, ...) of function(model, batch) -> (B, ...) for all images, un-augmented and in order."""
    device, source = next(model.parameters()).device, Plain(images, recipe, **processes.share())
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


def predict(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """Predicted classes (n,) int64 of the un-augmented images, in order."""
    return _outputs(model, images, recipe, lambda model, batch: model.forward(batch).argmax(dim=1))


def features(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """Features of the images, (n, D) float32, each of length 1: the input of the network's head."""

    def pooled(model: Any, batch: torch.Tensor) -> torch.Tensor:
        return model.forward_head(model.forward_features(batch), pre_logits=True).float()

    raw = _outputs(model, images, recipe, pooled)
    return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)


def nearest_neighbours(
    model: nn.Module, train_images: Samples, images: Samples, recipe: Inference, neighbours: int
) -> np.ndarray:
    """Predicted classes (n,) int64 by the vote of the training images with the most similar features (by cosine)."""
    train_features = features(model, train_images, recipe)
    classifier = KNeighborsClassifier(min(neighbours, len(train_features)), weights="distance")
    return classifier.fit(train_features, train_images.labels).predict(features(model, images, recipe))


def accuracy(predicted: ArrayLike, labels: np.ndarray) -> float:
    """Share of the predictions that are right."""
    return float(np.mean(np.asarray(predicted) == labels))


def by_class(predicted: ArrayLike, labels: np.ndarray, classes: list[str]) -> list[Row]:
    """Rows with class, images and accuracy (None where a class has no image)."""
    hits = np.asarray(predicted) == labels
    rows = []
    for label, name in enumerate(classes):
        hit = hits[np.asarray(labels) == label]
        rows.append({"class": name, "images": len(hit), "accuracy": float(hit.mean()) if len(hit) else None})
    return rows


class Best:
    """Evaluates a network while it trains, every `every` steps and at the end, and keeps the weights of the best step.

    rows: step and accuracy of each evaluation; best, last: predictions (n,) int64 of the best and of the last one;
    weights: name -> tensor, of the best. All are empty before the first evaluation.
    """

    def __init__(self, images: Samples, recipe: Recipe, every: int) -> None:
        self.images, self.recipe, self.every = images, recipe, every
        self.rows: list[Row] = []
        self.best = self.last = np.empty(0, np.int64)
        self.weights: dict[str, torch.Tensor] = {}

    def due(self, step: int) -> bool:
        """Whether the network is evaluated after this step."""
        return step == self.recipe.steps or (self.every > 0 and step % self.every == 0)

    def __call__(self, model: nn.Module, step: int) -> None:
        self.last = predict(model, self.images, self.recipe)
        reached = accuracy(self.last, self.images.labels)
        if all(row["accuracy"] < reached for row in self.rows):
            self.best = self.last
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        self.rows.append({"step": step, "accuracy": reached})

    def state_dict(self) -> dict[str, Any]:
        predictions = {"best": torch.as_tensor(self.best), "last": torch.as_tensor(self.last)}
        return {"rows": self.rows, "weights": self.weights, **predictions}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["rows"]:  # otherwise nothing was evaluated before it was saved
            self.rows, self.weights = list(state["rows"]), state["weights"]
            self.best, self.last = (state[name].numpy() for name in ("best", "last"))
