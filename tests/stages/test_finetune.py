import os
import shutil
import signal

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from ofdb_core.base import provenance, signals
from ofdb_core.base.folder import Folder
from ofdb_core.batches.source import Batches
from ofdb_core.data import real_images, tables
from ofdb_core.families import registry
from ofdb_core.stages import comparison, finetune, recipes
from ofdb_core.training import baselines, evaluation, loop, networks
from tests.helpers import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    tiny.trained(tiny.pretrain(data=tiny.folder_of_shades(root / "images"), out=str(root)))
    return str(root / "pretrain" / "model.safetensors")


@pytest.fixture
def settings(checkpoint, tmp_path):
    """A function that makes a small recipe with other values for some fields."""
    return lambda name="f", **values: tiny.finetune(**{"checkpoint": checkpoint, "out": str(tmp_path / name), **values})


def compare(parameters):
    return tiny.compared(parameters).results


def root_of(parameters):
    return comparison.Comparison(parameters, []).root


def test_the_comparison_trains_both_starts_on_the_same_budget(settings, monkeypatch):
    seen, fit = [], loop.fit

    def watched(model, source, recipe, **how):
        ids = [source.ids(step).tolist() for step in range(recipe.steps)]
        seen.append((source.images.labels.tolist(), ids, how["seed"]))
        return fit(model, source, recipe, **how)

    monkeypatch.setattr(loop, "fit", watched)
    results = compare(settings(shots=[1, 2]))
    assert [(row["shots"], row["repeat"], row["start"]) for row in results] == [
        (shots, repeat, start)
        for shots in (1, 2)
        for repeat in (0, 1)
        for start in (recipes.PRE_TRAINED, recipes.FROM_SCRATCH)
    ]
    assert all(one == other for one, other in zip(seen[::2], seen[1::2], strict=True))
    assert seen[0] != seen[2]
    assert all(0 <= row["accuracy"] <= 1 for row in results)


def test_files_that_cannot_be_read_are_refused_before_anything_is_trained(settings, tmp_path):
    for part in ("train", "val"):
        tiny.folder_of_shades(tmp_path / "mine" / part, 4)
    asked = settings(data=str(tmp_path / "mine"), shots=[1])
    finetune.start(asked)
    (tmp_path / "mine" / "val" / "00002" / "y.jpg").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"data: 1 of 9 files cannot be read; .*\n.*val/00002/y\.jpg: no picture$"):
        finetune.start(asked)


def test_a_class_without_images_to_test_on_is_trained(settings, tmp_path):
    for part in ("train", "val"):
        tiny.folder_of_shades(tmp_path / "mine" / part, 4)
    shutil.rmtree(tmp_path / "mine" / "val" / "00001")
    done = tiny.compared(settings(data=str(tmp_path / "mine"), shots=[1], repeats=1, starts=["pre-trained"]))
    assert [row["test_images"] for row in done.results] == [3]
    assert [row["accuracy"] for row in done.table("classes") if row["images"] == 0] == [""]


def test_one_start_alone_can_be_asked_for(settings):
    results = compare(settings(starts=["from scratch"]))
    assert {row["start"] for row in results} == {"from scratch"}


def test_the_starts_differ_in_their_weights_and_share_their_new_head(settings, checkpoint):
    asked = settings()
    given, trials = finetune.start(asked), finetune.trials(asked)[:2]
    ready, fresh = (finetune.network(asked, trial, given).state_dict() for trial in trials)
    assert ready["head.weight"].equal(fresh["head.weight"])
    assert not ready["blocks.0.mlp.fc1.weight"].equal(fresh["blocks.0.mlp.fc1.weight"])
    assert ready["blocks.0.mlp.fc1.weight"].equal(tiny.loaded(checkpoint)[0].state_dict()["blocks.0.mlp.fc1.weight"])


def test_a_finished_comparison_is_kept_and_the_same_again(settings, capsys):
    for name in ("f", "g", "f"):
        compare(settings(name))
    one, other = (Folder(root_of(settings(name))).digest() for name in ("f", "g"))
    assert one == other
    assert capsys.readouterr().out.count("finetune: made before and unchanged, kept") == 1


