"""The project: its version, and where its notebooks, parameter files, runs and downloads lie.

Its folder is the current one or the nearest above it that `ofdb init` made; else the checkout that the package is part
of; else, for an installed package, the current folder. The command names it to each kernel and process that it starts,
by the environment variable OFDB_PROJECT. Every path in a notebook or a parameter file starts there.
"""

import os
from pathlib import Path

VERSION = "0.2.0"
MARKER = ".ofdb"  # the file by which a folder that `ofdb init` made is known
VARIABLE = "OFDB_PROJECT"

PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = (PACKAGE / "notebooks").is_dir()  # a wheel has notebooks/ and params/ in the package
SOURCE = PACKAGE if INSTALLED else PACKAGE.parent  # where these two lie


def _folder() -> Path:
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody removed it
        return SOURCE
    made = [folder for folder in (here, *here.parents) if is_made(folder)]
    return made[0] if made else here if INSTALLED else SOURCE


def is_made(folder: Path) -> bool:
    """Whether this user made a folder by `ofdb init`: in one of somebody else's, any notebook might run."""
    marker = folder / MARKER
    return marker.is_file() and marker.stat().st_uid in (os.getuid(), 0)


FOLDER = _folder()
OWN = FOLDER if is_made(FOLDER) else SOURCE  # whose notebooks/ and params/ are used
NOTEBOOKS, PARAMS = OWN / "notebooks", OWN / "params"
RUNS, DATA = FOLDER / "runs", FOLDER / "data"


def located(path: str | Path) -> Path:
    """The absolute path that a notebook or a parameter file means."""
    return Path(os.path.realpath(FOLDER / path))
