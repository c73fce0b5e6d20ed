"""Contours of many atoms at once, by torch's operations, on a CPU or on another device.

The images are those of `growth.instance`, pixel for pixel: the same words choose the noise, the arithmetic is in single
precision without fused operations, and the lines are Pillow's. Nothing depends on the batch: an image is a function of
its growth, its key and its size. Where lines cross, the last one is seen, whatever the order of writing.
"""

from collections.abc import Sequence

import numpy as np
import torch

from ofdb_core.formulas import contours, growth
from ofdb_core.formulas.streams import FIRST, GOLDEN, SECOND

FINE, HALF = int(contours.FINE), int(contours.HALF)
LINES = 8  # of each image, whose pixels are found at once
STEPS = tuple(int(np.int64(np.uint64(factor).view(np.int64))) for factor in (GOLDEN, FIRST, SECOND))


def _shifted(words: torch.Tensor, bits: int) -> torch.Tensor:
    """Words of 64 bits, in int64, shifted to the right; zeros come in."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def split_mix(keys: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """As `streams.split_mix`, of int64 tensors with the bits of its words."""
    golden, first, second = STEPS
    z = keys + (numbers + 1) * golden
    z = (z ^ _shifted(z, 30)) * first
    z = (z ^ _shifted(z, 27)) * second
    return z ^ _shifted(z, 31)


def _digits(keys: torch.Tensor, lines: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """(B, L, 4 W) int64: the digits of sixteen bits of each line's words; words: (B,), a line's number of them."""
    numbers = lines[None, :, None] * words[:, None, None] + torch.arange(int(words.max()), device=keys.device)
    drawn = split_mix(keys[:, None, None], numbers)
    return torch.stack([drawn >> shift & 0xFFFF for shift in (0, 16, 32, 48)], dim=3).flatten(2)


class Atoms:
    """Images of some atoms, drawn again and again on a device; growths: one for each image of a batch."""

    def __init__(
        self, growths: Sequence[growth.Growth], size: int = contours.RELEASED, device: str | torch.device = "cpu"
    ) -> None:
        self.size, self._scale = size, float(np.float32(size / contours.RELEASED))
        self._count = torch.tensor([one.vertices for one in growths], device=device)
        self._lines = torch.tensor([one.lines for one in growths], device=device)
        most = int(self._count.max())
        polygons = np.zeros((len(growths), 2, most), np.float32)
        moves = np.zeros((2, len(growths), 2, most), np.float32)
        for i, one in enumerate(growths):
            polygons[i, :, : one.vertices], moves[:, i, :, : one.vertices] = growth.start(one)
        self._polygons, (self._away, self._loose) = (torch.from_numpy(array).to(device) for array in (polygons, moves))
        self._levels = torch.from_numpy(growth.noise_levels()).to(device)
        self._words = (2 * self._count + 4) // 4
        vertices = torch.arange(most, device=device)
        count = self._count[:, None]
        self._exists = vertices < count  # (B, V)
        self._before = torch.where(vertices == 0, count - 1, vertices - 1)
        axes = torch.arange(2, device=device)[:, None] * count[:, :, None]
        self._places = (axes + vertices).clamp(max=4 * int(self._words.max()) - 1)  # of a vertex's digit, (B, 2, V)

    def images(self, keys: Sequence[int], ground: int = 0) -> torch.Tensor:
        """(B, size, size) uint8: the instances of 64 random bits each."""
        device, size, count = self._polygons.device, self.size, len(self._count)
        bits = torch.from_numpy(np.array(keys, np.uint64).view(np.int64)).to(device)
        polygons, top = self._polygons.clone(), torch.zeros(count * size * size, dtype=torch.int32, device=device)
        grays = []
        for first in range(0, int(self._lines.max()), LINES):
            lines = torch.arange(first, first + LINES, device=device)
            digits, corners = _digits(bits, lines, self._words), []
            grays.append(digits.gather(2, 2 * self._count[:, None, None].expand(-1, LINES, 1))[:, :, 0] & 0xFF)
            for line in range(LINES):
                noise = self._levels[digits[:, line].gather(1, self._places.flatten(1)).view_as(self._places)]
                polygons = polygons + (self._away - self._loose * noise)
                corners.append((polygons * self._scale).long())
            self._outline(torch.stack(corners, dim=1), lines, top)
        shown = torch.cat(grays, dim=1).gather(1, (top.view(count, -1).long() - 1).clamp(min=0))
        return torch.where(top.view(count, -1) > 0, shown, ground).to(torch.uint8).view(count, size, size)

    def _outline(self, corners: torch.Tensor, lines: torch.Tensor, top: torch.Tensor) -> None:
        """Raise `top` (B size size,) int32 to a line's number, counted from 1, where it passes.

        corners: (B, L, 2, V) int64, of polygons; see `contours.outline`.
        """
        size, shape = self.size, corners.shape
        ends = torch.stack([corners.gather(3, self._before[:, None, None].expand(shape)), corners])  # (2, B, L, 2, V)
        low, high = ends.amin(dim=0), ends.amax(dim=0)
        exists = self._exists[:, None] & (lines < self._lines[:, None])[:, :, None]
        image, line, vertex = (exists & (high >= 0).all(dim=2) & (low < size).all(dim=2)).nonzero(as_tuple=True)
        (from_x, from_y), (x, y) = ends[:, image, line, :, vertex].permute(1, 2, 0)
        wide, tall = (x - from_x).abs(), (y - from_y).abs()
        steep = tall >= wide
        along, across = torch.maximum(tall, wide), torch.minimum(tall, wide)
        slope = ((across << FINE) + along - 1) // along.clamp(min=1)
        segment = torch.arange(len(along), device=along.device).repeat_interleave(along + 1)
        i = torch.arange(len(segment), device=along.device) - ((along + 1).cumsum(0) - along - 1)[segment]
        aside = (HALF + slope[segment] * i) >> FINE
        columns = from_x[segment] + torch.where(x >= from_x, 1, -1)[segment] * torch.where(steep[segment], aside, i)
        rows = from_y[segment] + torch.where(y >= from_y, 1, -1)[segment] * torch.where(steep[segment], i, aside)
        seen = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
        places = ((image[segment] * size + rows) * size + columns)[seen]
        top.scatter_reduce_(0, places, (lines[line] + 1).int()[segment][seen], "amax")
