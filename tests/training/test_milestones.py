import pytest
import torch
from safetensors.torch import load_file

from ofdb_core.base import parameters
from ofdb_core.base.folder import Folder
from ofdb_core.stages import pretrain
from ofdb_core.training import weights
from tests.helpers import tiny


@pytest.fixture
def given(tmp_path):
    """Values of a pre-training of six steps on a folder of shades."""
    data = tiny.folder_of_shades(tmp_path / "data")
    return {"data": data, "out": str(tmp_path), "steps": 6, "save_steps": 1}


def kept(root):
    return {path.name: load_file(path) for path in sorted((root / "milestones").iterdir())}


def test_weights_stay_after_the_steps_that_are_asked_for_and_change_nothing(given, tmp_path):
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    tiny.trained(tiny.pretrain(**{**given, "out": str(plain)}))
    tiny.trained(tiny.pretrain(**{**given, "out": str(watched), "milestones": [2, 6]}))
    assert not (plain / "milestones").exists()
    files, last = kept(watched), load_file(watched / "pretrain" / "model.safetensors")
    assert list(files) == ["step_0000002.safetensors", "step_0000006.safetensors"]
    assert tiny.same(files["step_0000006.safetensors"], last)
    assert not torch.equal(files["step_0000002.safetensors"]["head.weight"], last["head.weight"])
    assert Folder(plain / "pretrain").digest() == Folder(watched / "pretrain").digest()


def test_a_milestone_is_a_checkpoint_like_any_other(given, tmp_path):
    tiny.trained(tiny.pretrain(**given, milestones=[4]))
    path = tmp_path / "milestones" / "step_0000004.safetensors"
    assert weights.facts_of(path) == weights.facts_of(tmp_path / "pretrain" / "model.safetensors") | {"step": 4}


def test_milestones_may_be_asked_for_in_the_middle_of_a_training(given, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pretrain.weights, "to_bytes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # after the last step, before the files are written
            tiny.trained(tiny.pretrain(**given))
    settings = tiny.pretrain(**given, milestones=[3])
    assert tiny.trained(settings).log[-1]["step"] == 6
    assert not (tmp_path / "milestones").exists()  # step 3 was over


def test_a_milestone_after_the_end_is_refused(given):
    with pytest.raises(parameters.ParameterError, match="milestones: 9 is after the last of 6 steps"):
        tiny.pretrain(**given, milestones=[3, 9])


def test_a_milestone_of_another_training_is_kept_aside(given, tmp_path, capsys):
    for seed in (0, 1, 1):
        tiny.trained(tiny.pretrain(**given, milestones=[4], seed=seed))
    assert list(kept(tmp_path)) == ["step_0000004.1.safetensors", "step_0000004.safetensors"]
    assert "the one of another training is kept as step_0000004.1.safetensors" in capsys.readouterr().out
    one, other = kept(tmp_path).values()
    assert not tiny.same(one, other)
