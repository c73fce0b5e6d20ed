import signal
import sys
import types

import accelerate.tracking
import pytest
import yaml
from accelerate.utils import LoggerType

from ofdb_core.base import signals
from ofdb_core.batches.source import Batches
from ofdb_core.training import loop, milestones, states
from tests.helpers import tiny


def train(settings, title="training", **how):
    source = Batches(tiny.shades(), settings, seed=0)
    return loop.fit(tiny.network(), source, settings, seed=0, title=title, **how)


def test_tensorboard_gets_the_log_and_numbers_as_numbers(tmp_path, capsys):
    train(tiny.pretrain(tracker="tensorboard", out=str(tmp_path), learning_rate=0.125))
    root = tmp_path / "trackers" / "training"
    assert list(root.glob("events.out.tfevents.*"))
    (told,) = [yaml.safe_load(path.read_text()) for path in root.rglob("hparams.yml")]
    assert (told["learning_rate"], told["steps"], told["compile"]) == (0.125, 3, False)
    assert told["mean"] == "[0.5, 0.5, 0.5]"
    place = tmp_path / "trackers"
    assert f"training: tensorboard's files are in {place}: tensorboard --logdir {place}" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in LoggerType.list() if name != "all"])
def test_a_tracker_that_is_not_installed_is_refused(monkeypatch, name):
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [])
    with pytest.raises(ValueError, match=f"'{name}' needs a package; run: pip install {name.replace('_', '-')}"):
        loop.check(tiny.pretrain(tracker=name))


def test_a_tracker_that_accelerate_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"tracker: 'wanb' is unknown \(did you mean wandb\?\); allowed is aim, "):
        loop.check(tiny.pretrain(tracker="wanb"))


@pytest.mark.parametrize("name", accelerate.tracking.LOGGER_TYPE_TO_CLASS)
def test_every_tracker_takes_the_arguments_that_it_is_started_with(tmp_path, monkeypatch, name):
    """Each is accelerate's own class, whose packages are not here: only what it starts is left out."""
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [LoggerType(name)])
    kind = accelerate.tracking.LOGGER_TYPE_TO_CLASS[name]
    for method in ("start", "store_init_configuration", "log", "finish"):
        monkeypatch.setattr(kind, method, lambda *_, **__: None)
    train(tiny.pretrain(tracker=name, out=str(tmp_path)))


@pytest.fixture
def runs(monkeypatch):
    """The arguments by which the runs of a stand-in for wandb were begun."""
    begun, wandb = [], types.ModuleType("wandb")
    run = types.SimpleNamespace(log=lambda *_, **__: None, finish=lambda: None)
    wandb.init = lambda **given: begun.append(given) or run
    wandb.config = types.SimpleNamespace(update=lambda values, **_: begun[-1].update(config=values))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", [LoggerType.WANDB])
    return begun


def test_all_trainings_of_an_experiment_are_runs_of_one_project(tmp_path, runs):
    settings = tiny.pretrain(tracker="wandb", tracker_project="mine", out=str(tmp_path / "study"))
    for title in ("repeat 0", "repeat 1"):
        train(settings, title)
    assert [run["project"] for run in runs] == ["mine", "mine"]
    assert [run["name"] for run in runs] == ["study: repeat 0", "study: repeat 1"]
    assert {run["group"] for run in runs} == {"study"}
    assert runs[0]["id"] != runs[1]["id"]
    assert runs[0]["config"] == settings.values()


def test_the_group_and_what_else_wandb_takes_are_parameters(tmp_path, runs):
    how = {"tracker_group": "pilots", "tracker_options": {"entity": "lab", "name": "first", "tags": ["a"]}}
    train(tiny.pretrain(tracker="wandb", out=str(tmp_path), **how))
    (run,) = runs
    assert (run["entity"], run["group"], run["name"], run["tags"]) == ("lab", "pilots", "first", ["a"])


def test_an_interrupted_training_goes_on_in_its_run_and_one_that_begins_anew_in_another(tmp_path, runs):
    class Stop(milestones.Milestones):
        def __call__(self, model, step):
            signal.raise_signal(signal.SIGTERM)

    settings = tiny.pretrain(tracker="wandb", steps=6, out=str(tmp_path))
    store = states.Store(tmp_path / "states", {"parameters": {}, "code": "x"})
    with pytest.raises(signals.Interrupted):
        train(settings, store=store, watch=Stop(tmp_path, [2], {}))
    train(settings, store=store)
    train(settings)
    first, second, third = (run["id"] for run in runs)
    assert first == second != third
    assert all(run["resume"] == "allow" for run in runs)
