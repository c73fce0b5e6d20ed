import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from ofdb_core.base.parameters import ParameterError
from ofdb_core.batches import draws, operations, rand_augment, timm_chain  # noqa: F401  (timm's Posterize is mended)
from ofdb_core.batches.chain import Chain
from ofdb_core.batches.recipe import Augmentation

# isort: split
import torch
from timm.data import auto_augment
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import RandomResizedCropAndInterpolation
from torchvision.transforms import InterpolationMode, functional

N = 4000  # draws whose distribution is compared
UNLIKELY = 1e-3  # chance of a difference as large as this, where the distributions are the same
PUBLISHED = {
    **{"input_size": 32, "channels": 3, "interpolation": "bicubic", "crop_pct": 1.0},
    **{"crop_scale": [0.08, 1.0], "crop_ratio": [0.75, 1.3333], "hflip": 0.5, "vflip": 0.5},
    **{"auto_augment": "rand-m9-mstd0.5-inc1", "erasing": 0.5, "mean": [0.5] * 3, "std": [0.5] * 3},
    **{"pipeline": "ofdb", "augmentation_repeats": 1},
}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
RECIPES = {
    "published": {},
    "finetune": {**IMAGENET, "vflip": 0.0, "erasing": 0.25},
    "random interpolation": {"interpolation": "random", "auto_augment": "rand-m5-n3-p0.8-mstd101"},
    "plain set": {"interpolation": "bilinear", "auto_augment": "rand-m12-n4-p1-mstd2-mmax12", "input_size": 25},
    "no augmentation": {**IMAGENET, "auto_augment": None, "erasing": 0.0, "hflip": 0.0, "vflip": 0.0},
}
FUNCTIONS = {int(rule.operation): auto_augment.NAME_TO_OP[name] for name, rule in rand_augment.RULES.items()}
WHOLE = (operations.POSTERIZE, operations.SOLARIZE, operations.SOLARIZE_ADD)
PLAIN = (operations.AUTO_CONTRAST, operations.EQUALIZE, operations.INVERT)  # take no argument


def recipe(**values):
    return Augmentation.of({**PUBLISHED, **values})


def drawn_by(chain, shape, size, key):
    return draws.drawn(chain.chances, shape[0], shape[1], size, np.uint64(key))


def view_of(chain, pixels, key, shape):
    """The view, and the box to erase."""
    out = np.zeros(shape, np.uint8)
    return out, chain(pixels, key, out)


def by_timm(pixels, drawn, recipe):
    """The view by torchvision's, timm's and Pillow's functions from the same draws: up to the tensor."""
    modes, filters = (
        (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC),
        (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC),
    )
    size = [recipe.input_size] * 2
    view = functional.resized_crop(Image.fromarray(pixels), *drawn.crop, size, modes[drawn.bicubic]).convert("RGB")
    view = functional.hflip(view) if drawn.flips[0] else view
    view = functional.vflip(view) if drawn.flips[1] else view
    fill = tuple(min(255, round(255 * x)) for x in recipe.mean)
    for number, argument, bicubic in drawn.operations:
        if operation := int(number):
            arguments = () if operation in PLAIN else (int(argument) if operation in WHOLE else argument,)
            view = FUNCTIONS[operation](view, *arguments, fillcolor=fill, resample=filters[int(bicubic)])
    return np.asarray(view.convert("L") if recipe.channels == 1 else view)


@pytest.mark.parametrize("name", RECIPES)
@given(
    seed=st.integers(0, 2**32 - 1),
    key=st.integers(0, 2**64 - 1),
    height=st.integers(4, 70),
    width=st.integers(4, 70),
    colours=st.booleans(),
    channels=st.sampled_from([1, 3]),
)
def test_a_view_is_timms_for_the_same_draws(name, seed, key, height, width, colours, channels):
    rules = recipe(**RECIPES[name], channels=channels)
    chain, size = Chain(rules), rules.input_size
    shape = (height, width, 3) if colours else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    out, box = view_of(chain, pixels, key, (size, size) if channels == 1 else (size, size, 3))
    drawn = drawn_by(chain, shape, size, key)
    assert np.array_equal(out, by_timm(pixels, drawn, rules))
    assert box.dtype == np.int32
    assert box.tolist() == list(drawn.erased)


