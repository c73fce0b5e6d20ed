"""RandAugment's operations as timm applies them with Pillow, to the byte, on planes (S, C, S) uint8 of 1 or 3 channels.

Most operations look each channel up in a table; those that move pixels are in `motions`. A gray picture needs one
channel, where the fill is gray: the result is what each channel of its RGB would be.
"""

import numpy as np

from ofdb_core.batches import motions
from ofdb_core.batches.resample import turned
from ofdb_core.formulas.jit import kernel

(NOTHING, AUTO_CONTRAST, EQUALIZE, INVERT, POSTERIZE, SOLARIZE, SOLARIZE_ADD, BRIGHTNESS, CONTRAST) = range(9)
(COLOR, SHARPNESS, ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y) = range(9, 16)
MIDDLE = 128  # SolarizeAdd brightens what is darker
SMOOTH = np.array([1, 5], np.float32) / np.float32(13)  # weights of a neighbour and of the pixel itself


@kernel
def applied(planes: np.ndarray, operation: int, argument: float, bicubic: bool, fill: np.ndarray) -> np.ndarray:
    """The planes after one operation; they may be overwritten.

    argument: as timm hands it to the operation (degrees, factor, threshold, bits, share of the width); bicubic: or else
    bilinear, where pixels move; fill: (C,) uint8.
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
        return turned(motions.slid(turned(planes), argument, 0.0, bicubic, fill))
    if operation == TRANSLATE_X:
        return motions.slid(planes, 0.0, argument * size, bicubic, fill)
    if operation == TRANSLATE_Y:
        return turned(motions.slid(turned(planes), 0.0, argument * size, bicubic, fill))
    _look_up(planes, operation, argument)
    return planes


@kernel
def _look_up(planes: np.ndarray, operation: int, argument: float) -> None:
    """Put what the operation makes of each value in its place."""
    gray = _rounded_mean(planes) if operation == CONTRAST else 0
    for channel in range(planes.shape[1]):
        table = _table(planes, channel, operation, argument, gray)
        for y in range(len(planes)):
            row = planes[y, channel]
            for x in range(len(row)):
                row[x] = table[row[x]]


@kernel
def _table(planes: np.ndarray, channel: int, operation: int, argument: float, gray: int) -> np.ndarray:
    """What becomes of the 256 values of a channel; gray: the mean of the whole picture."""
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
    """How often each value occurs, (256,); in four parts, as equal neighbours wait for each other in one."""
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
    """The values from the darkest to the brightest over the whole range."""
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
    """Equally many pixels for each range of values."""
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
    """The value that a share leads to from start to end, or beyond it."""
    value = np.float32(start) + share * np.float32(np.int32(end) - np.int32(start))
    return np.uint8(min(max(value, np.float32(0)), np.float32(255)))


@kernel
def luma(red: int, green: int, blue: int) -> int:
    """The gray of a colour, as Pillow's mode L has it."""
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16


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
    """Away from the gray picture, or towards it."""
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
    """Away from the picture smoothed by a 3 x 3 kernel, or towards it; the border stays."""
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


@kernel
def _cubic(a: float, b: float, c: float, d: float, t: float) -> float:
    """Pillow's curve through four values, t behind b."""
    return b + t * ((-a + c) + t * ((2 * (a - b) + c - d) + t * (-a + b - c + d)))
