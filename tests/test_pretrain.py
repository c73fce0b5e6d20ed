import pytest
import tiny

from ofdb_core import finetune, folder, pretrain, train, weights


def test_pretraining_leaves_a_checkpoint_a_log_and_predictions(tmp_path):
    images = tiny.shades()
    rows, predicted, speed = pretrain.pretrain(images, "source", tiny.pretrain(), tmp_path / "a")
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert predicted.shape == (8,)
    assert speed["images_per_second"] > 0
    assert folder.verify(tmp_path / "a") == []
    model, _ = weights.load(tmp_path / "a" / "model.safetensors")
    assert (train.evaluate(model, images, tiny.pretrain())[0] == predicted).all()


def test_the_same_recipe_gives_the_same_bytes_and_is_not_trained_twice(tmp_path, capsys):
    first, second = tmp_path / "a", tmp_path / "b"
    for root in (first, second, second):
        pretrain.pretrain(tiny.shades(), "source", tiny.pretrain(), root)
    assert folder.digest(first) == folder.digest(second)
    assert capsys.readouterr().out.count("trained before and unchanged, kept") == 1


@pytest.mark.parametrize(("source", "values"), [("other", {}), ("source", {"seed": 1})])
def test_another_recipe_or_source_is_trained_anew(tmp_path, source, values):
    pretrain.pretrain(tiny.shades(), "source", tiny.pretrain(), tmp_path / "a")
    before = (tmp_path / "a" / folder.MANIFEST).read_text()
    pretrain.pretrain(tiny.shades(), source, tiny.pretrain(**values), tmp_path / "a")
    assert (tmp_path / "a" / folder.MANIFEST).read_text() != before


def test_a_training_that_was_cut_off_is_done_again(tmp_path, monkeypatch):
    def cut_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(weights, "save", cut_off)
        with pytest.raises(KeyboardInterrupt):
            pretrain.pretrain(tiny.shades(), "source", tiny.pretrain(), tmp_path / "a")
    assert "unfinished" in folder.verify(tmp_path / "a")[0]
    pretrain.pretrain(tiny.shades(), "source", tiny.pretrain(), tmp_path / "a")
    assert folder.verify(tmp_path / "a") == []


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrain") / "a"
    pretrain.pretrain(tiny.shades(), "source", tiny.pretrain(), root)
    return root / "model.safetensors"


def test_the_comparison_trains_both_starts_on_the_same_budget(tmp_path, checkpoint, monkeypatch):
    seen = []
    fit = train.fit

    def watched(model, source, recipe, **how):
        seen.append(
            (source.images.labels.tolist(), [source.ids(step).tolist() for step in range(recipe.steps)], how["seed"])
        )
        return fit(model, source, recipe, **how)

    monkeypatch.setattr(train, "fit", watched)
    results = finetune.compare(tiny.finetune(shots=[1, 2]), checkpoint, tmp_path / "f")
    assert [(row["shots"], row["repeat"], row["start"]) for row in results] == [
        (shots, repeat, start) for shots in (1, 2) for repeat in (0, 1) for start in finetune.STARTS
    ]
    assert all(one == other for one, other in zip(seen[::2], seen[1::2], strict=True))
    assert seen[0] != seen[2]
    assert all(0 <= row["accuracy"] <= 1 for row in results)


def test_the_starts_differ_in_their_weights_and_share_their_new_head(checkpoint):
    settings = tiny.finetune()
    ready, fresh = (finetune._network(settings, checkpoint, start, 10, 0).state_dict() for start in finetune.STARTS)
    assert ready["head.weight"].equal(fresh["head.weight"])
    assert not ready["blocks.0.mlp.fc1.weight"].equal(fresh["blocks.0.mlp.fc1.weight"])
    assert ready["blocks.0.mlp.fc1.weight"].equal(weights.load(checkpoint)[0].state_dict()["blocks.0.mlp.fc1.weight"])


def test_a_finished_comparison_is_kept_and_the_same_again(tmp_path, checkpoint, capsys):
    for root in (tmp_path / "f", tmp_path / "g", tmp_path / "f"):
        finetune.compare(tiny.finetune(), checkpoint, root)
    assert folder.digest(tmp_path / "f") == folder.digest(tmp_path / "g")
    assert capsys.readouterr().out.count("compared before and unchanged, kept") == 1
