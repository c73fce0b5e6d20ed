"""RandAugment's operations as timm applies them with Pillow, to the byte, on planes (S, C, S) uint8 of 1 or 3 channels.

Most operations look each channel up in a table; those that move pixels are in `motions`. If the fill is gray, a gray
picture needs one channel: each channel of its RGB would give the same result.
"""

import numpy as np

from ofdb_core.batches import motions
from ofdb_core.batches.resample import transposed
from ofdb_core.formulas.jit import kernel

(NOTHING, AUTO_CONTRAST, EQUALIZE, INVERT, POSTERIZE, SOLARIZE, SOLARIZE_ADD, BRIGHTNESS, CONTRAST) = range(9)
(COLOR, SHARPNESS, ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y) = range(9, 16)
MIDDLE = 128  # SolarizeAdd brightens darker values
SMOOTH = np.array([1, 5], np.float32) / np.float32(13)  # weights of a neighbour and of the pixel itself


@kernel
def applied(planes: np.ndarray, operation: int, argument: float, bicubic: bool, fill: np.ndarray) -> np.ndarray:
    """The planes after one operation; the old ones may be overwritten.

    argument: as timm passes it to the operation (degrees, factor, threshold, bits, share of the width); bicubic: False
    is bilinear, where pixels move; fill: (C,) uint8.
    """
    size = len(planes)
    if operation == NOTHING:
        return planes
    if operation == COLOR:
        return _colored(planes, np.float32(argument))
    if operation == SHARPNESS:
        return _sharpened(planes, np.float32(argument))
    if operation == ROTATE:
        return motions.rotated(planes, argument, bicubic, fill)
    if operation == SHEAR_X:
        return motions.slid(planes, argument, 0.0, bicubic, fill)
    if operation == SHEAR_Y:
        return transposed(motions.slid(transposed(planes), argument, 0.0, bicubic, fill))
    if operation == TRANSLATE_X:
        return motions.slid(planes, 0.0, argument * size, bicubic, fill)
    if operation == TRANSLATE_Y:
        return transposed(motions.slid(transposed(planes), 0.0, argument * size, bicubic, fill))
    _look_up(planes, operation, argument)
    return planes


@kernel
def _look_up(planes: np.ndarray, operation: int, argument: float) -> None:
    """Replace each value by the operation's result."""
    gray = _rounded_mean(planes) if operation == CONTRAST else 0
    for channel in range(planes.shape[1]):
        table = _table(planes, channel, operation, argument, gray)
        for y in range(len(planes)):
            row = planes[y, channel]
            for x in range(len(row)):
                row[x] = table[row[x]]


@kernel
def _table(planes: np.ndarray, channel: int, operation: int, argument: float, gray: int) -> np.ndarray:
    """The operation's results for the 256 values of a channel; gray: the mean of the whole picture."""
    table = np.arange(256).astype(np.uint8)
    whole = int(argument)
    if operation == AUTO_CONTRAST:
        _stretch(_histogram(planes, channel), table)
    elif operation == EQUALIZE:
        _even_out(_histogram(planes, channel), table)
    for i in range(256):
        if operation == INVERT or (operation == SOLARIZE and i >= whole):
            table[i] = 255 - i
        elif operation == POSTERIZE and whole < 8:
            table[i] = i & (256 - (1 << (8 - whole)))
        elif operation == SOLARIZE_ADD and i < MIDDLE:
            table[i] = min(255, i + whole)
        elif operation in (BRIGHTNESS, CONTRAST):
            table[i] = _blended(gray, i, np.float32(argument))
    return table


@kernel
def _histogram(planes: np.ndarray, channel: int) -> np.ndarray:
    """The count of each value, (256,), from four partial counts: in one, equal neighbours wait for each other."""
    parts = np.zeros((4, 256), np.int64)
    width = planes.shape[2]
    whole = width - width % 4
    for y in range(len(planes)):
        row = planes[y, channel]
        for x in range(0, whole, 4):
            for j in range(4):
                parts[j, row[x + j]] += 1
        for x in range(whole, width):
            parts[0, row[x]] += 1
    for i in range(256):
        parts[0, i] += parts[1, i] + parts[2, i] + parts[3, i]
    return parts[0]


