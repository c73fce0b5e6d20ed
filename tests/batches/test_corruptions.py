"""The corruptions against figures of two libraries on a photograph: imagecorruptions-imaug 1.1.5 and, for the elastic
transform, corrupt-tta 0.1.7, which has the benchmark's affine map. The libraries are not needed here.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from ofdb_core.batches import corruptions
from ofdb_core.batches.corruptions import Corruption, corrupted
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.recipe import CORRUPTIONS, STRENGTHS
from ofdb_core.batches.source import Plain
from ofdb_core.data.samples import Images
from ofdb_core.training.recipe import Inference

FIGURES = {  # at strength 1, 3 and 5: mean distance to the photograph, mean and standard deviation of the result
    "gaussian_noise": [(15.7, 128.1, 74.4), (32.9, 128.1, 79.1), (59.2, 128.0, 90.6)],
    "shot_noise": [(17.0, 127.4, 74.9), (35.2, 123.8, 80.9), (64.0, 113.3, 96.8)],
    "impulse_noise": [(3.8, 128.4, 74.8), (11.5, 128.4, 79.1), (34.4, 128.3, 90.7)],
    "defocus_blur": [(18.5, 127.9, 65.4), (21.7, 128.0, 63.2), (24.4, 129.4, 62.2)],
    "glass_blur": [(18.9, 127.4, 66.5), (23.3, 127.3, 64.7), (23.6, 127.3, 62.8)],
    "motion_blur": [(16.8, 128.8, 67.2), (22.1, 130.3, 64.8), (25.5, 132.4, 63.3)],
    "zoom_blur": [(20.6, 128.2, 64.8), (23.3, 128.3, 62.7), (25.3, 128.5, 61.3)],
    "snow": [(40.3, 168.8, 72.8), (61.6, 190.0, 66.9), (83.3, 211.8, 53.9)],
    "frost": [(52.8, 181.3, 63.9), (64.8, 189.7, 47.1), (65.1, 186.5, 43.4)],
    "fog": [(42.6, 127.0, 37.2), (51.6, 126.5, 36.6), (55.0, 127.6, 38.9)],
    "brightness": [(20.0, 148.4, 75.3), (49.8, 178.3, 71.1), (68.6, 197.1, 63.6)],
    "contrast": [(38.3, 128.0, 30.2), (51.1, 128.0, 17.0), (60.7, 128.0, 9.8)],
    "elastic_transform": [(36.5, 128.4, 68.4), (25.2, 128.1, 68.7), (26.5, 128.2, 68.7)],
    "pixelate": [(12.0, 128.9, 69.7), (16.2, 128.6, 67.8), (18.9, 128.7, 66.3)],
    "jpeg_compression": [(11.3, 128.7, 71.6), (13.3, 128.3, 71.3), (16.9, 128.8, 70.5)],
}
ROUNDED = 0.11  # what draws nothing is the library's, to a rounded figure
APART = {  # what differs more: in grays, of the three figures
    "defocus_blur": 1.5,  # the library's disk of radius 8 and more is a little brighter than its picture
    "glass_blur": 1.0,  # the library cuts off between two blurs
    "frost": 8.0,  # one of six brightnesses is drawn
    "fog": 8.0,  # landscapes differ much
    "elastic_transform": 5.0,
}


@pytest.fixture(scope="module")
def photograph():
    return load_sample_images().images[0][150:374, 200:424]


def figures(pictures, photograph):
    apart = [np.abs(picture.astype(float) - photograph).mean() for picture in pictures]
    return [np.mean(apart), np.mean(pictures), np.mean([picture.std() for picture in pictures])]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_a_photograph_as_much_as_the_libraries_do(photograph, name):
    fixed = np.array_equal(*(corrupted(photograph, Corruption(name, 3), i) for i in range(2)))
    for strength, expected in zip((1, 3, 5), FIGURES[name], strict=True):
        count = 1 if fixed else {"frost": 40, "fog": 12}.get(name, 4)
        pictures = [corrupted(photograph, Corruption(name, strength), i) for i in range(count)]
        allowed = APART.get(name, ROUNDED if fixed else 2.0)
        assert figures(pictures, photograph) == pytest.approx(expected, abs=allowed), (name, strength)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (28, 28, 3)])
def test_small_and_gray_pictures_suffer_too(photograph, name, shape):
    picture = Image.fromarray(photograph).resize(shape[:2], Image.Resampling.BOX)
    picture = np.asarray(picture if len(shape) == 3 else picture.convert("L"))
    found = [corrupted(picture, Corruption(name, strength), 1) for strength in STRENGTHS]
    assert all(one.shape == shape and one.dtype == np.uint8 for one in found)
    blurs = name in ("defocus_blur", "glass_blur", "elastic_transform")  # at 8 pixels less than one
    assert not np.array_equal(found[4], picture) or (blurs and shape[0] == 8)
    assert np.array_equal(found[2], corrupted(picture, Corruption(name, 3), 1))


def test_a_gray_picture_is_corrupted_as_the_same_in_three_channels():
    gray = Image.fromarray(load_sample_images().images[1][:200, :200]).convert("L").resize((48, 48))
    one, three = np.asarray(gray), np.asarray(gray.convert("RGB"))
    for name in CORRUPTIONS:
        if name in ("gaussian_noise", "shot_noise", "impulse_noise", "frost"):  # of each channel, or bluish
            continue
        shown = corrupted(three, Corruption(name, 3)).astype(int)
        assert np.abs(shown - corrupted(one, Corruption(name, 3))[..., None]).max() <= 1, name


def test_lengths_scale_with_the_picture(photograph):
    small = np.asarray(Image.fromarray(photograph).resize((56, 56), Image.Resampling.BOX))
    for name in ("defocus_blur", "motion_blur", "zoom_blur", "snow", "fog", "elastic_transform"):
        large = corrupted(photograph, Corruption(name, 4))
        shrunk = np.asarray(Image.fromarray(large).resize((56, 56), Image.Resampling.BOX)).astype(float)
        apart = np.abs(shrunk - corrupted(small, Corruption(name, 4))).mean()
        assert apart < np.abs(shrunk - small).mean() / 2, name


def test_the_draws_are_of_seed_corruption_strength_and_number_alone(photograph):
    small, plain = photograph[:32, :32], Corruption("gaussian_noise", 2)
    others = [plain._replace(seed=1), plain._replace(strength=3), plain._replace(name="shot_noise")]
    found = [corrupted(small, plain, 3), *(corrupted(small, other, 3) for other in others), corrupted(small, plain, 4)]
    assert np.array_equal(found[0], corrupted(small, plain, 3))
    assert len({one.tobytes() for one in found}) == 5


def test_a_batch_does_not_depend_on_the_number_of_workers():
    pixels = np.random.default_rng(0).integers(0, 256, (10, 20, 20), dtype=np.uint8)
    images, recipe = Images(pixels, [0, 1] * 5, ["a", "b"]), Inference(input_size=16, batch_size=4)

    def seen(workers, **how):
        source = Plain(images, recipe, corruption=Corruption("snow", 3), **how)
        return torch.cat([batch for batch, _ in prefetch(source, len(source), workers=workers)])

    whole = seen(0)
    assert torch.equal(whole, seen(3))
    assert torch.equal(whole[1::2], seen(0, share=(1, 2)))
    assert not torch.equal(whole, torch.cat([x for x, _ in prefetch(Plain(images, recipe), 3)]))


def test_the_numbers_are_of_the_corruptions_that_parameters_name():
    assert tuple(corruptions.NUMBERS) == CORRUPTIONS
    assert {len(numbers) for numbers in corruptions.NUMBERS.values()} == {len(STRENGTHS)}
