"""The fifteen corruptions of ImageNet-C (Hendrycks and Dietterich, ICLR 2019), at five strengths, at any size.

The numbers are the benchmark's, for pictures of 224 pixels. Lengths scale with the picture: radii and shifts are
multiplied by S / 224, and snow, fog, frost and waves are drawn at 224 pixels and resized. Noise is drawn for each pixel
of any picture. Frost is a formula here, as bright as the benchmark's photographs of it.
"""

import functools
import io
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import fft, ndimage

from ofdb_core.batches.recipe import CORRUPTIONS
from ofdb_core.formulas.jit import kernel

SIDE = 224  # of the benchmark's pictures
ICE = [(0.51, 0.17), (0.81, 0.09), (0.81, 0.09), (0.60, 0.12), (0.48, 0.17), (0.35, 0.17)]  # see `_frost`
BLUISH = (0.88, 1.02, 1.10)  # the mean colour of the photographs of frost, as factors
LUMA = (0.299, 0.587, 0.114)

Random = np.random.Generator


class Corruption(NamedTuple):
    """One of the `CORRUPTIONS`, its strength from 1 to 5, and the seed of its random numbers."""

    name: str
    strength: int
    seed: int = 0


def corrupted(picture: np.ndarray, how: Corruption, number: int = 0) -> np.ndarray:
    """A picture (S, S) or (S, S, 3) uint8 with a corruption; each number, of a picture, has its own stream."""
    rng = np.random.default_rng([how.seed, zlib.crc32(how.name.encode()), how.strength, number])
    pixels = (picture if picture.ndim == 3 else picture[..., None]) / 255.0
    values = NUMBERS[how.name][how.strength - 1]
    found = _FUNCTIONS[how.name](pixels, rng, *(values if isinstance(values, tuple) else (values,)))
    return (found.clip(0, 1) * 255).astype(np.uint8).reshape(picture.shape)


def _gaussian_noise(x: np.ndarray, rng: Random, spread: float) -> np.ndarray:
    return x + rng.normal(scale=spread, size=x.shape)


def _shot_noise(x: np.ndarray, rng: Random, photons: float) -> np.ndarray:
    return rng.poisson(x * photons) / photons


def _impulse_noise(x: np.ndarray, rng: Random, share: float) -> np.ndarray:
    return np.where(rng.random(x.shape) < share, rng.integers(2, size=x.shape), x)


def _defocus_blur(x: np.ndarray, rng: Random, radius: float) -> np.ndarray:
    radius *= len(x) / SIDE
    reach = int(radius + 1)
    places = np.arange(-reach, reach + 1)
    disk = (radius + 0.5 - np.hypot(places[:, None], places)).clip(0, 1)
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), "reflect")
    shape = padded.shape[:2]
    spectrum = fft.rfft2(disk / disk.sum(), shape)[..., None] * fft.rfft2(padded, axes=(0, 1))
    return fft.irfft2(spectrum, shape, axes=(0, 1))[2 * reach :, 2 * reach :]


def _glass_blur(x: np.ndarray, rng: Random, sigma: float, reach: int, times: int) -> np.ndarray:
    scale = len(x) / SIDE
    sigma, reach = sigma * scale, max(1, round(reach * scale))
    moves = rng.integers(-reach, reach, size=(times, *x.shape[:2], 2))
    return _blurred(_scattered(_blurred(x, sigma), moves, reach), sigma)


@kernel
def _scattered(x: np.ndarray, moves: np.ndarray, reach: int) -> np.ndarray:
    """Each pixel (S, S, C) gets the value of a neighbour, from the last one to the first, several times."""
    for i in range(len(moves)):
        for row in range(len(x) - reach, reach, -1):
            for column in range(x.shape[1] - reach, reach, -1):
                down, right = moves[i, row, column]
                x[row, column] = x[row + down, column + right]
    return x


def _motion_blur(x: np.ndarray, rng: Random, radius: int, sigma: float) -> np.ndarray:
    return _smeared(x, radius, sigma, rng.uniform(-45, 45))


