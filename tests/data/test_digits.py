import numpy as np
import pytest

from ofdb_core.data import digits


def test_scale_is_0_to_255():
    images, labels = digits.load()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    assert labels.shape == (1797,)
    assert labels.dtype == np.int64


def test_split_is_fixed_and_stratified():
    (train, train_labels), (test, test_labels) = digits.split("train"), digits.split("test")
    assert np.bincount(train_labels).tolist() == [100] * 10
    assert np.bincount(test_labels).tolist() == [78, 82, 77, 83, 81, 82, 81, 79, 74, 80]
    assert len(train) == 1000
    assert len(test) == 797


def test_split_uses_every_image_once():
    images, labels = digits.load()
    parts = [digits.split(part) for part in ("train", "test")]
    together = np.concatenate([part[0] for part in parts]).reshape(len(images), -1)
    together = np.column_stack([together, np.concatenate([part[1] for part in parts])])
    every = np.column_stack([images.reshape(len(images), -1), labels])
    assert sorted(map(bytes, together.astype(np.uint8))) == sorted(map(bytes, every.astype(np.uint8)))


def test_training_images_come_first_in_the_file():
    images, labels = digits.load()
    train, train_labels = digits.split("train")
    for digit in range(10):
        assert np.array_equal(train[train_labels == digit], images[labels == digit][:100])


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match=r"part: 'val' is not allowed; allowed is 'train' or 'test'"):
        digits.split("val")
