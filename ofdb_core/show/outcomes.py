"""What came of runs: their accuracies, and what may be said of them over seeds.

A group holds runs that differ by their seed only. Comparisons and sweeps show groups in the same way.
"""

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ofdb_core.base import record
from ofdb_core.data import tables
from ofdb_core.show import pages, plot, report
from ofdb_core.training import intervals

HEADS = ("", "mean ± standard deviation", "95 % interval", "difference", "95 % interval of the difference")
NAMES = ("class", "predicted", "by")  # columns of text in predictions

Metrics = dict[str, float]  # name -> share in 0..1, or a difference of two
Groups = Mapping[str, Mapping[Hashable, Metrics]]  # name of a group -> seed -> metrics of that run


def metrics(run: Path) -> Metrics:
    """The accuracies in a run's folder; for fine-tuning and baselines, the means over the repeats, and the gain."""
    found: Metrics = {}
    if (path := run / "finetune" / "results.csv").is_file():
        rows = tables.read(path)
        for shots in dict.fromkeys(row["shots"] for row in rows):
            means = _means((row for row in rows if row["shots"] == shots), by="start", of="accuracy")
            found |= {f"{start}, {shots or 'all'} a class": mean for start, mean in means.items()}
            if (untrained := means.pop("from scratch", None)) is not None:
                for start, mean in means.items():
                    of = "" if start == "pre-trained" else f" of {start}"
                    found[f"gain{of}, {shots or 'all'} a class"] = mean - untrained
    if (path := run / "finetune" / "baselines.csv").is_file():
        rows = tables.read(path)
        for row in rows:
            row["name"] = f"{row['features']}, {row['judge']}, {row['shots'] or 'all'} a class"
        found |= _means(rows, by="name", of="accuracy")
    if (path := run / "segment" / "results.csv").is_file():
        means = _means(tables.read(path), by="start", of="mean_iou")
        found |= {f"mean IoU, {start}": mean for start, mean in means.items()}
    if (path := run / "evaluation" / "predictions.csv").is_file():
        rows = [{**row, "right": row["class"] == row["predicted"]} for row in tables.read(path, text=NAMES)]
        found |= {f"evaluation, by the {judge}": mean for judge, mean in _means(rows, by="by", of="right").items()}
    if (path := run / "evaluation" / "corruptions.csv").is_file():
        from ofdb_core.training.evaluation import mean_corruption  # with torch, which no other outcome needs

        found["evaluation, under corruption"] = mean_corruption(tables.read(path))
    if (path := run / "pretrain" / "predictions.csv").is_file():
        found["own categories"] = float(np.mean([row["label"] == row["predicted"] for row in tables.read(path)]))
    return found


def _means(rows: Iterable[tables.Row], *, by: str, of: str) -> dict[str, float]:
    """The mean of a column for each value of another one."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        columns.setdefault(row[by], []).append(row[of])
    return {value: float(np.mean(column)) for value, column in columns.items()}


def by_metric(groups: Groups) -> dict[str, dict[str, dict[Hashable, float]]]:
    """Metric -> group -> seed -> value, of those that have it."""
    found: dict[str, dict[str, dict[Hashable, float]]] = {}
    for name, runs in groups.items():
        for seed, values in runs.items():
            for metric, value in values.items():
                found.setdefault(metric, {}).setdefault(name, {})[seed] = value
    return found


def summary(groups: Mapping[str, Mapping[Hashable, float]]) -> list[tuple[str, ...]]:
    """A row of words for each group of one metric, as in `HEADS`; a difference is from the first group.

    Groups that share two seeds or more are compared pair by pair, others as independent samples.
    """
    rows, (first, *_) = list[tuple[str, ...]](), groups.values()
    for name, own in groups.items():
        values = [*own.values()]
        against = ("", "") if own is first else _difference(first, own)
        rows.append((name, intervals.mean_of(values), _span(intervals.of_mean(values), unit=" %"), *against))
    return rows


def _difference(first: Mapping[Hashable, float], own: Mapping[Hashable, float]) -> tuple[str, str]:
    """The mean difference and its interval, in words."""
    pairs = [own[seed] - first[seed] for seed in own if seed in first]
    if len(pairs) > 1:
        return f"{100 * np.mean(pairs):+.1f} points ({len(pairs)} pairs)", _span(intervals.of_mean(pairs), sign="+")
    here, there = [*own.values()], [*first.values()]
    return f"{100 * (np.mean(here) - np.mean(there)):+.1f} points", _span(intervals.of_gap(here, there), sign="+")


def _span(ends: tuple[float, float] | None, *, sign: str = "", unit: str = "") -> str:
    return f"{100 * ends[0]:{sign}.1f} to {100 * ends[1]:{sign}.1f}{unit}" if ends else ""


def figure(groups: Groups) -> Figure:
    """Each metric against the groups."""
    found = by_metric(groups).items()
    return plot.swept({name: {group: [*of.values()] for group, of in values.items()} for name, values in found})


def section(groups: Groups) -> pages.Text:
    """The figure and the tables of the groups, as a part of a page."""
    found = {metric: pages.table(summary(values), HEADS) for metric, values in by_metric(groups).items()}
    if not found:
        return "<p>None.</p>"
    words = "".join(f"<h3>{pages.escape(metric)}</h3>{table}" for metric, table in found.items())
    return picture(figure(groups), "A dot is a run, a larger mark the mean of a group.") + words


def picture(drawn: Figure, caption: str) -> pages.Text:
    """A wide figure of a page."""
    return pages.figure(report.themed(record.svg(drawn)), caption, wide=True)
