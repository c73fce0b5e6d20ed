"""The experiments: one file each, params/<experiment>.yaml, and what each builds upon.

    about: one line for `list`; without it, the title of the report
    extends: 2d-ofdb-1k         # an experiment whose stages and values it has, too
    stages: [4_pretrain]        # only these of its stages; left out: all
    sweep: {steps: [500, 1000]} # the grid of `sweep`: lists of values, and seeds: their number
    4_pretrain:                 # a stage, and its changed values; `{}`: none
      steps: 1000
    variants:                   # experiments that build upon this one, as NAME/longer; each of the same form
      longer:
        4_pretrain: {steps: 2000}

A variant builds upon the experiment around it, then upon what it extends; what both build upon counts once, below both.
`shared.yaml` holds what several experiments extend, and no experiment. `--params DIR` names a folder of further
files. Nothing here imports slow modules, so that listing and completing are quick.
"""

import contextlib
import copy
import functools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofdb_core.base import project
from ofdb_core.base.values import nearest, refusal, shown
from ofdb_core.run import plain_yaml

PARAMS = project.PARAMS
SHARED = "shared"  # the file that holds what several experiments extend
TITLED = "6_report"  # the stage whose title describes an experiment without `about`
# what a file says beside its stages
WORDS: dict[str, Any] = {"about": str, "extends": str | None, "stages": list[str]}
WORDS |= {"sweep": dict | None, "variants": dict | None}
PARAMS_VARIABLE = "OFDB_PARAMS"  # the environment variable that --params sets


