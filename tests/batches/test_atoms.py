"""Contours by torch against the kernel, pixel for pixel, in any batch."""

import numpy as np
import pytest
import torch

from ofdb_core.batches import atoms
from ofdb_core.families import visual_atom
from ofdb_core.formulas import contours, growth
from ofdb_core.formulas.streams import split_mix

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
KEYS = [0, 5, 2**64 - 1, 0x9E3779B97F4A7C15, 2**63]
SMALL = contours.Ranges(vertices=[3, 90], lines=[1, 21], radius=[0, 300])
GROWN = [
    visual_atom.grown(contours.category(i, seed=1, ranges=SMALL), key)
    for i, key in enumerate(KEYS)
]  # fmt: skip


def kernels(growths, keys, size, ground=0):
    return np.stack([growth.instance(one, key, size, ground) for one, key in zip(growths, keys, strict=True)])


@pytest.mark.parametrize("device", DEVICES)
def test_words_are_those_of_the_kernel(device):
    bits = torch.from_numpy(np.array(KEYS, np.uint64).view(np.int64)).to(device)
    found = atoms.split_mix(bits[:, None], torch.arange(70, device=device)).cpu().numpy().view(np.uint64)
    assert found.tolist() == [[split_mix(np.uint64(key), i) for i in range(70)] for key in KEYS]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [16, 77, 512])
def test_images_are_those_of_the_kernel(device, size):
    found = atoms.Atoms(GROWN, size, device).images(KEYS)
    assert (found.device.type, found.dtype) == (device, torch.uint8)
    np.testing.assert_array_equal(found.cpu().numpy(), kernels(GROWN, KEYS, size))


def test_a_ground_stays_where_no_line_is():
    some = atoms.Atoms(GROWN[:2], 64).images(KEYS[:2], 255).numpy()
    np.testing.assert_array_equal(some, kernels(GROWN[:2], KEYS[:2], 64, 255))


def test_an_image_does_not_depend_on_its_batch():
    whole = atoms.Atoms(GROWN, 100).images(KEYS)
    for i, (one, key) in enumerate(zip(GROWN, KEYS, strict=True)):
        assert torch.equal(atoms.Atoms([one], 100).images([key])[0], whole[i])
    backwards = atoms.Atoms(GROWN[::-1], 100).images(KEYS[::-1])
    assert torch.equal(backwards.flip(0), whole)


def test_published_atoms_are_the_live_samples():
    parameters = visual_atom.FAMILY.example()
    code = visual_atom.sample(parameters, 4)
    found = atoms.Atoms([visual_atom.grown(code, 9)], 128).images([9])
    np.testing.assert_array_equal(found[0].numpy(), visual_atom.live(code, 9, 128))
