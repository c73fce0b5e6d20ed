"""The tables and figures of docs/study.md, from results/study/study.csv (`benchmarks.study`)."""

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from ofdb_core.base import files, provenance, record
from ofdb_core.data import tables
from ofdb_core.show import plot
from ofdb_core.training import intervals

FOLDER = provenance.PROJECT / "results" / "study"
RAW, RANDOM, PIXELS = "raw pixels", "random weights", ", {} px"  # groups beside the kinds of pre-training
FIRST = "pattern"  # what the others are compared with
JUDGE = "logistic regression"
PREDICTORS = {  # what may be known of a network without a real image
    "compactness": "intraclass compactness",
    "own_categories": "accuracy on its own categories",
    "own_loss": "loss on its own categories",
}
# Kinds that differ in categories, samples or pixels: what is known of their own categories is not to be compared.
OTHER_SCALE = ("few", "categories-128", "samples-24k", "samples-384k", "noise-384k", "pixels-16", "pixels-32")
SCALES = {  # axis -> its values, each a kind
    "images a category, stored": {1: "stored", 10: "instances-10", 100: "instances-100"},
    "delta of 1p-frac": {
        0.01: "delta-0.01",
        0.05: "delta-0.05",
        0.1: "1p-frac",
        0.2: "delta-0.2",
        0.4: "delta-0.4",
    },
    "categories": {32: "few", 128: "categories-128", 1000: "pattern"},
    "samples": {24_000: "samples-24k", 96_000: "pattern", 384_000: "samples-384k"},
    "pixels": {16: "pixels-16", 24: "pattern", 32: "pixels-32"},
}
Found = dict[str, dict[str, dict[int, float]]]  # data set -> group -> seed -> accuracy


def rows():
    """What was judged by logistic regression."""
    path = FOLDER / "study.csv"
    return [row for row in (tables.read(path) if path.is_file() else []) if row["judge"] == JUDGE]


def accuracies(judged) -> Found:
    """The accuracy of each seed of each group on each data set."""
    found: Found = {}
    for row in judged:
        found.setdefault(row["data"], {}).setdefault(row["group"], {})[row["seed"]] = row["accuracy"]
    return found


def _table(heads, lines):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))


def _groups(found):
    return list(dict.fromkeys(group for of in found.values() for group in of))


