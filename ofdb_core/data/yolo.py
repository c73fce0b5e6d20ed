"""Text files beside images, as YOLO reads them: a line for each object, with its class and its box.

A box is the centre, width and height of the part in the picture, as shares of the picture's width and height.
"""

from collections.abc import Iterable
from pathlib import Path

ENDING = ".txt"


def text(objects: Iterable[tuple[int, Iterable[float]]]) -> bytes:
    """The bytes of a file of classes and boxes."""
    lines = (" ".join([str(number), *(f"{share:.6f}" for share in box)]) for number, box in objects)
    return "\n".join([*lines, ""]).encode()


def read(data: bytes) -> tuple[list[int], list[list[float]]]:
    """The classes and boxes in a file's bytes; a ValueError if a line is something else, or there is none."""
    rows = [line.split() for line in data.decode().splitlines() if line.strip()]
    if not rows or any(len(row) != 5 for row in rows):
        raise ValueError("is no list of objects, as YOLO has it: a class and four shares in each line")
    return [int(row[0]) for row in rows], [[float(word) for word in row[1:]] for row in rows]


def is_list(data: bytes) -> bool:
    """Whether the bytes of a file are a list of classes and boxes."""
    try:
        return bool(read(data))
    except ValueError:
        return False


def shown_in(image: Path) -> list[int]:
    """The classes in the file beside an image."""
    path = image.with_suffix(ENDING)
    try:
        return read(path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}; restore it, or make the folder again") from error
