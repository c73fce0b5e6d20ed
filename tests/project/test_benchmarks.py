"""The benchmark of training: both trainers train by one recipe, and the shares of their parts make up the steps."""

import itertools

import pytest

from benchmarks import gpu, pages, robustness, shuffled, study_pages, training
from ofdb_core.data import tables
from ofdb_core.run import parameter_files
from tests.helpers import tiny


@pytest.fixture
def work(tmp_path):
    how = tiny.pretrain(steps=training.WARM + 2, data=tiny.folder_of_shades(tmp_path / "shades"))
    return tmp_path / "shades", how


@pytest.mark.parametrize("trainer", training.TRAINERS)
def test_speed_is_that_of_the_steps_after_the_warm_up(work, trainer):
    found = training.speed(trainer, *work)
    assert found["steps"] == 2
    assert min(found["steps_per_s"], found["first_step_s"], found["peak_mb"]) > 0


@pytest.mark.parametrize("trainer", training.TRAINERS)
def test_shares_name_every_part_of_a_step(work, trainer):
    found = training.shares(trainer, *work)
    assert tuple(found) == training.PARTS
    assert all(share > 0 for share in found.values())
    assert 0.3 < sum(found.values()) <= 1


def test_a_gpu_is_measured_and_then_pre_trains(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "PROGRAM", ("sh", "-c", "echo $* >> $0; exit 75", str(tmp_path / "words")))
    monkeypatch.setattr(gpu, "differing", lambda batch, images: 0)
    monkeypatch.setattr(gpu.measuring, "_one", lambda *words: {"steps_per_s": 2.0})
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    for small in (False, True):
        gpu.main(tmp_path / "run", minutes=60, tiny=small)
        rows = tables.read(tmp_path / "gpu.csv")
        cases = {"train_tiny"} if small else training.CASES
        assert {(row["case"], row["trainer"]) for row in rows} == {*itertools.product(cases, training.TRAINERS)}
    whole, few = (tmp_path / "words").read_text().splitlines()
    assert whole.startswith(f"2d-ofdb-1k 1_search_categories 2_render_2d 4_pretrain --out {tmp_path / 'run'} ")
    assert "-p milestones [125, 250, " in whole
    assert "-p steps 2 " in few


@pytest.mark.parametrize("words", [gpu.MILESTONES, gpu.TINY])
def test_the_pre_training_on_a_gpu_has_parameters_of_the_experiment(words, tmp_path):
    name, *notebooks = gpu.EXPERIMENT
    pairs = [*zip(words[1::3], words[2::3], strict=True)]
    assert parameter_files.checked(name, notebooks, pairs, tmp_path)["4_pretrain"].milestones


def test_cases_for_which_there_is_no_time_are_named_and_a_pre_training_is_stopped_in_time(
    monkeypatch, tmp_path, capsys
):
    assert [*gpu.speeds(training.CASES, None, 8, until=0)] == []
    assert "train_tiny, ofdb: left out, no time" in capsys.readouterr().out
    monkeypatch.setattr(gpu, "PROGRAM", ("sh", "-c", "trap 'exit 75' TERM; while :; do sleep 0.05; done"))
    gpu.pretrain(tmp_path, (), 0)


def test_a_pre_training_that_fails_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "PROGRAM", ("sh", "-c", "exit 1"))
    with pytest.raises(SystemExit, match=r"2d-ofdb-1k .* ended with status 1"):
        gpu.pretrain(tmp_path, (), 60)


def test_batches_of_the_benchmark_have_the_bits_of_the_cpu(work, monkeypatch):
    monkeypatch.setattr(gpu.prepared, "released", lambda _: work[0])
    monkeypatch.setattr(gpu.training, "recipe_of", lambda *_: work[1])
    assert gpu.differing(4, 8) == 0


