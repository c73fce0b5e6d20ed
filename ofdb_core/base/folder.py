"""Folders of results, each with a manifest: what the folder was made from, and the SHA-256 of every file.

The manifest lies beside the folder, as <folder>.manifest.json, and not in it: a data set is
<root>/<category>/<file>.png and nothing else, since readers take every name in a folder for a class (the original's
trainer of 3D-OFDB: for a number).
"""

import contextlib
import functools
import glob
import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ofdb_core.base import files, values
from ofdb_core.base.files import Unreadable, sha256, write_whole
from ofdb_core.base.filling import AnyMakers, Filling
from ofdb_core.base.listed import CARD, Listed
from ofdb_core.base.manifests import LOCK, MANIFEST, PART, SEEN, Header, Manifest, portable, same

TABLES = (".csv", ".ifs", ".flame", ".json")  # whose bytes count, since another coefficient may leave a size unchanged
TICK = 3 * 10**9  # ns: more than the clock of any file system takes to go on


def fingerprint(path: str | Path) -> str:
    """One hash of the data at a path, for a record: for a folder of results, its digest, if it is as it was written.

    For a folder without a manifest (a user's photographs) it is a hash of the files' names and sizes; if all are
    systems or codes, of names and bytes. Linked folders count too: users often select classes by links. For a file (an
    archive, a checkpoint) it is a hash of the bytes.
    """
    path = Path(path)
    if path.is_file():
        return _hash(path, *_status(path.stat()))
    if (results := Folder(path)).is_complete():
        return results.proven()
    return hashlib.sha256(json.dumps(listing(path)).encode()).hexdigest()


def listing(path: Path) -> dict[str, int | str]:
    """Name -> size of every file in a folder without a manifest; if all are tables, their hashes: see `fingerprint`."""
    found = {name: about for name, about in files.walk(path, followlinks=True) if not files.is_temporary(name)}
    sizes = {name: about if isinstance(about, str) else about.st_size for name, about in sorted(found.items())}
    if sizes and all(name.lower().endswith(TABLES) and (path / name).is_file() for name in sizes):
        return {name: sha256(path / name) for name in sizes}
    return sizes


@functools.cache
def _hash(path: Path, *_: int) -> str:
    """A file's SHA-256, computed again only if its status changes: an archive may have a hundred gigabytes."""
    return sha256(path)


def _status(about: os.stat_result) -> list[int]:
    """What differs once a file is written, replaced or cut off: no program can set the third, the time of change."""
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino]


def summary(problems: Sequence[str]) -> str:
    """The first sentence of `verify`, and the number of the others."""
    return f"{problems[0]}{f', and {len(problems) - 1} more' if len(problems) > 1 else ''}"


class Altered(ValueError):
    """A folder that is not as it was written; the message names the first file."""


