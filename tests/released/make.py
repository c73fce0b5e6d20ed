"""Make the run folder of this version: `python tests/released/make.py`, once for each release.

The real runner runs a tiny experiment; notebooks lose their outputs, and the folder becomes one archive. From then on
`tests/test_released.py` opens it: what this version has left must stay readable.
"""

import json
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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


def without_outputs(path: Path) -> None:
    """Take the outputs from an executed notebook, which hold the figures once more."""
    notebook = json.loads(path.read_bytes())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    path.write_text(json.dumps(notebook, indent=1) + "\n")


def main() -> None:
    """Run, and pack."""
    from ofdb_core import __version__
    from ofdb_core.run import experiment

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        experiment.run("2d-ofdb-1k", STAGES, overrides=overrides(), out=out)
        for path in out.glob("*.ipynb"):
            without_outputs(path)
        with tarfile.open(Path(__file__).with_name(f"{__version__}.tar.xz"), "w:xz") as archive:
            archive.add(out, "run", filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An entry without the names of this machine; hidden files stay away."""
    if Path(info.name).name.startswith("."):
        return None
    info.uname = info.gname = ""
    info.uid = info.gid = 0
    return info


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
