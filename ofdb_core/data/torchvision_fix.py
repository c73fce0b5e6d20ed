"""Lets torchvision be imported beside a torch that it was not built for; imported before timm and torchvision.

PyPI's torchvision is built for CUDA. Beside a CPU torch its operators cannot be loaded, and importing it fails with
"operator torchvision::nms does not exist". Nothing here uses these operators, so it is enough that their names exist.
Where torchvision's operators load, as in a matching pair, nothing is changed.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def define_missing_operators() -> torch.library.Library | None:
    """The Library that defines the names (they last as long as it lives), or None where torchvision needs no help."""
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return None
    try:
        for path in sorted(Path(package.origin).parent.glob("_C*.so")):
            torch.ops.load_library(str(path))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        return library
    return None


library = define_missing_operators()
