"""The JSON Schemas of parameter files, from the types that check the parameters, so that editors check while one types.

One for each stage, one for the files that several extend, and one for `experiment.yaml`, in params/schemas/; a
.vscode/settings.json says which file has which (other editors with yaml-language-server take the same setting).
"""

import json
import typing
from collections.abc import Iterable
from typing import Any

from ofdb_core.base import files, json_schema, project
from ofdb_core.base.json_schema import Schema
from ofdb_core.base.values import Place
from ofdb_core.run import experiments, parameter_files, road

FOLDER = "params/schemas"
EDITOR = ".vscode/settings.json"
DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that yaml-language-server knows whole


def write() -> None:
    """Write them into the project's folder, and say where."""
    for name, text in texts().items():
        files.write_whole(project.OWN / name, text)
        print(project.OWN / name)


def texts() -> dict[str, str]:
    """Name below the project's folder -> text."""
    every = {stage: _of_stage(stage) for stage in road.stages()}
    every["shared"] = _of_all(list(every.values()))
    every["experiment"] = _of_experiment()
    made: dict[str, Any] = {f"{FOLDER}/{name}.json": {"$schema": DRAFT, **schema} for name, schema in every.items()}
    made[EDITOR] = editor(every)
    return {name: json.dumps(value, indent=1, ensure_ascii=False) + "\n" for name, value in made.items()}


def editor(names: Iterable[str]) -> dict[str, Any]:
    """The setting by which an editor finds the schema of a file."""
    places = {"shared": f"params/{experiments.SHARED}/*.yaml"}
    every = {name: places.get(name, f"params/**/{name}.yaml") for name in sorted(names)}
    return {"yaml.schemas": {f"./{FOLDER}/{name}.json": place for name, place in every.items()}}


def _object(properties: dict[str, Schema], **more: Any) -> Schema:
    return {**more, "type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _of_stage(stage: str) -> Schema:
    """The schema of a stage's file."""
    parameters, defaults = road.stages()[stage].parameters, parameter_files.defaults(stage)
    properties = {}
    for name, kind in parameters.kinds().items():
        if name != "out":  # which is the command's
            value, comment = defaults[name]
            about: Schema = {"description": comment, "default": value}
            if Place in (kind, *typing.get_args(kind)) and parameters.data_names() and name == "data":
                about["examples"] = list(parameters.data_names())
            properties[name] = {**json_schema.of(kind), **about}
    extends = {"type": ["string", "null"], "description": "a file of params/, whose values this one has, too"}
    return _object({experiments.EXTENDS: extends, **properties}, title=stage)


def _of_all(stages: list[Schema]) -> Schema:
    """The schema of a file that files of any stage may extend: a parameter is as in one of them."""
    found: dict[str, list[Schema]] = {}
    for stage in stages:
        for name, schema in stage["properties"].items():
            if schema not in found.setdefault(name, []):
                found[name].append(schema)
    return _object({name: every[0] if len(every) == 1 else {"anyOf": every} for name, every in found.items()})


def _of_experiment() -> Schema:
    about = {"type": "string", "description": "what the experiment is, in one line, for `list`"}
    extends = {"type": ["string", "null"], "description": "the experiment that this one builds upon; null: none"}
    return _object({"about": about, experiments.EXTENDS: extends})
