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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import numpy as np

from ofdb_core.base import provenance
from ofdb_core.base.parameters import NotebookParameters, ParameterError, Parameters
from ofdb_core.base.values import NotNegative, Place, nearest
from ofdb_core.batches.recipe import MixedPictures
from ofdb_core.data import forms, scenes
from ofdb_core.data.decoding import WHOLE, Reading, extensions
from ofdb_core.data.samples import GB, Images, Samples, class_files, look_at, one_of, open_images, require_readable
from ofdb_core.data.scenes import Scenes

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
        """Parameters of the last stage: the published values, changed by these."""
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
    """The sentence of a golden, and whether it holds: the data have this hash."""
    return f"{what} is the original's", hashlib.sha256(data).hexdigest() == sha256


def together(every: Iterable[Family]) -> dict[str, Family]:
    """Name -> family; a ParameterError if two share the name of a family, stage or folder."""
    known: dict[str, Family] = {}
    owners: dict[tuple[str, str], Family] = {}
    for family in every:
        for taken in family.names():
            if (owner := owners.setdefault(taken, family)) is not family:
                raise ParameterError([f"{taken[0]}: {taken[1]} is taken by {owner.title}; choose another"])
        known[family.name] = family
    return known


@functools.cache
def _found() -> dict[str, Family]:
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


def _named(sources: Iterable[Source]) -> str:
    return ", ".join(source.folder for source in sources)


class Drawing(Parameters):
    """How training draws samples from a data set."""

    no_effect: ClassVar[tuple[str, ...]] = ("cache_gb",)
    renamed = {"views": "samples"}

    samples: Literal["all", "one", "live"] = "all"
    """What is a sample: all: a file; one: a category, one of its files each time; live: a new picture."""
    live: dict = {}
    """With samples: live, parameters of the data that they are drawn from, as {"patches": "pattern"}."""
    cache_gb: NotNegative = 1.0
    """Memory, for each device, for decoded images, tables or models; what is beyond is made anew."""

    @classmethod
    def entries(cls, name: str, values: Mapping[str, Any] | None = None) -> list[type[Parameters]]:
        able = sources() if values is None else {values.get("data"): sources().get(values.get("data", ""))}
        return [source.live for source in able.values() if source and source.live and name == "live"]

    @classmethod
    def renames(cls) -> dict[str, str]:
        every = {entry for part in cls.entries("live") for entry in part.kinds()}
        return {**super().renames(), **{f"live_{entry}": f"live.{entry}" for entry in every}}

    @property
    def cache_bytes(self) -> int:
        """Bytes of decoded images, tables or models that each process may keep."""
        return int(self.cache_gb * GB)

    def misfits(self, data: str, source: Source) -> Iterator[str]:
        """Sentences about values that do not fit the source that `data` names."""
        drawn = [other for other in sources().values() if other.live]
        if source.live and self.samples != "live":
            yield (
                f"samples: {self.samples} does not suit data: {data}, whose files are rendered while training: give "
                "samples: live"
            )
        elif self.samples == "live" and not source.live:
            yield f"samples: live does not suit data: {data}; only these are rendered while training: {_named(drawn)}"
        elif self.live and not source.live:
            yield f"live: {self.live} needs samples: live; samples: {self.samples} shows stored images as they are"
        elif source.live:
            yield from _misfits_of(self.live, data, source.live, drawn)

    def draws(self, source: Source) -> Parameters | None:
        """The parameters of live samples; None: the samples are stored."""
        return source.live.of(self.live) if source.live else None

    def opened(self, data: str, root: Path, reading: Reading = WHOLE) -> Samples:
        """The samples to train on, from the folder root that `data` names; a ValueError if they cannot be drawn.

        reading: how a user's own images are decoded.
        """
        source = source_of(data, root)
        if problems := list(self.misfits(data, source)):
            raise ParameterError(problems)
        if data not in sources() and not source.live:
            images = Images.from_folder(root, cache_bytes=self.cache_bytes, reading=reading)
            require_readable(images)
            look_at(images)
            return one_of(images) if self.samples == "one" else images
        return source.opens(root, self.draws(source) or self.samples == "one", self.cache_bytes)

    def opened_scenes(self, data: str, root: Path, reading: Reading = WHOLE) -> Scenes:
        """As `opened`, with masks: stored or drawn ones, or those of pictures that have a ground."""
        source = source_of(data, root)
        if source.masks and data not in sources():
            return scenes.Pairs.from_folder(root, cache_bytes=self.cache_bytes, reading=reading)
        opened = self.opened(data, root, reading)
        if isinstance(opened, Scenes):
            return opened
        if source.ground is None:
            raise ParameterError([f"data: {data} has no masks, and no ground from which they follow"])
        return scenes.Lit(opened, source.ground)


