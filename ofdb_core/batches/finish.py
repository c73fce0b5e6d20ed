"""Raw batches become a network's input: pictures of bytes are normalised, erased and mixed.

A kernel does it on a CPU, torch's operations on any other device, to the same bits. So a device receives one byte a
pixel. It draws the noise of random erasing itself: a hash of the sample's key and the pixel's position chooses one of
the 65,536 quantiles of the normal distribution.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtri

from ofdb_core.batches.mixing import soft_targets
from ofdb_core.batches.recipe import View
from ofdb_core.formulas.jit import copy, kernel

Batch = tuple[torch.Tensor, torch.Tensor]  # images and targets


class RawBatch(NamedTuple):
    """A batch of B samples before it is normalised, erased and mixed.

    pictures: uint8, (B, S, S, 1) if all are gray, else (B, S, S, 3); labels: (B,) int64, or (B, C) float32 for sets of
    labels, 1 for each that a sample has, or masks (B, S, S) int16; erased: (B, 4) int32, top, left, height and width of
    the erased box; keys: (B,) int32, of the noise in it; boxes, shares and weights: see `mixing.Mixed`.
    """

    pictures: torch.Tensor
    labels: torch.Tensor
    erased: torch.Tensor
    keys: torch.Tensor
    boxes: torch.Tensor
    shares: torch.Tensor
    weights: torch.Tensor


@functools.cache
def _quantiles() -> np.ndarray:
    """The quantiles (65536,) float32 of the normal distribution, each in the middle of its share."""
    return ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


@kernel
def _noise(quantiles: np.ndarray, key: int, first: int, out: np.ndarray) -> None:
    """Fill `out` (n,) float32 with the noise at the positions first, first + 1, ... of a picture."""
    for i in range(len(out)):
        x = np.uint32((first + i) * 0x9E3779B1 + key)
        x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B))
        x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        out[i] = quantiles[x >> np.uint32(16)]


@kernel
def _normalised(picture: np.ndarray, y: int, shown: int, values: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (S,) with row y of a channel of a picture (S, S, 1 or 3), normalised."""
    for x in range(len(out)):
        out[x] = values[picture[y, x, shown]]


@kernel
def _erase(erased: np.ndarray, y: int, channel: int, key: int, quantiles: np.ndarray, row: np.ndarray) -> None:
    """Write noise into the erased part of row y of a channel."""
    top, left, height, width = erased[0], erased[1], erased[2], erased[3]
    if top <= y < top + height:
        _noise(quantiles, key, (channel * len(row) + y) * len(row) + left, row[left : left + width])