def test_a_finished_comparison_is_kept_aside_and_not_continued(settings, capsys):
    how = {"repeats": 1, "starts": ["from scratch"]}
    compare(settings(**how))
    root = root_of(settings())
    digest = Folder(root).digest()
    compare(settings(**how, steps=4, changed="continue"))
    told = capsys.readouterr().out
    assert "(steps 3 -> 4) stays, and is kept aside once the new one, which begins anew, is finished" in told
    assert "goes on" not in told
    assert Folder(root.with_name("finetune.1")).digest() == digest
    assert Folder(root.with_name("finetune.1")).verify() == []


def test_a_finished_comparison_outlives_its_code_until_it_is_to_restart(settings, monkeypatch, capsys):
    how = {"repeats": 1, "starts": ["from scratch"]}
    made = tiny.compared(settings(**how))
    digest, code = Folder(made.root).digest(), Folder(made.root).manifest()["code"]
    assert not made.outdated
    monkeypatch.setattr(provenance, "code_version", lambda *_: "another")
    capsys.readouterr()
    kept = tiny.compared(settings(**how))
    told = capsys.readouterr().out
    assert f"finished before, by other code ({code}; today's is another), and kept; -p changed restart" in told
    assert "peak learning rate" not in told
    assert kept.outdated
    assert kept.results == made.results
    assert kept.in_words()["trained by code"] == code
    anew = tiny.compared(settings(**how, changed="restart"))
    assert "peak learning rate" in capsys.readouterr().out
    assert not anew.outdated
    assert anew.in_words()["trained by code"] == "another"
    assert Folder(anew.root).digest() == digest


def test_a_finished_comparison_of_other_code_does_not_stand_for_other_parameters(settings, monkeypatch, capsys):
    how = {"repeats": 1, "starts": ["from scratch"]}
    tiny.compared(settings(**how))
    monkeypatch.setattr(provenance, "code_version", lambda *_: "another")
    capsys.readouterr()
    anew = tiny.compared(settings(**how, weight_decay=0.5))
    told = capsys.readouterr().out
    assert "peak learning rate" in told
    assert "by other code" not in told
    assert not anew.outdated
    assert Folder(anew.root).manifest()["parameters"]["weight_decay"] == 0.5


def test_weights_that_are_kept_wait_on_the_disk(settings, monkeypatch):
    """Those of one training at a time are in memory."""
    write, moved = Folder.write, []

    def watched(folder, head, contents, notes):
        moved.extend(path for name, path in contents.items() if name.endswith(".safetensors"))
        assert all(path.is_file() for path in moved)
        write(folder, head, contents, notes)

    monkeypatch.setattr(Folder, "write", watched)
    done = compare(settings())
    assert len(moved) == 2 * len(done)
    assert not any(path.exists() for path in moved)
    assert not (root_of(settings()).parent / "checkpoints").exists()


def test_a_comparison_that_was_cut_off_goes_on_and_gives_the_same_bytes(settings, monkeypatch, capsys):
    compare(settings("whole"))
    fit, calls = loop.fit, []

    def cut_off(*words, **how):
        calls.append(how["title"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*words, **how)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", cut_off)
        with pytest.raises(KeyboardInterrupt):
            compare(settings())
    capsys.readouterr()
    compare(settings())
    assert capsys.readouterr().out.count("goes on from step 3 of 3") == 2  # the two that were done
    assert Folder(root_of(settings())).digest() == Folder(root_of(settings("whole"))).digest()


@pytest.mark.parametrize("values", [{}, {"head_only": True, "ema": 0.5}])
def test_a_training_that_was_killed_keeps_its_best_and_ends_with_the_same_bytes(settings, monkeypatch, values):
    how = {"steps": 7, "evaluate_every": 2, "save_steps": 3, "repeats": 1, "learning_rate": 1.0, **values}
    how["starts"] = ["pre-trained"]
    compare(settings("whole", **how))
    raw_batch = Batches.raw_batch

    def killed(source, step, part=0):
        if step == 5:
            raise RuntimeError("killed")
        return raw_batch(source, step, part)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "raw_batch", killed)
        with pytest.raises(RuntimeError, match="killed"):
            compare(settings(**how))
    compare(settings(**how))
    assert Folder(root_of(settings())).digest() == Folder(root_of(settings("whole"))).digest()


