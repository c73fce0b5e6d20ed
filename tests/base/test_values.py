import numpy as np
import pytest

from ofdb_core.base import values
from ofdb_core.families import fractal_2d
from ofdb_core.formulas import ifs, search, streams

PLANE, SPACE = (ifs.sample(streams.Mersenne(1), d) for d in (2, 3))
HOW = {"size": 48, "points": 500}


def test_all_mistakes_of_a_call_are_told_at_once():
    with pytest.raises(ValueError, match=r"^a: -1 is out of range; .*\nb: 1.5 is not allowed; "):
        values.whole(a=-1, b=1.5, c=2)


def test_whole_numbers_in_range_pass():
    values.whole(0, 5, a=0, b=np.uint8(5))
    values.whole(c=10**20)


@pytest.mark.parametrize("value", [-1, 6, 2.0, "2", None, float("nan")])
def test_others_are_refused_with_name_value_and_what_is_allowed(value):
    with pytest.raises(
        ValueError, match=r"^b: .* is (out of range|not allowed); allowed is a whole number, at least 0 and at most 5$"
    ):
        values.whole(0, 5, a=1, b=value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: search.first(-1, search.candidates_2d()), "categories: -1 is out of range"),
        (lambda: search.first(2.5, search.candidates_2d()), "categories: 2.5 is not allowed"),
        (lambda: next(search.candidates_2d(workers=-1)), "workers: -1 is out of range"),
        (lambda: next(search.candidates_3d(seed=-1)), "seed: -1 is out of range"),
        (lambda: search.candidates_2d(points=1e5), "points: 100000.0 is not allowed"),
        (lambda: search.candidates_2d(filling_rate="1e-4"), "filling_rate: '1e-4'"),
        (lambda: fractal_2d.rgb(SPACE, **HOW), "system: 3 dimensions given; an image of 2D-OFDB has 2"),
        (lambda: fractal_2d.rgb(PLANE, size=48, points=0), "points: 0 is out of range"),
        (lambda: fractal_2d.rgb(PLANE, size=48.0, points=9), "image_size: 48.0 is not allowed"),
        (lambda: fractal_2d.rgb(PLANE, seed=2**32, **HOW), "seed: 4294967296 is out of range"),
        (lambda: fractal_2d.rgb(PLANE, category=-1, **HOW), "category: -1 is out of range"),
        (lambda: fractal_2d.rgb(PLANE, weight=np.nan, **HOW), "weight: nan is not allowed"),
        (lambda: fractal_2d.rgb(PLANE, weight="0.2", **HOW), "weight: '0.2' is not allowed"),
    ],
)
def test_what_users_call_names_a_bad_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
