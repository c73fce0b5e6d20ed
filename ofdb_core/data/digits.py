"""A small real data set that travels with scikit-learn: 1,797 handwritten digits of 8 x 8 pixels (UCI optdigits).

Fine-tuning uses it without an image folder. The split is fixed and needs no random number: of each digit, the
first 100 in the file's order are for training, the others for testing. The file is ordered by writer, so most test
images are by people whose hand was not seen in training, which is harder than a random split.
"""

import numpy as np
from sklearn.datasets import load_digits

CLASSES = tuple("0123456789")
TRAIN_PER_CLASS = 100


def load() -> tuple[np.ndarray, np.ndarray]:
    """All images (1797, 8, 8) uint8, 0..255, and their labels (1797,) int64, in the file's order."""
    images, labels = load_digits(return_X_y=True)
    return np.round(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8), labels.astype(np.int64)


def split(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 8, 8) uint8 and labels (n,) int64 of one part: "train" (n = 1000) or "test" (n = 797)."""
    if part not in ("train", "test"):
        raise ValueError(f"part: {part!r} is not allowed; allowed is 'train' or 'test'")
    images, labels = load()
    rank = np.empty_like(labels)  # of each image among those of its digit, from 0
    for digit in range(len(CLASSES)):
        rank[labels == digit] = np.arange(np.sum(labels == digit))
    chosen = (rank < TRAIN_PER_CLASS) == (part == "train")
    return images[chosen], labels[chosen]
