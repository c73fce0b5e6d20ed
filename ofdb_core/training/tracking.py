"""Reports of a training to a tracker that accelerate knows, such as TensorBoard or Weights & Biases, beside the log.

In Weights & Biases each training is a run of one project, grouped by its experiment; an interrupted
training goes on in its first run.
"""

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


def told(recipe: Recipe) -> str:
    """The place of the tracker's files, and a way to look at them."""
    if recipe.tracker in ELSEWHERE:
        return f"{recipe.tracker} has the log, in its project {recipe.tracker_project}"
    look = {"tensorboard": f": tensorboard --logdir {folder(recipe)}", "wandb": ": or the address that wandb printed"}
    return f"{recipe.tracker}'s files are in {folder(recipe)}{look.get(recipe.tracker, '')}"


def begin(accelerator: Accelerator, recipe: Recipe, title: str, *, anew: bool) -> None:
    """Start the accelerator's tracker, if it has one; anew: the training begins, or else goes on."""
    values, tracker = recipe.values(), recipe.tracker
    if tracker == "tensorboard":  # its hyper-parameters are numbers and text
        values = {name: one if isinstance(one, (bool, int, float)) else str(one) for name, one in values.items()}
    if tracker != "none":
        options = {**_options(recipe, title, anew), **recipe.tracker_options}
        accelerator.init_trackers(title if tracker in BY_TITLE else recipe.tracker_project, values, {tracker: options})


def _options(recipe: Recipe, title: str, anew: bool) -> dict[str, Any]:
    """Arguments of the tracker's start; the id of wandb's run is kept in a file, so that a training goes on in it."""
    group, place = recipe.tracker_group or Path(recipe.out).resolve().name, folder(recipe)
    path, name = place / f"{title}.id", f"{group}: {title}"

    def kept() -> str:
        if anew or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_whole(path, secrets.token_hex(8))
        return path.read_text(encoding="utf-8")

    if recipe.tracker == "wandb":
        about = {"name": name, "group": group, "dir": str(place)}
        return {**about, "id": processes.shared(kept), "resume": "allow"}
    own = {"trackio": {"name": name}, "mlflow": {"run_name": name}, "dvclive": {"dir": str(place / title)}}
    return {**own, "swanlab": {"experiment_name": name, "logdir": str(place)}}.get(recipe.tracker, {})
