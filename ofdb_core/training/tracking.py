"""Reports of a training to a tracker that accelerate knows, such as TensorBoard or Weights & Biases, beside the log.

Each training is a run of one project, where the tracker can, grouped by its experiment; an interrupted training goes on
in its first run.
"""

import operator
import secrets
from pathlib import Path
from typing import Any

from accelerate import Accelerator, tracking

from ofdb_core.base import files
from ofdb_core.base.values import nearest
from ofdb_core.training import processes
from ofdb_core.training.recipe import Recipe

BY_TITLE = ("tensorboard", "aim")  # they are started with the name of a run, the others with that of a project
ELSEWHERE = ("clearml", "comet_ml", "mlflow", "trackio")  # they choose where their files are
# The argument of a run's id: those that take ours, with its length; and those that choose it, with what holds it then.
OURS = {"comet_ml": ("experiment_key", 32), "swanlab": ("id", 21), "wandb": ("id", 16)}
THEIRS = {"aim": ("run_hash", "hash"), "clearml": ("continue_last_task", "id"), "mlflow": ("run_id", "info.run_id")}


def check(tracker: str) -> None:
    """Raise a ValueError if accelerate does not know the tracker, or its package is not installed."""
    known = sorted(["none", *tracking.LOGGER_TYPE_TO_CLASS])
    if tracker not in known:
        raise ValueError(f"tracker: {tracker!r} is unknown{nearest(tracker, known)}; allowed is {', '.join(known)}")
    if tracker != "none" and tracker not in map(str, tracking.get_available_trackers()):
        raise ValueError(f"tracker: {tracker!r} needs a package; run: pip install {tracker.replace('_', '-')}")


def folder(recipe: Recipe) -> Path:
    """The folder that trackers write to."""
    return Path(recipe.out) / "trackers"


def location(recipe: Recipe) -> str:
    """Where the tracker's files are, and how to look at them."""
    if recipe.tracker in ELSEWHERE:
        return f"{recipe.tracker} has the log, in its project {recipe.tracker_project}"
    look = {"tensorboard": f": tensorboard --logdir {folder(recipe)}", "wandb": ": or the address that wandb printed"}
    return f"{recipe.tracker}'s files are in {folder(recipe)}{look.get(recipe.tracker, '')}"


def begin(accelerator: Accelerator, recipe: Recipe, title: str, *, anew: bool) -> None:
    """Start the accelerator's tracker, if it has one; anew: the training begins, or else goes on."""
    values, tracker = recipe.values(), recipe.tracker
    if tracker == "none":
        return
    if tracker == "tensorboard":  # its hyper-parameters are numbers and text
        values = {name: one if isinstance(one, (bool, int, float)) else str(one) for name, one in values.items()}
    path = folder(recipe) / f"{title}.id"
    ours = _id(path, OURS[tracker][1], anew) if tracker in OURS else None
    kept = path.read_text(encoding="utf-8") if tracker in THEIRS and path.exists() and not anew else None
    options = _options(recipe, title, anew)
    options |= {OURS[tracker][0]: ours} if ours else {THEIRS[tracker][0]: kept} if kept else {}
    options |= recipe.tracker_options
    project = title if tracker in BY_TITLE else recipe.tracker_project
    accelerator.init_trackers(project, None if kept else values, {tracker: options})  # a run has its values already
    if tracker in THEIRS and accelerator.is_main_process:
        _keep(path, operator.attrgetter(THEIRS[tracker][1])(accelerator.trackers[0].tracker))


def _keep(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, text)


def _id(path: Path, length: int, anew: bool) -> str:
    """The id of a run, kept in a file, which all processes have from the first one."""

    def kept() -> str:
        if anew or not path.exists():
            _keep(path, secrets.token_hex(16)[:length])
        return path.read_text(encoding="utf-8")

    return processes.shared(kept)


def _options(recipe: Recipe, title: str, anew: bool) -> dict[str, Any]:
    """Arguments of the tracker's start, but for the id of the run."""
    group, place = recipe.tracker_group or Path(recipe.out).resolve().name, folder(recipe)
    name = f"{group}: {title}"
    own: dict[str, dict[str, Any]] = {
        "comet_ml": {"mode": "get_or_create"},
        "dvclive": {"dir": str(place / title), "resume": not anew},
        "mlflow": {"run_name": name},
        "swanlab": {"experiment_name": name, "group": group, "logdir": str(place), "resume": "allow"},
        "trackio": {"name": name, "group": group, "resume": "never" if anew else "allow"},
        "wandb": {"name": name, "group": group, "dir": str(place), "resume": "allow"},
    }
    return own.get(recipe.tracker, {})
