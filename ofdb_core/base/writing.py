"""Folders of results are written: whole or not at all, by one process at a time, and continued after an interruption.

Only what was listed with its hash, and still has it, is ever removed; see `folder` for what a folder is.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ofdb_core.base import files, folder, manifests, threads, values
from ofdb_core.base.files import sha256, write_whole
from ofdb_core.base.folder import Files, Header, Manifest
from ofdb_core.base.manifests import LOCK, MANIFEST, PART, beside, place

ALTERED = "-"  # in PART, in the place of the hash: a listed file that is no longer as it was written


def refuse_strangers(root: Path) -> None:
    """An error where the folder holds files that neither its manifest nor an interrupted run has listed.

    Those of an unfinished folder are looked at when all others are made: see `_Filling`.
    """
    if root.is_dir() and not place(root, PART).exists():
        _refuse(root, folder.names(root) - folder.listed_in(root)[1].keys())


def _refuse(root: Path, strange: set[str]) -> None:
    if strange:
        raise FileExistsError(
            f"{root}: holds {min(strange)}, which is not this project's; move it away or choose another folder"
        )


class _Filling:
    """A folder at work: what its files are, each listed with its hash before it is written.

    Only what was listed, and still has its hash, is ever removed, and only what was listed is replaced by other bytes.
    kept: name -> hash of the files of an earlier run with the same head. The lines of `PART` are the header and, for
    each file, its hash and its name.
    """

    def __init__(self, root: Path, head: Header) -> None:
        self.root, self.head = root, head
        refuse_strangers(root)
        made_from, listed = folder.listed_in(root)
        self._remove_halves(listed)
        whole = {name: hashed for name, hashed in listed.items() if files.holds(files.inside(root, name), hashed)}
        altered = {name for name in listed if name not in whole and (root / name).exists()}
        self.kept = whole if folder.same(made_from, head) else {}
        for name in whole.keys() - self.kept.keys():
            self.remove(name)
        lines = [json.dumps(head), *(f"{hashed} {name}" for name, hashed in self.kept.items())]
        write_whole(beside(root, PART), "\n".join([*lines, *(f"{ALTERED} {name}" for name in altered), ""]))
        for former in (root / PART, root / MANIFEST, beside(root, MANIFEST)):
            former.unlink(missing_ok=True)
        self._listed, self._done = listed.keys(), dict[str, str]()
        self._one_by_one = threading.Lock()
        self._lines = beside(root, PART).open("a", encoding="utf-8")

    def _remove_halves(self, listed: dict[str, str]) -> None:
        """Remove what a killed process left half-written."""
        about = [beside(self.root, name) for name in (MANIFEST, PART)]
        folders = {about[0].parent: {files.beginning(path.name) for path in about}, self.root: {MANIFEST, PART}}
        for name in listed:
            path = files.inside(self.root, name)
            folders.setdefault(path.parent, set()).add(files.beginning(path.name))
        for where, beginnings in folders.items():
            files.remove_halves(where, beginnings.__contains__)

    def remove(self, name: str) -> None:
        """Remove a file, and the folders around it that it leaves empty."""
        path = self.root / name
        path.unlink()
        for where in path.parents[: len(Path(name).parents) - 1]:
            if any(where.iterdir()):
                break
            where.rmdir()

    def put(self, name: str, data: bytes | Path) -> None:
        """List a file, and write it, or move it here from where it lies."""
        path = files.inside(self.root, name)
        hashed = sha256(data) if isinstance(data, Path) else hashlib.sha256(data).hexdigest()
        if name not in self._listed and path.exists() and path.stat().st_size and not files.holds(path, hashed):
            _refuse(self.root, {name})  # a power cut may have emptied it, or lost its line: then it may be replaced
        with self._one_by_one:
            self._lines.write(f"{hashed} {name}\n")
            self._lines.flush()
        if isinstance(data, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(data, path)
        else:
            write_whole(path, data)
        self._done[name] = hashed

    def keep(self, name: str) -> None:
        """Keep a file of an earlier run."""
        self._done[name] = self.kept[name]

    def close(self) -> None:
        """Close the file of the lines."""
        self._lines.close()

    def finish(self, **notes: Any) -> Manifest:
        """Remove what an earlier run had beside these files, and write the manifest."""
        for name in self.kept.keys() - self._done.keys():
            self.remove(name)
        self.close()
        _refuse(self.root, folder.names(self.root) - self._done.keys())
        head = {**self.head, "parameters": manifests.portable(self.head["parameters"])}
        former = head.pop("former", None)
        if former and former["content"] == _content(self.root, self._done):
            head["digest"] = former["digest"]
        made = {**manifests.about(self.root), **head, **notes, "files": dict(sorted(self._done.items()))}
        write_whole(beside(self.root, MANIFEST), manifests.text(made), durable=True)
        beside(self.root, PART).unlink(missing_ok=True)
        return made


def fill(
    root: str | Path,
    head: Header,
    made: Files,
    *,
    total: int,
    workers: int = 0,
    label: str = "",
) -> Manifest:
    """Make the files of a folder, in threads; return its manifest.

    head: see `header`; made: pairs of a name and a function without arguments that returns its bytes; total: their
    number, for the progress line; workers: threads, 0 for one a core, which hold the bytes of one file each. Files of
    an earlier, interrupted run with the same head are kept where their hashes hold; files made from something else are
    removed first. Where the folder is complete and made from the same head, nothing is done. While another process
    fills it, this one waits.
    """
    values.whole(workers=workers)
    root, workers = Path(root), workers or os.cpu_count() or 1
    if (complete := _current(root, head)) is not None:
        return complete
    root.mkdir(parents=True, exist_ok=True)
    with files.locked(beside(root, LOCK), wait=f"{root}: waiting for another run, which is at work here"):
        if (complete := _current(root, head)) is not None:
            return complete
        former = _former(root, head)
        with (
            contextlib.closing(_Filling(root, {**head, "former": former} if former else head)) as filling,
            tqdm(total=total, desc=label or root.name, unit="file") as bar,
        ):

            def make(name: str, function: Callable[[], bytes]) -> None:
                filling.put(name, function())
                bar.update()

            def tasks() -> Iterator[Callable[[], None]]:
                for name, function in made:
                    if name in filling.kept:
                        filling.keep(name)
                        bar.update()
                    else:
                        yield functools.partial(make, name, function)

            for _ in threads.results(tasks(), workers):
                pass
            return filling.finish()


def _current(root: Path, head: Header) -> Manifest | None:
    """The manifest of a folder in which there is nothing to do."""
    if not folder.is_current(root, head):
        return None
    print(f"{root}: complete and unchanged, kept")
    manifests.settle(root)
    return folder.complete(root)


def _former(root: Path, head: Header) -> dict[str, Any] | None:
    """The digest and the content of a complete folder of the same parameters that other code made, or is making anew.

    None where there is none, or where it does not pass `verify`.
    """
    facts = folder.manifest(root)
    if facts is None:
        made_from = folder.listed_in(root)[0]
        return made_from.get("former") if folder.same(made_from, head) else None
    if folder.same({**facts, "code": head["code"]}, head) and not folder.verify(root):
        return {"digest": folder.digest(root), "content": _content(root, facts["files"])}
    return None


def _content(root: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: manifests.content(root / name) for name in names}


def write(root: str | Path, head: Header, contents: Mapping[str, bytes | str | Path], notes: dict[str, Any]) -> None:
    """Fill a folder with these contents: bytes or text, or the path of a file that is moved there.

    notes: what is worth keeping but differs from run to run, as a training's speed; no part of the folder's digest.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(_Filling(root, head)) as filling:
        for name, data in contents.items():
            filling.put(name, data.encode() if isinstance(data, str) else data)
        filling.finish(notes=notes)
