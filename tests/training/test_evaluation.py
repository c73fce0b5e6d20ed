import numpy as np
import pytest

from ofdb_core.data import samples
from ofdb_core.training import evaluation
from tests.helpers import tiny
from tests.helpers.tiny import network, same


def test_predictions_are_the_classes_of_the_images_in_order():
    predicted = evaluation.predict(network(), tiny.some_images(), tiny.pretrain())
    assert predicted.shape == (10,)
    assert predicted.dtype == np.int64
    one_by_one = [evaluation.predict(network(), one, tiny.pretrain())[0] for one in singles(tiny.some_images())]
    assert predicted.tolist() == one_by_one


def singles(images):
    return [samples.Images(images.items[i : i + 1], [0], images.classes) for i in range(len(images))]


@pytest.mark.parametrize("values", [{"batch_size": 3}, {"loader_workers": 2}, {"device_batch": 2}])
def test_features_do_not_depend_on_batches_or_workers(values):
    images = tiny.some_images()
    whole = evaluation.features(network(), images, tiny.pretrain(batch_size=10))
    assert evaluation.features(network(), images, tiny.pretrain(**values)) == pytest.approx(whole, abs=1e-6)


def test_features_have_length_one_and_the_width_of_the_network():
    found = evaluation.features(network(), tiny.shades(), tiny.pretrain())
    assert found.shape == (8, 16)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)


def test_a_process_without_images_gets_what_the_others_found(monkeypatch):
    monkeypatch.setattr(evaluation.processes, "share", lambda: (3, 4))
    shares = [np.array([[found, 0.5]]) for found in (3, 1)]
    monkeypatch.setattr(evaluation, "gather_object", lambda mine: [*shares, None, *mine])
    assert evaluation.predict(network(), tiny.some_images(2, classes=2), tiny.pretrain()).tolist() == [3, 1]


def test_neighbours_know_what_they_have_seen():
    images = tiny.shades()
    found = evaluation.nearest_neighbours(network(), images, images, tiny.pretrain(), neighbours=1)
    assert (found == images.labels).all()
    assert len(evaluation.nearest_neighbours(network(), images, images, tiny.pretrain(), neighbours=1000)) == 8


def test_accuracy_by_class():
    rows = evaluation.by_class([0, 1, 1, 1], np.array([0, 0, 1, 1]), ["a", "b", "c"])
    assert rows == [
        {"class": "a", "images": 2, "accuracy": 0.5},
        {"class": "b", "images": 2, "accuracy": 1.0},
        {"class": "c", "images": 0, "accuracy": None},
    ]


def test_a_class_counts_among_five_unless_five_others_are_likelier():
    shares = np.array([[0.3, 0.2, 0.15, 0.15, 0.1, 0.06, 0.04]] * 7)
    assert evaluation.top5(shares, np.arange(7)) == pytest.approx(5 / 7)
    assert evaluation.top5(shares[:, :5], np.zeros(7, int)) is None


def test_the_surest_mistakes_come_first():
    answers = [("a", "a", 0.9), ("a", "b", 0.5), ("b", "a", 0.8), ("b", "b", 0.4)]
    rows = [dict(zip(("class", "predicted", "probability"), answer, strict=True)) for answer in answers]
    assert evaluation.surest_mistakes(rows) == [2, 1]
    assert evaluation.surest_mistakes(rows, count=1) == [2]


def test_the_best_is_the_first_of_equals_and_comes_back_from_a_state():
    images = tiny.shades()
    best = evaluation.Best(images, tiny.pretrain(steps=4), every=2)
    assert [best.due(step) for step in range(1, 5)] == [False, True, False, True]
    first, other = network(seed=1), network(seed=2)
    best(first, 2)
    best(first, 3)
    assert [row["step"] for row in best.rows] == [2, 3]
    assert same(best.weights, first.state_dict())
    again = evaluation.Best(images, tiny.pretrain(), every=2)
    again.load_state_dict(best.state_dict())
    assert again.rows == best.rows
    assert (again.best.classes == best.best.classes).all()
    assert (again.best.probabilities == best.best.probabilities).all()
    again(other, 4)
    better = again.rows[-1]["accuracy"] > best.rows[0]["accuracy"]
    assert same(again.weights, (other if better else first).state_dict())


def test_evaluation_leaves_the_mode_of_the_network_alone():
    for training in (True, False):
        model = network().train(training)
        evaluation.predict(model, samples.Images(np.zeros((2, 8, 8), np.uint8), [0, 1], "ab"), tiny.pretrain())
        assert model.training is training


def of(confidences, hits):
    """Guesses between two classes with these probabilities of the named one, and labels that make hits of some."""
    sure, right = np.asarray(confidences, np.float32), np.asarray(hits, bool)
    return evaluation.Guesses(np.zeros(len(sure), int), np.stack([sure, 1 - sure], axis=1)), (~right).astype(int)


def published_rms(confidence, correct, every):
    """PixMix's RMS calibration error by its published rule, with or without the last bin, which that leaves out."""
    order = np.argsort(confidence, kind="stable")
    confidence, correct = confidence[order], correct[order]
    bounds = [[i * 100, (i + 1) * 100] for i in range(len(confidence) // 100)]
    bounds[-1][1] = len(confidence)
    total = 0.0
    for low, high in bounds if every else bounds[:-1]:
        total += (high - low) / len(confidence) * (confidence[low:high].mean() - correct[low:high].mean()) ** 2
    return np.sqrt(total)


def test_a_network_that_is_as_sure_as_right_is_calibrated():
    for confidence, right, apart in ((0.75, 3, 0.0), (0.75, 2, 0.25), (0.75, 4, 0.25)):
        guesses, labels = of([confidence] * 40, ([True] * right + [False] * (4 - right)) * 10)
        assert evaluation.calibration(guesses, labels) == pytest.approx({"rms": apart, "ece": apart}, abs=1e-6)


def test_the_rms_calibration_error_is_pixmixs_with_the_surest_images():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 730)
    hits = rng.random(730) < sure**2
    guesses, labels = of(sure, hits)
    found, kept = evaluation.calibration(guesses, labels)["rms"], guesses.probabilities[:, 0].astype(float)
    assert found == pytest.approx(published_rms(kept, hits, every=True))
    assert found != pytest.approx(published_rms(kept, hits, every=False))


def test_the_expected_calibration_error_is_the_mean_gap_of_fifteen_bins():
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.5, 1, 500)
    hits = rng.random(500) < 0.6
    guesses, labels = of(sure, hits)
    bins = (guesses.probabilities[:, 0].astype(float) * 15).astype(int)
    gaps = [(bins == i).mean() * abs(sure[bins == i].mean() - hits[bins == i].mean()) for i in {*bins.tolist()}]
    assert evaluation.calibration(guesses, labels)["ece"] == pytest.approx(sum(gaps), abs=1e-6)
    rows = evaluation.reliability(guesses, labels)
    assert len(rows) == 15
    assert sum(row["images"] for row in rows) == 500
    assert rows[0] == {"from": 0.0, "to": 1 / 15, "images": 0, "confidence": None, "accuracy": None}


def test_a_network_that_is_always_sure_is_in_the_last_bin():
    guesses, labels = of([1.0] * 5, [True] * 4 + [False])
    assert evaluation.reliability(guesses, labels)[-1]["accuracy"] == pytest.approx(0.8)
    with pytest.raises(ValueError, match="no probabilities"):
        evaluation.calibration(evaluation.Guesses(np.zeros(3, int)), np.zeros(3, int))
