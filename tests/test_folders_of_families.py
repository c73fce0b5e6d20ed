import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import folder
from ofdb_core.data import png
from ofdb_core.families import fractal_2d, fractal_3d, visual_atom
from ofdb_core.formulas import camera, ifs, raster, search

EASY = {"seed": 3, "points": 2000, "filling_rate": 0.005}
HOW = {"size": 48, "points": 1000, "weight": 0.2, "draw": "patch_gray"}


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "categories"
    fractal_2d.write_categories(root, categories=12, **EASY)
    return root


def files(root):
    return folder.manifest(root)["files"]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_categories_do_not_depend_on_workers(tmp_path, categories, workers):
    fractal_2d.write_categories(tmp_path, categories=12, workers=workers, **EASY)
    assert files(tmp_path) == files(categories)


def test_a_longer_search_has_the_shorter_one_as_its_prefix(tmp_path, categories):
    fractal_2d.write_categories(tmp_path, categories=5, **EASY)
    assert list(files(tmp_path)) == [f"{i:05d}.csv" for i in range(5)]
    assert files(tmp_path).items() <= files(categories).items()
    fractal_2d.write_categories(tmp_path, categories=12, **EASY)
    assert files(tmp_path) == files(categories)


def test_another_seed_finds_other_categories(tmp_path, categories):
    fractal_2d.write_categories(tmp_path, categories=12, **{**EASY, "seed": 4})
    assert files(tmp_path) != files(categories)


def test_the_first_categories_are_accepted_by_their_filling_rate(categories):
    accepted = list(search.first(12, search.candidates_2d(**EASY)))
    assert all(candidate.score >= 0.005 for candidate in accepted)
    for (number, system), candidate in zip(ifs.load_folder(categories), accepted, strict=True):
        assert (ifs.table(system) == ifs.table(candidate.system)).all()
        assert number == accepted.index(candidate)


@pytest.mark.parametrize("workers", [1, 3])
def test_images_do_not_depend_on_workers_or_on_which_are_rendered(tmp_path, categories, workers):
    fractal_2d.write_images(tmp_path / "all", categories, workers=workers, **HOW)
    fractal_2d.write_images(tmp_path / "some", categories, categories=4, **HOW)
    assert list(files(tmp_path / "some")) == [fractal_2d.image_name(i) for i in range(4)]
    assert files(tmp_path / "some").items() <= files(tmp_path / "all").items()


def test_images_have_the_originals_names_and_are_what_imagefolder_reads(tmp_path, categories):
    from torchvision.datasets import ImageFolder

    fractal_2d.write_images(tmp_path, categories, **HOW)
    assert (tmp_path / "00003" / "00003_00_count_0_flip0.png").is_file()
    found = ImageFolder(tmp_path)
    assert found.classes == [f"{i:05d}" for i in range(12)]
    system = ifs.load_folder(categories)[3][1]
    assert (np.asarray(found[3][0]) == fractal_2d.rgb(system, **HOW, seed=0, category=3)).all()


@pytest.mark.parametrize("draw", ["patch_gray", "patch_color", "point_gray", "point_color"])
def test_a_png_file_decodes_to_the_drawn_rgb(tmp_path, categories, draw):
    system = ifs.load_folder(categories)[0][1]
    how = {**HOW, "draw": draw, "seed": 0, "category": 0}
    (tmp_path / "a.png").write_bytes(png.encode(fractal_2d.indices(system, **how), raster.palette(draw)))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        assert (np.asarray(picture.convert("RGB")) == fractal_2d.rgb(system, **how)).all()


def test_a_render_that_was_killed_goes_on_and_gives_the_same_bytes(tmp_path, categories):
    how = {**HOW, "size": 362, "points": 200_000}
    roots = f"{str(tmp_path / 'a')!r}, {str(categories)!r}"
    code = f"from ofdb_core import dataset; dataset.write_images({roots}, workers=1, **{how})"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while len(list(tmp_path.glob("a/*/*.png"))) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert folder.manifest(tmp_path / "a") is None
    left = {path: path.stat().st_mtime_ns for path in tmp_path.glob("a/*/*.png")}
    listed = (tmp_path / "a" / folder.PART).read_text()
    fractal_2d.write_images(tmp_path / "a", categories, **how)
    kept = [path for path, time_ns in left.items() if path.exists() and path.stat().st_mtime_ns == time_ns]
    assert len(kept) == sum(path.name in listed for path in left) >= 1
    fractal_2d.write_images(tmp_path / "b", categories, **how)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert folder.verify(tmp_path / "a") == []


def test_changed_categories_change_the_images(tmp_path, categories):
    fractal_2d.write_categories(tmp_path / "categories", categories=12, **{**EASY, "seed": 4})
    fractal_2d.write_images(tmp_path / "images", categories, **HOW)
    before = files(tmp_path / "images")
    fractal_2d.write_images(tmp_path / "images", tmp_path / "categories", **HOW)
    assert files(tmp_path / "images") != before


