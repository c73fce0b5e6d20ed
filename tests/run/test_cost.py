import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from ofdb_core.base import project, signals, units
from ofdb_core.base.folder import Folder
from ofdb_core.run import experiment, forecast, ledger, listing, parameter_files
from ofdb_core.run.experiments import UsageError
from ofdb_core.run.forecast import Cost

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
    monkeypatch.setattr(forecast, "SECONDS", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(project, "RUNS", tmp_path / "runs")
    lines = list(experiment.price("quickstart", overrides=TINY.items()))
    stages = parameter_files.notebooks("quickstart")
    assert [line.split()[0] for line in lines[1:-1]] == stages
    assert lines[0].startswith("quickstart, on ")
    assert lines[-1].split()[0] == "together"
    told = dict(zip(stages, lines[1:-1], strict=True))
    assert "16 of 128 categories" in told["2_render_2d"]
    assert "  500 steps of " in told["4_pretrain"]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


@pytest.fixture
def half_a_second(monkeypatch):
    """An image takes half a second in every network, and nothing is trained."""
    monkeypatch.setattr(forecast, "seconds_an_image", lambda network, recipe: 0.5)
    monkeypatch.setattr(forecast.time, "process_time", lambda: 0.0)


def costs_of(checked, *asked, **how):
    return dict(forecast.costs(checked, asked or checked, **how))


def test_the_cost_of_a_training_grows_with_its_length_and_its_repeats(tmp_path, half_a_second):
    every = checked("quickstart", tmp_path, **TINY)
    short, long = (
        costs_of({**every, "4_pretrain": replace(every["4_pretrain"], steps=steps)}, "4_pretrain")["4_pretrain"]
        for steps in (100, 1100)
    )
    assert long.seconds - short.seconds == pytest.approx(1000 * every["4_pretrain"].batch_size * 0.5)
    once, thrice = (
        costs_of({**every, "5_finetune": replace(every["5_finetune"], repeats=count)}, "5_finetune")["5_finetune"]
        for count in (1, 3)
    )
    assert thrice.seconds == pytest.approx(3 * once.seconds)


def test_few_shots_cost_less_than_all_images(tmp_path, half_a_second):
    tuning = checked("finetune/cifar10", tmp_path, checkpoint="timm:vit_tiny_patch16_224")["5_finetune"]
    tuning = replace(tuning, steps=None, epochs=2.0, warmup_steps=None, warmup_epochs=0.0, batch_size=100)
    few, both = (costs_of({"5_finetune": replace(tuning, shots=shots)})["5_finetune"] for shots in ([10], [10, 0]))
    runs = tuning.repeats * len(tuning.starts)
    assert few.measured.startswith(f"{2 * runs} steps of 2 images/s")  # 10 images of 10 classes are a batch
    assert both.measured.startswith(f"{(2 + 1000) * runs:,} steps of 2 images/s")


def test_a_run_is_told_how_long_it_takes_and_draws_nothing_for_that(tmp_path, monkeypatch, half_a_second):
    monkeypatch.setattr(Folder, "fill", lambda *_, **__: pytest.fail("written"))
    every = checked("quickstart", tmp_path, **TINY)
    found = costs_of(every, draw=False)
    assert list(found) == parameter_files.notebooks("quickstart")
    assert found["4_pretrain"].seconds > 500 * every["4_pretrain"].batch_size * 0.5
    tuned = every["5_finetune"]
    assert found["5_finetune"].seconds > 2 * tuned.repeats * tuned.steps * tuned.batch_size * 0.5
    assert found["6_report"].seconds == 0


def test_a_stage_alone_is_measured_with_what_it_reads(tmp_path, monkeypatch, half_a_second):
    written, fill = [], Folder.fill

    def watched(folder, *words, **how):
        written.append(folder.root.name)
        return fill(folder, *words, **how)

    monkeypatch.setattr(Folder, "fill", watched)
    every = checked("quickstart", tmp_path, **TINY)
    assert list(costs_of(every, "2_render_2d")) == ["2_render_2d"]
    assert written == ["categories", "categories", "images", "images"]  # a few, then some
    assert list(costs_of(every, "4_pretrain")) == ["4_pretrain"]
    assert len(written) == 4


@pytest.mark.parametrize("name", ["2d-ofdb-1k", "finetune/cifar10", "finetune/voc2012"])
def test_real_images_are_not_downloaded_to_tell_what_they_cost(monkeypatch, half_a_second, name):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setattr(project, "RUNS", Path("/nowhere"))
    start = [("checkpoint", "timm:vit_tiny_patch16_224")] if "finetune" in name else []
    *_, tuning, _ = experiment.price(name, ["5_finetune"], overrides=start)
    assert tuning.split()[0] == "5_finetune"
    assert " steps of 2 images/s" in tuning


@pytest.mark.parametrize(
    ("value", "message"),
    [("timm:vit_tny_patch16_224", "did you mean vit_tiny_patch16_224"), (None, "pretrain is missing or unfinished")],
)
def test_a_training_that_cannot_be_is_refused(tmp_path, monkeypatch, value, message):
    monkeypatch.setattr(project, "RUNS", tmp_path)
    with pytest.raises(UsageError, match=message):
        list(experiment.price("finetune/cifar10", overrides=[("checkpoint", value)] if value else []))


@pytest.mark.slow
def test_a_large_batch_is_measured_by_the_images_of_a_smaller_one(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", 0)
    every = checked("2d-ofdb-1k", tmp_path, **{"4_pretrain.input_size": "32"})
    monkeypatch.setattr(
        forecast.functional, "cross_entropy", lambda out, targets: seen.append(len(targets)) or out.sum()
    )
    seen = []
    assert costs_of(every, "4_pretrain")["4_pretrain"].seconds > 3600
    assert set(seen) == {forecast.BATCH}
    assert len(seen) == 2


@pytest.mark.parametrize(("number", "raised"), [("SIGINT", KeyboardInterrupt), ("SIGTERM", signals.Continued)])
def test_a_signal_while_the_time_is_foretold_ends_the_run_before_it_begins(tmp_path, monkeypatch, number, raised):
    monkeypatch.setattr(forecast, "costs", lambda *_, draw: os.kill(os.getpid(), getattr(signal, number)) or ())
    told = experiment.announcement("quickstart", checked("quickstart", tmp_path))
    assert "measuring" in next(told)
    with pytest.raises(raised) as caught:
        next(told)
    assert type(caught.value) is raised


def test_short_trainings_and_archives_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "costs", lambda *_, draw: pytest.fail("measured"))
    every = checked("quickstart", tmp_path)
    assert not list(experiment.announcement("quickstart", {"5_finetune": every["5_finetune"]}))
    (tmp_path / "set.zip").touch()
    packed = replace(every["4_pretrain"], data=str(tmp_path / "set.zip"), samples="all", live={})
    assert not list(experiment.announcement("quickstart", {"4_pretrain": packed}))


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
    assert units.duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(10, "0.01 kB"), (1500, "1.5 kB"), (2e6, "2 MB"), (3.21e9, "3.2 GB"), (1e13, "10 TB")]
)
def test_a_size_in_words(count, words):
    assert units.size(int(count)) == words


