"""The benchmark of training: both trainers train by one recipe, and the shares of their parts make up the steps."""

import pytest

from benchmarks import training
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
