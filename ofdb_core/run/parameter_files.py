"""Parameter files: what an experiment changes of the notebooks' own values, and what the command line changes.

A file may begin with `extends: shared/<name>`, whose values it then has, too. What an experiment builds upon says
`experiments`; how values are written, and what of YAML is not taken, `plain_yaml`.
"""

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ofdb_core.base import project, provenance
from ofdb_core.base.parameters import NotebookParameters, ParameterError, suggestion
from ofdb_core.base.values import nearest, shown
from ofdb_core.run import experiments, plain_yaml, road
from ofdb_core.run.experiments import ABOUT, EXTENDS, SHARED, UsageError


class Setting(NamedTuple):
    """A value, and the file that it comes from, below the project's folder."""

    value: Any
    origin: str


def names() -> list[str]:
    """The experiments and their variants."""
    return list(experiments.found())


def notebooks(experiment: str) -> list[str]:
    """The stages of an experiment, in order."""
    known = {f"{name}.yaml": name for name in road.stages()}
    places = experiments.lineage(experiment).values()
    paths = [path for place in places for path in place.iterdir() if not path.name.startswith(".")]
    present = {path.name: path for path in paths if not path.is_dir() and path.name != ABOUT}
    for name, path in sorted(present.items()):
        if name not in known:
            place = experiments.named(path.parent)
            raise UsageError(f"{place}: {name}: named after no notebook{nearest(name, known)}")
    return [known[name] for name in sorted(present)]


def _cell(notebook: Path) -> dict[str, tuple[Any, str]]:
    from papermill import inspect_notebook

    found = inspect_notebook(str(notebook))
    return {name: (ast.literal_eval(about["default"]), about["help"]) for name, about in found.items()}


def defaults(stage: str) -> dict[str, tuple[Any, str]]:
    """Parameter name -> (value, comment): from its notebook's `parameters` cell, or, without one, from its class."""
    notebook, parameters = provenance.notebook_of(stage), road.stages()[stage].parameters
    cell = _cell(notebook)
    if notebook.stem == stage:
        return cell
    return {name: value for name, value in cell.items() if name in parameters.kinds()} | parameters.defaults()


def settings(experiment: str, stage: str) -> dict[str, Setting]:
    """Parameter name -> value and file, from <stage>.yaml of an experiment and of all that it builds upon."""
    changed: dict[str, Setting] = {}
    for path in (place / f"{stage}.yaml" for place in experiments.lineage(experiment).values()):
        if path.exists():
            changed |= _read(path)
    return changed


def changes(experiment: str, stage: str) -> dict[str, Any]:
    """Parameter name -> value, as `settings`."""
    return {name: setting.value for name, setting in settings(experiment, stage).items()}


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Setting]:
    name, found = experiments.named(path), experiments.mapping(path)
    if "out" in found:
        raise UsageError(f"{name}: out is not allowed here; give --out DIR")
    base = found.pop(EXTENDS, None)
    own = {key: Setting(value, name) for key, value in found.items()}
    return own if base is None else {**_extended(name, base, (*seen, path)), **own}


def _extended(name: str, base: object, seen: tuple[Path, ...]) -> dict[str, Setting]:
    """The settings of what a file extends."""
    path = _file_of(base)
    if path is None:
        shared = {path: root for root in experiments.roots() for path in (root / SHARED).glob("*.yaml")}
        known = sorted(path.relative_to(root).with_suffix("").as_posix() for path, root in shared.items())
        hint = nearest(str(base), known)
        if base in names():
            hint = f" but an experiment, which {ABOUT} beside this file extends"
        raise UsageError(f"{name}: extends: {shown(base)} is no file of params/{hint}; there are {', '.join(known)}")
    if path in seen:
        raise UsageError(f"{name}: extends: {base!r} leads in a circle")
    return _read(path, seen)


def _file_of(base: object) -> Path | None:
    """The file that a file extends by this name, or None where there is none."""
    try:
        for root in experiments.roots() if isinstance(base, str) else ():
            path = root / f"{base}.yaml"
            if path.resolve().is_relative_to(root.resolve()) and path.is_file():
                return path
    except (OSError, RuntimeError, ValueError):  # too long a name, a link to itself, no name at all
        pass
    return None


def takers(name: str, chosen: Iterable[str]) -> list[str]:
    """The stages that `-p name` reaches: all that have the parameter, or the one that `stage.name` names."""
    stage, _, short = name.rpartition(".")
    able = [one for one in chosen if short in road.stages()[one].parameters.kinds() and short != "out"]
    return [one for one in able if stage in ("", one)]


def checked(
    experiment: str, chosen: Sequence[str], overrides: Iterable[tuple[str, str]], out: Path
) -> dict[str, NotebookParameters]:
    """Stage -> checked parameters, for the chosen stages.

    overrides: (name, text) pairs, for the stages that are its `takers`; a path in it starts at the current folder, one
    in a file at the project's. All mistakes of all stages are reported in one ParameterError, before anything runs.
    """
    classes = {stage: road.stages()[stage].parameters for stage in chosen}
    values = {}
    for stage, parameters in classes.items():
        own = {name: value for name, (value, _) in defaults(stage).items()}
        layered = parameters.layered(own, changes(experiment, stage))
        values[stage] = parameters.located(layered, project.FOLDER) | {"out": str(out)}
    problems, given = [], {stage: dict[str, Any]() for stage in chosen}
    for name, text in overrides:
        stage, _, short = name.rpartition(".")
        if not takers(name, chosen):
            hint = suggestion(short, [classes[stage]] if stage in classes else list(classes.values()))
            problems.append(f"-p {name}: unknown parameter of {', '.join(chosen)}{hint}")
        for taker in takers(name, chosen):
            try:
                value = plain_yaml.value_of(text, classes[taker].kinds()[short])
                given[taker] |= classes[taker].located({short: value}, Path())
            except ValueError as error:
                problems.append(f"-p {name}: {shown(text)} cannot be read ({error})")
    made = {}
    for stage, parameters in classes.items():
        try:
            made[stage] = parameters.of(parameters.layered(values[stage], given[stage]))
        except ParameterError as error:
            problems += [f"{stage}: {problem}" for problem in error.problems]
        except OSError as error:  # a file that a parameter names
            problems.append(f"{stage}: {error}")
    if problems:
        raise ParameterError(dict.fromkeys(problems))
    return made
