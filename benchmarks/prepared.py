"""What the cases of all benchmarks share: the clock, the measurement, and data that are made once and kept."""

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ofdb_core.base import provenance
from ofdb_core.families import fractal_2d, fractal_3d, one_parameter

KEPT = provenance.PROJECT / "runs" / "benchmarks"
RELEASE: dict[str, Any] = {"size": 362, "points": 200_000, "weight": 0.2}


@dataclass
class Measured:
    """seconds for n items of a unit; baseline: seconds for one item; disk_mb: of the files that were written.

    memory_mb: of all processes while they work, and of the baseline's, where memory is what is measured.
    """

    seconds: float
    items: int
    unit: str
    baseline: float | None = None
    disk_mb: float | None = None
    memory_mb: tuple[float, float] | None = None


def timed(function, *arguments, **named):
    """Seconds that a call takes, and its result."""
    began = time.perf_counter()
    result = function(*arguments, **named)
    return time.perf_counter() - began, result


def peak_mb():
    """This process's peak memory; what getrusage says of a new process may be that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def memory_mb():
    """Memory of this process and of those that it started; what they share counts once."""
    family, folders = {str(os.getpid())}, [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    for folder in sorted(folders, key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):  # it has ended
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] in family:
                family.add(folder.name)
    told = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in family]
    return sum(int(re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[0]) for text in told) / 1024


def _plane(count):
    """The experiment's folder of n 2D categories."""
    return str(KEPT / f"2d-{count}")


def _space(count):
    """Parameters of n 3D categories and their models."""
    return fractal_3d.Render(out=str(KEPT / f"3d-{count}"), categories=count, degenerate="keep")


def timms_augmentation(recipe):
    """The augmentation of a recipe, as timm's transforms and its loader take it."""
    names = {"scale": "crop_scale", "ratio": "crop_ratio", "re_prob": "erasing"}
    same = ("hflip", "vflip", "auto_augment", "interpolation", "mean", "std")
    taken = {name: getattr(recipe, names.get(name, name)) for name in (*names, *same)}
    return {"is_training": True, "re_mode": "pixel", **taken}


def timms_mixing(recipe):
    """Mixup, CutMix and smoothing of a recipe, as timm's two classes take them."""
    return {
        "mixup_alpha": recipe.mixup,
        "cutmix_alpha": recipe.cutmix,
        "prob": recipe.mix_probability,
        "switch_prob": recipe.mix_switch,
        "label_smoothing": recipe.label_smoothing,
    }


def categories(count):
    """The folder of the first n published 2D categories."""
    fractal_2d.write_search(fractal_2d.Search(out=_plane(count), categories=count))
    return Path(_plane(count)) / "categories"


def categories_3d(count):
    """The folder of the first n 3D categories."""
    fractal_3d.write_categories(_space(count))
    return Path(_space(count).out) / "categories3d"


def models(count):
    """The folder of their models."""
    categories_3d(count)
    fractal_3d.write_models(_space(count))
    return Path(_space(count).out) / "models"


def released(count):
    """The folder of n images of the released 2D-OFDB."""
    categories(count)
    fractal_2d.write(fractal_2d.Render(out=_plane(count)))
    return Path(_plane(count)) / "images"


def perturbations(count):
    """A folder with the first n systems and images of the published 1p-frac."""
    out = KEPT / f"1p-frac-{count}"
    one_parameter.write(one_parameter.Render(out=str(out), categories=count))
    return out
