"""`clean` shows what takes space in the project, and removes it by name.

All of it can be made or downloaded again. Nothing is removed outside the project, or through a link.
"""

import fcntl
import glob
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ofdb_core.base import files, project, units
from ofdb_core.base.values import nearest
from ofdb_core.run.experiments import UsageError

FOLDERS = ("runs", "data", "site")  # of the project
ENVIRONMENT, CACHES = ".venv", "caches"  # of the clone
CODE = ("ofdb_core", "tests", "benchmarks")
TOOLS = (".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache")


def entries() -> dict[str, list[Path]]:
    """Name -> paths of what can be removed: runs, what lies in data/, the site, the environment, and caches."""
    found = {f"{name}/{path.name}": [path] for name in FOLDERS[:2] for path in (project.FOLDER / name).glob("*")}
    found[FOLDERS[2]] = [project.FOLDER / FOLDERS[2]]
    if not project.INSTALLED:
        compiled = [path for part in CODE for path in (project.SOURCE / part).rglob("__pycache__")]  # numba's, too
        found[ENVIRONMENT] = [project.SOURCE / ENVIRONMENT]
        found[CACHES] = [*compiled, *(project.SOURCE / name for name in TOOLS)]
    found = {name: [path for path in paths if os.path.lexists(path)] for name, paths in sorted(found.items())}
    return {name: paths for name, paths in found.items() if paths}


def table() -> str:
    """A line for each thing that takes space, with its size."""
    sizes = {name: sum(map(files.bytes_of, paths)) for name, paths in entries().items()}
    sizes["together"] = sum(sizes.values())
    wide = max(map(len, sizes))
    rows = [f"  {name:{wide}}  {units.size(size):>8}" for name, size in sizes.items()]
    return "\n".join([f"{project.FOLDER}:", *rows, "`clean NAME ...` removes what is named; `clean runs` all runs"])


def remove(names: Iterable[str], *, agreed: Callable[[str], bool]) -> None:
    """Remove the entries of these names, if `agreed` answers the question with yes."""
    chosen = {path: name for name in names for path in _paths(name.rstrip("/"))}
    for path, name in chosen.items():
        _refuse(path, name)
    listed = ", ".join(dict.fromkeys(chosen.values()))
    if agreed(f"remove {listed} ({units.size(sum(map(files.bytes_of, chosen)))})?"):
        for path in sorted(chosen, key=lambda path: path.name == ENVIRONMENT):  # last: this may run in it
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        print(f"removed {listed}")


def _paths(name: str) -> list[Path]:
    """The paths of a name: an entry, all of runs or data, or a path in them, with the manifest beside it."""
    every, path = entries(), project.FOLDER / name
    if name in (ENVIRONMENT, CACHES) and name in every:
        return every[name]
    if name.split("/")[0] not in FOLDERS or files.problem_of(name) or not os.path.lexists(path):
        raise UsageError(f"clean: there is no {name}{nearest(name, every)}; `clean` shows what there is")
    return [path, *path.parent.glob(f"{glob.escape(path.name)}.manifest.*")]


def _refuse(path: Path, name: str) -> None:
    """Raise UsageError if a link leads there, or another process holds a lock there."""
    root = project.FOLDER if path.is_relative_to(project.FOLDER) else project.SOURCE
    for folder in (path, *path.parents[: len(path.parents) - len(root.parents) - 1]):
        if folder.is_symlink():
            raise UsageError(f"clean: {name}: {folder} is a link to {folder.resolve()}; remove by hand what is there")
    for lock in [path.with_name(f"{ENVIRONMENT}.lock")] if path.name == ENVIRONMENT else path.rglob("*.lock"):
        if lock.is_file() and _is_held(lock):
            raise UsageError(f"clean: {name}: another run is at work there ({lock})")


def _is_held(lock: Path) -> bool:
    """Whether another process holds a lock file. This process may itself hold that of .venv, as descriptor 9."""
    with lock.open("rb") as file:
        try:
            ours = os.path.samestat(os.fstat(9), os.fstat(file.fileno()))
        except OSError:  # there is no descriptor 9
            ours = False
        try:
            fcntl.flock(9 if ours else file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
