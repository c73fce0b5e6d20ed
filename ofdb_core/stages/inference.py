"""The parameters of evaluation and prediction, by a network that is trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from ofdb_core.base.values import MOST, SEEDS, Count, Folder, Length, Place, Range, Whole, Workers
from ofdb_core.batches.recipe import CORRUPTIONS
from ofdb_core.data import addresses, decoding, real_images
from ofdb_core.families import registry
from ofdb_core.stages.inputs import Labelled, Starting, refusal
from ofdb_core.training.recipe import Precision


class Looking(Starting):
    """How a trained network sees images; null: as the checkpoint says."""

    no_effect: ClassVar[tuple[str, ...]] = ("loader_workers",)
    renamed = {"workers": "loader_workers"}

    input_size: Annotated[int, Range(8, 4096)] | None = None
    """Pixels, each side, that the network sees."""
    channels: Literal[1, 3, None] = None
    """Channels of the network's input."""
    interpolation: Literal["bilinear", "bicubic", None] = None
    """When an image is resized."""
    crop_pct: Annotated[float, Range(0, 1, above=True)] | None = None
    """Share of the image that is seen, in the centre."""
    mean: Annotated[list[float], Length(3, 3), Range(0, 1)] | None = None
    """Subtracted from each channel."""
    std: Annotated[list[float], Length(3, 3), Range(0, MOST, above=True)] | None = None
    """Each channel is divided by it."""
    ground: Literal["white", "black", None] = None
    """Behind the transparent pixels of your images."""
    draft: bool | None = None
    """JPEGs are decoded at a part of their sides; null: if the checkpoint's training did so."""
    max_pixels: Annotated[int, Range(1, decoding.LIMIT)] = decoding.MOST
    """Most pixels of an image of yours; larger ones are refused: each thread needs some 11 bytes a pixel."""
    batch_size: Count = 256
    """Images at once."""
    device_batch: Whole = 0
    """Images that a device takes at once, at most; 0: all."""
    precision: Precision = "fp32"
    """Number format (timm's: fp32); bf16, which auto takes where it can, may turn a close call."""
    loader_workers: Workers = 1
    """Threads that read images, for each device; 0: none. The result does not depend on it."""

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return tuple(registry.sources())

    def inputs(self) -> tuple[str, ...]:
        return (*super().inputs(), *((self.data,) if self.is_own() else ()))

    def is_own(self) -> bool:
        """Whether `data` names images of this experiment."""
        return isinstance(self.data, str) and self.data in registry.sources()

    def conflicts(self) -> Iterator[str]:
        known = registry.sources()
        if self.is_own() and (known[self.data].live or known[self.data].masks):
            stored = ", ".join(name for name, other in known.items() if not other.live and not other.masks)
            yield f"data: {self.data} holds no images of one class each; those that can be evaluated are {stored}"


class Evaluate(Looking, Labelled):
    """Parameters of notebook 6_evaluate."""

    no_effect: ClassVar[tuple[str, ...]] = ("max_pixels",)

    data: Place = "digits"
    """Folder or archive: val/<class>/ or <class>/; or digits, cifar10, cifar100, voc2012, images ..."""
    knn: Whole = 0
    """Neighbours among the training images that vote; 0: not asked."""
    corruptions: Literal["all"] | Annotated[list[Literal[CORRUPTIONS]], Length(0, 15, once=True)] = []  # type: ignore[valid-type]
    """Corruptions of ImageNet-C, one at a time, each at five strengths; all: all fifteen."""
    corruptions_seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of the corruptions' random draws."""

    @property
    def corrupted_by(self) -> tuple[str, ...]:
        """The names of the corruptions."""
        return CORRUPTIONS if self.corruptions == "all" else tuple(self.corruptions)

    @classmethod
    def data_names(cls) -> tuple[str, ...]:
        return (*super().data_names(), *real_images.NAMES)

    def conflicts(self) -> Iterator[str]:
        if not (self.is_own() or Path(self.data).is_dir()):
            yield from refusal(self.data)


class Predict(Looking):
    """Parameters of notebook 6_predict."""

    data: Place | list[Place] = "images"  # type: ignore[assignment]
    """Pictures: a folder, however deep, an archive, a file, or a list of these; or images of this run."""
    memory: Folder | None = None
    """A folder of <class>/<picture> to edit: the nearest there name others; null: the head does."""
    neighbours: Count = 5
    """Pictures of the memory that vote."""

    def reads(self) -> tuple[str, ...]:
        return (*super().reads(), *([self.memory] if self.memory else []))

    @property
    def places(self) -> list[str]:
        """The files, folders or addresses of the pictures, from `data`."""
        if isinstance(self.data, str) and self.is_own():
            return [str(Path(self.out) / self.data)]
        known = dict(self.located_data())
        return [str(known.get(one, one)) for one in (self.data if isinstance(self.data, list) else [self.data])]

    def conflicts(self) -> Iterator[str]:
        if not self.is_own():
            if self.data == []:
                yield "data: the list is empty; name at least one picture or folder"
            for one in self.data if isinstance(self.data, list) else [self.data]:
                if addresses.is_address(one):
                    yield from filter(None, [addresses.problem(one)])
                elif not Path(one).exists():
                    yield f"data: {one!r}: no such file or folder"
