"""Lengths of time and sizes in words, for people."""

LENGTHS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "min"), (1.0, "s"))
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def duration(seconds: float) -> str:
    """Seconds in words, to two digits: 5.1 s, 2.5 min, 3 hours."""
    length, unit = next(((length, unit) for length, unit in LENGTHS if seconds >= 2 * length), LENGTHS[-1])
    return f"{float(f'{seconds / length:.2g}'):g} {unit}"


def size(count: int) -> str:
    """Bytes in words, to two digits: 0.3 kB, 25 MB."""
    share, unit = next(((share, unit) for share, unit in SIZES if count >= share), SIZES[-1])
    return f"{float(f'{count / share:.2g}'):,g} {unit}"
