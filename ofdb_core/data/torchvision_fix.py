"""Lets torchvision be imported beside a torch that it was not built for.

PyPI's torchvision is built for CUDA. Beside a CPU torch its operators cannot be loaded, and importing it, or timm,
fails with "operator torchvision::nms does not exist". Nothing here uses these operators, so it is enough that their
names exist. If torchvision's operators load, as in a matching pair, nothing changes.

torch calls `define_missing_operators` itself at the end of its own import, by the entry point in pyproject.toml: so
`import timm` works in the project's environment, in any script or notebook, and no file needs to import this one.
"""

import functools
import importlib.util
from pathlib import Path
from typing import Any

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@functools.cache
def define_missing_operators() -> Any:
    """The torch Library that defines the names (they last as long as it lives); None if nothing needs mending."""
    import torch  # here, because torch calls this while it is imported

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
