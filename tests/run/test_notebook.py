"""One notebook, run by papermill: what it is given, what it leaves, and how it fails."""

import errno
import json
import os
import re
import subprocess
import sys
import tempfile

import nbclient
import nbformat
import pytest
import yaml

from ofdb_core import __main__ as command
from ofdb_core.base import provenance, record
from ofdb_core.base.own import Own
from ofdb_core.run import catalogue, notebook
from tests.helpers import tiny
from tests.helpers.in_process import in_process  # noqa: F401

SEARCH = {"categories": 3, "search_points": 500, "filling_rate": 0.0005}


def run(*words):
    return command.main([*map(str, words)])


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
