"""Sweeps: the grid, what its cells share, and what is written of them."""

import json

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import manifests, parameters, provenance, record
from ofdb_core.base.folder import Folder
from ofdb_core.data import tables
from ofdb_core.run import catalogue, listing, notebook, parameter_files, reasons, sweep, verify
from ofdb_core.run.experiment import run
from ofdb_core.run.experiments import UsageError
from tests.helpers import tiny

CHAIN = {
    "1_search_categories": tiny.SMALL["1_search_categories"],
    "2_render_2d": tiny.SMALL["2_render_2d"],
    "4_pretrain": tiny.PRETRAIN,
    "5_finetune": tiny.FINETUNE,
}
RATES = ("4_pretrain.learning_rate", "0.001,0.01")
SAVED = json.dumps({"metadata": {"papermill": {"end_time": "now"}}})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1", ["1"]),
        ("1e-3, 1e-2,null", ["1e-3", "1e-2", "null"]),
        ("[20],[20,0]", ["[20]", "[20,0]"]),
        ("{depth: 2, a: [1,2]},{}", ["{depth: 2, a: [1,2]}", "{}"]),
        ("a,", ["a", ""]),
    ],
)
def test_commas_separate_values_but_not_inside_brackets(text, values):
    assert sweep.split(text) == values


def grid(*overrides, seeds=None, only=(), name="tiny", out):
    axes, _ = sweep.section(name)
    return sweep.cells(name, only, axes | {axis: sweep.split(text) for axis, text in overrides}, seeds, out)


def test_a_cell_has_values_and_seeds_of_trainings_and_no_two_trainings_have_the_same(params):
    out = params(**CHAIN)
    cells = grid(RATES, ("2_render_2d.points", "400"), seeds=2, out=out)
    assert [cell.name for cell in cells] == [
        f"4_pretrain.learning_rate={rate}_seed={seed}" for rate in ("0.001", "0.01") for seed in (0, 1)
    ]
    of = cells[3].parameters
    assert (of["4_pretrain"].learning_rate, of["4_pretrain"].seed, of["2_render_2d"].points) == (0.01, 1, 400)
    assert of["5_finetune"].seed == of["5_finetune"].repeats == 2  # its repeats have the seeds 2 and 3
    assert of["2_render_2d"].seed == 0  # the data are the same
    assert grid(("seed", "3,4"), out=out)[1].parameters["2_render_2d"].seed == 4


def test_cells_share_a_stage_where_parameters_and_inputs_are_equal(params):
    out = params(**CHAIN, **{"6_report": {}})
    cells = grid(("5_finetune.weight_decay", "0.1,0.2"), seeds=2, out=out)
    folders = {stage: [cell.roots[stage] for cell in cells] for stage in cells[0].roots}
    counts = {stage: len(set(found)) for stage, found in folders.items()}
    assert counts == {"1_search_categories": 1, "2_render_2d": 1, "4_pretrain": 2, "5_finetune": 4, "6_report": 4}
    assert folders["4_pretrain"][0] == folders["4_pretrain"][2] != folders["4_pretrain"][1]
    assert folders["6_report"] == [cell.out for cell in cells]
    other = grid(("2_render_2d.points", "400,500"), out=out)  # what comes after differs, too
    assert len({cell.roots["5_finetune"] for cell in other}) == 2
    assert other[1].roots["4_pretrain"] == folders["4_pretrain"][0]  # 500 is the experiment's own value


def test_the_file_may_hold_the_grid_and_the_command_changes_it(params, tmp_path):
    sweeping = {"4_pretrain.mean": [[0.5, 0.5, 0.5], [0.1, 0.1, 0.1]], "auto_augment": [None, "rand-m9"], "seeds": 3}
    out = params(**CHAIN, sweep=sweeping)
    axes, seeds = sweep.section("tiny")
    assert seeds == 3
    assert axes == {"4_pretrain.mean": ["[0.5, 0.5, 0.5]", "[0.1, 0.1, 0.1]"], "auto_augment": ["null", "rand-m9"]}
    assert "sweep: 4_pretrain.mean [[0.5, 0.5, 0.5], [0.1, 0.1, 0.1]], auto_augment" in "".join(
        listing.parameters("tiny", (), None)
    )
    cells = grid(("auto_augment", "null"), out=out)
    assert [cell.parameters["4_pretrain"].mean[0] for cell in cells] == [0.5, 0.1]
    assert {cell.parameters["5_finetune"].auto_augment for cell in cells} == {None}
    assert all(len(cell.name) <= 120 and "/" not in cell.name and "[" not in cell.name for cell in cells)
    assert len({cell.name for cell in cells}) == 2


