"""Widgets that need the kernel: one to browse the families by their parameters, one to turn a 3D model with OpenGL.

Those that work in the browser alone are in `explorer` and `turntable`.
"""

import base64
import contextlib
import html
import importlib.util
import json
import os
import subprocess
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np

from ofdb_core.base import values
from ofdb_core.base.parameters import Parameters
from ofdb_core.data import png
from ofdb_core.families.registry import Family

HIDDEN = ("out", "categories", "workers")  # parameters that no picture depends on
WIDE = widgets.Layout(width="330px")


class Browser(widgets.HBox):
    """Controls beside a picture, which alone shows if the notebook is read without a kernel."""

    def _repr_mimebundle_(self, **options: Any) -> Any:
        picture = base64.b64encode(self.children[1].value).decode()
        return {**super()._repr_mimebundle_(**options), "image/png": picture}


def browse(families: dict[str, Family], *, size: int = 400) -> Browser:
    """Controls for a family, a category and its parameters, beside the picture, which is drawn again at each change.

    The controls are those of the family's parameters; they start at the values of the published set. A family of codes
    also has one for each number of the category.
    """
    options = [(family.title, family) for family in families.values()]
    choice = widgets.Dropdown(options=options, description="family", tooltip="the kind of images", layout=WIDE)
    number = widgets.IntSlider(0, min=0, max=999, description="category", layout=WIDE, continuous_update=False)
    picture, words = widgets.Image(format="png", width=size, height=size), widgets.HTML()
    panel, code, controls, numbers = widgets.VBox(), widgets.VBox(), dict[str, Any](), dict[str, Any]()

    def parameters() -> Any:
        return choice.value.example(**{name: _value(control) for name, control in controls.items()})

    def show(make: Callable[[], np.ndarray], what: str) -> None:
        try:
            picture.value = png.of(make())
            words.value = html.escape(f"{choice.value.title}, {what}")
        except (ValueError, MemoryError) as error:  # keep the last picture
            words.value = f"<span role='alert'>{html.escape(str(error))}</span>"

    def by_numbers(_: Any = None) -> None:
        def make() -> np.ndarray:
            values, kind = {name: _value(control) for name, control in numbers.items()}, choice.value.kind
            return kind.draw(kind.numbers.of(values), 0, parameters().image_size)

        show(make, "these numbers")

    def draw(_: Any = None) -> None:
        show(lambda: choice.value.picture(parameters(), number.value), f"category {number.value}")
        if kind := choice.value.kind:
            with contextlib.suppress(ValueError):  # it has been shown
                values = kind.code_of(parameters(), number.value).values()
                code.children = _controls(numbers, kind.numbers, values, by_numbers)

    def choose(_: Any = None) -> None:
        controls.clear()
        code.children, kinds = (), choice.value.stages[-1].parameters
        values = {name: value for name, value in choice.value.example().values().items() if name not in HIDDEN}
        panel.children = _controls(controls, kinds, values, draw)
        draw()

    choice.observe(choose, "value")
    number.observe(draw, "value")
    choose()
    return Browser([widgets.VBox([choice, number, panel, code, words]), picture])


def _controls(known: dict[str, Any], kinds: type[Parameters], values: Mapping[str, Any], act: Any) -> tuple[Any, ...]:
    """A control for each of the values, kept by its name in `known`; act: called when one changes."""
    for name, value in values.items():
        known[name] = _control(name, kinds.kinds()[name], value, kinds.comments()[name])
        known[name].observe(act, "value")
    return tuple(known[name] for name in values)


def _control(name: str, kind: Any, value: Any, comment: str) -> Any:
    """The control of a parameter of type `kind`: a list, a check box, a number, or else a text field for JSON."""
    about = {"description": name, "tooltip": comment or name, "layout": WIDE, "style": {"description_width": "120px"}}
    if allowed := typing.get_args(kind) if typing.get_origin(kind) is typing.Literal else ():
        return widgets.Dropdown(options=allowed, value=value, **about)
    arms = values.arms(kind)
    if arms == {bool}:
        return widgets.Checkbox(value, indent=False, **about)
    if arms == {int} or arms == {float}:
        return (widgets.IntText if arms == {int} else widgets.FloatText)(value, continuous_update=False, **about)
    return widgets.Text(json.dumps(value), continuous_update=False, **about)


def _value(control: Any) -> Any:
    """The value of a control; a ValueError that names it if its text is not JSON."""
    if not isinstance(control, widgets.Text):
        return control.value
    try:
        return json.loads(control.value)
    except ValueError as error:
        raise ValueError(f"{control.description}: {control.value} is not a value; write it as JSON") from error


NO_PYVISTA = "The viewer needs pyvista: run `pip install -e '.[viewer]'` in the project's folder, then this cell again."
PROBE = "import pyvista; pyvista.Plotter(off_screen=True).screenshot()"
NO_OPENGL = (
    "pyvista cannot draw here: no OpenGL library was found. Install one (Debian: apt-get install libegl1 "
    "libgl1-mesa-dri) and run this cell again. The turntable and the views work without it."
)


def viewer(points: np.ndarray) -> Any:
    """A model of points (n, 3) in pyvista, to turn with the mouse in JupyterLab; a still picture without a browser.

    Without an OpenGL library VTK would crash the kernel. So another process tries it first; if that fails, the result
    is a sentence that says what to install.
    """
    from IPython.display import Markdown

    if importlib.util.find_spec("pyvista") is None:
        return Markdown(NO_PYVISTA)
    from vtkmodules import vtkRenderingOpenGL2

    if hasattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow"):  # which needs no screen; macOS has its own window instead
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    if subprocess.run([sys.executable, "-c", PROBE], capture_output=True).returncode:
        return Markdown(NO_OPENGL)
    # pyvista would start it, and it would download a viewer that is not used here
    sys.modules.setdefault("trame_vtklocal", None)  # type: ignore[arg-type]
    import pyvista

    plotter = pyvista.Plotter(off_screen=True, window_size=[500, 500])
    plotter.add_points(np.asarray(points), scalars=np.asarray(points)[:, 1], point_size=2, show_scalar_bar=False)
    return plotter.show(jupyter_backend=os.environ.get("PYVISTA_JUPYTER_BACKEND", "html"), return_viewer=True)
