import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofdb_core.formulas import streams
from tests.helpers import reference


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2000), max_size=5))
def test_random_numbers_are_numpys_whatever_the_portions(seed, portions):
    stream, numpys = streams.Mersenne(seed), np.random.RandomState(seed)
    for n in portions:
        assert (stream.random(n) == numpys.random_sample(n)).all()


def test_mixed_draws_are_numpys():
    stream, numpys = streams.Mersenne(1), np.random.RandomState(1)
    for _ in range(300):
        assert stream.integer(2, 8) == numpys.randint(2, 8)
        assert (stream.uniform(-1.0, 1.0, 6) == numpys.uniform(-1.0, 1.0, 6)).all()
        assert (stream.random(311) == numpys.random_sample(311)).all()


def test_a_list_is_seeded_as_pythons_random_is():
    generator = random.Random(7)
    stream = streams.Mersenne([7])
    assert stream.words(1501).tolist() == [generator.getrandbits(32) for _ in range(1501)]
    assert stream.random(1500).tolist() == [generator.random() for _ in range(1500)]


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_patches_are_pythons_randrange(seed):
    assert streams.patches(20_000, seed).tolist() == reference.patches(20_000, seed)


def test_patches_of_a_category_have_a_stream_of_their_own():
    drawn = [streams.patches(1000, 0, category).tolist() for category in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert drawn[0] != streams.patches(1000, 1, 0).tolist()
    assert min(drawn[0]) >= 1
    assert max(drawn[0]) <= 511


def test_no_patches_are_an_empty_array():
    assert streams.patches(0, 0).shape == (0,)


def test_jitter_is_pythons_uniform():
    generator = random.Random(0)
    assert streams.jitter(100, 0).tolist() == [generator.uniform(-np.pi, np.pi) for _ in range(100)]


def test_choices_without_a_category_are_numpys_row_after_row():
    rows = np.random.RandomState(100).random_sample((3, 500))
    assert (streams.choices(1500).reshape(3, 500) == rows).all()


def test_the_streams_of_a_model_share_no_numbers():
    keys = [(0, 0), (0, 1), (1, 0)]
    drawn = [streams.choices(9, *key) for key in keys] + [streams.jitter(9, *key) / (2 * np.pi) + 0.5 for key in keys]
    assert len(np.unique(np.round(drawn, 9))) == 9 * len(drawn)
    assert (streams.choices(9, 1, 0) == drawn[2]).all()
    assert np.abs(streams.jitter(10_000, 0, 0)).max() <= np.pi