class MixingPictures(MixedPictures):
    """The pictures that PixMix mixes samples with."""

    pixmix_data: Place | None = None
    """Pictures to mix with: this experiment's images, categories ...; or a folder of pictures, codes or systems."""
    pixmix_live: dict = {}
    """Parameters of mixing pictures that are drawn while training, as {"size": 64}."""

    @classmethod
    def entries(cls, name: str, values: Mapping[str, Any] | None = None) -> list[type[Parameters]]:
        if name != "pixmix_live":
            return [*super().entries(name, values)]
        able = sources() if values is None else {"": sources().get(values.get("pixmix_data") or "")}
        return [source.live for source in able.values() if source and source.live]

    def __post_init__(self) -> None:
        """Check, and add the defaults of `pixmix_live` to it, so that a record holds all values."""
        super().__post_init__()
        if (source := self.mixing_source()) and source.live:
            object.__setattr__(self, "pixmix_live", source.live.of(self.pixmix_live).values())

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        data, drawn = self.pixmix_data, [other for other in sources().values() if other.live]
        if (self.mix_pictures != "none") != (data is not None):
            yield f"mix_pictures, pixmix_data: {self.mix_pictures} and {data} given; pixmix needs data, none has none"
        elif data is not None and data not in sources() and not Path(data).exists():
            yield f"pixmix_data: {data!r} is no folder, and none of {', '.join(sources())}"
        elif (source := self.mixing_source()) and source.live:
            found = _misfits_of(self.pixmix_live, str(data), source.live, drawn)
            yield from (f"pixmix_{problem}" for problem in found)
        elif self.pixmix_live:
            yield f"pixmix_live: {self.pixmix_live} needs a pixmix_data that is drawn while training: {_named(drawn)}"

    def mixed_with(self) -> tuple[str, ...]:
        """The folder of this experiment that holds the mixing pictures, if one does."""
        return (self.pixmix_data,) if self.pixmix_data in sources() else ()

    def mixing_source(self) -> Source | None:
        """The source of the mixing pictures, if samples are mixed."""
        return None if self.pixmix_data is None else source_of(self.pixmix_data, Path(self.pixmix_data))

    def mixing_code(self) -> tuple[Callable, ...]:
        """The functions whose code the mixing pictures depend on."""
        source = self.mixing_source()
        return source.code() if source else ()

    def mixing_pictures(self, out: str) -> Samples | None:
        """The mixing pictures, if samples are mixed; out: the experiment's folder."""
        source = self.mixing_source()
        if source is None or self.pixmix_data is None:
            return None
        drawing = source.live.of(self.pixmix_live) if source.live else False
        pictures = source.opens(Path(out) / self.pixmix_data, drawing, GB)
        if isinstance(pictures, Images):
            require_readable(pictures)
        return pictures


def _misfits_of(values: dict[str, Any], data: str, live: type[Parameters], every: list[Source]) -> Iterator[str]:
    """Sentences about parameters of live samples that belong to another source or cannot be used."""
    strange = [name for name in values if name not in live.kinds()]
    if others := {name: [other for other in every if other.live and name in other.live.kinds()] for name in strange}:
        for name, able in others.items():
            hint = f"; it is of {_named(able)}" if able else nearest(name, live.kinds())
            yield f"live.{name}: no parameter of data: {data}{hint}"
        return
    try:
        live.of(values)
    except ParameterError as error:
        yield from (f"live.{problem}" for problem in error.problems)
