"""The registry of families: what the runner, training, the report, the explorer, benchmarks and tests know of them.

A family's file in this folder ends with `FAMILY = Family(...)` and is found by itself. The environment variable
OFDB_FAMILIES lists files elsewhere, as PATH lists folders.
"""

import functools
import hashlib
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ofdb_core.base import provenance
from ofdb_core.base.parameters import NotebookParameters, ParameterError, Parameters
from ofdb_core.data import forms, scenes
from ofdb_core.data.decoding import extensions
from ofdb_core.data.layout import class_files
from ofdb_core.data.samples import open_images

FAMILIES_VARIABLE = "OFDB_FAMILIES"


@dataclass(frozen=True)
class Stage:
    """A notebook's work: its parameters and the folders that it writes.

    write(parameters) fills the folders below `parameters.out` (None: the notebook itself or another wing does); small:
    values for a run of a second; check: 'module:function', called with the parameters before anything runs; pages:
    files that it writes beside its folders; counts: the parameter that says how much is written.
    """

    name: str
    parameters: type[NotebookParameters]
    writes: tuple[str, ...] = ()
    write: Callable[[Any], object] | None = None
    small: dict[str, Any] = field(default_factory=dict)
    check: str | None = None
    pages: tuple[str, ...] = ()
    counts: str = "categories"


@dataclass(frozen=True)
class Source:
    """A folder that training can draw samples from.

    folder: its name in an experiment's folder, and for `data`; live: the class of parameters for samples drawn from
    its files during training; None: its files are images. opens(root, parameters, cache_bytes) returns live samples,
    opens(root, one, cache_bytes) those of images; codes: the files are systems; suits(root): whether a user's folder
    holds such files, and can be opened likewise; functions: those that the samples depend on (none: `opens` alone);
    masks: what is opened are `scenes.Scenes`; ground: the gray of pixels that show nothing, from which masks of other
    samples follow (None: every pixel shows something).
    """

    folder: str
    opens: Callable[[Path, Any, int], Any] = open_images
    live: type[Parameters] | None = None
    codes: bool = False
    suits: Callable[[Path], bool] | None = None
    functions: tuple[Callable, ...] = ()
    masks: bool = False
    ground: int | None = 0

    def code(self) -> tuple[Callable, ...]:
        """The functions whose code the samples depend on."""
        return self.functions or (self.opens,)

    def files(self, root: Path) -> tuple[list[Path], list[int], list[str]]:
        """Paths, labels and class names of the images in the folder, to look at; of scenes, see `scenes.listed`."""
        return scenes.listed(root) if self.masks else class_files(root, "image", extensions())


@dataclass(frozen=True)
class Family:
    """A family of formula-driven images.

    name: in the names of its stage and benchmark; stages: in order, the last one writes the images or views; sources:
    folders that training may name as `data`; picture(parameters of the last stage, category) -> (H, W) or (H, W, 3)
    uint8; goldens: sentences about the original's bytes, and whether they hold; properties(parameters of the last
    stage, category) -> numbers by name, for the gallery to sort by; meanings: a phrase for each property; kind: of the
    codes, if the family has them (see `coded.Kind`).
    """

    name: str
    title: str
    stages: tuple[Stage, ...]
    sources: tuple[Source, ...]
    picture: Callable[[Any, int], np.ndarray]
    goldens: Callable[[], Iterator[tuple[str, bool]]]
    properties: Callable[[Any, int], dict[str, float]] | None = None
    meanings: dict[str, str] = field(default_factory=dict)
    kind: Any = None

    def example(self, **values: Any) -> Any:
        """Parameters of the last stage: the published values, with these changes."""
        return self.stages[-1].parameters.of(values)

    def names(self) -> Iterator[tuple[str, str]]:
        """The names that no other family may have, each with the field that it stands in."""
        yield "name", self.name
        yield from (("stages", stage.name) for stage in self.stages)
        yield from (("sources", source.folder) for source in self.sources)
        yield from (("writes", folder) for stage in self.stages for folder in stage.writes)

    @property
    def cover(self) -> str:
        """The name of the figure that shows the data set."""
        return f"{self.stages[-1].name}_contact_sheet"


def golden(what: str, data: bytes, sha256: str) -> tuple[str, bool]:
    """The sentence of a golden, and whether it holds, that is, whether the data have this hash."""
    return f"{what} is the original's", hashlib.sha256(data).hexdigest() == sha256


def together(every: Iterable[Family]) -> dict[str, Family]:
    """Name -> family, in the order of their stages.

    A ParameterError if two share the name of a family, stage or folder.
    """
    known: dict[str, Family] = {}
    owners: dict[tuple[str, str], Family] = {}
    for family in every:
        for taken in family.names():
            if (owner := owners.setdefault(taken, family)) is not family:
                raise ParameterError([f"{taken[0]}: {taken[1]} is taken by {owner.title}; choose another"])
        known[family.name] = family
    return dict(sorted(known.items(), key=lambda item: item[1].stages[-1].name))


@functools.cache
def families() -> dict[str, Family]:
    """Name -> family, in the order of their stages: those in this folder and those that OFDB_FAMILIES names."""
    package = importlib.import_module(__package__)
    modules = [importlib.import_module(f"{__package__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    modules += [_loaded(path) for path in _elsewhere()]
    return together(module.FAMILY for module in modules if hasattr(module, "FAMILY"))


def _elsewhere() -> list[Path]:
    """The files in OFDB_FAMILIES, whose paths become absolute for processes that start in other folders."""
    paths = [Path(path).absolute() for path in os.environ.get(FAMILIES_VARIABLE, "").split(os.pathsep) if path]
    if paths:
        os.environ[FAMILIES_VARIABLE] = os.pathsep.join(map(str, paths))
    return paths


def _loaded(path: Path) -> ModuleType:
    """The module of a family's file outside the package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise ParameterError(
            [f"{FAMILIES_VARIABLE}: {path} is no Python file; it names files, joined by {os.pathsep!r}"]
        )
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else path
        raise ParameterError([f"{FAMILIES_VARIABLE}: {where}: {type(error).__name__}: {error}"]) from error
    if not isinstance(getattr(module, "FAMILY", None), Family):
        raise ParameterError([f"{FAMILIES_VARIABLE}: {path} does not end with FAMILY = Family(...)"])
    return module


def family_of(stage: str) -> Family:
    """The family that a stage belongs to."""
    return next(family for family in families().values() if stage in {own.name for own in family.stages})


def stage_of(name: str) -> Stage:
    """The stage of this name."""
    return next(stage for stage in family_of(name).stages if stage.name == name)


def served_stages() -> list[str]:
    """The stages without a notebook of their own; the shared one runs them."""
    every = [stage.name for family in families().values() for stage in family.stages]
    return [name for name in every if provenance.notebook_of(name).stem != name]


def sources() -> dict[str, Source]:
    """Folder -> source, of all families: what training may name as its `data`."""
    return {source.folder: source for family in families().values() for source in family.sources}


def source_of(data: str, root: Path) -> Source:
    """The source that `data` names, or else the one that suits the files in the user's folder or file root."""
    if data in sources():
        return sources()[data]
    for source in sources().values():
        if source.suits and root.exists() and source.suits(root):
            return source
    return Source(root.name, masks=forms.of(root) == "scenes", ground=None)
