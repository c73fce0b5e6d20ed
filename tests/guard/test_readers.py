"""Hostile files of every kind, a bounded number of each; `python -m tests.guard` tries more."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.guard import limits
from tests.guard.readers import READERS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(method="thread")]  # the guard has the signal

TRIES = 60


@pytest.fixture(scope="module", params=READERS)
def reader(request, tmp_path_factory):
    """A reader that has read what is valid, so that what it imports and compiles does not count."""
    reader, place = READERS[request.param], tmp_path_factory.mktemp("valid")
    reader.read(reader.put(reader.valid(), place))
    return reader


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("world")


@given(rng=st.randoms())
@settings(max_examples=TRIES, suppress_health_check=list(HealthCheck))
def test_what_is_read_is_a_value_or_a_refusal_that_names_it_in_bounds(reader, place, rng):
    problem = limits.attempt(reader, rng, place)
    assert problem is None, f"{reader.name}: {problem}; the file lies in {place}"


class _Harmful:
    """Readers as they must not be, each of which the guard must tell."""

    @staticmethod
    def touches(inside):
        (inside.parent / "outside" / "thesis.txt").unlink()

    @staticmethod
    def goes_on_for_ever(inside):
        while True:
            pass

    @staticmethod
    def takes_all_memory(inside):
        return bytes(10**9)

    @staticmethod
    def forgets_the_name(inside):
        raise ValueError("bad")

    @staticmethod
    def breaks(inside):
        raise KeyError("mean")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("touches", "something was touched"),
        ("goes_on_for_ever", "it takes more than 1 s"),
        ("takes_all_memory", "it takes more than 500 MB"),
        ("forgets_the_name", "it does not name the file"),
        ("breaks", "KeyError: 'mean'"),
    ],
)
def test_the_guard_tells_what_must_not_be(tmp_path, name, told):
    one = READERS["PLY"]
    bad = type(one)("bad", one.valid, getattr(_Harmful, name), one.mutations)
    problem = limits.attempt(bad, Random(0), tmp_path)
    assert problem
    assert told in problem
    assert limits.attempt(one, Random(0), tmp_path) is None
