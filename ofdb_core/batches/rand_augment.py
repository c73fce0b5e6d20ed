"""timm's `rand-` strings: RandAugment's operations, and the rules from a magnitude to their arguments."""

import math
from typing import NamedTuple

import numpy as np

from ofdb_core.batches import operations
from ofdb_core.batches.policy import parsed

STEPS = 10.0  # timm's scale of magnitudes


class Rule(NamedTuple):
    """The rule for an operation's argument: base + turn * min(cap, magnitude / 10 * span), at least `least`.

    signed: half of the products are negated; whole: they are rounded down.
    """

    operation: float
    span: float = 0.0
    signed: float = 0.0
    whole: float = 0.0
    cap: float = math.inf
    base: float = 0.0
    turn: float = 1.0
    least: float = -math.inf


ENHANCED = {name: getattr(operations, name.upper()) for name in ("Color", "Contrast", "Brightness", "Sharpness")}
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
    **{name: Rule(number, 1.8, base=0.1) for name, number in ENHANCED.items()},
    **{f"{name}Increasing": Rule(n, 0.9, signed=True, base=1.0, least=0.1) for name, n in ENHANCED.items()},
    "ShearX": Rule(operations.SHEAR_X, 0.3, signed=True),
    "ShearY": Rule(operations.SHEAR_Y, 0.3, signed=True),
    "TranslateXRel": Rule(operations.TRANSLATE_X, 0.45, signed=True),
    "TranslateYRel": Rule(operations.TRANSLATE_Y, 0.45, signed=True),
}
PLAIN = tuple(name for name in RULES if not name.endswith("Increasing"))
INCREASING = tuple(f"{name}Increasing" if f"{name}Increasing" in RULES else name for name in PLAIN)


class RandAugment(NamedTuple):
    """A `Policy` for the kernels: its operations' rules (k,), and its numbers."""

    rules: np.ndarray
    layers: int
    chance: float
    magnitude: float
    noise: float
    most: float


def rand_augment(text: str | None) -> RandAugment:
    """timm's string for the kernels: see `policy.parsed`."""
    policy = parsed(text)
    rules = [RULES[name] for name in (INCREASING if policy.increasing else PLAIN)]
    return RandAugment(np.array(rules, [(field, np.float64) for field in Rule._fields]), *policy[:-1])
