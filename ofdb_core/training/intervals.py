"""Means with their uncertainty: what may be said of a few repeats, or of a share of a few test images."""

from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95


def mean_of(values: Sequence[float]) -> str:
    """Shares as text: mean ± standard deviation (n - 1) and n; of a single value only the value."""
    spread = f" ± {np.std(values, ddof=1):.1%} (n {len(values)})" if len(values) > 1 else ""
    return f"{np.mean(values):.1%}{spread}"


def points(differences: Sequence[float]) -> str:
    """Differences of shares as text: their mean in points and, of two or more, its 95 % interval."""
    interval = of_mean(differences)
    sure = f" (95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})" if interval else ""
    return f"{100 * np.mean(differences):+.1f} points{sure}"


def of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean of independent values, by Student's t; None for fewer than two."""
    from scipy import stats  # it takes half a second to import

    if len(values) < 2:
        return None
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error
    return float(np.mean(values) - reach), float(np.mean(values) + reach)


def of_gap(one: Sequence[float], other: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the difference of two means of independent values (Welch 1947); None for too few values."""
    from scipy import stats

    if min(len(one), len(other)) < 2:
        return None
    found = stats.ttest_ind(one, other, equal_var=False).confidence_interval(CONFIDENCE)
    return float(found.low), float(found.high)


def of_share(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count` test images, of which `right` are right (Wilson 1927)."""
    from scipy import stats

    found = stats.binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
