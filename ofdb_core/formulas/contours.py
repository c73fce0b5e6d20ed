"""VisualAtom: contours grown by noise and sine waves (Takashima et al., "Visual Atoms", CVPR 2023).

A category is an `Atom`, the parameters of its contours. An image starts from an ellipse. For each line, Perlin
noise and two sine waves move its vertices, which are joined to a closed polygon of one gray. The pixels are those of
the original (render_VisualAtom.py), which takes noise from the package `noise` 1.2.2 and lines from Pillow.

An atom's stream belongs to (seed, category), an image's to (seed, category, instance), so any part of a data set can be
made alone. In the original one stream runs through all categories.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import numpy as np

from ofdb_core.base import values
from ofdb_core.base.parameters import Parameters
from ofdb_core.base.values import Length, Range
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import Mersenne, doubles, words

# The low four bits of Perlin's permutation of 0..255 (Improving Noise, SIGGRAPH 2002): all that noise on a line needs.
PERMUTATION = (
    "709baf3d9f052971c47e5e83505a7e6478ab0a5eecbb53b09118d587e4d8b84fa576b0b6d2e73f5ac356c9c97e5846f619f118091c4b0929"
    "84724cf644d6da30492acb5a636ef254feb3f0a16dcaf7a57882ca36d95b7bc9167d32cef1082908a614b221e20cf321131b9efb106f57ad"
    "84c0392df46eacdde23d883d03e27dc4"
)
GRADIENTS = np.array([-1 if bits & 8 else 1 + bits for bits in (int(digit, 16) for digit in PERMUTATION)], np.float32)
GRAYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)  # the palette of the files
FINE, HALF = np.int64(40), np.int64(1 << 39)
RELEASED = 512  # pixels, each side, of an image of VisualAtom
REACH = 10_000.0  # the noise is taken at random positions from 0 to this
SOME, ANY = Range(1, 9_999), Range(0, 9_999)  # file names have four digits for vertices; coordinates must not overflow
Pair = Length(2, 2)


class Ranges(Parameters):
    """The ranges [low, high] of uniform draws for atoms and centres. The defaults are the original program's."""

    vertices: Annotated[list[int], Pair, SOME] = [200, 1000]
    """Vertices of a contour."""
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
    """The parameters of a category."""

    vertices: Annotated[int, SOME]
    """Points of each contour."""
    lines: Annotated[int, SOME]
    """Contours of an image."""
    noise: Annotated[float, ANY]
    """Pixels by which a contour lies farther out than the one before, about."""
    width: Annotated[float, ANY]
    """Pixels that are added to the noise."""
    radius: Annotated[int, ANY]
    """Pixels, of the ellipse that the contours start from."""
    waves: Annotated[list[int], Pair, ANY]
    """Periods in a turn, of the two sine waves; as one number, their sum."""
    oval: Annotated[list[float], Pair, ANY]
    """Factors of the radius for x and y; as one number, the larger one divided by the smaller one."""


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
    shift = centre_shift(stream, ranges)
    gray, u = np.empty(atom.lines, np.uint8), np.empty((atom.lines, 2, atom.vertices))
    stream.run(line_by_line, 255, gray, u)
    return Strokes(shift, gray, u)


