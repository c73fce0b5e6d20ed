"""Values: types with ranges, and the sentence that refuses a value from a notebook, the command or Python.

A type is plain or annotated, as in `Annotated[int, Range(1)]`. `problem` checks a parameter, `require` the arguments of
a call.
"""

import difflib
import json
import math
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Annotated, Any, Literal

SEEDS = 2**32 - 1  # the largest seed of the Mersenne Twister
MOST = 10**9  # points, steps: more is a slip
SHOWN = 100  # characters of a refused value

FITS, OUT_OF_RANGE, WRONG_TYPE = range(3)  # how a value suits a type, from good to bad


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

    def holds(self, value: object) -> bool:
        """Whether a number, or each number in a list or mapping, keeps the bounds."""
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        return all(low <= number <= high and not (self.above and number == low) for number in _numbers(value))


@dataclass(frozen=True)
class Length:
    """Bounds of a list's length; once: no entry may repeat."""

    low: int
    high: int
    once: bool = False

    def __str__(self) -> str:
        number = f"of {self.low} entries" if self.low == self.high else f"of {self.low} to {self.high} entries"
        return f"{number}, none twice" if self.once else number

    def holds(self, value: list) -> bool:
        """Whether a list keeps the bounds."""
        repeats = self.once and any(value.count(entry) > 1 for entry in value)
        return self.low <= len(value) <= self.high and not repeats


@dataclass(frozen=True)
class PathOf:
    """Text that can be a path; what: its kind, in a message."""

    what: str

    def __str__(self) -> str:
        return f"{self.what} (names of at most 255 bytes, together 4,000)"

    def holds(self, value: str) -> bool:
        """Whether a text is short enough for a path, and not empty."""
        longest = max(len(name.encode()) for name in value.split("/"))
        return value != "" and "\0" not in value and len(value.encode()) <= 4000 and longest <= 255


Place = Annotated[str, PathOf("a path")]  # or a name, as of a data set; see `located`
Folder = Annotated[str, PathOf("a folder")]  # which need not exist yet
Count = Annotated[int, Range(1, 2**20)]  # of what a machine holds at once
Whole = Annotated[int, Range(0, 2**20)]
Steps = Annotated[int, Range(1, MOST)]
EverySteps = Annotated[int, Range(0, MOST)]  # 0: never
Points = Annotated[int, Range(2, MOST)]
Workers = Annotated[int, Range(0, 1024)]
Options = Annotated[dict, Range(-(2**14), 2**14)]  # of a network
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, MOST, above=True)]
NotNegative = Annotated[float, Range(0, MOST)]
Factor = Annotated[float, Range(-MOST, MOST)]


def arms(kind: Any) -> set[type]:
    """The plain types of the values that an annotated type allows."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return arms(args[0])
    if origin in (typing.Union, types.UnionType):
        return {plain for arm in args for plain in arms(arm)}
    if origin is Literal:
        return {type(value) for value in args}
    return {list if origin is list else kind}


def _fault(value: object, kind: Any) -> int:
    """FITS, OUT_OF_RANGE or WRONG_TYPE: how a plain Python value (as YAML yields it) suits an annotated type."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        fault = _fault(value, args[0])
        return fault or (FITS if all(bound.holds(value) for bound in args[1:]) else OUT_OF_RANGE)
    if origin in (typing.Union, types.UnionType):
        return min(_fault(value, arm) for arm in args)
    if origin in (list, dict):
        entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return _fault(value, origin) or max((_fault(entry, args[-1]) for entry in entries), default=FITS)
    if origin is Literal:
        fits = any(value == known and type(value) is type(known) for known in args)
    elif typing.is_typeddict(kind):
        fits = flaw(value, kind) is None
    elif kind is float:
        fits = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    elif kind is int:
        fits = isinstance(value, Integral) and not isinstance(value, bool)
    elif kind is str:
        fits = isinstance(value, str) and value == value.encode(errors="ignore").decode()
    elif kind is dict:
        fits = isinstance(value, dict) and all(isinstance(key, str) for key in value)
    else:
        fits = kind is Any or isinstance(value, kind)
    return FITS if fits else WRONG_TYPE


def flaw(value: object, shape: Any) -> str | None:
    """Why a value read from a file does not fit a TypedDict: a key that is missing or has a wrong type."""
    if not isinstance(value, dict):
        return "it is not a mapping"
    for name, kind in typing.get_type_hints(shape).items():
        if name in value and _fault(value[name], kind):
            return f"{name} has a wrong type"
        if name not in value and name in shape.__required_keys__:
            return f"{name} is missing"
    return None


def _is_finite(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number larger than any float
        return False


def _numbers(value: object) -> list[Any]:
    """The value itself, or all numbers in a list or mapping, nested ones included."""
    if isinstance(value, list | dict):
        entries = value.values() if isinstance(value, dict) else value
        return [number for entry in entries for number in _numbers(entry)]
    return [value] if isinstance(value, Real) else []


def describe(kind: Any) -> str:
    """Describe an annotated type in words, for an error or a listing: 'a whole number, at least 1'."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        of = "each number in it " if args[0] is dict else ""
        return ", ".join([describe(args[0]), *(f"{of}{bound}" for bound in args[1:])])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(arm) for arm in args)
    if origin is Literal:
        return "one of " + ", ".join("null" if arg is None else str(arg) for arg in args)
    if origin is list:
        return f"a list (each {describe(args[0])})"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", dict: "a mapping of names"}
    return {**names, types.NoneType: "null"}[kind]


def shown(value: object) -> str:
    """A value as Python writes it, cut off if it is long."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        text = f"a {type(value).__name__} of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text):,} characters)"


def refusal(name: str, value: object, kind: Any) -> str | None:
    """The sentence that refuses a value, or None if it may be used."""
    if not (fault := _fault(value, kind)):
        return None
    problem = "out of range" if fault == OUT_OF_RANGE else "not allowed"
    return f"{name}: {shown(value)} is {problem}; allowed is {describe(kind)}"


def problem(name: str, value: object, kind: Any) -> str | None:
    """As `refusal`, for a value from a parameter file or the command, with hints on common mistakes."""
    sentence, plain = refusal(name, value, kind), arms(kind)
    if sentence and isinstance(value, str) and plain & {int, float} and any(sign.isdigit() for sign in value):
        sentence += ". A number is decimal and has no quotes or leading zeros, as 10, 0.5 or 1e-3"
    if sentence and isinstance(value, int | float | None) and not refusal(name, json.dumps(value), kind):
        sentence += f". In a parameter file quotes make it text: {name}: '{json.dumps(value)}'"
    return sentence


def require(kind: Any, **values: object) -> None:
    """Raise a ValueError with a sentence for each named value that has another type or is out of range."""
    if sentences := [sentence for name, value in values.items() if (sentence := refusal(name, value, kind))]:
        raise ValueError("\n".join(sentences))


def whole(low: int = 0, high: int | None = None, **values: object) -> None:
    """Raise a ValueError for named values that are not whole numbers from low to high."""
    require(Annotated[int, Range(low, high)], **values)


def nearest(word: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' with the known word most like this one, or ''."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