def test_asked_to_stop_between_two_trainings_the_next_one_saves_and_stops(settings, monkeypatch, capsys):
    network, calls = finetune.network, []

    def asked(*words):
        calls.append(words)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return network(*words)

    with monkeypatch.context() as patch:
        patch.setattr(finetune, "network", asked)
        with pytest.raises(signals.Interrupted, match="stopped at step 1 of 3, saved in"):
            compare(settings())
    compare(settings())
    assert "from scratch, 2 a class, repeat 0: goes on from step 1 of 3" in capsys.readouterr().out


def test_best_and_last_are_both_reported_and_kept(settings):
    asked = settings(evaluate_every=1, steps=6, repeats=1, starts=["pre-trained"], learning_rate=1.0)
    (row,) = compare(asked)
    root = root_of(asked)
    evaluations = tables.read(root / "evaluations.csv")
    assert [line["step"] for line in evaluations] == [1, 2, 3, 4, 5, 6]
    assert row["accuracy"] == evaluations[-1]["accuracy"]
    assert row["best_accuracy"] == max(line["accuracy"] for line in evaluations)
    assert row["best_step"] == next(line["step"] for line in evaluations if line["accuracy"] == row["best_accuracy"])
    images = finetune.start(asked).test
    for name in ("best", "model"):
        model, _ = tiny.loaded(root / "pre-trained_2_0" / f"{name}.safetensors")
        found = evaluation.accuracy(evaluation.predict(model, images, asked), images.labels)
        assert found == pytest.approx(row["best_accuracy" if name == "best" else "accuracy"])
    about = (root / "pre-trained_2_0" / "README.md").read_text()
    assert "checkpoint_path='best.safetensors'" in about
    assert f"| test accuracy of best.safetensors | {row['best_accuracy']} |" in about
    assert "learned from digits; SHA-256, or name, of the data: `digits`" in about
    assert "\nlicense:" not in about  # the images have their own
    classes = tables.read(root / "classes.csv")
    assert sum(line["images"] for line in classes) == len(images)
    whole = sum(line["accuracy"] * line["images"] for line in classes) / len(images)
    assert whole == pytest.approx(row["accuracy"])


def test_weights_are_not_kept_where_they_are_not_asked_for(settings):
    asked = settings(keep_weights=False, repeats=1)
    compare(asked)
    assert not list(root_of(asked).rglob("*.safetensors"))


def test_a_linear_probe_is_an_answer_too(settings):
    asked = settings(head_only=True, repeats=1)
    compare(asked)
    model, _ = tiny.loaded(root_of(asked) / "pre-trained_2_0" / "model.safetensors")
    before, _ = tiny.loaded(asked.checkpoint, classes=10)
    assert model.state_dict()["blocks.0.mlp.fc1.weight"].equal(before.state_dict()["blocks.0.mlp.fc1.weight"])
    assert not model.head.weight.equal(before.head.weight)


