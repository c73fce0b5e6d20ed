"""Each notebook through papermill at its smallest, one after another as a user runs them, and how they are stored."""

import json
import re
import subprocess
import sys
from pathlib import Path

import papermill
import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import project, provenance, record
from ofdb_core.families import registry
from ofdb_core.run import catalogue
from tests.helpers import tiny
from tests.helpers.in_process import one_kernel_each  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("one_kernel_each")
def test_every_notebook_runs_and_the_report_shows_it_all(params, capfd):
    out = params(**tiny.SMALL)
    command.main(["tiny", "--out", str(out)])
    entries = record.read(out)
    assert list(entries) == list(catalogue.stages())
    assert all(entry["checks"] and all(check["holds"] for check in entry["checks"]) for entry in entries.values())
    assert "published ones" in str(entries["1_search_categories"]["checks"])
    page = (out / "report.html").read_text()
    figures = [figure["file"] for entry in entries.values() for figure in entry["figures"]]
    pictures = [page.count(f"data:image/{kind};base64,") for kind in ("png", "svg+xml")]
    assert sum(pictures) == len([name for name in figures if "7_compare" not in name]) > 15
    assert min(pictures) > 5
    assert "A small &lt;run&gt;" in page
    outcome = page.index("digits: networks after training")
    assert outcome < page.index("one a category") < page.index('<section id="ran"')
    sections = re.findall(r'<section id="([\w-]+)">', page)
    assert sections == ["outcome", "explore", "ran", *(stage for stage in catalogue.stages() if stage < "7")]
    assert "1 · Which systems become categories?" in page
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    check_what_goes_out(out)
    capfd.readouterr()
    command.main(["tiny", "--out", str(out)])
    assert capfd.readouterr().out.count("skipped") == len(tiny.SMALL)


def check_what_goes_out(out):
    """Record and manifests are as their schemas say, name no path of this machine, and image folders are described."""
    facts = {path.name: json.loads(path.read_text()) for path in out.glob("*.json")}
    written = {name for stage in tiny.SMALL for name in catalogue.stages()[stage].writes}
    described = {name for name, source in registry.sources().items() if not (source.live or source.masks)}
    wanted = {f"{name}.manifest.json" for name in written} | {f"{name}.croissant.json" for name in described}
    assert set(facts) == {record.FILE, *wanted}
    tiny.schema("record").validate(facts[record.FILE])
    for name in written:
        tiny.schema("manifest").validate(facts[f"{name}.manifest.json"])
    assert str(out.parent) not in str(facts)


@pytest.mark.parametrize("stage", ["1_search_categories", "5_finetune"])
def test_a_notebook_alone_from_its_defaults_stays_in_the_project_and_says_what_it_needs(stage, tmp_path, monkeypatch):
    """As papermill or an editor runs it, from anywhere."""
    monkeypatch.setenv(project.VARIABLE, str(tmp_path / "mine"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    how = {"kernel_name": "python3", "progress_bar": False}
    given = {"categories": 2} if stage == "1_search_categories" else {}

    def run():
        papermill.execute_notebook(str(provenance.NOTEBOOKS / f"{stage}.ipynb"), "done.ipynb", given, **how)

    if given:
        run()
        assert "These are the published categories." in Path("done.ipynb").read_text()
        assert list(record.read(tmp_path / "mine" / "runs" / "lab")) == [stage]
    else:
        with pytest.raises(
            papermill.PapermillExecutionError, match="run 4_pretrain first, or give a checkpoint"
        ) as error:
            run()
        assert error.value.exec_count == 2
    assert [path.name for path in Path().iterdir()] == ["done.ipynb"]


@pytest.mark.parametrize("path", sorted(provenance.NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_keep_the_house_rules(path):
    notebook = json.loads(path.read_text())
    cells = notebook["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
    words = "".join(cells[0]["source"])
    assert all(part in words for part in ("**Question.**", "**In:**", "**Out:**", "**Time:**"))
    assert cells[1]["metadata"]["tags"] == ["parameters"]
    assert all(len(cell["source"]) <= 15 for cell in cells[2:] if cell["cell_type"] == "code")
    drawing = [
        i for i, cell in enumerate(cells) if cell["cell_type"] == "code" and "run.figure(" in "".join(cell["source"])
    ]
    assert all(cells[i - 1]["cell_type"] == cells[i + 1]["cell_type"] == "markdown" for i in drawing)
    assert any("run.check(" in "".join(cell["source"]) for cell in cells[-5:])
    assert cells[-1]["source"][-1] == "run.done()"


def test_notebooks_are_stored_without_outputs():
    keys = "metadata.papermill metadata.widgets cell.metadata.papermill"
    paths = sorted(map(str, provenance.NOTEBOOKS.glob("*.ipynb")))
    told = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", "--keep-id", "--extra-keys", keys, *paths],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout
