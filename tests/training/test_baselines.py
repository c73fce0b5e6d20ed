import numpy as np
import pytest

from ofdb_core.data.samples import Images
from ofdb_core.training import baselines
from tests.helpers import tiny


@pytest.fixture
def stripes():
    """100 images of two classes that differ in the direction of their stripes, at any phase."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    waves = [np.sin(np.arange(48)[:, None] * 0.5 + rng.uniform(0, 0.5)) * np.ones((1, 48)) for _ in labels]
    items = np.stack([wave.T if label else wave for wave, label in zip(waves, labels, strict=True)])
    return Images(np.uint8(127 + 100 * items + rng.normal(0, 8, items.shape)), labels, ["flat", "upright"])


def test_raw_pixels_are_those_that_evaluation_sees_but_small(stripes):
    recipe = tiny.finetune(input_size=48)
    pixels = baselines.raw_pixels(stripes, recipe)
    assert pixels.shape == (100, 32 * 32 * 3)
    assert pixels.dtype == np.float32
    small = baselines.raw_pixels(stripes, tiny.finetune(input_size=8))
    assert small.shape == (100, 8 * 8 * 3)


def test_both_judges_tell_stripes_apart_and_not_labels_that_say_nothing(stripes):
    pixels = baselines.raw_pixels(stripes, tiny.finetune(input_size=16))
    parts = pixels[:60], stripes.labels[:60], pixels[60:], stripes.labels[60:]
    found = baselines.accuracies(*parts, seed=0)
    assert list(found) == ["nearest neighbour", "logistic regression"]
    assert min(found.values()) > 0.95
    train, _, *test = parts
    assert max(baselines.accuracies(train, np.arange(60) // 2 % 2, *test, seed=0).values()) < 0.75


def test_of_one_image_a_class_a_penalty_is_taken_not_chosen(stripes):
    pixels = baselines.raw_pixels(stripes, tiny.finetune(input_size=16))
    found = baselines.accuracies(pixels[:2], stripes.labels[:2], pixels[2:], stripes.labels[2:], seed=0)
    assert min(found.values()) > 0.9


def test_the_penalty_is_chosen_on_training_images_alone(stripes, monkeypatch):
    from sklearn.pipeline import Pipeline

    seen = []
    fit = Pipeline.fit
    monkeypatch.setattr(Pipeline, "fit", lambda self, x, y: seen.append(len(x)) or fit(self, x, y))
    pixels = baselines.raw_pixels(stripes, tiny.finetune(input_size=8))
    baselines.accuracies(pixels[:50], stripes.labels[:50], pixels[50:], stripes.labels[50:], seed=0)
    assert seen == [40] * len(baselines.PENALTIES) + [50]
