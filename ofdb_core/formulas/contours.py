"""VisualAtom: contours grown by noise and sine waves (Takashima et al., "Visual Atoms", CVPR 2023).

A category is an `Atom`, the parameters of its contours. An image starts from an ellipse. For each line, Perlin
noise and two sine waves move its vertices, which are joined to a closed polygon of one gray. The pixels are those of
the original (render_VisualAtom.py), which takes noise from the package `noise` 1.2.2 and lines from Pillow.

An atom's stream belongs to (seed, category), an image's to (seed, category, instance), so any part of a data set can be
made alone. In the original one stream runs through all categories.
"""

import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Range
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne

# The low four bits of Perlin's permutation of 0..255 (Improving Noise, SIGGRAPH 2002): all that noise on a line needs.
PERMUTATION = (
    "709baf3d9f052971c47e5e83505a7e6478ab0a5eecbb53b09118d587e4d8b84fa576b0b6d2e73f5ac356c9c97e5846f619f118091c4b0929"
    "84724cf644d6da30492acb5a636ef254feb3f0a16dcaf7a57882ca36d95b7bc9167d32cef1082908a614b221e20cf321131b9efb106f57ad"
    "84c0392df46eacdde23d883d03e27dc4"
)
GRADIENTS = np.array([-1 if bits & 8 else 1 + bits for bits in (int(digit, 16) for digit in PERMUTATION)], np.float32)
GRAYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)  # the palette of the files
REACH = 10_000.0  # the noise is taken at random positions from 0 to this
SOME, ANY = Range(1, 9_999), Range(0, 9_999)  # file names have four digits for vertices; coordinates must not overflow
Pair = Length(2, 2)


class Ranges(Parameters):
    """The ranges [low, high] of uniform draws for atoms and centres. The defaults are the original program's."""

    vertices: Annotated[list[int], Pair, SOME] = [200, 1000]
    """Of a contour."""
    lines: Annotated[list[int], Pair, SOME] = [1, 200]
    """Contours of an image."""
    noise: Annotated[list[float], Pair, ANY] = [2.0, 6.0]
    """Pixels between a line and the one before, about."""
    width: Annotated[list[float], Pair, ANY] = [0.0, 0.01]
    """Pixels added to the noise."""
    radius: Annotated[list[int], Pair, ANY] = [0, 50]
    """Pixels, of the ellipse at the start."""
    waves: Annotated[list[int], Pair, ANY] = [0, 20]
    """Periods of each sine wave in a turn."""
    oval: Annotated[list[float], Pair, ANY] = [1.0, 2.0]
    """Factors of the radius."""
    shift: Annotated[list[int], Pair, Range(-9_999, 9_999)] = [-512, 512]
    """Half pixels from the middle to an image's centre, for every image size."""

    def conflicts(self) -> Iterator[str]:
        yield from self.falling(*self.kinds())
        if self.waves[0] == self.waves[1] != 0:
            yield f"waves: {self.waves} is not allowed; the two waves of an atom must be able to differ"


ORIGINAL = Ranges()
PUBLISHED = Ranges(noise=[0.0, 4.0], width=[0.0, 0.1], radius=[10, 60])  # VisualAtom-1k: make_VisualAtom.sh
SETTINGS = {"published": PUBLISHED, "original": ORIGINAL}


class Atom(Parameters):
    """The parameters of a category; units as in `Ranges`. waves: of the two sine waves; oval: of x and y."""

    vertices: Annotated[int, SOME]
    lines: Annotated[int, SOME]
    noise: Annotated[float, ANY]
    width: Annotated[float, ANY]
    radius: Annotated[int, ANY]
    waves: Annotated[list[int], Pair, ANY]
    oval: Annotated[list[float], Pair, ANY]


class Strokes(NamedTuple):
    """The random numbers of an image, for every size.

    shift (2,) int64, of the centre's x and y; gray (lines,) uint8; u (lines, 2, vertices) float64 in [0, 1), which
    choose the noise of each line's x and y.
    """

    shift: np.ndarray
    gray: np.ndarray
    u: np.ndarray


def _uniform(stream: Mersenne, low: float, high: float) -> float:
    return float(stream.uniform(low, high, 1)[0])


def centre_shift(stream: Mersenne, ranges: Ranges) -> np.ndarray:
    """The shift (2,) int64 of an image's centre, x and y, in half pixels; the original draws y first."""
    down, right = stream.randint(*ranges.shift), stream.randint(*ranges.shift)
    return np.array([right, down])


def sample(stream: Mersenne, ranges: Ranges = ORIGINAL) -> Atom:
    """A random `Atom` from a `Mersenne` stream, as the original draws it."""
    vertices, lines = stream.randint(*ranges.vertices), stream.randint(*ranges.lines)
    noise, width = _uniform(stream, *ranges.noise), _uniform(stream, *ranges.width)
    radius, wave, other = stream.randint(*ranges.radius), stream.randint(*ranges.waves), stream.randint(*ranges.waves)
    while other == wave != 0:
        other = stream.randint(*ranges.waves)
    waves, oval = [wave, other], [_uniform(stream, *ranges.oval) for _ in range(2)]
    return Atom(vertices=vertices, lines=lines, noise=noise, width=width, radius=radius, waves=waves, oval=oval)


