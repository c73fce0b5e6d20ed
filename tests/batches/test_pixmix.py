"""PixMix against a plain reference, written from the facts of the published code (pixmix_utils.py and cifar.py)."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import functional

from ofdb_core.batches import draws, operations
from ofdb_core.batches.pixmix import STREAM, PixMix
from ofdb_core.batches.recipe import BatchRecipe
from ofdb_core.batches.source import Batches
from ofdb_core.data.samples import Images

ENHANCED = {
    operations.COLOR: ImageEnhance.Color,
    operations.CONTRAST: ImageEnhance.Contrast,
    operations.BRIGHTNESS: ImageEnhance.Brightness,
    operations.SHARPNESS: ImageEnhance.Sharpness,
}
MATRICES = {  # of the moves, from a pixel to its source
    operations.SHEAR_X: lambda x: (1, x, 0, 0, 1, 0),
    operations.SHEAR_Y: lambda x: (1, 0, 0, x, 1, 0),
    operations.TRANSLATE_X: lambda x: (1, 0, x, 0, 1, 0),
    operations.TRANSLATE_Y: lambda x: (1, 0, 0, 0, 1, x),
}


def pictures(shape=(50, 50), count=3, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 7, 7, *shape[2:]), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(one).resize(shape[1::-1], Image.Resampling.BICUBIC)) for one in coarse]
    return np.stack(large)


def recipe(**values):
    plain = {"auto_augment": None, "erasing": 0.0, "mix_probability": 0.0, "input_size": 32, "batch_size": 8}
    return BatchRecipe(**{**plain, "mix_pictures": "pixmix", **values})


def altered(picture, operation, argument):
    """A picture after one of the published operations, by Pillow."""
    if operation == operations.NOTHING:
        return picture
    if operation == operations.AUTO_CONTRAST:
        return ImageOps.autocontrast(picture)
    if operation == operations.EQUALIZE:
        return ImageOps.equalize(picture)
    if operation == operations.POSTERIZE:
        return ImageOps.posterize(picture, int(argument))
    if operation == operations.SOLARIZE:
        return ImageOps.solarize(picture, int(argument))
    if operation == operations.ROTATE:
        return picture.rotate(int(argument), resample=Image.Resampling.BILINEAR)
    if operation in ENHANCED:
        return ENHANCED[operation](picture).enhance(argument)
    matrix = MATRICES[operation](argument)
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR)


def reference(sample, other, drawn):
    """The published mixing of two pictures for these draws, as bytes."""
    size = len(sample)
    room = round(size * 36 / 32)
    top, left = (int(share * (room - size + 1)) for share in drawn.corner[:2])
    resized = Image.fromarray(other).resize((room, room), Image.Resampling.BILINEAR)
    mixing = functional.to_tensor(resized.crop((left, top, left + size, top + size)))
    original = Image.fromarray(sample)
    (operation, argument, *_), *rounds = drawn.rows.tolist()
    mixed = functional.to_tensor(altered(original, operation, argument))
    for operation, argument, multiplies, a, b in rounds:
        beside = mixing
        if operation != draws.PICTURE:
            beside = functional.to_tensor(altered(original, operation, argument))
        a, b = float(np.float32(a)), float(np.float32(b))
        if multiplies:
            mixed = (mixed * 2) ** a * (beside * 2).clip(1e-37) ** b / 2
        else:
            mixed = (a * (mixed * 2 - 1) + b * (beside * 2 - 1) + 1) / 2
        mixed = mixed.clip(0, 1)
    return (mixed * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def drawn_by(mixes, count, size, key):
    return draws.pixmixed(mixes, count, size, np.uint64(key ^ STREAM))


@pytest.mark.parametrize(("severity", "beta", "every"), [(3.0, 3.0, False), (1.0, 4.0, False), (10.0, 1.0, True)])
@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 3)])
def test_for_the_same_draws_the_pixels_are_those_of_the_published_rule(shape, severity, beta, every):
    how = recipe(pixmix_severity=severity, pixmix_beta=beta, pixmix_all=every)
    samples, others = pictures(shape), pictures((50, 50, *shape[2:]), seed=1)
    mix = PixMix(how, Images(others, [0, 0, 0], ["a"]))
    mixes, seen = draws.Mixes(4, beta, severity, 13 if every else 9), set()
    for key in range(400):
        drawn = drawn_by(mixes, 3, 32, key)
        seen.update(drawn.rows[:, 0].astype(int).tolist())
        expected = reference(samples[key % 3], others[drawn.picture], drawn).reshape(shape)
        off = np.abs(mix(samples[key % 3], key).astype(int) - expected)
        assert off.max() <= 1
        assert (off > 0).mean() < 0.001
    assert len(seen) == 11 + 4 * every  # every operation, none, and the mixing picture


def test_draws_have_the_published_ranges():
    mixes = draws.Mixes(4, 3.0, 3.0, 13)
    every = [drawn_by(mixes, 5, 96, key) for key in range(4000)]
    counts = np.bincount([len(drawn.rows) - 1 for drawn in every]) / 4000
    assert np.allclose(counts, 1 / 5, atol=0.02)  # of 0 to 4 rounds
    starts = np.array([drawn.rows[0, 0] for drawn in every])
    assert np.isclose((starts == operations.NOTHING).mean(), 1 / 2, atol=0.03)
    rounds = np.concatenate([drawn.rows[1:] for drawn in every])
    assert np.isclose((rounds[:, 0] == draws.PICTURE).mean(), 1 / 2, atol=0.02)
    assert np.isclose(rounds[:, 2].mean(), 1 / 2, atol=0.02)
    less = rounds[rounds[:, 3] < 1]  # a of Beta(3, 1), b of Beta(1, 3); or 1 + and minus Beta(1, 3)
    more = rounds[rounds[:, 3] >= 1]
    assert np.isclose(len(less) / len(rounds), 1 / 2, atol=0.02)
    assert np.allclose([less[:, 3].mean(), less[:, 4].mean()], [3 / 4, 1 / 4], atol=0.01)
    assert np.allclose([more[:, 3].mean(), more[:, 4].mean()], [5 / 4, -1 / 4], atol=0.01)
    assert np.allclose([less[:, 3].var(), more[:, 4].var()], 3 / 80, atol=0.003)
    of = {int(operation): rounds[rounds[:, 0] == operation, 1] for operation in draws.OPERATIONS}
    assert len({len(x) // 100 for x in of.values()}) < 4  # all alike
    assert {*of[operations.POSTERIZE]} == {3, 4}
    assert of[operations.ROTATE].min() == -8
    assert of[operations.ROTATE].max() == 8
    assert of[operations.TRANSLATE_X].min() == -9
    assert of[operations.TRANSLATE_Y].max() == 9
    assert 179 <= of[operations.SOLARIZE].min() < 190
    assert of[operations.SOLARIZE].max() <= 254
    assert -0.09 <= of[operations.SHEAR_X].min() < -0.08
    assert 0.08 < of[operations.SHEAR_Y].max() <= 0.09
    assert 0.118 <= of[operations.COLOR].min() < 0.13
    assert 0.6 < of[operations.SHARPNESS].max() <= 0.64


def test_without_rounds_and_operations_a_sample_stays():
    mix = PixMix(recipe(pixmix_rounds=0), Images(pictures(), [0, 0, 0], ["a"]))
    sample = pictures((32, 32, 3))[0]
    plain = [key for key in range(40) if drawn_by(draws.Mixes(0, 3.0, 3.0, 9), 3, 32, key).rows[0, 0] == 0]
    assert plain
    assert all(np.array_equal(mix(sample, key), sample) for key in plain)


def test_a_gray_picture_gets_the_colours_of_the_mixing_picture_if_the_network_has_three_channels():
    sample, coloured = pictures((32, 32))[0], Images(pictures((50, 50, 3)), [0, 0, 0], ["a"])
    assert PixMix(recipe(), coloured)(sample, 1).shape == (32, 32, 3)
    assert PixMix(recipe(), coloured, channels=1)(sample, 1).shape == (32, 32)
    assert PixMix(recipe(), Images(pictures(), [0, 0, 0], ["a"]))(sample, 1).shape == (32, 32)
    same = Images(np.repeat(pictures()[..., None], 3, axis=3), [0, 0, 0], ["a"])
    gray = Images(pictures(), [0, 0, 0], ["a"])
    for key in range(30):
        in_colour = PixMix(recipe(), same)(sample, key)
        assert np.array_equal(in_colour, np.repeat(PixMix(recipe(), gray)(sample, key)[..., None], 3, axis=2))


def test_of_a_long_picture_a_square_is_taken():
    wide = np.zeros((1, 20, 400), np.uint8)
    wide[:, :, 200:] = 200
    mix = PixMix(recipe(pixmix_rounds=1), Images(wide, [0], ["a"]))
    mixes, found = draws.Mixes(1, 3.0, 3.0, 9), set()
    for key in range(200):
        drawn = drawn_by(mixes, 1, 32, key)
        if len(drawn.rows) == 2 and drawn.rows[1, 0] == draws.PICTURE:
            found.add(len(np.unique(mix(np.full((32, 32), 90, np.uint8), key))))
    assert 1 in found  # one side alone


def batches(how, **given):
    images = Images(pictures((40, 40, 3), count=16), [0, 1] * 8, ["a", "b"])
    return Batches(images, how, seed=3, **given)


def test_a_batch_depends_on_seed_step_and_place_alone():
    others = Images(pictures(seed=5), [0, 0, 0], ["a"])
    whole = batches(recipe(), pictures=others).batch(2)[0]
    assert torch.equal(whole, batches(recipe(), pictures=others).batch(2)[0])
    parts = [batches(recipe(), pictures=others, share=(i, 2)).batch(2)[0] for i in range(2)]
    assert torch.equal(whole, torch.cat(parts))
    plain = batches(recipe(mix_pictures="none")).batch(2)[0]
    same = [torch.equal(one, other) for one, other in zip(whole, plain, strict=True)]
    assert not all(same)


def test_other_draws_stay_as_they_are_without_it():
    unmixed = recipe(pixmix_rounds=0, hflip=0.5)
    mixed = batches(unmixed, pictures=Images(pictures(seed=5), [0, 0, 0], ["a"])).raw_batch(1)
    plain = batches(recipe(mix_pictures="none", hflip=0.5)).raw_batch(1)
    assert torch.equal(mixed.labels, plain.labels)
    assert torch.equal(mixed.keys, plain.keys)
    equal = [torch.equal(one, other) for one, other in zip(mixed.pictures, plain.pictures, strict=True)]
    assert any(equal)
    assert not all(equal)


def test_timms_chain_is_mixed_too():
    others = Images(pictures(seed=5), [0, 0, 0], ["a"])
    assert batches(recipe(pipeline="timm"), pictures=others).batch(0)[0].shape == (8, 3, 32, 32)


@pytest.mark.parametrize("kind", ["none", "pixmix"])
def test_pictures_and_the_recipe_must_agree(kind):
    given = {} if kind == "pixmix" else {"pictures": Images(pictures(), [0, 0, 0], ["a"])}
    with pytest.raises(ValueError, match="does not suit mix_pictures"):
        batches(recipe(mix_pictures=kind), **given)
