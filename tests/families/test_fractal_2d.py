"""What only the folders of 2D-OFDB promise; what they share with every family's is in test_families.py."""

import numpy as np
import pytest
from PIL import Image

from ofdb_core.data import png
from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, raster, search

EASY = {"search_seed": 3, "search_points": 2000, "filling_rate": 0.005}
HOW = {"image_size": 48, "points": 1000}


def searched(out, **values):
    """The folder of twelve categories that are found quickly."""
    fractal_2d.write_search(fractal_2d.Search(out=str(out), **{"categories": 12, **EASY, **values}))
    return out / "categories"


def rendered(out, systems, **values):
    """The files of the images of the systems in a folder: name -> hash."""
    return fractal_2d.write(fractal_2d.Render(out=str(out), systems=str(systems), **HOW, **values))["files"]


@pytest.fixture(scope="module")
def categories(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("data"))


def test_the_first_categories_are_accepted_by_their_filling_rate(categories):
    accepted = list(search.first(12, search.candidates_2d(**fractal_2d.Search(**EASY).rule())))
    assert all(candidate.score >= 0.005 for candidate in accepted)
    for (number, system), candidate in zip(ifs.load_folder(categories), accepted, strict=True):
        assert (ifs.table(system) == ifs.table(candidate.system)).all()
        assert number == accepted.index(candidate)


def test_the_first_images_of_a_folder_of_categories_do_not_depend_on_the_others(tmp_path, categories):
    every, some = rendered(tmp_path / "all", categories), rendered(tmp_path / "some", categories, categories=4)
    assert list(some) == [fractal_2d.image_name(f"{i:05d}") for i in range(4)]
    assert some.items() <= every.items()


def test_images_have_the_originals_names_and_are_what_imagefolder_reads(tmp_path, categories):
    from torchvision.datasets import ImageFolder

    rendered(tmp_path, categories)
    assert (tmp_path / "images" / "00003" / "00003_00_count_0_flip0.png").is_file()
    found = ImageFolder(tmp_path / "images")
    assert found.classes == [f"{i:05d}" for i in range(12)]
    system = ifs.load_folder(categories)[3][1]
    assert (np.asarray(found[3][0]) == fractal_2d.rgb(system, **fractal_2d.Render(**HOW).drawing(), category=3)).all()


@pytest.mark.parametrize("draw", ["patch_gray", "patch_color", "point_gray", "point_color"])
def test_a_png_file_decodes_to_the_drawn_rgb(tmp_path, categories, draw):
    system = ifs.load_folder(categories)[0][1]
    how = {**fractal_2d.Render(**HOW, draw=draw).drawing(), "category": 0}
    (tmp_path / "a.png").write_bytes(png.encode(fractal_2d.indices(system, **how), raster.palette(draw)))
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture)  # not converted: of itself it is no palette's numbers
        assert picture.mode == ("L" if draw.endswith("gray") else "RGB")
        assert (np.asarray(picture.convert("RGB")) == fractal_2d.rgb(system, **how)).all()
    assert ((pixels if pixels.ndim == 3 else pixels[..., None]) == fractal_2d.rgb(system, **how)).all()


def test_changed_categories_change_the_images(tmp_path, categories):
    before = rendered(tmp_path, categories)
    assert rendered(tmp_path, searched(tmp_path, search_seed=4)) != before


def test_categories_of_others_are_rendered_and_an_altered_one_is_noticed(tmp_path, categories):
    (tmp_path / "theirs").mkdir()
    for path in sorted(categories.glob("*.csv"))[:3]:
        (tmp_path / "theirs" / path.name).write_bytes(path.read_bytes())
    before = rendered(tmp_path, tmp_path / "theirs")
    assert rendered(tmp_path / "ours", categories, categories=3) == before
    altered = tmp_path / "theirs" / "00001.csv"
    altered.write_text(altered.read_text().replace("e-01", "e-02", 1))  # the same size
    after = rendered(tmp_path, tmp_path / "theirs")
    assert [name for name, digest in after.items() if digest != before[name]] == [fractal_2d.image_name("00001")]


def test_bad_requests_are_refused(tmp_path, categories):
    with pytest.raises(FileNotFoundError, match="search them first"):
        rendered(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="categories: 13 is out of range"):
        rendered(tmp_path, categories, categories=13)
    with pytest.raises(ValueError, match="filling_rate: 2 is out of range"):
        searched(tmp_path, filling_rate=2)
    with pytest.raises(ValueError, match="search_points: 1 is out of range"):
        searched(tmp_path, search_points=1)