@kernel
def _stretch(histogram: np.ndarray, table: np.ndarray) -> None:
    """Fill the table: the darkest to the brightest value stretch over the whole range."""
    low, high = 0, 255
    while histogram[low] == 0 and low < 255:
        low += 1
    while histogram[high] == 0 and high > 0:
        high -= 1
    if high > low:
        scale = 255.0 / (high - low)
        for i in range(256):
            table[i] = min(max(int(i * scale + -low * scale), 0), 255)


@kernel
def _even_out(histogram: np.ndarray, table: np.ndarray) -> None:
    """Fill the table: each range of values gets the same number of pixels."""
    last = 255
    while histogram[last] == 0 and last > 0:
        last -= 1
    total = histogram.sum()
    step = (total - histogram[last]) // 255
    if step == 0 or total == histogram[last]:
        return
    count = step // 2
    for i in range(256):
        table[i] = min(count // step, 255)
        count += histogram[i]


@kernel
def _blended(start: int, end: int, share: np.float32) -> np.uint8:
    """The value at a share of the way from start to end, or beyond it."""
    value = np.float32(start) + share * np.float32(np.int32(end) - np.int32(start))
    return np.uint8(min(max(value, np.float32(0)), np.float32(255)))


@kernel
def luma(red: int, green: int, blue: int) -> int:
    """The gray of a colour, as in Pillow's mode L."""
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


@kernel
def in_channels(planes: np.ndarray, channels: int) -> np.ndarray:
    """Planes (S, C, S) with 1 or 3 channels."""
    size, had, width = planes.shape
    if had == channels:
        return planes
    out = np.empty((size, channels, width), np.uint8)
    for y in range(size):
        for channel in range(channels):
            for x in range(width):
                row = planes[y]
                out[y, channel, x] = row[0, x] if had == 1 else luma(row[0, x], row[1, x], row[2, x])
    return out


@kernel
def _rounded_mean(planes: np.ndarray) -> int:
    """The mean gray of the picture."""
    size, channels, width = planes.shape
    total = 0
    for y in range(size):
        row = planes[y]
        for x in range(width):
            total += luma(row[0, x], row[1, x], row[2, x]) if channels == 3 else row[0, x]
    return int(total / (size * width) + 0.5)


@kernel
def _colored(planes: np.ndarray, factor: np.float32) -> np.ndarray:
    """The picture moved towards its gray (factor < 1), or away from it."""
    if planes.shape[1] == 3:
        for y in range(len(planes)):
            red, green, blue = planes[y, 0], planes[y, 1], planes[y, 2]
            for x in range(len(red)):
                gray = luma(red[x], green[x], blue[x])
                red[x] = _blended(gray, red[x], factor)
                green[x] = _blended(gray, green[x], factor)
                blue[x] = _blended(gray, blue[x], factor)
    return planes


@kernel
def _sharpened(planes: np.ndarray, factor: np.float32) -> np.ndarray:
    """The picture moved towards its 3 x 3 smoothing (factor < 1), or away from it; the border stays."""
    out = planes.copy()
    size, channels, width = planes.shape
    near, own = SMOOTH[0], SMOOTH[1]
    for y in range(1, size - 1):
        for channel in range(channels):
            above, row, below = planes[y - 1, channel], planes[y, channel], planes[y + 1, channel]
            target = out[y, channel]
            for x in range(1, width - 1):
                total = np.float32(0.5)
                total += np.float32(below[x - 1]) * near + np.float32(below[x]) * near + np.float32(below[x + 1]) * near
                total += np.float32(row[x - 1]) * near + np.float32(row[x]) * own + np.float32(row[x + 1]) * near
                total += np.float32(above[x - 1]) * near + np.float32(above[x]) * near + np.float32(above[x + 1]) * near
                smooth = int(min(max(total, np.float32(0)), np.float32(255)))
                target[x] = _blended(smooth, row[x], factor)
    return out
