"""What only the folders of 3D-OFDB promise; what they share with every family's is in test_families.py."""

from dataclasses import replace

import numpy as np
import pytest

from ofdb_core.base.folder import Folder
from ofdb_core.families import fractal_3d
from ofdb_core.formulas import ifs, search

MODEL = {"seed": 0, "points": 400, "weight": 0.4}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A folder with the categories, models and views of three 3D categories."""
    root = tmp_path_factory.mktemp("space")
    fractal_3d.write_categories(root / "c", categories=3, model=MODEL)
    fractal_3d.write_models(root / "m", root / "c", **MODEL)
    fractal_3d.write_views(root / "v", root / "m", views=4, size=32)
    return root


def test_folders_have_the_originals_names_and_verify(space):
    assert sorted(path.name for path in (space / "c").glob("*.csv")) == ["000000.csv", "000001.csv", "000002.csv"]
    assert (space / "m" / "000002" / "000002_0000.ply").is_file()
    views = sorted(path.name for path in (space / "v" / "000001").iterdir())
    assert views == [f"000001_00000_{f:03d}.png" for f in range(4)]
    assert [Folder(space / name).verify() for name in "cmv"] == [[], [], []]


@pytest.mark.parametrize("axes", [2, 3])
def test_views_about_more_axes_are_named_by_all_indices(space, tmp_path, axes):
    made = fractal_3d.write_views(tmp_path / "v", space / "m", views=2, axes=axes, size=16)
    assert len(made["files"]) == 3 * 2**axes
    assert "000000/000000_00000_" + "_".join(["001"] * axes) + ".png" in made["files"]


DIVERGING = ifs.IFS(np.tile(np.eye(3) * 30.0, (2, 1, 1)), np.ones((2, 3)), np.full(2, 0.5))


def test_a_category_without_a_model_is_skipped_or_kept_and_always_reported(space, tmp_path, monkeypatch, capsys):
    real = search.candidates_3d

    def spoilt(**rule):
        """The candidates, where the second that is accepted runs off to infinity."""
        accepted = 0
        for candidate in real(**rule):
            accepted += candidate.accepted
            yield replace(candidate, system=DIVERGING) if candidate.accepted and accepted == 2 else candidate

    monkeypatch.setattr(search, "candidates_3d", spoilt)
    fractal_3d.write_categories(tmp_path / "skip", categories=2, model=MODEL)
    assert "is skipped: no model with weight 0.4: its orbit does not stay finite" in capsys.readouterr().out
    assert (tmp_path / "skip" / "000001.csv").read_bytes() == (space / "c" / "000002.csv").read_bytes()
    fractal_3d.write_categories(tmp_path / "keep", categories=2)
    made = fractal_3d.write_models(tmp_path / "models", tmp_path / "keep", **MODEL)
    assert list(made["files"]) == ["000000/000000_0000.ply"]
    assert "does not stay finite" in made["missing"]["000001"]
    assert "category 000001 is kept without a model" in capsys.readouterr().out


def test_a_category_without_a_model_keeps_its_row_of_the_one_stream(space, tmp_path):
    systems = [system for _, system in ifs.load_folder(space / "c")]
    how = {"seed": 0, "points": 400, "weight": 0.4, "one_stream": True}
    alone, spoilt = (
        dict(fractal_3d.model_files(enumerate([one, *systems[1:]]), **how)) for one in (systems[0], DIVERGING)
    )
    assert list(fractal_3d.model_defects(enumerate([DIVERGING, *systems[1:]]), **how)) == [0]
    assert [alone[fractal_3d.model_name(i)]() for i in (1, 2)] == [spoilt[fractal_3d.model_name(i)]() for i in (1, 2)]


def test_an_empty_folder_of_models_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no models"):
        fractal_3d.write_views(tmp_path / "v", tmp_path)
