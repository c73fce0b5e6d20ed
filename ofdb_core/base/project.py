"""Where the project lies: its notebooks, its parameter files, what runs leave and what was downloaded.

Its folder is the one that `ofdb init` made, where one is at work in it or below it; else the checkout that the package
is part of; else, for an installed package, the current folder. A kernel or process that the command starts is told by
the environment variable OFDB_PROJECT, wherever it runs. Every path in a notebook or a parameter file starts there.
"""

import os
from pathlib import Path

import ofdb_core

MARKER = ".ofdb"  # the file by which a folder that `ofdb init` made is known
VARIABLE = "OFDB_PROJECT"

PACKAGE = Path(ofdb_core.__file__).resolve().parent
INSTALLED = (PACKAGE / "notebooks").is_dir()  # a wheel has these folders in the package
SOURCE = PACKAGE if INSTALLED else PACKAGE.parent  # where those lie that came with the package


def _folder() -> Path:
    if given := os.environ.get(VARIABLE):
        return Path(given).resolve()
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody removed it
        return SOURCE
    made = [place for place in (here, *here.parents) if is_made(place)]
    return made[0] if made else here if INSTALLED else SOURCE


def is_made(folder: Path) -> bool:
    """Whether `ofdb init` made a folder, and not by somebody else, who could have this user run any notebook."""
    marker = folder / MARKER
    return marker.is_file() and marker.stat().st_uid in (os.getuid(), 0)


FOLDER = _folder()
OWN = FOLDER if is_made(FOLDER) else SOURCE  # whose notebooks/ and params/ count
NOTEBOOKS, PARAMS = OWN / "notebooks", OWN / "params"
RUNS, DATA = FOLDER / "runs", FOLDER / "data"


def located(path: str | Path) -> Path:
    """The absolute path that a notebook or a parameter file means."""
    return Path(os.path.realpath(FOLDER / path))
