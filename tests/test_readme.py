"""What the README says is true: its code runs, its tables are made from results/, what it names is there."""

import re
import tomllib

import numpy as np
import pytest

import ofdb_core
from benchmarks import __main__ as benchmarks
from benchmarks import png
from ofdb_core import __main__ as command
from ofdb_core.base import provenance
from ofdb_core.data import samples
from ofdb_core.formulas import ifs, search
from ofdb_core.run import parameter_files

TEXT = (provenance.PROJECT / "README.md").read_text()


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
    benchmarks.TABLES,
)
def test_tables_are_made_from_the_results(page, marks, table):
    between = (provenance.PROJECT / page).read_text().partition(marks[0])[2].partition(marks[1])[0]
    assert between.strip() == table().strip()


def test_its_table_of_training_says_what_was_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    lines = [line for line in benchmarks.training_table().splitlines() if line.startswith("| train_")]
    assert len(lines) == 2 * len(benchmarks.training.CASES)
    assert all("not measured" in line for line in lines)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)]+)\)|`((?:\w+|\.ci)/\w*)`", TEXT))))
def test_what_it_names_is_there(path):
    name = path[0] or path[1]
    assert name.startswith(("runs", "data")) or (provenance.PROJECT / name).exists()  # a run makes those two


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


def test_its_experiments_and_notebooks_exist():
    commands = re.findall(r"^    \./run_all\.sh (\w[\w-]+)((?: \d_[\w-]+)*)", TEXT, re.MULTILINE)
    for experiment_name, notebooks in commands:
        if experiment_name in {**command.OURS, **command.RAW}:
            continue
        assert set(notebooks.split()) <= set(parameter_files.notebooks(experiment_name))


def test_an_install_has_every_wing_and_what_the_command_needs():
    packages = tomllib.loads((provenance.PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    every = {path.parent for path in (provenance.PROJECT / "ofdb_core").rglob("__init__.py")}
    wings = {".".join(path.relative_to(provenance.PROJECT).parts) for path in every}
    assert set(packages) == {*wings, "ofdb_core.notebooks", "ofdb_core.params"}


PAGE = (provenance.PROJECT / "docs" / "data.md").read_text()


def test_the_page_on_data_has_its_table_from_the_results():
    between = PAGE.split(png.MARKS[0])[1].split(png.MARKS[1])[0]
    assert between.strip() == png.table().strip()


def test_the_page_on_data_names_the_weights_as_the_formula_takes_them():
    rows = re.findall(r"\| ([\d., ]+) \| `weight: ([\d.]+)` \|", PAGE)
    assert len(rows) == 3
    for row, weight in rows:
        factors = [float(factor) for factor in row.split(",")]
        system = search.published(2, 0)
        assert ifs.digest([(0, system.weighted(factors))]) == ifs.digest([(0, system.weighted(float(weight)))])


def test_the_code_on_the_page_is_python():
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        compile(code, "docs/data.md", "exec")
