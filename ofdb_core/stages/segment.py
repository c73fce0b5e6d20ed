"""Fine-tuning on masks: the pre-trained network and the same network from scratch learn a class for each pixel.

Both get a decoder with weights of the repeat's seed, the same recipe, scenes and order. It writes to <out>/segment:
results.csv (a row a training), baselines.csv (what the masks tell without a network), log.csv, evaluations.csv (mean
IoU on the way), classes.csv (IoU of each class), the masks that each start's first training found in the test scenes
and, if kept, the weights of each training.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate.utils import gather_object

from ofdb_core.base import signals
from ofdb_core.base.manifests import Header
from ofdb_core.batches.source import Batches
from ofdb_core.data import png, real_images, real_scenes, scenes, tables
from ofdb_core.data.samples import GB
from ofdb_core.data.scenes import Pairs
from ofdb_core.data.tables import Row
from ofdb_core.stages import finetune
from ofdb_core.stages.recipes import FROM_SCRATCH, PRE_TRAINED, SHIPPED, STARTS, Segment
from ofdb_core.training import loop, processes, progress, segmentation, weights
from ofdb_core.training.networks import Facts
from ofdb_core.training.pretrained import Checkpoint

TABLES = ("results", "log", "evaluations", "classes")  # of each training


@dataclass(frozen=True)
class Start:
    """What the trainings start from: scenes to train on and to test on, the checkpoint, and the hashes of both.

    recipe: the parameters, with the values of the checkpoint's network in place of None.
    """

    train: Pairs
    test: Pairs
    checkpoint: Checkpoint
    fingerprint: list[str]
    recipe: Segment


def check(parameters: Segment) -> None:
    """Raise ValueError if data or checkpoint cannot be used; download what this needs."""
    loop.check(parameters)
    train, _ = scenes_of(parameters)
    parameters.of_samples(len(train))
    if parameters.checkpoint:
        opened = finetune.checkpoint_of(parameters)
        _segmenter(parameters.seeing(vars(opened.shape)), opened, PRE_TRAINED, train.classes, 0)
        if SHIPPED in parameters.starts:
            finetune.shipped_like(opened)


def scenes_of(parameters: Segment) -> list[Pairs]:
    """The scenes to train on and to test on."""
    cache_bytes = int(parameters.cache_gb * GB)
    with processes.state().main_process_first():
        return real_scenes.scenes_of(parameters.place(), parameters.data_root, parameters.reading(), cache_bytes)


def start(parameters: Segment) -> Start:
    """Open the data and the checkpoint; the main process downloads what is missing."""
    train, test = scenes_of(parameters)
    opened = finetune.checkpoint_of(parameters)
    paths = finetune.files_of_weights(parameters, opened)

    def hashed() -> list[str]:
        return [real_images.fingerprint(parameters.place()), *map(weights.fingerprint, paths.values())]

    recipe = parameters.seeing(vars(opened.shape)).of_samples(len(train))
    return Start(train, test, opened, processes.shared(hashed), recipe)


def _segmenter(
    recipe: Segment, checkpoint: Checkpoint, start: str, classes: list[str], seed: int
) -> segmentation.Segmenter:
    """The network that a training starts from: a trunk of the start's weights, and a decoder of the seed's."""
    how: dict[str, Any] = {"drop_path": recipe.drop_path, "seed": seed}
    model = segmentation.build(checkpoint.shape, len(classes), width=recipe.decoder, **how)
    if start != FROM_SCRATCH:
        opened = checkpoint if start == PRE_TRAINED else finetune.shipped_like(checkpoint)
        known = opened.network(["any class"])[0].state_dict()  # of its head nothing is kept
        model.trunk.load_state_dict({name: known[name] for name in model.trunk.state_dict()})
    if recipe.head_only:
        model.trunk.requires_grad_(False)
    return model


def compare(parameters: Segment, inputs: Start) -> list[Row]:
    """Train once for each start and repeat, in <out>/segment; return results.csv's rows.

    A row has start, repeat, mean_iou and pixel_accuracy (on the test scenes, at the end), best_mean_iou and best_step
    (of all evaluations; chosen by test scenes), test_scenes, classes and name, which the other tables have too. A
    finished folder of the same comparison is read instead, and an unfinished one is continued.
    """
    return finetune.compared("segment", parameters, inputs, train_all)


def train_all(inputs: Start, states: Path, head: Header) -> processes.Made:
    """Do the trainings to compare; return the files of the result folder, by name, and notes on their speed."""
    recipe, starts = inputs.recipe, [name for name in STARTS if name in inputs.recipe.starts]
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    files: processes.Contents = {"baselines.csv": tables.to_text([commonest(inputs)])}
    speeds = {}
    with signals.Stop():  # between two trainings too: the next one saves and stops
        for repeat, start in itertools.product(range(recipe.repeats), starts):
            name, file = f"{start}, repeat {repeat}", f"{start.replace(' ', '-')}_{repeat}"
            store, seed = processes.open_store(states / file, head, recipe), recipe.seed + repeat
            model = _segmenter(recipe, inputs.checkpoint, start, inputs.train.classes, seed)
            watch = segmentation.Scores(inputs.test, recipe)
            source = Batches(inputs.train, recipe, seed=seed, share=processes.share())
            log = loop.fit(model, source, recipe, seed=seed, title=name, store=store, watch=watch)
            row = {"start": start, "repeat": repeat, **_result(watch), "name": name}
            print(f"{name}: mean IoU {row['mean_iou']:.1%} of {len(inputs.test)} test scenes")
            rows["results"].append(row)
            by_class = segmentation.by_class(watch.areas, inputs.test.classes)
            for table, own in zip(TABLES[1:], (progress.logged(log), watch.rows, by_class), strict=True):
                rows[table] += [{"name": name, **each} for each in own]
            speeds[name] = progress.speed(log)
            if repeat == 0:
                files |= _found(model, inputs, file)
            if recipe.keep_weights and processes.state().is_main_process:
                facts: Facts = {**weights.facts(inputs.checkpoint.shape, recipe, []), "masks": inputs.train.classes}
                files[f"{file}/segmenter.safetensors"] = store.aside("last", weights.to_bytes(model, facts))
            del model
    return {**files, **{f"{name}.csv": tables.to_text(table) for name, table in rows.items()}}, speeds


def _result(watch: segmentation.Scores) -> Row:
    """The scores of a training's evaluations."""
    last, best = watch.rows[-1], max(watch.rows, key=lambda row: row["mean_iou"])  # the first of equals
    of_best = {"best_mean_iou": best["mean_iou"], "best_step": best["step"]}
    about = {"test_scenes": len(watch.scenes), "classes": len(watch.scenes.classes)}
    return {"mean_iou": last["mean_iou"], "pixel_accuracy": last["pixel_accuracy"], **of_best, **about}


def _found(model: segmentation.Segmenter, inputs: Start, file: str) -> processes.Contents:
    """By name: the masks that a network finds in the test scenes, as palette PNGs."""
    own = [
        (f"{file}/found/{inputs.test.name(i)}.png", png.indexed(mask.astype(np.uint8), scenes.palette()))
        for i, mask in segmentation.found(model, inputs.test, inputs.recipe)
    ]
    return dict(gather_object(own))


def commonest(inputs: Start) -> Row:
    """The scores on the test scenes of masks that hold one class alone, the commonest in training."""
    classes = inputs.test.classes
    masks = (inputs.train.pair(i)[1] for i in range(len(inputs.train)))
    pixels = sum(segmentation.counted(mask, mask, len(classes))[1] for mask in masks)
    label, found = int(np.argmax(pixels)), np.zeros((3, len(classes)), np.int64)
    for i in range(len(inputs.test)):
        mask = inputs.test.pair(i)[1]
        found += segmentation.counted(np.full_like(mask, label), mask, len(classes))
    return {"name": f"{classes[label]} everywhere", **segmentation.scores(found, classes)}
