import itertools

import numpy as np
import pytest

from ofdb_core.formulas import chaos_game, ifs, point_cloud, search, streams

EASY = {"seed": 3, "points": 500, "variance": 0.01}


def first_candidates(n, **options):
    return list(itertools.islice(search.candidates_3d(**{**EASY, **options}), n))


def test_candidates_in_space_are_drawn_one_after_another_and_judged_without_their_start():
    stream = streams.Mersenne(3)
    for number, candidate in enumerate(first_candidates(60)):
        system = ifs.sample(stream, 3)
        points = chaos_game.orbit(system, stream.random(500))[1:]
        assert candidate.number == number
        assert (ifs.table(candidate.system) == ifs.table(system)).all()
        assert np.array_equal(candidate.score, point_cloud.variance(points), equal_nan=True)
        assert candidate.accepted == (candidate.score > 0.01)


def test_candidates_in_space_do_not_depend_on_workers():
    for workers in (1, 2, 5):
        again = first_candidates(40, workers=workers)
        assert [str(one.score) for one in again] == [str(one.score) for one in first_candidates(40)]
        assert [one.system.A.tolist() for one in again] == [one.system.A.tolist() for one in first_candidates(40)]


def test_what_does_not_stay_finite_never_passes():
    candidates = first_candidates(300, points=10_000, variance=0)
    lost = [candidate for candidate in candidates if np.isnan(candidate.score)]
    assert 0 < len(lost) < 300
    assert not any(candidate.accepted for candidate in lost)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 2}, "points: 2 is out of range; an orbit has at least 2 points after its start"),
        ({"variance": 1}, "variance: 1 is out of range"),
        ({"variance": -0.1}, "variance: -0.1"),
        ({"variance": float("nan")}, "variance: nan"),
    ],
)
def test_rules_that_nothing_can_pass_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        search.candidates_3d(**options)
