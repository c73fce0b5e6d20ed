"""`ofdb init DIR`: a new project, with the notebooks and parameter files of the package."""

import hashlib
import os
from pathlib import Path

from ofdb_core.base import files, project
from ofdb_core.run.experiments import UsageError

COPIED = ("notebooks/*.ipynb", "notebooks/*.md", "params/*.yaml")


def run(directory: str | Path) -> None:
    """Write the missing files of a project into a folder, and name those that differ from the package's.

    Nothing is overwritten, so after an update of the package the same command adds its new files.
    """
    root = Path(directory).resolve()
    if root == project.SOURCE or root.is_relative_to(project.PACKAGE):
        raise UsageError(f"{root}: is where the package itself lies; give a folder elsewhere")
    try:
        differing = [name for name, data in _contents().items() if not _written(files.inside(root, name), data)]
        _written(root / project.MARKER, f"made by `ofdb init` of OFDB Lab {project.VERSION}\n".encode())
    except (OSError, ValueError) as error:
        raise UsageError(f"{root}: no project can be made here ({error}); give another folder") from error
    for name in differing:
        print(f"{root / name}: differs from the package's, and is kept")
    print(f"{root}: is a project; in it, `ofdb list` shows what can be run, and `ofdb lab` opens the notebooks")


def _contents() -> dict[str, bytes]:
    """The files of a new project, by name below its folder."""
    paths = [path for pattern in COPIED for path in sorted(project.SOURCE.glob(pattern))]
    return {path.relative_to(project.SOURCE).as_posix(): path.read_bytes() for path in paths}


def _written(path: Path, data: bytes) -> bool:
    """Write a file unless there is one, or a link; return whether it holds these bytes."""
    if not os.path.lexists(path):
        files.write_whole(path, data)
    return files.holds(path, hashlib.sha256(data).hexdigest())
