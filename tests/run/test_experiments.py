"""Where experiments lie, what they build upon, and what `list` says of them."""

import json
import re
import textwrap

import pytest
import yaml

from ofdb_core import __main__ as command
from ofdb_core.base import manifests, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import ParameterError
from ofdb_core.run import experiment, experiments, listing, parameter_files, stages
from ofdb_core.run.experiments import UsageError
from tests.helpers import tiny


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that writes a file of a folder of the user's own, which --params names."""
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, str(tmp_path / "mine"))

    def write(name, text=""):
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_a_folder_of_ones_own_builds_upon_an_experiment(mine):
    path = mine(
        "few.yaml",
        """
        about: my first
        extends: 2d-ofdb-1k
        1_search_categories:
          categories: 7
        variants:
          longer:
            extends: shared/published-21k
            4_pretrain: {steps: 9}
        """,
    )
    assert {"few", "few/longer", "2d-ofdb-1k"} <= set(experiments.names())
    assert parameter_files.notebooks("few") == parameter_files.notebooks("2d-ofdb-1k")
    assert parameter_files.settings("few", "1_search_categories")["categories"] == (7, str(path))
    assert parameter_files.values("few", "2_render_2d") == parameter_files.values("2d-ofdb-1k", "2_render_2d")
    assert parameter_files.values("few/longer", "1_search_categories")["categories"] == 7
    longer = parameter_files.settings("few/longer", "4_pretrain")
    assert longer["steps"] == (9, f"{path} (longer)")
    assert longer["batch_size"] == (1024, "params/shared.yaml (published-21k)")
    assert longer["weight_decay"] == (0.05, None)


def test_a_variant_stands_over_what_it_extends_and_that_over_what_is_around_it(mine):
    mine("base.yaml", "1_search_categories: {categories: 2, search_points: 200, search_seed: 2}")
    mine(
        "a.yaml",
        """
        1_search_categories: {categories: 1, search_points: 100, search_seed: 1, filling_rate: 0.1}
        variants:
          b:
            extends: base
            1_search_categories: {categories: 3}
        """,
    )
    found = parameter_files.settings("a/b", "1_search_categories")
    assert [found[name].value for name in ("categories", "search_points", "filling_rate")] == [3, 200, 0.1]
    assert [one.name for one in experiments.lineage("a/b")] == ["a", "base", "a/b"]


def test_what_two_ways_lead_to_counts_once_and_below_both(mine):
    mine("base.yaml", "1_search_categories: {categories: 2}")
    mine(
        "a.yaml",
        """
        extends: base
        1_search_categories: {categories: 3}
        variants:
          b: {extends: base}
        """,
    )
    assert [one.name for one in experiments.lineage("a/b")] == ["base", "a", "a/b"]
    assert parameter_files.values("a/b", "1_search_categories")["categories"] == 3


def test_stages_keeps_some_of_those_that_an_experiment_builds_upon_and_its_own(mine):
    mine(
        "a.yaml",
        """
        extends: quickstart
        stages: [4_pretrain, 2_render_2d]
        6_report: {title: A}
        variants:
          b:
            stages: [4_pretrain]
          c:
            0_explore_ifs:
        """,
    )
    assert experiments.stages("a") == ["2_render_2d", "4_pretrain", "6_report"]
    assert experiments.stages("a/b") == ["4_pretrain"]
    assert experiments.stages("a/c") == ["0_explore_ifs", "2_render_2d", "4_pretrain", "6_report"]
    assert parameter_files.values("a/b", "4_pretrain") == parameter_files.values("quickstart", "4_pretrain")


def test_an_entry_changes_a_mapping_and_a_mapping_replaces_it(mine):
    mine(
        "a.yaml",
        """
        extends: quickstart
        4_pretrain: {live.patches: both, model_options.depth: 2}
        variants:
          b:
            4_pretrain: {live: {size: 64}}
        """,
    )
    before, found = parameter_files.values("quickstart", "4_pretrain"), parameter_files.values("a", "4_pretrain")
    assert found["live"] == {**before["live"], "patches": "both"} != before["live"]
    assert found["model_options"] == {**before["model_options"], "depth": 2}
    assert parameter_files.values("a/b", "4_pretrain")["live"] == {"size": 64}


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_says_what_it_is(name):
    one = experiments.found()[name]
    assert listing._about(one)
    assert experiments.stages(name) == parameter_files.notebooks(name)
    assert name.split("/")[0] != experiments.SHARED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: 2d-ofdb-1", r"a\.yaml: extends: '2d-ofdb-1' is no experiment \(did you mean 2d-ofdb-1k"),
        ("extends: a", r"a\.yaml: extends: 'a' leads in a circle"),
        ("extends: a/b\nvariants: {b: {6_report: {}}}", "extends: .* leads in a circle"),
        ("extends: b\nvariants: {b: {}}", r"'b' is no experiment"),
        ("extend: quickstart", r"a: extend: 'quickstart': neither a stage .*did you mean extends\?"),
        ("extends: [quickstart]", r"extends: \['quickstart'\] is not allowed; allowed is text"),
        ("about: 3", "about: 3 is not allowed; allowed is text"),
        ("stages: 4_pretrain", r"stages: '4_pretrain' is not allowed; allowed is a list \(each text\)"),
        ("extends: quickstart\nstages: [4_pretrian]", r"a\.yaml: stages: 4_pretrian is none of 0_explore_ifs, "),
        ("extends: quickstart\n4_pretrian: {}", r"a\.yaml: 4_pretrian: no stage \(did you mean 4_pretrain\?\)"),
        ("extends: quickstart\nvariants: [b]", "variants: .* is not|variants: .*neither"),
        ("extends: quickstart\nvariants: {b: 3}", "variants: b: must be a name without '/', and hold what differs"),
        ("extends: quickstart\nvariants: {b/c: {}}", "variants: b/c: must be a name without '/'"),
        ("about: nothing", "a: has no stage of its own; give it a section for each, as `6_report: {}`"),
        ("variants: {b: {6_report: {}}}", "a: has no stage of its own; its variants are a/b$"),
        ("- a", "must hold lines"),
        ("6_report: {}\n6_report: {}", "6_report: is there twice"),
    ],
)
def test_what_an_experiment_cannot_be_is_refused(mine, text, message, tmp_path):
    mine("a.yaml", text)
    with pytest.raises(UsageError, match=message):
        parameter_files.notebooks("a")


