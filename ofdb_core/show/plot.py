"""Figures: every function returns a matplotlib Figure, labelled, ready to be saved or shown."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ofdb_core.data.samples import Samples
from ofdb_core.formulas.ifs import IFS

Rows = Sequence[Mapping[str, Any]]  # of a table
Runs = Mapping[str, Rows]  # by name
Pictures = Sequence[np.ndarray] | np.ndarray
Numbers = Sequence[float] | np.ndarray
Levels = Mapping[str, float]
Measure = tuple[str, str]  # a column of a table, and its name in a figure
Size = tuple[float, float]  # width and height of one of the axes, in inches

Given = ParamSpec("Given")

MOSAIC, TILE = 1500, (10, 64)  # pixels, each side: the largest mosaic; its smallest and largest tile

ACCURACY = ("accuracy", "accuracy")
NUMBER = re.compile(r"(.+)=(-?\d+(?:\.\d*)?(?:e[-+]?\d+)?)")  # a group that is a value of one parameter
LEGEND = 120  # characters in a row of a legend
ACCENT, OTHER, FAINT = "#2a86a8", "#d1495b", "#b8b8b8"
INK = "#767676"  # of text and axes: legible on white and on black, since a figure's background is transparent


def _as_written(draw: Callable[Given, Figure]) -> Callable[Given, Figure]:
    """The function, with text and axes of its figures in `INK`, and dollar signs in names taken literally."""
    inks: Any = ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")

    @functools.wraps(draw)
    def drawn(*args: Given.args, **kwargs: Given.kwargs) -> Figure:
        with matplotlib.rc_context(dict.fromkeys(inks, INK)):
            figure = draw(*args, **kwargs)
        texts: list[Any] = figure.findobj(Text)
        for text in texts:
            if "$" in text.get_text():
                text.set_parse_math(False)
        return figure

    return drawn


def _axes(rows: int, columns: int, size: Size, title: str | None = None) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, an array (rows, columns)."""
    figure = Figure(figsize=(columns * size[0], rows * size[1]), layout="constrained")
    if title:
        figure.suptitle(title)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _charts(columns: int, size: Size, title: str) -> tuple[Figure, np.ndarray]:
    """A figure and its `columns` axes for curves or bars: without the frame's upper and right side."""
    figure, axes = _axes(1, columns, size, title)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


