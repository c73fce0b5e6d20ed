"""The figures of docs/study.md, from what `study_pages` reads."""

import numpy as np
from matplotlib.figure import Figure

from benchmarks import study_pages
from benchmarks.study_pages import RANDOM, RAW, USUAL
from ofdb_core.base import files, provenance, record
from ofdb_core.show import plot

FIGURES = provenance.PROJECT / "docs" / "study"
BESIDE = {  # other kinds along an axis of `study_pages.SCALES`
    "samples": {name: {96_000: name, 384_000: f"{name}-384k"} for name in ("noise", "scattered", "perlin")}
}


def overview(found):
    """A figure: for each data set a row of dots for each kind, one a seed; raw pixels and random weights as lines."""
    kinds = study_pages.kinds_of(found)
    figure = Figure(figsize=(2 + 2.6 * len(found), 1 + 0.25 * len(kinds)), layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axis, (data, of) in zip(axes, found.items(), strict=True):
        for y, kind in enumerate(kinds):
            shares = [100 * share for share in of.get(kind, {}).values()]
            axis.plot(shares, [y] * len(shares), "o", color=plot.INK, alpha=0.4, markersize=4)
            if shares:
                axis.plot(np.mean(shares), y, "|", color=plot.ACCENT, markersize=12, markeredgewidth=2)
        for group, style in (((RAW, "24 px"), ":"), ((RANDOM, USUAL), "--")):
            if values := [*of.get(group, {}).values()]:
                axis.axvline(100 * np.mean(values), linestyle=style, color="gray", label=group[0])
        axis.set(title=data, xlabel="correct (%)")
        axis.set_yticks(range(len(kinds)), [kind for kind, _ in kinds], fontsize=8)
        axis.margins(y=0.03)
    axes[0].invert_yaxis()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    return figure


def scales(found, sets=("mnist5k", "faces")):
    """A figure: accuracy along each axis of scale, a row for each data set; a dot a seed, other kinds as gray lines."""
    figure = Figure(figsize=(2.6 * len(study_pages.SCALES), 2.8 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), len(study_pages.SCALES), squeeze=False, sharex="col", sharey="row")
    for row, data in zip(axes, sets, strict=True):
        of = {kind: 100 * np.array([*seeds.values()]) for (kind, _), seeds in found.get(data, {}).items()}
        for axis, (name, kinds) in zip(row, study_pages.SCALES.items(), strict=True):
            shown = {x: of[kind] for x, kind in kinds.items() if kind in of}
            for x, shares in shown.items():
                axis.plot([x] * len(shares), shares, "o", color=plot.INK, alpha=0.4, markersize=4)
            axis.plot([*shown], [*map(np.mean, shown.values())], "-", color=plot.ACCENT)
            for (other, beside), style in zip(BESIDE.get(name, {}).items(), ("--", ":", "-."), strict=False):
                means = {x: of[kind].mean() for x, kind in beside.items() if kind in of}
                axis.plot([*means], [*means.values()], style, color="gray", label=other)
            axis.set(xscale="log", xlabel=name if data == sets[-1] else "")
            axis.set_xticks([*kinds], [f"{x:,}" for x in kinds], fontsize=8, rotation=90)
            axis.minorticks_off()
            if name in BESIDE:
                axis.legend(fontsize=7)
        row[0].set_ylabel(f"{data}, correct (%)")
    return figure


def draw():
    """Write the figures."""
    found = study_pages.accuracies(study_pages.rows())
    files.write_whole(FIGURES / "kinds.svg", record.svg(overview(found)))
    files.write_whole(FIGURES / "scales.svg", record.svg(scales(found)))
    if curves := {name: [*seeds.values()] for name, seeds in study_pages.tuned().items()}:
        levels = {RAW: np.mean([*found["mnist5k"][RAW, "24 px"].values()])}
        title = "mnist5k, 20 images a class: fine-tuned from each pre-training"
        files.write_whole(FIGURES / "finetune.svg", record.svg(plot.accuracy(curves, title=title, levels=levels)))
