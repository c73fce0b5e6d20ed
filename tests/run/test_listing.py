"""What `list` says of experiments and their parameters."""

import json
import re

import pytest
import yaml

from ofdb_core.base import record
from ofdb_core.base.parameters import ParameterError
from ofdb_core.run import catalogue, listing
from tests.helpers import tiny


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
    assert list(values) == list(catalogue.stages()["4_pretrain"].parameters.kinds())
    assert (values["seed"], values["live"]["patches"], values["live"]["share"]) == (3, "both", 1.0)
    assert values["out"].endswith("runs/quickstart")
    assert values["auto_augment"] is None
    with pytest.raises(ParameterError, match="mixup: 'x' is not allowed"):
        listing.as_yaml("quickstart", "4_pretrain", [("mixup", "x")])


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
