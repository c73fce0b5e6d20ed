"""The states of a training on disk: written whole or not at all, read again, and refused where they do not fit.

A state is one file, <step>-<hash>.pt, whose name holds the hash of its bytes: a damaged file is recognised by it, and
the one before is used. about.json holds the parameters and the code that the states belong to. Reading executes no code
from a file.
"""

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from ofdb_core.base import files
from ofdb_core.base.folder import Header
from ofdb_core.training import processes
from ofdb_core.training.recipe import Saving

ABOUT = "about.json"
DIGITS = 16  # of the hash in a file's name

State = dict[str, Any]  # tensors, numbers, text and containers of these


class Store:
    """The states of one training in a folder of their own.

    about: the header that they belong to (see `folder.header`); keep: number of states that stay; changed: what to do
    where the folder holds states of another header: "refuse" them (a ValueError names the differences), "continue" with
    them, or "restart".
    """

    def __init__(self, root: str | Path, about: Header, *, keep: int = 2, changed: str = "refuse") -> None:
        self.root, self.keep = Path(root), keep
        differences = _differences(self._about(), about) if self.files() else []
        if differences and changed == "refuse":
            raise ValueError(
                f"{self.root}: holds an unfinished training of other parameters or code: {'; '.join(differences)}. "
                "Continue it with the new ones (-p changed continue), begin anew (-p changed restart), or give another "
                "--out"
            )
        if differences and changed == "restart":
            self.clear()
        self._wanted = json.dumps(about, indent=1)

    def files(self) -> list[Path]:
        """The files of the states, oldest first."""
        return sorted(self.root.glob("[0-9]*-*.pt"))

    def _about(self) -> Header:
        try:
            return json.loads((self.root / ABOUT).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{self.root / ABOUT}: cannot be read ({error}); move {self.root} away") from error

    def newest(self) -> State | None:
        """The newest state that is whole, as `save` was given it, or None; damaged files are named."""
        for path in reversed(self.files()):
            data = path.read_bytes()
            if _hash(data) == path.stem.partition("-")[2]:
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            print(f"{path}: damaged, so it is not used; the one before it is, where there is one")
        return None

    def save(self, step: int, state: State) -> None:
        """Write a state, then remove all but the last `keep`.

        A full disk is an OSError, and the earlier states stay. Files of later steps, all damaged, are removed too.
        """
        data = io.BytesIO()
        torch.save(state, data)
        files.write_whole(self.root / ABOUT, self._wanted)
        path = self.root / f"{step:09d}-{_hash(data.getbuffer())}.pt"
        files.write_whole(path, data.getbuffer())
        newest_first = [path, *(other for other in reversed(self.files()) if other.name < path.name)]
        for other in set(self.files()) - set(newest_first[: self.keep]):
            other.unlink()

    def clear(self) -> None:
        """Remove all states."""
        shutil.rmtree(self.root, ignore_errors=True)


def open_store(root: Path, about: Header, recipe: Saving) -> "Store":
    """The store of a training; of several processes, the main one opens it first."""
    with processes.state().main_process_first():
        return Store(root, about, keep=recipe.keep, changed=recipe.changed)


def _hash(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def _differences(old: Header, new: Header) -> list[str]:
    """The differences of two headers, each as 'name old value -> new value'."""
    before, after = ({**header["parameters"], "code": header["code"]} for header in (old, new))
    names = dict.fromkeys((*old["parameters"], *new["parameters"], "code"))
    return [f"{name} {before.get(name)} -> {after.get(name)}" for name in names if before.get(name) != after.get(name)]
