"""What is said of runs that differ by their seed only, in a comparison as in a sweep."""

import json

import pytest

from ofdb_core.base import record
from ofdb_core.data import tables
from ofdb_core.show import compare, outcomes
from ofdb_core.training import optimizer
from tests.helpers import tiny

STARTS = ("pre-trained", "from scratch")
ENTRY = {
    **{"code": "0", "commit": None, "versions": {}, "machine": "one", "started": "2026-01-01T00:00:00+00:00"},
    **{"reads": {}, "writes": {}, "figures": [], "checks": [], "seconds": 2.0},
}


@pytest.fixture
def made(tmp_path):
    """A function that makes a finished run, and returns the places of all runs so far."""
    places = {}

    def make(name, accuracies, *, seed=0, steps=4, **values):
        """accuracies: start -> one of each repeat."""
        root = places[name] = tmp_path / name
        parameters = {"4_pretrain": tiny.pretrain(seed=seed, steps=steps, **values).values()}
        parameters["5_finetune"] = tiny.finetune(seed=seed).values()
        entries = {stage: {**ENTRY, "parameters": own, "results": {"n": 3}} for stage, own in parameters.items()}
        for folder in ("pretrain", "finetune"):
            (root / folder).mkdir(parents=True)
        (root / record.FILE).write_text(json.dumps({"notebooks": entries}))
        tables.write(
            root / "pretrain" / "predictions.csv", [{"label": 0, "predicted": 0}, {"label": 1, "predicted": 0}]
        )
        log = [{"step": step, "loss": 1.0 + seed, "learning_rate": 0.5} for step in (1, steps)]
        tables.write(root / "pretrain" / "log.csv", log)
        trained = [
            (start, repeat, value) for start, values in accuracies.items() for repeat, value in enumerate(values)
        ]
        rows = [
            {"start": start, "shots": 2, "repeat": repeat, "accuracy": value, "name": f"{start}, repeat {repeat}"}
            for start, repeat, value in trained
        ]
        tables.write(root / "finetune" / "results.csv", rows)
        named = [{"name": row["name"], **line, "loss": row["accuracy"]} for row in rows for line in log]
        tables.write(root / "finetune" / "log.csv", named)
        return places

    return make


def both(pre_trained, from_scratch):
    return dict(zip(STARTS, (pre_trained, from_scratch), strict=True))


def test_the_metrics_of_a_run_are_means_over_repeats_and_the_gain(made):
    places = made("a", both([0.5, 0.7], [0.2, 0.4]))
    assert outcomes.metrics(places["a"]) == pytest.approx(
        {"pre-trained, 2 a class": 0.6, "from scratch, 2 a class": 0.3, "gain, 2 a class": 0.3, "own categories": 0.5}
    )


def test_an_evaluation_counts_what_each_judge_named_rightly(tmp_path):
    (tmp_path / "evaluation").mkdir()
    rows = [("head", "7", "07"), ("head", "8", "8"), ("nearest", "7", "7"), ("nearest", "8", "8")]
    rows = [{"by": judge, "class": right, "predicted": named} for judge, right, named in rows]
    tables.write(tmp_path / "evaluation" / "predictions.csv", rows)
    assert outcomes.metrics(tmp_path) == {"evaluation, by the head": 0.5, "evaluation, by the nearest": 1.0}
    assert outcomes.metrics(tmp_path / "evaluation") == {}


def test_groups_are_compared_seed_by_seed_where_they_share_seeds():
    groups = {"a": {0: 0.1, 1: 0.5, 2: 0.9}, "b": {0: 0.2, 1: 0.6, 2: 1.0}, "c": {7: 0.2, 8: 0.4}, "d": {0: 0.3}}
    first, paired, apart, single = outcomes.summary(groups)
    assert first == ("a", "50.0% ± 40.0% (n 3)", "-49.4 to 149.4 %", "", "")
    assert paired[3:] == ("+10.0 points (3 pairs)", "+10.0 to +10.0")  # a constant difference is certain
    assert apart[3] == "-20.0 points"
    assert apart[4].startswith("-")  # Welch's interval, since no seed is shared
    assert single[1:] == ("30.0%", "", "-20.0 points", "")  # one run has no spread


