"""An experiment's runs: what is done and what is skipped, and what a run leaves."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import nbclient
import nbformat
import pytest
import yaml

from ofdb_core import __main__ as command
from ofdb_core.base import provenance, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.own import Own
from ofdb_core.run import catalogue, experiments, notebook, parameter_files
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401
from tests.helpers.words import parsed

SEARCH = {"categories": 3, "search_points": 500, "filling_rate": 0.0005}
FOUR = ["-p", "1_search_categories.categories", "4"]
RENDER = {"image_size": 32, "points": 300}


def run(*words):
    return command.main([*map(str, words)])


def test_an_empty_section_changes_nothing(params):
    params(**{"1_search_categories": ""})
    defaults = catalogue.stages()["1_search_categories"].parameters.defaults()
    assert parameter_files.settings("tiny", "1_search_categories") == {
        name: (value, None) for name, value in defaults.items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_run_skips_what_is_done_and_redoes_what_changed(params, capfd):
    out = params(**{"1_search_categories": SEARCH, "2_render_2d": RENDER})

    def did(*words):
        run("tiny", "--out", out, *words)
        said = capfd.readouterr().out
        return dict(re.findall(r"^(\d\w+): (.*)$", said, re.MULTILINE))

    first = did("-p", "seed", "1")
    assert first == dict.fromkeys(["1_search_categories", "2_render_2d"], "runs (it has not run yet)")
    assert all("skipped" in text for text in did("-p", "seed", "1").values())
    assert all("skipped" in text for text in did("-p", "seed", "1", "-p", "workers", "1").values())
    smaller = did("-p", "seed", "1", "-p", "image_size", "24")
    assert "skipped" in smaller["1_search_categories"]
    assert smaller["2_render_2d"] == "runs (changed: image_size 32 -> 24)"
    more = did("-p", "seed", "1", "-p", "image_size", "24", *FOUR)
    assert more["1_search_categories"] == "runs (changed: categories 3 -> 4)"
    assert more["2_render_2d"] == "runs (categories changed)"
    assert len(list((out / "images").glob("*/*.png"))) == 4
    next((out / "images").glob("*/*.png")).write_bytes(b"")
    assert "images is not as it was written" in did("-p", "seed", "1", "-p", "image_size", "24", *FOUR)["2_render_2d"]
    assert Folder(out / "images").verify() == []
    assert run("verify", out) == 0
    next((out / "images").glob("*/*.png")).unlink()
    assert run("verify", out) == 1
    assert "missing" in capfd.readouterr().out
    did(*FOUR, "-p", "seed", "1", "-p", "image_size", "24")
    figure = next((out / "figures").iterdir())
    figure.write_bytes(b"")
    assert run("verify", out) == 1
    assert f"figures/{figure.name}: missing or altered" in capfd.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_an_altered_input_is_never_used(params, capfd):
    out = params(**{"1_search_categories": SEARCH, "2_render_2d": RENDER})
    run("tiny", "--out", out)
    path = out / "categories" / "00000.csv"
    before, digest = path.read_text(), Folder(out / "images").digest()
    path.write_text(before.replace("1", "2", 1))
    for only in ([], ["-p", "image_size", "24"]):
        with pytest.raises(experiments.UsageError, match=r"categories is not as .*00000\.csv: altered\); undo that"):
            run("tiny", "2_render_2d", "--out", out, *only)
    capfd.readouterr()
    run("tiny", "--out", out)
    said = capfd.readouterr().out
    assert "1_search_categories: runs (categories is not as it was written (00000.csv: altered))" in said
    assert "2_render_2d: done before" in said
    assert path.read_text() == before
    assert Folder(out / "images").digest() == digest


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_the_record_says_what_ran(params):
    out = params(**{"1_search_categories": SEARCH})
    run("tiny", "--out", out)
    entry = json.loads((out / "record.json").read_text())["notebooks"]["1_search_categories"]
    assert entry["parameters"]["categories"] == 3
    assert entry["versions"]["numpy"]
    assert entry["code"] == provenance.code_version("1_search_categories")
    assert entry["writes"] == {"categories": Folder(out / "categories").digest()}
    assert all(check["holds"] for check in entry["checks"])
    assert {"commit", "machine", "started", "seconds"} <= entry.keys()
    assert all((out / figure["file"]).exists() for figure in entry["figures"])


def papermill(name, *words, cwd):
    command = [sys.executable, "-m", "papermill", str(provenance.NOTEBOOKS / f"{name}.ipynb"), "done.ipynb", *words]
    return subprocess.run([*command, "-k", "python3", "--no-progress-bar"], cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_run_leaves_all_its_values_as_a_file_that_papermill_takes(params, tmp_path):
    out = params(**{"1_search_categories": SEARCH})
    run("tiny", "--out", out, "-p", "categories", "2")
    values, entry = yaml.safe_load((out / "1_search_categories.yaml").read_text()), record.read(out)
    assert values == {**catalogue.stages()["1_search_categories"].parameters.defaults(), **SEARCH} | {
        "out": str(out),
        "categories": 2,
    }
    done = papermill("1_search_categories", "-f", str(out / "1_search_categories.yaml"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = record.read(out)["1_search_categories"]
    assert again["parameters"] == entry["1_search_categories"]["parameters"]
    assert again["started"] != entry["1_search_categories"]["started"]


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_what_was_changed_is_all_that_is_injected(params):
    out = params(**{"1_search_categories": SEARCH})
    run("tiny", "--out", out)
    cells = json.loads((out / "1_search_categories.ipynb").read_text())["cells"]
    (injected,) = (cell["source"] for cell in cells if cell["metadata"]["tags"] == ["injected-parameters"])
    names = {line.split(" = ")[0].strip() for line in "".join(injected).splitlines() if " = " in line}
    assert names == {*SEARCH, "out"}


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_copy_of_an_executed_notebook_writes_elsewhere_or_not_at_all(params, tmp_path):
    out = params(**{"1_search_categories": SEARCH})
    run("tiny", "--out", out)
    before, copy = (out / "record.json").read_bytes(), tmp_path / "copy"
    copy.mkdir()
    name = "1_search_categories.ipynb"

    def executed(folder, change=str):
        """As Jupyter executes a notebook: in its own folder, with nothing injected."""
        notebook = nbformat.reads(change((out / name).read_text()), as_version=4)
        nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()

    with pytest.raises(nbclient.exceptions.CellExecutionError, match="is of the run that this notebook is a copy of"):
        executed(copy)
    assert (out / "record.json").read_bytes() == before
    executed(copy, lambda text: text.replace(f'out = \\"{out}', f'out = \\"{copy}'))
    assert (copy / "record.json").is_file()
    assert (out / "record.json").read_bytes() == before
    executed(out)
    assert (out / "record.json").read_bytes() != before


@pytest.mark.slow
def test_a_long_name_of_the_folder_for_temporary_files_leaves_room_for_a_kernel_s_sockets(tmp_path, monkeypatch):
    place = tmp_path / ("x" * 90)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    source = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    nbformat.write(source, tmp_path / "source.ipynb")
    notebook.execute(tmp_path / "source.ipynb", {}, tmp_path / "result.ipynb")
    (cell,) = nbformat.read(tmp_path / "result.ipynb", as_version=4).cells
    assert cell.outputs[0]["data"]["text/plain"] == "2"


def test_a_kernel_that_dies_before_it_answers_is_said_in_a_sentence(tmp_path, monkeypatch):
    def dies(*_, **__):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr("papermill.execute_notebook", dies)
    with pytest.raises(notebook.NotebookError, match=r"result: its kernel died \(Kernel died before replying"):
        notebook.execute(tmp_path / "source.ipynb", {}, tmp_path / "result.ipynb")


def test_the_half_run_notebook_of_a_dead_kernel_is_kept_and_one_of_the_users_stays(tmp_path, monkeypatch):
    def dies(_, path, **__):
        half = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("# Parameters\n")], metadata={"papermill": {}})
        nbformat.write(half, path)
        raise nbclient.exceptions.DeadKernelError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", dies)
    result = tmp_path / "{run}" / "result.ipynb"  # which papermill would take for a name to fill in
    for _ in range(2):
        with pytest.raises(notebook.NotebookError, match=rf"half-run notebook is {re.escape(str(result))}"):
            notebook.execute(tmp_path / "source.ipynb", {}, result)
    half = nbformat.read(result, as_version=4)
    assert f"as run in '{result.parent}'" in half.cells[0].source
    assert half.metadata.papermill.output_path == str(result)
    result.write_text("mine")
    with pytest.raises(FileExistsError, match=r"result.ipynb: is not the lab's"):
        notebook.execute(tmp_path / "source.ipynb", {}, result)
    assert result.read_text() == "mine"


@pytest.mark.slow
def test_a_name_that_no_class_knows_ends_a_notebook_that_papermill_runs(tmp_path):
    done = papermill("2_render_2d", "-p", "image_sise", "64", "-p", "out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode != 0
    assert "image_sise: unknown parameter (did you mean image_size?)" in done.stderr
    assert not (tmp_path / "out").exists()


FAILING = """{"cells": [
 {"cell_type": "code", "execution_count": null, "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [],
  "source": ["out: str = ''  # folder\\n", "seed: int = 0  # seed\\n", "title: str = ''  # title"]},
 {"cell_type": "code", "execution_count": null, "id": "b", "metadata": {}, "outputs": [], "source": ["%s"]}],
 "metadata": {"kernelspec": {"display_name": "p", "language": "python", "name": "python3"},
 "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 / 0", ["cell 3 (In [3]: 1 / 0) failed", "ZeroDivisionError: division by zero"]),
        ("x = 0\\nprint(\\n    1 / x\\n)", ["cell 3 (In [3]: 1 / x) failed"]),
        ("import os; os._exit(1)", ["kernel died"]),
    ],
)
def test_a_failing_cell_ends_the_run_with_notebook_cell_error_and_path(params, monkeypatch, tmp_path, code, expected):
    out = params(**{"6_report": {}})
    tiny.ran(out)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "6_report.ipynb").write_text(FAILING % code)
    monkeypatch.setattr(provenance, "NOTEBOOKS", tmp_path / "notebooks")
    with pytest.raises(notebook.NotebookError) as error:
        run("tiny", "--out", out)
    for text in ["6_report", str(out / "6_report.ipynb"), *expected]:
        assert text in str(error.value)
    assert (out / "6_report.ipynb").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_value_may_begin_with_any_sign(params):
    out = params(**{"6_report": {}})
    tiny.ran(out)
    found = parsed(["tiny", "6_report", "-p", "title", "-p", "--out", "-o", "-p", "seed", "-5", "--launch", "--help"])
    assert found.overrides == [["title", "-p"], ["seed", "-5"]]
    assert (found.names, found.out, found.options) == (["6_report"], "-o", "--help")
    run("tiny", "--out", out, "-p", "title", "--out")
    assert "<h1>--out</h1>" in (out / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_notebook_that_cannot_be_saved_ends_the_run_and_is_run_again(params, monkeypatch, capsys):
    out = params(**{"6_report": {}})
    tiny.ran(out)
    run("tiny", "--out", out)
    Own(out).write("6_report.ipynb", (out / "6_report.ipynb").read_bytes()[:500])

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("papermill.engines.write_ipynb", full)
        with pytest.raises(notebook.NotebookError, match=r"6_report: stopped by the system .*No space left on device"):
            run("tiny", "--out", out)
    assert "6_report: runs (6_report.ipynb was not saved to its end)" in capsys.readouterr().out
    run("tiny", "--out", out)
    run("tiny", "--out", out)
    assert "6_report: done before" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["6_report.ipynb", "6_report.yaml", "6_report.py", "report.html", "gallery.html"])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_of_the_users_is_refused_by_name_before_anything_runs(params, tmp_path, name, link):
    out = params(**{"6_report": {}})
    tiny.ran(out)
    before = sorted(path.name for path in out.iterdir())
    (tmp_path / "mine").write_text("mine")
    (out / name).symlink_to(tmp_path / "mine") if link else (out / name).write_text("mine")
    with pytest.raises(experiments.UsageError, match=rf"{re.escape(name)}: is not the lab's, .* give another --out"):
        run("tiny", "--out", out)
    assert (out / name).read_text() == (tmp_path / "mine").read_text() == "mine"
    assert sorted(path.name for path in out.iterdir()) == sorted([*before, name])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("categories/notes.txt", r"categories: holds notes.txt, which is not this project's"),
        ("categories.manifest.json", r"categories.manifest.json: not a manifest"),
        ("figures", r"figures: a link to another folder"),
    ],
)
def test_a_folder_with_files_of_others_is_refused_before_anything_runs(params, tmp_path, name, sentence):
    out = params(**{"1_search_categories": SEARCH})
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(tmp_path) if name == "figures" else (out / name).write_text("mine")
    with pytest.raises(experiments.UsageError, match=sentence):
        run("tiny", "--out", out)
    assert [path.name for path in out.iterdir()] == [name.partition("/")[0]]


