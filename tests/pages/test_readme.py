"""What the project says of itself is true: its code runs, its tables are made from results/; see also test_pages.py."""

import re
import tomllib

import numpy as np
import pytest

import ofdb_core
from benchmarks import pages, strip, training
from ofdb_core.base import provenance
from ofdb_core.data import samples

TEXT = (provenance.PROJECT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_python_section_runs_and_draws_the_originals_pixels(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    assert len(code.splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["image"].shape == (362, 362, 3)
    assert names["image"].dtype == np.uint8
    assert names["pixels"].shape == (362, 362)
    assert len(samples.Images.from_folder("data/images")) == 10


@pytest.mark.parametrize(
    ("page", "marks", "table"),
    pages.TABLES,
)
def test_tables_are_made_from_the_results(page, marks, table):
    between = (provenance.PROJECT / page).read_text().partition(marks[0])[2].partition(marks[1])[0]
    assert between.strip() == table().strip()


def test_the_line_below_its_picture_names_each_family():
    assert strip.names() in (provenance.PROJECT / "README.md").read_text(encoding="utf-8")


def test_its_table_of_training_says_what_was_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    lines = [line for line in pages.training_table().splitlines() if line.startswith("| train_")]
    assert len(lines) == 2 * len(training.CASES)
    assert all("not measured" in line for line in lines)


def test_the_map_of_the_package_names_every_wing_from_top_to_ground():
    contract = tomllib.loads((provenance.PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][
        0
    ]
    wings = {path.parent.name for path in (provenance.PROJECT / "ofdb_core").glob("*/__init__.py")}
    assert set(contract["layers"]) == wings
    assert re.findall(r"^    (\w+)  ", ofdb_core.__doc__, re.MULTILINE) == contract["layers"]


def test_what_the_package_offers_at_its_top_is_there():
    assert all(getattr(ofdb_core, name).__name__.endswith(f".{name}") for name in ofdb_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ofdb_core.nothing  # noqa: B018


def test_an_install_has_every_wing_and_what_the_command_needs():
    packages = tomllib.loads((provenance.PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    every = {path.parent for path in (provenance.PROJECT / "ofdb_core").rglob("__init__.py")}
    wings = {".".join(path.relative_to(provenance.PROJECT).parts) for path in every}
    assert set(packages) == {*wings, "ofdb_core.jupyter", "ofdb_core.notebooks", "ofdb_core.params"}
