"""What `cost` has measured on this machine, so that `list` can say it: <project>/data/costs.json.

The file is a memory and nothing depends on it: of another machine, or unreadable, it counts as none.
"""

import json
from typing import NamedTuple

from ofdb_core.base import files, project, provenance

FILE = "costs.json"
UNITS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "min"), (1.0, "s"))
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class Price(NamedTuple):
    """Of an experiment: seconds, and bytes that stay."""

    seconds: float
    kept: int


def told(seconds: float) -> str:
    """A length of time in words, to two digits."""
    length, unit = next(((length, unit) for length, unit in UNITS if seconds >= 2 * length), UNITS[-1])
    return f"{float(f'{seconds / length:.2g}'):g} {unit}"


def size(count: int) -> str:
    """Bytes in words, to two digits."""
    share, unit = next(((share, unit) for share, unit in SIZES if count >= share), SIZES[-1])
    return f"{float(f'{count / share:.2g}'):,g} {unit}"


def read() -> dict[str, Price]:
    """Experiment -> what it costs here, of those that were measured on this machine."""
    try:
        found = files.read_json(project.DATA / FILE) or {}
        noted = found.get("experiments", {}) if found.get("machine") == provenance.machine() else {}
        return {name: Price(float(seconds), int(kept)) for name, (seconds, kept) in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def note(experiment: str, price: Price) -> None:
    """Remember what an experiment costs here."""
    whole = {"machine": provenance.machine(), "experiments": {**read(), experiment: price}}
    files.write_whole(project.DATA / FILE, json.dumps(whole, indent=1) + "\n")
