"""Reports of a training to TensorBoard or Weights & Biases, beside the log.

In Weights & Biases each training is a run of one project, grouped by its experiment; an interrupted
training goes on in its first run.
"""

import secrets
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available, is_wandb_available

from ofdb_core.base import files
from ofdb_core.training import processes
from ofdb_core.training.recipe import Recipe


def check(tracker: str) -> None:
    """Raise a ValueError if the tracker's package is not installed."""
    trackers = {"none": True, "tensorboard": is_tensorboard_available(), "wandb": is_wandb_available()}
    if not trackers[tracker]:
        raise ValueError(f"tracker: {tracker!r} needs a package; run: pip install {tracker}")


def folder(recipe: Recipe) -> Path:
    """The folder that trackers write to."""
    return Path(recipe.out) / "trackers"


def told(recipe: Recipe) -> str:
    """The place of the tracker's files, and a way to look at them."""
    look = {"tensorboard": f"tensorboard --logdir {folder(recipe)}", "wandb": "or the address that wandb printed"}
    return f"{recipe.tracker}'s files are in {folder(recipe)}: {look[recipe.tracker]}"


def begin(accelerator: Accelerator, recipe: Recipe, title: str, *, anew: bool) -> None:
    """Start the accelerator's tracker, if it has one; anew: the training begins, or else goes on."""
    given = recipe.values().items()
    values = {name: value if isinstance(value, (bool, int, float)) else str(value) for name, value in given}
    if recipe.tracker == "wandb":
        accelerator.init_trackers(recipe.tracker_project, values, {"wandb": _run(recipe, title, anew)})
    else:
        accelerator.init_trackers(title, values)


def _run(recipe: Recipe, title: str, anew: bool) -> dict[str, Any]:
    """Arguments of wandb.init; the run's id is kept in a file, so that the training can go on in it."""
    experiment, path = Path(recipe.out).resolve().name, folder(recipe) / f"{title}.id"

    def kept() -> str:
        if anew or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_whole(path, secrets.token_hex(8))
        return path.read_text(encoding="utf-8")

    about = {"name": f"{experiment}: {title}", "group": experiment, "dir": str(folder(recipe))}
    return {**about, "id": processes.shared(kept), "resume": "allow"}