def test_two_that_extend_each_other_are_refused(mine):
    mine("a.yaml", "extends: b")
    mine("b.yaml", "extends: a")
    with pytest.raises(UsageError, match=r"b\.yaml: extends: 'a' leads in a circle|a\.yaml: extends: 'b' leads"):
        parameter_files.notebooks("a")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"quickstart.yaml": "6_report:"}, "quickstart is an experiment of .*params, too; give another name"),
        ({"few.txt": ""}, r"holds no experiment, a file such as quickstart\.yaml$"),
        ({".few.yaml": "6_report:"}, r"holds no experiment, .*quickstart\.yaml"),
        ({"few/4_pretrain.yaml": "steps: 9"}, r"holds no experiment, a file such as quickstart\.yaml$"),
    ],
)
def test_a_folder_without_experiments_of_its_own_is_refused(mine, files, message):
    for name, text in files.items():
        mine(name, text)
    with pytest.raises(UsageError, match=message):
        experiments.found()


def test_what_several_extend_is_no_experiment(mine):
    mine("a.yaml", "extends: shared/published-1k")
    assert "a" in experiments.names()
    assert not [name for name in experiments.names() if name.startswith("shared")]
    assert "shared/published-1k" in experiments.found()


def test_params_names_a_place_of_ones_own(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(experiments.PARAMS_VARIABLE, "")  # to be as it was after the test
    with pytest.raises(UsageError, match="nowhere: is no folder of experiments"):
        command.main(["list", "--params", str(tmp_path / "nowhere")])
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "fern.yaml").write_text("extends: evaluate\nabout: a fern")
    command.main(["list", "--params", str(tmp_path / "own")])
    assert re.search(r"^fern +- .* a fern$", capsys.readouterr().out, re.MULTILINE)