def test_each_start_takes_the_learning_rate_that_is_best_on_held_out_training_images(settings, monkeypatch):
    seen, fit = [], loop.fit

    def watched(model, source, recipe, **how):
        watch = how["watch"]
        seen.append((how["title"], recipe.learning_rate, len(source.images), len(watch.images)))
        return fit(model, source, recipe, **how)

    monkeypatch.setattr(loop, "fit", watched)
    rates = [0.1, 1e-4]
    done = tiny.compared(settings(shots=[5], learning_rates=rates, evaluate_every=1, steps=6))
    choices, test = done.table("choices"), done.results[0]["test_images"]
    assert [(train, judged) for _, _, train, judged in seen] == [(40, 10)] * 8 + [(50, test)] * 4
    assert [rate for _, rate, *_ in seen[:8]] == rates * 4
    for row in done.results:
        means = {
            rate: sum(c["accuracy"] for c in choices if (c["start"], c["learning_rate"]) == (row["start"], rate))
            for rate in rates
        }
        assert row["learning_rate"] == max(means, key=means.get)
    assert [rate for _, rate, *_ in seen[8:]] == [row["learning_rate"] for row in done.results]
    chosen = f"{done.results[0]['learning_rate']:g}"
    assert done.in_words()["pre-trained, 5 images a class, learning rate chosen"] == chosen


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rates": [1e-9]}, "learning_rates: 1e-09 is below min_learning_rate, 1e-05"),
        ({"learning_rates": [0.1], "shots": [1]}, "of 1 image a class .shots. none can be held out"),
        ({"knn": 3}, "knn: unknown parameter .it is called baselines here."),
    ],
)
def test_what_cannot_be_chosen_is_refused(settings, values, message):
    with pytest.raises(ValueError, match=message):
        settings(**values)


def test_raw_pixels_and_frozen_features_are_judged_on_the_same_images(settings):
    done = tiny.compared(settings(baselines=True, shots=[2, 5], steps=2))
    rows = done.table("baselines")
    assert len(rows) == 2 * 2 * 5 * 2  # shots, repeats, features, judges
    named = done.baselines(5)
    assert list(named) == [
        f"{features}, {judge}"
        for features in (
            "raw pixels",
            *("frozen, pre-trained", "frozen, pre-trained, middle block"),
            *("frozen, random weights", "frozen, random weights, middle block"),
        )
        for judge in ("nearest neighbour", "logistic regression")
    ]
    assert np.mean(named["raw pixels, nearest neighbour"]) > 0.6  # digits
    given = finetune.start(done.parameters)
    few = given.train.few_shot(5, seed=1)
    pixels = [baselines.raw_pixels(images, given.recipe) for images in (few, given.test)]
    network = given.checkpoint.network()[0]
    tokens = [evaluation.features(network, images, given.recipe, evaluation.middle) for images in (few, given.test)]
    for name, (seen, unseen) in {"raw pixels": pixels, "frozen, pre-trained, middle block": tokens}.items():
        nearest = KNeighborsClassifier(1).fit(seen, few.labels).score(unseen, given.test.labels)
        assert named[f"{name}, nearest neighbour"][1] == pytest.approx(nearest)
    assert "raw pixels, nearest neighbour, 5 images a class" in done.in_words()
    assert "raw pixels, nearest neighbour" in done.headline()
    assert done.headline().endswith("chance 10.0%")


def test_a_middle_block_is_left_out_where_it_has_too_many_values_or_cannot_be_read(settings, monkeypatch, capsys):
    given = finetune.start(settings())
    sets, network = [given.train.few_shot(2, seed=0)] * 2, given.checkpoint.network()[0]
    assert list(finetune.frozen_features("it", network, sets, given.recipe)) == ["it", "it, middle block"]
    monkeypatch.setattr(finetune.baselines, "MOST_VALUES", 40 * 256 - 1)
    assert list(finetune.frozen_features("it", network, sets, given.recipe)) == ["it"]
    assert "not the middle block of it, since it has 256 values of each image" in capsys.readouterr().out
    monkeypatch.delattr(type(network), "forward_intermediates")
    assert list(finetune.frozen_features("it", network, sets, given.recipe)) == ["it"]


def test_one_training_has_an_interval_in_place_of_a_spread(settings, tmp_path):
    data = tree(tmp_path / "photos", train_a=3, train_b=3, val_a=5, val_b=4)
    headline = tiny.compared(settings(data=data, repeats=1)).headline()
    assert "±" not in headline
    assert "one training, 9 test images: 95 % interval " in headline
    assert " points, by one fine-tuning of one pre-training, so without an interval; " in headline
    both = tiny.compared(settings("two", repeats=2)).headline()
    assert "± " in both
    assert "(n 2)" in both
    assert "points (95 % interval " in both