def test_what_was_measured_here_is_remembered_and_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "DATA", tmp_path / "data")
    assert ledger.read() == {}
    assert "`cost EXPERIMENT` measures it" in listing.overview(None)
    costs = [("1_search_categories", Cost(90.0, kept=2_000_000)), ("2_render_2d", Cost(60.0, kept=1_000_000))]
    assert " ".join(list(forecast.table("quickstart", costs))[-1].split()) == "together 2.5 min 3 MB"
    assert ledger.read() == {}
    list(forecast.table("quickstart", costs, note=True))
    list(forecast.table("1p-frac", costs[:1], note=True))
    assert ledger.read() == {"quickstart": (150.0, 3_000_000), "1p-frac": (90.0, 2_000_000)}
    row = next(line for line in listing.overview(None).splitlines() if line.startswith("quickstart"))
    assert "  2.5 min" in row
    assert "  3 MB" in row
    monkeypatch.setattr(ledger.provenance, "machine", lambda: "another machine")
    assert ledger.read() == {}
    (tmp_path / "data" / ledger.FILE).write_text("[1")
    assert ledger.read() == {}


@pytest.mark.parametrize(
    ("costs", "last"),
    [
        ([Cost(5.0)], "together 5 s"),
        ([Cost(5.0, kept=3000), Cost(5.0)], "together 10 s 3 kB"),
        ([Cost(5.0, meanwhile=2000)], "together 5 s and 2 kB while it trains"),
    ],
)
def test_what_costs_nothing_is_not_told(costs, last):
    assert " ".join(list(forecast.table("name", [("stage", one) for one in costs]))[-1].split()) == last


@pytest.mark.slow
def test_a_length_in_epochs_is_measured_too(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", 0)
    values = {"checkpoint": "timm:test_vit", "data": "digits", "input_size": "32"}
    every = checked("finetune/small", tmp_path, **values)
    assert costs_of(every, "5_finetune")["5_finetune"].seconds > 0


def test_scenes_are_counted_by_images_and_a_training_on_masks_has_a_cost(tmp_path, monkeypatch):
    monkeypatch.setattr(forecast, "SECONDS", 0)
    small = {"categories": "5", "image_size": "32", "objects": "2", "input_size": "32", "decoder": "8"}
    small |= {"batch_size": "2", "device_batch": "0", "model_options": '{"patch_size": 8, "embed_dim": 12, "depth": 4}'}
    found = costs_of(checked("segrcdb", tmp_path, **small), "3_render_segrcdb", "4_pretrain")
    assert found["3_render_segrcdb"].measured.endswith(" of 20,000 images")
    assert min(cost.seconds for cost in found.values()) > 0
