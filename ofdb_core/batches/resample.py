"""Pillow's resize of a crop, to the byte: two passes over 8-bit pixels with integer coefficients of 22 bits.

The rules are those of Pillow 13: the order of the passes, no pass for a side that keeps its length, and the rounding of
coefficients and sums. Both passes run over contiguous rows: the horizontal one takes the transposed picture.

Inside, a picture is `planes` (H, C, W) uint8: row y holds row y of each channel, one after the other.
"""

import numpy as np

from ofdb_core.formulas.jit import copy, kernel

BITS = 22  # of a coefficient, after the point
RUN = 8  # rows transposed at a time


def source(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) or (H, W, C) as (H, W, C) for the kernels."""
    seen = np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[..., None]).view()
    seen.flags.writeable = False  # one type for numba, whether the pixels were writeable or not
    return seen


@kernel
def _bilinear(x: float) -> float:
    x = abs(x)
    return 1.0 - x if x < 1.0 else 0.0


@kernel
def _bicubic(x: float) -> float:
    x = abs(x)
    if x < 1.0:
        return ((-0.5 + 2.0) * x - (-0.5 + 3.0)) * x * x + 1
    if x < 2.0:
        return (((x - 5) * x + 8) * x - 4) * -0.5
    return 0.0


@kernel
def coefficients(n: int, size: int, bicubic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sums that make `size` pixels of a line of n: the first pixel of each, the number of pixels, the coefficients.

    (size,) int64 twice, and (size, most) int32, in units of 2 ** -22 and padded with zeros.
    """
    scale = n / size
    stretch = max(scale, 1.0)
    support = (2.0 if bicubic else 1.0) * stretch
    most = int(np.ceil(support)) * 2 + 4
    first, count = np.empty(size, np.int64), np.empty(size, np.int64)
    weights = np.empty(most, np.float64)
    rounded = np.zeros((size, most), np.int32)
    for i in range(size):
        centre = (i + 0.5) * scale
        low = max(int(centre - support + 0.5), 0)
        high = min(int(centre + support + 0.5), n)
        total = 0.0
        for j in range(high - low):
            x = (j + low - centre + 0.5) * (1.0 / stretch)
            weights[j] = _bicubic(x) if bicubic else _bilinear(x)
            total += weights[j]
        for j in range(high - low):
            weight = (weights[j] / total if total != 0.0 else weights[j]) * (1 << BITS)
            rounded[i, j] = np.int32(weight - 0.5 if weight < 0.0 else weight + 0.5)
        first[i], count[i] = low, high - low
    return first, count, rounded


@kernel
def _resized(rows: np.ndarray, start: int, length: int, size: int, bicubic: bool, flipped: bool) -> np.ndarray:
    """The columns start to start + length of rows (n, m), resized to (size, length), flipped or not."""
    out = np.empty((size, length), np.uint8)
    if len(rows) == size:
        for i in range(size):
            copy(rows[i, start : start + length], out[size - 1 - i if flipped else i])
        return out
    first, count, weights = coefficients(len(rows), size, bicubic)
    sums = np.empty(length, np.int32)
    for i in range(size):
        low, last = first[i], first[i] + count[i] - 1
        sums[:] = 1 << (BITS - 1)
        for j in range(0, count[i], 4):  # the weights of rows beyond the last are zero
            a = rows[low + j, start : start + length]
            b = rows[min(low + j + 1, last), start : start + length]
            c = rows[min(low + j + 2, last), start : start + length]
            d = rows[min(low + j + 3, last), start : start + length]
            w0, w1, w2, w3 = weights[i, j], weights[i, j + 1], weights[i, j + 2], weights[i, j + 3]
            for x in range(length):
                sums[x] = np.int32(sums[x] + a[x] * w0 + b[x] * w1 + c[x] * w2 + d[x] * w3)
        row = out[size - 1 - i if flipped else i]
        for x in range(length):
            row[x] = np.uint8(min(max(sums[x] >> BITS, 0), 255))
    return out


@kernel
def transposed(planes: np.ndarray) -> np.ndarray:
    """Planes (n, C, m) with rows and columns exchanged, (m, C, n)."""
    height, channels, width = planes.shape
    out = np.empty((width, channels, height), np.uint8)
    whole = height - height % RUN
    for y in range(0, whole, RUN):
        for c in range(channels):
            for x in range(width):
                for j in range(RUN):
                    out[x, c, y + j] = planes[y + j, c, x]
    for y in range(whole, height):
        for c in range(channels):
            for x in range(width):
                out[x, c, y] = planes[y, c, x]
    return out


@kernel
def _transposed_crop(pixels: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A crop of pixels (H, W, C), transposed: (width, C * height)."""
    channels = pixels.shape[2]
    rows = pixels.reshape(len(pixels), 1, -1)[top : top + height, :, left * channels : (left + width) * channels]
    return transposed(rows).reshape(width, -1)


@kernel
def resized_crop(
    pixels: np.ndarray, box: tuple[int, int, int, int], size: int, bicubic: bool, flips: tuple[bool, bool]
) -> np.ndarray:
    """The box (top, left, height, width) of pixels (H, W, C), resized to planes (size, C, size) and then flipped.

    bicubic: False is bilinear; flips: left to right, and top to bottom.
    """
    top, left, height, width = box
    (hflip, vflip), channels = flips, pixels.shape[2]
    if vertical_first(height, width, size):
        rows = pixels.reshape(len(pixels), -1)[top : top + height]
        low = _resized(rows, left * channels, width * channels, size, bicubic, vflip).reshape(size, width, channels)
        crop = _transposed_crop(low, 0, 0, size, width)
        return transposed(_resized(crop, 0, crop.shape[1], size, bicubic, hflip).reshape(size, channels, size))
    crop = _transposed_crop(pixels, top, left, height, width)
    narrow = transposed(_resized(crop, 0, crop.shape[1], size, bicubic, hflip).reshape(size, channels, height))
    lines = narrow.reshape(height, -1)
    return _resized(lines, 0, lines.shape[1], size, bicubic, vflip).reshape(size, channels, size)


@kernel
def vertical_first(height: int, width: int, size: int) -> bool:
    """Whether the vertical pass comes first: if the height shrinks more than twice as much as the width."""
    return size < height and height - size > 2 * (width - size)


@kernel
def nearest_crop(
    mask: np.ndarray, box: tuple[int, int, int, int], flips: tuple[bool, bool], out: np.ndarray
) -> np.ndarray:
    """Fill `out` (S, S) with the box (top, left, height, width) of a mask (H, W), resized and then flipped; return it.

    Each pixel has the class at its centre, as torch's nearest-exact; so the mask lies on the picture of `resized_crop`.
    flips: as there.
    """
    top, left, height, width = box
    (hflip, vflip), size = flips, len(out)
    columns = np.empty(size, np.int64)
    for x in range(size):
        columns[size - 1 - x if hflip else x] = left + (2 * x + 1) * width // (2 * size)
    for y in range(size):
        row, target = mask[top + (2 * y + 1) * height // (2 * size)], out[size - 1 - y if vflip else y]
        for x in range(size):
            target[x] = row[columns[x]]
    return out