def test_categories_of_others_are_rendered_and_an_altered_one_is_noticed(tmp_path, categories):
    (tmp_path / "theirs").mkdir()
    for path in sorted(categories.glob("*.csv"))[:3]:
        (tmp_path / "theirs" / path.name).write_bytes(path.read_bytes())
    fractal_2d.write_images(tmp_path / "images", tmp_path / "theirs", **HOW)
    before = files(tmp_path / "images")
    fractal_2d.write_images(tmp_path / "ours", categories, categories=3, **HOW)
    assert files(tmp_path / "ours") == before
    altered = tmp_path / "theirs" / "00001.csv"
    altered.write_text(altered.read_text().replace("e-01", "e-02", 1))  # the same size
    fractal_2d.write_images(tmp_path / "images", tmp_path / "theirs", **HOW)
    assert [name for name, digest in files(tmp_path / "images").items() if digest != before[name]] == [
        fractal_2d.image_name(1)
    ]


def test_bad_requests_are_refused(tmp_path, categories):
    with pytest.raises(FileNotFoundError, match="search them first"):
        fractal_2d.write_images(tmp_path / "images", tmp_path, **HOW)
    with pytest.raises(ValueError, match="categories: 13 is out of range"):
        fractal_2d.write_images(tmp_path / "images", categories, categories=13, **HOW)
    with pytest.raises(ValueError, match="filling_rate: 2 is out of range"):
        fractal_2d.write_categories(tmp_path / "c", categories=1, filling_rate=2)
    with pytest.raises(ValueError, match="points: 1 is out of range"):
        fractal_2d.write_categories(tmp_path / "d", categories=1, points=1)


MODEL = {"seed": 0, "points": 400, "weight": 0.4}


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A folder with the categories, models and views of three 3D categories."""
    root = tmp_path_factory.mktemp("space")
    fractal_3d.write_categories(root / "c", categories=3, model=MODEL)
    fractal_3d.write_models(root / "m", root / "c", **MODEL)
    fractal_3d.write_views(root / "v", root / "m", views=4, size=32)
    return root


def test_3d_folders_have_the_originals_names_and_verify(space):
    assert sorted(path.name for path in (space / "c").glob("*.csv")) == ["000000.csv", "000001.csv", "000002.csv"]
    assert (space / "m" / "000002" / "000002_0000.ply").is_file()
    views = sorted(path.name for path in (space / "v" / "000001").iterdir())
    assert views == [f"000001_00000_{f:03d}.png" for f in range(4)]
    assert [folder.verify(space / name) for name in "cmv"] == [[], [], []]


@pytest.mark.parametrize("axes", [2, 3])
def test_views_about_more_axes_are_named_by_all_indices(space, tmp_path, axes):
    made = fractal_3d.write_views(tmp_path / "v", space / "m", views=2, axes=axes, size=16)
    assert len(made["files"]) == 3 * 2**axes
    assert "000000/000000_00000_" + "_".join(["001"] * axes) + ".png" in made["files"]


def test_3d_files_do_not_depend_on_workers_or_on_how_many_categories_there_are(space, tmp_path):
    fractal_3d.write_categories(tmp_path / "c", categories=2, model=MODEL, workers=1)
    fractal_3d.write_models(tmp_path / "m", tmp_path / "c", workers=1, **MODEL)
    made = fractal_3d.write_views(tmp_path / "v", tmp_path / "m", views=4, size=32, workers=1)["files"]
    assert made.items() <= folder.manifest(space / "v")["files"].items()


def test_views_that_were_interrupted_go_on_and_give_the_same_bytes(space, tmp_path, monkeypatch):
    calls, view = [], camera.view

    def cut_off(*arguments, **named):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return view(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(camera, "view", cut_off)
        with pytest.raises(KeyboardInterrupt):
            fractal_3d.write_views(tmp_path / "v", space / "m", views=4, size=32, workers=1)
    assert "unfinished" in folder.verify(tmp_path / "v")[0]
    fractal_3d.write_views(tmp_path / "v", space / "m", views=4, size=32)
    assert folder.digest(tmp_path / "v") == folder.digest(space / "v")


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


def test_visualatom_folders_verify_and_hold_so_many_instances(tmp_path):
    made = visual_atom.write_images(tmp_path / "a", categories=3, instances=2, size=32, settings="published")
    assert len(made["files"]) == 6
    assert folder.verify(tmp_path / "a") == []
    one = visual_atom.write_images(tmp_path / "b", categories=2, size=32, settings="published", workers=1)
    assert one["files"].items() <= made["files"].items()