@_as_written
def sheet(
    images: Pictures, *, titles: Sequence[str] = (), columns: int = 8, size: float = 1.3, title: str | None = None
) -> Figure:
    """A contact sheet of images, each (H, W) or (H, W, 3) uint8, in rows of equal length, at most `columns`."""
    rows = -(-len(images) // columns)
    columns = -(-len(images) // rows)
    figure, axes = _axes(rows, columns, (size, size + (0.25 if len(titles) else 0.05)), title)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image, cmap="gray", vmin=0)
        if len(titles):
            axis.set_title(titles[i], fontsize=8)
    return figure


@_as_written
def mosaic(samples: Samples) -> Figure:
    """A sheet of one picture of every class, or of as many classes as fit as tiles of `TILE` into `MOSAIC`."""
    chosen = np.unique(samples.labels, return_index=True)[1]
    columns = int(np.ceil(np.sqrt(len(chosen))))
    tile = int(np.clip(MOSAIC // columns, *TILE))
    columns = min(columns, MOSAIC // tile)
    chosen = chosen[: columns * columns]
    sheet = Image.new("RGB", (columns * tile, -(-len(chosen) // columns) * tile))
    for position, i in enumerate(chosen.tolist()):
        picture = Image.fromarray(samples.pixels(i)).resize((tile, tile), Image.Resampling.BOX)
        sheet.paste(picture, (position % columns * tile, position // columns * tile))
    first, last = (samples.classes[samples.labels[i]] for i in (chosen[0], chosen[-1]))
    width, height, above = sheet.width / 100, sheet.height / 100, 0.4
    figure = Figure(figsize=(width, height + above))
    axis = figure.add_axes((0, 0, 1, height / (height + above)))
    axis.set_axis_off()
    axis.imshow(sheet, interpolation="none")
    axis.set_title(f"{first} to {last}, {len(chosen)} of {len(samples.classes)}")
    return figure


@_as_written
def maps(system: IFS) -> Figure:
    """What each map of a 2D system does to a square: its outline, and where its images land."""
    title = "each map carries the dashed square to the filled one, its lower edge to the red one"
    figure, axes = _axes(1, len(system), (2.0, 2.2), title)
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    for i, axis in enumerate(axes.flat):
        image = square @ system.A[i].T + system.t[i]
        axis.add_patch(Polygon(square, fill=False, linestyle="--", color=FAINT))
        axis.add_patch(Polygon(image, facecolor=ACCENT, alpha=0.6))
        axis.add_patch(Polygon(image[:2], closed=False, color=OTHER, linewidth=2))  # shows turns and mirrors
        axis.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xlabel="x", ylabel="y")
        axis.set_title(f"map {i}, p = {system.p[i]:.2f}", fontsize=10)
        axis.tick_params(labelsize=7)
    return figure


@_as_written
def histogram(
    values: Numbers, *, threshold: float, names: Sequence[str], xlabel: str, ylabel: str, title: str, log: bool = True
) -> Figure:
    """The distribution of a score; the threshold is an edge of the bins; names: of the parts below and from it."""
    figure, (axis,) = _charts(1, (7, 3), title)
    values = np.asarray(values)
    low, high = min(values.min(), threshold), max(values.max(), threshold)
    width = (high - low or 1.0) / np.clip(2 * np.sqrt(len(values)), 10, 60)
    edges = threshold + width * np.arange(np.floor((low - threshold) / width), np.ceil((high - threshold) / width) + 2)
    parts = (values[values < threshold], values[values >= threshold])
    for name, part, colour in zip(names, parts, (FAINT, ACCENT), strict=True):
        axis.hist(part, edges, color=colour, label=f"{name}: {len(part):,}")
    axis.axvline(threshold, color=OTHER, linestyle="--", label=f"threshold: {threshold}")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        axis.set_yscale("log")
    else:
        axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axis)
    return figure


@_as_written
def line(x: np.ndarray, y: np.ndarray, *, xlabel: str, ylabel: str, title: str, slope: Numbers | None = None) -> Figure:
    """Points and, if `slope` is there, a straight line (slope, intercept) through them."""
    figure, (axis,) = _charts(1, (5, 3.2), title)
    axis.plot(x, y, "o", color=ACCENT)
    if slope is not None:
        axis.plot(x, np.polyval(slope, x), color=OTHER, label=f"slope {slope[0]:.3f}")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    _legend(axis)
    return figure


def _legend(drawn: Any, **how: Any) -> None:
    """The legend of a figure or of one of its axes, if anything has a label ("" and "_a" are none to matplotlib)."""
    axes = drawn.axes if isinstance(drawn, Figure) else [drawn]
    if any(axis.get_legend_handles_labels()[1] for axis in axes):
        drawn.legend(frameon=False, **how)


def _look(i: int) -> dict[str, Any]:
    """The style of the i-th curve: pre-trained and from scratch alternate in colour; each pair shares a line style."""
    return {"color": (ACCENT, OTHER)[i % 2], "linestyle": ("-", "--", ":", "-.")[i // 2 % 4], "linewidth": 1.5}


@_as_written
def training(runs: Runs, rates: Mapping[str, Sequence[float]], *, title: str, chance: float | None = None) -> Figure:
    """Loss, and learning rate, over steps. runs: name -> rows with step, loss and learning_rate.

    rates: name -> the learning rate of every step; of a run without it, the rows' rates are drawn as dots.
    """
    figure, (loss, rate) = _charts(2, (5, 3.2), title)
    for i, (name, rows) in enumerate(runs.items()):
        steps = [row["step"] for row in rows]
        loss.plot(steps, [row["loss"] for row in rows], label=name, **_look(i))
        if name in rates:
            rate.plot(range(1, len(rates[name]) + 1), rates[name], **_look(i))
        else:
            rate.plot(steps, [row["learning_rate"] for row in rows], **{**_look(i), "linestyle": "", "marker": "."})
    if chance is not None:
        loss.axhline(chance, color=FAINT, linestyle="--", label="knowing nothing")
    loss.set(xlabel="step", ylabel="loss (cross entropy, nats)")
    rate.set(xlabel="step", ylabel="learning rate")
    _legend(figure, fontsize=8, loc="outside lower center", ncols=max(1, min(4, LEGEND // max([1, *map(len, runs)]))))
    return figure


@_as_written
def accuracy(
    runs: Mapping[str, Sequence[Rows]], *, title: str, levels: Levels | None = None, measure: Measure = ACCURACY
) -> Figure:
    """Test accuracy over steps. runs: name -> of each repeat, rows with step and accuracy, a share in 0..1.

    A thin line is a repeat, a thick one their mean. levels: name -> an accuracy to compare with, a dotted line;
    measure: another column in place of accuracy, and its name.
    """
    column, what = measure
    figure, (axis,) = _charts(1, (6.5, 3.8), title)
    for i, (name, repeats) in enumerate(runs.items()):
        steps = [row["step"] for row in repeats[0]]
        values = 100 * np.array([[row[column] for row in rows] for rows in repeats])
        axis.plot(steps, values.T, alpha=0.4, **_look(i) | {"linewidth": 0.7})
        axis.plot(steps, values.mean(axis=0), marker="o", markersize=3, label=name, **_look(i))
    for i, (name, level) in enumerate((levels or {}).items()):
        axis.axhline(100 * level, color=INK, linestyle=(":", "-.", "--")[i % 3], linewidth=1, label=name)
    axis.set(xlabel="step", ylabel=f"test {what} (%)", ylim=(0, 105))
    _legend(figure, fontsize=8, loc="outside lower center", ncols=2)
    return figure


@_as_written
def by_class(runs: Runs, *, title: str, measure: Measure = ACCURACY) -> Figure:
    """Accuracy of each class, in the order of the first run's. runs: name -> rows with class and accuracy (0..1).

    measure: as for `accuracy`.
    """
    figure, (axis,) = _charts(1, (8, 3), title)
    column, what = measure
    known = {name: [row for row in rows if row[column] != ""] for name, rows in runs.items()}
    first = next(iter(known.values()))
    order = sorted(range(len(first)), key=lambda i: first[i][column])
    for i, (name, rows) in enumerate(known.items()):
        look = {**_look(i), "linestyle": "", "marker": "o", "markersize": 4}
        axis.plot([rows[k][column] * 100 for k in order], label=name, **look)
    names = [str(first[k]["class"]) for k in order] if len(order) <= 40 else []
    axis.set_xticks(range(len(names)), names, rotation=0 if len(names) <= 10 else 90, fontsize=8)
    axis.set(xlabel=f"{len(order)} classes", ylabel=f"{what} (%)", ylim=(0, 105))
    _legend(figure, fontsize=8, loc="outside lower center", ncols=2)
    return figure


@_as_written
def comparison(
    groups: Mapping[str, Mapping[str, Sequence[float]]], *, chance: float, xlabel: str, title: str
) -> Figure:
    """Accuracies side by side. groups: group -> name -> shares in 0..1, a dot each; a line marks their mean."""
    figure = Figure(figsize=(7, 0.8 + sum(0.3 * len(group) + 0.4 for group in groups.values())), layout="constrained")
    figure.suptitle(title)
    heights = [len(group) for group in groups.values()]
    axes = figure.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axis, (group, named) in zip(axes.flat, groups.items(), strict=True):
        axis.spines[["top", "right"]].set_visible(False)
        axis.axvline(100 * chance, color=FAINT, linestyle="--", label="chance")
        for y, values in enumerate(named.values()):
            shares = 100 * np.asarray(values)
            look = {"color": (ACCENT, OTHER)[y] if y < 2 else INK}
            axis.plot(shares, np.full(len(shares), y), "o", alpha=0.5, markersize=5, **look)
            axis.plot(shares.mean(), y, "|", markersize=16, markeredgewidth=2, **look)
            spread = f" ± {shares.std(ddof=1):.1f}" if len(shares) > 1 else ""
            axis.text(103, y, f"{shares.mean():.1f}{spread}", va="center", fontsize=9)
        axis.set_yticks(range(len(named)), list(named), fontsize=9)
        axis.set(title=group, xlim=(0, 102), ylim=(len(named) - 0.5, -0.5))
    axes[-1, 0].set_xlabel(xlabel)
    _legend(axes[0, 0], fontsize=8, loc="lower left")
    return figure


@_as_written
def swept(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """A panel for each metric, with a dot for each run. panels: metric -> group -> (n,) shares.

    Groups whose names are one parameter's numbers, as in steps=100, lie along an axis of numbers.
    """
    figure, axes = _charts(len(panels), (3.4, 3.6), "")
    for axis, (metric, groups) in zip(axes, panels.items(), strict=True):
        found = [NUMBER.fullmatch(name) for name in groups]
        names = {match and match[1] for match in found}
        numeric = len(names) == 1 and None not in names
        x = [float(match[2]) for match in found if match] if numeric else list(range(len(groups)))
        for position, values in zip(x, groups.values(), strict=True):
            axis.plot([position] * len(values), 100 * np.asarray(values), ".", color=INK, markersize=5)
        means = [100 * np.mean(values) for values in groups.values()]
        axis.plot(x, means, "o-" if numeric else "o", color=ACCENT, markersize=8, fillstyle="none")
        axis.set(title=metric, xlabel=names.pop() if numeric else "", ylabel="%")
        if not numeric:
            axis.set_xticks(x, list(groups), rotation=90, fontsize=8)
        elif min(x) > 0 and max(x) >= 10 * min(x):
            axis.set_xscale("log")
    return figure


@_as_written
def confusion(matrices: Mapping[str, np.ndarray], *, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrices side by side. matrices: name -> (C, C) counts, a row for each true class."""
    figure, axes = _axes(1, len(matrices), (3.8, 3.8), title)
    for axis, (name, matrix) in zip(axes.flat, matrices.items(), strict=True):
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        axis.set(title=name, xlabel="predicted", ylabel="true")
        if len(classes) <= 20:
            axis.set_xticks(range(len(classes)), classes, fontsize=7)
            axis.set_yticks(range(len(classes)), classes, fontsize=7)
            for (row, column), count in np.ndenumerate(matrix):
                if count:
                    colour = "white" if share[row, column] > 0.5 else "black"
                    axis.text(column, row, str(count), ha="center", va="center", fontsize=6, color=colour)
    return figure


@_as_written
def strengths(shares: Mapping[str, Sequence[float]], *, xlabel: str, title: str) -> Figure:
    """A table of shares in 0..1, as percentages. shares: name of a row -> (5,), one for each strength."""
    values = 100 * np.array(list(shares.values()))
    figure, axes = _axes(1, 1, (4.6, 1.2 + 0.3 * len(shares)), title)
    axis = axes[0, 0]
    axis.imshow(values, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axis.set_xticks(range(values.shape[1]), range(1, values.shape[1] + 1))
    axis.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axis.set_xlabel(xlabel)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > 50 else "black"
        axis.text(column, row, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
    return figure


@_as_written
def reliability(curves: Runs, *, title: str) -> Figure:
    """How often a network is right, by its confidence. curves: name -> rows of `evaluation.reliability`."""
    figure, axes = _axes(2, 1, (4.4, 2.6), title)
    axes[0, 0].plot([0, 100], [0, 100], color=FAINT, linestyle="--", label="calibrated")
    for i, (name, rows) in enumerate(curves.items()):
        known = [row for row in rows if row["images"]]
        x = [100 * row["confidence"] for row in known]
        axes[0, 0].plot(x, [100 * row["accuracy"] for row in known], marker="o", markersize=4, label=name, **_look(i))
        total = sum(row["images"] for row in known)
        axes[1, 0].plot(x, [100 * row["images"] / total for row in known], marker="o", markersize=4, **_look(i))
    axes[0, 0].set(ylabel="right (%)", xlim=(0, 100), ylim=(0, 102))
    axes[1, 0].set(xlabel="confidence (%)", ylabel="share of the images (%)", xlim=(0, 100), ylim=(0, None))
    _legend(axes[0, 0], fontsize=8)
    return figure