def test_runs_that_differ_by_seeds_are_a_group_and_the_same_seed_counts_once(made):
    made("a", both([0.5], [0.4]))
    made("b", both([0.6], [0.4]), seed=1)
    made("again", both([0.5], [0.4]))
    places = made("c", both([0.7], [0.4]), steps=8)
    groups = compare.groups(compare.read(places))
    assert {name: list(runs.values()) for name, runs in groups.items()} == {"a and 1 more": ["a", "b"], "c": ["c"]}


def test_a_comparison_has_a_row_for_each_group_and_a_curve_for_each_start(made):
    made("a", both([0.5, 0.7], [0.4, 0.4]), seed=0)
    places = made("b", both([0.6, 0.8], [0.4, 0.4]), seed=1)
    page = compare.page(places)
    assert "<h1>2 runs side by side</h1>" in page
    assert "a and 1 more: a, b" in page
    assert "65.0% ± 7.1% (n 2)" in page
    logs, rates = compare.curves(places, compare.read(places), "5_finetune")
    assert list(logs) == [f"a and 1 more: {start}" for start in STARTS]
    assert [row["loss"] for row in logs["a and 1 more: pre-trained"]] == [0.5, 0.5]  # the first seed and repeat
    assert rates["a and 1 more: pre-trained"] == optimizer.course(tiny.finetune(steps=4))
    logs, _ = compare.curves(places, compare.read(places), "4_pretrain")
    assert {name: [row["loss"] for row in rows] for name, rows in logs.items()} == {"a and 1 more": [1.0, 1.0]}


def test_a_sweeps_cells_are_a_group_by_their_values(made):
    for steps, seed in ((4, 0), (4, 1), (8, 1)):
        places = made(f"steps={steps}_seed={seed}", both([0.5], [0.4]), steps=steps, seed=seed)
    assert list(compare.groups(compare.read(places))) == ["steps=4", "steps=8"]
    panels = outcomes.figure(compare.metrics(places, compare.groups(compare.read(places)))).axes
    assert [panel.get_title() for panel in panels][-1] == "own categories"
    assert panels[0].get_xlabel() == "steps"
    assert list(panels[0].lines[-1].get_xdata()) == [4.0, 8.0]


def test_the_rates_of_a_training_in_epochs_are_those_of_its_steps(made):
    def rates(parameters):
        return compare.curves(places, {"a": {"4_pretrain": {"parameters": parameters}}}, "4_pretrain")[1]

    places = made("a", both([0.5], [0.4]), steps=8)
    epochs = {"steps": None, "epochs": 2.0, "warmup_steps": None, "warmup_epochs": 0.5}
    course = optimizer.course(tiny.pretrain(steps=8, warmup_steps=2))
    assert rates(tiny.pretrain(**epochs).values()) == {"a": course}
    assert rates(tiny.pretrain(**{**epochs, "epochs": None, "steps": 8}).values()) == {}  # no number of samples
    assert rates({"steps": "many"}) == {}


@pytest.mark.parametrize(("names", "title"), [("", "No runs"), ("a", "One run: a"), ("ab", "2 runs side by side")])
def test_a_comparison_counts_its_runs_in_english(made, names, title):
    places = {}
    for name in names:
        places = made(name, both([0.5], [0.4]))
    assert f"<title>{title}</title>" in compare.page(places)
    assert "1 runs" not in compare.page(places)


def test_the_runs_of_sweeps_are_compared_where_they_are_named(made, monkeypatch, tmp_path):
    made("sweeps/one/cells/a", both([0.5], [0.4]))
    made("b", both([0.5], [0.4]))
    monkeypatch.setattr(compare, "RUNS", tmp_path)
    assert compare.Compare.located({"runs": [], "out": "elsewhere"})["runs"] == [str(tmp_path / "b")]
    named = {"runs": ["sweeps/one/cells/a"], "out": "elsewhere"}
    assert compare.Compare.located(named, tmp_path)["runs"] == [str(tmp_path / "sweeps/one/cells/a")]
