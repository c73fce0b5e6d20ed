"""Reasons to run a stage: it has not run, or its inputs, its code or its outputs have changed."""

from collections.abc import Iterator
from pathlib import Path

from ofdb_core.base import files, manifests, provenance, record
from ofdb_core.base.folder import Altered, Folder, summary
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.run import catalogue

CODE = "its code changed"


def reason(stage: str, checked: NotebookParameters, out: Path) -> str | None:
    """The first of the `reasons`; None if there is none."""
    return next(reasons(stage, checked, out), None)


def reasons(stage: str, checked: NotebookParameters, out: Path) -> Iterator[str]:
    """Why a stage must run, each in words; checked: its parameters, out: the experiment's folder."""
    entry, notebook = record.read(out).get(stage), out / f"{stage}.ipynb"
    if entry is None or not notebook.exists():
        yield "it has not run yet"
        return
    if not is_saved(notebook):
        yield f"{notebook.name} was not saved to its end"
    wanted, had = manifests.portable(checked.identity(), out), {**checked.defaults(), **entry["parameters"]}
    if changed := [name for name in wanted if wanted[name] != had.get(name)]:
        yield "changed: " + ", ".join(f"{name} {had.get(name)} -> {wanted[name]}" for name in changed)
    if entry["code"] != provenance.code_version(stage, *checked.code()):
        yield CODE
    if getattr(checked, "changed", None) == "restart" and "outdated" in entry:
        yield f"{entry['outdated']} was made by other code, and changed is restart"
    read = [*manifests.portable(list(checked.reads()), out), record.FILE]
    for name, digest in entry["reads"].items():
        if name not in read:
            yield f"{name} is not read any more"
        elif problem := _changed(out, stage, name, digest):
            yield problem
    for name, digest in entry["writes"].items():
        if problems := Folder(out / name).verify(digest):
            yield f"{name} is not as it was written ({summary(problems)})"
    own = Own(out).listed()
    for name in catalogue.stages()[stage].pages:
        if name in own and not (out / name).is_file():
            yield f"{name} is missing"
    for name in record.altered_figures(out, entry):
        yield f"{name} is missing or altered"


def _changed(out: Path, stage: str, name: str, digest: str) -> str | None:
    """What happened to an input since a stage read it, in words, or None."""
    try:
        return None if record.digest_of(out, stage, name) == digest else f"{name} changed"
    except Altered as error:
        return str(error)


def is_saved(notebook: Path) -> bool:
    """Whether a notebook was saved after its last cell: not cut off by a full disk or a killed process."""
    try:
        return bool(files.read_json(notebook)["metadata"]["papermill"]["end_time"])
    except (ValueError, KeyError, TypeError):
        return False
