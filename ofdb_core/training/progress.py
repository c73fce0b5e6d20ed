"""What a training reports: its log, with a row every few steps, and a progress bar of its steps."""

import os
import sys
import time
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from ofdb_core.batches.source import Source
from ofdb_core.data.tables import Row
from ofdb_core.training import processes

LOGGED = ("step", "loss", "learning_rate")


class Log:
    """The log: means over the steps since the last row; losses stay on the device until a row or a state needs them.

    source: names the samples of a step whose loss is not finite; accelerator: takes the means over all processes.
    """

    def __init__(self, source: Source, accelerator: Accelerator) -> None:
        self.source, self.accelerator = source, accelerator
        self.rows: list[Row] = []
        self._losses: list[float] = []
        self._rates: list[float] = []
        self._pending: list[torch.Tensor] = []
        self._spent = 0.0
        self._restart()

    def _restart(self) -> None:
        self._since, self._waited, self._images = time.perf_counter(), 0.0, 0

    def add(self, loss: torch.Tensor, rate: float, images: int, waited: float) -> None:
        """Note a step: its loss in this process (a scalar on the device), learning rate, images, seconds of waiting."""
        self._pending.append(loss)
        self._rates.append(rate)
        self._images += images
        self._waited += waited

    def settle(self, step: int) -> None:
        """Turn the losses up to `step` into numbers, means of all processes; a ValueError if one is not finite."""
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

    def row(self, step: int) -> Row:
        """Close the row of the steps up to `step` and return it."""
        self.settle(step)
        spent = time.perf_counter() - self._since
        self._spent += spent
        learned = {"step": step, "loss": float(np.mean(self._losses)), "learning_rate": self._rates[-1]}
        speed = self._images * self.accelerator.num_processes / spent
        about = {"images_per_second": speed, "data_share": self._waited / spent, "seconds": self._spent}
        self.rows.append({**learned, **about})
        self._losses, self._rates = [], []
        self._restart()
        return self.rows[-1]

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "losses": self._losses, "rates": self._rates, "spent": self._spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self._losses, self._rates = (list(state[name]) for name in ("rows", "losses", "rates"))
        self._spent = state["spent"]


class _Lines:
    """Standard error for a bar in a log file: each update is a line; on a terminal it would cover the last one."""

    def write(self, text: str) -> None:
        if text := text.replace("\r", "").strip():
            sys.stderr.write(f"{text}\n")

    def flush(self) -> None:
        sys.stderr.flush()


def bar(title: str, step: int, steps: int, *, shown: bool) -> tqdm:
    """A bar of steps; without a terminal it is drawn every 5 s, or as often as TQDM_MININTERVAL says."""
    in_notebook = "ipykernel" in sys.modules  # it has no terminal, but draws over a line as one does
    how: dict[str, Any] = {"file": None if in_notebook or sys.stderr.isatty() else _Lines(), "disable": not shown}
    interval = float(os.environ.get("TQDM_MININTERVAL", "0.2" if sys.stderr.isatty() else "5"))
    return tqdm(desc=title, initial=step, total=steps, unit="step", mininterval=interval, dynamic_ncols=True, **how)


def in_words(row: Row) -> str:
    """A row of the log, for the bar."""
    return (
        f"loss {row['loss']:.3f}, lr {row['learning_rate']:.1e}, {row['data_share']:.0%} waiting, "
        f"{row['images_per_second']:.0f} images/s"
    )


def logged(log: list[Row]) -> list[Row]:
    """A log's rows without the columns that depend on the machine's speed."""
    return [{key: row[key] for key in LOGGED} for row in log]


def speed(log: list[Row]) -> dict[str, float]:
    """The speed of a training: seconds, images a second, and the share of the time spent waiting for data."""
    spent = np.diff([0.0, *(row["seconds"] for row in log)])
    columns = {key: [row[key] for row in log] for key in ("images_per_second", "data_share")}
    means = {key: round(float(np.average(values, weights=spent)), 3) for key, values in columns.items()}
    return {"seconds": round(log[-1]["seconds"], 1), **means}


def cost(log: list[Row]) -> dict[str, Any]:
    """The hardware and the speed of a training."""
    return {**processes.hardware(), **speed(log)}
