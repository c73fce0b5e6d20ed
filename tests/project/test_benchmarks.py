"""The benchmark of training: both trainers train by one recipe, and the shares of their parts make up the steps."""

import itertools

import numpy as np
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
    monkeypatch.setattr(gpu.measuring, "in_a_process", lambda *words: {"steps_per_s": 2.0})
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


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of two seeds: eight kinds, random weights and raw pixels; `few` has other categories."""
    seen = study_pages.USUAL
    groups = {
        (kind, seen): share for kind, share in zip(("noise", "stored", "texture", "both"), (7, 6, 5, 4), strict=True)
    }
    groups |= {
        ("pattern", seen): 8,
        ("few", seen): 9,
        ("random weights", seen): 3,
        ("samples-384k", seen): 9,
        ("noise-384k", seen): 5,
        ("raw pixels", "24 px"): 6,
    }
    rows = [
        {"group": group, "seen": sees, "seed": seed, "data": "emoji", "classes": 10, "test_images": 9, "machine": "m"}
        | {"judge": judge, "accuracy": share / 10 + 0.01 * seed, "own_categories": share**2, "own_loss": share}
        | {"compactness": "" if group.startswith("ra") else 1 - share}
        for (group, sees), share in groups.items()
        for seed in range(1 if group == "raw pixels" else 2)
        for judge in (study_pages.JUDGE, study_pages.OTHER_JUDGE)
    ]
    rows[0]["accuracy"] -= 0.01  # of noise
    tables.write(tmp_path / "study.csv", rows)
    hits = {
        study_pages.hits_of(group, seed, "emoji"): np.full(9, 200) for group in ("noise", "stored") for seed in (0, 1)
    }
    hits |= {study_pages.hits_of(group, seed, "emoji"): np.full(9, 251) for group in ("pattern",) for seed in (0, 1)}
    hits |= {study_pages.hits_of("random weights", seed, "emoji"): np.arange(9) for seed in (0, 1)}
    np.savez(tmp_path / "hits.npz", **hits)
    monkeypatch.setattr(study_pages, "FOLDER", tmp_path)
    monkeypatch.setattr(study_pages, "HITS", tmp_path / "hits.npz")


def test_kinds_of_pre_training_are_compared_seed_by_seed(study):
    table = study_pages.accuracy_table()
    assert "| pattern | 2 | 80.5 ± 0.7 |" in table
    names = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:10]]
    assert names[:4] == ["raw pixels, 24 px", "random weights, 24 px, mean 0.11", "pattern", "noise"]  # as in the plan
    assert "\n| raw pixels, 24 px | 1 | 60.0 |\n" in table
    assert "\n| chance |  | 10.0 |\n" in table
    lines = study_pages.difference_table().splitlines()
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    assert names == ["noise", "stored", "texture", "both", "few", "samples-384k", "noise-384k"]
    assert lines[2] == "| noise | -10.5 (-16.9 to -4.1) |"
    assert "| pattern | +20.5 (+14.1 to +26.9) |" in study_pages.baseline_table("raw pixels")
    assert "| few | +60.0 (+60.0 to +60.0) |" in study_pages.baseline_table("random weights")


def test_differences_that_count_have_intervals_over_images_too_and_corrected_p_values(study):
    noise = next(line for line in study_pages.primary_table().splitlines() if line.startswith("| noise"))
    assert noise.split(" | ")[1:3] == ["+10.5 (+4.1 to +16.9)", "+20.0 to +20.0"]
    assert float(noise.split(" | ")[3].removesuffix(" |")) <= 1


def test_kinds_of_one_scale_are_ranked_by_what_is_known_of_them(study):
    _, _, *lines = study_pages.predictor_table().splitlines()
    assert lines[0].startswith("| intraclass compactness | 5 | -1.00 (")  # without `few`, and what has no categories
    assert lines[1].startswith("| intraclass compactness, without controls | 4 |")
    assert lines[2].startswith("| accuracy on its own categories | 5 | +1.00 (")


def test_the_longest_training_is_compared_with_its_controls_by_both_judges(study):
    _, _, *lines = study_pages.longer_table().splitlines()
    beside = ["raw pixels", "random weights", "noise-384k", "pattern"]
    judges = ["logistic regression", "nearest neighbour"]
    assert [line.split(" | ")[:2] for line in lines] == [[f"| {name}", judge] for judge in judges for name in beside]
    assert lines[2] == "| noise-384k | logistic regression | +40.0 (+40.0 to +40.0) |"


def test_lengths_of_training_have_their_time_and_what_a_night_would_see(study):
    judged = study_pages.kept()
    rows = [
        {**judged[0], "group": group, "seed": 0, "judge": study_pages.JUDGE}
        | {"seen": study_pages.USUAL, "accuracy": 0.5, "samples": samples, "seconds": seconds}
        for group, samples, seconds in (("samples-24k", 24_000, 30), ("ofdb:small", 1_500_000, 3_000))
    ]
    tables.write(study_pages.FOLDER / "study.csv", [*judged, *rows])
    _, _, *lines, _, night = study_pages.length_table().splitlines()
    assert lines == [
        "| raw pixels |  |  | 1 | 60.0 |",
        "| random weights | 0 |  | 2 | 30.5 ± 0.7 |",
        "| samples-24k | 24,000 | 0.5 | 1 | 50.0 |",
        "| pattern | 96,000 |  | 2 | 80.5 ± 0.7 |",
        "| samples-384k | 384,000 |  | 2 | 90.5 ± 0.7 |",
        "| ofdb:small | 1,500,000 | 50.0 | 1 | 50.0 |",
    ]
    assert night == "At these rates a night of eight hours would see 14 to 23 million samples."


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
