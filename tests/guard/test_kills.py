"""Kills at random moments, a bounded number; `python -m tests.guard` tries more."""

from random import Random

import pytest

from tests.guard import kills

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("name", "count"), [("experiment", 2), ("unpacking", 1)])
def test_a_run_that_is_killed_anywhere_goes_on_to_the_same_bytes(tmp_path, name, count):
    seed = Random().randrange(2**32)  # another in every run: what matters is that moments differ
    hits, problem = kills.attempt(name, Random(seed), tmp_path, kills=count)
    print(f"{name}: seed {seed}: {', '.join(hits)}")
    assert problem is None, f"{name}, seed {seed}: {problem}"
