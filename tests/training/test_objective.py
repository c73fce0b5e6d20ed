"""Losses and measures of one label and of sets of labels."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from ofdb_core.batches import mixing
from ofdb_core.batches.recipe import BatchRecipe
from ofdb_core.batches.source import Batches
from ofdb_core.data.samples import Images, sets
from ofdb_core.training import objective

SHADES = np.random.default_rng(0).integers(0, 256, (4, 20, 20), dtype=np.uint8)


class Scenes(Images):
    """Four samples; sample i shows class i and, by the key, another."""

    def shown(self, i, key=None):
        return [i, (i + (key or 0) % 4) % 4]


ONE = Images(SHADES, range(4), "abcd")
SETS = Scenes(SHADES, range(4), "abcd")
PLAIN = {"batch_size": 4, "input_size": 16, "mixup": 0.0, "cutmix": 0.0}


def test_of_one_label_the_loss_is_cross_entropy():
    outputs, targets = torch.randn(3, 5), torch.randn(3, 5).softmax(dim=1)
    assert torch.equal(objective.loss(outputs, targets, False), functional.cross_entropy(outputs, targets))


def test_of_a_set_the_labels_that_are_shown_weigh_as_all_together():
    outputs, targets = torch.randn(2, 4), torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 1]])
    by_hand = 0.0
    for row, marks in zip(outputs.tolist(), targets.tolist(), strict=True):
        for value, mark in zip(row, marks, strict=True):
            share = 1 / (1 + math.exp(-value))
            by_hand -= 4 / sum(marks) * math.log(share) if mark else math.log(1 - share)
    assert objective.loss(outputs, targets, True).item() == pytest.approx(by_hand / 8, rel=1e-5)


def test_an_untrained_network_starts_near_the_loss_of_chance():
    assert objective.at_start(ONE) == pytest.approx(math.log(4))
    targets = torch.from_numpy(sets(SETS, range(4)))
    assert objective.loss(torch.zeros(4, 4), targets, True).item() == pytest.approx(objective.at_start(SETS))


def test_a_guess_is_right_if_the_picture_shows_it():
    assert objective.right(np.array([0, 1, 0, 3]), ONE).tolist() == [True, True, False, True]
    assert sets(SETS, [1, 3], [2, 5]).tolist() == [[0, 1, 0, 1], [1, 0, 0, 1]]
    assert objective.right(np.array([0, 1, 0, 3]), SETS).tolist() == [True, True, False, True]


def test_the_mean_average_precision_is_that_of_the_sets():
    marks = sets(SETS, range(4))
    assert objective.mean_average_precision(marks, SETS) == 1
    assert objective.mean_average_precision(np.zeros((4, 4)), SETS) == pytest.approx(0.25)


def test_targets_of_a_batch_are_the_sets_that_its_pictures_show():
    source = Batches(SETS, BatchRecipe(**PLAIN, label_smoothing=0.1), seed=1)
    targets = source.batch(0)[1]
    words = np.random.SeedSequence([1, 1, 0]).generate_state(12, np.uint64).reshape(4, 3)[:, 0].tolist()
    expected = sets(SETS, source.ids(0).tolist(), words)
    assert set(expected.sum(axis=1)) == {1, 2}
    np.testing.assert_allclose(targets, expected * 0.9 + 0.025, atol=1e-6)


def test_sets_are_mixed_as_their_pictures():
    marks = torch.tensor([[1.0, 1, 0], [0, 0, 1]])
    assert torch.equal(mixing.soft_targets(marks, 3, 0.0), marks)
    source = Batches(SETS, BatchRecipe(**{**PLAIN, "mixup": 0.8}, label_smoothing=0.0), seed=1)
    raw = source.raw_batch(0)
    own, targets = raw.weights[:, None], source.finish(raw)[1]
    np.testing.assert_allclose(targets, raw.labels * own + raw.labels[[1, 0, 3, 2]] * (1 - own), atol=1e-6)
