import itertools
import signal
import sys
import types

import accelerate.tracking
import pytest
import yaml
from accelerate import Accelerator
from accelerate.utils import LoggerType

from ofdb_core.base import signals
from ofdb_core.batches.source import Batches
from ofdb_core.training import loop, milestones, states, tracking
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


@pytest.fixture
def begun(monkeypatch):
    """A function that puts a stand-in for a tracker's package behind accelerate's class; it returns what runs get.

    Only the class's own calls of the package are left out: it still refuses arguments that it does not know.
    """
    given, ids = [], itertools.count(1)

    def stand_in(name):
        monkeypatch.setattr(accelerate.tracking, "_available_trackers", [LoggerType(name)])
        kind = accelerate.tracking.LOGGER_TYPE_TO_CLASS[name]
        for method in ("start", "store_init_configuration", "log", "finish"):
            monkeypatch.setattr(kind, method, lambda *_, **__: None)
        held = types.SimpleNamespace(id=f"{next(ids)}", hash="h", info=types.SimpleNamespace(run_id="r"))
        monkeypatch.setattr(kind, "tracker", held)
        return given

    start = Accelerator.init_trackers

    def init_trackers(self, project, config, kwargs):
        given.append({"project": project, "config": config, **next(iter(kwargs.values()))})
        return start(self, project, config, kwargs)

    monkeypatch.setattr(Accelerator, "init_trackers", init_trackers)
    return stand_in


@pytest.mark.parametrize("name", accelerate.tracking.LOGGER_TYPE_TO_CLASS)
def test_every_tracker_takes_the_arguments_that_it_is_started_with(tmp_path, begun, name):
    assert len(begun(name)) == 0
    train(tiny.pretrain(tracker=name, out=str(tmp_path)))
    assert len(begun(name)) == 1


def interrupted_and_resumed(settings, root):
    """A training that is asked to stop after two steps, then goes on; and another, of its own, that begins anew."""

    class Stop(milestones.Milestones):
        def __call__(self, model, step):
            signal.raise_signal(signal.SIGTERM)

    store = states.Store(root / "states", {"parameters": {}, "code": "x"})
    with pytest.raises(signals.Interrupted):
        train(settings, store=store, watch=Stop(root, [2], {}))
    train(settings, store=store)
    train(settings)


@pytest.mark.parametrize("name", ["comet_ml", "swanlab", "wandb"])
def test_a_tracker_that_takes_an_id_gets_that_of_the_run_again(tmp_path, begun, name):
    argument, length = tracking.OURS[name]
    given = begun(name)
    interrupted_and_resumed(tiny.pretrain(tracker=name, steps=6, out=str(tmp_path)), tmp_path)
    first, second, third = (one[argument] for one in given)
    assert first == second != third
    assert len(first) == length
    assert {one.get("resume", one.get("mode")) for one in given} <= {"allow", "get_or_create"}


@pytest.mark.parametrize(("name", "held"), [("aim", "h"), ("clearml", "1"), ("mlflow", "r")])
def test_a_tracker_that_chooses_the_id_gets_it_back_and_no_values_again(tmp_path, begun, name, held):
    argument, given = tracking.THEIRS[name][0], begun(name)
    settings = tiny.pretrain(tracker=name, steps=6, out=str(tmp_path))
    interrupted_and_resumed(settings, tmp_path)
    assert [one.get(argument) for one in given] == [None, held, None]
    assert [one["config"] for one in given] == [settings.values(), None, settings.values()]


@pytest.mark.parametrize(("name", "said"), [("dvclive", (False, True)), ("trackio", ("never", "allow"))])
def test_a_tracker_that_goes_by_names_is_told_whether_to_go_on(tmp_path, begun, name, said):
    given = begun(name)
    interrupted_and_resumed(tiny.pretrain(tracker=name, steps=6, out=str(tmp_path)), tmp_path)
    assert [one["resume"] for one in given] == [said[0], said[1], said[0]]


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
