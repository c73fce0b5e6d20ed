"""Pictures and their masks move together, as with torchvision's transforms, and depend on (seed, step) alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from ofdb_core.batches import draws
from ofdb_core.batches.chain import Chain
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches, Plain
from ofdb_core.data import scenes
from tests.helpers import tiny

PLAIN = {"label_smoothing": 0.0, "mixup": 0.0, "cutmix": 0.0, "auto_augment": None, "erasing": 0.0}


def rules(**values):
    return tiny.rules(**{**PLAIN, **values})


class Drawn(scenes.Scenes):
    """Scenes of noise of several sizes, drawn by the number and the key; the mask is a function of the picture."""

    classes = [str(i) for i in range(256)]

    def __len__(self):
        return 5

    def pair(self, i, key=None):
        picture = np.random.default_rng([i, key or 0]).integers(0, 256, (20 + 3 * i, 30 - i), np.uint8)
        return picture, picture.astype(np.int16)


def by_torchvision(picture, mask, drawn, size):
    """The view of both by torchvision's functions; what it does to a `Mask` lies half a pixel off the picture."""
    top, left, height, width = (int(number) for number in drawn.crop)
    how, filtered = (top, left, height, width, [size, size]), InterpolationMode.BICUBIC
    pair = [
        functional.resized_crop(Image.fromarray(picture), *how, interpolation=filtered),
        functional.resized_crop(torch.from_numpy(mask)[None], *how, interpolation=InterpolationMode.NEAREST_EXACT),
    ]
    for flip, flipped in zip(drawn.flips, (functional.horizontal_flip, functional.vertical_flip), strict=True):
        pair = [flipped(one) for one in pair] if flip else pair
    return np.asarray(pair[0]), pair[1][0].numpy()


@pytest.mark.parametrize("size", [16, 25, 64])
def test_a_crop_and_its_mask_are_those_of_torchvision_for_the_same_draws(size):
    chain, drawn_flips = Chain(rules(input_size=size)), set()
    for key in range(60):
        picture, mask = Drawn().pair(key % 5, key)
        view = np.empty((size, size), np.uint8)
        chain(picture, key, view)
        drawn = draws.drawn(chain.chances, *picture.shape, size, np.uint64(key))
        theirs = by_torchvision(picture, mask, drawn, size)
        assert (view == theirs[0]).all()
        assert (chain.of_mask(mask, key, size) == theirs[1]).all()
        drawn_flips.add(drawn.flips)
    assert len(drawn_flips) == 4


def test_a_batch_has_the_masks_of_its_pictures():
    source = Batches(Drawn(), rules(interpolation="bilinear"), seed=3)
    raw, (images, masks) = source.raw_batch(2), source.batch(2)
    assert images.shape == (6, 3, 16, 16)
    assert masks.shape == (6, 16, 16)
    assert masks.dtype == torch.int64
    shown = raw.pictures[..., 0].numpy().astype(float)
    near = [np.corrcoef(one.ravel(), other.numpy().ravel())[0, 1] for one, other in zip(shown, masks, strict=True)]
    far = [np.corrcoef(one.ravel(), masks[i - 1].numpy().ravel())[0, 1] for i, one in enumerate(shown)]
    assert min(near) > 0.4 > 0.3 > max(far)


def same(some, others):
    pairs = (pair for two in zip(some, others, strict=True) for pair in zip(*two, strict=True))
    return all(torch.equal(*pair) for pair in pairs)


def test_batches_with_masks_do_not_depend_on_threads_parts_processes_or_where_they_begin():
    source = Batches(Drawn(), rules(), seed=1)
    every = list(prefetch(source, 4))
    assert not torch.equal(every[0][1], every[1][1])
    assert same(every, prefetch(Batches(Drawn(), rules(), seed=1), 4, workers=3))
    assert same(every[3:], prefetch(source, 4, start=3))
    halves = [Batches(Drawn(), rules(), seed=1, share=(i, 2)).batch(2) for i in range(2)]
    assert same(every[2:3], [[torch.cat(parts) for parts in zip(*halves, strict=True)]])


def test_evaluation_sees_the_whole_picture_of_a_scene():
    source = Plain(Drawn(), rules(crop_pct=0.5))
    shown = source.raw_batch(0).pictures[..., 0].numpy()
    for i, picture in enumerate(shown):
        theirs = Image.fromarray(Drawn().pair(i)[0]).resize((16, 16), Image.Resampling.BICUBIC)
        assert (picture == np.asarray(theirs)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"erasing": 0.25}, "erasing: 0.25 does not suit masks; give 0.0"),
        ({"auto_augment": "rand-m9-mstd0.5-inc1"}, "auto_augment: rand-m9-mstd0.5-inc1 does not suit masks; give null"),
        ({"label_smoothing": 0.1}, "label_smoothing: 0.1 does not suit masks; give 0.0"),
        ({"mixup": 0.8}, "mix_probability: 1.0 does not suit masks; give 0.0"),
        ({"pipeline": "timm"}, "pipeline: timm does not suit masks; give ofdb"),
    ],
)
def test_what_a_mask_cannot_follow_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Batches(Drawn(), rules(**values), seed=0)
