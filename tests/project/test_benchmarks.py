"""The benchmark of training: both trainers train by one recipe, and the shares of their parts make up the steps."""

import pytest

from benchmarks import pages, robustness, training
from ofdb_core.data import tables
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
    lines = [line.split(" | ")[2:4] for line in pages.robustness_table().splitlines()[2:6]]
    assert lines[:2] == [["", ""], ["-20.0 points (95 % interval -20.0 to -20.0)", ""]]
    assert lines[2][1].startswith("-9.0 points (95 % interval ")
    assert lines[3] == ["-25.0 points", "-5.0 points"]


def test_of_a_sweep_only_finished_cells_are_judged(tmp_path, capsys):
    (tmp_path / "cells" / "variant=noise").mkdir(parents=True)
    assert [*robustness.measure(tmp_path)] == []
    assert "not finished, left out" in capsys.readouterr().out
