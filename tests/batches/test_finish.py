"""Raw batches become network input: the same bits from the kernel and a device's operations, and the right ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torchvision.transforms import functional

from ofdb_core.batches import finish, mixing
from ofdb_core.batches.recipe import View

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3}


def view(size, channels=3, **values):
    return View.of(
        {"input_size": size, "channels": channels, "interpolation": "bicubic", "crop_pct": 1.0, **HALVES, **values}
    )


def raw_batch(pictures, erased=None, keys=None, mixed=None):
    count = len(pictures)
    return finish.RawBatch(
        torch.from_numpy(pictures),
        torch.arange(count),
        torch.zeros(count, 4, dtype=torch.int32) if erased is None else torch.from_numpy(erased),
        torch.arange(count, dtype=torch.int32) if keys is None else torch.from_numpy(keys),
        *map(torch.from_numpy, mixing.unmixed(count) if mixed is None else mixed),
    )


def boxes(count, size):
    """Boxes (count, 4) int32 of two corners in a picture."""
    return arrays.arrays(np.int32, (count, 2, 2), elements=st.integers(0, size)).map(lambda x: np.sort(x, axis=1))


@st.composite
def halves(draw):
    count, size, depth = draw(st.integers(1, 5)), draw(st.integers(8, 19)), draw(st.sampled_from([1, 3]))
    pictures = draw(arrays.arrays(np.uint8, (count, size, size, depth)))
    corners = draw(boxes(count, size))
    erased = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)
    keys = draw(arrays.arrays(np.int32, count, elements=st.integers(-(2**31), 2**31 - 1)))
    mixed = mixing.unmixed(count)
    for pair in range(count // 2):  # both of a pair are mixed alike
        own = slice(2 * pair, 2 * pair + 2)
        if draw(st.booleans()):
            mixed.boxes[own] = draw(boxes(1, size)).reshape(4)
        else:
            mixed.shares[own] = draw(st.sampled_from([0.0, 0.25, 0.7, 1.0]))
        mixed.weights[own] = draw(st.floats(0, 1, width=32))
    channels = draw(st.sampled_from([1, 3])) if depth == 1 else 3
    scale = draw(st.sampled_from([HALVES, IMAGENET]))
    return view(size, channels, **scale), raw_batch(pictures, erased, keys, mixed)


@settings(deadline=None, max_examples=60)
@given(halves())
def test_a_device_makes_the_bits_of_the_kernel(drawn):
    made = finish.ToNetwork(drawn[0])
    assert torch.equal(made.by_kernel(drawn[1]), made.by_torch(drawn[1]))


@pytest.mark.parametrize("scale", [HALVES, IMAGENET])
def test_normalisation_has_torchvisions_bits(scale):
    pictures = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    images = finish.ToNetwork(view(32, **scale))(raw_batch(pictures))[0]
    for image, picture in zip(images, pictures, strict=True):
        assert torch.equal(image, functional.normalize(functional.to_tensor(picture), scale["mean"], scale["std"]))


def test_erasing_is_normal_noise_in_its_box_and_nowhere_else():
    pictures = np.full((64, 40, 40, 1), 255, np.uint8)
    erased = np.tile(np.array([3, 5, 30, 20], np.int32), (64, 1))
    images = finish.ToNetwork(view(40))(raw_batch(pictures, erased, np.arange(64, dtype=np.int32)))[0]
    noise = images[:, :, 3:33, 5:25].clone()
    images[:, :, 3:33, 5:25] = 1
    assert (images == 1).all()
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    share = (noise.abs() < 1).float().mean()
    assert abs(share - 0.6827) < 0.005
    flat = noise.reshape(64, -1)  # other numbers in each sample, channel and pixel
    together = torch.corrcoef(flat) - torch.eye(64)
    assert together.abs().max() < 0.1
    channels = torch.corrcoef(noise.permute(1, 0, 2, 3).reshape(3, -1)) - torch.eye(3)
    assert channels.abs().max() < 0.02
    assert abs(torch.corrcoef(torch.stack([flat[:, :-1].flatten(), flat[:, 1:].flatten()]))[0, 1]) < 0.02


def test_pictures_are_shown_as_they_were():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    for scale in (HALVES, IMAGENET):
        shape = view(8, **scale)
        assert (finish.to_pixels(finish.ToNetwork(shape)(raw_batch(pictures))[0], shape) == pictures).all()
