"""Families whose categories are codes: all numbers of a category, in a JSON file from which its images are drawn.

A family of this kind writes two folders: <name>-codes/00000.json, ... and its images. A stored image is a function of
the code, the seed and the number of its instance, so the codes are the data set: images can be drawn from them
anywhere, or anew for every sample while training.
"""

import collections
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from ofdb_core.base import files
from ofdb_core.base.filling import Makers
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Manifest, header
from ofdb_core.base.parameters import Parameters, StageParameters
from ofdb_core.base.values import SEEDS, Place, Range, Workers
from ofdb_core.data import png
from ofdb_core.families.registry import Family, Source, Stage
from ofdb_core.formulas.ifs import number_of

MOST_BYTES = 2**16  # of a file
FIRST = 0  # the key of a picture that is the same each time

Codes = list[tuple[str, Any]]  # names and codes of categories


class Render(StageParameters):
    """Parameters that every family of codes has."""

    no_effect: ClassVar[tuple[str, ...]] = ("workers",)

    seed: Annotated[int, Range(0, SEEDS)] = 0
    """Seed of codes and images; each category and each image has a stream of its own."""
    codes: Place | None = None
    """A folder of codes of your own, JSON files, one a category; null: drawn by the seed."""
    categories: Annotated[int, Range(1, 99_999)] = 1000
    """Number of categories; of a folder of codes, the first ones."""
    instances: Annotated[int, Range(1, 9_999)] = 1
    """Images of each category."""
    image_size: Annotated[int, Range(16, 4096)] = 512
    """Pixels, each side."""
    workers: Workers = 0
    """Threads; 0: one a core. The files do not depend on it."""


class Drawing(Parameters):
    """Parameters of images that are drawn from codes during training."""

    size: Annotated[int, Range(16, 4096)] | None = None
    """Pixels, each side; null: as released. The picture is drawn smaller, not cut."""

    def __str__(self) -> str:
        return "each sample drawn anew from its code"


@dataclass(frozen=True)
class Kind:
    """What a family of codes is: the rules for a category's numbers, and for an image of them.

    name: of its folder of images; numbers: the class of a code. sample(parameters of the stage, category) -> its code;
    draw(code, key, size) -> (size, size) or (size, size, 3) uint8, the instance that 64 random bits, the key, stand
    for: an image of `released` pixels, or scaled from it. stored(parameters, codes) -> names and makers of the stored
    images, where these follow another rule than `draw`; ground: see `registry.Source`; through(parameters) -> name,
    code and images of each category, drawn one after another from one stream, where `one_stream` asks for it.
    """

    name: str
    numbers: type[Parameters]
    sample: Callable[[Any, int], Parameters]
    draw: Callable[[Any, int, int], np.ndarray]
    stored: Callable[[Any, Codes], Makers] | None = None
    released: int = 512
    ground: int | None = 0
    through: Callable[[Any], Iterable[tuple[str, Any, Iterable[Any]]]] | None = None
    endings: ClassVar[tuple[str, ...]] = ("json",)
    of_images: ClassVar[tuple[str, ...]] = ("instances", "image_size")  # parameters on which no code depends

    @property
    def folder(self) -> str:
        """The name of the folder of codes."""
        return f"{self.name}-codes"

    def read(self, path: Path) -> Parameters:
        """Read a code from a file; a ValueError names the file and the mistake."""
        try:
            return self.parse(files.read_bytes(path, MOST_BYTES), path)
        except (ValueError, RecursionError, OSError, OverflowError) as error:
            raise ValueError(f"{path}: no code of {self.name}: {error}") from error

    def parse(self, data: bytes, path: Path) -> Parameters:
        """The code in the bytes of a file, whose name shows the format; a ValueError says what is wrong."""
        values = json.loads(data)
        if not isinstance(values, dict):
            raise ValueError("not a mapping of names and numbers")
        return self.numbers.of(values)

    def load(self, root: str | Path, first: int | None = None) -> Codes:
        """The codes in a folder's files, sorted by name; first: their number, None for all."""
        found = sorted(path for ending in self.endings for path in Path(root).glob(f"*.{ending}"))
        paths = [path for path in found if not path.name.startswith(".")]
        if not paths:
            raise ValueError(f"{root}: holds no codes of {self.name} (00000.json, ...)")
        return [(path.stem, self.read(path)) for path in paths[:first]]

    def suits(self, root: Path) -> bool:
        """Whether the first file of a user's folder is such a code."""
        try:
            return bool(self.load(root, 1))
        except ValueError:
            return False

    def drawn(self, parameters: Any) -> Iterator[tuple[str, Any]]:
        """The codes that the seed draws for a stage's categories, one after another."""
        if self.through is None or not parameters.one_stream:
            yield from ((f"{i:05d}", self.sample(parameters, i)) for i in range(parameters.categories))
            return
        for name, code, images in self.through(parameters):
            yield name, code
            collections.deque(images, 0)  # the next category is behind them in the stream

    def code_of(self, parameters: Any, category: int) -> Any:
        """The code of a category: of the user's folder, by its place there, or drawn by the seed."""
        return self.load(parameters.codes)[category][1] if parameters.codes else self.sample(parameters, category)

    def picture(self, parameters: Any, category: int) -> np.ndarray:
        """The first image of a category."""
        key = key_of(parameters.seed, category, 0)
        return self.draw(self.code_of(parameters, category), key, parameters.image_size)

    def properties(self, parameters: Any, category: int) -> dict[str, float]:
        """The numbers of a category's code that are no lists."""
        values = self.code_of(parameters, category).values()
        return {name: value for name, value in values.items() if isinstance(value, int | float)}

    def _images(self, parameters: Any, codes: Codes) -> Makers:
        """Names and makers of the stored images, by `draw`."""

        def make(name: str, code: Parameters, instance: int) -> bytes:
            return png.of(self.draw(code, key_of(parameters.seed, number_of(name), instance), parameters.image_size))

        for name, code in codes:
            for instance in range(parameters.instances):
                yield image_name(name, instance), functools.partial(make, name, code, instance)

    def write(self, parameters: Any) -> Manifest:
        """Fill <out>/<name>-codes, and from these codes <out>/<name>; return the manifest of the images."""
        own = self.load(parameters.codes, parameters.categories) if parameters.codes else []
        total, out = len(own) or parameters.categories, Path(parameters.out)
        about = {**parameters.identity(), **({"codes": digest(own)} if own else {})}
        of_codes = {name: value for name, value in about.items() if name not in self.of_images}
        files = ((f"{name}.json", functools.partial(as_bytes, code)) for name, code in own or self.drawn(parameters))
        Folder(out / self.folder).fill(header(of_codes, self.sample, as_bytes), files, total=total, workers=1)
        head, codes = header(about, self.sample, self.stored or self.draw), self.load(out / self.folder)
        images = (self.stored or self._images)(parameters, codes)
        return Folder(out / self.name).fill(
            head, images, total=self.files(parameters, total), workers=parameters.workers
        )

    def files(self, parameters: Any, categories: int) -> int:
        """The number of files in the folder of images."""
        return categories * parameters.instances


