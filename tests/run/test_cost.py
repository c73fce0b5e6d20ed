import os
import signal
import tempfile
import time
from dataclasses import replace

import pytest

from ofdb_core.base import project, signals
from ofdb_core.run import cost, experiment, ledger, listing, parameter_files, trial

TINY = {
    "search_points": "2000",
    "filling_rate": "0.005",
    "2_render_2d.points": "1000",
    "live.dots": "1000",
    "model_points": "500",
    "3_render_3d.views": "3",
    "4_pretrain.steps": "500",
    "4_pretrain.warmup_steps": "5",
}


def checked(name, tmp_path, **overrides):
    stages = parameter_files.notebooks(name)
    return parameter_files.checked(name, stages, overrides.items(), tmp_path)


@pytest.mark.slow
def test_every_stage_of_an_experiment_has_a_cost_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(project, "RUNS", tmp_path / "runs")
    lines = list(experiment.price("quickstart", overrides=TINY.items(), seconds=0.1))
    stages = parameter_files.notebooks("quickstart")
    assert [line.split()[0] for line in lines[1:-1]] == stages
    assert lines[0].startswith("quickstart, on ")
    assert lines[-1].split()[0] == "together"
    told = dict(zip(stages, lines[1:-1], strict=True))
    assert "16 of 128 categories" in told["2_render_2d"]
    assert "  500 steps of " in told["4_pretrain"]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_cost_of_a_training_grows_with_its_length_and_its_repeats(tmp_path, monkeypatch):
    monkeypatch.setattr(trial._Clock, "seconds_a_step", lambda clock: 0.5)
    monkeypatch.setattr(cost, "of_a_notebook", lambda: 0.0)  # in these tests it is what all before have taken
    every = checked("quickstart", tmp_path, **TINY)
    short, long = (
        dict(trial.measure({**every, "4_pretrain": replace(every["4_pretrain"], steps=steps)}, seconds=0))["4_pretrain"]
        for steps in (100, 1100)
    )
    assert long.seconds - short.seconds == pytest.approx(500, rel=0.1)
    once, thrice = (
        dict(trial.measure({**every, "5_finetune": replace(every["5_finetune"], repeats=count)}, seconds=0))
        for count in (1, 3)
    )
    assert thrice["5_finetune"].seconds / once["5_finetune"].seconds == pytest.approx(3, rel=0.2)


def test_a_glance_tells_how_long_an_experiment_takes_and_draws_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(trial._Clock, "seconds_a_step", lambda clock: 0.5)
    monkeypatch.setattr(cost, "write_few", lambda *given: pytest.fail("written"))
    found = trial.glance(checked("quickstart", tmp_path, **TINY))
    assert list(found) == parameter_files.notebooks("quickstart")
    assert found["4_pretrain"] - found["6_report"] > 500 * 0.5
    assert 0 < found["5_finetune"] - found["6_report"] < found["4_pretrain"]


@pytest.mark.slow
def test_a_recipe_for_many_gpus_and_images_that_are_not_here_are_measured_too(tmp_path):
    parameters = checked("2d-ofdb-1k", tmp_path, search_points="2000", filling_rate="0.005", batch_size="4", **{
        "4_pretrain.input_size": "32", "5_finetune.input_size": "32", "image_size": "48",
        "2_render_2d.points": "1000",
    })  # fmt: skip
    costs = dict(trial.measure(parameters, seconds=0))
    assert costs["4_pretrain"].seconds > 3600
    assert costs["5_finetune"].seconds > 3600
    assert costs["2_render_2d"].kept > 16 * 50


