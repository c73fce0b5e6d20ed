"""What real images tell without training a network on them: by raw pixels, or by the features of a frozen network.

The judges are scikit-learn's, and learn from the same images as the networks. Pre-training has to beat them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ofdb_core.batches.source import Plain
from ofdb_core.data.samples import Images
from ofdb_core.training.recipe import Inference

RAW_PIXELS = "raw pixels"
MOST = 10_000  # training images: with more, the regression takes hours
MOST_VALUES = 50_000_000  # of features, of training and test images together: more take hours and gigabytes
SIDE = 32  # pixels; larger images are compared at this size
PENALTIES = (0.001, 0.01, 0.1, 1.0)  # of logistic regression (C), to choose from
SHARE = 5  # the choice is by one of so many images, held out


def raw_pixels(images: Images, recipe: Inference) -> np.ndarray:
    """The pixels (n, D) float32 of the images as evaluation sees them, at most 32 pixels a side."""
    source = Plain(images, replace(recipe, input_size=min(SIDE, recipe.input_size)))
    return np.concatenate([source.batch(step)[0].flatten(1).numpy() for step in range(len(source))])


def _judges(fewest: int, seed: int) -> Iterator[tuple[str, Any]]:
    """Judge -> its classifier, for training images of which a class has at least `fewest`."""
    from sklearn.linear_model import LogisticRegression  # scikit-learn takes a second to import
    from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    yield "nearest neighbour", KNeighborsClassifier(1)
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTIES[1], max_iter=1000))
    if fewest >= SHARE:
        held_out = StratifiedShuffleSplit(1, test_size=1 / SHARE, random_state=seed)
        regression = GridSearchCV(regression, {"logisticregression__C": PENALTIES}, cv=held_out)
    yield "logistic regression", regression


def right(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, *, seed: int
) -> dict[str, np.ndarray]:
    """Judge -> (n,) bool: whether it gets each test image right. train, test: (n, D), what is known of each image.

    Logistic regression sees standardised columns; its penalty is chosen on a fifth of the training images, drawn by the
    seed, if every class has five.
    """
    from threadpoolctl import threadpool_limits

    fewest = int(np.unique(train_labels, return_counts=True)[1].min())
    with threadpool_limits(1):  # more threads add in another order
        return {
            name: judge.fit(train, train_labels).predict(test) == test_labels for name, judge in _judges(fewest, seed)
        }


def accuracies(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray, *, seed: int
) -> dict[str, float]:
    """Judge -> the share of test images that it classifies rightly; see `right`."""
    found = right(train, train_labels, test, test_labels, seed=seed)
    return {name: float(np.mean(hits)) for name, hits in found.items()}
