"""PixMix (Hendrycks et al., CVPR 2022): a training picture is mixed with one that is rich in structure, as a fractal.

The sample, or an altered copy of it, is mixed in up to k rounds with the mixing picture or with altered copies of
itself, to a x + b y or x^a y^b. For the same draws the result is the published code's, rounded to bytes. It comes after
the crop, the flips and the other operations on the sample, and before normalisation, erasing and Mixup.
"""

import numpy as np

from ofdb_core.batches import draws, motions, operations
from ofdb_core.batches.recipe import MixedPictures
from ofdb_core.batches.resample import resized_crop, source, transposed
from ofdb_core.data.samples import Samples
from ofdb_core.formulas.jit import kernel

STREAM = 0x5049584D4958  # XORed with a sample's key: a stream of its own, so that other draws stay
ROOM = 9 / 8  # side of the mixing picture before its random crop, as a share of the sample's: 36 to 32 pixels, on CIFAR
LEAST = np.float32(1e-37)  # below a power; 0 to a negative one is infinite


class PixMix:
    """Mixes uint8 pictures with those of `Samples`; channels: 1 turns the mixing pictures gray."""

    def __init__(self, recipe: MixedPictures, pictures: Samples, channels: int = 3) -> None:
        used = len(draws.OPERATIONS) - (0 if recipe.pixmix_all else len(draws.OVERLAPPING))
        self._mixes = draws.Mixes(recipe.pixmix_rounds, float(recipe.pixmix_beta), float(recipe.pixmix_severity), used)
        self._pictures, self._channels = pictures, channels

    def __call__(self, picture: np.ndarray, key: int) -> np.ndarray:
        """A picture (S, S) or (S, S, 3) uint8, mixed as 64 random bits draw; in colour if either of the two is."""
        size = len(picture)
        drawn = draws.pixmixed(self._mixes, len(self._pictures), size, np.uint64(key ^ STREAM))
        other = self._pictures.pixels(drawn.picture, int(drawn.instance))
        gray = picture.ndim == 2 and (other.ndim == 2 or self._channels == 1)
        out = np.empty((size, size, 1 if gray else 3), np.uint8)
        _mix(source(picture), source(other), drawn.corner, drawn.rows, out)
        return out[..., 0] if gray else out


@kernel
def _cropped(pixels: np.ndarray, size: int, corner: tuple[float, float, float]) -> np.ndarray:
    """A mixing picture (H, W, C) as planes (size, C, size): its shorter side has `ROOM`, and the crop is random."""
    height, width, _ = pixels.shape
    side, room = min(height, width), int(np.rint(size * ROOM))
    along = int(corner[2] * (max(height, width) - side + 1))
    box = (along if height > width else 0, along if width > height else 0, side, side)
    planes = resized_crop(pixels, box, room, False, (False, False))
    top, left = int(corner[0] * (room - size + 1)), int(corner[1] * (room - size + 1))
    return planes[top : top + size, :, left : left + size].copy()


@kernel
def _altered(planes: np.ndarray, operation: int, argument: float) -> np.ndarray:
    """A copy of the planes after an operation; what comes from outside the picture is black."""
    black = np.zeros(planes.shape[1], np.uint8)
    if operation == operations.TRANSLATE_X:
        return motions.slid(planes, 0.0, argument, False, black)
    if operation == operations.TRANSLATE_Y:
        return transposed(motions.slid(transposed(planes), 0.0, argument, False, black))
    return operations.applied(planes.copy(), operation, argument, False, black)


@kernel
def _mix(
    picture: np.ndarray, other: np.ndarray, corner: tuple[float, float, float], rows: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` (S, S, C) with the picture (S, S, 1 or 3) mixed with the other one; rows: see `draws.Pixmixed`."""
    size, channels = len(out), out.shape[2]
    unit = np.arange(256).astype(np.float32) / np.float32(255)
    planes = operations.in_channels(resized_crop(picture, (0, 0, size, size), size, False, (False, False)), channels)
    other = operations.in_channels(_cropped(other, size, corner), channels)
    start = _altered(planes, int(rows[0, 0]), rows[0, 1]).reshape(-1)
    mixed = unit[start]
    one, two, top = np.float32(1), np.float32(2), np.float32(255)
    for i in range(1, len(rows)):
        operation, multiplies = int(rows[i, 0]), rows[i, 2] != 0
        a, b = np.float32(rows[i, 3]), np.float32(rows[i, 4])
        pixels = (other if operation == draws.PICTURE else _altered(planes, operation, rows[i, 1])).reshape(-1)
        own, others = np.empty(256, np.float32), np.empty(256, np.float32)  # what bytes contribute
        for x in range(256):
            own[x] = (unit[x] * two) ** a
            others[x] = max(unit[x] * two, LEAST) ** b if multiplies else b * (unit[x] * two - one)
        for x in range(len(mixed)):
            if multiplies:
                power = own[start[x]] if i == 1 else (mixed[x] * two) ** a  # the start is still of bytes
                value = power * others[pixels[x]] / two
            else:
                value = (a * (mixed[x] * two - one) + others[pixels[x]] + one) / two
            mixed[x] = min(max(value, np.float32(0)), one)
    shaped = mixed.reshape(size, channels, size)
    for y in range(size):
        for x in range(size):
            for channel in range(channels):
                out[y, x, channel] = np.uint8(np.rint(shaped[y, channel, x] * top))
