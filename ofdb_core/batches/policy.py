"""Policies of augmentation: timm's strings, such as rand-m9-mstd0.5-inc1, are read here or refused."""

import math
import re
from typing import NamedTuple

MOST = 100  # operations in a row


class UnknownAugmentation(ValueError):
    """An augmentation string that this project does not know; timm may know it."""


class Policy(NamedTuple):
    """RandAugment: `layers` operations, each applied with a chance and a magnitude.

    noise: the standard deviation of the magnitude; infinite: it is uniform from 0; most: the largest magnitude;
    increasing: whether every operation grows stronger with the magnitude.
    """

    layers: int = 2
    chance: float = 0.5
    magnitude: float = 10.0
    noise: float = 0.0
    most: float = 10.0
    increasing: bool = False


def parsed(text: str | None) -> Policy:
    """The policy of timm's string; the first of two values of mstd or mmax counts, as in timm. None: no operation.

    UnknownAugmentation for another kind of string, or an unknown part.
    """
    if text is None:
        return Policy(layers=0)
    kind, *sections = text.split("-")
    found = [re.fullmatch(r"(m|n|p|mstd|mmax|inc)(\d{1,4}(?:\.\d+)?)", section) for section in sections]
    values: dict[str, float] = {}
    for name, value in [part.groups() for part in found if part]:
        number = float(value) if name in ("p", "mstd") or "." not in value else math.inf
        values[name] = values.get(name, number) if name in ("mstd", "mmax") else number
    layers = values.get("n", 2)
    if kind != "rand" or not all(found) or math.inf in values.values() or layers > MOST or values.get("p", 0) > 1:
        raise UnknownAugmentation(
            f"auto_augment: {text!r} is not known here; allowed are null and rand- with m, n, p, mstd, mmax and inc, "
            "as rand-m9-mstd0.5-inc1; pipeline: timm takes any policy of timm"
        )
    chance, magnitude, noise = values.get("p", 0.5), values.get("m", 10.0), values.get("mstd", 0.0)
    most, increasing = values.get("mmax") or 10.0, bool(values.get("inc"))
    return Policy(int(layers), chance, magnitude, math.inf if noise > 100 else noise, most, increasing)


def read_by_timm(text: str | None) -> None:
    """Raise UnknownAugmentation if timm cannot read a string as a policy; None: no operation."""
    if text is None:
        return

    from timm.data import auto_augment as timms

    makers = {"rand": timms.rand_augment_transform, "augmix": timms.augment_and_mix_transform}
    make = next((maker for name, maker in makers.items() if text.startswith(name)), timms.auto_augment_transform)
    try:
        make(text, {})
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        hint = "one is rand-m9-mstd0.5-inc1, none is null"
        raise UnknownAugmentation(f"auto_augment: {text!r} is no policy of timm ({error}); {hint}") from error
