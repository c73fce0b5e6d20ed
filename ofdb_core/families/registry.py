"""The registry of families: what the runner, training, the report, the explorer, benchmarks and tests know of them.

A family's file in this folder ends with `FAMILY = Family(...)` and is found by its being there. Files elsewhere are
named by the environment variable OFDB_FAMILIES, as PATH names folders.
"""

import functools
import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ofdb_core.base import provenance
from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.data.samples import Drawing, Samples, open_images

ELSEWHERE = "OFDB_FAMILIES"
VARIED = ("live_delta", "live_weights")  # what only systems can do


@dataclass(frozen=True)
class Stage:
    """A notebook's work: its parameters and the folders that it writes.

    write(parameters) fills the folders below `parameters.out` (None: the notebook itself or another wing does); small:
    values for a run of a second; check: 'module:function', called with the parameters before anything runs.
    """

    name: str
    parameters: type[NotebookParameters]
    writes: tuple[str, ...] = ()
    write: Callable[[Any], object] | None = None
    small: dict[str, Any] = field(default_factory=dict)
    check: str | None = None


@dataclass(frozen=True)
class Source:
    """A folder that training can draw samples from: opens(root, drawing) gives them.

    live: they are drawn while training; codes: from systems, whose coefficients may vary; suits(root): whether a
    folder of the user's holds such files, and is opened so, too.
    """

    folder: str
    opens: Callable[[Path, Drawing], Samples] = open_images
    live: bool = False
    codes: bool = False
    suits: Callable[[Path], bool] | None = None


@dataclass(frozen=True)
class Family:
    """A family of formula-driven images.

    name: in the names of its stage and benchmark; stages: in order, the last one writes the images or views; sources:
    what training may name as its `data`; picture(parameters of the last stage, category) -> (H, W) or (H, W, 3) uint8;
    goldens: sentences about the original's bytes, and whether they hold; published: values of the published set;
    properties(parameters of the last stage, category) -> numbers by name, for the gallery to sort by; meanings: of each
    property, a phrase.
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]
    picture: Callable[[Any, int], np.ndarray]
    goldens: Callable[[], Iterator[tuple[str, bool]]]
    published: dict[str, Any] = field(default_factory=dict)
    properties: Callable[[Any, int], dict[str, float]] | None = None
    meanings: dict[str, str] = field(default_factory=dict)

    def example(self, **values: Any) -> Any:
        """Parameters of the last stage by the published values, and these."""
        given = {"out": "", "seed": 0, "workers": 0, "categories": 1, **self.published, **values}
        return self.stages[-1].parameters.of(given)

    @property
    def cover(self) -> str:
        """The name of the figure that shows the data set."""
        return f"{self.stages[-1].name}_contact_sheet"


def together(every: Iterable[Family]) -> dict[str, Family]:
    """Name -> family; a name of a family, stage or folder that another has taken is a ParameterError."""
    known: dict[str, Family] = {}
    for family in every:
        for other in known.values():
            _refuse_taken(family, other)
        known[family.name] = family
    return known


def _refuse_taken(family: Family, other: Family) -> None:
    for kind, here, there in (
        ("name", {family.name}, {other.name}),
        ("stages", {stage.name for stage in family.stages}, {stage.name for stage in other.stages}),
        ("sources", {source.folder for source in family.sources}, {source.folder for source in other.sources}),
        ("writes", _written(family), _written(other)),
    ):
        if here & there:
            raise ParameterError([f"{kind}: {min(here & there)} is taken by {other.title}; choose another"])


def _written(family: Family) -> set[str]:
    return {name for stage in family.stages for name in stage.writes}


@functools.cache
def _found() -> dict[str, Family]:
    package = importlib.import_module(__package__)
    modules = [importlib.import_module(f"{__package__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    modules += [_loaded(path) for path in _elsewhere()]
    return together(module.FAMILY for module in modules if hasattr(module, "FAMILY"))


def _elsewhere() -> list[Path]:
    """The files that OFDB_FAMILIES names; it then names them for processes that start in other folders, too."""
    paths = [Path(path).absolute() for path in os.environ.get(ELSEWHERE, "").split(os.pathsep) if path]
    if paths:
        os.environ[ELSEWHERE] = os.pathsep.join(map(str, paths))
    return paths


def _loaded(path: Path) -> ModuleType:
    """The module of a family's file outside the package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ParameterError([f"{ELSEWHERE}: {path} is no Python file; it names files, joined by {os.pathsep!r}"])
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not isinstance(getattr(module, "FAMILY", None), Family):
        raise ParameterError([f"{ELSEWHERE}: {path} does not end with FAMILY = Family(...)"])
    return module


def families() -> dict[str, Family]:
    """Name -> family, in the order of their stages."""
    return dict(sorted(_found().items(), key=lambda item: item[1].stages[-1].name))


def family_of(stage: str) -> Family:
    """The family that a stage belongs to."""
    return next(family for family in families().values() if stage in {own.name for own in family.stages})


def stage_of(name: str) -> Stage:
    """The stage of this name."""
    return next(stage for stage in family_of(name).stages if stage.name == name)


def served_stages() -> list[str]:
    """The stages that have no notebook of their own, so that the shared one runs them."""
    every = [stage.name for family in families().values() for stage in family.stages]
    return [name for name in every if provenance.notebook_of(name).stem != name]


def sources() -> dict[str, Source]:
    """Folder -> source, of all families: what training may name as its `data`."""
    return {source.folder: source for family in families().values() for source in family.sources}


def source_of(data: str, root: Path) -> Source:
    """The source that `data` names, or that suits the files in the user's folder root."""
    if data in sources():
        return sources()[data]
    for source in sources().values():
        if source.suits and root.is_dir() and source.suits(root):
            return source
    return Source(root.name)


def misfit(data: str, source: Source, drawing: Drawing) -> str | None:
    """The sentence that refuses a way of drawing samples from a source, or None where it suits."""
    if source.live == (drawing.samples == "live"):
        varied = source.live and not source.codes and [name for name in VARIED if getattr(drawing, name)]
        return f"{varied[0]}: needs systems; data: {data} has none ({_named('codes')} have)" if varied else None
    refused = f"samples: {drawing.samples} does not suit data: {data}"
    if source.live:
        return f"{refused}, whose files are rendered while training: give samples: live"
    return f"{refused}; only these are rendered while training: {_named('live')}"


def _named(what: str) -> str:
    """The sources that are `live`, or have `codes`."""
    return ", ".join(source.folder for source in sources().values() if getattr(source, what))


def fitting(data: str, root: Path, drawing: Drawing) -> Source:
    """The source that `data` names, or that suits the folder root; a ValueError where samples cannot be drawn so."""
    source = source_of(data, root)
    if sentence := misfit(data, source, drawing):
        raise ValueError(sentence)
    return source


def samples(data: str, root: Path, drawing: Drawing) -> Samples:
    """The samples to train on, from the folder root that `data` names; a ValueError where they cannot be drawn so."""
    return fitting(data, root, drawing).opens(root, drawing)
