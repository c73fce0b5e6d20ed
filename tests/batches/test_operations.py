import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ofdb_core.batches import motions, operations, rand_augment, timm_chain  # noqa: F401  (timm's Posterize is mended)

# isort: split
from timm.data import auto_augment

FILLS = {1: (128,), 3: (124, 116, 104)}


@st.composite
def pictures(draw, channels=(1, 3)):
    """Square pictures (S, S, C): noise, few values, mostly dark, smooth, or constant."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, channels = draw(st.integers(8, 48)), draw(st.sampled_from(channels))
    noise = generator.integers(0, 256, (size, size, channels), dtype=np.uint8)
    match draw(st.sampled_from(["noise", "few", "dark", "smooth", "constant"])):
        case "few":
            return noise // 64 * 50 + 3
        case "dark":
            return np.where(noise > 230, noise, 0).astype(np.uint8)
        case "smooth":
            small = Image.fromarray(noise[: size // 4, : size // 4, 0]).resize((size, size))
            return np.repeat(np.asarray(small)[..., None] // 2 + 30, channels, 2)
        case "constant":
            return np.full_like(noise, noise[0, 0, 0])
    return noise


def picture_of(pixels):
    return Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])


def pixels_of(picture):
    return np.asarray(picture).reshape(*picture.size[::-1], -1)


def ours(pixels, operation, argument=0.0, bicubic=True, fill=None):
    planes = pixels.transpose(0, 2, 1).copy()  # which may be overwritten
    fill = np.array(FILLS[pixels.shape[2]] if fill is None else fill, np.uint8)
    return operations.applied(planes, int(operation), float(argument), bicubic, fill).transpose(0, 2, 1)


def by_timm(name, pixels, arguments, bicubic):
    fill = FILLS[pixels.shape[2]]
    filter = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    picture = auto_augment.NAME_TO_OP[name](
        picture_of(pixels), *arguments, fillcolor=fill if len(fill) == 3 else fill[0], resample=filter
    )
    return pixels_of(picture)


@pytest.mark.parametrize("name", rand_augment.RULES)
@settings(max_examples=25)
@given(pixels=pictures(), level=st.floats(0, 10) | st.integers(0, 10), bicubic=st.booleans())
def test_an_operation_is_timms(name, pixels, level, bicubic):
    level_to_argument = auto_augment.LEVEL_TO_ARG[name]
    arguments = level_to_argument(level, {}) if level_to_argument else ()
    view = ours(pixels, rand_augment.RULES[name].operation, sum(arguments), bicubic)
    assert np.array_equal(view, by_timm(name, pixels, arguments, bicubic))


@given(
    pixels=pictures(), degrees=st.floats(-400, 400) | st.integers(-8, 8).map(lambda n: 45.0 * n), cubic=st.booleans()
)
@example(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3), -1e-20, True)
@example(np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3), 1e-10, True)
def test_any_angle_is_rotated_as_by_timm(pixels, degrees, cubic):
    view = ours(pixels, operations.ROTATE, degrees, cubic)
    assert np.array_equal(view, by_timm("Rotate", pixels, (degrees,), cubic))


MOVES = {
    "ShearX": operations.SHEAR_X,
    "ShearY": operations.SHEAR_Y,
    "TranslateXRel": operations.TRANSLATE_X,
    "TranslateYRel": operations.TRANSLATE_Y,
}


@pytest.mark.parametrize("name", MOVES)
@settings(max_examples=60)
@given(
    pixels=pictures(),
    amount=st.floats(-3, 3)
    | st.integers(-32, 32).map(lambda n: n / 16)
    | st.sampled_from([1e-9, -1e-9, 1e-17, -1e-17]),
    cubic=st.booleans(),
)
def test_any_amount_is_moved_as_by_timm(name, pixels, amount, cubic):
    assert np.array_equal(ours(pixels, MOVES[name], amount, cubic), by_timm(name, pixels, (amount,), cubic))


@pytest.mark.parametrize("name", rand_augment.RULES)
@settings(max_examples=25)
@given(pixels=pictures(channels=(1,)), level=st.floats(0, 10), bicubic=st.booleans(), fill=st.integers(0, 255))
def test_one_gray_channel_is_enough(name, pixels, level, bicubic, fill):
    level_to_argument = auto_augment.LEVEL_TO_ARG[name]
    argument = sum(level_to_argument(level, {})) if level_to_argument else 0.0
    operation = rand_augment.RULES[name].operation
    gray = ours(pixels, operation, argument, bicubic, [fill])
    colours = ours(np.repeat(pixels, 3, 2), operation, argument, bicubic, [fill] * 3)
    assert np.array_equal(np.repeat(gray, 3, 2), colours)


@given(st.floats(-1, 1) | st.floats(-0.6, 0.6).map(math.cos) | st.integers(-(10**6), 10**6).map(lambda n: n / 10**6))
def test_a_number_is_rounded_as_by_python(x):
    assert motions.rounded(x) == round(x, 15)


@given(pictures(channels=(3,)))
def test_a_colour_has_pillows_gray(pixels):
    red, green, blue = np.moveaxis(pixels.astype(np.int64), 2, 0)
    assert np.array_equal(operations.luma(red, green, blue), np.asarray(picture_of(pixels).convert("L")))


def test_nothing_is_done_and_no_bits_are_black():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(ours(pixels, operations.NOTHING), pixels)
    assert not ours(pixels, operations.POSTERIZE, 0).any()
    for bits in range(1, 9):
        assert np.array_equal(
            ours(pixels, operations.POSTERIZE, bits), pixels_of(ImageOps.posterize(picture_of(pixels), bits))
        )
