import contextlib
import io
import os

import numpy as np
import pytest
from PIL import Image, features

from ofdb_core.data import layout, samples
from tests.helpers.tiny import SHADES, folder_of, some_images


def test_one_of_many_samples_is_drawn_as_among_them():
    images = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    every = samples.OneOf(samples.Images(images, [0, 0, 1, 1, 2, 2], "abc"))
    one = samples.Single(every, 1)
    assert (len(one), one.labels.tolist(), one.classes) == (1, [1], ["a", "b", "c"])
    for key in (None, 0, 1):
        assert (one.pixels(0, key) == every.pixels(1, key)).all()
    with pytest.raises(IndexError):
        one.pixels(1)


def test_files_of_the_same_pixels_are_the_same_in_every_mode(tmp_path):
    binary = Image.fromarray((SHADES > 127).astype(np.uint8) * 127)
    palette = Image.fromarray((SHADES > 127).astype(np.uint8))
    palette.putpalette([0, 0, 0, 127, 127, 127])
    folder_of(tmp_path, gray=binary, rgb=binary.convert("RGB"), palette=palette)
    palette.save(tmp_path / "a" / "one_bit.png", bits=1)
    images = samples.Images.from_folder(tmp_path)
    expected = np.repeat(np.asarray(binary)[..., None], 3, axis=2)
    assert len(images) == 4
    for i in range(4):
        assert np.array_equal(np.asarray(Image.fromarray(images.pixels(i)).convert("RGB")), expected)
        assert images.pixels(i).shape == (30, 20)  # one channel


def test_colour_stays_colour(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    images = samples.Images.from_folder(folder_of(tmp_path, x=Image.fromarray(colours)))
    assert np.array_equal(images.pixels(0), colours)


def test_sixteen_bit_gray_keeps_its_high_byte(tmp_path):
    images = samples.Images.from_folder(folder_of(tmp_path, x=Image.fromarray(SHADES.astype(np.uint16) * 256 + 7)))
    assert np.array_equal(images.pixels(0), SHADES)


def test_folders_are_sorted_and_hidden_files_left_out(tmp_path):
    picture = Image.fromarray(SHADES)
    for name in ("b/2.png", "b/10.JPG", "a/x.bmp", "a/.hidden.png", ".git/x.png", "b/.cache/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture.save(tmp_path / name)
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "a" / "notes.txt").write_text("x")
    images = samples.Images.from_folder(tmp_path)
    assert images.classes == ["a", "b"]
    assert [path.name for path in images.items] == ["x.bmp", "10.JPG", "2.png"]
    assert images.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "bmp", "webp", "gif", "tif", "tga", "ppm", "jp2", "sgi", "pcx"])