def strokes(atom: Atom, stream: Mersenne, ranges: Ranges = ORIGINAL) -> Strokes:
    """The `Strokes` of an atom's next image, from a `Mersenne` stream in the original's order."""
    shift, gray = centre_shift(stream, ranges), np.empty(atom.lines, np.uint8)
    u = np.empty((atom.lines, 2, atom.vertices))
    for line in range(atom.lines):
        gray[line] = stream.randint(0, 255)
        stream.random(2 * atom.vertices, out=u[line].reshape(-1))
    return Strokes(shift, gray, u)


@kernel
def perlin(x: np.float32) -> np.float32:
    """Perlin's noise on a line at x, in single precision throughout, as in the C code."""
    floor = np.floor(x)
    left, x = np.int64(floor), x - floor
    fade = x * x * x * (x * (x * np.float32(6) - np.float32(15)) + np.float32(10))
    before = GRADIENTS[left & 255] * x
    after = GRADIENTS[(left + 1) & 255] * (x - np.float32(1))
    return (before + fade * (after - before)) * np.float32(0.4)


@kernel
def _segment(
    start: tuple[np.int64, np.int64], end: tuple[np.int64, np.int64], gray: np.uint8, image: np.ndarray
) -> None:
    """Draw the line from start to end (x, y), both included, by Bresenham's steps along the longer axis, as Pillow."""
    height, width = image.shape
    (x, y), (to_x, to_y) = start, end
    if max(x, to_x) < 0 or max(y, to_y) < 0 or min(x, to_x) >= width or min(y, to_y) >= height:
        return
    step_x, step_y = 1 if to_x >= x else -1, 1 if to_y >= y else -1
    across, along = abs(to_x - x), abs(to_y - y)
    steep = along >= across
    if not steep:
        across, along = along, across
    error = 2 * across - along
    for _ in range(along + 1):
        if 0 <= x < width and 0 <= y < height:
            image[y, x] = gray
        aside = error >= 0
        error += 2 * across - (2 * along if aside else 0)
        x += step_x if aside or not steep else 0
        y += step_y if aside or steep else 0


@kernel
def draw_polygon(polygon: np.ndarray, gray: np.uint8, image: np.ndarray) -> None:
    """Draw the closed polygon (2, n) float64; coordinates are cut towards zero."""
    last = polygon.shape[1] - 1
    start = np.int64(polygon[0, last]), np.int64(polygon[1, last])
    for i in range(polygon.shape[1]):
        end = np.int64(polygon[0, i]), np.int64(polygon[1, i])
        _segment(start, end, gray, image)
        start = end


@kernel
def _contours(
    polygon: np.ndarray, strokes: Strokes, noise: float, width: float, turn: np.ndarray, waves: np.ndarray, size: int
) -> np.ndarray:
    """The image (size, size) uint8 of the lines that the polygon (2, n) becomes, one after another."""
    image = np.zeros((size, size), np.uint8)
    for line in range(len(strokes.u)):
        for axis in range(2):
            for i in range(polygon.shape[1]):
                offset = np.float64(perlin(np.float32(REACH * strokes.u[line, axis, i]))) * noise - noise
                offset = offset - waves[0, i] - waves[1, i]
                polygon[axis, i] -= turn[axis, i] * (offset - width)
        draw_polygon(polygon, strokes.gray[line], image)
    return image


def draw(atom: Atom, strokes: Strokes, size: int = 512) -> np.ndarray:
    """The image (size, size) uint8 of an atom with the random numbers of an image; 0 where there is no line."""
    values.whole(1, 9_999, image_size=size)
    if strokes.u.shape != (atom.lines, 2, atom.vertices) or strokes.gray.shape != (atom.lines,):
        raise ValueError(
            f"strokes: gray {strokes.gray.shape} and u {strokes.u.shape} do not fit {atom.lines} lines"
            f" of {atom.vertices} vertices"
        )
    angles = [math.pi * 2 / atom.vertices * vertex for vertex in range(atom.vertices)]
    # Python's own sine, as in the original: NumPy's may differ from it in the last bit
    turn = np.array([[math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]])
    waves = np.array([[0.5 * math.sin(angle * periods) for angle in angles] for periods in atom.waves])
    centre = (size + strokes.shift) / 2
    polygon = turn * atom.radius * np.array(atom.oval)[:, None] + centre[:, None]
    return _contours(polygon, strokes, float(atom.noise), float(atom.width), turn, waves, size)


def category(number: int, *, seed: int, ranges: Ranges = ORIGINAL) -> Atom:
    """The `Atom` of a category, from the stream of (seed, category)."""
    values.whole(high=99_999, category=number)
    values.whole(high=values.SEEDS, seed=seed)
    return sample(Mersenne([seed, number]), ranges)


def image(number: int, instance: int, *, seed: int, size: int = 512, ranges: Ranges = ORIGINAL) -> np.ndarray:
    """Image `instance` of category `number`, (size, size) uint8, from the stream of (seed, category, instance)."""
    values.whole(high=9_999, instance=instance)
    atom = category(number, seed=seed, ranges=ranges)
    return draw(atom, strokes(atom, Mersenne([seed, number, instance]), ranges), size)
