"""What only the folders of 2D-OFDB promise; what they share with every family's is in test_families.py."""

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base.folder import Folder
from ofdb_core.data import (
    png,
)
from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, raster, search

EASY = {"seed": 3, "points": 2000, "filling_rate": 0.005}
HOW = {"size": 48, "points": 1000, "weight": 0.2, "draw": "patch_gray"}


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "categories"
    fractal_2d.write_categories(root, categories=12, **EASY)
    return root


def files(root):
    return Folder(root).manifest()["files"]


def test_the_first_categories_are_accepted_by_their_filling_rate(categories):
    accepted = list(search.first(12, search.candidates_2d(**EASY)))
    assert all(candidate.score >= 0.005 for candidate in accepted)
    for (number, system), candidate in zip(ifs.load_folder(categories), accepted, strict=True):
        assert (ifs.table(system) == ifs.table(candidate.system)).all()
        assert number == accepted.index(candidate)


def test_the_first_images_of_a_folder_of_categories_do_not_depend_on_the_others(tmp_path, categories):
    fractal_2d.write_images(tmp_path / "all", categories, **HOW)
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
        pixels = np.asarray(picture)  # not converted: of itself it is no palette's numbers
        assert picture.mode == ("L" if draw.endswith("gray") else "RGB")
        assert (np.asarray(picture.convert("RGB")) == fractal_2d.rgb(system, **how)).all()
    assert ((pixels if pixels.ndim == 3 else pixels[..., None]) == fractal_2d.rgb(system, **how)).all()


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
