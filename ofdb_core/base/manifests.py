"""Manifests: what they hold about a folder, and what they share with records."""

import datetime
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Required, TypedDict

from ofdb_core.base import provenance, values

# suffixes of the folder's name, after a dot
MANIFEST = "manifest.json"
PART = "manifest.part"  # while the folder is being filled
LOCK = "manifest.lock"
SEEN = "manifest.seen"  # what need not be read again: see `Folder.verify`
SCHEMA_VERSION = 1  # of manifests and records: see schemas/
LICENSE = "MIT"  # of the project, and of data made from formulas alone


class Header(TypedDict, total=False):
    """What a folder is made from. New parameters or code make it anew; new versions of packages do not."""

    parameters: Required[dict[str, Any]]
    code: Required[str]
    versions: dict[str, str]
    license: str | None  # SPDX; None if it depends on data from elsewhere
    missing: dict[str, str]  # a category without a file -> why


class Manifest(Header, total=False):
    """A header with the folder's files: name -> SHA-256."""

    name: str
    schema_version: int
    date: str
    notes: dict[str, Any]
    files: Required[dict[str, str]]


def header(parameters: Mapping[str, Any], *functions: Callable | str, license: str | None = LICENSE) -> Header:
    """What a folder is made from: the parameters, and the code of these functions with all that they use."""
    code, versions = provenance.code_version(*functions), provenance.versions()
    return {"parameters": dict(parameters), "code": code, "versions": versions, "license": license}


def check_header(head: Any) -> None:
    """Raise ValueError unless `head`, read from a file, is a header."""
    if flaw := values.flaw(head, Header):
        raise ValueError(flaw)


def same(one: Header, other: Header) -> bool:
    """Whether two headers have the same parameters and code."""
    return portable(one["parameters"]) == portable(other["parameters"]) and one["code"] == other["code"]


def dated() -> dict[str, Any]:
    """The version of the schema, the licence, and the day in UTC."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"schema_version": SCHEMA_VERSION, "license": LICENSE, "date": day}


def portable(value: Any, start: str | Path | None = None) -> Any:
    """A parameter's value without absolute paths, in lists and mappings too, for a file that others will read.

    A path, also after a prefix as in local-dir:/a/b, becomes relative to the folder `start`; without it, its last part.
    """
    if isinstance(value, Mapping):
        return {name: portable(inner, start) for name, inner in value.items()}
    if isinstance(value, list):
        return [portable(inner, start) for inner in value]
    if isinstance(value, str) and (path := re.fullmatch(r"(?!\w+://)([\w-]*:)?(/.*)", value, re.DOTALL)):
        return (path[1] or "") + (Path(path[2]).name if start is None else os.path.relpath(path[2], start))
    return value


def text(facts: Mapping[str, Any]) -> str:
    """A manifest or a record as the text of its file."""
    return json.dumps(facts, indent=1) + "\n"
