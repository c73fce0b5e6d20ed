import numpy as np
import pytest

from ofdb_core.training import intervals


def test_one_value_has_no_spread():
    assert intervals.mean_of([0.5]) == "50.0%"
    assert intervals.of_mean([0.5]) is None


def test_mean_spread_and_n():
    assert intervals.mean_of([0.4, 0.5, 0.6]) == "50.0% ± 10.0% (n 3)"


def test_the_interval_of_a_mean_is_students():
    # t(0.975, 4) = 2.7764451; sd / sqrt(5) = 0.7071068
    low, high = intervals.of_mean([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (low, high) == pytest.approx((3 - 1.9632432, 3 + 1.9632432))


def test_it_holds_the_true_mean_in_nineteen_of_twenty_draws():
    rng = np.random.default_rng(0)
    found = [intervals.of_mean(rng.normal(0.3, 0.1, 3)) for _ in range(2000)]
    assert np.mean([low < 0.3 < high for low, high in found]) == pytest.approx(0.95, abs=0.015)


def test_a_share_of_few_images_is_vague():
    low, high = intervals.of_share(4, 9)
    assert (low, high) == pytest.approx((0.189, 0.733), abs=1e-3)  # Wilson, without continuity correction


def test_the_interval_of_a_gap_is_welchs():
    one, other = [1.0, 2.0, 3.0, 4.0], [2.0, 6.0]  # means 2.5 and 4, variances 5/3 and 8
    # standard error sqrt(5/12 + 4), 1.2148 degrees of freedom, whose t(0.975) is 8.4541
    low, high = intervals.of_gap(one, other)
    assert (low + high) / 2 == pytest.approx(-1.5)
    assert (high - low) / 2 == pytest.approx(8.4541 * (5 / 12 + 4) ** 0.5, rel=1e-4)
    assert intervals.of_gap([1.0], other) is None
