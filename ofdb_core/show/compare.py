"""Finished runs side by side: their results, the curves of their trainings, and the parameters that differ."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ofdb_core.base import project, record, units
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters, ParameterError
from ofdb_core.data import tables
from ofdb_core.show import outcomes, pages, plot
from ofdb_core.training.recipe import Optimisation

RUNS = project.RUNS
PAGE = "comparison.html"
SWEEPS = "sweeps"  # the folder of an experiment's sweeps, which have tables of their own
# stage -> the log of its training
LOGS = {"4_pretrain": "pretrain/log.csv", "5_finetune": "finetune/log.csv", "5_segment": "segment/log.csv"}
REPEAT = ", repeat "  # in the name of a training, before its number
SEED, CELL = "seed", re.compile(r"_seed=\d+$")  # a parameter; the end of the name of a sweep's cell
TITLE = "{}: loss and learning rate"
IGNORED = ("out", "workers", "title")  # parameters that no result depends on
Compared = dict[str, dict[str, record.Entry]]  # name of a run -> notebook -> its record


class Compare(NotebookParameters):
    """Parameters of notebook 7_compare_runs."""

    out: str = "runs/compare"
    """The folder of the page and the record."""
    runs: list[str] = []
    """Folders of runs; []: all that are finished below runs/, without sweeps."""

    def code(self) -> tuple[Callable, ...]:
        return (page,)

    def conflicts(self) -> Iterator[str]:
        for run in self.runs:
            if not (Path(self.out) / run / record.FILE).is_file():  # a record holds paths relative to its run
                yield f"runs: {run} has no {record.FILE}; name folders of finished runs"

    @classmethod
    def located(cls, values: Mapping[str, Any], base: Path = Path()) -> dict[str, Any]:
        """With absolute paths of the runs; if no run is named, all finished ones below runs/, without sweeps."""
        found, runs = super().located(values, base), values.get("runs")
        if isinstance(runs, list) and all(isinstance(run, str) for run in runs):
            own = Path(str(found.get("out"))).resolve()
            every = sorted(path.parent for path in RUNS.rglob(record.FILE)) if RUNS.is_dir() else []
            others = [run for run in every if run != own and SWEEPS not in run.relative_to(RUNS).parts]
            found["runs"] = [os.path.realpath(base / run) for run in runs] or [*map(str, others)]
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
    return {name: record.read(folder) for name, folder in places.items()}


def results(runs: Compared) -> list[list[Any]]:
    """A row for each result of any run: notebook, name, and the value in each run."""
    return _rows(runs, lambda entry: entry["results"])


def differences(runs: Compared) -> list[list[Any]]:
    """A row for each parameter that differs between two runs with its notebook; columns as in `results`."""
    rows = _rows(runs, lambda entry: {k: v for k, v in entry["parameters"].items() if k not in IGNORED})
    return [row for row in rows if len({str(value) for value in row[2:] if value != ""}) > 1]


def _rows(runs: Compared, part: Callable[[record.Entry], dict[str, Any]]) -> list[list[Any]]:
    parts = {name: {stage: part(entry) for stage, entry in run.items()} for name, run in runs.items()}
    keys = dict.fromkeys((stage, key) for run in parts.values() for stage in run for key in run[stage])
    ordered = sorted(keys, key=lambda key: key[0])  # by notebook; within one, in the order of the record
    return [[stage, key, *(run.get(stage, {}).get(key, "") for run in parts.values())] for stage, key in ordered]


def groups(runs: Compared) -> dict[str, dict[str, str]]:
    """Name of a group -> seeds -> run. Runs of a group differ only in seeds; of equal seeds the first run counts."""
    alike: dict[str, dict[str, str]] = {}
    for name, run in runs.items():
        values: dict[str, dict[str, Any]] = {SEED: {}, "": {}}
        for stage, entry in run.items():
            for parameter in entry["parameters"].keys() - {*IGNORED}:
                values[parameter if parameter == SEED else ""][f"{stage}.{parameter}"] = entry["parameters"][parameter]
        key, seeds = (json.dumps(values[part], sort_keys=True) for part in ("", SEED))
        alike.setdefault(key, {}).setdefault(seeds, name)
    return {_named([*seeds.values()]): seeds for seeds in alike.values()}


def _named(names: list[str]) -> str:
    """A cell of a sweep without its seed, as steps=100; of other runs, the first and the number of others."""
    first, more = names[0], f" and {len(names) - 1} more" if len(names) > 1 else ""
    return CELL.sub("", first) if CELL.search(first) else f"{first}{more}"


def metrics(places: Mapping[str, Path], found: Mapping[str, Mapping[str, str]]) -> outcomes.Groups:
    """The metrics of the runs of groups."""
    return {name: {seed: outcomes.metrics(places[run]) for seed, run in runs.items()} for name, runs in found.items()}


def curves(
    places: Mapping[str, Path], runs: Compared, stage: str
) -> tuple[dict[str, list[tables.Row]], dict[str, list[float]]]:
    """Training -> rows of its log, and its learning rate at every step where that is known.

    Of trainings that differ by seeds or repeats only, the first is there.
    """
    from ofdb_core.training import optimizer  # torch, which takes seconds

    logs, rates = dict[str, list[tables.Row]](), dict[str, list[float]]()
    for group, seeds in groups(runs).items():
        run = next(iter(seeds.values()))
        path, own = places[run] / LOGS[stage], dict[str, list[tables.Row]]()
        for row in tables.read(path) if path.is_file() else ():
            training, _, repeat = str(row.get("name", "")).partition(REPEAT)
            if repeat in ("", "0"):
                own.setdefault(f"{group}: {training}" if training else group, []).append(row)
        for name, rows in own.items():
            if recipe := _recipe(runs[run][stage]["parameters"], rows[-1]["step"]):
                rates[name] = optimizer.course(recipe)
        logs |= own
    return logs, rates


def _recipe(parameters: Mapping[str, Any], steps: int) -> Optimisation | None:
    """The recipe of a record's training; None where only the number of samples would tell the length of its warm-up."""
    values = {name: parameters[name] for name in Optimisation.kinds() if name in parameters}
    if (epochs := parameters.get("warmup_epochs")) is not None:
        if not parameters.get("epochs"):
            return None
        values["warmup_steps"] = int(epochs * steps / parameters["epochs"])
    try:
        return Optimisation.of({**values, "steps": steps})
    except ParameterError:  # a record from elsewhere
        return None


