import pytest
import tiny

from ofdb_core import evaluation, finetune, folder, pretrain, record, train, weights


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    pretrain.pretrain(tiny.pretrain(data=tiny.folder_of_shades(root / "images"), out=str(root)))
    return str(root / "pretrain" / "model.safetensors")


@pytest.fixture
def settings(checkpoint, tmp_path):
    """A function that makes a small recipe with other values for some fields."""
    return lambda name="f", **values: tiny.finetune(**{"checkpoint": checkpoint, "out": str(tmp_path / name), **values})


def test_the_comparison_trains_both_starts_on_the_same_budget(settings, monkeypatch):
    seen, fit = [], train.fit

    def watched(model, source, recipe, **how):
        ids = [source.ids(step).tolist() for step in range(recipe.steps)]
        seen.append((source.images.labels.tolist(), ids, how["seed"]))
        return fit(model, source, recipe, **how)

    monkeypatch.setattr(train, "fit", watched)
    results = finetune.compare(settings(shots=[1, 2]))
    assert [(row["shots"], row["repeat"], row["start"]) for row in results] == [
        (shots, repeat, start) for shots in (1, 2) for repeat in (0, 1) for start in finetune.STARTS
    ]
    assert all(one == other for one, other in zip(seen[::2], seen[1::2], strict=True))
    assert seen[0] != seen[2]
    assert all(0 <= row["accuracy"] <= 1 for row in results)


def test_one_start_alone_can_be_asked_for(settings):
    results = finetune.compare(settings(starts=["from scratch"]))
    assert {row["start"] for row in results} == {"from scratch"}


def test_the_starts_differ_in_their_weights_and_share_their_new_head(settings, checkpoint):
    asked = settings()
    train_images, test_images = finetune.images_of(asked)
    trials = finetune.trials(asked)[:2]
    ready, fresh = (finetune._network(asked, trial, train_images, test_images)[0].state_dict() for trial in trials)
    assert ready["head.weight"].equal(fresh["head.weight"])
    assert not ready["blocks.0.mlp.fc1.weight"].equal(fresh["blocks.0.mlp.fc1.weight"])
    assert ready["blocks.0.mlp.fc1.weight"].equal(weights.load(checkpoint)[0].state_dict()["blocks.0.mlp.fc1.weight"])


def test_a_finished_comparison_is_kept_and_the_same_again(settings, capsys):
    for name in ("f", "g", "f"):
        finetune.compare(settings(name))
    one, other = (folder.digest(finetune.root_of(settings(name))) for name in ("f", "g"))
    assert one == other
    assert capsys.readouterr().out.count("finetune: made before and unchanged, kept") == 1


def test_a_comparison_that_was_cut_off_goes_on_and_gives_the_same_bytes(settings, monkeypatch, capsys):
    finetune.compare(settings("whole"))
    fit, calls = train.fit, []

    def cut_off(*words, **how):
        calls.append(how["title"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*words, **how)

    with monkeypatch.context() as patch:
        patch.setattr(train, "fit", cut_off)
        with pytest.raises(KeyboardInterrupt):
            finetune.compare(settings())
    capsys.readouterr()
    finetune.compare(settings())
    assert capsys.readouterr().out.count("goes on from step 3 of 3") == 2  # the two that were done
    assert folder.digest(finetune.root_of(settings())) == folder.digest(finetune.root_of(settings("whole")))


def test_best_and_last_are_both_reported_and_kept(settings):
    asked = settings(evaluate_every=1, steps=6, repeats=1, starts=["pre-trained"], learning_rate=1.0)
    (row,) = finetune.compare(asked)
    root = finetune.root_of(asked)
    evaluations = record.read_csv(root / "evaluations.csv")
    assert [line["step"] for line in evaluations] == [1, 2, 3, 4, 5, 6]
    assert row["accuracy"] == evaluations[-1]["accuracy"]
    assert row["best_accuracy"] == max(line["accuracy"] for line in evaluations)
    assert row["best_step"] == next(line["step"] for line in evaluations if line["accuracy"] == row["best_accuracy"])
    _, images = finetune.images_of(asked)
    for name in ("best", "last"):
        model, _ = weights.load(root / "pre-trained_2_0" / f"{name}.safetensors")
        found = evaluation.accuracy(evaluation.predict(model, images, asked)[0], images.labels)
        assert found == pytest.approx(row["best_accuracy" if name == "best" else "accuracy"])
    classes = record.read_csv(root / "classes.csv")
    assert sum(line["images"] for line in classes) == len(images)
    whole = sum(line["accuracy"] * line["images"] for line in classes) / len(images)
    assert whole == pytest.approx(row["accuracy"])


def test_weights_are_not_kept_where_they_are_not_asked_for(settings):
    asked = settings(keep_weights=False, repeats=1)
    finetune.compare(asked)
    assert not list(finetune.root_of(asked).rglob("*.safetensors"))


def test_a_linear_probe_and_neighbours_are_answers_too(settings):
    asked = settings(head_only=True, knn=3, repeats=1)
    results = finetune.compare(asked)
    assert all(0 < row["knn"] <= 1 for row in results)
    model, _ = weights.load(finetune.root_of(asked) / "pre-trained_2_0" / "last.safetensors")
    before, _ = weights.load(asked.checkpoint, classes=10)
    assert model.state_dict()["blocks.0.mlp.fc1.weight"].equal(before.state_dict()["blocks.0.mlp.fc1.weight"])
    assert not model.head.weight.equal(before.head.weight)


def test_another_input_size_and_channel_are_fitted(settings, capsys):
    (row, *_) = finetune.compare(settings(input_size=24, channels=1, repeats=1, starts=["pre-trained"]))
    assert 0 <= row["accuracy"] <= 1
    told = capsys.readouterr().out
    assert "pos_embed: 1 x 17 x 16 in the file, 1 x 37 x 16 wanted; fitted" in told
    assert "head.weight: 8 x 16 in the file, 10 x 16 wanted; drawn anew" in told
