"""What a network can do: predictions, accuracy of each class, and what its features say to their nearest neighbours.

Several processes share the images and all get the whole result.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from ofdb_core.data import batches
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
    """What function(model, batch) -> (B, ...) gives for all images, in order, un-augmented: (n, ...), as an array."""
    device, source = next(model.parameters()).device, batches.Plain(images, recipe, **processes.share())
    was_training, found = model.training, []
    model.eval()
    with torch.inference_mode(), precision.autocast(recipe.precision, device):
        for batch, _ in batches.prefetch(source, len(source), workers=recipe.loader_workers, device=device):
            found.append(function(model, batch).cpu().numpy())
    model.train(was_training)
    shares = gather_object([np.concatenate(found) if found else None])  # with few images some processes have none
    whole = np.empty((len(images), *shares[0].shape[1:]), shares[0].dtype)
    for process, share in enumerate(shares):
        if share is not None:
            whole[process :: len(shares)] = share
    return whole


def predict(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """Predicted classes (n,) int64 of the un-augmented images, in order."""
    return _outputs(model, images, recipe, lambda model, batch: model.forward(batch).argmax(dim=1))


def features(model: nn.Module, images: Samples, recipe: Inference) -> np.ndarray:
    """What the network's head is given, (n, D) float32, each of length 1."""

    def pooled(model: Any, batch: torch.Tensor) -> torch.Tensor:
        return model.forward_head(model.forward_features(batch), pre_logits=True).float()

    found = _outputs(model, images, recipe, pooled)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def nearest_neighbours(
    model: nn.Module, train_images: Samples, images: Samples, recipe: Inference, neighbours: int
) -> np.ndarray:
    """Predicted classes (n,) int64 by the vote of the training images with the most alike features (cosine)."""
    known, new = (features(model, some, recipe) for some in (train_images, images))
    judge = KNeighborsClassifier(min(neighbours, len(known)), weights="distance")
    return judge.fit(known, train_images.labels).predict(new)


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Share of the predictions that are right."""
    return float(np.mean(np.asarray(predicted) == labels))


def by_class(predicted: np.ndarray, labels: np.ndarray, classes: list[str]) -> list[Row]:
    """Rows with class, images and accuracy (None where a class has no image)."""
    hits = np.asarray(predicted) == labels
    rows = []
    for label, name in enumerate(classes):
        own = hits[np.asarray(labels) == label]
        rows.append({"class": name, "images": len(own), "accuracy": float(own.mean()) if len(own) else None})
    return rows


class Best:
    """Evaluates a network as it trains, each `every` steps and at the end, and keeps the weights of the best step.

    rows: step and accuracy of each evaluation; best, last: predictions (n,) int64; weights: the best step's state.
    """

    def __init__(self, images: Samples, recipe: Recipe, every: int) -> None:
        self.images, self.recipe, self.every = images, recipe, every
        self.rows: list[Row] = []
        self.best: np.ndarray | None = None
        self.last: np.ndarray | None = None
        self.weights: dict[str, torch.Tensor] | None = None

    def due(self, step: int) -> bool:
        """Whether there is an evaluation after so many steps."""
        return step == self.recipe.steps or (self.every > 0 and step % self.every == 0)

    def __call__(self, model: nn.Module, step: int) -> None:
        self.last = predict(model, self.images, self.recipe)
        found = accuracy(self.last, self.images.labels)
        if all(row["accuracy"] < found for row in self.rows):
            self.best = self.last
            self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        self.rows.append({"step": step, "accuracy": found})

    def state_dict(self) -> dict[str, Any]:
        tensors = {name: None if found is None else torch.as_tensor(found) for name, found in self._predictions()}
        return {"rows": self.rows, "weights": self.weights, **tensors}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.weights = list(state["rows"]), state["weights"]
        self.best, self.last = (None if state[name] is None else state[name].numpy() for name in ("best", "last"))

    def _predictions(self) -> tuple[tuple[str, np.ndarray | None], ...]:
        return ("best", self.best), ("last", self.last)
