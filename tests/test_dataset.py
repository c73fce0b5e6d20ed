import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from ofdb_core import dataset, folder, ifs, render2d, search, torchvision_fix  # noqa: F401  (before torchvision)

EASY = {"seed": 3, "points": 2000, "filling_rate": 0.005}
HOW = {"size": 48, "points": 1000, "weight": 0.2, "draw": "patch_gray"}


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "categories"
    dataset.write_categories(root, categories=12, **EASY)
    return root


def files(root):
    return folder.manifest(root)["files"]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_categories_do_not_depend_on_workers(tmp_path, categories, workers):
    dataset.write_categories(tmp_path, categories=12, workers=workers, **EASY)
    assert files(tmp_path) == files(categories)


def test_a_longer_search_has_the_shorter_one_as_its_prefix(tmp_path, categories):
    dataset.write_categories(tmp_path, categories=5, **EASY)
    assert list(files(tmp_path)) == [f"{i:05d}.csv" for i in range(5)]
    assert files(tmp_path).items() <= files(categories).items()
    dataset.write_categories(tmp_path, categories=12, **EASY)
    assert files(tmp_path) == files(categories)


def test_another_seed_finds_other_categories(tmp_path, categories):
    dataset.write_categories(tmp_path, categories=12, **{**EASY, "seed": 4})
    assert files(tmp_path) != files(categories)


def test_the_first_categories_are_accepted_by_their_filling_rate(categories):
    accepted = list(search.first(12, search.candidates_2d(**EASY)))
    assert all(candidate.score >= 0.005 for candidate in accepted)
    for (number, system), candidate in zip(dataset.load_categories(categories), accepted, strict=True):
        assert (ifs.table(system) == ifs.table(candidate.system)).all()
        assert number == accepted.index(candidate)


@pytest.mark.parametrize("workers", [1, 3])
def test_images_do_not_depend_on_workers_or_on_which_are_rendered(tmp_path, categories, workers):
    dataset.write_images(tmp_path / "all", categories, workers=workers, **HOW)
    dataset.write_images(tmp_path / "some", categories, categories=4, **HOW)
    assert list(files(tmp_path / "some")) == [render2d.name(i) for i in range(4)]
    assert files(tmp_path / "some").items() <= files(tmp_path / "all").items()


def test_images_have_the_originals_names_and_are_what_imagefolder_reads(tmp_path, categories):
    from torchvision.datasets import ImageFolder

    dataset.write_images(tmp_path, categories, **HOW)
    assert (tmp_path / "00003" / "00003_00_count_0_flip0.png").is_file()
    found = ImageFolder(tmp_path)
    assert found.classes == [f"{i:05d}" for i in range(12)]
    system = dataset.load_categories(categories)[3][1]
    assert (np.asarray(found[3][0]) == render2d.rgb(system, **HOW, seed=0, category=3)).all()


@pytest.mark.parametrize("draw", ["patch_gray", "patch_color", "point_gray", "point_color"])
def test_a_png_file_decodes_to_the_drawn_rgb(tmp_path, categories, draw):
    system = dataset.load_categories(categories)[0][1]
    how = {**HOW, "draw": draw, "seed": 0, "category": 0}
    (tmp_path / "a.png").write_bytes(render2d.png(render2d.indices(system, **how), draw))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        assert (np.asarray(picture.convert("RGB")) == render2d.rgb(system, **how)).all()


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
    dataset.write_images(tmp_path / "a", categories, **how)
    kept = [path for path, time_ns in left.items() if path.exists() and path.stat().st_mtime_ns == time_ns]
    assert len(kept) == sum(path.name in listed for path in left) >= 1
    dataset.write_images(tmp_path / "b", categories, **how)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert folder.verify(tmp_path / "a") == []


def test_changed_categories_change_the_images(tmp_path, categories):
    dataset.write_categories(tmp_path / "categories", categories=12, **{**EASY, "seed": 4})
    dataset.write_images(tmp_path / "images", categories, **HOW)
    before = files(tmp_path / "images")
    dataset.write_images(tmp_path / "images", tmp_path / "categories", **HOW)
    assert files(tmp_path / "images") != before


def test_bad_requests_are_refused(tmp_path, categories):
    with pytest.raises(FileNotFoundError, match="run 1_search_categories first"):
        dataset.write_images(tmp_path / "images", tmp_path, **HOW)
    with pytest.raises(ValueError, match="categories: 13 is out of range"):
        dataset.write_images(tmp_path / "images", categories, categories=13, **HOW)
    with pytest.raises(ValueError, match="filling_rate: 2 is out of range"):
        dataset.write_categories(tmp_path / "c", categories=1, filling_rate=2)
    with pytest.raises(ValueError, match="points: 1 is out of range"):
        dataset.write_categories(tmp_path / "d", categories=1, points=1)
