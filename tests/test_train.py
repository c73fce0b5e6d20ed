import numpy as np
import pytest
import tiny
import torch
from tiny import network, same

from ofdb_core import loading, train

PLAIN = {"mix_probability": 0.0, "auto_augment": None, "erasing": 0.0, "label_smoothing": 0.0}


def trained(settings, images=None, seed=0, model=None):
    model, images = model or network(), images or tiny.shades()
    rows = train.fit(model, loading.Batches(images, settings, seed=seed), settings, seed=seed)
    return model, rows


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_training_learns_what_can_be_learned():
    settings = tiny.pretrain(steps=60, batch_size=8, learning_rate=1e-2, crop_scale=[0.5, 1.0], **PLAIN)
    model, rows = trained(settings)
    assert rows[0]["loss"] == pytest.approx(np.log(4), rel=0.2)
    assert rows[-1]["loss"] < 0.3
    predicted, _ = train.evaluate(model, tiny.shades(), settings)
    assert (predicted == tiny.shades().labels).all()


def test_the_same_seed_gives_the_same_weights_whatever_the_workers():
    first, rows = trained(tiny.pretrain(drop_path=0.2))
    again, others = trained(tiny.pretrain(drop_path=0.2, workers=2))
    assert same(state_of(first), state_of(again))
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]
    assert not same(state_of(first), state_of(trained(tiny.pretrain(drop_path=0.2), seed=1)[0]))


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(tiny.pretrain())
    assert torch.equal(torch.rand(3), expected)


def test_the_log_has_a_row_each_log_every_steps_and_at_the_end():
    _, rows = trained(tiny.pretrain(steps=5, log_every=2))
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert set(train.LOGGED) < rows[0].keys()
    assert all(row["images_per_second"] > 0 and 0 <= row["data_share"] <= 1 for row in rows)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine():
    settings = tiny.pretrain(
        steps=12, warmup_steps=4, learning_rate=1e-3, min_learning_rate=1e-5, warmup_learning_rate=0.0
    )
    rates = [row["learning_rate"] for row in trained(settings)[1]]
    assert rates[:4] == pytest.approx([0.0, 0.25e-3, 0.5e-3, 0.75e-3])
    expected = [1e-5 + (1e-3 - 1e-5) * (1 + np.cos(np.pi * step / 12)) / 2 for step in range(4, 12)]
    assert rates[4:] == pytest.approx(expected)


def test_a_loss_that_is_not_finite_names_step_rate_and_samples():
    class Broken(loading.Batches):
        def batch(self, step):
            images, targets = super().batch(step)
            return images * (float("nan") if step == 1 else 1.0), targets

    settings = tiny.pretrain()
    source = Broken(tiny.shades(), settings, seed=0)
    with pytest.raises(ValueError, match=r"loss is nan at step 2 \(learning rate .*samples \[\d, \d, \d, \d\]"):
        train.fit(network(), source, settings, seed=0)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"adamv.*did you mean adam"):
        train.check_optimizer("adamv")


def test_precision_is_what_the_device_has():
    assert train.resolve_precision("no", "cpu") == "no"
    assert train.resolve_precision("auto", "cpu") in ("no", "bf16")
    with pytest.raises(ValueError, match="precision: 'fp16' is not possible on this cpu"):
        train.resolve_precision("fp16", "cpu")


def test_evaluation_is_in_order_and_gives_probabilities():
    settings, images = tiny.pretrain(), tiny.shades(10)
    predicted, probabilities = train.evaluate(network(), images, settings)
    assert predicted.shape == (10,)
    assert predicted.dtype == np.int64
    assert probabilities.shape == (10, 4)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities[0] == probabilities[4]).all()  # the same picture
