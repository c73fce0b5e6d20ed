"""What `packing` wrote becomes folders again, and codes name the commands that draw their images."""

import shlex
from pathlib import Path

from ofdb_core.base import project
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import MANIFEST, SEEN
from ofdb_core.data import archive


def unpack(path: str | Path, out: str | Path) -> Path:
    """Write what an archive holds to a new folder of its name in `out`, and return that; see `archive.unpacked`.

    The folder is as it was before it was packed: folders of results in it have their own manifests. After an
    interruption it goes on.
    """
    path, out = Path(path), Path(out)
    if archive.is_archive(path):
        Folder(out / archive.named(path)).require_free(archive.head(path))
    root = archive.unpacked(path, out)
    for name in (MANIFEST, SEEN):
        Folder(root).beside(name).unlink(missing_ok=True)
    return root


def recipes(root: Path) -> list[str]:
    """The commands that make again what was packed as codes: for each notebook with parameters beside its inputs."""
    found = [(path, project.NOTEBOOKS / f"{path.stem}.ipynb") for path in sorted(root.resolve().glob("*.yaml"))]
    return [
        shlex.join(map(str, ["papermill", notebook, path.with_suffix(".ipynb"), "-f", path, "-p", "out", path.parent]))
        for path, notebook in found
        if notebook.is_file()
    ]