@given(key=st.integers(0, 2**64 - 1), name=st.sampled_from(list(RECIPES)))
@settings(max_examples=50)
def test_a_gray_picture_needs_one_channel_where_the_chain_says_so(key, name):
    chain = Chain(recipe(**RECIPES[name]))
    assert chain.keeps_gray == (name != "finetune")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    colours, _ = view_of(chain, pixels, key, (32, 32, 3))
    again, _ = view_of(chain, np.repeat(pixels[..., None], 3, 2), key, (32, 32, 3))
    assert np.array_equal(colours, again)
    if chain.keeps_gray:
        gray, _ = view_of(chain, pixels, key, (32, 32))
        assert np.array_equal(np.repeat(gray[..., None], 3, 2), colours)


def test_threads_share_a_chain():
    chain = Chain(recipe())
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)
    before = pixels.copy()
    alone = [view_of(chain, pixels, key, (32, 32)) for key in range(200)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda key: view_of(chain, pixels, key, (32, 32)), range(200)))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])
    assert np.array_equal(pixels, before)
    assert pixels.flags.writeable


def test_pixels_and_views_may_be_parts_of_others():
    chain = Chain(recipe())
    many = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    part = many[10:50, ::2, ::-1]
    batch = np.zeros((5, 32, 32, 3), np.uint8)
    chain(part, 3, batch[2])
    assert np.array_equal(batch[2], view_of(chain, np.ascontiguousarray(part), 3, (32, 32, 3))[0])
    assert not batch[[0, 1, 3, 4]].any()


@pytest.mark.parametrize(
    "text",
    ["augmix-m3-w3", "3a", "original", "v0r", "rand-m9-tweights", "rand-m9.5", "rand-m9-foo", "random-m9", "rand-"],
)
def test_an_augmentation_that_only_timm_knows_is_named(text):
    with pytest.raises(ParameterError, match=f"auto_augment: '{text}' is not known here"):
        recipe(auto_augment=text)


@pytest.mark.parametrize(
    "text",
    [
        *["rand", "rand-m9-mstd0.5-inc1", "rand-inc0-m3-n5-p0.25", "rand-mstd101", "rand-m12-mmax15-inc1"],
        *["rand-mstd0.5-mstd2-mmax5-mmax7-m1-m2", "rand-mmax0-mstd100"],
    ],
)
def test_a_string_says_what_it_says_to_timm(text):
    ours, timms = rand_augment.rand_augment(text), auto_augment.rand_augment_transform(text, {})
    names = rand_augment.INCREASING if timms.ops[4].name.endswith("Increasing") else rand_augment.PLAIN
    assert names == tuple(op.name for op in timms.ops)
    assert [tuple(rule) for rule in ours.rules.tolist()] == [rand_augment.RULES[name] for name in names]
    assert ours.layers == timms.num_layers
    for op in timms.ops:
        assert (ours.chance, ours.magnitude, ours.noise) == (op.prob, op.magnitude, op.magnitude_std)
        assert ours.most == (op.magnitude_max or 10)


def same_distribution(ours, theirs):
    """Whether two samples of numbers may well come from one distribution (Kolmogorov and Smirnov's test)."""
    return stats.ks_2samp(ours, theirs, method="asymp").pvalue > UNLIKELY


def all_drawn(chain, shape=(90, 120), size=32):
    keys = np.random.default_rng(0).integers(0, 2**64, N, dtype=np.uint64)
    return [draws.drawn(chain.chances, *shape, size, key) for key in keys]


@pytest.mark.parametrize("ratio", [[0.75, 1.3333], [0.2, 0.5]])
def test_crops_are_distributed_as_timms(ratio):
    random.seed(0)
    ours = np.array([drawn.crop for drawn in all_drawn(Chain(recipe(crop_ratio=ratio)))], float)
    picture = Image.new("L", (120, 90))
    theirs = np.array(
        [RandomResizedCropAndInterpolation.get_params(picture, (0.08, 1.0), ratio) for _ in range(N)], float
    )
    for values in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: box[:, 3] / box[:, 2],
        *(np.s_[:, i] for i in range(4)),
    ):
        some, others = (values(box) if callable(values) else box[values] for box in (ours, theirs))
        assert same_distribution(some, others)


@given(
    height=st.integers(8, 60), width=st.integers(8, 60), ratio=st.sampled_from([(4.0, 5.0), (0.2, 0.25), (0.5, 2.0)])
)
def test_where_no_crop_fits_the_centre_is_taken_as_by_timm(height, width, ratio):
    chances = Chain(recipe(crop_ratio=list(ratio))).chances._replace(scale=(4.0, 4.0))  # more than the whole
    crop = draws.drawn(chances, height, width, 32, np.uint64(1)).crop
    picture = Image.new("L", (width, height))
    assert crop == RandomResizedCropAndInterpolation.get_params(picture, (4.0, 4.0), ratio)


