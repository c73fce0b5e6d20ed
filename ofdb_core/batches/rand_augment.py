"""timm's `rand-` strings: which operations RandAugment draws from, and how a magnitude becomes an argument."""

import math
import re
from typing import NamedTuple

import numpy as np

from ofdb_core.batches import operations

STEPS = 10.0  # timm's scale of magnitudes


class Rule(NamedTuple):
    """How a magnitude becomes an operation's argument: base + turn * min(cap, magnitude / 10 * span), at least `least`.

    signed: half of the products are negated; whole: they are cut to whole numbers.
    """

    operation: float
    span: float = 0.0
    signed: float = 0.0
    whole: float = 0.0
    cap: float = math.inf
    base: float = 0.0
    turn: float = 1.0
    least: float = -math.inf


def _enhance(operation: int) -> tuple[Rule, Rule]:
    """An enhancement's rule, and that of its Increasing variant."""
    return Rule(operation, 1.8, base=0.1), Rule(operation, 0.9, signed=True, base=1.0, least=0.1)


RULES = {
    "AutoContrast": Rule(operations.AUTO_CONTRAST),
    "Equalize": Rule(operations.EQUALIZE),
    "Invert": Rule(operations.INVERT),
    "Rotate": Rule(operations.ROTATE, 30.0, signed=True),
    "Posterize": Rule(operations.POSTERIZE, 4.0, whole=True),
    "PosterizeIncreasing": Rule(operations.POSTERIZE, 4.0, whole=True, base=4.0, turn=-1.0, least=0.0),
    "Solarize": Rule(operations.SOLARIZE, 256.0, whole=True, cap=256.0),
    "SolarizeIncreasing": Rule(operations.SOLARIZE, 256.0, whole=True, cap=256.0, base=256.0, turn=-1.0),
    "SolarizeAdd": Rule(operations.SOLARIZE_ADD, 110.0, whole=True, cap=128.0),
    "Color": _enhance(operations.COLOR)[0],
    "ColorIncreasing": _enhance(operations.COLOR)[1],
    "Contrast": _enhance(operations.CONTRAST)[0],
    "ContrastIncreasing": _enhance(operations.CONTRAST)[1],
    "Brightness": _enhance(operations.BRIGHTNESS)[0],
    "BrightnessIncreasing": _enhance(operations.BRIGHTNESS)[1],
    "Sharpness": _enhance(operations.SHARPNESS)[0],
    "SharpnessIncreasing": _enhance(operations.SHARPNESS)[1],
    "ShearX": Rule(operations.SHEAR_X, 0.3, signed=True),
    "ShearY": Rule(operations.SHEAR_Y, 0.3, signed=True),
    "TranslateXRel": Rule(operations.TRANSLATE_X, 0.45, signed=True),
    "TranslateYRel": Rule(operations.TRANSLATE_Y, 0.45, signed=True),
}
_VARIED = ("Posterize", "Solarize", "Color", "Contrast", "Brightness", "Sharpness")  # those with an Increasing variant
PLAIN = tuple(name for name in RULES if not name.endswith("Increasing"))
INCREASING = tuple(name + "Increasing" if name in _VARIED else name for name in PLAIN)


class UnknownAugmentation(ValueError):
    """An augmentation string that only timm knows, or nobody."""


class RandAugment(NamedTuple):
    """A `rand-` string: how many operations of which rules (k,), with which chance and magnitude.

    noise: the standard deviation of the magnitude, infinite where it is uniform from 0 on; most: the largest magnitude.
    """

    rules: np.ndarray
    layers: int = 2
    chance: float = 0.5
    magnitude: float = STEPS
    noise: float = 0.0
    most: float = STEPS


def rand_augment(text: str) -> RandAugment:
    """What timm's string says, as rand-m9-mstd0.5-inc1; the first of two values of mstd or mmax counts, as in timm.

    A string of another kind, or with a part that is not known, is an UnknownAugmentation.
    """
    kind, *parts = text.split("-")
    values: dict[str, float] = {}
    try:
        if kind != "rand":
            raise ValueError
        for part in parts:
            name, value = re.fullmatch(r"(m|n|p|mstd|mmax|inc)(\d.*)", part).groups()  # type: ignore[union-attr]
            number = float(value) if name in ("p", "mstd") else int(value)
            values[name] = values.get(name, number) if name in ("mstd", "mmax") else number
    except (ValueError, AttributeError):
        raise UnknownAugmentation(
            f"auto_augment: {text!r} is not known here; allowed are null and rand- with m, n, p, mstd, mmax and inc, "
            "as rand-m9-mstd0.5-inc1"
        ) from None
    names = INCREASING if values.get("inc") else PLAIN
    noise = values.get("mstd", 0.0)
    return RandAugment(
        np.array([RULES[name] for name in names], [(field, np.float64) for field in Rule._fields]),
        int(values.get("n", 2)),
        float(values.get("p", 0.5)),
        float(values.get("m", STEPS)),
        math.inf if noise > 100 else noise,
        float(values.get("mmax") or STEPS),
    )
