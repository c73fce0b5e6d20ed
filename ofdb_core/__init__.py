"""OFDB Lab: pre-training images from formulas, one image a category.

The wings, from top to ground; each imports only wings below it, and its `__init__` says what lives there:

    run        runs the notebooks of an experiment in order, and trainings in several processes
    stages     pre-training, fine-tuning, segmentation, evaluation, prediction by a head or by a memory of examples
    show       figures, widgets and the report
    families   the kinds of images, one file each, and their registry
    training   networks, weights, the training loop, states on disk
    batches    labelled images become batches: augmentation, mixing, loading
    data       labelled images, real data sets, archives
    formulas   iterated function systems, contours, rasters, cameras: NumPy and numba only
    base       parameters, files, folders, records, signals

The modules that your own notebooks and scripts need most are here, too: `from ofdb_core import ifs, fractal_2d`.
"""

import importlib.util
import os
from typing import TYPE_CHECKING, Any

from ofdb_core.base.project import VERSION as __version__  # noqa: F401

if TYPE_CHECKING:
    from ofdb_core.base import folder
    from ofdb_core.data import samples
    from ofdb_core.families import fractal_2d, fractal_3d, visual_atom
    from ofdb_core.formulas import camera, chaos_game, ifs, raster, search, streams
    from ofdb_core.stages import loader

# Torch's waiting threads yield the core, unless the user has set this: beside other programs, spinning makes a training
# several times slower. Set before torch starts.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = [
    "camera",
    "chaos_game",
    "folder",
    "fractal_2d",
    "fractal_3d",
    "ifs",
    "loader",
    "raster",
    "samples",
    "search",
    "streams",
    "visual_atom",
]


def __getattr__(name: str) -> Any:
    """A module of a wing, imported on first use."""
    if name in __all__:
        names = (f"ofdb_core.{wing}.{name}" for wing in ("base", "data", "families", "formulas", "stages"))
        return importlib.import_module(next(filter(importlib.util.find_spec, names)))
    raise AttributeError(f"module 'ofdb_core' has no attribute {name!r}")
