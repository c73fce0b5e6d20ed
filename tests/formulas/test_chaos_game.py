import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ofdb_core.formulas import chaos_game, ifs, streams
from tests.helpers import reference


@pytest.mark.parametrize("d", [2, 3])
def test_orbits_are_those_of_plain_python(d):
    stream = streams.Mersenne(3)
    systems = [ifs.sample(stream, d) for _ in range(5)]
    u = [stream.random(2000) for _ in systems]
    for system, row, points in zip(systems, u, chaos_game.orbits(systems, u), strict=True):
        plain = reference.orbit(ifs.table(system)[:, :-1].tolist(), system.thresholds().tolist(), row.tolist(), d)
        assert points.shape == (2000, d)
        assert points.dtype == np.float64
        assert np.array_equal(points, plain, equal_nan=True)


NUMBERS = st.floats(-2, 2) | st.sampled_from([0.0, -0.0, 1e200, -1e200, np.inf, np.nan])


@given(st.sampled_from([2, 3]), st.integers(1, 4), st.data())
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_any_orbit_is_that_of_plain_python(d, k, data):
    rows = data.draw(arrays(np.float64, (k, d * d + d + 1), elements=NUMBERS, fill=st.nothing()))
    rows[:, -1] = np.nan if np.isnan(rows[:, -1]).any() else np.abs(rows[:, -1])  # as shares of areas are
    u = np.random.default_rng(k).random(40)
    system = ifs.of_table(rows)
    plain = reference.orbit(rows[:, :-1].tolist(), system.thresholds().tolist(), u.tolist(), d)
    assert np.array_equal(chaos_game.orbit(system, u), plain, equal_nan=True)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("k", [1, 2, 254, 255])
def test_so_many_maps_too(d, k):
    rng = np.random.default_rng(k)
    rows = np.column_stack([rng.uniform(-0.5, 0.5, (k, d * d + d)), np.full(k, 0.99 / k)])  # some choose no map
    system, u = ifs.of_table(rows), rng.random(3000)
    plain = reference.orbit(rows[:, :-1].tolist(), system.thresholds().tolist(), u.tolist(), d)
    assert np.array_equal(chaos_game.orbit(system, u), plain)


def test_a_number_above_every_threshold_repeats_the_point():
    system = ifs.IFS(np.full((1, 2, 2), 0.5), np.ones((1, 2)), np.array([0.5]))
    points = chaos_game.orbit(system, np.array([0.1, 0.9, 0.5, 0.2]))
    assert points.tolist() == [[0, 0], [1, 1], [1, 1], [2, 2]]


def test_a_system_that_diverges_reaches_infinity_and_nan():
    system = ifs.IFS(np.array([[[9.0, -3.0], [4.0, 9.0]]]), np.ones((1, 2)), np.ones(1))
    points = chaos_game.orbit(system, np.zeros(1000))
    assert np.isfinite(points[0]).all()
    assert np.isinf(points).any()
    assert np.isnan(points[-1]).all()


def test_probabilities_that_are_nan_never_move():
    system = ifs.IFS(np.ones((2, 2, 2)), np.ones((2, 2)), np.full(2, np.nan))
    assert not chaos_game.orbit(system, np.zeros(50)).any()
