"""Widgets: turn the coefficients of an IFS and see the fractal change; turn a 3D model and see it from all sides."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

import ipywidgets as widgets
import numpy as np

from ofdb_core.data import png
from ofdb_core.families.registry import Family
from ofdb_core.formulas import camera, chaos_game, ifs, raster, streams

LETTERS = "abcdef"
WIDE = widgets.Layout(width="330px")


def knobs(system: ifs.IFS, *, points: int = 50_000, size: int = 400) -> widgets.HBox:
    """A box with a slider for each coefficient of a 2D system, one for the weight on `a`, and the picture they make."""
    rows, u = ifs.table(system), streams.choices(points)
    picture, words, weight = (
        widgets.Image(format="png", width=size, height=size),
        widgets.Label(),
        _slider("weight on a", 1.0),
    )
    sliders = [[_slider(letter, value) for letter, value in zip(LETTERS, row, strict=False)] for row in rows]
    reset = widgets.Button(description="as it was")

    def draw(_: Any = None) -> None:
        now = rows.copy()
        now[:, :6] = [[slider.value for slider in line] for line in sliders]
        orbit = chaos_game.orbit(ifs.of_table(now).weighted(weight.value), u)
        picture.value = png.encode(raster.draw_indices(orbit, "point_gray", size), raster.palette("point_gray"))
        finite = np.isfinite(orbit).all()
        rate = f"filling rate {raster.filling_rate(orbit):.3f} with {points:,} points"
        words.value = rate if finite else "this system runs off to infinity"

    def restore(_: Any) -> None:
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


def _slider(name: str, value: float, reach: float = 1.5, step: float = 0.01) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=-reach, max=reach, step=step, description=name, readout_format=".2f", layout=WIDE
    )


def turntable(points: np.ndarray, *, size: int = 400) -> widgets.HBox:
    """A box with a slider for each of the camera's three turns, one for the size of a point, and what the camera sees.

    The turns are numbered as the angles of `camera.rotation`. points: (n, 3) float64 or float32, a model.
    """
    points = np.asfortranarray(points, np.float32)
    picture = widgets.Image(format="png", width=size, height=size)
    turns = [_slider(name, 0.0, 180.0, 1.0) for name in ("1, about Y (°)", "2, about Z (°)", "3, about Y (°)")]
    pixels = widgets.IntSlider(1, min=1, max=3, description="point (px)", layout=WIDE)

    def draw(_: Any = None) -> None:
        rotation = camera.rotation(np.radians([slider.value for slider in turns]))
        image = camera.render(points, rotation, size=size, point_size=pixels.value)
        picture.value = png.encode(image, camera.PALETTE)

    for slider in (*turns, pixels):
        slider.observe(draw, "value")
    draw()
    return widgets.HBox([widgets.VBox([*turns, pixels]), picture])


def browse(families: dict[str, Family], *, size: int = 400) -> widgets.HBox:
    """A box to choose a family and one of its categories, and the picture of it, by the values of its published set."""
    choice = widgets.Dropdown(options=[(family.title, family) for family in families.values()], description="family")
    number = widgets.IntSlider(0, min=0, max=999, description="category", layout=WIDE, continuous_update=False)
    picture, words = widgets.Image(format="png", width=size, height=size), widgets.Label()

    def draw(_: Any = None) -> None:
        family = choice.value
        try:
            picture.value = png.of(family.picture(family.example(), number.value))
            words.value = f"{family.title}, category {number.value}"
        except ValueError as error:
            words.value = str(error)

    for control in (choice, number):
        control.observe(draw, "value")
    draw()
    return widgets.HBox([widgets.VBox([choice, number, words]), picture])


NO_PYVISTA = "The viewer needs pyvista: run `pip install -e '.[viewer]'` in the project's folder, then this cell again."
PROBE = "import pyvista; pyvista.Plotter(off_screen=True).screenshot()"
NO_OPENGL = (
    "pyvista cannot draw here: no OpenGL library was found. Install one (Debian: apt-get install libegl1 "
    "libgl1-mesa-dri) and run this cell again. The turntable above and the views need none."
)


def viewer(points: np.ndarray) -> Any:
    """The model in pyvista, to turn with the mouse in JupyterLab; a picture where a notebook runs without a browser.

    points: (n, 3). Without an OpenGL library VTK would crash the kernel, so a process of its own tries it first, and a
    sentence says what to install.
    """
    from IPython.display import Markdown

    if importlib.util.find_spec("pyvista") is None:
        return Markdown(NO_PYVISTA)
    from vtkmodules import vtkRenderingOpenGL2

    if hasattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow"):  # which needs no screen; macOS has its own window instead
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    if subprocess.run([sys.executable, "-c", PROBE], capture_output=True).returncode:
        return Markdown(NO_OPENGL)
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=[500, 500])
    plotter.add_points(np.asarray(points), scalars=np.asarray(points)[:, 1], point_size=2, show_scalar_bar=False)
    return plotter.show(jupyter_backend=os.environ.get("PYVISTA_JUPYTER_BACKEND", "html"), return_viewer=True)
