"""The experiments: folders of parameter files, what each builds upon, and what it says of itself.

A folder within an experiment's is a variant of it, as 2d-ofdb-1k/vit-base. Any folder may hold an `experiment.yaml`:

    about: one line for `list`; where there is none, the title of the report is one
    extends: 2d-ofdb-1k   # the experiment that it builds upon in place of the folder around it; null: none

It has all stages and parameters of what it builds upon, and its files hold what differs. `--params DIR` names a folder
of further experiments. Nothing here imports what takes long, so that listing and completing are quick.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ofdb_core.base import project
from ofdb_core.base.values import nearest, shown
from ofdb_core.run import plain_yaml

PARAMS = project.PARAMS
SHARED = "shared"  # the folder of params/ that holds what several experiments extend
ABOUT = "experiment.yaml"
EXTENDS = "extends"
ELSEWHERE = "OFDB_PARAMS"  # the environment variable that --params sets


class UsageError(ValueError):
    """A command that cannot be carried out; the message says what to do."""


def roots() -> list[Path]:
    """The folders of experiments: the user's, if there is one, and the project's."""
    given = os.environ.get(ELSEWHERE)
    return [*([Path(given).resolve()] if given else []), PARAMS]


def named(path: Path) -> str:
    """A file of params/, below the project's folder; of the user's, its path."""
    return path.relative_to(PARAMS.parent).as_posix() if path.is_relative_to(PARAMS) else str(path)


def found() -> dict[str, Path]:
    """Experiment or variant -> its folder, which holds parameter files; in order."""
    every: dict[str, Path] = {}
    for root in roots():
        if not root.is_dir():
            raise UsageError(f"{root}: is no folder of experiments; `ofdb init DIR` makes a project, which has one")
        own = {path.parent.relative_to(root).as_posix(): path.parent for path in root.glob("*/**/*.yaml")}
        own = {name: place for name, place in own.items() if name.split("/")[0] != SHARED}
        if not own:
            around = f"; is it one itself? then give the folder around it, {root.parent}" * any(root.glob("*.yaml"))
            raise UsageError(f"{root}: holds no experiment, which is a folder of files as 4_pretrain.yaml{around}")
        if taken := sorted(own.keys() & every.keys()):
            raise UsageError(f"{every[taken[0]]}: {taken[0]} is the name of an experiment of {root}, too; give another")
        every |= own
    return dict(sorted(every.items()))


def require(name: str, every: Mapping[str, Path], commands: Iterable[str] = ()) -> Path:
    """The folder of an experiment; a UsageError with the one, or the command, that may be meant where there is none."""
    if name not in every:
        raise UsageError(f"{name}: no such experiment{nearest(name, [*every, *commands])}; {_known(every)}")
    return every[name]


def _known(every: Collection[str]) -> str:
    """The experiments in a line; their variants are too many for one."""
    top = [name for name in every if not any(name.startswith(f"{other}/") for other in every)]
    return f"there are {', '.join(top)}; `list` shows their variants, too"


def mapping(path: Path) -> dict[str, Any]:
    """What a parameter file holds, name -> value; a UsageError names the file."""
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            values = plain_yaml.parse(file.read(plain_yaml.LARGEST + 1))
    except (ValueError, OSError) as error:
        raise UsageError(f"{named(path)}: cannot be read ({error})") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise UsageError(f"{named(path)}: must hold lines 'name: value'")
    return values


def facts(folder: Path) -> dict[str, str | None]:
    """What an experiment's folder says of itself: `about` and `extends`, as far as it does."""
    path = folder / ABOUT
    values = mapping(path) if path.exists() else {}
    for name, value in values.items():
        if name not in ("about", EXTENDS):
            hint = nearest(name, ("about", EXTENDS))
            raise UsageError(f"{named(path)}: {name}: unknown; it may say about and {EXTENDS}{hint}")
        if not isinstance(value, str) and not (name == EXTENDS and value is None):
            raise UsageError(f"{named(path)}: {name}: {shown(value)} is not allowed; allowed is text")
    return values


def lineage(name: str, every: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Experiment -> folder, from what it builds upon at the bottom up to itself."""
    every = found() if every is None else every
    line = {name: require(name, every)}
    while (base := _base(name, every)) is not None:
        if base in line:
            raise UsageError(f"{named(line[name] / ABOUT)}: {EXTENDS}: {base!r} leads in a circle")
        line[base], name = every[base], base
    return dict(reversed(line.items()))


def _base(name: str, every: Mapping[str, Path]) -> str | None:
    """What an experiment builds upon; None: the notebooks' own values alone."""
    said = facts(every[name])
    if EXTENDS not in said:
        words = name.split("/")
        around = ["/".join(words[:i]) for i in range(len(words) - 1, 0, -1)]
        return next((place for place in around if place in every), None)
    base = said[EXTENDS]
    if base is not None and base not in every:
        hint = f"{nearest(base, every)}; {_known(every)}"
        raise UsageError(f"{named(every[name] / ABOUT)}: {EXTENDS}: {base!r} is no experiment{hint}")
    return base


def bare(name: str) -> str | None:
    """The sentence that tells of an experiment which builds upon none and does not say so; None where all is said."""
    bottom, folder = next(iter(lineage(name).items()))
    if EXTENDS in facts(folder):
        return None
    return (
        f"{bottom}: builds upon no other experiment, so what its files do not set is as in the notebooks; a line "
        f"'{EXTENDS}: EXPERIMENT' in {named(folder / ABOUT)} makes it one's variant ('{EXTENDS}: null': so it is meant)"
    )


def stages(name: str, every: Mapping[str, Path] | None = None) -> list[str]:
    """The names of an experiment's parameter files, its own and those of what it builds upon, in order."""
    files = [path for place in lineage(name, every).values() for path in place.iterdir() if path.suffix == ".yaml"]
    return sorted({path.stem for path in files if path.name != ABOUT and not path.name.startswith(".")})
