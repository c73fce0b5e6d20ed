"""The turntable as a widget: a model of points to turn with the mouse, and beside it the view that training sees."""

import numpy as np
import traitlets

from ofdb_core.data import png
from ofdb_core.formulas import camera
from ofdb_core.show import pages
from ofdb_core.show.in_browser import InBrowser

MODULE = pages.module("turntable.js")


class Turntable(InBrowser):
    """A model of points (n, 3) to turn in the browser, without OpenGL.

    angles: the camera's three turns in radians, as for `camera.rotation`; point_size: pixels of a point in the view.
    Both can be read and set.
    """

    _esm = MODULE
    points = traitlets.Bytes().tag(sync=True)
    angles = traitlets.List(traitlets.Float(), minlen=3, maxlen=3).tag(sync=True)
    point_size = traitlets.Int(1, min=1, max=3).tag(sync=True)

    def __init__(self, points: np.ndarray) -> None:
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points: {points.shape} given; a model is (n, 3)")
        super().__init__(points=points.astype("<f4").tobytes(), angles=[0.0, 0.0, 0.0])

    def cloud(self) -> np.ndarray:
        """The model's points, (n, 3) float32."""
        return np.frombuffer(self.points, "<f4").reshape(-1, 3)

    def view(self) -> np.ndarray:
        """The view that training sees at these angles, (224, 224) uint8 of 0 and 1."""
        return camera.render(self.cloud(), camera.rotation(self.angles), point_size=self.point_size)

    def png(self) -> bytes:
        return png.encode(self.view(), camera.PALETTE)
