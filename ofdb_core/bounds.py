"""Arguments that are whole numbers, refused with their name, their value and what is allowed.

For functions that are called from Python; what a notebook is told has been checked by its `recipe` before.
"""

from numbers import Integral

SEEDS = 2**32 - 1  # the largest seed of the Mersenne Twister


def whole(low=0, high=None, **values):
    """Raise a ValueError for the first of the named values that is no whole number from low to high."""
    for name, value in values.items():
        if not isinstance(value, Integral) or value < low or (high is not None and value > high):
            most = "" if high is None else f" and at most {high}"
            raise ValueError(f"{name}: {value!r} is out of range; allowed is a whole number, at least {low}{most}")
