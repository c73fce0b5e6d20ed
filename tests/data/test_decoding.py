"""Pictures of every mode become bytes that show what they show."""

import io
import re
import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ofdb_core.batches import draws
from ofdb_core.batches.recipe import BatchRecipe, View
from ofdb_core.data import decoding, layout, samples
from ofdb_core.data.decoding import Reading
from ofdb_core.data.real_images import images_of
from tests.helpers.tiny import SHADES, folder_of

SHAPE = np.zeros((8, 8), bool)
SHAPE[2:6, 3:7] = True  # the part that is drawn


def drawn(mode):
    """A black shape on a transparent ground."""
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[SHAPE] = 0, 0, 0, 255
    return Image.fromarray(pixels).convert(mode)


def keyed(mode):
    """A black shape on a ground whose colour is named as transparent."""
    gray = Image.fromarray(np.where(SHAPE, 0, 200).astype(np.uint8))
    return gray.convert(mode), {"transparency": (200,) * 3 if mode == "RGB" else 200}


def saved(path, picture, **how):
    picture.save(path, **how)
    return path


@pytest.mark.parametrize("ground", ["white", "black"])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_a_shape_on_transparent_ground_is_seen(tmp_path, mode, ground):
    path = saved(tmp_path / "x.tif" if mode == "PA" else tmp_path / "x.png", drawn("LA" if mode == "PA" else mode))
    pixels = decoding.decode(path, Reading(ground))
    assert (pixels == np.where(SHAPE, 0, 255 if ground == "white" else 0)).all()
    assert decoding.is_transparent(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_colour_that_means_transparent_is_the_ground(tmp_path, mode):
    picture, how = keyed(mode)
    if mode == "P":
        how["transparency"] = picture.getpixel((0, 0))
    pixels = decoding.decode(saved(tmp_path / "x.png", picture, **how))
    assert (pixels == np.where(SHAPE, 0, 255)).all()


def test_half_transparent_is_halfway_to_the_ground(tmp_path):
    path = saved(tmp_path / "x.png", Image.new("RGBA", (4, 4), (200, 100, 0, 51)))
    assert decoding.decode(path)[0, 0].tolist() == [244, 224, 204]  # 0.2 of the colour
    assert decoding.decode(path, Reading("black"))[0, 0].tolist() == [40, 20, 0]


def test_opaque_pictures_have_the_bytes_that_pillow_gives(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    for mode in ("RGB", "RGBA", "CMYK", "YCbCr", "L", "LA", "P", "1"):
        picture = Image.fromarray(colours).convert(mode)
        path = saved(tmp_path / f"{mode}.{'tif' if mode in ('CMYK', 'YCbCr') else 'png'}", picture)
        with Image.open(path) as opened:
            expected = np.asarray(opened.convert("RGB"))
        found = decoding.decode(path)
        assert (found.reshape(*found.shape[:2], -1) == expected).all(), mode
        assert not decoding.is_transparent(path)


def png(values, depth, *, transparent=None):
    """A gray PNG of any depth, by hand."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    key = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + head + key + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (SHADES.astype(np.uint16) * 257, SHADES),
        (SHADES.astype(np.uint16) * 16 + 7, SHADES),  # 12 bits in 16
        (SHADES.astype(np.int32), SHADES),
        (SHADES.astype(np.int32) * 16, SHADES),
        (SHADES.astype(np.int32) * 256 + 255, SHADES),
        (SHADES.astype(np.float32) / 255, SHADES),
        (SHADES.astype(np.float32), SHADES),
        (np.zeros((3, 3), np.float32), np.zeros((3, 3))),
    ],
)
def test_gray_of_more_than_8_bits_is_scaled(tmp_path, values, expected):
    path = saved(tmp_path / "x.tif", Image.fromarray(values))
    assert (decoding.decode(path) == expected).all()


def test_gray_of_16_bits_may_name_a_value_as_transparent(tmp_path):
    (tmp_path / "x.png").write_bytes(png(np.where(SHAPE, 300, 60_000), 16, transparent=60_000))
    assert (decoding.decode(tmp_path / "x.png", Reading("black")) == np.where(SHAPE, 1, 0)).all()
    assert decoding.is_transparent(tmp_path / "x.png")


@pytest.mark.parametrize(
    "values",
    [
        np.full((3, 3), 70_000, np.int32),
        np.full((3, 3), -1, np.int32),
        np.full((3, 3), 256.5, np.float32),
        np.full((3, 3), -0.1, np.float32),
        np.full((3, 3), np.nan, np.float32),
    ],
)
def test_values_whose_white_is_unknown_are_refused_by_name(tmp_path, values):
    path = saved(tmp_path / "x.tif", Image.fromarray(values))
    with pytest.raises(ValueError, match=r"x.tif: cannot be read .*its values are .* is expected: save it with 8 bits"):
        decoding.decode(path)


def with_orientation(orientation, form):
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(SHADES).save(data, form, exif=exif, **({"quality": 100} if form == "JPEG" else {"lossless": True}))
    return data.getvalue()


UPRIGHT = {
    1: SHADES,
    2: SHADES[:, ::-1],
    3: SHADES[::-1, ::-1],
    4: SHADES[::-1],
    5: SHADES.T,
    6: SHADES[::-1].T,
    7: SHADES[::-1, ::-1].T,
    8: SHADES.T[::-1],
}


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_picture_is_turned_as_the_camera_was_held(tmp_path, form, orientation):
    path, expected = tmp_path / "x", UPRIGHT[orientation]
    path.write_bytes(with_orientation(orientation, form))
    found = decoding.decode(path)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (3 if form == "JPEG" else 0)
    assert decoding.decode(path, upright=False).shape == SHADES.shape


def test_a_broken_exif_block_does_not_turn_or_refuse_a_picture(tmp_path):
    data = with_orientation(6, "PNG")
    start = data.index(b"eXIf")
    block = data[start + 4 : start + 30]
    broken = data.replace(block, b"II*\0\xff\xff\xff\x7f" + block[8:])
    length = int.from_bytes(data[start - 4 : start], "big")
    end = start + 4 + length
    crc = struct.pack(">I", zlib.crc32(broken[start:end]))
    (tmp_path / "x.png").write_bytes(broken[:end] + crc + broken[end + 4 :])
    assert (decoding.decode(tmp_path / "x.png") == SHADES).all()


@pytest.fixture
def no_heic(monkeypatch):
    """As if pillow-heif were not installed."""
    known = tuple(ending for ending in decoding.extensions() if ending not in decoding.READERS)
    for module in (samples, layout):
        monkeypatch.setattr(module, "extensions", lambda: known)


@pytest.mark.usefixtures("no_heic")
def test_endings_that_are_not_read_are_named_and_counted(tmp_path, capsys):
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    for name in ("1.HEIC", "2.heic", "deeper/3.heic", "4.cr2", "notes", ".hidden.cr2"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
    shutil.copy(tmp_path / "a" / "x.png", tmp_path)
    assert len(samples.Images.from_folder(tmp_path)) == 1
    printed = capsys.readouterr().out
    assert "3 .heic (needs: pip install pillow-heif), 1 without an ending, 1 .cr2\n" in printed
    assert f"{tmp_path}: not read, because they are in no class folder: 1 image\n" in printed


@pytest.mark.usefixtures("no_heic")
def test_a_class_of_unread_files_is_refused_with_what_reads_them(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.HEIC").touch()
    for refused in (lambda: samples.Images.from_folder(tmp_path), lambda: layout.require_images(tmp_path / "a", 0)):
        with pytest.raises(ValueError, match=r"a: holds no image.*\(1 \.heic \(needs: pip install pillow-heif\)\)"):
            refused()


def test_heic_files_are_read_where_their_package_is_installed(tmp_path):
    pytest.importorskip("pillow_heif")
    folder_of(tmp_path, x=Image.fromarray(SHADES))
    Image.fromarray(SHADES).save(tmp_path / "a" / "y.HEIC", "HEIF", quality=100)
    images = samples.Images.from_folder(tmp_path)
    assert [images.pixels(i).shape for i in range(2)] == [SHADES.shape] * 2


def flat_and(root, **classes):
    for name, colours in classes.items():
        (root / name).mkdir(parents=True)
        for i, colour in enumerate(colours):
            picture = Image.fromarray(SHADES) if colour is None else Image.new("RGB", (5, 5), colour)
            picture.save(root / name / f"{i}.png")
    return samples.Images.from_folder(root)


def test_a_class_of_flat_colour_is_said(tmp_path, capsys):
    images = flat_and(tmp_path, good=["red", None], flat=["red", "blue"], grey=["grey"])
    assert samples.look_at(images) is images
    assert "CAUTION: every image of 2 classes: flat, grey is one flat colour" in capsys.readouterr().out


def test_classes_that_differ_in_their_flat_colour_can_be_learned(tmp_path, capsys):
    samples.look_at(flat_and(tmp_path, a=["red"], b=["blue"]))
    assert "CAUTION" in capsys.readouterr().out


def test_a_set_of_one_flat_colour_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every image is one flat colour, the same in all"):
        samples.look_at(flat_and(tmp_path, a=["red", "red"], b=["red"]))


def test_a_set_in_which_something_is_drawn_passes_in_silence(tmp_path, capsys):
    samples.look_at(flat_and(tmp_path, a=["red", None], b=[None]))
    assert not capsys.readouterr().out


def test_a_transparent_set_is_said_and_its_ground_is_asked_for(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    drawn("RGBA").save(tmp_path / "a" / "x.png")
    samples.look_at(samples.Images.from_folder(tmp_path))
    assert "transparent pixels, in 1 class: a, are seen on white (-p ground)" in capsys.readouterr().out
    on_black = samples.Images.from_folder(tmp_path, reading=Reading("black"))
    for images in (on_black, on_black.few_shot(1, seed=0)):
        with pytest.raises(ValueError, match="give transparent ones another ground"):
            samples.look_at(images)


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "bmp", "tif"])
def test_a_whole_file_has_no_damage_and_is_not_decoded(tmp_path, monkeypatch, ending):
    Image.fromarray(NOISE).save(tmp_path / f"x.{ending}")
    monkeypatch.setattr(decoding, "decode", None)
    assert decoding.damage(tmp_path / f"x.{ending}") is None


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_file_that_was_cut_off_has_damage_and_one_with_more_at_its_end_has_none(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.fromarray(NOISE).save(path)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * 5000)
    assert decoding.damage(path) is None
    path.write_bytes(data[: len(data) // 2])
    assert decoding.damage(path)
    with pytest.raises(ValueError, match="cannot be read as an image"):
        decoding.decode(path)


def test_what_is_no_picture_is_said(tmp_path):
    (tmp_path / "a.png").write_bytes(b"<html>not found</html>")
    (tmp_path / "b.png").touch()
    found = [decoding.damage(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    assert found[:2] == ["no picture", "empty"]
    assert "No such file" in found[2]


def photograph(path, width, height, form="JPEG", orientation=1):
    """A smooth picture of noise, brighter to the right and to the bottom."""
    noise = np.random.default_rng(0).integers(0, 64, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    rows, columns = np.mgrid[:height, :width]
    pixels = soft + (rows * 90 // height + columns * 90 // width)[..., None]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, form, exif=exif)
    return path


DRAFT = View(input_size=32, crop_pct=1.0, draft=True).reading()  # at least 64 pixels of each side


@pytest.mark.parametrize(
    ("size", "part"), [((640, 512), 8), ((640, 511), 4), ((300, 256), 4), ((200, 131), 2), ((640, 127), 1)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_is_decoded_as_small_as_its_view_allows(tmp_path, size, part, orientation):
    path = photograph(tmp_path / "x.jpg", *size, orientation=orientation)
    whole, found = decoding.decode(path), decoding.decode(path, DRAFT)
    assert found.shape[:2] == tuple(length // part for length in whole.shape[:2])
    assert min(found.shape[:2]) >= 64 or part == 1
    used = whole[: found.shape[0] * part, : found.shape[1] * part] if orientation == 1 else whole
    if orientation == 6:  # the last rows of the file are the first columns
        used = whole[: found.shape[0] * part, whole.shape[1] - found.shape[1] * part :]
    blocks = used.reshape(found.shape[0], part, found.shape[1], part, 3).mean((1, 3))
    assert np.abs(blocks - found).mean() < 2
    assert (decoding.decode(path, DRAFT) == found).all()


def test_no_crop_of_a_drafted_picture_is_enlarged(tmp_path):
    recipe = BatchRecipe(input_size=32, draft=True, crop_scale=[0.2, 1.0], crop_ratio=[0.5, 2.0])
    least = recipe.reading_crops().least
    for width, height in ((640, 480), (480, 640), (900, 300), (3000, 330)):
        part = least.scale(width, height)
        small = (height // part, width // part)
        boxes = [draws.drawn(draws.chances(recipe), *small, 32, np.uint64(key)).crop for key in range(500)]
        assert min(min(high, wide) for _, _, high, wide in boxes) >= 32
        if part < 8:  # and it is the smallest such picture, within a part
            assert least.scale(2 * width, 2 * height) == 2 * part


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_only_jpegs_are_decoded_smaller(tmp_path, form):
    path = photograph(tmp_path / "x", 640, 512, form)
    assert (decoding.decode(path, DRAFT) == decoding.decode(path)).all()


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path, monkeypatch):
    jpeg, other = photograph(tmp_path / "x.jpg", 640, 512), photograph(tmp_path / "x.png", 640, 512, "PNG")
    few, says = Reading(most=100_000), r"it has 640 x 512 pixels, and max_pixels is 100,000: save it smaller, or give"
    for path in (jpeg, other):
        with pytest.raises(ValueError, match=f"{path.name}: cannot be read as an image .{says}"):
            decoding.decode(path, few)
    assert decoding.decode(jpeg, Reading(most=100_000, least=DRAFT.least)).shape == (64, 80, 3)
    monkeypatch.setattr(decoding, "decode", None)  # so nothing is decoded to find this
    for path, found in ((jpeg, None), (other, says)):
        problem = decoding.damage(path, Reading(most=100_000, least=DRAFT.least))
        assert problem is None if found is None else re.match(found, problem)


def test_data_with_pictures_of_too_many_pixels_are_refused_by_name(tmp_path):
    for name in ("train/a", "train/b", "val/a"):
        (tmp_path / name).mkdir(parents=True)
        photograph(tmp_path / name / "x.png", 64, 48, "PNG")
    photograph(tmp_path / "val" / "a" / "huge.png", 320, 200, "PNG")
    photograph(tmp_path / "val" / "a" / "large.jpg", 640, 640)
    with pytest.raises(ValueError, match=r"1 of 5 files cannot be read.*\n.*val/a/huge.png: it has 320 x 200 pixels"):
        images_of(tmp_path, None, Reading(most=10_000), Reading(most=10_000, least=DRAFT.least))


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tiff"])
def test_of_several_pictures_the_first_is_read(tmp_path, ending):
    first, *others = (Image.fromarray(np.full((8, 8, 3), gray, np.uint8)) for gray in (40, 200, 120))
    first.save(tmp_path / f"x.{ending}", save_all=True, append_images=others)
    assert abs(int(decoding.decode(tmp_path / f"x.{ending}").mean()) - 40) <= 2
