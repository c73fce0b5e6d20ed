"""What lies in a folder of results, by its manifest or by the list of an interrupted run."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ofdb_core.base import files
from ofdb_core.base.files import Unreadable
from ofdb_core.base.manifests import MANIFEST, PART, Header, Manifest, check_header, same

CARD = "README.md"  # describes the data sets beside it; one that a folder does not list may be the user's


def refuse(root: Path, names: Collection[str]) -> None:
    """Raise FileExistsError if there are `names`, which are of files in a folder that are not this project's."""
    if names:
        hint = "move it away or choose another folder"
        raise FileExistsError(f"{root}: holds {min(names)}, which is not this project's; {hint}")


class Listed:
    """A folder and the list of its files, which may be unfinished; its methods read the disk at each call."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def beside(self, name: str) -> Path:
        """The path of a file about the folder: <folder>.<name>, beside it; of a symbolic link, beside its target."""
        root = self.root.resolve()
        return root.with_name(f"{root.name}.{name}")

    def is_complete(self) -> bool:
        """Whether there is a manifest; it is not read."""
        return self.beside(MANIFEST).is_file()

    def manifest(self) -> Manifest:
        """The manifest; a FileNotFoundError if the folder is missing or unfinished."""
        if manifest := self._manifest():
            return manifest
        raise FileNotFoundError(f"{self.root}: no finished data here; run the notebook that writes it first")

    def _manifest(self) -> Manifest | None:
        path = self.beside(MANIFEST)
        if not path.exists():
            return None
        try:
            manifest = files.read_json(path)
            check_header(manifest)
            for name, hashed in manifest["files"].items():
                if (problem := files.problem_of(name)) or not isinstance(hashed, str):
                    raise ValueError(f"{name!r} {problem or 'has no hash'}")
            return manifest
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # not JSON, not text, or of another shape
            raise Unreadable(f"{path}: not a manifest ({error}); move it and {self.root} away and run again") from error

    def listed(self) -> tuple[Header | None, dict[str, str]]:
        """The header and name -> hash of the files, from the manifest or from an interrupted run's list."""
        if manifest := self._manifest():
            return manifest, manifest["files"]
        part = self.beside(PART)
        if not part.is_file():
            return None, {}
        first, *lines = part.read_bytes().decode(errors="replace").splitlines() or [""]
        pairs = [line.split(" ", 1) for line in lines if " " in line]
        listed = {name: hashed for hashed, name in pairs if not files.problem_of(name)}  # the last may be cut
        try:
            head = json.loads(first)
            check_header(head)
        except (ValueError, RecursionError):  # the machine stopped before the first line was whole
            return None, listed
        return head, listed

    def _files(self) -> dict[str, Any]:
        """The names of all files in the folder and below, with their status; half-written ones are left out."""
        found = files.walk(self.root, followlinks=False)
        return {name: about for name, about in found if not files.is_temporary(name)}

    def names(self) -> set[str]:
        """The names of all files in the folder and below; half-written ones are left out."""
        return {*self._files()}

    def refuse_strangers(self) -> None:
        """Raise FileExistsError if the folder holds files that are not this project's.

        An unfinished folder is not checked here: foreign files are refused once all its own are made.
        """
        listed = self.listed()[1]  # Unreadable, whether or not there is a folder
        if self.root.is_dir() and not self.beside(PART).exists():
            self.refuse_others(listed)

    def refuse_others(self, listed: Collection[str]) -> None:
        """Raise FileExistsError if the folder holds other files than these."""
        refuse(self.root, self.names() - {*listed, CARD})

    def require_free(self, head: Header) -> None:
        """Raise a ValueError unless the path is free, or is what a command makes from `head`, finished or not."""
        begun = self.listed()[0]
        ours = self.beside(PART).exists() or (begun and same(begun, head))
        if not ours and self.root.exists() and (self.root.is_file() or any(self.root.iterdir())):
            raise ValueError(f"{self.root}: is there already; remove it, or give another --out")
