"""Images and scenes that have a point cloud each: files of one name in two folders."""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np

from ofdb_core.data import ply, scenes
from ofdb_core.data.layout import unwrapped
from ofdb_core.data.samples import Images


class Pairs(Images):
    """Labelled images <images>/<class>/<name>.png, each with its points <points>/<class>/<name>.ply."""

    clouds: list[Path]

    @classmethod
    def from_folders(cls, images: str | Path, points: str | Path, **how: Any) -> Self:
        """The pairs of two folders; a ValueError names an image without points. how: see `Images.from_folder`."""
        pairs = cls.from_folder(images, **how)
        pairs.clouds = _beside(points, [pairs.name(i) for i in range(len(pairs))])
        return pairs

    def points(self, i: int) -> np.ndarray:
        """The points (n, 3) float64 of image i: in a pair of 3_render_pairs right, up, and towards the camera."""
        return ply.load(self.clouds[i])


class ScenePairs(scenes.Pairs):
    """Scenes with masks, each with the labelled points and the boxes in <points>/<name>.ply and <name>.json."""

    clouds: list[Path]

    @classmethod
    def from_folders(cls, root: str | Path, points: str | Path, **how: Any) -> Self:
        """The pairs of two folders, as those of 3_render_pc-fractaldb; how: see `scenes.Pairs.from_folder`."""
        pairs = cls.from_folder(root, **how)
        pairs.clouds = _beside(points, [f"{pairs.name(i)}.png" for i in range(len(pairs))])
        return pairs

    def points(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """The points (n, 3) float64 of scene i, z up, and the class and the object (n, 2) int32 of each, from 1 on."""
        return ply.load_labelled(self.clouds[i])

    def boxes(self, i: int) -> list[dict[str, Any]]:
        """The objects of scene i, in order: size and c_pos (the centre) along x, y, z; theta, the turn; class_name."""
        path = self.clouds[i].with_suffix(".json")
        try:
            boxes: list[dict[str, Any]] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: cannot be read ({error}); restore it, or make the folder again") from error
        return boxes


def _beside(root: str | Path, names: list[str]) -> list[Path]:
    """The files of points of images; a ValueError counts the images that have none."""
    folder = unwrapped(root, [".ply"])
    clouds = [(folder / name).with_suffix(".ply") for name in names]
    if lacking := [path for path in clouds if not path.is_file()]:
        raise ValueError(f"{root}: {len(lacking)} of {len(names)} images have no points, first {lacking[0]}")
    return clouds
