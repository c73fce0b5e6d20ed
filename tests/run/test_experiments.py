"""Where experiments lie, and what they build upon."""

import re

import pytest

from ofdb_core import __main__ as command
from ofdb_core.run import experiment, experiments, parameter_files
from ofdb_core.run.experiments import UsageError
from tests.helpers import tiny


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
    assert experiments.found()[name].subject
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


def test_a_bare_p_says_which_notebooks_it_reaches_and_one_for_a_notebook_does_not():
    chosen = ["1_search_categories", "2_render_2d", "3_render_3d", "4_pretrain"]
    told = experiment.notices(chosen, [("seed", "3"), ("search_seed", "2"), ("4_pretrain.steps", "5")])
    assert list(told) == [
        "-p seed 3: for 2_render_2d, 3_render_3d, 4_pretrain",
        "-p search_seed 2: for 1_search_categories, 3_render_3d",
    ]


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


def test_a_file_that_changes_is_read_anew_and_each_reader_has_its_own_values(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("4_pretrain: {steps: 5}")
    experiments.mapping(path)["4_pretrain"]["steps"] = 6
    assert experiments.mapping(path) == {"4_pretrain": {"steps": 5}}
    path.write_text("4_pretrain: {steps: 7}")
    assert experiments.mapping(path) == {"4_pretrain": {"steps": 7}}
