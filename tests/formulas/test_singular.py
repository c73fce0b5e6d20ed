"""Systems by singular values: they contract, their values have the sum, and in the plane they are plain NumPy's."""

import itertools

import numpy as np
import pytest

from ofdb_core.formulas import search, singular

HALF = {2: 0.5, 3: 1.0}  # of the range of alpha: by how much it grows with each map


def plain_values(rng, maps, alpha):
    """The original's order of draws for pairs of values, written down once more."""
    pairs, rest, need = [], alpha, alpha - 3 * (maps - 1)
    for _ in range(maps - 1):
        large = rng.uniform(max(0, need / 3), min(1, rest))
        small = rng.uniform(max(0, (need - large) / 2), min(large, (rest - large) / 2))
        pairs.append((large, small))
        rest, need = rest - large - 2 * small, need - large - 2 * small + 3
    small = rng.uniform(max(0, (rest - 1) / 2), rest / 3)
    return np.array([*pairs, (rest - 2 * small, small)])


@pytest.mark.parametrize("maps", [2, 3, 4, 7])
def test_the_maps_of_the_plane_are_plain_numpys(maps):
    low, high = (5 + maps) / 2, (6 + maps) / 2
    A, t = singular.maps(np.random.default_rng(maps), maps, low, high)
    rng = np.random.default_rng(maps)
    mirrors = np.sign(rng.random((2 * maps, 2, 1)) - 0.5) * np.eye(2)
    turns = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in rng.uniform(-np.pi, np.pi, 2 * maps)])
    sides = turns @ mirrors
    scaled = sides[:maps] * plain_values(rng, maps, rng.uniform(low, high))[:, None]
    np.testing.assert_allclose(A, scaled @ sides[maps:], rtol=0, atol=1e-14)
    np.testing.assert_array_equal(t, rng.uniform(-1, 1, (maps, 2)))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("maps", [1, 2, 5])
def test_values_fall_and_have_the_weighted_sum(d, maps):
    most = maps * d * (d + 1) / 2
    for i, share in enumerate((0.01, 0.4, 0.6, 0.99)):
        values = singular.values(np.random.default_rng(i), maps, share * most, d)
        assert values.shape == (maps, d)
        assert (values @ np.arange(1, d + 1)).sum() == pytest.approx(share * most)
        falling = np.column_stack([np.ones(maps), values, np.zeros(maps)])
        assert (np.diff(falling, axis=1) <= 1e-12).all()


@pytest.mark.parametrize("d", [2, 3])
def test_every_system_contracts_by_the_rule(d):
    rng, seen = np.random.default_rng(0), set()
    for _ in range(300):
        system = singular.sample(rng, d)
        values, n = np.linalg.svd(system.A, compute_uv=False), len(system)
        assert values.max() < 1
        assert np.abs(system.t).max() < 1
        assert (5 + n) * HALF[d] <= (values @ np.arange(1, d + 1)).sum() <= (6 + n) * HALF[d] + 1e-12
        np.testing.assert_allclose(system.p, np.abs(np.linalg.det(system.A)) / np.abs(np.linalg.det(system.A)).sum())
        seen.add(n)
    assert seen == {2, 3, 4}


def test_a_mirror_is_as_frequent_as_none():
    rng = np.random.default_rng(0)
    for d in (2, 3):
        signs = np.concatenate([np.sign(np.linalg.det(singular.sample(rng, d).A)) for _ in range(200)])
        assert abs(signs.mean()) < 0.15


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_without_a_rule_takes_every_system_in_order(workers):
    how = {"seed": 5, "method": "singular-values", "workers": workers}
    found = list(itertools.islice(search.candidates_2d(**how, points=1000, filling_rate=0), 7))
    assert all(candidate.accepted for candidate in found)
    rng = np.random.default_rng(5)
    for candidate in found:
        np.testing.assert_array_equal(candidate.system.A, singular.sample(rng).A)
    in_space = next(search.candidates_3d(**how, points=1000)).system
    np.testing.assert_array_equal(in_space.A, singular.sample(np.random.default_rng(5), 3).A)


def test_a_method_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="method"):
        next(search.candidates_2d(method="guess"))