@kernel
def line_by_line(state: np.ndarray, block: np.ndarray, used: int, most: int, gray: np.ndarray, u: np.ndarray) -> int:
    """Draw the gray of each line as Python's `randint(0, most)`, then its numbers; see `Mersenne.run`.

    most: 255 or 256, which is drawn as 255.
    """
    word = np.empty(1, np.uint32)
    for line in range(len(gray)):
        word[0] = np.uint32(0xFFFFFFFF)
        while word[0] >> np.uint32(23) > most:
            used = words(state, block, used, word)
        gray[line] = min(word[0] >> np.uint32(23), np.uint32(255))
        used = doubles(state, block, used, u[line].reshape(-1))
    return used


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
def outline(corners: np.ndarray, gray: np.unsignedinteger, flat: np.ndarray, width: int) -> None:
    """Draw the closed polygon (2, n) int64; flat: the pixels of an image row by row, `width` in each row.

    Both ends of a line count. Its pixels are Pillow's, which follow Bresenham: one for each step along the longer axis;
    the steps aside are counted by a product with FINE bits for the fraction, exact for coordinates below 2**19.
    """
    height, (x, y) = len(flat) // width, corners[:, -1]
    for vertex in range(corners.shape[1]):
        from_x, from_y, x, y = x, y, corners[0, vertex], corners[1, vertex]
        left, right, top, bottom = min(from_x, x), max(from_x, x), min(from_y, y), max(from_y, y)
        if right < 0 or bottom < 0 or left >= width or top >= height:
            continue
        steep = bottom - top >= right - left
        along, across = (bottom - top, right - left) if steep else (right - left, bottom - top)
        slope, aside = ((across << FINE) + along - 1) // max(along, 1), HALF
        step_x, step_y = 1 if x >= from_x else -1, 1 if y >= from_y else -1
        if left >= 0 and top >= 0 and right < width and bottom < height:  # no pixel needs a check
            at, row = from_y * width + from_x, step_y * width
            forward, sideward = (row, step_x) if steep else (step_x, row)
            for _ in range(along + 1):
                flat[np.uint64(at + (aside >> FINE) * sideward)] = gray
                at += forward
                aside += slope
            continue
        for i in range(along + 1):
            column = from_x + step_x * ((aside >> FINE) if steep else i)
            row = from_y + step_y * (i if steep else (aside >> FINE))
            if 0 <= column < width and 0 <= row < height:
                flat[row * width + column] = gray
            aside += slope


@kernel
def draw_polygon(polygon: np.ndarray, gray: np.unsignedinteger, image: np.ndarray) -> None:
    """Draw the closed polygon (2, n) float64; coordinates are cut towards zero."""
    corners = np.empty(polygon.shape, np.int64)
    for axis in range(2):
        for i in range(polygon.shape[1]):
            corners[axis, i] = np.int64(polygon[axis, i])
    outline(corners, gray, image.reshape(-1), image.shape[1])


@kernel
def trace(
    polygon: np.ndarray,
    centre: np.ndarray,
    gray: np.ndarray,
    u: np.ndarray,
    strength: float,
    noise: float,
    width: float,
    turn: np.ndarray,
    waves: np.ndarray,
    image: np.ndarray,
) -> None:
    """Draw the lines around the centre (2,) one after another; the polygon (2, n) changes from line to line.

    gray, u: see `Strokes`; a line is moved by Perlin's noise times `strength`, less `noise` and the waves (2, n).
    """
    corners = np.empty_like(polygon)
    for line in range(len(u)):
        for axis in range(2):
            for i in range(polygon.shape[1]):
                offset = np.float64(perlin(np.float32(REACH * u[line, axis, i]))) * strength - noise
                offset = offset - waves[0, i] - waves[1, i]
                polygon[axis, i] -= turn[axis, i] * (offset - width)
                corners[axis, i] = polygon[axis, i] + centre[axis]
        draw_polygon(corners, gray[line], image)


def draw(atom: Atom, strokes: Strokes, size: int = 512) -> np.ndarray:
    """The image (size, size) uint8 of an atom with the random numbers of an image; 0 where there is no line."""
    values.whole(1, 9_999, image_size=size)
    if strokes.u.shape != (atom.lines, 2, atom.vertices) or strokes.gray.shape != (atom.lines,):
        raise ValueError(
            f"strokes: gray {strokes.gray.shape} and u {strokes.u.shape} do not fit {atom.lines} lines"
            f" of {atom.vertices} vertices"
        )
    turn, waves, ellipse = start(atom.vertices, atom.radius, atom.oval, atom.waves)
    polygon, image = ellipse + ((size + strokes.shift) / 2)[:, None], np.zeros((size, size), np.uint8)
    noise, width = float(atom.noise), float(atom.width)
    trace(polygon, np.zeros(2), strokes.gray, strokes.u, noise, noise, width, turn, waves, image)
    return image


def start(
    vertices: int, radius: int, oval: Sequence[float], waves: Sequence[int] = (0, 0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine and sine of each vertex's angle, two sine waves there, and the ellipse, all (2, vertices) float64."""
    angles = [math.pi * 2 / vertices * vertex for vertex in range(vertices)]
    # Python's own sine, as in the original: NumPy's may differ from it in the last bit
    turn = np.array([[math.cos(angle) for angle in angles], [math.sin(angle) for angle in angles]])
    bent = np.array([[0.5 * math.sin(angle * periods) for angle in angles] for periods in waves])
    return turn, bent, turn * radius * np.array(oval)[:, None]


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
