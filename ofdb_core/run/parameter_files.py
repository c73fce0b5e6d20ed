"""Parameter files: what params/<experiment>/ changes of the notebooks' own values, and what the command line changes.

A folder within an experiment's is a variant of it, as 2d-ofdb-1k/vit-base: it has all of the experiment's parameters
and holds those that differ. A file may begin with `extends: shared/<name>`, whose values it then has, too. How values
are written, and what of YAML is not taken, says `plain_yaml`.
"""

import ast
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ofdb_core.base import provenance
from ofdb_core.base.parameters import ParameterError, StageParameters, suggestion
from ofdb_core.base.values import nearest, shown
from ofdb_core.run import plain_yaml, road

PARAMS = provenance.PROJECT / "params"
SHARED = "shared"  # the folder of params/ that holds what several experiments extend
EXTENDS = "extends"


class UsageError(ValueError):
    """A command that cannot be carried out; the message says what to do."""


class Setting(NamedTuple):
    """A value, and the file that it comes from, below the project's folder."""

    value: Any
    origin: str


def names() -> list[str]:
    """The experiments and their variants: folders of params/ that hold parameter files."""
    if not PARAMS.is_dir() or not provenance.NOTEBOOKS.is_dir():
        raise UsageError(
            f"{PARAMS.parent}: has no params/ and notebooks/; they are in a clone of the project: run the command there"
        )
    found = {path.parent.relative_to(PARAMS).as_posix() for path in PARAMS.glob("*/**/*.yaml")}
    return sorted(name for name in found if name.split("/")[0] != SHARED)


def notebooks(experiment: str) -> list[str]:
    """The stages of an experiment, in order."""
    if experiment not in names():
        raise UsageError(
            f"{experiment}: no such experiment{nearest(experiment, names())}; there are {', '.join(names())}"
        )
    known = {f"{name}.yaml": name for name in road.stages()}
    paths = [path for place in _places(experiment) for path in place.iterdir() if not path.name.startswith(".")]
    present = sorted({path.name for path in paths if not path.is_dir()})
    for name in present:
        if name not in known:
            raise UsageError(f"params/{experiment}: {name}: named after no notebook{nearest(name, known)}")
    return [known[name] for name in present]


def _places(experiment: str) -> list[Path]:
    """The folders of an experiment's parameters: its own last, before it those of what it is a variant of."""
    words = experiment.split("/")
    return [PARAMS.joinpath(*words[: i + 1]) for i in range(len(words))]


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
    """Parameter name -> value and file, from params/<experiment>/<stage>.yaml and all that it builds upon."""
    changed: dict[str, Setting] = {}
    for path in (place / f"{stage}.yaml" for place in _places(experiment)):
        if path.exists():
            changed |= _read(path)
    return changed


def changes(experiment: str, stage: str) -> dict[str, Any]:
    """Parameter name -> value, as `settings`."""
    return {name: setting.value for name, setting in settings(experiment, stage).items()}


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Setting]:
    name = path.relative_to(PARAMS.parent).as_posix()
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            found = plain_yaml.parse(file.read(plain_yaml.LARGEST + 1))
    except (ValueError, OSError) as error:
        raise UsageError(f"{name}: cannot be read ({error})") from error
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise UsageError(f"{name}: must hold lines 'name: value'")
    if "out" in found:
        raise UsageError(f"{name}: out is not allowed here; give --out DIR")
    base = found.pop(EXTENDS, None)
    own = {key: Setting(value, name) for key, value in found.items()}
    return own if base is None else {**_extended(name, base, (*seen, path)), **own}


def _extended(name: str, base: object, seen: tuple[Path, ...]) -> dict[str, Setting]:
    """The settings of what a file extends."""
    path = PARAMS / f"{base}.yaml"
    known = sorted(path.relative_to(PARAMS).with_suffix("").as_posix() for path in (PARAMS / SHARED).glob("*.yaml"))
    try:
        there = isinstance(base, str) and path.resolve().is_relative_to(PARAMS.resolve()) and path.is_file()
    except (OSError, RuntimeError, ValueError):  # too long a name, a link to itself, no name at all
        there = False
    if not there:
        hint = nearest(str(base), known)
        raise UsageError(f"{name}: extends: {shown(base)} is no file of params/{hint}; there are {', '.join(known)}")
    if path in seen:
        raise UsageError(f"{name}: extends: {base!r} leads in a circle")
    return _read(path, seen)


def checked(
    experiment: str, chosen: Sequence[str], overrides: Iterable[tuple[str, str]], out: Path
) -> dict[str, StageParameters]:
    """Stage -> checked parameters, for the chosen stages.

    overrides: (name, text) pairs; a name goes to every chosen stage that has it, `stage.name` to that one. All mistakes
    of all stages are reported in one ParameterError, before anything runs.
    """
    classes = {stage: road.stages()[stage].parameters for stage in chosen}
    values, known = {}, {}
    for stage in chosen:
        known[stage] = {name: value for name, (value, _) in defaults(stage).items()}
        values[stage] = {**classes[stage].layered(known[stage], changes(experiment, stage)), "out": str(out)}
    problems, given = [], {stage: dict[str, Any]() for stage in chosen}
    for name, text in overrides:
        stage, _, short = name.rpartition(".")
        takers = [taker for taker in chosen if short in known[taker] and stage in ("", taker)]
        if not takers or short == "out":
            hint = suggestion(short, [classes[stage]] if stage in classes else list(classes.values()))
            problems.append(f"-p {name}: unknown parameter of {', '.join(chosen)}{hint}")
        for taker in takers:
            try:
                given[taker][short] = plain_yaml.value_of(text, classes[taker].kinds()[short])
            except ValueError as error:
                problems.append(f"-p {name}: {shown(text)} cannot be read ({error})")
    made = {}
    for stage, parameters in classes.items():
        try:
            made[stage] = parameters.of(parameters.located(parameters.layered(values[stage], given[stage])))
        except ParameterError as error:
            problems += [f"{stage}: {problem}" for problem in error.problems]
        except OSError as error:  # a file that a parameter names
            problems.append(f"{stage}: {error}")
    if problems:
        raise ParameterError(dict.fromkeys(problems))
    return made
