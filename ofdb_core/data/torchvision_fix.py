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


def define_missing_operators():
    """The Library that defines the names (they last as long as it lives), or None where torchvision needs no help."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    try:
        for path in sorted(Path(found.origin).parent.glob("_C*.so")):
            torch.ops.load_library(str(path))
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        return library
    return None


library = define_missing_operators()