def _smeared(x: np.ndarray, radius: int, sigma: float, degrees: float) -> np.ndarray:
    """The mean along a path that begins at each pixel and weighs less and less; the edge is repeated."""
    steps, places = np.arange(2 * radius + 1), np.arange(len(x))
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    out, path = np.zeros_like(x), steps * len(x) / SIDE
    angle = np.deg2rad(degrees)
    for weight, down, right in zip(weights / weights.sum(), path * np.sin(angle), path * np.cos(angle), strict=True):
        rows, columns = ((places + int(np.ceil(move - 0.5))).clip(0, len(x) - 1) for move in (down, right))
        out += weight * x[rows][:, columns]
    return out


def _zoom_blur(x: np.ndarray, rng: Random, most: float, step: float) -> np.ndarray:
    factors = np.arange(1, most, step)
    return (x + sum(_zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def _zoomed(x: np.ndarray, factor: float) -> np.ndarray:
    """The middle of a picture, as many times as large, by linear interpolation."""
    size = len(x)
    count = int(np.ceil(size / factor))
    start, most = (size - count) // 2, round(count * factor) - 1
    at = (np.arange(size) * (count - 1) / max(most, 1)).clip(0, count - 1) + start
    low = at.astype(int)
    high, part = (low + 1).clip(max=size - 1), at - low
    rows = x[low] * (1 - part)[:, None, None] + x[high] * part[:, None, None]
    return rows[:, low] * (1 - part)[:, None] + rows[:, high] * part[:, None]


def _snow(x: np.ndarray, rng: Random, *values: float) -> np.ndarray:
    mean, spread, zoom, least, radius, sigma, kept = values
    flakes = _zoomed(rng.normal(mean, spread, (SIDE, SIDE, 1)), zoom)
    flakes = np.where(flakes < least, 0, flakes).clip(0, 1)
    flakes = _smeared(flakes, int(radius), sigma, rng.uniform(-135, -45))
    pale = np.maximum(x, _gray(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * pale + _resized(flakes + flakes[::-1, ::-1], len(x))


def _frost(x: np.ndarray, rng: Random, kept: float, ice: float) -> np.ndarray:
    """Needles, where a rough landscape crosses half of its height.

    Their mean and standard deviation are those of one of the benchmark's six photographs.
    """
    mean, spread = ICE[rng.integers(len(ICE))]
    needles = 1 - np.abs(2 * _plasma(rng, 1.25) - 1)
    needles = (mean + spread * (needles - needles.mean()) / needles.std()).clip(0, 1)
    colour = np.array(BLUISH) if x.shape[2] == 3 else 1.0
    return kept * x + ice * _resized(needles[..., None], len(x)) * colour


def _fog(x: np.ndarray, rng: Random, amount: float, decay: float) -> np.ndarray:
    most = x.max()
    return (x + amount * _resized(_plasma(rng, decay)[..., None], len(x))) * most / (most + amount)


def _plasma(rng: Random, decay: float) -> np.ndarray:
    """A landscape (224, 224) from 0 to 1 by the diamond-square rule, on a torus of 256; decay: of its roughness."""
    side, wobble = 256, 100.0
    field = np.zeros((side, side))
    step = side
    while step >= 2:
        half = step // 2
        corners, middles = field[::step, ::step], field[half::step, half::step]
        noise = rng.uniform(-(wobble**2), wobble**2, (3, *corners.shape))
        beside = corners + np.roll(corners, -1, axis=0)
        middles[:] = (beside + np.roll(beside, -1, axis=1)) / 4 + noise[0]
        across = middles + np.roll(middles, 1, axis=0) + corners + np.roll(corners, -1, axis=1)
        field[half::step, ::step] = (middles + np.roll(middles, 1, axis=1) + beside) / 4 + noise[1]
        field[::step, half::step] = across / 4 + noise[2]
        step, wobble = half, wobble / decay
    field = (field - field.min()) / np.ptp(field)
    return field[:SIDE, :SIDE]


def _brightness(x: np.ndarray, rng: Random, more: float) -> np.ndarray:
    value = x.max(axis=2, keepdims=True)  # as of hue, saturation and value
    brighter = (value + more).clip(max=1)
    return np.where(value > 0, x * brighter / np.maximum(value, 1e-12), brighter)


def _contrast(x: np.ndarray, rng: Random, share: float) -> np.ndarray:
    mean = x.mean(axis=(0, 1))
    return (x - mean) * share + mean


def _elastic_transform(x: np.ndarray, rng: Random, height: float, sigma: float, shift: float) -> np.ndarray:
    """A random affine map by three points that move, and then waves."""
    size = len(x)
    middle, third = SIDE // 2, SIDE // 3
    points = middle + third * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = points + rng.uniform(-shift, shift, (3, 2))
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points)  # (3, 2): from a pixel to its source
    waves = [_blurred(rng.uniform(-1, 1, (SIDE, SIDE, 1)), sigma) * height for _ in range(2)]
    down, right = (_resized(wave, size)[..., 0] * size / SIDE for wave in waves)
    places = np.arange(size)
    scaled = np.stack([places[:, None] + down, places + right], axis=-1) * (SIDE / size)
    rows, columns = np.moveaxis((scaled @ back[:2] + back[2]) * (size / SIDE), -1, 0)
    move = functools.partial(ndimage.map_coordinates, coordinates=[rows, columns], order=1, mode="reflect")
    return np.stack([move(channel) for channel in np.moveaxis(x, 2, 0)], axis=2)


def _pixelate(x: np.ndarray, rng: Random, share: float) -> np.ndarray:
    few = max(1, int(len(x) * share))
    small = _picture(x).resize((few, few), Image.Resampling.BOX)
    return _pixels(small.resize((len(x), len(x)), Image.Resampling.NEAREST))


def _jpeg_compression(x: np.ndarray, rng: Random, quality: int) -> np.ndarray:
    file = io.BytesIO()
    _picture(x).save(file, "JPEG", quality=quality)
    return _pixels(Image.open(file))


def _picture(x: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(x * 255).astype(np.uint8).squeeze())


def _pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).reshape(*picture.size[::-1], -1) / 255.0 + 1e-9  # so that bytes stay, cut off


def _gray(x: np.ndarray) -> np.ndarray:
    return (x * LUMA).sum(axis=2, keepdims=True) if x.shape[2] == 3 else x


def _blurred(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of (S, S, C); beyond the edge the picture is mirrored."""
    rates = np.exp(-((np.pi * sigma * np.arange(len(x)) / len(x)) ** 2) / 2)
    spectrum = fft.dctn(x, axes=(0, 1)) * (rates[:, None] * rates)[..., None]
    return fft.idctn(spectrum, axes=(0, 1))


def _resized(field: np.ndarray, size: int) -> np.ndarray:
    """A field (S, S, 1) of numbers with another number of pixels each side."""
    picture = Image.fromarray(field[..., 0].astype(np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR), np.float64)[..., None]


NUMBERS: dict[str, list] = {  # name -> its numbers at strength 1 to 5
    "gaussian_noise": [0.08, 0.12, 0.18, 0.26, 0.38],
    "shot_noise": [60, 25, 12, 5, 3],
    "impulse_noise": [0.03, 0.06, 0.09, 0.17, 0.27],
    "defocus_blur": [3, 4, 6, 8, 10],
    "glass_blur": [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
    "motion_blur": [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
    "zoom_blur": [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)],
    "snow": [
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ],
    "frost": [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
    "fog": [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)],
    "brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
    "contrast": [0.4, 0.3, 0.2, 0.1, 0.05],
    "elastic_transform": [
        (488, 170.8, 24.4),
        (488, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ],
    "pixelate": [0.6, 0.5, 0.4, 0.3, 0.25],
    "jpeg_compression": [25, 18, 15, 10, 7],
}
_FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {name: globals()[f"_{name}"] for name in CORRUPTIONS}
