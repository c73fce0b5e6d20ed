"""Finished runs side by side: their results, the curves of their trainings, and the parameters that differ."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ofdb_core.base import project, record, units
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.base.record import Entry
from ofdb_core.data import tables
from ofdb_core.show import pages, plot, report

RUNS = project.RUNS
PAGE = "comparison.html"
LOGS = {"4_pretrain": "pretrain/log.csv", "5_finetune": "finetune/log.csv"}  # stage -> the log of its training
IGNORED = ("out", "workers", "title")  # parameters that no result depends on
Compared = dict[str, dict[str, Entry]]  # name of a run -> notebook -> its record


class Compare(NotebookParameters):
    """Parameters of notebook 7_compare_runs."""

    out: str = "runs/compare"
    """The folder of the page and the record."""
    runs: list[str] = []
    """Folders of runs; []: all that are finished below runs/."""

    def code(self) -> tuple[Callable, ...]:
        return (page,)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        for run in self.runs:
            if not (Path(self.out) / run / record.FILE).is_file():  # a record holds paths relative to its run
                yield f"runs: {run} has no {record.FILE}; name folders of finished runs"

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """With absolute paths of the runs; if no run is named, all finished ones below runs/."""
        found, runs = super().located(values, base), values.get("runs")
        if isinstance(runs, list) and all(isinstance(run, str) for run in runs):
            own = Path(str(found.get("out"))).resolve()
            every = sorted(path.parent for path in RUNS.rglob(record.FILE)) if RUNS.is_dir() else []
            found["runs"] = [os.path.realpath(base / run) for run in runs] or [str(run) for run in every if run != own]
        return found

    def reads(self) -> tuple[str, ...]:
        return tuple(str(Path(run) / record.FILE) for run in self.runs)

    def places(self) -> dict[str, Path]:
        """Name -> folder of the runs."""
        roots = [(Path(self.out) / run).resolve() for run in self.runs]
        names = [root.name for root in roots]
        return {root.name if names.count(root.name) == 1 else str(root): root for root in roots}


def read(places: dict[str, Path]) -> Compared:
    """The records of the runs."""
    return {name: record.read(place) for name, place in places.items()}


def results(runs: Compared) -> list[list[Any]]:
    """A row for each result of any run: notebook, name, and the value in each run."""
    return _rows(runs, lambda entry: entry["results"])


def differences(runs: Compared) -> list[list[Any]]:
    """A row for each parameter that differs between two runs with its notebook; columns as in `results`."""
    rows = _rows(runs, lambda entry: {k: v for k, v in entry["parameters"].items() if k not in IGNORED})
    return [row for row in rows if len({str(value) for value in row[2:] if value != ""}) > 1]


def _rows(runs: Compared, part: Callable[[Entry], dict[str, Any]]) -> list[list[Any]]:
    parts = {name: {stage: part(entry) for stage, entry in run.items()} for name, run in runs.items()}
    keys = dict.fromkeys((stage, key) for run in parts.values() for stage in run for key in run[stage])
    ordered = sorted(keys, key=lambda key: key[0])  # by notebook; within one, in the order of the record
    return [[stage, key, *(run.get(stage, {}).get(key, "") for run in parts.values())] for stage, key in ordered]


def curves(places: dict[str, Path], stage: str) -> dict[str, list[tables.Row]]:
    """Run -> the log of its first training in a stage; runs without one are left out."""
    paths = {name: place / LOGS[stage] for name, place in places.items()}
    logs = {name: tables.read(path) for name, path in paths.items() if path.is_file()}
    return {
        name: [row for row in rows if row.get("name") == rows[0].get("name")] for name, rows in logs.items() if rows
    }


def page(places: dict[str, Path]) -> str:
    """The page of the runs, as text."""
    runs = read(places)
    heads = ["notebook", "", *runs]
    drawn = "".join(
        f"<h2>{stage}</h2>{_picture(plot.training(logs, title=f'{stage}: loss and learning rate'))}"
        for stage in LOGS
        if (logs := curves(places, stage))
    )
    took = [
        (
            name,
            units.duration(sum(float(entry.get("seconds", 0)) for entry in run.values())),
            "; ".join(entry["headline"]["sentence"] for entry in run.values() if "headline" in entry),
        )
        for name, run in runs.items()
    ]
    found = results(runs)
    same = [row for row in found if len(set(map(str, row[2:]))) == 1]
    differ = [row for row in found if row not in same]
    body = (
        f"<h1>{len(runs)} runs side by side</h1>{pages.table(took, ['run', 'took', 'what came of it'])}"
        f"<h2>Results that differ</h2>{_table(differ, heads)}"
        f"<details><summary>Results that are the same: {len(same)}</summary>{_table(same, heads)}</details>{drawn}"
        f"<h2>Parameters that differ</h2>{_table(differences(runs), heads)}"
    )
    return pages.page(f"{len(runs)} runs", body)


def _table(rows: list[list[Any]], heads: list[str]) -> str:
    return pages.table(rows, heads) if rows else "<p>None.</p>"


def _picture(figure: Any) -> str:
    return pages.figure(report.themed(record.svg(figure)), "Curves of the runs.", wide=True)


def write(out: Path, places: dict[str, Path]) -> Path:
    """Write comparison.html into a folder; return its path."""
    return Own(out).write(PAGE, page(places))
