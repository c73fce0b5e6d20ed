"""timm's training chain on arrays: from the pixels of a sample to the view that a network learns from.

For the same draws the 8-bit picture equals timm's and Pillow's to the byte. Normalisation, and the noise in the erased
box, come later. (This holds for Pillow's x86-64 builds; a compiler that fuses multiplications with additions may change
single pixels by one.) The kernels release the GIL, so threads share one copy of the images.
"""

import numpy as np

from ofdb_core.batches import draws, operations
from ofdb_core.batches.recipe import Augmentation
from ofdb_core.batches.resample import nearest_crop, resized_crop, source
from ofdb_core.formulas.jit import kernel


class Chain:
    """The augmentation of a recipe; UnknownAugmentation, a ValueError, if only timm knows its policy.

    keeps_gray: a gray picture stays gray, so one channel is enough; parallel: threads may call it side by side.
    """

    parallel = True

    def __init__(self, recipe: Augmentation) -> None:
        self.chances = draws.chances(recipe)
        fill = np.array([min(255, round(255 * x)) for x in recipe.mean], np.uint8)
        self._fill = fill if recipe.auto_augment else None  # None: no operation is compiled
        self.keeps_gray = bool((fill == fill[0]).all()) or not recipe.auto_augment

    def __call__(self, pixels: np.ndarray, key: int, out: np.ndarray) -> np.ndarray:
        """Fill `out` with the view of a picture that 64 random bits draw; return the box to erase.

        pixels: (H, W) or (H, W, 3) uint8; out: (S, S) or (S, S, 3) uint8, contiguous; the box: (4,) int32, top, left,
        height and width, all zeros if nothing is erased.
        """
        target = out if out.ndim == 3 else out[..., None]
        return _augment(self.chances, self._fill, source(pixels), np.uint64(key), target)

    def of_mask(self, mask: np.ndarray, key: int, size: int) -> np.ndarray:
        """The part (size, size) of a mask (H, W) int16 that the view of its picture shows, for the same random bits."""
        out = np.empty((size, size), np.int16)
        return _of_mask(self.chances, np.ascontiguousarray(mask), np.uint64(key), out)


@kernel
def _of_mask(chances: draws.Chances, mask: np.ndarray, key: np.uint64, out: np.ndarray) -> np.ndarray:
    drawn = draws.drawn(chances, mask.shape[0], mask.shape[1], len(out), key)
    return nearest_crop(mask, drawn.crop, drawn.flips, out)


@kernel
def _augment(
    chances: draws.Chances, fill: np.ndarray | None, pixels: np.ndarray, key: np.uint64, out: np.ndarray
) -> np.ndarray:
    """Draw, apply, and write to out (S, S, C); return the erased box. A fill that is not gray needs three channels.

    fill: (3,) uint8, or None without operations.
    """
    size = len(out)
    drawn = draws.drawn(chances, pixels.shape[0], pixels.shape[1], size, key)
    planes = resized_crop(pixels, drawn.crop, size, drawn.bicubic, drawn.flips)
    if fill is not None:
        if not fill[0] == fill[1] == fill[2]:
            planes = operations.in_channels(planes, 3)
        for i in range(len(drawn.operations)):
            operation, argument, bicubic = drawn.operations[i]
            planes = operations.applied(planes, int(operation), argument, bicubic != 0, fill)
    _write(planes, out)
    box = np.empty(4, np.int32)
    box[0], box[1], box[2], box[3] = drawn.erased
    return box


@kernel
def _write(planes: np.ndarray, out: np.ndarray) -> None:
    """Write planes (S, C, S) to `out` (S, S, 1 or 3), in its number of channels."""
    size, channels, width = planes.shape
    for y in range(size):
        row, target = planes[y], out[y]
        if channels == 3 and out.shape[2] == 1:
            for x in range(width):
                target[x, 0] = operations.luma(row[0, x], row[1, x], row[2, x])
        else:
            for channel in range(out.shape[2]):
                for x in range(width):
                    target[x, channel] = row[min(channel, channels - 1), x]
