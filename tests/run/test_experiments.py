"""Where experiments lie, what they build upon, and what `list` says of them."""

import json
import re

import pytest
import yaml

from ofdb_core import __main__ as command
from ofdb_core.base import record
from ofdb_core.families import registry
from ofdb_core.run import experiment, experiments, listing, parameter_files, road
from ofdb_core.run.experiments import UsageError
from tests.helpers import tiny


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that writes a file of a folder of the user's own, which --params names."""
    monkeypatch.setenv(experiments.ELSEWHERE, str(tmp_path / "mine"))

    def write(name, text=""):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_folder_of_ones_own_builds_upon_an_experiment(mine):
    mine("few/experiment.yaml", "extends: 2d-ofdb-1k\nabout: my first")
    path = mine("few/1_search_categories.yaml", "categories: 7")
    mine("few/longer/4_pretrain.yaml", "extends: shared/pretrain_21k\nsteps: 9")
    assert {"few", "few/longer", "2d-ofdb-1k"} <= set(parameter_files.names())
    assert parameter_files.notebooks("few") == parameter_files.notebooks("2d-ofdb-1k")
    assert parameter_files.settings("few", "1_search_categories")["categories"] == (7, str(path))
    assert parameter_files.changes("few", "2_render_2d") == parameter_files.changes("2d-ofdb-1k", "2_render_2d")
    assert parameter_files.changes("few/longer", "1_search_categories")["categories"] == 7
    longer = parameter_files.changes("few/longer", "4_pretrain")
    assert (longer["steps"], longer["batch_size"]) == (9, yaml.safe_load(shared("pretrain_21k"))["batch_size"])
    assert experiments.bare("few/longer") is None


def shared(name):
    return (experiments.PARAMS / "shared" / f"{name}.yaml").read_text()


def test_a_variant_may_build_upon_another_experiment_than_the_folder_around_it(mine):
    mine("a/1_search_categories.yaml", "categories: 3")
    mine("a/b/experiment.yaml", "extends: quickstart")
    assert parameter_files.changes("a/b", "1_search_categories") == parameter_files.changes(
        "quickstart", "1_search_categories"
    )


@pytest.mark.parametrize("name", parameter_files.names())
def test_every_experiment_says_what_it_is_and_builds_upon(name):
    every = experiments.found()
    assert listing._about(name, every)
    assert experiments.bare(name) is None
    assert experiments.stages(name) == parameter_files.notebooks(name)


def test_one_that_builds_upon_nothing_says_so_unless_that_is_meant(mine, capsys, tmp_path):
    mine("new/6_report.yaml", "title: A")
    tiny.ran(tmp_path / "out")
    assert next(experiment._told("new", ["6_report"], [])).startswith("new: builds upon no other experiment")
    mine("new/experiment.yaml", "extends: null")
    assert list(experiment._told("new", ["6_report"], [])) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a/experiment.yaml": "extends: 2d-ofdb-1"},
            r"extends: '2d-ofdb-1' is no experiment \(did you mean 2d-ofdb-1k",
        ),
        ({"a/experiment.yaml": "extends: b", "b/experiment.yaml": "extends: a"}, "leads in a circle"),
        ({"a/experiment.yaml": "extends: a/b", "a/b/6_report.yaml": ""}, "leads in a circle"),
        ({"a/experiment.yaml": "extend: quickstart"}, r"extend: unknown; .*did you mean extends\?"),
        ({"a/experiment.yaml": "extends: [quickstart]"}, r"extends: \['quickstart'\] is not allowed"),
        ({"a/experiment.yaml": "- a"}, "must hold lines"),
        ({"a/6_report.yaml": "extends: quickstart"}, "an experiment, which experiment.yaml beside this file extends"),
        ({"quickstart/6_report.yaml": ""}, "quickstart is the name of an experiment of .*params, too"),
        ({"6_report.yaml": ""}, r"holds no experiment.*; is it one itself\? then give the folder around it"),
        ({"few.txt": ""}, r"holds no experiment, which is a folder of files as 4_pretrain\.yaml$"),
    ],
)
def test_what_an_experiment_cannot_build_upon_is_refused(mine, files, message, tmp_path):
    for name, text in files.items():
        mine(name, text)
    with pytest.raises(UsageError, match=message):
        parameter_files.checked("a", parameter_files.notebooks("a"), [], tmp_path)


def test_params_names_a_place_of_ones_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(experiments.ELSEWHERE, "")  # to be as it was after the test
    with pytest.raises(UsageError, match="nowhere: is no folder of experiments"):
        command.main(["list", "--params", str(tmp_path / "nowhere")])
    (tmp_path / "own" / "fern").mkdir(parents=True)
    (tmp_path / "own" / "fern" / "experiment.yaml").write_text("extends: evaluate\nabout: a fern")
    command.main(["list", "--params", str(tmp_path / "own")])
    assert re.search(r"^fern +- .* a fern$", capsys.readouterr().out, re.MULTILINE)


def test_a_bare_p_says_which_notebooks_it_reaches_and_one_for_a_notebook_does_not():
    chosen = ["1_search_categories", "2_render_2d", "3_render_3d", "4_pretrain"]
    told = experiment._told("quickstart", chosen, [("seed", "3"), ("search_seed", "2"), ("4_pretrain.steps", "5")])
    assert list(told) == [
        "-p seed 3: for 2_render_2d, 3_render_3d, 4_pretrain",
        "-p search_seed 2: for 1_search_categories, 3_render_3d",
    ]


