"""Filling a folder: whole or not at all, continued after an interruption, without touching the user's files.

Only listed files that still have their hash are removed, and only listed files are overwritten. During the filling,
<folder>.manifest.part holds the header and, for each file, a line with its hash and its name. After an interruption the
listed files are kept if their hashes still match; the others are made again.
"""

import functools
import hashlib
import itertools
import json
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ofdb_core.base import cluster, files, manifests, threads
from ofdb_core.base.files import sha256, write_whole
from ofdb_core.base.manifests import MANIFEST, PART, Header, Manifest

if TYPE_CHECKING:
    from ofdb_core.base.folder import Folder

ALTERED = "-"  # in PART, instead of the hash: a listed file that has changed since it was written

PIECE = 256  # files that a worker of a cluster makes at a time, at most
PIECES = 64  # of a small folder, so that all workers have something to do

Makers = Iterable[tuple[str, Callable[[], bytes]]]  # names of files, and functions that make their bytes
Maker = Callable[[], bytes | Path]  # of a file's bytes, or of a file that is moved there
AnyMakers = Iterable[tuple[str, Maker]]


def refuse(root: Path, names: Collection[str]) -> None:
    """Raise FileExistsError if there are `names`, which are of files in a folder that are not this project's."""
    if names:
        hint = "move it away or choose another folder"
        raise FileExistsError(f"{root}: holds {min(names)}, which is not this project's; {hint}")


def _hash(root: Path, name: str, data: bytes | Path, ours: Collection[str]) -> str:
    """The hash of what is to lie in a folder; FileExistsError if another's file is there. ours: may be overwritten."""
    path, hashed = (
        files.inside(root, name),
        sha256(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest(),
    )
    if name not in ours and path.exists() and path.stat().st_size and not files.holds(path, hashed):
        refuse(root, {name})  # a power cut may leave an empty file, or a file without its line
    return hashed


def _write(path: Path, data: bytes | Path) -> None:
    if isinstance(data, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(data, path)
    else:
        write_whole(path, data)


def written(root: Path, makers: Mapping[str, Maker], ours: Collection[str]) -> dict[str, str]:
    """Name -> hash of files, which are made and written into a folder; ours: those that may be overwritten."""
    hashes = {}
    for name, maker in makers.items():
        data = maker()
        hashes[name] = _hash(root, name, data, ours)
        _write(files.inside(root, name), data)
    return hashes


class Filling:
    """A folder that is being filled: each file is listed with its hash, then written."""

    def __init__(self, folder: "Folder", head: Header) -> None:
        self.folder, self.head = folder, head
        folder.refuse_strangers()
        made_from, listed = folder.listed()
        self._remove_half_written(listed)
        whole = {name: hashed for name, hashed in listed.items() if files.holds(self._path(name), hashed)}
        altered = [name for name in listed if name not in whole and self._path(name).exists()]
        self._kept = whole if made_from and manifests.same(made_from, head) else {}  # of an earlier run
        for name in whole.keys() - self._kept.keys():
            self._remove(name)
        lines = [json.dumps(head), *(f"{hashed} {name}" for name, hashed in self._kept.items())]
        write_whole(folder.beside(PART), "\n".join([*lines, *(f"{ALTERED} {name}" for name in altered), ""]))
        folder.beside(MANIFEST).unlink(missing_ok=True)
        self._listed, self._done = listed.keys(), dict[str, str]()
        self._one_by_one = threading.Lock()
        self._lines = folder.beside(PART).open("a", encoding="utf-8")

    def _path(self, name: str) -> Path:
        return files.inside(self.folder.root, name)

    def _remove_half_written(self, listed: Iterable[str]) -> None:
        """Remove half-written files of killed processes: of the listed files, the manifest and PART."""
        paths = [self.folder.beside(MANIFEST), self.folder.beside(PART), *map(self._path, listed)]
        stems: dict[Path, set[str]] = {}
        for path in paths:
            stems.setdefault(path.parent, set()).add(files.stem_of_temporary(path.name))
        for parent, ours in stems.items():
            files.remove_temporary(parent, ours.__contains__)

    def _remove(self, name: str) -> None:
        """Remove a file, and the folders around it that it leaves empty."""
        path = self.folder.root / name
        path.unlink()
        for parent in path.parents[: len(Path(name).parents) - 1]:
            if any(parent.iterdir()):
                break
            parent.rmdir()

    def make(self, makers: AnyMakers, *, total: int, workers: int) -> None:
        """Make the files that no earlier run has left; see `Folder.fill`."""
        with tqdm(total=total, desc=self.folder.root.name, unit="file") as bar:
            if workers != 1 and cluster.address():
                for hashes in self._pieces(makers, size=max(1, min(PIECE, total // PIECES))):
                    self._done |= hashes
                    bar.update(len(hashes))
                return

            def make(name: str, maker: Maker) -> None:
                if name in self._kept:
                    self._done[name] = self._kept[name]
                else:
                    self.put(name, maker())
                bar.update()

            tasks = (functools.partial(make, *named) for named in makers)
            for _ in threads.results(tasks, workers or os.cpu_count() or 1):
                pass

    def _pieces(self, makers: AnyMakers, size: int) -> Iterator[dict[str, str]]:
        """Name -> hash of the files, as workers of a cluster make them and write them into this folder."""
        kept = list[dict[str, str]]()

        def pieces() -> Iterator[tuple[str, tuple[Any, ...]]]:
            makes = iter(makers)
            while piece := dict(itertools.islice(makes, size)):
                kept.append({name: self._kept[name] for name in piece.keys() & self._kept.keys()})
                if new := {name: maker for name, maker in piece.items() if name not in self._kept}:
                    ours = [name for name in new if name in self._listed]
                    self._note(dict.fromkeys(new, ALTERED))  # so whatever a dying worker leaves is known as ours
                    yield f"{min(new)} to {max(new)}", (self.folder.root.resolve(), new, ours)

        for _, hashes in cluster.pieces(written, pieces()):
            self._note(hashes)
            yield hashes
        yield from kept

    def _note(self, hashes: Mapping[str, str]) -> None:
        with self._one_by_one:
            self._lines.writelines(f"{hashed} {name}\n" for name, hashed in hashes.items())
            self._lines.flush()

    def put(self, name: str, data: bytes | Path) -> None:
        """List a file, then write it; data given as a path is moved here."""
        hashed = _hash(self.folder.root, name, data, self._listed)
        self._note({name: hashed})
        _write(self._path(name), data)
        self._done[name] = hashed

    def finish(self, notes: dict[str, Any] | None = None) -> Manifest:
        """Remove other files of an earlier run, and write the manifest."""
        for name in self._kept.keys() - self._done.keys():
            self._remove(name)
        self.close()
        self.folder.refuse_others(self._done)
        root, parameters = self.folder.root.resolve(), manifests.portable(self.head["parameters"])
        about: Any = {"name": f"{root.parent.name}/{root.name}", **manifests.dated(), **self.head}
        manifest: Manifest = about | {"parameters": parameters, "files": dict(sorted(self._done.items()))}
        if notes is not None:
            manifest["notes"] = notes
        write_whole(self.folder.beside(MANIFEST), manifests.text(manifest), durable=True)
        self.folder.beside(PART).unlink(missing_ok=True)
        return manifest

    def close(self) -> None:
        """Close PART."""
        self._lines.close()
