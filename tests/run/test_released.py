"""What a released version has left stays readable: a run folder of each is opened as a user would open it."""

import tarfile
from pathlib import Path

import pytest

from ofdb_core.base import provenance, record
from ofdb_core.base.folder import Folder
from ofdb_core.data import samples, tables
from ofdb_core.run import catalogue, reasons
from ofdb_core.show import compare, report
from tests.helpers import tiny

RELEASED = sorted((Path(__file__).parents[1] / "released").glob("*.tar.xz"))


@pytest.fixture(params=RELEASED, ids=lambda path: path.name)
def run(request, tmp_path):
    """The folder of a run by a released version."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "run"


def checked(run, stage):
    """The parameters of a stage as its record has them."""
    return catalogue.stages()[stage].parameters.of({**record.read(run)[stage]["parameters"], "out": str(run)})


def test_there_is_a_run_of_a_released_version():
    assert "0.2.0.tar.xz" in [path.name for path in RELEASED]


def test_its_folders_are_verified_and_its_files_read(run):
    folders = {folder.root.name: folder for folder in Folder.below(run)}
    assert sorted(folders) == ["categories", "finetune", "images", "pretrain"]
    assert not any(folder.verify() for folder in folders.values())
    assert len(samples.Images.from_folder(run / "images")) == 3
    assert tables.read(run / "finetune" / "results.csv")


def test_its_checkpoint_is_loaded(run):
    network, left = tiny.loaded(run / "pretrain" / "model.safetensors")
    assert (network.num_classes, left) == (3, [])


def test_its_stages_are_done_but_for_their_code(run):
    for stage in record.read(run):
        assert set(reasons.reasons(stage, checked(run, stage), run)) <= {reasons.CODE}


def test_its_finished_training_is_kept(run):
    recipe, manifest = checked(run, "4_pretrain"), Folder(run / "pretrain").manifest()
    assert Folder(run / "pretrain").made_by(
        {**recipe.makes(), "source": Folder(run / "images").digest()}, recipe.defaults()
    )
    assert manifest["notes"]["processes"] == 1


def test_its_report_and_a_comparison_are_made(run):
    entries = record.read(run)
    page = report.page(run, "A released run", entries)
    assert all(stage in page for stage in entries)
    assert entries["4_pretrain"]["commit"] is None or provenance.commit() is not None
    assert "pretrain" in compare.page({"one": run, "two": run})


def test_a_parameter_that_came_later_has_its_default_in_what_was_finished_before(run):
    """So that a new parameter does not undo what earlier versions finished."""
    recipe, results = checked(run, "4_pretrain"), Folder(run / "pretrain")
    now = {**recipe.makes(), "source": Folder(run / "images").digest(), "new": 7}
    assert results.made_by(now, {**recipe.defaults(), "new": 7})
    assert results.made_by(now, {**recipe.defaults(), "new": 8}) is None
