"""Labelled images that have a point cloud each: files of one name in two folders."""

from pathlib import Path
from typing import Any, Self

import numpy as np

from ofdb_core.data import ply
from ofdb_core.data.layout import unwrapped
from ofdb_core.data.samples import Images


class Pairs(Images):
    """Images <images>/<class>/<name>.png, each with its points <points>/<class>/<name>.ply."""

    clouds: list[Path]

    @classmethod
    def from_folders(cls, images: str | Path, points: str | Path, **how: Any) -> Self:
        """The pairs of two folders; a ValueError names an image without points. how: see `Images.from_folder`."""
        pairs, root = cls.from_folder(images, **how), unwrapped(points, [".ply"])
        pairs.clouds = [(root / pairs.name(i)).with_suffix(".ply") for i in range(len(pairs))]
        lacking = [path for path in pairs.clouds if not path.is_file()]
        if lacking:
            raise ValueError(f"{points}: {len(lacking)} of {len(pairs)} images have no points, first {lacking[0]}")
        return pairs

    def points(self, i: int) -> np.ndarray:
        """The points (n, 3) float64 of image i: in a pair of 3_render_pairs right, up, and towards the camera."""
        return ply.load(self.clouds[i])
