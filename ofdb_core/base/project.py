"""The project: its version, and where its notebooks, parameter files, runs and downloads lie.

Its folder is the nearest one, from the current folder up, that `ofdb init` made; else the package's checkout; else, for
an installed package, the current folder. The command passes it to its kernels and processes in the environment variable
OFDB_PROJECT. Every path in a notebook or a parameter file starts there.
"""

import os
from pathlib import Path

VERSION = "0.2.0"
MARKER = ".ofdb"  # a file that marks a folder made by `ofdb init`
VARIABLE = "OFDB_PROJECT"

PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = (PACKAGE / "notebooks").is_dir()  # a wheel has notebooks/ and params/ in the package
SOURCE = PACKAGE if INSTALLED else PACKAGE.parent  # the folder that holds these two


def _folder() -> Path:
    if named := os.environ.get(VARIABLE):
        return Path(named).resolve()
    try:
        here = Path.cwd()
    except FileNotFoundError:  # somebody removed it
        return SOURCE
    projects = [folder for folder in (here, *here.parents) if is_made(folder)]
    return projects[0] if projects else here if INSTALLED else SOURCE


def is_made(folder: Path) -> bool:
    """Whether this user made a folder by `ofdb init`; another user's folder could run any notebook."""
    marker = folder / MARKER
    return marker.is_file() and marker.stat().st_uid in (os.getuid(), 0)


FOLDER = _folder()
OWN = FOLDER if is_made(FOLDER) else SOURCE  # whose notebooks/ and params/ are used
NOTEBOOKS, PARAMS = OWN / "notebooks", OWN / "params"
RUNS, DATA = FOLDER / "runs", FOLDER / "data"


def located(path: str | Path) -> Path:
    """The absolute form of a path in a notebook or a parameter file."""
    return Path(os.path.realpath(FOLDER / path))
