"""The smallest recipes and data that still train something, for the tests of everything around training."""

import io
import json
import shutil
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ofdb_core.base import project, record
from ofdb_core.batches.recipe import BatchRecipe
from ofdb_core.data import png, samples
from ofdb_core.data import scenes as masks
from ofdb_core.families import registry
from ofdb_core.run import catalogue, experiments, parameter_files
from ofdb_core.stages import comparison
from ofdb_core.stages import evaluate as evaluating
from ofdb_core.stages import finetune as finetuning
from ofdb_core.stages import pretrain as pretraining
from ofdb_core.training import networks
from ofdb_core.training.pretrained import Checkpoint

torch.set_num_threads(1)  # threads cost more than they save at this size

VIT = {"patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2}
FACTS: networks.Facts = {  # of `network`
    **{"model": "vit_tiny_patch16_224", "options": VIT, "input_size": 16, "channels": 3},
    **{"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "crop_pct": 1.0},
    "classes": ["a", "b", "c", "d"],
}
QUICK = {
    "input_size": 16,
    "steps": 3,
    "warmup_steps": 1,
    "batch_size": 4,
    "reference_batch": 4,
    "loader_workers": 0,
    "log_every": 1,
}
PRETRAIN = {**QUICK, "model_options": VIT, "precision": "fp32", "drop_path": 0.0, "required_gain": 0.0}
FINETUNE = {
    **QUICK,
    "precision": "fp32",
    "drop_path": 0.0,
    "shots": [2],
    "repeats": 2,
    "learning_rate": 0.1,
    "baselines": False,
}
SEGMENT = {**QUICK, "precision": "fp32", "drop_path": 0.0, "reference_batch": 16}


def scenes(root, n, seed=0, size=32):
    """A folder of scenes of a bright square (class 1) and a dark one (class 2) on gray, at places of their own."""
    rng = np.random.default_rng(seed)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(n):
        picture, mask = np.full((size, size), 128, np.uint8), np.zeros((size, size), np.uint8)
        for label, gray in ((1, 250), (2, 10)):
            top, left = rng.integers(0, size - 12, 2)
            picture[top : top + 12, left : left + 12], mask[top : top + 12, left : left + 12] = gray, label
        Image.fromarray(picture).save(root / "images" / f"{i}.png")
        (root / "masks" / f"{i}.png").write_bytes(png.indexed(mask, masks.palette()))
    return str(root)


SCENES = tempfile.TemporaryDirectory(prefix="ofdb-scenes-")  # it goes when the tests end
for part in ("train", "val"):
    scenes(Path(SCENES.name) / part, 4)
SEGMENTED = {"data": SCENES.name, "checkpoint": "ofdb:small", "input_size": 24, "decoder": 8, "repeats": 1}

SMALL = {stage.name: stage.small for family in registry.families().values() for stage in family.stages} | {
    "0_explore_ifs": {"points": 20_000, "filling_rate": 0.02, "image_size": 64},
    "1_search_categories": {"categories": 3},
    "2_render_2d": {"image_size": 32, "points": 500},
    "3_render_3d": {"categories": 2, "model_points": 300, "views": 3, "image_size": 32},
    "3_render_visualatom": {"categories": 2, "image_size": 64},
    "4_pretrain": PRETRAIN,
    "5_finetune": FINETUNE,
    "5_segment": {**SEGMENT, **SEGMENTED},
    "6_evaluate": {"data": "images", "precision": "fp32", "loader_workers": 0},
    "6_predict": {"precision": "fp32", "loader_workers": 0},
    "6_report": {"title": "A small <run>"},
    "7_compare_runs": {},
}

SHADES = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)


def of(notebook, **values):
    """The parameters of a stage: the defaults, and these values."""
    return catalogue.stages()[notebook].parameters.of(values)


def pretrain(**values):
    return of("4_pretrain", **{**PRETRAIN, **values})


def finetune(**values):
    return of("5_finetune", **{**FINETUNE, **values})


def segment(**values):
    return of("5_segment", **{**SEGMENT, **values})


def ran(out):
    """The record of a notebook that has run in an experiment's folder, which a report can then tell of."""
    record.Run("0_explore_ifs", of("0_explore_ifs", out=str(out))).done()


def trained(settings):
    """The outcome of a pre-training."""
    return pretraining.pretrain(settings, pretraining.start(settings))


def compared(settings):
    """The `Comparison` of a fine-tuning."""
    return comparison.Comparison(settings, finetuning.compare(settings, finetuning.start(settings)))


def evaluated(settings):
    """The rows of an evaluation: predictions and classes."""
    return evaluating.evaluate(settings, evaluating.start(settings))


def shades(n=8, classes=4):
    """Images (n, 16, 16) of one shade a class: what any network can tell apart."""
    labels = np.arange(n) % classes
    pixels = np.broadcast_to((labels * (255 // classes)).astype(np.uint8)[:, None, None], (n, 16, 16))
    return samples.Images(np.ascontiguousarray(pixels), labels, [f"shade {i}" for i in range(classes)])


def noise(i):
    """The bytes of a PNG file of noise, 9 + i by 8 pixels, drawn from the seed i."""
    file = io.BytesIO()
    pixels = np.random.default_rng(i).integers(0, 256, (9 + i, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def folder_of_shades(root, n=8):
    """A folder of n categories, each with one image of one shade; returns its path as text."""
    for i in range(n):
        (root / f"{i:05d}").mkdir(parents=True)
        Image.fromarray(np.full((20, 20), i * (255 // n), np.uint8)).save(root / f"{i:05d}" / "x.png")
    return str(root)


def user_data(names, project_folder, monkeypatch):
    """Make the folders data/... that experiments expect of their user, in a project that is empty besides."""
    monkeypatch.setattr(project, "FOLDER", project_folder)
    for name in names:
        for stage in experiments.stages(name):
            if (data := parameter_files.values(name, stage).get("data", "")).startswith("data/"):
                for part in ("train", "val"):
                    (project_folder / data / part / "a").mkdir(parents=True, exist_ok=True)


def some_images(n=10, classes=5, shape=(24, 24)):
    pixels = np.random.default_rng(1).integers(0, 256, (n, *shape), dtype=np.uint8)
    return samples.Images(pixels, np.arange(n) % classes, range(classes))


def folder_of(root, **files):
    for name, picture in files.items():
        (root / "a").mkdir(exist_ok=True)
        picture.save(root / "a" / f"{name}.png")
    return root


def rules(**other):
    """The recipe of small batches, augmented and mixed, with other values for some fields."""
    values = {
        **{"input_size": 16, "channels": 3, "batch_size": 6, "device_batch": 0, "loader_workers": 0},
        **{"label_smoothing": 0.1, "mixup": 0.8, "cutmix": 1.0, "mix_probability": 1.0, "mix_switch": 0.5},
        **{"mix_groups": 1, "pipeline": "ofdb", "augmentation_repeats": 1},
        **{"crop_scale": [0.3, 1.0], "crop_ratio": [0.75, 1.3333], "interpolation": "bicubic", "crop_pct": 1.0},
        **{"mean": [0.5] * 3, "std": [0.5] * 3, "hflip": 0.5, "vflip": 0.5, "erasing": 0.5},
        **{"auto_augment": "rand-m9-mstd0.5-inc1"},
    }
    return BatchRecipe.of({**values, **other})


def network(classes=4, seed=0, drop_path=0.0, **options):
    shape = networks.Shape("vit_tiny_patch16_224", {**VIT, **options}, 16)
    return networks.build(shape, classes, drop_path=drop_path, seed=seed)


def loaded(path, *, classes=None, seed=0, **how):
    """The network of a file with this number of classes, and the lines on its weights; how: as `Checkpoint.open`."""
    names = None if classes is None else [str(i) for i in range(classes)]
    return Checkpoint.open(str(path), **how).network(names, seed=seed)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def hub(monkeypatch, cache, root):
    """Lay a folder into a hub's cache as a download would, and go off the network; return the repository's name."""
    place = cache / "models--someone--net"
    shutil.copytree(root, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return "someone/net"


def schema(name):
    """The validator of a schema of the package: manifest or record."""
    import jsonschema  # seconds, which few tests need

    found = json.loads((resources.files("ofdb_core.base") / "schemas" / f"{name}.json").read_text())
    validator = jsonschema.validators.validator_for(found)
    validator.check_schema(found)
    return validator(found, format_checker=validator.FORMAT_CHECKER)


STILL = {"range": 0.0, "jitter": 0.0, "points": [1.0, 1.0], "point_size": [1, 1]}  # not moved


def live_views(live=None, **values):
    """The parameters of a pre-training on live views of 64 pixels."""
    return pretrain(**{"data": "models", "samples": "live", "live": {"size": 64, **(live or {})}, **values})
