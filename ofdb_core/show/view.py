"""The view of a 3D model that one likes, kept as a picture: by a button under a turntable, or by a call."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from ofdb_core.base import files
from ofdb_core.data import png
from ofdb_core.formulas import camera

SIDE = 800  # pixels of a kept view


def save(
    points: np.ndarray,
    path: str | Path,
    *,
    turns: Sequence[float] = (0.0, 0.0, 0.0),
    size: int = SIDE,
    point_size: int = 1,
) -> Path:
    """Write what a camera sees of a model (n, 3) as a PNG of size x size pixels; return its path.

    turns: in degrees, numbered as the angles of `camera.rotation` and the sliders of `widgets.turntable`; point_size:
    pixels, 1 to 3. With the same arguments the bytes are the same.
    """
    rotation = camera.rotation(np.radians(np.asarray(turns, float)))
    cloud = np.asfortranarray(points, np.float32)
    image = camera.render(cloud, rotation, size=size, point_size=point_size)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    files.write_whole(path, png.encode(image, camera.PALETTE))
    return Path(path)


def with_button(turntable: widgets.HBox, points: np.ndarray, folder: str | Path) -> widgets.VBox:
    """A `widgets.turntable` of points, with a button that saves what it shows as <folder>/view_<turns>.png."""
    *turns, pixels = turntable.children[0].children
    button, words = widgets.Button(description="keep this view"), widgets.Label()

    def keep(_: Any) -> None:
        degrees = [slider.value for slider in turns]
        name = f"view_{'_'.join(f'{angle:g}' for angle in degrees)}_{pixels.value}px.png"
        words.value = f"kept as {save(points, Path(folder) / name, turns=degrees, point_size=pixels.value)}"

    button.on_click(keep)
    return widgets.VBox([turntable, widgets.HBox([button, words])])