def test_names_mean_one_thing_in_all_notebooks():
    """A name's meaning differs where its comments share no word but those that any has."""
    searching = [name for name, stage in road.stages().items() if "search_seed" in stage.parameters.kinds()]
    assert searching == ["0_explore_ifs", "1_search_categories", "3_render_3d"]
    assert "seed" not in road.stages()["1_search_categories"].parameters.kinds()
    comments = [parameter_files.defaults(name)["search_seed"][1] for name in searching]
    assert all(comment.startswith("of the one stream of candidates") for comment in comments)
    points = {name for name, stage in road.stages().items() if "points" in stage.parameters.kinds()}
    assert points == {"0_explore_ifs", "2_render_2d", "3_render_1p-frac"}  # dots of a picture


def test_a_path_of_a_parameter_file_starts_at_the_project_and_one_of_the_command_here(params, monkeypatch, tmp_path):
    monkeypatch.setattr(parameter_files.project, "FOLDER", tmp_path / "project")
    for place in ("project", "here"):
        tiny.folder_of_shades(tmp_path / place / "photos")
    monkeypatch.chdir(tmp_path / "here")
    params(**{"4_pretrain": {**tiny.PRETRAIN, "data": "photos"}})

    def data(*overrides):
        return parameter_files.checked("tiny", ["4_pretrain"], overrides, tmp_path / "out")["4_pretrain"].data

    assert data() == f"{tmp_path}/project/photos"
    assert data(("data", "photos")) == f"{tmp_path}/here/photos"


def test_the_overview_has_a_row_for_each_experiment_in_columns_with_what_is_done(params, monkeypatch, tmp_path):
    params(**{"6_report": {"title": "A tiny one"}, "0_explore_ifs": {}})
    monkeypatch.setattr(listing.project, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(listing.project, "DATA", tmp_path / "data")

    def row():
        head, own = listing.overview(None).splitlines()[:2]
        assert head.index("what it is") == own.index("A tiny one")
        return own.split()

    assert row()[:2] == ["tiny", "-"]
    tiny.ran(tmp_path / "runs" / "tiny")
    (tmp_path / "runs" / "tiny" / "0_explore_ifs.ipynb").touch()
    assert row()[:4] == ["tiny", "1", "of", "2"]
    entries = record.read(tmp_path / "runs" / "tiny")
    whole = {"notebooks": {**entries, "6_report": entries["0_explore_ifs"]}}
    (tmp_path / "runs" / "tiny" / "record.json").write_text(json.dumps(whole))
    (tmp_path / "runs" / "tiny" / "6_report.ipynb").touch()
    assert row()[:2] == ["tiny", "all"]
    (tmp_path / "runs" / "tiny" / "record.json").write_text("[")
    assert row()[:2] == ["tiny", "unreadable"]


def test_the_parameters_of_an_experiment_are_listed_and_keep_to_a_width():
    plain = "\n".join(listing.parameters(["quickstart"], None))
    assert re.search(r"\* categories = \d+ .*how many to find.*\[a whole number, at least 1.* <- params/", plain)
    narrow = "\n".join(listing.parameters(["quickstart"], 80))
    assert max(map(len, narrow.splitlines())) <= 80
    assert plain.split() == narrow.split()
    assert max(map(len, listing.overview(80).splitlines())) <= 80


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 140])
@pytest.mark.parametrize("name", ["a", "an/experiment/of/a/name", "x" * 60])
def test_a_row_whose_text_does_not_fit_keeps_the_words_and_a_strip_that_is_wide_enough_to_read(columns, name):
    text = "a thousand fractals of the plane, one picture of each of them, and what follows; " * 2
    first, *rest = lines = listing.wrapped(f"{name}  ", text, columns)
    assert " ".join(lines).split() == [name, *text.split()]
    assert all(len(line) <= columns for line in rest)
    assert len(first) <= max(columns, len(name))
    assert all(columns - (len(line) - len(line.lstrip())) >= columns // 3 for line in rest)
    assert first == name or columns - len(f"{name}  ") >= columns // 3


def test_a_notebook_says_what_it_lacks_and_what_makes_it(tmp_path):
    def lacking(stage, **values):
        with pytest.raises(ValueError, match="first") as error:
            road.ready(tiny.of(stage, out=str(tmp_path), **values))
        return str(error.value)

    assert lacking("2_render_2d") == f"{tmp_path}/categories is missing or unfinished; run 1_search_categories first"
    assert lacking("4_pretrain").endswith("images is missing or unfinished; run 2_render_2d first")
    assert lacking("4_pretrain", data="models", samples="live").endswith("run 3_render_3d first")
    assert lacking("5_finetune").endswith(
        "pretrain is missing or unfinished; run 4_pretrain first, or give a checkpoint"
    )
    assert lacking("6_evaluate").endswith("run 4_pretrain first, or give a checkpoint")
    assert "nothing has run here" in lacking("6_report")
    tiny.ran(tmp_path)
    report = tiny.of("6_report", out=str(tmp_path))
    assert road.ready(report) is report


@pytest.mark.parametrize(
    "stage", [name for name, stage in road.stages().items() if stage.parameters(**tiny.defaults(name)).inputs()]
)
def test_a_notebook_that_reads_a_folder_asks_for_it_in_its_first_cell(stage):
    from ofdb_core.base import provenance

    if provenance.notebook_of(stage).stem == stage:
        cells = json.loads(provenance.notebook_of(stage).read_text())["cells"]
        assert "settings = road.ready(" in "".join(cells[2]["source"])
    assert stage not in registry.served_stages()
