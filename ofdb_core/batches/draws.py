"""The draws for a sample: crop, flips, RandAugment's operations and the erased box, as timm draws them.

The draws are a function of 64 random bits. They have timm's distributions, not its streams. From the same `Drawn`,
timm's functions make the same picture.
"""

import math
from typing import NamedTuple

import numpy as np

from ofdb_core.batches import operations
from ofdb_core.batches.rand_augment import STEPS, RandAugment, Rule, rand_augment
from ofdb_core.batches.recipe import Augmentation
from ofdb_core.formulas.jit import kernel
from ofdb_core.formulas.streams import GOLDEN, split_mix, unit

ATTEMPTS = 10  # to find a box that fits, for the crop and for erasing
ERASED_AREA, ERASED_RATIO = (0.02, 1 / 3), (0.3, 1 / 0.3)  # timm's defaults, which no recipe changes


Bounds = tuple[float, ...]  # the lowest and the highest
Box = tuple[int, int, int, int]  # top, left, height, width


class Chances(NamedTuple):
    """The chances and ranges of a recipe's draws."""

    scale: Bounds
    ratio: Bounds
    bicubic: float  # the chance of bicubic interpolation; else it is bilinear
    hflip: float
    vflip: float
    rand_augment: RandAugment
    erasing: float


def chances(recipe: Augmentation) -> Chances:
    """The chances of a recipe; UnknownAugmentation if its policy is not known."""
    scale, ratio = tuple(map(float, recipe.crop_scale)), tuple(map(float, recipe.crop_ratio))
    bicubic = {"bilinear": 0.0, "bicubic": 1.0, "random": 0.5}[recipe.interpolation]
    hflip, vflip, erasing = map(float, (recipe.hflip, recipe.vflip, recipe.erasing))
    return Chances(scale, ratio, bicubic, hflip, vflip, rand_augment(recipe.auto_augment), erasing)


class Drawn(NamedTuple):
    """The draws for one sample; `erased` is all zeros if nothing is erased.

    operations: (n, 3) float64, each an operation (NOTHING if skipped), its argument, and 1 for bicubic interpolation.
    """

    crop: Box
    bicubic: bool
    flips: tuple[bool, bool]
    operations: np.ndarray
    erased: Box


@kernel
def _random(state: np.ndarray) -> float:
    """The next number in [0, 1) of `streams.split_mix`, whose state is (1,) uint64."""
    word = split_mix(state[0], 0)
    state[0] += GOLDEN
    return unit(word)


@kernel
def _uniform(state: np.ndarray, low: float, high: float) -> float:
    return low + (high - low) * _random(state)


@kernel
def _below(state: np.ndarray, n: int) -> int:
    """A whole number in 0..n-1."""
    return int(_random(state) * n)


@kernel
def _normal(state: np.ndarray) -> float:
    """A standard normal number, by Box and Muller's method."""
    radius = math.sqrt(-2.0 * math.log(1.0 - _random(state)))
    return radius * math.cos(2.0 * math.pi * _random(state))


@kernel
def _box(state: np.ndarray, height: int, width: int, scale: Bounds, ratio: Bounds) -> tuple[int, int]:
    """Height and width of a box; scale: its share of the area, ratio: width / height."""
    area = _uniform(state, scale[0], scale[1]) * (height * width)
    stretch = math.exp(_uniform(state, math.log(ratio[0]), math.log(ratio[1])))
    return int(np.rint(math.sqrt(area / stretch))), int(np.rint(math.sqrt(area * stretch)))


@kernel
def _crop(state: np.ndarray, height: int, width: int, scale: Bounds, ratio: Bounds) -> Box:
    """The random resized crop of torchvision and timm, with at least one pixel; theirs may have none."""
    for _ in range(ATTEMPTS):
        high, wide = _box(state, height, width, scale, ratio)
        high, wide = max(high, 1), max(wide, 1)
        if high <= height and wide <= width:
            return _below(state, height - high + 1), _below(state, width - wide + 1), high, wide
    high, wide = height, width
    if width / height < ratio[0]:
        high = max(int(np.rint(width / ratio[0])), 1)
    elif width / height > ratio[1]:
        wide = max(int(np.rint(height * ratio[1])), 1)
    return (height - high) // 2, (width - wide) // 2, high, wide


@kernel
def _argument(state: np.ndarray, rule: Rule, settings: RandAugment) -> float:
    """The argument of an operation."""
    magnitude = settings.magnitude
    if math.isinf(settings.noise):
        magnitude = _uniform(state, 0.0, magnitude)
    elif settings.noise > 0.0:
        magnitude += settings.noise * _normal(state)
    value = max(0.0, min(magnitude, settings.most)) / STEPS * rule.span
    if rule.signed and _random(state) > 0.5:
        value = -value
    if rule.whole:
        value = np.floor(value)
    return max(rule.least, rule.base + rule.turn * min(rule.cap, value))


@kernel
def _operations(state: np.ndarray, settings: RandAugment, bicubic: float) -> np.ndarray:
    """RandAugment's operations (layers, 3): see `Drawn`."""
    out = np.zeros((settings.layers, 3))
    for i in range(settings.layers):
        rule = settings.rules[_below(state, len(settings.rules))]
        if settings.chance < 1.0 and _random(state) > settings.chance:
            continue
        out[i, 0], out[i, 1] = rule.operation, _argument(state, rule, settings)
        out[i, 2] = _random(state) < bicubic
    return out


