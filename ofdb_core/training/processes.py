"""The processes of one training: their numbers, the values that they share, and the files that one of them writes."""

import contextlib
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Header
from ofdb_core.training.recipe import Recipe, Saving
from ofdb_core.training.states import Store, clear

T = TypeVar("T")
Contents = dict[str, bytes | str | Path]  # name -> bytes or text of a file, or the path to move it from

PATIENCE = datetime.timedelta(hours=2)  # for the main process while it downloads, unpacks or hashes; torch: 10 minutes


def state() -> PartialState:
    """accelerate's PartialState: this process's number, the number of processes, and the device."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=PATIENCE)


def share() -> dict[str, int]:
    """This process's `process` and the number of `processes`, as a batch source takes them."""
    return {"process": state().process_index, "processes": state().num_processes}


def hardware() -> dict[str, str | int]:
    """The hardware of a training: the number of processes, and their device (all have the same) in words."""
    device = state().device
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else provenance.machine()
    return {"processes": state().num_processes, "hardware": named}


def shared(function: Callable[[], T]) -> T:
    """The value of function(), called in the main process only, for all processes."""
    return broadcast_object_list([function() if state().is_main_process else None])[0]


def open_store(root: Path, about: Header, recipe: Saving) -> Store:
    """The store of a training's states; the main process opens it first."""
    with state().main_process_first():
        return Store(root, about, keep=recipe.keep, changed=recipe.changed)


def fill_once(
    root: str | Path,
    head: Header,
    make: Callable[[], tuple[Contents, dict[str, Any]]],
    *,
    states: Path,
    recipe: Recipe | None = None,
) -> None:
    """Fill a folder with the files that make() returns, unless it is complete and made from the same head.

    head: see `manifests.header`; make: called in every process, returns the files and notes for the manifest; states:
    the folder where make() saves its states, which are removed once the files are written. Until then the folder to
    fill stays as it was. recipe: of a training; a finished one is kept even if its code has changed, unless `changed`
    is restart.
    """
    results = Folder(root)
    made_by = shared(lambda: results.made_by(head["parameters"], recipe.defaults() if recipe else {}))
    if made_by == head["code"]:
        print(f"{root}: made before and unchanged, kept")
    elif made_by and recipe and recipe.changed != "restart":
        print(
            f"{root}: finished before, by other code ({made_by}; today's is {head['code']}), and kept; "
            "-p changed restart makes it anew"
        )
    else:
        results.refuse_strangers()
        made, notes = make()
        if state().is_main_process:
            results.write(head, made, notes)
        state().wait_for_everyone()
    if state().is_main_process:
        clear(states)
        with contextlib.suppress(OSError):  # it is not there, or another training has states in it
            states.parent.rmdir()
