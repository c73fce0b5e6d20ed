"""What a training tells: its log, a row now and then, and a bar of steps with the time that is left."""

import os
import sys
import time

import numpy as np
import torch
from tqdm import tqdm

from ofdb_core.data.tables import Row

LOGGED = ("step", "loss", "learning_rate")


class Log:
    """The log: means over the steps since the last row; losses stay on the device until a row or a state needs them."""

    def __init__(self, source, accelerator):
        self.source, self.accelerator = source, accelerator
        self.rows, self._losses, self._rates, self._pending, self._spent = [], [], [], [], 0.0
        self._restart()

    def _restart(self):
        self._since, self._waited, self._images = time.perf_counter(), 0.0, 0

    def add(self, loss, rate, images, waited):
        """Note a step: its loss in this process (a scalar on the device) and what it took."""
        self._pending.append(loss)
        self._rates.append(rate)
        self._images += images
        self._waited += waited

    def settle(self, step):
        """Turn the losses of the steps up to `step` into numbers, means of all processes; ValueError if not finite."""
        if not self._pending:
            return
        losses = torch.stack(self._pending).float()
        for i in np.flatnonzero(~np.isfinite(losses.cpu().numpy()))[:1]:
            bad, rate = step - len(losses) + int(i), self._rates[len(self._losses) + int(i)]
            ids = np.concatenate([self.source.ids(bad, part) for part in range(self.source.parts)])
            raise ValueError(
                f"the loss is {losses[i]} at step {bad + 1} (learning rate {rate:.3g}, samples {ids.tolist()}); lower "
                "learning_rate, lengthen the warm-up, set clip_gradient or use precision fp32"
            )
        self._losses += self.accelerator.reduce(losses, "mean").tolist()
        self._pending = []

    def row(self, step):
        """Close the row of the steps up to `step` and return it."""
        self.settle(step)
        spent = time.perf_counter() - self._since
        self._spent += spent
        self.rows.append(
            {
                "step": step,
                "loss": float(np.mean(self._losses)),
                "learning_rate": self._rates[-1],
                "images_per_second": self._images * self.accelerator.num_processes / spent,
                "data_share": self._waited / spent,
                "seconds": self._spent,
            }
        )
        self._losses, self._rates = [], []
        self._restart()
        return self.rows[-1]

    def state_dict(self):
        return {"rows": self.rows, "losses": self._losses, "rates": self._rates, "spent": self._spent}

    def load_state_dict(self, state):
        self.rows, self._losses, self._rates = (list(state[name]) for name in ("rows", "losses", "rates"))
        self._spent = state["spent"]


class _Lines:
    """The standard error for a bar in a log file: a line each time, where a terminal draws over the one before."""

    def write(self, text):
        if text := text.replace("\r", "").strip():
            sys.stderr.write(f"{text}\n")

    def flush(self):
        sys.stderr.flush()


def bar(training, title):
    """A bar of steps; without a terminal it is drawn every 5 s, or as often as TQDM_MININTERVAL says."""
    in_notebook = "ipykernel" in sys.modules  # which has no terminal, but draws over a line as one does
    often = os.environ.get("TQDM_MININTERVAL", "0.2" if sys.stderr.isatty() else "5")
    return tqdm(
        total=training.recipe.steps,
        initial=training.step,
        desc=title,
        unit="step",
        mininterval=float(often),
        dynamic_ncols=True,
        file=None if in_notebook or sys.stderr.isatty() else _Lines(),
        disable=not training.accelerator.is_main_process,
    )


def logged(log: list[Row]) -> list[Row]:
    """What of a log's rows does not depend on the machine's speed."""
    return [{key: row[key] for key in LOGGED} for row in log]


def speed(log):
    """What a log says about speed: seconds, images a second and the share of the time spent waiting for data."""
    seconds = [row["seconds"] for row in log]
    spent = np.diff([0.0, *seconds])
    means = {
        key: float(np.average([row[key] for row in log], weights=spent)) for key in ("images_per_second", "data_share")
    }
    return {"seconds": round(seconds[-1], 1), **{key: round(value, 3) for key, value in means.items()}}
