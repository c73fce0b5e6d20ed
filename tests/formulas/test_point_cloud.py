import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ofdb_core.formulas import chaos_game, ifs, point_cloud, streams
from tests.helpers import reference


def orbit_of(seed, n=1000):
    stream = streams.Mersenne(seed)
    system = ifs.sample(stream, 3)
    return chaos_game.orbit(system, stream.random(n))[1:]


SEEDS = [seed for seed in range(40) if point_cloud.defect(orbit_of(seed)) is None]


@pytest.mark.parametrize("seed", SEEDS[:10])
def test_variance_and_cloud_are_those_of_plain_python(seed):
    points = orbit_of(seed)
    assert point_cloud.variances(*points.T) == tuple(reference.variances(points.tolist()))
    assert point_cloud.variance(points) == min(reference.variances(points.tolist()))
    assert point_cloud.normalised(points).tolist() == [list(point) for point in reference.cloud(points.tolist())]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_variance_is_that_of_the_normalised_cloud(seed):
    points = orbit_of(seed)
    assert np.isclose(point_cloud.variance(points), point_cloud.normalised(points).var(axis=0).min(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloud_has_one_scale_and_its_centre_near_the_origin(seed):
    points = orbit_of(seed)
    cloud = point_cloud.normalised(points)
    assert cloud.shape == (999, 3)
    assert cloud.dtype == np.float64
    assert cloud.flags.c_contiguous
    assert np.abs(cloud.mean(axis=0)).max() <= 1 / 999
    assert np.allclose(np.ptp(cloud, axis=0) / 2, np.ptp(points, axis=0) / (points.max() - points.min()))


@given(st.integers(0, 300), st.integers(-30, 30))
def test_scaling_by_powers_of_two_changes_nothing(seed, power):
    points = orbit_of(seed, 50)
    if point_cloud.defect(points) is None and np.abs(points).max() < 1e50:
        assert point_cloud.variance(points * 2.0**power) == point_cloud.variance(points)
        assert (point_cloud.normalised(points * 2.0**power) == point_cloud.normalised(points)).all()


BAD = [
    (np.full((9, 3), 0.25), "no extent"),
    (np.array([[0.0, 1, 2], [np.nan, 1, 2]]), "stay finite"),
    (np.array([[0.0, 1, 2], [np.inf, 1, 2]]), "stay finite"),
    (np.array([[-1.5e308, 1, 2], [1.5e308, 1, 2]]), "stay finite"),
]


@pytest.mark.parametrize(("points", "reason"), BAD)
def test_a_defect_is_told_and_has_no_variance(points, reason):
    assert reason in point_cloud.defect(points)
    assert np.isnan(point_cloud.variance(np.asfortranarray(points)))
    assert np.isnan(point_cloud.normalised(points)).any()


def test_a_system_that_diverges_has_a_defect():
    system = ifs.IFS(np.full((1, 3, 3), 2.0), np.ones((1, 3)), np.ones(1))
    assert "stay finite" in point_cloud.defect(chaos_game.orbit(system, np.zeros(3000))[1:])


@given(st.integers(0, 2**64 - 1), st.floats(0, 1), st.integers(1, 300))
def test_thinning_keeps_the_points_that_the_stream_of_the_key_chooses(key, share, n):
    points = np.asfortranarray(np.random.default_rng(n).normal(size=(n, 3)), np.float32)
    kept = [i for i in range(n) if int(streams.split_mix(np.uint64(key), i)) >> 32 < round(share * 2**32)]
    thin = point_cloud.thinned(points, share, key)
    assert thin.dtype == np.float32
    assert thin.T.flags.c_contiguous
    assert np.array_equal(thin, points[kept])


def test_thinning_keeps_that_share_of_the_points_and_all_where_it_is_one():
    points = np.asfortranarray(np.random.default_rng(0).normal(size=(10_000, 3)), np.float32)
    for key in range(5):
        assert abs(len(point_cloud.thinned(points, 0.3, key)) / len(points) - 0.3) < 0.02
        assert np.array_equal(point_cloud.thinned(points, 1.0, key), points)
        assert len(point_cloud.thinned(points, 0.0, key)) == 0
