"""The states of a training on disk: written whole or not at all, read again, and refused if they do not fit.

A state is one file, <step>-<hash>.pt. The hash of its bytes shows that a file is damaged; then the one before is used.
about.json holds the parameters and the code that the states belong to. Reading executes no code from a file.
"""

import contextlib
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import torch

from ofdb_core.base import files, folder, manifests
from ofdb_core.base.manifests import Header
from ofdb_core.training import foreign_weights

ABOUT = "about.json"
FILES = "files.json"  # of the user's data, to say what changed
CONTINUES = "continues"  # in a header's parameters: the digest of the finished training that was continued
DIGITS = 16  # of the hash in a file's name
STATE = re.compile(r"\d+-[0-9a-f]{16}\.pt")  # the name of a state
OURS = re.compile(rf"{STATE.pattern}|{re.escape(ABOUT)}|{re.escape(FILES)}|\w+-[0-9a-f]{{16}}\.safetensors")

State = dict[str, Any]  # tensors, numbers, text and containers of these


class Store:
    """The states of one training, in a folder.

    about: the header that they belong to; keep: number of states that stay; changed: what to do if the folder holds
    states of another header: "refuse" them (a ValueError names the differences), "continue" with them, or "restart".
    """

    def __init__(self, root: str | Path, about: Header, *, keep: int = 2, changed: str = "refuse") -> None:
        self.root, self.keep = Path(root), keep
        changes = self._changes(old, about) if (old := about_of(self.root)) else []
        if changes and changed == "refuse":
            raise ValueError(
                f"{self.root}: holds an unfinished training of other parameters or code: {'; '.join(changes)}. "
                "Continue it with the new ones (-p changed continue), begin anew (-p changed restart), or give another "
                "--out"
            )
        if changes and changed == "restart":
            clear(self.root)
        self._wanted, self._about = json.dumps(about, indent=1), about

    def _changes(self, old: Header, new: Header) -> list[str]:
        """The differences of two headers, where files of the user's that changed are counted and named."""
        changes, had = differences(old, new), files.read_json(self.root / FILES)
        source = next((change for change in changes if change.startswith("source ")), None)
        if source is None or not isinstance(had, dict) or (has := _listing(new)) is None or had == has:
            return changes
        both = had.keys() & has.keys()
        ways = {"removed": had.keys() - has.keys(), "added": has.keys() - had.keys()}
        ways["altered"] = {name for name in both if had[name] != has[name]}
        found = [f"{len(own)} file{'s' * (len(own) > 1)} {way} ({min(own)})" for way, own in ways.items() if own]
        return [", ".join(found) if change is source else change for change in changes]

    def files(self) -> list[Path]:
        """The files of the states, oldest first."""
        return _files(self.root)

    def newest(self) -> State | None:
        """The newest undamaged state, as `save` got it, or None; damaged files are printed."""
        for path in reversed(self.files()):
            data = path.read_bytes()
            if _hash(data) == path.stem.partition("-")[2]:
                return _loaded(path, data)
            print(f"{path}: damaged, so it is not used; the one before it is, where there is one")
        return None

    def save(self, step: int, state: State) -> None:
        """Remove the half-written files of killed processes, write a state, then remove all but the last `keep`.

        A full disk is an OSError, and the earlier states stay. Files of later steps, all damaged, are removed too.
        """
        files.remove_temporary(self.root, OURS.fullmatch)
        data = io.BytesIO()
        torch.save(state, data)
        files.write_whole(self.root / ABOUT, self._wanted)
        if not (self.root / FILES).exists() and (listing := _listing(self._about)):
            files.write_whole(self.root / FILES, json.dumps(listing))
        path = self.root / f"{step:09d}-{_hash(data.getbuffer())}.pt"
        files.write_whole(path, data.getbuffer())
        newest_first = [path, *(other for other in reversed(self.files()) if other.name < path.name)]
        for other in set(self.files()) - set(newest_first[: self.keep]):
            other.unlink()

    def aside(self, name: str, data: bytes) -> Path:
        """Write a file beside the states, deleted with them; return its path."""
        path = self.root / f"{name}-{_hash(data)}.safetensors"
        files.write_whole(path, data)
        return path


def _listing(about: Header) -> dict[str, int | str] | None:
    """The files of the user's folder that a header names as data, by their sizes; None if they are other data."""
    data = about["parameters"].get("data")
    source = Path(data) if isinstance(data, str) else Path()
    is_mine = source.is_absolute() and source.is_dir() and not folder.Folder(source).is_complete()
    return folder.listing(source) if is_mine else None


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*-*.pt") if STATE.fullmatch(path.name) and path.is_file())


def about_of(root: Path) -> Header | None:
    """The header that the states in a folder belong to; None if there are no states."""
    if not _files(root):
        return None
    path = root / ABOUT
    try:
        about = files.read_json(path)
        manifests.check_header(about)
        return {"parameters": about["parameters"], "code": about["code"]}
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); move {root} away") from error


def clear(root: Path) -> None:
    """Remove the states in and below a folder, and folders that become empty; nothing else."""
    for name in [name for name, _ in files.walk(root, followlinks=False)]:
        path = root / name
        files.remove_temporary(path.parent, OURS.fullmatch)
        if OURS.fullmatch(path.name):
            path.unlink(missing_ok=True)
    for below in sorted((path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()), reverse=True):
        with contextlib.suppress(OSError):  # it holds something else
            below.rmdir()
    with contextlib.suppress(OSError):
        root.rmdir()


def _loaded(path: Path, data: bytes) -> State:
    """The state in an undamaged file; a ValueError if it is something else, or would run code."""
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if isinstance(state, dict) and isinstance(state.get("step"), int):
            return state
        problem = "it has no step"
    except foreign_weights.BROKEN as error:
        problem = type(error).__name__  # its text advises to run the code
    raise ValueError(f"{path}: no state of a training ({problem}); move it away")


def _hash(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def differences(old: Header, new: Header) -> list[str]:
    """The differences of two headers, each as 'name old value -> new value'."""
    before, after = ({**header["parameters"], "code": header["code"]} for header in (old, new))
    names = dict.fromkeys((*old["parameters"], *new["parameters"], "code"))
    return [f"{name} {before.get(name)} -> {after.get(name)}" for name in names if before.get(name) != after.get(name)]
