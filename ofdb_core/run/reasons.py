"""Reasons to run a stage: it has not run, or what it depends on, or what it left, has changed."""

import json
from collections.abc import Iterator
from pathlib import Path

from ofdb_core.base import manifests, provenance, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.base.record import Entry


def reason(stage: str, checked: NotebookParameters, out: Path) -> str | None:
    """Why a stage must run, in words; None where it is done, and parameters, inputs and code are unchanged."""
    entry, notebook = record.read(out).get(stage), out / f"{stage}.ipynb"
    if entry is None or not notebook.exists():
        return "it has not run yet"
    if not _is_saved(notebook):
        return f"{notebook.name} was not saved to its end"
    every = (_parameters(checked, entry, out), _code(stage, checked, entry), _inputs(stage, checked, entry, out))
    return next((sentence for reasons in (*every, _results(entry, out)) for sentence in reasons), None)


def _is_saved(notebook: Path) -> bool:
    """Whether a notebook was saved after its last cell: not cut off by a full disk or a killed process."""
    try:
        return bool(json.loads(notebook.read_bytes())["metadata"]["papermill"]["end_time"])
    except (ValueError, KeyError, TypeError):
        return False


def _parameters(checked: NotebookParameters, entry: Entry, out: Path) -> Iterator[str]:
    wanted, had = manifests.portable(checked.identity(), out), entry["parameters"]
    if changed := [name for name in wanted if wanted[name] != had.get(name)]:
        yield "changed: " + ", ".join(f"{name} {had.get(name)} -> {wanted[name]}" for name in changed)


def _code(stage: str, checked: NotebookParameters, entry: Entry) -> Iterator[str]:
    if entry["code"] != provenance.code_version(stage, *checked.code()):
        yield "its code changed"
    if getattr(checked, "changed", None) == "restart" and "outdated" in entry:
        yield f"{entry['outdated']} was made by other code, and changed is restart"


def _inputs(stage: str, checked: NotebookParameters, entry: Entry, out: Path) -> Iterator[str]:
    today = [*manifests.portable(list(checked.reads()), out), record.FILE]
    for name, digest in entry["reads"].items():
        if name not in today:
            yield f"{name} is not read any more"
        elif record.digest_of(out, stage, name) != digest:
            yield f"{name} changed"


def _results(entry: Entry, out: Path) -> Iterator[str]:
    for name, digest in entry["writes"].items():
        if problems := Folder(out / name).verify(digest):
            yield f"{name} is not as it was written ({problems[0]})"
    for name in record.altered_figures(out, entry):
        yield f"{name} is missing or altered"