def image_name(name: str, instance: int) -> str:
    """The file of an instance of the category of this name."""
    return f"{name}/{name}_{instance:04d}.png"


def two_origins(codes: str | None, one_stream: bool) -> Iterator[str]:
    """A sentence if codes of the user's and one stream that draws them are both asked for."""
    if codes and one_stream:
        yield "codes, one_stream: codes of your own are not drawn from one stream; give one of the two"


def as_bytes(code: Parameters) -> bytes:
    """The file of a code: one line of JSON, with every bit of its numbers."""
    return json.dumps(code.values()).encode() + b"\n"


def digest(codes: Codes) -> str:
    """One hash of names and codes."""
    return hashlib.sha256(b"".join(name.encode() + as_bytes(code) for name, code in codes)).hexdigest()


def seed_of(seed: int, category: int) -> int:
    """A number of 32 bits that a code can hold, for what is fixed in a category's images."""
    return int(np.random.SeedSequence([seed, category]).generate_state(1)[0])


def key_of(seed: int, number: int, instance: int) -> int:
    """64 random bits for a stored image."""
    return int(np.random.SeedSequence([seed, number, instance]).generate_state(1, np.uint64)[0])


class LiveCodes:
    """Samples that are drawn from the codes in <root>/*.json, one for each; without a key always the same."""

    def __init__(self, kind: Kind, root: str | Path, drawing: Drawing, cache_bytes: int) -> None:
        self._draw, self._size = kind.draw, drawing.size or kind.released
        pairs = kind.load(root)
        self.classes, self._codes = [name for name, _ in pairs], [code for _, code in pairs]
        self.labels = np.arange(len(pairs))

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """An image of category i, (size, size) or (size, size, 3) uint8."""
        return self._draw(self._codes[i], FIRST if key is None else key, self._size)


def sources(kind: Kind) -> tuple[Source, Source]:
    """What training may draw from: the folders of images and of codes."""
    opens, functions = functools.partial(LiveCodes, kind), (LiveCodes, kind.draw)
    live = Source(kind.folder, opens, live=Drawing, suits=kind.suits, functions=functions, ground=kind.ground)
    return Source(kind.name, ground=kind.ground), live


def family(
    kind: Kind,
    title: str,
    parameters: type[StageParameters],
    goldens: Callable[[], Iterator[tuple[str, bool]]],
    **small: Any,
) -> Family:
    """The registration of a family of codes; small: values for a run of a second."""
    writes, small = (kind.folder, kind.name), {"categories": 5, "image_size": 48, **small}
    return Family(
        name=kind.name,
        title=title,
        stages=(Stage(f"3_render_{kind.name}", parameters, writes, kind.write, small=small),),
        sources=sources(kind),
        picture=kind.picture,
        goldens=goldens,
        properties=kind.properties,
        meanings={name: text[:1].lower() + text[1:-1] for name, text in kind.numbers.comments().items()},
        kind=kind,
    )