class Folder(Listed):
    """A folder of results; its methods read the disk at each call."""

    @classmethod
    def below(cls, root: str | Path) -> list["Folder"]:
        """The folders at or below root that have a manifest, finished or not."""
        root = Path(root)
        roots = {root for name in (MANIFEST, PART) if cls(root).beside(name).is_file()}
        for name in (MANIFEST, PART):
            roots |= {path.with_name(path.name[: -len(name) - 1]) for path in root.rglob(f"?*.{name}")}
        return [cls(path) for path in sorted(roots)]

    def verify(self, digest: str | None = None, *, anew: bool = False) -> list[str]:
        """A sentence for each missing, altered or extra file; none if the folder is as its manifest says.

        digest: the folder's digest when last seen; a different one is a problem, too. A file whose status is as it was
        when its bytes were last compared is not read again, unless `anew`.
        """
        try:
            manifest = self._manifest()
        except Unreadable as error:
            return [str(error)]
        if manifest is None:
            unfinished = self.beside(PART).exists()
            return ["unfinished: its notebook was interrupted; run it again" if unfinished else "no manifest"]
        present, listed = self._files(), manifest["files"]
        problems = [f"{name}: missing" for name in sorted(listed.keys() - present.keys())]
        problems += [f"{name}: not in the manifest" for name in sorted(present.keys() - listed.keys() - {CARD})]
        problems += [f"{name}: altered" for name in self._altered(listed, present, {} if anew else self._seen())]
        if digest is not None and digest != self.digest():
            problems.append("another run wrote it")
        return problems

    def _altered(self, listed: Mapping[str, str], present: Mapping[str, Any], seen: dict[str, Any]) -> list[str]:
        """The names of files that do not hold what is listed; `seen`, of those that do, is brought up to date.

        What changed within the last seconds is not noted: a second change could have the same time.
        """
        found, altered, settled = dict[str, Any](), list[str](), time.time_ns() - TICK
        for name in sorted(listed.keys() & present.keys()):
            status = _status(present[name])
            if [*status, listed[name]] != seen.get(name) and not files.holds(self.root / name, listed[name]):
                altered.append(name)
            elif present[name].st_ctime_ns < settled:
                found[name] = [*status, listed[name]]
        if found != seen:
            with contextlib.suppress(OSError):  # a folder of others, or a full disk: it will be read again
                write_whole(self.beside(SEEN), json.dumps(found))
        return altered

    def _seen(self) -> dict[str, Any]:
        """Name -> status and hash of files whose bytes were compared; empty if that is not known."""
        try:
            return dict(files.read_json(self.beside(SEEN)) or {})
        except (ValueError, TypeError, OSError):
            return {}

    def proven(self) -> str:
        """The digest, if the folder passes `verify`; else an Altered error."""
        digest = self.digest()
        if problems := self.verify():
            hint = "undo that, or run again what made it"
            raise Altered(f"{self.root}: not as it was written ({summary(problems)}); {hint}")
        return digest

    def digest(self) -> str:
        """One hash for all files; a FileNotFoundError if the folder is missing or unfinished.

        In a training's folder, model cards do not count: like the notes, they hold its speed.
        """
        manifest = self.manifest()
        counted = manifest["files"]
        if "notes" in manifest:
            counted = {name: hashed for name, hashed in counted.items() if Path(name).name != CARD}
        return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()

    def made_by(self, parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
        """The version of the code that made the folder, if it was made from these parameters and passes `verify`.

        defaults: of the parameters; a parameter that an earlier version lacked counts as its default.
        """
        manifest = self._manifest()
        if manifest is None or self.verify():
            return None
        had = {**{name: defaults[name] for name in parameters.keys() & defaults.keys()}, **manifest["parameters"]}
        return manifest["code"] if portable(had) == portable(dict(parameters)) else None

    def fill(self, head: Header, makers: AnyMakers, *, total: int, workers: int = 0) -> Manifest:
        """Make the files of the folder, in threads or on a cluster (see `cluster`); return the manifest.

        total: the number of makers, for the progress bar; workers: threads (0: one a core), each of which holds the
        bytes of one file; with 1, as where files are read one after another, no cluster is used. Files of an
        interrupted run with the same head are kept if their hashes match; files made from another head are removed
        first. A complete and current folder is kept. While another process fills the folder, this one waits.
        """
        values.whole(workers=workers)
        if self.is_kept(head):
            return self.manifest()
        self.root.mkdir(parents=True, exist_ok=True)
        with files.locked(self.beside(LOCK), wait=f"{self.root}: waiting for another run, which is at work here"):
            if self.is_kept(head):
                return self.manifest()
            with contextlib.closing(Filling(self, head)) as filling:
                filling.make(makers, total=total, workers=workers)
                return filling.finish()

    def is_kept(self, head: Header) -> bool:
        """Whether the folder was made from `head` and passes `verify`; if so, that is printed."""
        manifest = self._manifest()
        current = manifest is not None and same(manifest, head) and not self.verify()
        if current:
            print(f"{self.root}: complete and unchanged, kept")
        return current

    def write(self, head: Header, contents: Mapping[str, bytes | str | Path], notes: dict[str, Any]) -> None:
        """Fill the folder with these contents: bytes or text, or the path of a file that is moved here.

        notes: facts that differ from run to run, such as a training's speed; not part of the digest.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(Filling(self, head)) as filling:
            for name, data in contents.items():
                filling.put(name, data.encode() if isinstance(data, str) else data)
            filling.finish(notes)

    def discard(self) -> None:
        """Remove the files that are as the folder lists them, and the list; others stay."""
        with contextlib.closing(Filling(self, {"parameters": {}, "code": "none"})):  # as if made from something else
            self.beside(PART).unlink()
        self.beside(SEEN).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def move(self, target: str | Path) -> None:
        """Rename a complete folder and its manifest."""
        other = Folder(target)
        write_whole(other.beside(MANIFEST), self.beside(MANIFEST).read_bytes(), durable=True)
        self.root.rename(other.root)
        self.beside(MANIFEST).unlink()
        self.beside(SEEN).unlink(missing_ok=True)

    def kept_aside(self) -> list["Folder"]:
        """The complete folders that `keep_aside` has renamed, oldest first."""
        paths = self.root.parent.glob(f"{glob.escape(self.root.name)}.*")
        numbered = {int(path.suffix[1:]): Folder(path) for path in paths if path.suffix[1:].isdecimal()}
        return [folder for _, folder in sorted(numbered.items()) if folder.is_complete()]

    def keep_aside(self) -> Path | None:
        """Rename a complete folder to <root>.1, or to the next free number; return the new path, or None."""
        if not (self.root.is_dir() and self.is_complete()):
            return None
        names = (self.root.with_name(f"{self.root.name}.{n}") for n in itertools.count(1))
        target = next(path for path in names if not (path.exists() or Folder(path).is_complete()))
        self.move(target)
        return target
