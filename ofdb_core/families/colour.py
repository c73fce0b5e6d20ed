"""Fractals in colour on a coloured ground (Anderson and Farrell, "Improving Fractal Pre-training", WACV 2022).

A category is a system whose maps contract, drawn by its singular values. An instance changes one map a little, shows
another window of the fractal, turned, with another patch for its dots, in other colours on another ground; half of the
instances are blurred. Any system of the plane can be such a category: the codes may be CSV files, too.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Factor, Length, Range
from ofdb_core.families import coded
from ofdb_core.formulas import colour, ifs, singular
from ofdb_core.formulas.streams import split_mix, units

ROW = Annotated[list[Factor], Length(7, 7)]
ORBIT, GROUND, DRAWS = range(3)  # streams of a key


class Render(coded.Render):
    """Parameters of stage 3_render_colour."""

    image_size: Annotated[int, Range(16, 4096)] = 224
    """Pixels, each side (fractal-pretraining: 224)."""

    def code(self) -> tuple[Callable, ...]:
        return sample, draw


class System(Parameters):
    """The code of a category."""

    maps: Annotated[list[ROW], Length(1, ifs.MOST)]
    """A row for each map: a, b, c, d, e, f of x' = a x + b y + e, y' = c x + d y + f, and its probability p."""

    def conflicts(self) -> Iterator[str]:
        p = [row[-1] for row in self.maps]
        if min(p) < 0 or not abs(sum(p) - 1) <= ifs.SUM_TOLERANCE:
            yield f"maps: the last numbers of their rows add up to {sum(p):.6g}; probabilities add up to 1"

    @classmethod
    def of_system(cls, system: ifs.IFS) -> "System":
        """The code of a system of the plane; a ValueError for another."""
        if system.d != 2:
            raise ValueError(f"has {system.d} dimensions; 2 are needed")
        return cls(maps=ifs.table(system).tolist())

    def system(self) -> ifs.IFS:
        """The system."""
        return ifs.of_table(np.array(self.maps, float))


class Kind(coded.Kind):
    """Codes that are JSON or CSV files."""

    endings: ClassVar[tuple[str, ...]] = ("json", "csv")

    def parse(self, data: bytes, path: Path) -> Parameters:
        """As for any code, or the system of a CSV file."""
        return System.of_system(ifs.parse(data.decode())) if path.suffix == ".csv" else super().parse(data, path)


def sample(parameters: coded.Render, category: int) -> System:
    """The code of a category, from a stream of its own."""
    return System.of_system(singular.sample(np.random.default_rng([parameters.seed, category])))


def grays(system: ifs.IFS, key: np.uint64, size: int, patch: float, window: np.ndarray | None = None) -> np.ndarray:
    """(size, size) float64 in 0..1: a fractal with the choices of a key.

    patch: in [0, 1), for the cells of its dots; window: see `colour.region`.
    """
    points = colour.orbit(system, key)
    if not len(points):
        return np.zeros((size, size))
    return colour.grays(points, colour.region(points, window), int(512 * patch), size)


def draw(code: System, key: int, size: int) -> np.ndarray:
    """An instance (size, size, 3) uint8."""
    own = [np.uint64(split_mix(np.uint64(key), stream)) for stream in range(3)]
    u = units(own[DRAWS], 28)
    system = colour.jittered(code.system(), u[:8].reshape(colour.TRIES, 2))
    gray = colour.turned(grays(system, own[ORBIT], size, u[12], u[8:12]), u[13:16])
    image = colour.ground(size, own[GROUND], u[19:26])
    image[gray > 0] = colour.painted(gray, u[16:19])[gray > 0]
    return colour.blurred(image, 0.5 + 0.5 * u[26]) if u[27] > 0.5 else image


def goldens() -> Iterator[tuple[str, bool]]:
    """There is no image of the original to compare with, since it sets no seed; colours are OpenCV's."""
    known = {(0, 255, 255): (255, 0, 0), (60, 255, 255): (0, 255, 0), (17, 200, 99): (99, 65, 21)}
    yield "colours are those of bytes in OpenCV", all(colour.rgb(*hsv) == rgb for hsv, rgb in known.items())


KIND = Kind("colour", System, sample, draw, released=224)
FAMILY = coded.family(KIND, "Fractals in colour", Render, goldens)
