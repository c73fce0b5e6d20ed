"""An experiment's runs: what is done and what is skipped, and what a run leaves."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from ofdb_core import __main__ as command
from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.run import catalogue, experiments, parameter_files
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