class UsageError(ValueError):
    """A command that cannot be carried out; the message says what to do."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn errors that refuse a value or a file into a `UsageError`."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error


@dataclass(frozen=True)
class Experiment:
    """An experiment as its file states it, without inherited values; sections: stage -> parameter name -> value."""

    name: str
    path: Path
    sections: dict[str, dict[str, Any]]
    about: str | None = None
    extends: str | None = None
    stages: list[str] | None = None
    sweep: dict[str, Any] | None = None

    @property
    def origin(self) -> str:
        """Its file (by its path, or below the project's folder) and the variant in it."""
        variant = self.name.partition("/")[2]
        return f"{_named(self.path)}{f' ({variant})' if variant else ''}"

    @property
    def subject(self) -> str:
        """What it is, in a line: its `about`, or else the title of its report."""
        return self.about or str(self.sections.get(TITLED, {}).get("title", ""))


Experiments = Mapping[str, Experiment]


def _named(path: Path) -> str:
    return path.relative_to(PARAMS.parent).as_posix() if path.is_relative_to(PARAMS) else str(path)


def roots() -> list[Path]:
    """The folders of experiments: the user's, if there is one, and the project's."""
    folder = os.environ.get(PARAMS_VARIABLE)
    return [*([Path(folder).resolve()] if folder else []), PARAMS]


def found() -> dict[str, Experiment]:
    """Name -> experiment or variant, in order, shared ones included."""
    every: dict[str, Experiment] = {}
    for root in roots():
        if not root.is_dir():
            raise UsageError(f"{root}: is no folder of experiments; `ofdb init DIR` makes a project, which has one")
        paths = [path for path in root.iterdir() if path.suffix == ".yaml" and not path.name.startswith(".")]
        own = {each.name: each for path in paths for each in _read(path.stem, path, mapping(path))}
        if not own:
            raise UsageError(f"{root}: holds no experiment, a file such as quickstart.yaml")
        if taken := sorted(own.keys() & every.keys()):
            raise UsageError(f"{every[taken[0]].path}: {taken[0]} is an experiment of {root}, too; give another name")
        every |= own
    return dict(sorted(every.items()))


def mapping(path: Path) -> dict[str, Any]:
    """The content of a YAML file, name -> value; a UsageError names the file."""
    try:
        if not path.is_file():
            raise ValueError("it is no file, or a link to nowhere")
        with path.open("rb") as file:
            found = copy.deepcopy(_parsed(file.read(plain_yaml.LARGEST + 1)))
    except (ValueError, OSError) as error:
        raise UsageError(f"{_named(path)}: cannot be read ({error})") from error
    if not isinstance(found, dict | None):
        raise UsageError(f"{_named(path)}: must hold lines 'name: value'")
    return found or {}


@functools.lru_cache(maxsize=64)
def _parsed(data: bytes) -> Any:
    """The value of a file's bytes: one command asks for each file many times, and parsing takes most of its start."""
    return plain_yaml.parse(data)


def _read(name: str, path: Path, said: Mapping[str, Any]) -> Iterator[Experiment]:
    """An experiment and its variants, from the mapping of a file or of a part of it."""
    where, sections = f"{_named(path)}: {name}", dict[str, Any]()
    for key, value in said.items():
        if sentence := refusal(key, value, WORDS.get(key, dict | None)):
            neither = f"{key}: {shown(value)}: neither a stage with its parameters nor one of {', '.join(WORDS)}"
            raise UsageError(f"{where}: {sentence if key in WORDS else neither + nearest(key, WORDS)}")
        if key not in WORDS:
            sections[key] = value or {}
    words = {key: said.get(key) for key in WORDS if key != "variants"}
    yield Experiment(name, path, sections, **words)
    for variant, inside in (said.get("variants") or {}).items():
        if not isinstance(inside, dict) or "/" in variant or not variant:
            raise UsageError(f"{where}: variants: {variant}: must be a name without '/', and hold what differs")
        yield from _read(f"{name}/{variant}", path, inside)


def names(every: Experiments | None = None) -> list[str]:
    """The experiments and variants that can be run: those with a stage."""
    every = found() if every is None else every
    return [name for name in every if name.split("/")[0] != SHARED and stages(name, every)]


def require(name: str, every: Experiments, commands: Iterable[str] = ()) -> Experiment:
    """An experiment; if it does not exist, a UsageError names a similar one, or a command."""
    if name not in every:
        where = " and ".join(map(str, roots()))
        hint = nearest(name, [*every, *commands])
        raise UsageError(f"{name}: no such experiment{hint}; {_known(every)} (in {where})")
    return every[name]


def _known(every: Collection[str]) -> str:
    """The experiments in a line; their variants are too many for one."""
    top = [name for name in every if "/" not in name and name != SHARED]
    return f"there are {', '.join(top)}; `list` shows their variants, too"


def lineage(name: str, every: Experiments | None = None, above: tuple[str, ...] = ()) -> list[Experiment]:
    """The experiments that one extends, from the farthest on, and itself; each once; above: those that extend it."""
    every = found() if every is None else every
    one, line = require(name, every), dict[str, Experiment]()
    if name in above:
        raise UsageError(f"{one.origin}: extends: {one.extends!r} leads in a circle")
    for base in filter(None, (name.rpartition("/")[0], one.extends)):
        if base not in every:
            hint = f"{nearest(base, every)}; {_known(every)}"
            raise UsageError(f"{one.origin}: extends: {base!r} is no experiment{hint}")
        line |= {each.name: each for each in lineage(base, every, (*above, name))}
    return [*line.values(), one]


def sweep(name: str) -> dict[str, Any]:
    """The `sweep` section of an experiment, or of the nearest one that it extends."""
    return next((one.sweep for one in reversed(lineage(name)) if one.sweep), {})


def stages(name: str, every: Experiments | None = None) -> list[str]:
    """The names of an experiment's stages, its own and inherited ones, in order."""
    have: set[str] = set()
    for one in lineage(name, every):
        have |= one.sections.keys()
        if one.stages is not None:
            if strange := [stage for stage in one.stages if stage not in have]:
                raise UsageError(f"{one.origin}: stages: {strange[0]} is none of {', '.join(sorted(have))}")
            have &= {*one.stages, *one.sections}
    return sorted(have)
