"""The parameters by which training draws samples from sources, and by which PixMix draws pictures to mix with."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from ofdb_core.base.parameters import ParameterError, Parameters
from ofdb_core.base.values import NotNegative, Place, nearest
from ofdb_core.batches.recipe import MixedPictures
from ofdb_core.data import scenes
from ofdb_core.data.decoding import WHOLE, Reading
from ofdb_core.data.samples import GB, Images, Samples, look_at, one_of, require_readable
from ofdb_core.data.scenes import Scenes
from ofdb_core.families import registry
from ofdb_core.families.registry import Source


class Drawing(Parameters):
    """How training draws samples from a data set."""

    no_effect: ClassVar[tuple[str, ...]] = ("cache_gb",)
    renamed = {"views": "samples"}

    samples: Literal["all", "one", "live"] = "all"
    """What is a sample: all: a file; one: a category, one of its files each time; live: a new picture."""
    live: dict = {}
    """Parameters of live samples, those of the data that they are drawn from, as {"patches": "pattern"}."""
    cache_gb: NotNegative = 1.0
    """Memory, for each device, for decoded images, tables or models; what is beyond is made anew."""

    @classmethod
    def entries(cls, name: str, values: Mapping[str, Any] | None = None) -> list[type[Parameters]]:
        able = (
            registry.sources()
            if values is None
            else {values.get("data"): registry.sources().get(values.get("data", ""))}
        )
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
        drawn = [other for other in registry.sources().values() if other.live]
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
        source = registry.source_of(data, root)
        if problems := list(self.misfits(data, source)):
            raise ParameterError(problems)
        if data not in registry.sources() and not source.live:
            images = Images.from_folder(root, cache_bytes=self.cache_bytes, reading=reading)
            require_readable(images)
            look_at(images)
            return one_of(images) if self.samples == "one" else images
        return source.opens(root, self.draws(source) or self.samples == "one", self.cache_bytes)

    def opened_scenes(self, data: str, root: Path, reading: Reading = WHOLE) -> Scenes:
        """As `opened`, with masks: stored ones, drawn ones, or the lit pixels of pictures that have a ground."""
        source = registry.source_of(data, root)
        if source.masks and data not in registry.sources():
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
        known = registry.sources()
        able = [*known.values()] if values is None else [known.get(values.get("pixmix_data") or "")]
        return [source.live for source in able if source and source.live]

    def __post_init__(self) -> None:
        """Check, and add the defaults of `pixmix_live` to it, so that a record holds all values."""
        super().__post_init__()
        if (source := self.mixing_source()) and source.live:
            object.__setattr__(self, "pixmix_live", source.live.of(self.pixmix_live).values())

    def conflicts(self) -> Iterator[str]:
        data, drawn = self.pixmix_data, [other for other in registry.sources().values() if other.live]
        if (self.mix_pictures != "none") != (data is not None):
            yield f"mix_pictures, pixmix_data: {self.mix_pictures} and {data} given; pixmix needs data, none has none"
        elif data is not None and data not in registry.sources() and not Path(data).exists():
            yield f"pixmix_data: {data!r} is no folder, and none of {', '.join(registry.sources())}"
        elif (source := self.mixing_source()) and source.live:
            found = _misfits_of(self.pixmix_live, str(data), source.live, drawn)
            yield from (f"pixmix_{problem}" for problem in found)
        elif self.pixmix_live:
            yield f"pixmix_live: {self.pixmix_live} needs a pixmix_data that is drawn while training: {_named(drawn)}"

    def mixed_with(self) -> tuple[str, ...]:
        """The folder of this experiment that holds the mixing pictures, if one does."""
        return (self.pixmix_data,) if self.pixmix_data in registry.sources() else ()

    def mixing_source(self) -> Source | None:
        """The source of the mixing pictures, if samples are mixed."""
        return None if self.pixmix_data is None else registry.source_of(self.pixmix_data, Path(self.pixmix_data))

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


def _named(sources: Iterable[Source]) -> str:
    return ", ".join(source.folder for source in sources)
