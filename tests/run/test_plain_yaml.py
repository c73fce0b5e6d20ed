"""What is written in a parameter file, or behind -p, is what a user means, or is refused."""

import contextlib
from typing import Annotated, Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ofdb_core.base.values import Length, Place, Range, Share, arms, problem
from ofdb_core.run import plain_yaml
from ofdb_core.run.experiments import PARAMS

TEXT = (
    "Results # 2",
    "010",
    "1:30",
    "2024",
    "A: B",
    "yes",
    "true",
    "",
    " a ",
    "[1",
    "*a",
    "&a",
    "!!str 1",
    "a\nb",
    "'a'",
)


@pytest.mark.parametrize("text", [*TEXT, "null"])
def test_text_is_taken_as_it_was_typed(text):
    assert plain_yaml.value_of(text, str) == text
    assert plain_yaml.value_of(text, Place | None) == (None if text == "null" else text)


@given(st.text())
def test_every_text_is_taken_as_it_was_typed(text):
    assert plain_yaml.value_of(text, str) == text


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        ("-3", int, -3),
        ("+3", int, 3),
        ("1e-4", float, 1e-4),
        ("1E5", float, 1e5),
        (".5", float, 0.5),
        ("5.", Share, 5.0),
        ("3", Annotated[int, Range(0)] | None, 3),
        ("null", int | None, None),
        ("3", Literal[1, 3, None], 3),
        ("null", Literal[1, 3, None], None),
        ("true", bool, True),
        ("false", bool, False),
        ("a", Literal["a", "b"], "a"),
        ("[1, 2]", list[int], [1, 2]),
        ("- 1\n- 2", list[int], [1, 2]),
        ("{a: 1, b: [x, 'y', null, true]}", dict, {"a": 1, "b": ["x", "y", None, True]}),
        ("0.2", float | Annotated[list[float], Length(6, 6)], 0.2),
        ("[1e-3, .5]", float | Annotated[list[float], Length(6, 6)], [0.001, 0.5]),
    ],
)
def test_numbers_words_lists_and_mappings_are_what_they_say(text, kind, value):
    found = plain_yaml.value_of(text, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "kind", [int, float, int | None, Share, Literal[1, 3], Annotated[list[int], Length(1, 8)], bool]
)
@pytest.mark.parametrize(
    "text",
    ["010", "0x10", "0o10", "1:30", "1_000", "yes", "1,000", " 1", "٣", "1e", "e1", "inf", ".nan", "nan", "--1", ""],
)
def test_what_is_no_decimal_number_is_refused_with_a_sentence(text, kind):
    sentence = problem("seed", plain_yaml.value_of(text, kind), kind)
    assert f"seed: {text!r} is not allowed; allowed is " in sentence
    if arms(kind) & {int, float} and any(sign.isdigit() for sign in text):
        assert "A number is decimal and has no quotes or leading zeros, as 10, 0.5 or 1e-3" in sentence


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", {"a": "yes"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: 010", {"a": "010"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: <<", {"a": "<<"}),
        ("a: =", {"a": "="}),
        ("a: 'null'", {"a": "null"}),
        ("a: |\n 12", {"a": "12"}),
        ("a:", {"a": None}),
        ("a: ~", {"a": None}),
        ("a: True", {"a": True}),
        ("on: no", {"on": "no"}),
        ("", None),
        ("# nothing", None),
    ],
)
def test_a_file_is_read_by_the_rules_of_yaml_1_2(text, value):
    assert plain_yaml.parse(text) == value
    assert plain_yaml.parse(text.encode()) == value


def nested(opening, closing, depth):
    return opening * depth + closing * depth


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x [*x]", r"\*x: aliases are not allowed"),
        ("a: &x {b: *x}", r"\*x: aliases are not allowed"),
        (
            "\n".join(["a: &a [1]", *(f"{b}: &{b} [*{a}, *{a}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))]),
            "aliases",
        ),
        ("a: !!python/object/apply:os.system [true]", "tags are not allowed"),
        ("a: !!binary aGk=", "tags are not allowed"),
        ("? [a]\n: b", "is no name"),
        ("1: a", "1: is no name; quotes make it one"),
        ("a: 1\na: 2", "a: is there twice"),
        ("a: {b: 1, b: 2}", "b: is there twice"),
        (nested("[", "]", 1000), "20 deep"),
        (nested("{a: ", "}", 1000), "20 deep"),
        ("\n".join(f"{' ' * i}-" for i in range(300)), "20 deep"),
        ("a" * (plain_yaml.LARGEST + 1), "at most 65,536"),
        (b"\x80", "unacceptable|codec|invalid"),
        ("a: b: c", "line 1, column 5: mapping values .* needs quotes"),
        ("a: [1", "line 1"),
        ("a: 'b", "line 1"),
        ("a: 1\n---\na: 2", "single document|another document"),
    ],
)
def test_what_could_surprise_or_harm_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        plain_yaml.parse(text)
    assert len(str(error.value).splitlines()) == 1


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@#~ \n\t01.e", max_size=40))
def test_any_text_is_a_value_or_a_sentence(text):
    with contextlib.suppress(ValueError):
        plain_yaml.parse(text)


def test_the_projects_own_files_say_the_same_as_before():
    """YAML 1.1 and 1.2 differ in none of them but in numbers like 1e-3, which 1.1 takes for text."""

    def number(value: Any) -> Any:
        try:
            return float(value)
        except (TypeError, ValueError):
            return value

    for path in PARAMS.rglob("*.yaml"):
        found, before = plain_yaml.parse(path.read_bytes()), yaml.safe_load(path.read_bytes())
        assert {name: number(value) for name, value in (found or {}).items()} == {
            name: number(value) for name, value in (before or {}).items()
        }