@pytest.mark.parametrize("case", training.CASES)
def test_a_case_is_a_published_recipe(case):
    name, compiled, batches = training.CASES[case]
    how = training.recipe_of(case, batches["CPU"])
    assert (how.input_size, how.compile, how.batch_size) == (224, compiled, batches["CPU"])
    assert how.model == f"vit_{'base' if 'base' in name else 'tiny'}_patch16_224"


def test_mixing_pictures_are_compared_seed_by_seed_with_plain_training_and_with_fractals(tmp_path, monkeypatch):
    errors = {"plain": (0.5, 0.4), "fractals": (0.3, 0.2), "noise": (0.2, 0.12), "moire": (0.25,)}
    rows = [
        {"data": "digits", "variant": variant, "repeat": i, "corrupted_error": error, "clean_error": 0.1}
        | {"corrupted_rms": 0.1, "corrupted_ece": 0.1, "test_images": 9, "steps": 3, "machine": "m"}
        for variant, of in errors.items()
        for i, error in enumerate(of)
    ]
    (tmp_path / "study").mkdir()
    tables.write(tmp_path / "study" / "mixing.csv", rows)
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    lines = [line.split(" | ")[3:5] for line in pages.robustness_table().splitlines()[2:6]]
    assert lines[:2] == [["", ""], ["-20.0 points (95 % interval -20.0 to -20.0)", ""]]
    assert lines[2] == ["-25.0 points", "-5.0 points"]  # of moire
    assert lines[3][1].startswith("-9.0 points (95 % interval ")


def test_of_a_sweep_only_finished_cells_are_judged(tmp_path, capsys):
    (tmp_path / "cells" / "variant=noise").mkdir(parents=True)
    assert [*robustness.measure(tmp_path)] == []
    assert "not finished, left out" in capsys.readouterr().out


def test_kinds_of_pre_training_are_compared_seed_by_seed_and_ranked_by_what_is_known_of_them(tmp_path, monkeypatch):
    kinds = {
        "pattern": 0.8,
        "noise": 0.7,
        "stored": 0.6,
        "texture": 0.5,
        "both": 0.4,
        "few": 0.9,
        "raw pixels, 24 px": 0.6,
    }
    rows = [
        {"group": kind, "seed": seed, "data": "digits", "test_images": 9, "judge": study_pages.JUDGE, "machine": "m"}
        | {"accuracy": share + 0.01 * seed, "own_categories": share**2, "own_loss": share}
        | {"compactness": "" if "pixels" in kind else 1 - share}
        for kind, share in kinds.items()
        for seed in range(2)
    ]
    rows[2]["accuracy"] -= 0.01  # of noise
    tables.write(tmp_path / "study.csv", rows)
    monkeypatch.setattr(study_pages, "FOLDER", tmp_path)
    assert "| pattern | 2 | 80.5 ± 0.7 |" in study_pages.accuracy_table()
    lines = study_pages.difference_table().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| noise", "| stored", "| texture", "| both", "| few"]
    assert lines[2] == "| noise | **-10.5 (-16.9 to -4.1)** |"
    heads, _, compactness, own, _ = study_pages.predictor_table().splitlines()
    assert "over 5 kinds" in heads  # `few` has fewer categories, and pixels have none
    assert compactness.startswith("| intraclass compactness | -1.00 (")
    assert own.startswith("| accuracy on its own categories | +1.00 (")


def test_shuffled_images_keep_the_sizes_of_the_classes(tmp_path):
    for name in ("a/1.png", "a/2.png", "a/3.png", "b/1.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert shuffled.deal(tmp_path / "images", tmp_path / "dealt", seed=2) == 4
    dealt = {name: sorted(path.read_text() for path in (tmp_path / "dealt" / name).iterdir()) for name in "ab"}
    assert [len(dealt[name]) for name in "ab"] == [3, 1]
    assert sorted(dealt["a"] + dealt["b"]) == ["a/1.png", "a/2.png", "a/3.png", "b/1.png"]
    assert dealt["b"] != ["b/1.png"]
