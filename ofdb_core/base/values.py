"""Values: types with ranges, and the sentence that refuses a value, whoever gives it: notebook, command or Python.

A type is a plain or an annotated one, as `Annotated[int, Range(1)]`. `problem` checks a parameter, `require` the
arguments of a call.
"""

import difflib
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal

SEEDS = 2**32 - 1  # the largest seed of the Mersenne Twister


@dataclass(frozen=True)
class Range:
    """Bounds of a number (or of each number of a list): low <= value <= high, or low < value where `above`."""

    low: float | None = None
    high: float | None = None
    above: bool = False

    def __str__(self) -> str:
        low = None if self.low is None else f"{'above' if self.above else 'at least'} {self.low}"
        high = None if self.high is None else f"at most {self.high}"
        return " and ".join(part for part in (low, high) if part)

    def holds(self, value: float) -> bool:
        """Whether a number keeps the bounds."""
        low = self.low is None or (value > self.low if self.above else value >= self.low)
        return low and (self.high is None or value <= self.high)


@dataclass(frozen=True)
class Length:
    """The number of entries that a list must have."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"of {self.low} entries" if self.low == self.high else f"of {self.low} to {self.high} entries"


Place = Annotated[str, "a path"]  # or the name of something that is no file; see `located`
Folder = Annotated[str, "a folder"]  # that need not be there yet
Count = Annotated[int, Range(1)]
Whole = Annotated[int, Range(0)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, above=True)]
NotNegative = Annotated[float, Range(0)]


def _matches(value: object, kind: Any) -> bool:
    """Whether a plain Python value (as YAML gives it) is of an annotated type, ranges left out."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _matches(value, args[0])
    if origin in (typing.Union, types.UnionType):
        return any(_matches(value, arm) for arm in args)
    if origin is Literal:
        return value in args
    if origin is list:
        return isinstance(value, list) and all(_matches(entry, args[0]) for entry in value)
    if kind is float:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    return isinstance(value, kind)


def _within(value: Any, kind: Any) -> bool:
    """Whether a value of the right type keeps the ranges of that type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        entries = value if isinstance(value, list) else [value]
        for bound in args[1:]:
            if isinstance(bound, Length) and not bound.low <= len(entries) <= bound.high:
                return False
            if isinstance(bound, Range) and not all(bound.holds(entry) for entry in entries):
                return False
        return _within(value, args[0])
    if origin in (typing.Union, types.UnionType):
        return any(_matches(value, arm) and _within(value, arm) for arm in args)
    if origin is list:
        return all(_within(entry, args[0]) for entry in value)
    return True


def describe(kind: Any) -> str:
    """An annotated type in words, for an error or a listing: 'a whole number, at least 1'."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return ", ".join([describe(args[0]), *(str(bound) for bound in args[1:])])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(arm) for arm in args)
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is list:
        return f"a list (each {describe(args[0])})"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping"}
    return {**names, types.NoneType: "null"}[kind]


def refusal(name: str, value: object, kind: Any) -> str | None:
    """The sentence that refuses a value, or None where it may be used."""
    if not _matches(value, kind):
        return f"{name}: {value!r} is not allowed; allowed is {describe(kind)}"
    return None if _within(value, kind) else f"{name}: {value!r} is out of range; allowed is {describe(kind)}"


def problem(name: str, value: object, kind: Any) -> str | None:
    """The same for a value from a parameter file, where a number may have been read as text."""
    sentence = refusal(name, value, kind)
    if sentence and isinstance(value, str) and _is_number(value):
        sentence += f". The value is text: YAML reads a number only with a point, as in {_as_yaml_number(value)}"
    return sentence


def require(kind: Any, **values: object) -> None:
    """Raise a ValueError with a sentence for each of the named values that is not of this type or leaves its range."""
    refusals = [refusal(name, value, kind) for name, value in values.items()]
    if sentences := [sentence for sentence in refusals if sentence]:
        raise ValueError("\n".join(sentences))


def whole(low: int = 0, high: int | None = None, **values: object) -> None:
    """Raise a ValueError for the named values that are no whole numbers from low to high."""
    require(Annotated[int, Range(low, high)], **values)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _as_yaml_number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f"{mantissa}e{int(exponent):+d}" if exponent else mantissa


def nearest(word: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' for the known word that is most like this one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