def test_any_format_that_pillow_reads_is_an_image(tmp_path, ending):
    (tmp_path / "a").mkdir()
    Image.fromarray(SHADES // 128 * 255).save(tmp_path / "a" / f"x.{ending}")
    images = samples.Images.from_folder(tmp_path)
    assert images.pixels(0).shape[:2] == (30, 20)


def test_what_is_no_image_is_left_out(tmp_path):
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    for name in ("a.pdf", "b.mpg", "c.eps", "d.h5", "e.txt", "png", "f.mat"):
        (tmp_path / "a" / name).touch()
    (tmp_path / "a" / "folder.png").mkdir()
    assert [path.name for path in samples.Images.from_folder(tmp_path).items] == ["x.png"]


def pictures(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(SHADES).save(root / name)
    return root


def test_files_are_in_the_order_of_their_paths(tmp_path):
    names = ("a/b/1.png", "a/b-1.png", "a/b/c/2.png", "a/b.png", "a/a.png", "a/b/10.png")
    images = samples.Images.from_folder(pictures(tmp_path, *names))
    assert images.items == sorted(tmp_path / name for name in names)


def test_linked_classes_and_files_are_read(tmp_path):
    pictures(tmp_path / "store", "a/1.png", "b/1.png")
    (tmp_path / "chosen" / "c").mkdir(parents=True)
    (tmp_path / "chosen" / "b").symlink_to(tmp_path / "store" / "b")
    (tmp_path / "chosen" / "c" / "2.png").symlink_to(tmp_path / "store" / "a" / "1.png")
    (tmp_path / "chosen" / "c" / "lost.png").symlink_to(tmp_path / "nowhere")
    images = samples.Images.from_folder(tmp_path / "chosen")
    assert [path.relative_to(tmp_path / "chosen").as_posix() for path in images.items] == ["b/1.png", "c/2.png"]


@pytest.mark.parametrize("wrapper", [".", "image", "2d-ofdb-1k/image"])
def test_wrappers_are_looked_through(tmp_path, wrapper):
    pictures(tmp_path / wrapper, "00000/x.png", "00001/x.png")
    (tmp_path / "README.md").touch()
    pictures(tmp_path, "__MACOSX/x.png", ".cache/x/x.png")
    assert layout.unwrapped(tmp_path) == tmp_path / wrapper
    assert samples.Images.from_folder(tmp_path).classes == ["00000", "00001"]


@pytest.mark.parametrize("wrapper", [".", "image", "2d-ofdb-1k/image"])
def test_a_lone_class_is_no_wrapper(tmp_path, wrapper):
    pictures(tmp_path / wrapper, "00000/x.png")
    (tmp_path / wrapper / "00000" / "notes").mkdir()
    assert samples.Images.from_folder(tmp_path).classes == ["00000"]


def test_decoded_files_are_kept_up_to_the_budget(tmp_path, monkeypatch):
    folder_of(tmp_path, **{name: Image.fromarray(SHADES) for name in "abc"})
    read, decode = [], samples.decode
    monkeypatch.setattr(samples, "decode", lambda path, **how: read.append(path.stem) or decode(path, **how))
    images = samples.Images.from_folder(tmp_path, cache_bytes=2 * SHADES.nbytes)
    for i in (0, 1, 2, 0, 1, 2):
        images.pixels(i)
    assert "".join(read) == "abcc"


def test_folders_without_images_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        samples.Images.from_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no class folders"):
        samples.Images.from_folder(tmp_path)
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match="b: holds no image"):
        samples.Images.from_folder(tmp_path)


def test_arrays_that_are_no_images_are_refused():
    good = np.zeros((2, 4, 4), np.uint8)
    for items, labels, words in [
        (good.astype(float), [0, 1], "items: float64"),
        (good[0], [0, 1], r"items: uint8 \(4, 4\) given"),
        (good, [0], "labels: shape"),
        (good, [0, 2], "labels: 0 to 2 given; allowed is 0 to 1"),
        (good[:0], [], "items: empty"),
    ]:
        with pytest.raises(ValueError, match=words):
            samples.Images(items, labels, "ab")


def test_few_shots_are_drawn_for_each_class_by_the_seed():
    images = some_images(n=50)
    few, again, other = (images.few_shot(4, seed=seed) for seed in (1, 1, 2))
    assert np.bincount(few.labels).tolist() == [4] * 5
    assert np.array_equal(few.items, again.items)
    assert not np.array_equal(few.items, other.items)
    more = images.few_shot(6, seed=1)
    assert {image.tobytes() for image in few.items} < {image.tobytes() for image in more.items}
    assert len(images.few_shot(0, seed=1)) == 50


def test_more_shots_than_images_are_refused():
    with pytest.raises(ValueError, match="shots: 11 is out of range; class 0 has 10 images"):
        some_images(n=50).few_shot(11, seed=0)


FORMATS = "AVIF", "BMP", "DDS", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA", "TIFF", "WEBP"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_file_of_any_format_is_pixels_or_a_sentence(tmp_path, form):
    if form in ("AVIF", "WEBP") and not features.check(form.lower()):
        pytest.skip(f"this Pillow has no {form}")
    whole, path, rng = io.BytesIO(), tmp_path / "x", np.random.default_rng(0)
    Image.effect_noise((64, 64), 50).convert("RGB").save(whole, form)
    for _ in range(60):
        data = np.frombuffer(whole.getvalue(), np.uint8).copy()
        places = rng.integers(0, rng.choice([min(400, len(data)), len(data)]), rng.integers(1, 30))
        data[places] = rng.integers(0, 256, len(places))
        path.write_bytes(data.tobytes()[: rng.integers(1, 2 * len(data))])
        try:
            assert samples.decode(path).dtype == np.uint8
        except ValueError as error:
            assert f"{path}: cannot be read as an image" in str(error)  # noqa: PT017


@pytest.mark.parametrize("place", [".", "a"])
def test_links_in_circles_and_to_nowhere_are_looked_through(tmp_path, place):
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    (tmp_path / place / "up").symlink_to(tmp_path)
    (tmp_path / place / "itself.png").symlink_to(tmp_path / place / "itself.png")
    (tmp_path / place / "nowhere.png").symlink_to("nothing")
    (tmp_path / place / "zero.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / place / "pipe.png")
    with contextlib.suppress(ValueError):  # a folder without images of its own is refused as a class
        assert len(samples.Images.from_folder(tmp_path)) < 3
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "only").symlink_to(tmp_path / "b")
    assert layout.unwrapped(tmp_path / "b") == tmp_path / "b"


@pytest.mark.parametrize(("name", "other"), [("a", b"/\xff"), ("a/x.png", b"/a/\xff.png")])
def test_a_name_that_is_not_unicode_is_refused_before_anything_is_trained(tmp_path, name, other):
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    os.rename(tmp_path / name, os.fsencode(tmp_path) + other)  # noqa: PTH104
    with pytest.raises(ValueError, match="is not Unicode; give it another one"):
        samples.Images.from_folder(tmp_path)


def test_every_file_that_cannot_be_read_is_named_at_once(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(SHADES).save(tmp_path / name / f"{i}.png")
    images = samples.Images.from_folder(tmp_path)
    samples.require_readable(images)
    (tmp_path / "a" / "1.png").write_bytes(b"")
    cut = tmp_path / "b" / "2.png"
    cut.write_bytes(cut.read_bytes()[:300])
    with pytest.raises(ValueError, match="4 of 12 files cannot be read; restore or delete them and run again") as error:
        samples.require_readable(images, images)
    lines = str(error.value).splitlines()[1:]
    assert lines[0] == lines[1] == f"  {tmp_path}/a/1.png: empty"
    assert lines[3].startswith(f"  {tmp_path}/b/2.png: ")
    assert len(lines) == 4
