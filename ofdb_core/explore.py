"""Widgets: turn the coefficients of an IFS and see the fractal change."""

import ipywidgets as widgets
import numpy as np

from ofdb_core import chaos, ifs, raster, render2d, streams

LETTERS = "abcdef"


def knobs(system, *, points=50_000, size=400):
    """A box with a slider for each coefficient of a 2D system, one for the weight on `a`, and the picture they make."""
    rows, u = ifs.table(system), streams.choices(points)
    picture, words, weight = (
        widgets.Image(format="png", width=size, height=size),
        widgets.Label(),
        _slider("weight on a", 1.0),
    )
    sliders = [[_slider(letter, value) for letter, value in zip(LETTERS, row, strict=False)] for row in rows]
    reset = widgets.Button(description="as it was")

    def draw(_=None):
        now = rows.copy()
        now[:, :6] = [[slider.value for slider in line] for line in sliders]
        orbit = chaos.orbit(ifs.of_table(now).weighted(weight.value), u)
        picture.value = render2d.png(raster.draw_indices(orbit, "point_gray", size), "point_gray")
        finite = np.isfinite(orbit).all()
        words.value = f"filling rate {raster.filling_rate(orbit):.3f}" if finite else "this system runs off to infinity"

    def restore(_):
        weight.value = 1.0
        for line, row in zip(sliders, rows, strict=True):
            for slider, value in zip(line, row, strict=False):
                slider.value = value

    for slider in [weight, *(slider for line in sliders for slider in line)]:
        slider.observe(draw, "value")
    reset.on_click(restore)
    draw()
    tabs = widgets.Tab([widgets.VBox(line) for line in sliders], titles=[f"map {i}" for i in range(len(rows))])
    return widgets.HBox([widgets.VBox([weight, tabs, reset, words]), picture])


def _slider(name, value):
    layout = widgets.Layout(width="330px")
    return widgets.FloatSlider(
        value, min=-1.5, max=1.5, step=0.01, description=name, readout_format=".2f", layout=layout
    )