def test_probabilities_of_all_classes_are_kept(settings):
    done = tiny.compared(settings())
    kept = np.load(done.root / "probabilities.npz")
    names = [row["name"] for row in done.results]
    assert kept.files == names
    for row in done.results:
        shares = kept[row["name"]]
        assert shares.shape == (row["test_images"], row["classes"])
        assert shares.sum(axis=1) == pytest.approx(1, abs=0.01)
        labels = finetune.start(done.parameters).test.labels
        order = np.argsort(-shares.astype(float), axis=1, kind="stable")[:, :5]
        assert row["top5"] == pytest.approx(
            np.mean((order == labels[:, None]).any(axis=1)), abs=0.02
        )  # float16 has ties


def test_a_gain_late_in_the_training_is_told(settings):
    done = tiny.compared(settings(evaluate_every=1, steps=6))
    early = [row["accuracy"] for row in done.table("evaluations") if row["step"] == 4]
    gains = done.gained_late("accuracy", shots=2)
    assert gains["pre-trained"] == pytest.approx(
        [row["accuracy"] - early[i] for i, row in enumerate(done.results) if row["start"] == "pre-trained"]
    )
    brought = ", ".join(f"{start} {100 * np.mean(values):+.1f} points" for start, values in gains.items())
    assert (
        f", by 2 fine-tunings of one pre-training; gained in the last third of the steps: {brought}; "
        in done.headline()
    )
    at_its_end = tiny.compared(settings("end", steps=6))
    assert at_its_end.gained_late("accuracy", shots=2) == {}
    assert "gained in the last third of the steps: unknown, without evaluate_every; " in at_its_end.headline()


def test_another_input_size_and_channel_are_fitted(settings, capsys):
    (row, *_) = compare(settings(input_size=24, channels=1, repeats=1, starts=["pre-trained"]))
    assert 0 <= row["accuracy"] <= 1
    told = capsys.readouterr().out
    assert "pos_embed: 1 x 17 x 16 in the file, 1 x 37 x 16 wanted; fitted" in told
    assert "head.weight: 8 x 16 in the file, 10 x 16 wanted; drawn anew" in told


def tree(root, **files):
    for name, count in files.items():
        part, category = name.split("_")
        (root / part / category).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.linear_gradient("L").resize((8, 8)).save(root / part / category / f"{i}.png")
    return str(root)


@pytest.mark.parametrize(
    ("files", "shots", "message"),
    [
        ({"train_a": 1, "train_b": 0, "val_a": 1, "val_b": 1}, 0, "train/b: holds no image"),
        ({"train_a": 1, "train_b": 1, "val_c": 1, "val_a": 1}, 0, "val/ has classes that train/ lacks: c"),
        ({"train_a": 3, "val_a": 1}, 0, "has one class, a; a network learns to tell several apart"),
        ({"train_a": 1, "train_b": 2, "val_a": 1, "val_b": 1}, 2, "shots: 2 is out of range; class a has 1 images"),
    ],
)
def test_data_that_cannot_be_used_are_refused_before_anything_runs(settings, tmp_path, files, shots, message):
    data = tree(tmp_path / "photos", **files)
    with pytest.raises(ValueError, match=message):
        finetune.check(settings(data=data, shots=[shots]))


@pytest.mark.parametrize(
    ("length", "lists"),
    [
        ({"steps": 5, "warmup_steps": 1}, False),
        ({"steps": None, "epochs": 8.0, "shots": [1, 2]}, False),
        ({"steps": None, "epochs": 8.0, "shots": [0]}, True),
    ],
)
def test_a_check_lists_all_images_only_where_epochs_of_all_of_them_are_asked_for(
    settings, tmp_path, monkeypatch, length, lists
):
    data, listed = tree(tmp_path / "photos", train_a=4, train_b=4, val_a=1, val_b=1), []
    images_of = real_images.images_of
    monkeypatch.setattr(real_images, "images_of", lambda *given: listed.append(given) or images_of(*given))
    finetune.check(settings(data=data, **length))
    assert bool(listed) == lists
    if "epochs" in length:
        with pytest.raises(ValueError, match="leaves no step"):
            finetune.check(settings(data=data, **{**length, "warmup_steps": 50}))


