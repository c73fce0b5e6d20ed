"""The state of a training on disk: written whole or not at all, found again, and refused where it would not fit.

A state is one file, <step>-<hash>.pt, whose name holds the hash of its bytes, so that a damaged file is known by its
name and the one before it is used. about.json says which parameters and code the states belong to. Reading executes no
code from a file.
"""

import hashlib
import io
import json
import shutil
from pathlib import Path

import torch

from ofdb_core.base import files
from ofdb_core.base.folder import Header
from ofdb_core.training import processes
from ofdb_core.training.recipe import Saving

ABOUT = "about.json"
DIGITS = 16  # of the hash in a file's name


class Store:
    """The states of one training in a folder of their own.

    about: what they belong to, as `folder.header`; keep: how many states stay; changed: what to do where the folder
    holds states of something else: "refuse" (a ValueError shows the difference), "continue" with them, or "restart".
    """

    def __init__(self, root, about, *, keep=2, changed="refuse"):
        self.root, self.keep = Path(root), keep
        had = self._about() if self.files() else None
        differences = [] if had is None else _differences(had, about)
        if differences and changed == "refuse":
            raise ValueError(
                f"{self.root}: holds an unfinished training of other parameters or code: {'; '.join(differences)}. "
                "Go on with what is asked for now (-p changed continue), begin anew (-p changed restart), or give "
                "another --out"
            )
        if differences and changed == "restart":
            self.clear()
        self._wanted = json.dumps(about, indent=1)

    def files(self):
        """The files of the states, oldest first."""
        return sorted(self.root.glob("[0-9]*-*.pt"))

    def _about(self):
        try:
            return json.loads((self.root / ABOUT).read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{self.root / ABOUT}: cannot be read ({error}); move {self.root} away") from error

    def newest(self):
        """The newest whole state, a dictionary as `save` was given it, or None; damaged files are named."""
        for path in reversed(self.files()):
            data = path.read_bytes()
            if _hash(data) == path.stem.partition("-")[2]:
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            print(f"{path}: damaged, so it is not used; the one before it is, where there is one")
        return None

    def save(self, step, state):
        """Write a state (tensors, numbers, text and containers of these), then remove all but the last `keep`.

        A full disk is an OSError, and what was there before stays. Files of later steps, damaged ones, are removed too.
        """
        data = io.BytesIO()
        torch.save(state, data)
        files.write_whole(self.root / ABOUT, self._wanted)
        path = self.root / f"{step:09d}-{_hash(data.getbuffer())}.pt"
        files.write_whole(path, data.getbuffer())
        newest_first = [path, *(other for other in reversed(self.files()) if other.name < path.name)]
        for other in set(self.files()) - set(newest_first[: self.keep]):
            other.unlink()

    def clear(self):
        """Remove all states."""
        shutil.rmtree(self.root, ignore_errors=True)


def open_store(root: Path, about: Header, recipe: Saving) -> "Store":
    """The store of a training; of several processes, the main one opens it first."""
    with processes.state().main_process_first():
        return Store(root, about, keep=recipe.keep, changed=recipe.changed)


def _hash(data):
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def _differences(had, wanted):
    """Sentences on what differs between two headers of `folder.header`."""
    old, new = had["parameters"], wanted["parameters"]
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    found = [f"{name} {old.get(name)} -> {new.get(name)}" for name in changed]
    return found + ([f"code {had['code']} -> {wanted['code']}"] if had["code"] != wanted["code"] else [])
