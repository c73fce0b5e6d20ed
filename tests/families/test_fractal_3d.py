"""What only the folders of 3D-OFDB promise; what they share with every family's is in test_families.py."""

from dataclasses import replace

import numpy as np
import pytest

from ofdb_core.base.folder import Folder
from ofdb_core.families import fractal_3d
from ofdb_core.formulas import ifs, search

HOW = {"categories": 3, "model_points": 400, "views": 4, "image_size": 32}


def of(out, **values):
    return fractal_3d.Render(out=str(out), **{**HOW, **values})


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A folder with the categories, models and views of three 3D categories."""
    root = tmp_path_factory.mktemp("space")
    fractal_3d.write(of(root))
    return root


def test_folders_have_the_originals_names_and_verify(space):
    assert Folder(space / "categories3d").names() == {"000000.csv", "000001.csv", "000002.csv"}
    assert (space / "models" / "000002" / "000002_0000.ply").is_file()
    views = sorted(path.name for path in (space / "views" / "000001").iterdir())
    assert views == [f"000001_00000_{f:03d}.png" for f in range(4)]
    assert [Folder(space / name).verify() for name in ("categories3d", "models", "views")] == [[], [], []]


@pytest.mark.parametrize("axes", [2, 3])
def test_views_about_more_axes_are_named_by_all_indices(space, tmp_path, axes):
    (tmp_path / "models").symlink_to(space / "models")
    made = fractal_3d.write_views(of(tmp_path, views=2, axes=axes, image_size=16))
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
    skip, keep = of(tmp_path / "skip", categories=2), of(tmp_path / "keep", categories=2, degenerate="keep")
    fractal_3d.write_categories(skip)
    assert "is skipped: no model with weight 0.4: its orbit does not stay finite" in capsys.readouterr().out
    second, third = (root / "categories3d" / f"00000{i}.csv" for root, i in ((tmp_path / "skip", 1), (space, 2)))
    assert second.read_bytes() == third.read_bytes()
    fractal_3d.write_categories(keep)
    made = fractal_3d.write_models(keep)
    assert list(made["files"]) == ["000000/000000_0000.ply"]
    assert "does not stay finite" in made["missing"]["000001"]
    assert "category 000001 is kept without a model" in capsys.readouterr().out


def test_a_category_without_a_model_keeps_its_row_of_the_one_stream(space):
    systems = [system for _, system in ifs.load_folder(space / "categories3d")]
    how = of(space, one_stream=True, degenerate="keep")
    alone, spoilt = (
        dict(fractal_3d.model_files(enumerate([one, *systems[1:]]), how)) for one in (systems[0], DIVERGING)
    )
    assert list(fractal_3d.model_defects(enumerate([DIVERGING, *systems[1:]]), how)) == [0]
    assert [alone[fractal_3d.model_name(i)]() for i in (1, 2)] == [spoilt[fractal_3d.model_name(i)]() for i in (1, 2)]


def test_an_empty_folder_of_models_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no models"):
        fractal_3d.write_views(of(tmp_path))
