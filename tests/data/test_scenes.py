import numpy as np
import pytest
from PIL import Image

from ofdb_core.data import png, scenes
from ofdb_core.data.samples import Images


def write(root, name="a", mask=None, picture=None):
    """Write a scene of 4 x 6 pixels."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(exist_ok=True)
    mask = np.array([[0, 1, 2, 255, 0, 0]] * 4, np.uint8) if mask is None else mask
    picture = np.full((4, 6, 3), (1, 2, 3), np.uint8) if picture is None else picture
    (root / "masks" / f"{name}.png").write_bytes(png.indexed(mask, scenes.palette()))
    (root / "images" / f"{name}.png").write_bytes(png.of(picture))


def test_the_palette_is_that_of_pascal_voc():
    colours = np.frombuffer(scenes.palette(), np.uint8).reshape(256, 3).tolist()
    known = {0: [0, 0, 0], 1: [128, 0, 0], 2: [0, 128, 0], 15: [192, 128, 128], 20: [0, 64, 128], 255: [224, 224, 192]}
    assert {number: colours[number] for number in known} == known
    assert len({tuple(colour) for colour in colours}) == 256


def test_a_mask_keeps_its_indices_in_a_file(tmp_path):
    mask = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    (tmp_path / "a.png").write_bytes(png.indexed(mask, scenes.palette()))
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode == "P"
        assert (np.array(opened) == mask).all()


def test_pixels_of_no_class_have_the_value_that_torch_ignores(tmp_path):
    write(tmp_path)
    picture, mask = scenes.Pairs.from_folder(tmp_path).pair(0)
    assert picture.shape == (4, 6, 3)
    assert mask.tolist() == [[0, 1, 2, -100, 0, 0]] * 4
    assert mask.dtype == np.int16


def test_gray_masks_are_read_and_coloured_ones_refused(tmp_path):
    write(tmp_path)
    Image.fromarray(np.full((4, 6), 2, np.uint8)).save(tmp_path / "masks" / "a.png")
    assert (scenes.Pairs.from_folder(tmp_path).pair(0)[1] == 2).all()
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"a.png: cannot be read as a mask \(mode RGB; a mask has a palette, or gray"):
        scenes.Pairs.from_folder(tmp_path)


def test_classes_are_named_by_the_call_the_file_or_their_numbers(tmp_path):
    write(tmp_path)
    assert scenes.Pairs.from_folder(tmp_path).classes == ["0", "1", "2"]
    (tmp_path / "classes.txt").write_text("ground\ncat\ndog\n")
    assert scenes.Pairs.from_folder(tmp_path).classes == ["ground", "cat", "dog"]
    assert scenes.Pairs.from_folder(tmp_path, classes=["x", "y", "z"]).classes == ["x", "y", "z"]
    (tmp_path / "classes.txt").write_text("")
    with pytest.raises(ValueError, match=r"classes.txt: is empty; it names the classes"):
        scenes.Pairs.from_folder(tmp_path)
    (tmp_path / "classes.txt").write_text("ground\ncat\n")
    with pytest.raises(ValueError, match=r"a.png: has class 2; the last of 2 is cat"):
        scenes.Pairs.from_folder(tmp_path).pair(0)


def test_files_without_a_partner_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "images" / "b.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="1 files have no partner of the same name in images/ and masks/: b"):
        scenes.Pairs.from_folder(tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    write(tmp_path, mask=np.zeros((6, 4), np.uint8))
    with pytest.raises(ValueError, match=r"a.png: \(6, 4\) rows and columns; its picture has \(4, 6\)"):
        scenes.Pairs.from_folder(tmp_path).pair(0)


def test_lit_pixels_are_of_the_pictures_class():
    gray = np.array([[[0, 5], [0, 0]], [[255, 0], [0, 1]]], np.uint8)
    lit = scenes.Lit(Images(gray, [1, 0], ["a", "b"]), 0)
    assert lit.classes == ["ground", "a", "b"]
    assert [lit.pair(i)[1].tolist() for i in range(2)] == [[[0, 2], [0, 0]], [[1, 0], [0, 1]]]
    coloured = scenes.Lit(Images(np.array([[[[0, 0, 9], [0, 0, 0]]]], np.uint8), [0], ["a"]), 0)
    assert coloured.pair(0)[1].tolist() == [[1, 0]]
    assert scenes.Lit(Images(gray, [1, 0], ["a", "b"]), 255).pair(1)[1].tolist() == [[0, 1], [1, 1]]  # on white


def test_more_classes_than_a_mask_holds_are_refused():
    images = Images(np.zeros((1, 2, 2), np.uint8), [0], range(scenes.MOST))
    with pytest.raises(ValueError, match="32,767 classes; a mask holds at most 32,766"):
        scenes.Lit(images, 0)
