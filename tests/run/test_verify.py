"""`verify` of a run: whatever is lost or altered in it is found, and each problem counts."""

import functools
import hashlib
import json
import shutil

import pytest

from ofdb_core.base import own, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.own import Own
from ofdb_core.run import verify
from ofdb_core.show import plot
from tests.helpers import tiny

OTHERS = ("report.html", "gallery.html", "2_render_2d.ipynb", "2_render_2d.yaml", "images.croissant.json")
PICTURES = ("00000/a.png", "00001/b.png")


@pytest.fixture
def run(tmp_path):
    """A whole run: a folder of images, a record with a figure, and files beside them."""
    out = tmp_path / "run"
    made = [(name, functools.partial(bytes, name, "ascii")) for name in PICTURES]
    Folder(out / "images").fill({"parameters": {"points": 500}, "code": "x"}, made, total=2)
    entry = record.Run("2_render_2d", tiny.of("2_render_2d", out=str(out)))
    entry.figure(plot.sheet([tiny.SHADES]), "sheet", "A sheet.")
    entry.results(points=500)
    entry.writes("images")
    entry.done()
    for name in OTHERS:
        Own(out).write(name, name)
    assert verify.check(out) == 0
    return out


def altered(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    "name", [*OTHERS, record.FILE, own.LIST, "images.manifest.json", "figures/2_render_2d_sheet.png"]
)
def test_a_file_that_is_lost_is_found(run, name, capsys):
    (run / name).unlink()
    assert verify.check(run) > 0
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("name", [*OTHERS, record.FILE, f"images/{PICTURES[0]}"])
def test_a_file_that_is_altered_is_found(run, name, capsys):
    (run / name).write_bytes((run / name).read_bytes() + b"\n")
    assert verify.check(run) > 0
    assert f"{name.removeprefix('images/')}: " in capsys.readouterr().out


def test_a_folder_that_is_gone_with_all_that_is_said_of_it_is_found(run, capsys):
    shutil.rmtree(run / "images")
    for path in run.glob("images.*"):
        path.unlink()
    assert verify.check(run) > 0
    assert "images: missing or unfinished" in capsys.readouterr().out


def test_numbers_and_parameters_that_are_altered_are_found(run):
    altered(run / "images.manifest.json", "500", "501")
    assert verify.check(run) == 1
    altered(run / record.FILE, '"points": 500', '"points": 501')
    assert verify.check(run) == 2


def test_images_altered_together_with_their_manifest_differ_from_the_record(run, capsys):
    picture, manifest = run / "images" / PICTURES[0], run / "images.manifest.json"
    was = hashlib.sha256(picture.read_bytes()).hexdigest()
    picture.write_bytes(b"another")
    altered(manifest, was, hashlib.sha256(b"another").hexdigest())
    assert verify.check(run) > 0
    assert "images: another than the record says" in capsys.readouterr().out


def test_a_run_of_an_early_version_has_no_list_which_is_said(run, capsys):
    (run / own.LIST).unlink()
    assert verify.check(run) == 1
    assert "early version" in capsys.readouterr().out
    assert json.loads((run / record.FILE).read_text())["notebooks"]
