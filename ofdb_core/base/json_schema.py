"""The JSON Schema of an annotated type, by which an editor marks what `values.refusal` refuses."""

import types
import typing
from typing import Annotated, Any, Literal

from ofdb_core.base.values import Length, PathOf, Range

Schema = dict[str, Any]

PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", dict: "object", types.NoneType: "null"}
NUMBERS = {"type": "number"}


def of(kind: Any) -> Schema:
    """The schema of the values that a type allows."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _bounded(of(args[0]), args[1:])
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of(arm) for arm in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is list:
        return {"type": "array", "items": of(args[0])}
    return {"type": PLAIN[kind]}


def _bounded(schema: Schema, bounds: tuple[Any, ...]) -> Schema:
    """A schema with the bounds of an annotation; a range on a list or mapping applies to each number in it."""
    for bound in bounds:
        if isinstance(bound, Length):
            schema |= {"minItems": bound.low, "maxItems": bound.high}
            schema |= {"uniqueItems": True} if bound.once else {}
        elif isinstance(bound, PathOf):
            schema |= {"minLength": 1}
        elif isinstance(bound, Range) and schema["type"] == "array":
            schema["items"] |= _range(bound)
        elif isinstance(bound, Range) and schema["type"] == "object":
            schema |= {"additionalProperties": {"if": NUMBERS, "then": _range(bound)}}
        elif isinstance(bound, Range):
            schema |= _range(bound)
    return schema


def _range(bound: Range) -> Schema:
    low = "exclusiveMinimum" if bound.above else "minimum"
    limits = {low: bound.low, "maximum": bound.high}
    return {name: value for name, value in limits.items() if value is not None}