def _spread(values):
    return f"{100 * np.mean(values):.1f}" + (f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def accuracy_table():
    """Accuracy in percent by group and data set."""
    judged = rows()
    found = accuracies(judged)
    lines = []
    for group in _groups(found):
        seeds = max(len(of.get(group, {})) for of in found.values())
        cells = [_spread([*of[group].values()]) if group in of else "" for of in found.values()]
        lines.append([group, str(seeds), *cells])
    machines = "; ".join(sorted({row["machine"] for row in judged}))
    return f"{_table(['pre-trained on', 'n', *found], lines)}\n\nMeasured on: {machines}."


def _gap(of, group, other):
    """A difference seed by seed, in points with its interval; empty where nothing can be said."""
    gaps = [of[group][seed] - of[other][seed] for seed in of.get(group, {}) if seed in of.get(other, {})]
    if not (interval := intervals.of_mean(gaps)):
        return ""
    low, high = (100 * end for end in interval)
    text = f"{100 * np.mean(gaps):+.1f} ({low:+.1f} to {high:+.1f})"
    return text if low <= 0 <= high else f"**{text}**"


def difference_table():
    """Differences in points, with 95 % intervals: each group minus the first kind; bold where the interval lacks 0."""
    found = accuracies(rows())
    names = [group for group in _groups(found) if group != FIRST and not group.startswith(RAW)]
    lines = [[group, *(_gap(of, group, FIRST) for of in found.values())] for group in names]
    return _table([f"minus `{FIRST}`", *found], [line for line in lines if any(line[1:])])


def predictor_table():
    """Rank correlations of accuracy with what is known without real images, over the kinds of one scale."""
    known: dict[str, dict[str, list[float]]] = {}  # group -> column -> values
    judged = rows()
    for row in judged:
        if row["compactness"] != "" and row["group"] not in OTHER_SCALE:
            for column in (*PREDICTORS, row["data"]):
                value = row["accuracy"] if column == row["data"] else row[column]
                known.setdefault(row["group"], {}).setdefault(column, []).append(value)
    sets = [*accuracies(judged)]
    lines = []
    for column, text in PREDICTORS.items():
        cells = []
        for data in sets:
            pairs = [(np.mean(of[column]), np.mean(of[data])) for of in known.values() if data in of]
            cells.append(_correlation(np.array(pairs)))
        lines.append([text, *cells])
    return _table([f"rank correlation over {len(known)} kinds", *sets], lines)


def _correlation(pairs):
    """Spearman's rank correlation of (n, 2) values, with its 95 % interval (Bonett and Wright 2000)."""
    if len(pairs) < 5:
        return ""
    found = stats.spearmanr(*pairs.T).statistic
    reach = stats.norm.ppf((1 + intervals.CONFIDENCE) / 2) * np.sqrt((1 + found**2 / 2) / (len(pairs) - 3))
    with np.errstate(divide="ignore"):  # the interval of a perfect one is a point
        low, high = np.tanh(np.arctanh(found) + np.array([-reach, reach]))
    return f"{found:+.2f} ({low:+.2f} to {high:+.2f})"


def overview(found):
    """A figure: for each data set a row of dots for each group, one a seed; raw pixels and random weights as lines."""
    groups = [group for group in _groups(found) if not group.startswith((RAW, RANDOM))]
    figure = Figure(figsize=(2 + 2.6 * len(found), 1 + 0.25 * len(groups)), layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    usual = PIXELS.format(24)
    for axis, (data, of) in zip(axes, found.items(), strict=True):
        for y, group in enumerate(groups):
            shares = [100 * share for share in of.get(group, {}).values()]
            axis.plot(shares, [y] * len(shares), "o", color=plot.INK, alpha=0.4, markersize=4)
            if shares:
                axis.plot(np.mean(shares), y, "|", color=plot.ACCENT, markersize=12, markeredgewidth=2)
        lines = {RAW: ":", RANDOM: "--"}
        for name, style in lines.items():
            if values := [*of.get(name + usual, {}).values()]:
                axis.axvline(100 * np.mean(values), linestyle=style, color="gray", label=name)
        axis.set(title=data, xlabel="correct (%)")
        axis.set_yticks(range(len(groups)), groups, fontsize=8)
        axis.margins(y=0.03)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def scales(found, data="mnist5k"):
    """A figure: accuracy on a data set along each axis of scale, a dot for each seed."""
    of = found.get(data, {})
    figure = Figure(figsize=(2.6 * len(SCALES), 3), layout="constrained")
    for axis, (name, kinds) in zip(figure.subplots(1, len(SCALES), sharey=True), SCALES.items(), strict=True):
        shown = {x: 100 * np.array([*of[group].values()]) for x, group in kinds.items() if group in of}
        for x, shares in shown.items():
            axis.plot([x] * len(shares), shares, "o", color=plot.INK, alpha=0.4, markersize=4)
        axis.plot([*shown], [shares.mean() for shares in shown.values()], "-", color=plot.ACCENT)
        axis.set(xlabel=name, xscale="log")
        axis.set_xticks([*kinds], [f"{x:,}" for x in kinds], fontsize=8, rotation=90)
        axis.minorticks_off()
    figure.axes[0].set_ylabel(f"{data}, correct (%)")
    return figure


def draw():
    """Write both figures."""
    found = accuracies(rows())
    files.write_whole(FOLDER / "study.svg", record.svg(overview(found)))
    files.write_whole(FOLDER / "scales.svg", record.svg(scales(found)))