def test_the_sources_of_the_notebooks_are_not_replaced(params, tmp_path):
    params(**{"1_search_categories": SEARCH})
    shutil.copytree(provenance.NOTEBOOKS, tmp_path / "notebooks")
    with pytest.raises(experiments.UsageError, match=r"1_search_categories.ipynb: is not the lab's"):
        run("tiny", "--out", tmp_path / "notebooks")
    source = provenance.NOTEBOOKS / "1_search_categories.ipynb"
    assert (tmp_path / "notebooks" / source.name).read_bytes() == source.read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_report_that_was_deleted_is_made_again_and_a_changed_one_is_kept(params, capfd):
    out = params(**{"6_report": {}})
    tiny.ran(out)
    run("tiny", "--out", out)
    page = (out / "report.html").read_bytes()
    assert run("verify", out) == 0
    (out / "report.html").unlink()
    assert run("verify", out) == 1
    capfd.readouterr()
    run("tiny", "--out", out)
    assert "6_report: runs (report.html is missing)" in capfd.readouterr().out
    assert len((out / "report.html").read_bytes()) == pytest.approx(len(page), rel=0.01)
    for name, old, new in (
        ("report.html", b"OFDB Lab", b"OFDB lab"),
        ("6_report.ipynb", b"OFDB Lab", b"OFDB lab"),
        ("6_report.yaml", b"OFDB Lab", b"OFDB lab"),
        ("record.json", b'"holds": true', b'"holds": false'),
    ):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole.replace(old, new))
        assert (out / name).read_bytes() != whole
        assert run("verify", out) == 1
        assert f"{name}: missing or altered" in capfd.readouterr().out
        (out / name).write_bytes(whole)
    assert run("verify", out) == 0
    (out / "report.html").write_text("with my notes")
    with pytest.raises(experiments.UsageError, match=r"report.html: is not the lab's, or not as the lab wrote it"):
        run("tiny", "--out", out, "-p", "title", "Another")
    assert (out / "report.html").read_text() == "with my notes"


@pytest.mark.parametrize(
    ("name", "heavy"),
    [
        ("ofdb_core", ["torch", "matplotlib", "pyvista", "numba", "numpy"]),
        ("ofdb_core.run.experiment", ["torch", "timm", "papermill", "sklearn"]),  # ten seconds, which no drawing needs
    ],
)
def test_importing_it_loads_nothing_heavy(name, heavy):
    code = f"import sys, {name}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
