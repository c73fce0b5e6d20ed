"""The processes of one training: their numbers, the values that they share, and the files that one of them writes."""

import contextlib
import datetime
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Header, portable
from ofdb_core.training.recipe import Recipe, Saving
from ofdb_core.training.states import CONTINUES, Store, clear, differences

T = TypeVar("T")
Contents = dict[str, bytes | str | Path]  # name -> bytes or text of a file, or the path to move it from
Made = tuple[Contents, dict[str, Any]]  # the files of a folder, and notes for its manifest

PATIENCE = datetime.timedelta(hours=2)  # for the main process while it downloads, unpacks or hashes; torch: 10 minutes


def check() -> None:
    """Raise a ValueError if an environment variable asks accelerate for what no training here does."""
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG", "SAGEMAKER"):
        if os.environ.get(variable := f"ACCELERATE_USE_{name}", "").lower() == "true":
            raise ValueError(
                f"the environment variable {variable} is true, and not supported: processes share each batch, and each "
                f"has the whole network; unset {variable}"
            )


def state() -> PartialState:
    """accelerate's PartialState: this process's number, the number of processes, and the device."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"), timeout=PATIENCE)


def share() -> tuple[int, int]:
    """This process's number and the number of processes, as a batch source takes them."""
    return state().process_index, state().num_processes


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
    root: Path, head: Header, make: Callable[[], Made], *, states: Path, recipe: Recipe | None = None
) -> None:
    """Fill a folder with the files that make() returns, unless `decision` finds that nothing is to be made.

    head: see `manifests.header`; make: called in every process, returns the files and notes for the manifest; states:
    the folder where make() saves its states, which are removed once the files are written, and until then the folder
    to fill stays as it was; recipe: of a training.
    """
    results, usual = Folder(root), recipe.defaults() if recipe else {}
    keeps = recipe is not None and recipe.changed != "restart"
    made_by = shared(lambda: results.made_by(head["parameters"], usual))
    before = shared(lambda: _finished_before(results, head, usual)) if keeps and not made_by else ""
    todo = decision(made_by, head["code"], before, keeps=keeps)
    if todo == "keep":
        print(f"{root}: made before and unchanged, kept")
    elif todo == "keep outdated":
        codes = f"{made_by}; today's is {head['code']}"
        print(f"{root}: finished before, by other code ({codes}), and kept; -p changed restart makes it anew")
    elif todo == "exchange":
        if state().is_main_process:
            print(f"{root}: finished before and kept as {before}; {_exchanged(results, before)}")
    else:
        results.refuse_strangers()
        if recipe:
            _announce(results, head, states, recipe)
        contents, notes = make()
        if state().is_main_process:
            if recipe and (aside := results.keep_aside()):
                print(f"{root}: the training that was finished before is kept as {aside}")
            results.write(head, contents, notes)
    state().wait_for_everyone()
    if state().is_main_process:
        clear(states)
        with contextlib.suppress(OSError):  # it is not there, or another training has states in it
            states.parent.rmdir()


def decision(made_by: str | None, code: str, before: str, *, keeps: bool) -> str:
    """What to do with a folder that is asked for: keep, keep outdated, exchange or make.

    made_by: the version of the code that made it from the same parameters, or None; code: today's; before: the name of
    the folder kept aside that was made from them, or ""; keeps: a finished training, which stays until `changed` is
    restart. What is made anew takes no training's folder: `fill_once` keeps that aside.
    """
    if made_by == code:
        return "keep"
    if keeps and made_by:
        return "keep outdated"
    return "exchange" if keeps and before else "make"


def _announce(results: Folder, head: Header, states: Path, recipe: Recipe) -> None:
    """Say what becomes of a finished training whose folder another one will take."""
    if finished := shared(lambda: results.manifest() if results.is_complete() else None):
        asked: Header = {**head, "parameters": portable(head["parameters"])}
        changes = "; ".join(differences(finished, asked)) or "its files are altered"
        goes_on = states.exists() or CONTINUES in head["parameters"]
        anew = ", which begins anew," if recipe.changed == "continue" and not goes_on else ""
        until = f"once the new one{anew} is finished"
        print(f"{results.root}: the finished training ({changes}) stays, and is kept aside {until}")


def _finished_before(results: Folder, head: Header, usual: Mapping[str, Any]) -> str:
    """The name of the folder kept aside that holds the training of a header, or ""."""
    return next((kept.root.name for kept in results.kept_aside() if kept.made_by(head["parameters"], usual)), "")


def _exchanged(results: Folder, before: str) -> str:
    """Exchange a folder for one kept aside; return what became of it, in words."""
    aside = results.keep_aside()
    Folder(results.root.with_name(before)).move(results.root)
    return f"it is back, and the other one is kept as {aside.name}" if aside else "it is back"