def test_a_parameter_file_that_is_a_link_to_nowhere_is_refused(mine):
    mine("whole.yaml", "6_report: {}").with_name("lost.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(UsageError, match=r"mine/lost.yaml: cannot be read \(it is no file, or a link to nowhere\)"):
        experiments.found()


def test_what_differs_between_two_experiments_is_listed_with_both_values(mine):
    mine(
        "a.yaml",
        """
        extends: quickstart
        stages: [2_render_2d, 4_pretrain]
        4_pretrain: {live.patches: both, mixup: 0.5}
        variants:
          b:
            4_pretrain: {mixup: 0.25}
            6_report:
        """,
    )
    rows = [line.split() for line in listing.differences("a", "a/b", None).splitlines()]
    assert rows == [["parameter", "a", "a/b"], ["4_pretrain.mixup", "0.5", "0.25"], ["6_report", "-", "runs"]]
    assert listing.differences("a", "a", None) == "a and a do not differ"
    assert "4_pretrain.live " in listing.differences("quickstart", "a", None)


def test_what_a_stage_would_run_with_is_yaml_of_all_its_values():
    text = listing.as_yaml("quickstart", "4_pretrain", [("live.patches", "both"), ("seed", "3")])
    values = yaml.safe_load(text)
    assert list(values) == list(stages.stages()["4_pretrain"].parameters.kinds())
    assert (values["seed"], values["live"]["patches"], values["live"]["share"]) == (3, "both", 1.0)
    assert values["out"].endswith("runs/quickstart")
    assert values["auto_augment"] is None
    with pytest.raises(ParameterError, match="mixup: 'x' is not allowed"):
        listing.as_yaml("quickstart", "4_pretrain", [("mixup", "x")])


def test_a_bare_p_says_which_notebooks_it_reaches_and_one_for_a_notebook_does_not():
    chosen = ["1_search_categories", "2_render_2d", "3_render_3d", "4_pretrain"]
    told = experiment.notices(chosen, [("seed", "3"), ("search_seed", "2"), ("4_pretrain.steps", "5")])
    assert list(told) == [
        "-p seed 3: for 2_render_2d, 3_render_3d, 4_pretrain",
        "-p search_seed 2: for 1_search_categories, 3_render_3d",
    ]


def test_names_mean_one_thing_in_all_notebooks():
    """A name's meaning differs where its comments share no word but those that any has."""
    searching = [name for name, stage in stages.stages().items() if "search_seed" in stage.parameters.kinds()]
    assert searching == ["0_explore_ifs", "1_search_categories", "3_render_3d"]
    assert "seed" not in stages.stages()["1_search_categories"].parameters.kinds()
    comments = [stages.stages()[name].parameters.comments()["search_seed"] for name in searching]
    assert all(comment.startswith("Seed of the one stream of candidates") for comment in comments)
    points = {name for name, stage in stages.stages().items() if "points" in stage.parameters.kinds()}
    served = {f"3_render_{name}" for name in ("1p-frac", "fractaldb", "noise", "scattered")}
    assert points == {"0_explore_ifs", "2_render_2d", *served}  # dots of a picture


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


def test_a_tracker_groups_by_the_experiment_wherever_its_folder_is(params, tmp_path):
    params(**{"4_pretrain": {}})

    def group(*overrides):
        return parameter_files.checked("tiny", ["4_pretrain"], overrides, tmp_path / "out")["4_pretrain"].tracker_group

    assert group() is None
    assert group(("tracker", "wandb")) == "tiny"
    assert group(("tracker", "wandb"), ("tracker_group", "pilots")) == "pilots"


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
    plain = "\n".join(listing.parameters("quickstart", (), None))
    assert re.search(
        r"\* categories = \d+ .*Number of categories.*\[a whole number, at least 1.* <- params/quick", plain
    )
    assert re.search(
        r"\* live\.patches = 'pattern' .*Patch of a dot: .*\[one of stored, .* <- params/quickstart", plain
    )
    assert re.search(r"^    live\.share = 1\.0 +.*samples[^<]*$", plain, re.MULTILINE)
    narrow = "\n".join(listing.parameters("quickstart", (), 80))
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
            stages.ready(tiny.of(stage, out=str(tmp_path), **values))
        return str(error.value)

    assert lacking("2_render_2d") == f"{tmp_path}/categories is missing or unfinished; run 1_search_categories first"
    assert lacking("4_pretrain").endswith("images is missing or unfinished; run 2_render_2d first, or give data")
    assert lacking("4_pretrain", data="models", samples="live").endswith("run 3_render_3d first, or give data")
    assert lacking("5_finetune").endswith(
        "pretrain is missing or unfinished; run 4_pretrain first, or give a checkpoint"
    )
    assert lacking("6_evaluate").endswith("run 4_pretrain first, or give a checkpoint")
    assert "nothing has run here" in lacking("6_report")
    tiny.ran(tmp_path)
    report = tiny.of("6_report", out=str(tmp_path))
    assert stages.ready(report) is report


@pytest.mark.parametrize("whose", ["the run's own", "another's"])
def test_an_altered_input_is_refused_unless_it_is_made_again(tmp_path, whose):
    root = tmp_path / "out" / "categories"
    files = [(f"{i:05d}.csv", lambda i=i: b"0.5,0,0,0.5,0,0,1\n" * (i + 1)) for i in range(2)]
    Folder(root).fill(manifests.header({}, "raster"), files, total=2)
    own = whose == "the run's own"
    asked = tmp_path / "out" if own else tmp_path / "elsewhere"
    render = tiny.of("2_render_2d", out=str(asked), **({} if own else {"systems": str(root)}))
    assert stages.missing(render) is None
    (root / "00000.csv").write_text("0.6,0,0,0.5,0,0,1\n")
    maker = "run 1_search_categories again, which makes it anew" if own else "run again what made it"
    altered = f"{root} is not as it was written (00000.csv: altered); undo that, or {maker}"
    assert stages.missing(render) == altered
    assert (stages.missing(render, ["1_search_categories"]) is None) == own
    (root / "00001.csv").unlink()
    assert "(00001.csv: missing, and 1 more)" in stages.missing(render)
    (root / "00001.csv").write_bytes(files[1][1]())
    (root / "00000.csv").write_bytes(files[0][1]())
    assert stages.missing(render) is None


@pytest.mark.parametrize("stage", [name for name, stage in stages.stages().items() if stage.parameters().inputs()])
def test_a_notebook_that_reads_a_folder_asks_for_it_in_its_first_cell(stage):
    from ofdb_core.base import provenance

    cells = json.loads(provenance.notebook_of(stage).read_text())["cells"]
    assert "settings = stages.ready(" in "".join(cells[2]["source"])


def test_a_file_that_changes_is_read_anew_and_each_reader_has_its_own_values(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("4_pretrain: {steps: 5}")
    experiments.mapping(path)["4_pretrain"]["steps"] = 6
    assert experiments.mapping(path) == {"4_pretrain": {"steps": 5}}
    path.write_text("4_pretrain: {steps: 7}")
    assert experiments.mapping(path) == {"4_pretrain": {"steps": 7}}