def test_variants_can_be_swept(params, tmp_path):
    own = {"variants": {"short": {"4_pretrain": {"steps": 2}}, "long": {"4_pretrain": {"steps": 5}}}}
    cells = grid(("variant", "short,long"), out=params(**CHAIN, **own))
    assert [(cell.experiment, cell.name) for cell in cells] == [
        ("tiny/short", "variant=short"),
        ("tiny/long", "variant=long"),
    ]
    assert [cell.parameters["4_pretrain"].steps for cell in cells] == [2, 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "learning_rat", "1,2"], "^-p learning_rat: unknown parameter .*did you mean learning_rate.*$"),
        (["-p", "shots", "1,2"], "shots: '1' is not allowed"),
        (["-p", "4_pretrain.steps", "5,,6"], "steps: '' is not allowed"),
        (["4_pretrain"], "4_pretrain: a sweep makes all that it reads; name 2_render_2d, too"),
        (["1_search_categories", "--seeds", "2"], "nothing is trained"),
        (["-p", "variant", "a,b"], "tiny/a: no such experiment"),
        (["--cell", "4", "--seeds", "2"], "--cell 4: no cell; they are 0 to 1"),
        (["-p", "4_pretrain.model", "vit_tny_patch16_224"], "vit_tny_patch16_224.*vit_tiny_patch16_224"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(params, words, message, monkeypatch):
    out = params(**CHAIN)
    monkeypatch.setattr(sweep, "make_all", None)
    with pytest.raises((UsageError, parameters.ParameterError), match=message):
        command.main(["sweep", "tiny", *words, "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"steps": 5}, "sweep: steps: 5 is not allowed; allowed is a list of values"),
        ({"steps": []}, "allowed is a list of values"),
        ({"seeds": 0}, "sweep: seeds: 0 is not allowed"),
        ({"seeds": "many"}, "sweep: seeds: 'many' is not allowed; allowed is a number of seeds"),
        ("[a]", "sweep: .* is not allowed; allowed is a mapping"),
    ],
)
def test_a_grid_in_a_file_that_is_none_is_refused(params, said, message):
    params(**CHAIN, sweep=said)
    with pytest.raises(UsageError, match=message):
        sweep.section("tiny")


# ---- cells, with stages that take no time

MADE = {
    "pretrain": {"predictions.csv": "label,predicted\n0,0\n1,0\n"},
    "finetune": {"results.csv": "start,shots,repeat,accuracy\npre-trained,2,0,{0}\nfrom scratch,2,0,0.25\n"},
}


@pytest.fixture
def ran(monkeypatch):
    """Stages run in no time, and are skipped as real ones are; returns what ran, stage by stage."""
    done = []

    def run(name, only, *, overrides, out, announce):
        (stage,) = only
        checked = parameter_files.checked(name, [stage], overrides, out)[stage]
        if not reasons.reason(stage, checked, out):
            return
        done.append(stage)
        for folder in checked.inputs():
            assert Folder(out / folder).is_complete()
        for folder in catalogue.stages()[stage].writes:
            contents = MADE.get(folder, {"x.txt": stage})
            accuracy = 0.5 + getattr(checked, "seed", 0) / 100
            head = manifests.header({"a": 1}, reasons.reason)
            Folder(out / folder).write(head, {n: t.format(accuracy) for n, t in contents.items()}, {"seconds": 1})
        (out / f"{stage}.ipynb").write_text(SAVED)
        (out / f"{stage}.yaml").write_text("")
        recording = record.Run(stage, checked)
        recording.entry["code"] = provenance.code_version(stage, *checked.code())
        recording.reads(*checked.reads())
        recording.writes(*catalogue.stages()[stage].writes)
        recording.done()

    monkeypatch.setattr(sweep.experiment, "run", run)
    return done


def test_what_cells_share_is_made_once_and_a_cell_is_a_whole_run(params, ran):
    out = params(**CHAIN)
    cells = grid(("5_finetune.weight_decay", "0.1,0.2"), out=out)
    for cell in cells:
        assert not cell.is_done()
        cell.make()
        assert cell.is_done()
    assert ran == [*CHAIN, "5_finetune"]
    for cell in cells:
        assert list(record.read(cell.out)) == list(CHAIN)
        assert (cell.out / "pretrain").is_symlink()
        assert not any(reasons.reason(stage, cell.parameters[stage], cell.out) for stage in CHAIN)
    assert verify.check(out) == 0
    moved = out.rename(out.with_name("moved"))  # links are relative
    assert (moved / "cells" / cells[1].name / "finetune" / "results.csv").is_file()


def test_a_cell_is_made_again_where_something_is_missing_and_nothing_else(params, ran):
    out = params(**CHAIN)
    (cell,) = grid(out=out)
    cell.make()
    ran.clear()
    (cell.roots["4_pretrain"] / "pretrain" / "predictions.csv").write_text("label,predicted\n")
    assert not cell.is_done()
    cell.make()
    assert ran == ["4_pretrain"]  # its bytes are as before, so what reads them is kept
    (cell.out / record.FILE).unlink()
    assert not cell.is_done()
    cell.make()
    assert (ran, cell.is_done()) == (["4_pretrain"], True)


def test_a_stage_in_a_cell_is_not_written_through_its_link(params, ran):
    (cell,) = grid(out=params(**CHAIN))
    cell.make()
    with pytest.raises(UsageError, match=r"2_render_2d.ipynb: is not the lab's"):
        run("tiny", ["2_render_2d"], overrides=[("points", "301")], out=cell.out)


def test_the_results_have_a_row_for_each_cell_and_intervals_over_seeds(params, ran):
    out = params(**CHAIN)
    cells = dict(enumerate(grid(RATES, seeds=3, out=out)))
    del cells[4]  # as if it had failed
    for cell in cells.values():
        cell.make()
    words = "\n".join(sweep.write(out, cells))
    rows = tables.read(out / "sweep.csv")
    assert [row["cell"] for row in rows] == [0, 1, 2, 3, 5]
    assert [row["seed"] for row in rows] == [0, 1, 2, 0, 2]
    assert {row["4_pretrain.learning_rate"] for row in rows} == {0.001, 0.01}
    assert [row["pre-trained, 2 a class"] for row in rows] == [0.5, 0.52, 0.54, 0.5, 0.54]
    assert all(row["own categories"] == 0.5 and row["seconds"] >= 0 and row["machine"] for row in rows)
    assert len({row["code"] for row in rows}) == 1
    page = (out / "comparison.html").read_text()
    for text in ("52.0% ± 2.0% (n 3)", "47.0 to 57.0 %", "+0.0 points (2 pairs)"):
        assert text in page
        assert text in words
    assert (out / "sweep.svg").read_bytes().startswith(b"<?xml")


def test_a_sweep_with_a_failed_cell_ends_with_its_reason(params, ran, monkeypatch):
    out = params(**CHAIN)

    def make_all(waiting, words, jobs):
        waiting[0].make()
        return {waiting[1].name: "it broke"}

    monkeypatch.setattr(sweep, "make_all", make_all)
    monkeypatch.setattr(sweep.experiment, "check_possible", lambda *_: None)
    with pytest.raises(notebook.NotebookError, match=r"^tiny_seed=1 failed:\nit broke$"):
        command.main(["sweep", "tiny", "--seeds", "2", "--out", str(out)])
    assert len(tables.read(out / "sweep.csv")) == 1
