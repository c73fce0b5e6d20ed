"""python -m benchmarks.frozen RUN DATA ...: what a pre-trained network's features tell of real images, frozen.

Along the milestones of a pre-training, against raw pixels and random weights, all by the same judges and the same
training images. Writes results/frozen/<run>.csv, and the curves as <run>.svg.
"""

import argparse
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.pages import RESULTS
from ofdb_core.base import files, provenance, record
from ofdb_core.batches.source import Batches
from ofdb_core.data import real_images, tables
from ofdb_core.run import plain_yaml
from ofdb_core.stages import pretrain
from ofdb_core.stages.recipes import Pretrain
from ofdb_core.training import baselines, evaluation, networks
from ofdb_core.training.evaluation import middle
from ofdb_core.training.pretrained import Checkpoint
from ofdb_core.training.recipe import Inference

EPOCHS = 4  # augmented samples of each category, for the compactness


READINGS = {"the head's input": evaluation.pooled, "tokens of the middle block": middle}


def compactness(model, given):
    """Intraclass compactness: one minus the variance of features within the categories, as a share of all variance.

    (Of augmented samples, `EPOCHS` of each category in the mean, by the directions of their features: 1 where a
    category's samples have the same features, 0 in expectation where they scatter as samples of any category do.)
    """
    recipe = replace(given.recipe, mix_probability=0.0, label_smoothing=0.0)
    source = Batches(given.samples, recipe, seed=recipe.seed + 1)
    found, labels = [], []
    model.eval()
    with torch.inference_mode():
        for step in range(EPOCHS * len(given.samples.classes) // recipe.batch_size):
            images, targets = source.batch(step)
            features = evaluation.pooled(model, images).numpy()
            found.append(features / np.linalg.norm(features, axis=1, keepdims=True))
            labels.append(targets.argmax(dim=1).numpy())
    points, (shown, named) = np.concatenate(found), np.unique(np.concatenate(labels), return_inverse=True)
    centres = np.zeros((len(shown), points.shape[1]))
    np.add.at(centres, named, points)
    within = points - (centres / np.bincount(named)[:, None])[named]
    around = points - points.mean(axis=0)
    return 1 - np.sum(within**2) / (len(points) - len(shown)) / (np.sum(around**2) / (len(points) - 1))


def judged(read, train, test, shots, draws):
    """(judge, draw, which test images it names rightly) for each draw of training images; read(images) -> (n, D)."""
    seen = read(test)
    for draw in range(draws):
        few = train.few_shot(shots, seed=draw)
        for judge, right in baselines.right(read(few), few.labels, seen, test.labels, seed=draw).items():
            yield judge, draw, right


def rows_of(about, read, *how):
    """A row for each accuracy of `judged`."""
    return [
        {**about, "judge": judge, "draw": draw, "accuracy": float(np.mean(right))}
        for judge, draw, right in judged(read, *how)
    ]


def weights_of(run):
    """Samples seen -> the file of the weights, of each milestone and of the end; and what the run started from."""
    settings = run / "4_pretrain.yaml"
    if not settings.is_file():
        raise SystemExit(f"{run}: no run of 4_pretrain")
    given = pretrain.start(Pretrain.of({**plain_yaml.parse(settings.read_bytes()), "out": str(run)}))
    kept = {int(path.stem.removeprefix("step_")): path for path in run.glob("milestones/step_*.safetensors")}
    if (last := run / "pretrain" / "model.safetensors").is_file():
        kept[given.recipe.steps or 0] = last  # a start has steps, also where the run has epochs
    if not kept:
        raise SystemExit(f"{run}: no weights yet; wait, or pre-train with -p milestones")
    return {step * given.recipe.batch_size: kept[step] for step in sorted(kept)}, given


def measure(run, data_sets, shots, draws):
    """All rows: of raw pixels, of random weights (0 samples seen), of each milestone and of the last weights."""
    kept, given = weights_of(run)
    opened = {seen: Checkpoint.open(str(path)) for seen, path in kept.items()}
    last = opened[max(opened)]
    known = {0: networks.build(last.shape, len(last.facts["classes"]), seed=given.recipe.seed)}
    known |= {seen: checkpoint.network()[0] for seen, checkpoint in opened.items()}
    recipe, rows = Inference.take(last.facts), []
    for data in data_sets:
        train, test = real_images.images_of(data, None)
        pixels = functools.partial(baselines.raw_pixels, recipe=recipe)
        few = min(shots, *np.bincount(train.labels).tolist())
        about = {"data": Path(data).name, "shots": few, "test_images": len(test)}
        rows += rows_of({**about, "samples": "", "reading": "raw pixels"}, pixels, train, test, few, draws)
        for seen, network in known.items():
            for reading, read in READINGS.items():
                take = functools.partial(evaluation.features, network, recipe=recipe, read=read)
                rows += rows_of({**about, "samples": seen, "reading": reading}, take, train, test, few, draws)
    compact = {seen: f"{compactness(network, given):.4f}" for seen, network in known.items()}
    return [{**row, "compactness": compact.get(row["samples"], "")} for row in rows]


def curves(rows):
    """A figure: for each data set, accuracy by logistic regression against the samples seen; raw pixels dashed."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    figure = Figure(figsize=(5 * len(names), 3.6), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        own = [row for row in rows if row["data"] == name and row["judge"] == "logistic regression"]
        for reading in READINGS:
            by_samples: dict[int, list[float]] = {}
            for row in own:
                if row["reading"] == reading:
                    by_samples.setdefault(row["samples"], []).append(100 * row["accuracy"])
            means = [np.mean(values) for values in by_samples.values()]
            spread = [np.std(values, ddof=1) if len(values) > 1 else 0 for values in by_samples.values()]
            axis.errorbar(list(by_samples), means, spread, marker="o", capsize=3, label=reading)
        raw = np.mean([100 * row["accuracy"] for row in own if row["reading"] == "raw pixels"])
        axis.axhline(raw, color="gray", linestyle="--", label="raw pixels")
        axis.set(title=f"{name}, {own[0]['shots']} images a class", xlabel="samples seen", ylabel="accuracy (%)")
        axis.legend(fontsize=8)
    return figure


def write(run, data_sets, shots, draws):
    """Measure, and write table and figure."""
    rows = measure(run, data_sets, shots, draws)
    root = RESULTS / "frozen"
    root.mkdir(exist_ok=True)
    about = {"commit": provenance.commit(), "machine": provenance.machine()}
    tables.write(root / f"{run.name}.csv", [{**row, **about} for row in rows])
    files.write_whole(root / f"{run.name}.svg", record.svg(curves(rows)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frozen", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a pre-training with milestones, finished or not")
    parser.add_argument("data", nargs="+", help="digits, cifar10, ... or folders of train/<class>/ and val/<class>/")
    parser.add_argument("--shots", type=int, default=20, help="training images a class, or all where a class has fewer")
    parser.add_argument("--draws", type=int, default=3, help="draws of training images")
    asked = parser.parse_args()
    write(asked.run, asked.data, asked.shots, asked.draws)
