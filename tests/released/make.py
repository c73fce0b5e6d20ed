"""Make the run folder of this version: `python tests/released/make.py`, once for each release.

The real runner runs a tiny experiment, and its folder becomes one small archive. From then on `tests/test_released.py`
opens it: what this version has left must stay readable.
"""

import json
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 10_000  # bytes of a figure that is kept
STAGES = ("1_search_categories", "2_render_2d", "4_pretrain", "5_finetune")
TRAINING = {
    "steps": 3,
    "warmup_steps": 1,
    "batch_size": 4,
    "reference_batch": 4,
    "input_size": 16,
    "precision": "fp32",
    "loader_workers": 0,
    "log_every": 1,
    "drop_path": 0.0,
}
VALUES = {
    "1_search_categories": {"categories": 3, "search_points": 2000, "filling_rate": 0.005},
    "2_render_2d": {"image_size": 32, "points": 500},
    "4_pretrain": {
        **TRAINING,
        "model": "vit_tiny_patch16_224",
        "model_options": {"patch_size": 8, "embed_dim": 8, "depth": 1, "num_heads": 2},
        "required_gain": 0.0,
    },
    "5_finetune": {**TRAINING, "data": "digits", "shots": [2], "repeats": 1, "keep_weights": False},
}


def overrides() -> list[tuple[str, str]]:
    """The values as `-p` takes them."""
    every = [(f"{stage}.{name}", value) for stage, values in VALUES.items() for name, value in values.items()]
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in every]


def shrink(out: Path) -> None:
    """Leave of the notebooks that they were saved, and of the figures the small ones: all else stands in the record."""
    from ofdb_core.base import manifests

    for path in out.glob("*.ipynb"):
        notebook = json.loads(path.read_bytes())
        saved = {"papermill": {"end_time": notebook["metadata"]["papermill"]["end_time"]}}
        path.write_text(json.dumps({**notebook, "cells": [], "metadata": saved}) + "\n")
    record = json.loads((out / "record.json").read_bytes())
    for entry in record["notebooks"].values():
        entry["figures"] = [figure for figure in entry["figures"] if (out / figure["file"]).stat().st_size < LARGEST]
    kept = {figure["file"] for entry in record["notebooks"].values() for figure in entry["figures"]}
    for path in out.glob("figures/*"):
        if f"figures/{path.name}" not in kept:
            path.unlink()
    (out / "record.json").write_text(manifests.text(record))


def pack(out: Path, archive: Path) -> None:
    """Pack a folder as `run`, without hidden files and the names of this machine."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.uname = info.gname = ""
        info.uid = info.gid = info.mtime = 0
        return None if Path(info.name).name.startswith(".") else info

    with tarfile.open(archive, "w:xz") as file:
        file.add(out, "run", filter=plain)


def main() -> None:
    """Run, shrink and pack."""
    from ofdb_core import __version__
    from ofdb_core.run import experiment

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        experiment.run("2d-ofdb-1k", STAGES, overrides=overrides(), out=out)
        shrink(out)
        pack(out, Path(__file__).with_name(f"{__version__}.tar.xz"))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
