"""A view of a 3D model, saved as a picture: by a button under the turntable, or by a call."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from ofdb_core.base import files
from ofdb_core.data import png
from ofdb_core.families.live_views import cloud
from ofdb_core.formulas import camera
from ofdb_core.show.turntable import Turntable

SIDE = 800  # pixels of a saved view


def save(
    points: np.ndarray, path: str | Path, *, turns: Sequence[float] = (0, 0, 0), size: int = SIDE, point_size: int = 1
) -> Path:
    """Write a camera's view of a model (n, 3) as a PNG of size x size pixels; return its path.

    turns: the angles of `camera.rotation`, in degrees; point_size: pixels, 1 to 3. Equal arguments give equal bytes.
    """
    rotation = camera.rotation(np.radians(np.asarray(turns, float)))
    image = camera.render(cloud(points), rotation, size=size, point_size=point_size)
    files.write_whole(path, png.encode(image, camera.PALETTE))
    return Path(path)


def button(turntable: Turntable, folder: str | Path) -> widgets.HBox:
    """A button that saves the view of a turntable as <folder>/view_<turns>.png and shows the path beside it."""
    pressed, words = widgets.Button(description="keep this view"), widgets.Label()

    def keep(_: Any) -> None:
        degrees = [round(math.degrees(angle), 1) for angle in turntable.angles]
        name = f"view_{'_'.join(f'{angle:g}' for angle in degrees)}_{turntable.point_size}px.png"
        kept = save(turntable.cloud(), Path(folder) / name, turns=degrees, point_size=turntable.point_size)
        words.value = f"kept as {kept}"

    pressed.on_click(keep)
    return widgets.HBox([pressed, words])
