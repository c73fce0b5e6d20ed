"""Instances of a picture: its dots stay, their 3 x 3 patches are drawn anew ("random pattern" and "random texture").

Patches are pasted one over the other, zeros too, so a pixel shows the last dot that covers it. A dot that is last
nowhere is invisible: of the 200,000 dots of a 2D-OFDB image some 8,000 are visible. Pasting these in order gives the
same picture. A `table` holds them, six bytes each.

The random words of an instance come from `streams.split_mix` with its key.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ofdb_core.formulas.jit import copy, kernel
from ofdb_core.formulas.raster import MARGIN
from ofdb_core.formulas.streams import split_mix

Kind = Literal["pattern", "texture", "both"]
Unit = Literal["dot", "image"]

CELLS = 9  # of a patch, row by row; the first is the highest bit of a mask
ONE, TWO = np.uint64(1), np.uint64(2)
SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * np.uint8(255)  # a byte for each of eight bits
SPREAD = SPREAD.view(np.uint64).reshape(-1)


@dataclass(frozen=True)
class Patches:
    """The rule for an instance's patches.

    kind: pattern (a mask of lit cells), texture (a gray for each cell) or both; unit: a patch for each dot, or one for
    the image; levels: lowest and highest gray of a texture, in 0..255; light: gray of a pattern.
    """

    kind: Kind
    unit: Unit
    levels: tuple[int, int]
    light: int

    def drawn(self, key: int, n: int) -> np.ndarray:
        """(n, 9) uint8: the patches of n dots. A mask is uniform in 1..511, so that no patch is empty."""
        low, high = (self.light, self.light) if self.kind == "pattern" else self.levels
        patches = np.empty((n, CELLS), np.uint8)
        _draw(np.uint64(key), self.kind != "texture", low, high - low + 1, n if self.unit == "dot" else 1, patches)
        return patches


@kernel
def _mask(patches: np.ndarray, masks: np.ndarray) -> None:
    """Blacken the cells of patches (n, 9) that masks (n,) leave dark; eight patches are nine words, set one by one."""
    whole = len(patches) - len(patches) % 8
    words = patches[:whole].reshape(-1).view(np.uint64).reshape(-1, CELLS)
    for group in range(len(words)):
        row, bits = words[group], np.uint64(0)
        for i in range(8):
            bits = bits << np.uint64(CELLS) | np.uint64(masks[8 * group + i])
            row[i] &= SPREAD[bits >> np.uint64(i + 1) & np.uint64(255)]
        row[8] &= SPREAD[bits & np.uint64(255)]
    for i in range(whole, len(patches)):
        for cell in range(CELLS):
            patches[i, cell] *= np.uint8((masks[i] >> np.uint16(8 - cell)) & np.uint16(1))


@kernel
def _draw(key: np.uint64, masked: bool, low: int, levels: int, different: int, out: np.ndarray) -> None:
    """Fill out (n, 9) uint8; the patches after the first `different` ones repeat the first.

    The first words draw the masks; each word after them draws four grays, of sixteen bits each. If 65,536 is not a
    multiple of `levels`, some grays are more probable than others by levels / 65,536.
    """
    n = min(different, len(out))
    grays = out[:n].reshape(-1)
    grays[:] = low
    if levels > 1:
        words = np.empty((len(grays) + 3) // 4, np.uint64)
        for i in range(len(words)):
            words[i] = split_mix(key, n + i)
        digits = words.view(np.uint16)
        for i in range(len(grays)):
            grays[i] += (np.uint32(digits[i]) * np.uint32(levels)) >> np.uint32(16)
    if masked:
        masks = np.empty(n, np.uint16)
        for i in range(n):
            masks[i] = ONE + (((split_mix(key, i) >> np.uint64(32)) * np.uint64(511)) >> np.uint64(32))
        _mask(out[:n], masks)
    for i in range(n, len(out)):
        copy(out[0], out[i])


@kernel
def visible(pixels: np.ndarray, size: int) -> np.ndarray:
    """The numbers of an image's visible dots, (n,) uint32 in rising order.

    pixels: (m, 2) uint16 from `raster.to_pixels`; size: of the image, pixels each side.
    """
    hidden = np.zeros((size + MARGIN, size + MARGIN), np.uint8)
    hidden[size:], hidden[:, size:] = 1, 1  # outside the picture
    flat, side = hidden.reshape(-1), np.uint64(size + MARGIN)
    numbers, first = np.empty(len(pixels), np.uint32), len(pixels)
    for i in range(len(pixels) - 1, -1, -1):
        x, y, covered = np.uint64(pixels[i, 0]) + ONE, np.uint64(pixels[i, 1]) + ONE, np.uint8(1)
        if x + TWO < side and y + TWO < side:
            place = y * side + x
            for _ in range(3):
                for column in range(3):
                    covered &= flat[place + np.uint64(column)]
                    flat[place + np.uint64(column)] = 1
                place += side
        if not covered:
            first -= 1
            numbers[first] = i
    return numbers[first:].copy()


def table(pixels: np.ndarray, masks: np.ndarray, size: int) -> np.ndarray:
    """The visible dots of an image, (n, 3) uint16: column and row of the patch's corner, and its mask.

    pixels, size: as for `visible`; masks: (m or more,) uint16 in 1..511, the patches of the stored picture. Rows count
    from the bottom. The dots come in their order: the last is on top.
    """
    return table_of(pixels, masks, visible(pixels, size))


def table_of(pixels: np.ndarray, masks: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """As `table`, of the dots with these numbers, (n,)."""
    dots = np.empty((len(numbers), 3), np.uint16)
    dots[:, :2], dots[:, 2] = pixels[numbers] + np.uint16(1), masks[numbers]
    return dots


def stored(table: np.ndarray, light: int) -> np.ndarray:
    """(n, 9) uint8, 0 and `light`: the patches of a table's dots in the stored picture."""
    patches = np.full((len(table), CELLS), light, np.uint8)
    _mask(patches, table[:, 2])
    return patches


@kernel
def paint(table: np.ndarray, patches: np.ndarray, size: int) -> np.ndarray:
    """The picture (size, size) uint8, first row on top: patches (n, 9) uint8 pasted at a table's dots, in order."""
    picture = np.zeros((size, size), np.uint8)
    flat, side = picture.reshape(-1), np.uint64(size)
    for i in range(len(table)):
        x, y = np.uint64(table[i, 0]), np.uint64(table[i, 1])
        if x + TWO < side and y + TWO < side:
            place = (side - ONE - y) * side + x
            for row in range(3):
                for column in range(3):
                    flat[place + np.uint64(column)] = patches[i, 3 * row + column]
                place -= side
        else:
            for row in range(min(3, size - int(y))):
                for column in range(min(3, size - int(x))):
                    picture[size - 1 - y - row, x + column] = patches[i, 3 * row + column]
    return picture
