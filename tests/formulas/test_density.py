import numpy as np
import pytest

from ofdb_core.formulas import density, ifs, search, streams

TRIANGLE = ifs.parse("0.5 0 0 0.5 0 0; 0.5 0 0 0.5 0.5 0; 0.5 0 0 0.5 0 0.5")
TO_CELLS = np.array([[64.0, 0, 0], [0, 64, 0]])


def plain(system, to_cells, shape, steps, seed):
    """The same game, a step at a time."""
    mask, hits, at = 2**64 - 1, np.zeros(shape, int), [0.0] * system.d
    thresholds, key = system.thresholds().tolist(), int(streams.split_mix(np.uint64(seed), 0)) & mask
    for i in range(density.SETTLING + steps):
        u = (int(streams.split_mix(np.uint64(key), i)) >> 11) * 2.0**-53
        j = sum(u > threshold for threshold in thresholds[:-1])
        A, t = system.A[j].tolist(), system.t[j].tolist()
        products = [[x * a for x, a in zip(at, row, strict=True)] for row in A]
        at = [sum(row[1:], start=row[0]) + shift for row, shift in zip(products, t, strict=True)]
        column, row = (
            sum((line[axis] * at[axis] for axis in range(system.d)), start=line[-1]) for line in to_cells.tolist()
        )
        if i >= density.SETTLING and 0 <= column < shape[1] and 0 <= row < shape[0]:
            hits[int(row), int(column)] += 1
    return hits


@pytest.mark.parametrize("d", [2, 3])
def test_the_visits_are_those_of_a_plain_game(d):
    system = search.published(d, 0)
    to_cells = np.column_stack([np.eye(2, d) * [[15.0], [-12.0]], [20.5, 17.0]])
    hits = density.visits(system, to_cells, (30, 41), steps=5000, seed=7)
    assert (hits.dtype, hits.shape) == (np.uint32, (30, 41))
    assert 0 < hits.sum() <= 5000 - (d == 2)
    assert (hits == plain(system, to_cells, (30, 41), 5000, 7)).all()


def test_a_long_game_is_spread_as_the_measure_is():
    steps = density.RUN + 12_345
    hits = density.visits(TRIANGLE, TO_CELLS, (64, 64), steps=steps)
    assert hits.sum() == steps
    assert (hits == density.visits(TRIANGLE, TO_CELLS, (64, 64), steps=steps)).all()
    assert (hits != density.visits(TRIANGLE, TO_CELLS, (64, 64), steps=steps, seed=1)).any()
    assert (hits > 0).sum() == 3**6
    assert np.allclose(hits[hits > 0], steps / 3**6, rtol=0.15)


def test_a_frame_holds_the_shape_and_leaves_out_what_is_thrown_far():
    assert np.allclose(density.corners(TRIANGLE), [[0, 0], [1, 1]], atol=0.01)
    assert density.corners(ifs.parse("2 0 0 2 1 1")) is None
    assert density.corners(ifs.parse("0 0 0 0 1 1")) is None
    wild = ifs.parse("0.5 0 0 0.5 0 0 0.98; 2 0 0 2 1 1 0.02")
    with_tail = density.corners(wild)
    assert (with_tail[1] < 100).all()
    flat = density.corners(search.published(3, 0), np.eye(2, 3))
    assert flat.shape == (2, 2)
