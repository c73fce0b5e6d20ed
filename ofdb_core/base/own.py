"""The files that the lab writes into a folder of the user's choice, and the proof that they are its own.

A file is written only where there is none, or one that is as the lab wrote it; anything else is refused by name. A list
in the folder has, for each file, the hashes of what was written, the last one last. (Folders of results have manifests
instead: see `folder`.)
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from ofdb_core.base import files

LIST = ".written"  # of a run's folder
HEAD = "# The files that OFDB Lab wrote here"
COLUMNS = ": SHA-256 and name."
LARGEST = 2**24  # bytes of a list
OTHERS = "is not the lab's, or not as the lab wrote it, so it stays; move it away or give another --out"


class Own:
    """The files of the lab in a folder; its methods read the disk at each call."""

    def __init__(self, root: str | Path, listed: str = LIST) -> None:
        self.root, self.list = Path(root), Path(root) / listed

    def listed(self) -> dict[str, list[str]]:
        """Name -> hashes of what was written there, in order; Unreadable if the list is something else."""
        if not os.path.lexists(self.list):
            return {}
        if self.list.is_symlink() or not self.list.is_file():
            raise files.Unreadable(f"{self.list}: is no plain file, so it is not read; move it away")
        with self.list.open("rb") as file:
            data = file.read(LARGEST + 1)
        head, *lines = data.decode(errors="replace").splitlines() or [""]
        if not head.startswith(HEAD) or len(data) > LARGEST:
            raise files.Unreadable(f"{self.list}: is not the lab's list of its files; move it away")
        found: dict[str, list[str]] = {}
        for hashed, _, name in (line.partition(" ") for line in lines):
            if not files.problem_of(name):
                found.setdefault(name, []).append(hashed)
        return found

    def _is_own(self, name: str, hashes: list[str]) -> bool:
        path = files.inside(self.root, name)
        if not os.path.lexists(path):
            return True
        return path.is_file() and not path.is_symlink() and files.sha256(path) in hashes

    def refuse_others(self, names: Iterable[str]) -> None:
        """Raise FileExistsError if one of the names is that of a link, or of a file that is not as the lab wrote it."""
        listed = self.listed()
        for name in names:
            if not self._is_own(name, listed.get(name, [])):
                raise FileExistsError(f"{self.root / name}: {OTHERS}")

    def note(self, name: str, hashed: str) -> None:
        """List the hash of what a file is about to hold; the old hash stays, since the writing may be cut off."""
        path = files.inside(self.root, name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.listed().get(name, [])[-1:] == [hashed]:  # Unreadable, if the list is somebody else's
                return
            head = "" if self.list.exists() else HEAD + COLUMNS
            with self.list.open("a", encoding="utf-8") as file:
                file.write(f"{head}\n{hashed} {name}")
        except OSError as error:  # in words about the file that was asked for
            raise OSError(error.errno, f"cannot write {path} ({error.strerror})") from error

    def write(self, name: str, data: bytes | str, *, durable: bool = False) -> Path:
        """Write a file and return its path; a FileExistsError if somebody else's file is there."""
        self.refuse_others([name])
        data = data.encode() if isinstance(data, str) else data
        self.note(name, hashlib.sha256(data).hexdigest())
        files.write_whole(self.root / name, data, durable=durable)
        return self.root / name

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are as the lab wrote them, and list them no more."""
        kept = {name: hashes for name, hashes in self.listed().items() if name not in {*names}}
        for name in names:
            self.refuse_others([name])
            files.inside(self.root, name).unlink(missing_ok=True)
        lines = [f"{hashed} {name}" for name, hashes in kept.items() for hashed in hashes]
        files.write_whole(self.list, "\n".join([HEAD + COLUMNS, *lines]))

    def altered(self) -> list[str]:
        """The names of files that are missing, or do not hold what was written last."""
        return [name for name, hashes in self.listed().items() if not files.held(self.root, name, hashes[-1])]
