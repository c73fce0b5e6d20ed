"""What `cost` has measured on this machine, for `list`: <project>/data/costs.json.

No result depends on the file. A file of another machine, or one that cannot be read, is ignored.
"""

import json
from typing import NamedTuple

from ofdb_core.base import files, project, provenance

FILE = "costs.json"


class Price(NamedTuple):
    """What an experiment costs: seconds, and bytes that it leaves."""

    seconds: float
    kept: int


def read() -> dict[str, Price]:
    """Experiment -> its price, as far as it was measured on this machine."""
    try:
        found = files.read_json(project.DATA / FILE) or {}
        noted = found.get("experiments", {}) if found.get("machine") == provenance.machine() else {}
        return {name: Price(float(seconds), int(kept)) for name, (seconds, kept) in noted.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def note(experiment: str, price: Price) -> None:
    """Keep the price of an experiment on this machine."""
    whole = {"machine": provenance.machine(), "experiments": {**read(), experiment: price}}
    files.write_whole(project.DATA / FILE, json.dumps(whole, indent=1) + "\n")
