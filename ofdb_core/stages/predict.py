"""Prediction: the classes that any checkpoint sees in pictures without labels.

It writes to <out>/predictions: predictions.csv, a row a file, with its likeliest classes and their probabilities. A
file that cannot be read has the reason in its row.
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm.data
from accelerate.utils import gather_object
from torch import nn

from ofdb_core.base import files, folder
from ofdb_core.base.manifests import header
from ofdb_core.data import archive, real_images, tables
from ofdb_core.data.decoding import Ground, decode, extensions, unread
from ofdb_core.data.tables import Row
from ofdb_core.stages import evaluate
from ofdb_core.stages.recipes import Predict
from ofdb_core.training import evaluation, processes, weights
from ofdb_core.training.recipe import Inference

PLACES = ("", *(f"_{place}" for place in range(2, 6)))  # endings of columns: of the likeliest class, and of four more
NAMES = ("file", *(f"class{place}" for place in PLACES), "problem")  # columns of text


class Pictures:
    """Pictures without labels, as `Samples`; one that cannot be read is a black pixel, and noted.

    names: paths from the folder around all; problems: number of a picture that was asked for -> why it cannot be read.
    """

    def __init__(self, paths: list[Path], ground: Ground) -> None:
        self.paths, self.ground, self.problems = paths, ground, dict[int, str]()
        around = os.path.commonpath([path.parent for path in paths])
        self.names = [path.relative_to(around).as_posix() for path in paths]
        self.labels, self.classes = np.zeros(len(paths), np.int64), ["unknown"]

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """Picture i, uint8, (H, W) or (H, W, 3); key is not used."""
        try:
            return decode(self.paths[i], ground=self.ground)
        except ValueError as error:
            self.problems[i] = str(error)
            return np.zeros((1, 1), np.uint8)


@dataclass(frozen=True)
class Start:
    """What a prediction starts from: pictures, network, names of its classes and hashes.

    inference: the parameters, with the checkpoint's values in place of None.
    """

    pictures: Pictures
    model: nn.Module
    classes: list[str]
    inference: Inference
    fingerprint: list[str]


def _paths(parameters: Predict, others: Counter[str]) -> Iterator[Path]:
    """The files of the pictures, in any order; `others` counts the endings of files in folders that are none."""
    for place in map(Path, parameters.places):
        if archive.is_archive(place):
            with processes.state().main_process_first():
                place = archive.unpacked(place, parameters.data_root or real_images.default_root())
        for name, about in files.walk(place, followlinks=True):
            hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
            if hidden or isinstance(about, str):  # or a linked folder that was entered before
                continue
            if name.lower().endswith(extensions()):
                yield place / name
            else:
                others[Path(name).suffix.lower()] += 1
        if place.is_file():
            yield place


def _require(first: Path | None, parameters: Predict, others: Counter[str]) -> None:
    if first is None:
        there = f" ({unread(others)})" if others else ""
        raise ValueError(f"data: {', '.join(parameters.places)}: no pictures, by the endings of the files{there}")


def check(parameters: Predict) -> None:
    """Raise ValueError if there are no pictures, or the checkpoint cannot be used or has no head.

    Nothing is looked at that an earlier notebook is to make.
    """
    others = Counter[str]()
    if not parameters.is_own():
        _require(next(_paths(parameters, others), None), parameters, others)
    if parameters.checkpoint:
        evaluate.opened(parameters)[0].network()


def start(parameters: Predict) -> Start:
    """Find the pictures and open the checkpoint; a ValueError if one of them is missing."""
    others = Counter[str]()
    paths = sorted({*_paths(parameters, others)})
    _require(next(iter(paths), None), parameters, others)
    if others:
        print(f"data: not read, by the endings of the files: {unread(others)}")
    checkpoint, inference = evaluate.opened(parameters)
    model, lines = checkpoint.network()
    for line in lines:
        print(line)
    names = checkpoint.facts.get("classes") or _published(checkpoint.path, model)
    places = parameters.places
    hashes = processes.shared(lambda: [weights.fingerprint(checkpoint.path), *map(folder.fingerprint, places)])
    return Start(Pictures(paths, inference.ground), model, names, inference, hashes)


def _published(path: str, model: Any) -> list[str]:
    """Names of the classes of a head that has none: ImageNet's, if timm publishes the weights for it; else numbers."""
    subset = timm.data.infer_imagenet_subset(model) if weights.is_published(path) else None
    return [*timm.data.ImageNetInfo(subset).label_descriptions()] if subset else [*map(str, range(model.num_classes))]


def predict(parameters: Predict, given: Start) -> list[Row]:
    """Predict in <out>/predictions; return the rows of predictions.csv, in the order of the pictures."""
    root, states = (Path(parameters.out) / name for name in ("predictions", "checkpoints/predictions"))
    identity = {**parameters.identity(), **given.inference.identity(), "source": given.fingerprint}
    head = header(identity, _rows, license=None)
    processes.fill_once(root, head, lambda: ({"predictions.csv": tables.to_text(_rows(given))}, {}), states=states)
    return tables.read(root / "predictions.csv", text=NAMES)


def _rows(given: Start) -> list[Row]:
    """A row for each picture; where one cannot be read, all but file and problem are empty."""
    pictures, model = given.pictures, given.model.to(processes.state().device)
    found = evaluation.likeliest(model, pictures, given.inference, len(PLACES))
    problems = {i: problem for each in gather_object([pictures.problems]) for i, problem in each.items()}
    if len(problems) == len(pictures):
        raise ValueError(f"data: none of {len(pictures)} pictures can be read; {problems[0]}")
    rows = []
    for i, (name, labels, shares) in enumerate(zip(pictures.names, *found, strict=True)):
        seen = [] if i in problems else zip(labels.tolist(), shares.astype(float).tolist(), strict=True)
        row: Row = {"file": name}
        for place, guess in itertools.zip_longest(PLACES, seen):
            label, share = guess or (None, None)
            row[f"class{place}"] = None if label is None else given.classes[label]
            row[f"probability{place}"] = None if share is None else round(share, 4)
        rows.append({**row, "problem": problems.get(i)})
    return rows