def page(places: dict[str, Path]) -> str:
    """The page of the runs, as text."""
    runs = read(places)
    title = f"{len(runs)} runs side by side" if len(runs) > 1 else f"One run: {next(iter(runs))}" if runs else "No runs"
    heads, alike = ["notebook", "", *runs], groups(runs)
    several = {name: ", ".join(of.values()) for name, of in alike.items() if len(of) > 1}
    members = "".join(f"<p>{pages.escape(f'{name}: {of}')}</p>" for name, of in several.items())
    drawn = "".join(
        f"<h2>{stage}</h2>{outcomes.picture(plot.training(*logs, title=TITLE.format(stage)), 'Curves of the runs.')}"
        for stage in LOGS
        if (logs := curves(places, runs, stage))[0]
    )
    took = []
    for name, run in runs.items():
        seconds = sum(float(entry.get("seconds", 0)) for entry in run.values())
        said = [entry["headline"]["sentence"] for entry in run.values() if "headline" in entry]
        took.append((name, units.duration(seconds), "; ".join(said)))
    found = results(runs)
    same = [row for row in found if len(set(map(str, row[2:]))) == 1]
    differ = [row for row in found if row not in same]
    body = (
        f"<h1>{pages.escape(title)}</h1>{pages.table(took, ['run', 'took', 'what came of it'])}"
        f"<h2>Accuracies, over seeds</h2>{members}{outcomes.section(metrics(places, alike))}"
        f"<h2>Results that differ</h2>{_table(differ, heads)}"
        f"<details><summary>Results that are the same: {len(same)}</summary>{_table(same, heads)}</details>{drawn}"
        f"<h2>Parameters that differ</h2>{_table(differences(runs), heads)}"
    )
    return pages.page(title, body)


def _table(rows: list[list[Any]], heads: list[str]) -> str:
    return pages.table(rows, heads) if rows else "<p>None.</p>"


def write(out: Path, places: dict[str, Path]) -> Path:
    """Write comparison.html into a folder; return its path."""
    return Own(out).write(PAGE, page(places))
