"""What a network learns of a sample: its label, or the set of labels of all that its picture shows.

A set is learned by binary cross-entropy, in which the labels that a picture has weigh as much as all labels together
(Anderson and Farrell, WACV 2022).
"""

import math

import numpy as np
import torch
from torch.nn import functional

from ofdb_core.data.samples import Samples, has_sets, sets


def loss(outputs: torch.Tensor, targets: torch.Tensor, of_sets: bool) -> torch.Tensor:
    """The loss of outputs (B, C) for soft targets (B, C), shares of one label or marks of several."""
    if not of_sets:
        return functional.cross_entropy(outputs, targets)
    weight = targets.shape[1] / targets.sum(dim=1, keepdim=True).clamp(min=1)
    return functional.binary_cross_entropy_with_logits(outputs, targets, pos_weight=weight)


def at_start(samples: Samples) -> float:
    """The loss of a network that knows nothing; for sets, it is that on the un-augmented samples."""
    if not has_sets(samples):
        return math.log(len(samples.classes))
    return math.log(2) * (2 - float(sets(samples, range(len(samples))).mean()))


def right(predicted: np.ndarray, samples: Samples) -> np.ndarray:
    """(n,) bool: whether the class predicted for each sample is its label, or one of its set."""
    if not has_sets(samples):
        return predicted == samples.labels
    return sets(samples, range(len(samples)))[np.arange(len(samples)), predicted] > 0


def mean_average_precision(scores: np.ndarray, samples: Samples) -> float:
    """The mean, over the classes that are shown, of the average precision of scores (n, C) for the samples' sets."""
    from sklearn.metrics import average_precision_score  # it takes a second to import

    marks = sets(samples, range(len(samples)))
    shown = marks.any(axis=0)
    return float(average_precision_score(marks[:, shown], scores[:, shown], average="macro"))