def test_a_checkpoint_that_cannot_be_used_is_refused_before_anything_runs(settings, tmp_path):
    finetune.check(settings())
    (tmp_path / "x.pth").write_bytes(b"x" * 99)
    with pytest.raises(ValueError, match="not a whole file of weights"):
        finetune.check(settings(checkpoint=str(tmp_path / "x.pth")))
    with pytest.raises(ValueError, match="patch_size is no option of resnet10t"):
        finetune.check(settings(model="resnet10t"))


def test_predictions_and_confusion_name_files_and_classes(settings, tmp_path):
    data = tree(tmp_path / "photos", train_1=2, train_cat=2, val_1=3, val_cat=2)
    done = tiny.compared(settings(data=data, repeats=1, starts=["pre-trained"]))
    last, best = done.by_training("predictions").values()
    assert [row["file"] for row in last] == ["1/0.png", "1/1.png", "1/2.png", "cat/0.png", "cat/1.png"]
    assert [row["class"] for row in last] == ["1"] * 3 + ["cat"] * 2
    assert all(row["predicted"] in ("1", "cat") and 0.5 <= row["probability"] <= 1 for row in (*last, *best))
    confusion = tables.read(done.root / "confusion.csv", text=("class",))
    assert [row["class"] for row in confusion] == ["1", "cat"]
    assert [row["as 1"] + row["as cat"] for row in confusion] == [3, 2]


def test_a_head_of_as_many_other_classes_is_drawn_anew_and_one_of_the_same_is_kept(
    settings, tmp_path, checkpoint, capsys
):
    kept, _ = tiny.loaded(checkpoint)
    names = [f"{i:05d}" for i in range(8)]
    for classes, same in ((names, True), ([f"x{i}" for i in range(8)], False)):
        root = tmp_path / classes[0]
        data = tree(root, **{f"{part}_{name}": 2 for part in ("train", "val") for name in classes})
        asked = settings(data=data, repeats=1, starts=["pre-trained"])
        given = finetune.start(asked)
        ready = finetune.network(given.recipe, finetune.trials(asked)[0], given)
        told = "head.bias, head.weight: of as many other classes in the file; drawn anew"
        assert (told in capsys.readouterr().out) != same
        assert ready.head.weight.equal(kept.head.weight) == same
        assert ready.norm.weight.equal(kept.norm.weight)
        fresh = networks.build(given.checkpoint.shape, 8, seed=0)
        assert ready.head.weight.equal(fresh.head.weight) != same


def test_fine_tuning_mixes_pictures_from_a_folder_or_a_run(settings, tmp_path):
    few = {"starts": [recipes.FROM_SCRATCH], "repeats": 1, "baselines": False, "keep_weights": False}
    folder = tiny.folder_of_shades(tmp_path / "pictures")
    mixed = settings(**few, mix_pictures="pixmix", pixmix_data=folder)
    given = finetune.start(mixed)
    assert len(given.pictures) == 8
    assert given.fingerprint[:-1] == finetune.start(settings(**few)).fingerprint
    batch = Batches(given.train, given.recipe, seed=0, pictures=given.pictures).batch(0)[0]
    plain = Batches(given.train, settings(**few), seed=0).batch(0)[0]
    assert not np.array_equal(batch, plain)
    assert len(compare(mixed)) == 1
    noise = registry.families()["noise"]
    noise.stages[-1].write(noise.example(out=mixed.out, categories=3, image_size=32, points=50))
    drawn = settings(**few, mix_pictures="pixmix", pixmix_data="noise-codes", pixmix_live={"size": 32})
    assert drawn.inputs() == ("noise-codes",)
    assert finetune.start(drawn).pictures.pixels(0, 5).shape == (32, 32)
    assert drawn.code() == registry.sources()["noise-codes"].code()
