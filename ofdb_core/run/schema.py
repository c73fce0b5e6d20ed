"""The JSON Schema of an experiment's file, from the types of the parameters, for editors that check it during typing.

`./run_all.sh schema > params/schema.json` writes it; the first line `# yaml-language-server: $schema=schema.json` of a
file names it.
"""

from typing import Any

from ofdb_core.base import json_schema
from ofdb_core.base.json_schema import Schema
from ofdb_core.base.parameters import NotebookParameters, Parameters
from ofdb_core.run import catalogue

DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that yaml-language-server supports fully


def schema() -> dict[str, Any]:
    """The schema of params/<experiment>.yaml."""
    every = {name: _of_stage(stage.parameters) for name, stage in catalogue.stages().items()}
    about: dict[str, Schema] = {
        "about": {"type": "string", "description": "what the experiment is, in one line, for `list`"},
        "extends": {"type": "string", "description": "the experiment whose stages and values this one has, too"},
        "stages": {"type": "array", "items": {"type": "string"}, "description": "of these stages only some"},
        "sweep": {"type": "object", "description": "the grid of `sweep`: lists of values, and the number of seeds"},
        "variants": {"type": "object", "additionalProperties": {"$ref": "#/definitions/experiment"}},
    }
    definitions = {"experiment": _object({**about, **{name: {"$ref": f"#/definitions/{name}"} for name in every}})}
    return {"$schema": DRAFT, "$ref": "#/definitions/experiment", "definitions": {**definitions, **every}}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _of_stage(parameters: type[NotebookParameters]) -> Schema:
    """The schema of a stage's section; an entry of a mapping may be a key by itself, such as live.patches."""
    properties = _properties(parameters)
    properties.pop("out")  # the command sets it
    for name in list(properties):
        parts = parameters.entries(name)
        entries = [{f"{name}.{entry}": about for entry, about in _properties(part).items()} for part in parts]
        for entry in dict.fromkeys(entry for part in entries for entry in part):
            able = [part[entry] for part in entries if entry in part]
            properties[entry] = able[0] if able[:-1] == able[1:] else {"anyOf": able}
    return _object(properties)


def _properties(parameters: type[Parameters]) -> dict[str, Schema]:
    defaults, comments, found = parameters.defaults(), parameters.comments(), {}
    for name, kind in parameters.kinds().items():
        found[name] = {**json_schema.of(kind), "description": comments[name], "default": defaults.get(name)}
        if name == "data" and issubclass(parameters, NotebookParameters):
            found[name]["examples"] = list(parameters.data_names())
    return found