@kernel
def _finish(raw: Any, values: np.ndarray, same: bool, quantiles: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (B, C, S, S) float32, a pair of samples and a row at a time, so that all but `out` stays in the cache.

    raw: a `RawBatch` of arrays; values: (C, 256) float32, the normalised bytes of each channel; same: whether they are
    equal in all channels.
    """
    pictures, erased, keys, boxes, shares = raw.pictures, raw.erased, raw.keys, raw.boxes, raw.shares
    count, channels, size = len(pictures), out.shape[1], out.shape[2]
    gray = same and pictures.shape[3] == 1  # the channels differ in the noise alone
    rows = np.empty((2, size), np.float32)
    noisy = np.empty((2, size), np.float32)
    for a in range(0, count, 2):
        b = min(a + 1, count - 1)
        share = shares[a]
        rest, top, left, bottom, right = np.float32(1) - share, boxes[a, 0], boxes[a, 1], boxes[a, 2], boxes[a, 3]
        for y in range(size):
            plain = gray
            for i in (a, b):
                plain = plain and not erased[i, 0] <= y < erased[i, 0] + erased[i, 2]
            for channel in range(channels):
                first, second = out[a, channel, y], out[b, channel, y]
                if channel and plain:
                    copy(out[a, 0, y], first)
                    copy(out[b, 0, y], second)
                    continue
                if not channel or not gray:
                    shown = channel if pictures.shape[3] > 1 else 0
                    _normalised(pictures[a], y, shown, values[channel], rows[0])
                    _normalised(pictures[b], y, shown, values[channel], rows[1])
                one, other = rows[0], rows[1]
                if not plain:
                    one, other = noisy[0], noisy[1]
                    copy(rows[0], one)
                    copy(rows[1], other)
                    _erase(erased[a], y, channel, keys[a], quantiles, one)
                    _erase(erased[b], y, channel, keys[b], quantiles, other)
                if share == 1:
                    copy(one, first)
                    copy(other, second)
                    if top <= y < bottom:
                        copy(other[left:right], first[left:right])
                        copy(one[left:right], second[left:right])
                else:
                    for x in range(size):
                        first[x] = one[x] * share + other[x] * rest
                        second[x] = other[x] * share + one[x] * rest


def _within(boxes: torch.Tensor, size: int) -> torch.Tensor:
    """Whether each pixel lies in its sample's box of top, left, bottom and right: (B, 1, S, S) bool."""
    top, left, bottom, right = boxes[:, :, None, None, None].unbind(1)
    places = torch.arange(size, device=boxes.device)
    rows, columns = places[:, None], places[None, :]
    return (top <= rows) & (rows < bottom) & (left <= columns) & (columns < right)


def _hashed(places: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """The 16 bits (...) int64 that `_noise` draws at places with keys, both int32; products wrap around."""
    x = places * -0x61C8864F + keys
    for shift, factor in ((16, -0x7A143595), (13, -0x3D4D51CB)):
        x = (x ^ ((x >> shift) & (2 ** (32 - shift) - 1))) * factor
    return ((x >> 16) & 0xFFFF).long()


class ToNetwork:
    """Normalises, erases and mixes raw batches for a view; soft: number of classes and smoothing of the targets."""

    def __init__(self, view: View, soft: tuple[int, float] | None = None) -> None:
        mean, std = (torch.tensor(values[: view.channels])[:, None] for values in (view.mean, view.std))
        self._values = (torch.arange(256) / 255 - mean) / std  # (C, 256) float32, in the order of torchvision
        self._same, self._soft = bool((self._values == self._values[:1]).all()), soft

    def __call__(self, raw: RawBatch) -> Batch:
        """Images (B, C, S, S) float32 and targets on the device of the raw batch.

        Targets are soft, (B, classes) float32, and mixed as the images; without `soft` they are the labels (B,) int64,
        or the masks (B, S, S) int64.
        """
        images = self.by_kernel(raw) if raw.pictures.device.type == "cpu" else self.by_torch(raw)
        if self._soft is None:
            return images, raw.labels.long()
        targets, own = soft_targets(raw.labels, *self._soft), raw.weights[:, None]
        return images, targets * own + targets[_partners(len(targets))] * (1 - own)

    def by_kernel(self, raw: RawBatch) -> torch.Tensor:
        count, size = raw.pictures.shape[:2]
        images = np.empty((count, len(self._values), size, size), np.float32)  # in huge pages, unlike torch's arrays
        unused = torch.zeros(0, dtype=torch.int64)  # one type for numba, whatever the labels are
        arrays = RawBatch._make(tensor.numpy() for tensor in raw._replace(labels=unused))
        _finish(arrays, self._values.numpy(), self._same, _quantiles(), images)
        return torch.from_numpy(images)

    def by_torch(self, raw: RawBatch) -> torch.Tensor:
        device, size, channels = raw.pictures.device, raw.pictures.shape[1], len(self._values)
        shown = raw.pictures.permute(0, 3, 1, 2).expand(-1, channels, -1, -1).long()
        firsts = (torch.arange(channels, device=device) * 256)[:, None, None]
        images = self._values.to(device).flatten()[shown + firsts]
        found = raw.erased[:, 2].nonzero().flatten()
        if len(found):
            top, left, height, width = raw.erased[found].unbind(1)
            within = _within(torch.stack([top, left, top + height, left + width], 1), size)
            places = torch.arange(channels * size * size, device=device, dtype=torch.int32).view(channels, size, size)
            noise = torch.as_tensor(_quantiles(), device=device)[_hashed(places, raw.keys[found, None, None, None])]
            images[found] = torch.where(within, noise, images[found])
        partners, own = _partners(len(images)), raw.shares[:, None, None, None]
        images = torch.where(_within(raw.boxes, size), images[partners], images)
        return torch.where(own == 1, images, images * own + images[partners] * (1 - own))


def _partners(count: int) -> list[int]:
    """For each sample of a batch the number of its partner."""
    return [min(i ^ 1, count - 1) for i in range(count)]


def to_pixels(batch: torch.Tensor, recipe: View) -> np.ndarray:
    """A network's input (B, C, S, S) as pictures (B, S, S, 3) uint8: normalisation is undone."""
    mean, std = (torch.tensor(values[: recipe.channels])[:, None, None] for values in (recipe.mean, recipe.std))
    shown = ((batch * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
    return shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