@pytest.mark.parametrize(("number", "raised"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", signals.Continued)])
def test_a_signal_while_the_time_is_foretold_ends_the_run_before_it_begins(tmp_path, monkeypatch, number, raised):
    monkeypatch.setattr(trial, "glance", lambda todo: os.kill(os.getpid(), getattr(signal, number)))
    told = experiment.forecast("quickstart", checked("quickstart", tmp_path))
    assert "measuring" in next(told)
    with pytest.raises(raised) as caught:
        next(told)
    assert type(caught.value) is raised


def test_short_trainings_and_archives_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "glance", lambda todo: pytest.fail("measured"))
    every = checked("quickstart", tmp_path)
    assert not list(experiment.forecast("quickstart", {"5_finetune": every["5_finetune"]}))
    (tmp_path / "set.zip").touch()
    packed = replace(every["4_pretrain"], data=str(tmp_path / "set.zip"), samples="all", live={})
    assert not list(experiment.forecast("quickstart", {"4_pretrain": packed}))


def test_a_batch_that_a_processor_takes_at_once(tmp_path):
    recipe = checked("2d-ofdb-1k", tmp_path)["4_pretrain"]
    assert trial._bounded(recipe).batch_size == 64
    assert trial._bounded(replace(recipe, batch_size=48)).batch_size == 48
    assert trial._bounded(replace(recipe, batch_size=192, mix_groups=96)).batch_size == 48


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0.2 s"),
        (59, "59 s"),
        (119, "120 s"),
        (150, "2.5 min"),
        (4000, "67 min"),
        (9000, "2.5 hours"),
        (1e6, "12 days"),
    ],
)
def test_a_length_of_time_in_words(seconds, words):
    assert ledger.told(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(10, "0.01 kB"), (1500, "1.5 kB"), (2e6, "2 MB"), (3.21e9, "3.2 GB"), (1e13, "10 TB")]
)
def test_a_size_in_words(count, words):
    assert ledger.size(int(count)) == words


def test_what_was_measured_here_is_remembered_and_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "DATA", tmp_path / "data")
    assert ledger.read() == {}
    assert "`cost EXPERIMENT` measures it" in listing.overview(None)
    costs = [("1_search_categories", cost.Cost(90.0, kept=2_000_000)), ("2_render_2d", cost.Cost(60.0, kept=1_000_000))]
    assert " ".join(list(cost.table("quickstart", costs))[-1].split()) == "together 2.5 min 3 MB"
    assert ledger.read() == {}
    list(cost.table("quickstart", costs, note=True))
    list(cost.table("1p-frac", costs[:1], note=True))
    assert ledger.read() == {"quickstart": (150.0, 3_000_000), "1p-frac": (90.0, 2_000_000)}
    row = next(line for line in listing.overview(None).splitlines() if line.startswith("quickstart"))
    assert "  2.5 min" in row
    assert "  3 MB" in row
    monkeypatch.setattr(ledger.provenance, "machine", lambda: "another machine")
    assert ledger.read() == {}
    (tmp_path / "data" / ledger.FILE).write_text("[1")
    assert ledger.read() == {}


def test_the_clock_ends_a_training_after_its_steps_or_its_time():
    clock = trial._Clock(seconds=3600)
    assert not any(clock.due(step) for step in range(1, trial.STEPS + 1))
    with pytest.raises(trial._Enough):
        clock.due(trial.STEPS + 1)
    clock = trial._Clock(seconds=0)
    clock.due(1)
    clock.due(2)
    time.sleep(0.001)
    with pytest.raises(trial._Enough):
        clock.due(3)
    assert clock.seconds_a_step() > 0


@pytest.mark.parametrize(
    ("costs", "last"),
    [
        ([cost.Cost(5.0)], "together 5 s"),
        ([cost.Cost(5.0, kept=3000), cost.Cost(5.0)], "together 10 s 3 kB"),
        ([cost.Cost(5.0, meanwhile=2000)], "together 5 s and 2 kB while it trains"),
        ([cost.Cost(5.0, meanwhile=2000, energy=0.5)], "together 5 s and 2 kB while it trains; 0.50 kWh"),
    ],
)
def test_what_costs_nothing_is_not_told(costs, last):
    assert " ".join(list(cost.table("name", [("stage", one) for one in costs]))[-1].split()) == last