@kernel
def _erased(state: np.ndarray, size: int, chance: float) -> Box:
    """timm's random erasing of one box."""
    if chance > 0.0 and _random(state) <= chance:
        for _ in range(ATTEMPTS):
            wide, high = _box(state, size, size, ERASED_AREA, ERASED_RATIO)  # here the ratio is height / width
            if wide < size and high < size:
                return _below(state, size - high + 1), _below(state, size - wide + 1), high, wide
    return 0, 0, 0, 0


@kernel
def drawn(chances: Chances, height: int, width: int, size: int, key: np.uint64) -> Drawn:
    """The draws for a picture (height, width) that becomes (size, size), by 64 random bits."""
    state = np.array([key], np.uint64)
    return Drawn(
        _crop(state, height, width, chances.scale, chances.ratio),
        _random(state) < chances.bicubic,
        (_random(state) < chances.hflip, _random(state) < chances.vflip),
        _operations(state, chances.rand_augment, chances.bicubic),
        _erased(state, size, chances.erasing),
    )


class Mixes(NamedTuple):
    """The ranges of PixMix's draws: the most rounds, beta, the severity, and the number of `OPERATIONS` in use."""

    rounds: int
    beta: float
    severity: float
    operations: int


class Pixmixed(NamedTuple):
    """PixMix's draws for one sample.

    picture: the number of the mixing picture; instance: 64 random bits that draw it; corner: three shares of the room
    that its crop has, to the right and down in a square, and along its longer side; rows: (1 + n, 5) float64, each an
    operation of a copy (PICTURE: the mixing picture), its argument, whether it multiplies, and the exponents or
    factors a and b. The first row is the start, which is mixed with nothing.
    """

    picture: int
    instance: np.uint64
    corner: tuple[float, float, float]
    rows: np.ndarray


PICTURE = -1
OVERLAPPING = (operations.COLOR, operations.CONTRAST, operations.BRIGHTNESS, operations.SHARPNESS)  # with ImageNet-C's
OPERATIONS = np.array(
    [
        *(operations.AUTO_CONTRAST, operations.EQUALIZE, operations.POSTERIZE, operations.ROTATE, operations.SOLARIZE),
        *(operations.SHEAR_X, operations.SHEAR_Y, operations.TRANSLATE_X, operations.TRANSLATE_Y, *OVERLAPPING),
    ]
)


@kernel
def _level(state: np.ndarray, severity: float) -> float:
    """The strength of one of PixMix's operations, as a share of the strongest."""
    return _uniform(state, 0.1, severity) / 10.0


@kernel
def _operation(state: np.ndarray, mixes: Mixes, size: int) -> tuple[int, float]:
    """One of PixMix's operations and its argument as `operations` has it; a shift is in pixels."""
    operation = OPERATIONS[_below(state, mixes.operations)]
    if operation in (operations.AUTO_CONTRAST, operations.EQUALIZE):
        return operation, 0.0
    level = _level(state, mixes.severity)
    if operation == operations.POSTERIZE:
        return operation, 4.0 - np.floor(level * 4)
    if operation == operations.SOLARIZE:
        return operation, 256.0 - np.floor(level * 256)
    if operation in OVERLAPPING:
        return operation, level * 1.8 + 0.1
    if operation == operations.ROTATE:
        argument = np.floor(level * 30)
    elif operation in (operations.SHEAR_X, operations.SHEAR_Y):
        argument = level * 0.3
    else:
        argument = np.floor(level * (size / 3))
    return operation, -argument if _random(state) > 0.5 else argument


@kernel
def _weights(state: np.ndarray, beta: float) -> tuple[float, float]:
    """PixMix's a and b: shares of the sample and of the other picture, or more than the sample and less than nothing.

    Beta(beta, 1) is the root of a uniform number, and Beta(1, beta) is one less such a root.
    """
    if _random(state) < 0.5:
        return _random(state) ** (1.0 / beta), 1.0 - _random(state) ** (1.0 / beta)
    return 2.0 - _random(state) ** (1.0 / beta), _random(state) ** (1.0 / beta) - 1.0


@kernel
def pixmixed(mixes: Mixes, pictures: int, size: int, key: np.uint64) -> Pixmixed:
    """PixMix's draws for a sample (size, size) and a number of mixing pictures, by 64 random bits."""
    state = np.array([key], np.uint64)
    picture, instance = _below(state, pictures), split_mix(state[0], 0)
    state[0] += GOLDEN
    corner = _random(state), _random(state), _random(state)
    operation, argument = operations.NOTHING, 0.0
    if _random(state) < 0.5:
        operation, argument = _operation(state, mixes, size)
    rows = np.zeros((1 + _below(state, mixes.rounds + 1), 5))
    rows[0, 0], rows[0, 1] = operation, argument
    for i in range(1, len(rows)):
        rows[i, 0] = PICTURE
        if _random(state) < 0.5:
            rows[i, 0], rows[i, 1] = _operation(state, mixes, size)
        rows[i, 2] = _random(state) < 0.5
        rows[i, 3], rows[i, 4] = _weights(state, mixes.beta)
    return Pixmixed(picture, instance, corner, rows)