@given(height=st.integers(1, 3), width=st.integers(1, 60), key=st.integers(0, 2**64 - 1))
def test_a_crop_has_a_pixel(height, width, key):
    top, left, high, wide = draws.drawn(Chain(recipe()).chances, height, width, 32, np.uint64(key)).crop
    assert 0 <= top < top + high <= height
    assert 0 <= left < left + wide <= width


def recorded(text, interpolation, n):
    """What timm's RandAugment does in n pictures: for each the names, arguments and filters of its operations."""
    hparams = {"interpolation": interpolation} if interpolation else {}
    chain, calls = auto_augment.rand_augment_transform(text, hparams), []
    for op in chain.ops:
        op.aug_fn = lambda picture, *arguments, name=op.name, **options: (
            calls[-1].append((name, *arguments, auto_augment._interpolation(options))) or picture
        )
    for _ in range(n):
        calls.append([])
        chain(Image.new("L", (8, 8)))
    return calls


@pytest.mark.parametrize(
    ("text", "interpolation"),
    [
        ("rand-m9-mstd0.5-inc1", "bicubic"),
        ("rand-m7-n3-p0.7-mstd101", "random"),
        ("rand-m11-mstd3-mmax12-inc1", "bilinear"),
    ],
)
def test_operations_are_distributed_as_timms(text, interpolation):
    random.seed(1)
    np.random.seed(1)
    fixed = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR, "random": None}[interpolation]
    chain = Chain(recipe(auto_augment=text, interpolation=interpolation))
    done = [[tuple(row) for row in drawn.operations if row[0]] for drawn in all_drawn(chain)]
    theirs = recorded(text, fixed, N)
    counts = [np.bincount([len(picture) for picture in pictures], minlength=4) for pictures in (done, theirs)]
    assert stats.chi2_contingency(np.stack(counts)[:, np.sum(counts, axis=0) > 0]).pvalue > UNLIKELY
    names = rand_augment.INCREASING if "inc1" in text else rand_augment.PLAIN
    number = {name: rand_augment.RULES[name].operation for name in names}
    ours, timms = [row for picture in done for row in picture], [call for picture in theirs for call in picture]
    frequency = [[sum(row[0] == number[name] for row in ours) for name in names]]
    frequency += [[sum(call[0] == name for call in timms) for name in names]]
    assert stats.chi2_contingency(frequency).pvalue > UNLIKELY
    filters = [[row[2] for row in ours], [call[-1] == Image.Resampling.BICUBIC for call in timms]]
    assert stats.ks_2samp(*filters, method="asymp").pvalue > UNLIKELY
    for name in names:
        arguments = [call[1] for call in timms if call[0] == name and len(call) == 3]
        if arguments:
            assert same_distribution([row[1] for row in ours if row[0] == number[name]], arguments)


def test_flips_and_interpolation_are_drawn_as_often_as_asked():
    drawn = all_drawn(Chain(recipe(hflip=0.2, vflip=0.9, interpolation="random")))
    for share, results in (
        (0.2, [one.flips[0] for one in drawn]),
        (0.9, [one.flips[1] for one in drawn]),
        (0.5, [one.bicubic for one in drawn]),
        (0.18, [all(one.flips) for one in drawn]),
    ):
        assert stats.binomtest(sum(results), N, share).pvalue > UNLIKELY
    never = all_drawn(Chain(recipe(hflip=0.0, vflip=1.0)))
    assert {one.flips for one in never} == {(False, True)}


@pytest.mark.parametrize("chance", [0.5, 1.0, 0.0])
def test_erased_boxes_are_distributed_as_timms(chance):
    random.seed(2)
    ours = np.array([drawn.erased for drawn in all_drawn(Chain(recipe(erasing=chance)))])
    erase, theirs = RandomErasing(chance, mode="pixel", device="cpu"), []
    for _ in range(N if chance else 0):
        rows, columns = np.nonzero(erase(torch.zeros(1, 32, 32))[0].numpy())
        if len(rows):
            theirs.append([rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1])
    if not chance:
        assert not ours.any()
        return
    some, others = ours[ours[:, 2] > 0], np.array(theirs)
    assert stats.binomtest(len(some), N, chance).pvalue > UNLIKELY
    for column in range(4):
        assert same_distribution(some[:, column], others[:, column])
    assert same_distribution(some[:, 2] * some[:, 3], others[:, 2] * others[:, 3])


def test_draws_are_a_function_of_the_key():
    first, again = all_drawn(Chain(recipe())), all_drawn(Chain(recipe()))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.operations, other.operations)
        assert (one.crop, one.flips, one.bicubic, one.erased) == (other.crop, other.flips, other.bicubic, other.erased)
    assert len({one.crop for one in first}) > N * 0.9
