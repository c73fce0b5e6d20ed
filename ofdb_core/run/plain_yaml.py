"""The values of a parameter file and of `-p`: YAML 1.2, without its surprising and harmful parts.

`yes` and `1:30` are text and `1e-3` is a number. Numbers are decimal: `010` and `0x10` are text, which a parameter
for a number then refuses. Aliases, tags and a name twice in a mapping are refused; size and depth are bounded.
"""

import re
from typing import Any

import yaml

from ofdb_core.base.values import arms

DEEPEST = 20  # lists and mappings in one another
LARGEST = 2**16  # characters: PyYAML reads some 100,000 a second

WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
WORDS = {"null": None, "true": True, "false": False}
SPELLINGS = {same: value for word, value in WORDS.items() for same in (word, word.capitalize(), word.upper())}
SPELLINGS |= {"~": None, "": None}


def _number(text: str) -> int | float | None:
    """The number that a text is, or None; a ValueError if it has more digits than Python reads."""
    try:
        return int(text) if WHOLE.fullmatch(text) else float(text) if NUMBER.fullmatch(text) else None
    except ValueError as error:
        raise ValueError(f"a number of {len(text):,} digits is too large") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's loader, whose composer refuses aliases, tags and too much depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"*{event.anchor}: aliases are not allowed; write the value out")
        if getattr(event, "tag", None):
            raise yaml.YAMLError(f"{event.tag}: tags are not allowed")
        if self.depth > DEEPEST:
            raise yaml.YAMLError(f"lists and mappings may be nested {DEEPEST} deep at most")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _value(node: Any) -> Any:
    """What a node of YAML stands for."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(entry) for entry in node.value]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None or not isinstance(_value(key), str):
                raise yaml.YAMLError(f"{name or 'a list or mapping'}: is no name; quotes make it one")
            if name in found:
                raise yaml.YAMLError(f"{name}: is there twice")
            found[name] = _value(value)
        return found
    if node.style is not None:  # in quotes, or a block of text
        return node.value
    if node.value in SPELLINGS:
        return SPELLINGS[node.value]
    number = _number(node.value)
    return node.value if number is None else number


def parse(text: str | bytes) -> Any:
    """The value of a text; a ValueError says in one line what is wrong, and where."""
    if len(text) > LARGEST:
        raise ValueError(f"{len(text):,} characters; at most {LARGEST:,} are allowed")
    try:
        node = yaml.compose(text, _Loader)
        return None if node is None else _value(node)
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        position = f"line {where.line + 1}, column {where.column + 1}: " if where else ""
        problem = " ".join(part for part in (error.problem, error.context) if part)
        hint = "a text with ': ' or ' #' in it, or a sign before it, needs quotes"
        raise ValueError(f"{position}{problem}; {hint}") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def value_of(text: str, kind: Any) -> Any:
    """The value that `-p name text` gives to a parameter of an annotated type.

    Text stays as it was typed. null, true and false have their meaning if the type allows them, and a number is
    decimal. Lists and mappings are YAML; a ValueError says what is wrong with it. Anything else stays text, which the
    type then refuses with its own sentence.
    """
    plain = arms(kind)
    if text in WORDS and type(WORDS[text]) in plain:
        return WORDS[text]
    if plain & {int, float} and (number := _number(text)) is not None:
        return number
    if plain & {list, dict} and (str not in plain or text.startswith("[")):  # or else it is a path
        found = parse(text)
        return found if isinstance(found, list | dict) else text
    return text
