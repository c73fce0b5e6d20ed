"""Prediction: the classes that any checkpoint sees in pictures without labels.

It writes to <out>/predictions: predictions.csv, a row a file, with its likeliest classes and their probabilities. A
file that cannot be read has the reason in its row. The judge is the checkpoint's head or, if a memory is given, the
vote of the nearest pictures there, which the row names: see `memory`.
"""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm.data
from accelerate.utils import gather_object
from torch import nn

from ofdb_core.base import files, folder
from ofdb_core.base.manifests import header
from ofdb_core.data import archive, layout, real_images, tables
from ofdb_core.data.decoding import Reading, decode, extensions, unread
from ofdb_core.data.samples import Images
from ofdb_core.data.tables import Row
from ofdb_core.stages import evaluate, memory
from ofdb_core.stages.inference import Predict
from ofdb_core.training import evaluation, processes, weights
from ofdb_core.training.pretrained import Checkpoint, NoHead
from ofdb_core.training.recipe import Inference

PLACES = ("", *(f"_{place}" for place in range(2, 6)))  # endings of columns: of the likeliest class, and of four more
NAMES = ("file", *(f"{column}{place}" for column in ("class", "nearest") for place in PLACES), "problem")  # of text


class Pictures:
    """Pictures without labels, as `Samples`; one that cannot be read is a black pixel, and noted.

    names: paths from the folder around all; problems: number of a picture that was asked for -> why it cannot be read.
    """

    def __init__(self, paths: list[Path], reading: Reading) -> None:
        self.paths, self.reading, self.problems = paths, reading, dict[int, str]()
        around = os.path.commonpath([path.parent for path in paths])
        self.names = [path.relative_to(around).as_posix() for path in paths]
        self.labels, self.classes = np.zeros(len(paths), np.int64), ["unknown"]

    def __len__(self) -> int:
        return len(self.paths)

    def pixels(self, i: int, key: int | None = None) -> np.ndarray:
        """Picture i, uint8, (H, W) or (H, W, 3); key is not used."""
        try:
            return decode(self.paths[i], self.reading)
        except ValueError as error:
            self.problems[i] = str(error)
            return np.zeros((1, 1), np.uint8)


@dataclass(frozen=True)
class Start:
    """What a prediction starts from: pictures, network, names of the classes and hashes.

    inference: the parameters, with the checkpoint's values in place of None; remembered: the pictures of the memory, if
    that is the judge; hashes: then of each file, there and of the pictures.
    """

    pictures: Pictures
    model: nn.Module
    classes: list[str]
    inference: Inference
    fingerprint: list[str]
    remembered: Images | None
    hashes: dict[Path, str]


def paths_of(parameters: Predict, others: Counter[str]) -> Iterator[Path]:
    """The files of the pictures, in any order; `others` counts the other files of folders, by ending."""
    for place in map(Path, parameters.places):
        if archive.is_archive(place):
            with processes.state().main_process_first():
                place = archive.unpacked(place, parameters.data_root or real_images.default_root())
        for name, about in files.walk(place, followlinks=True):
            hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
            if hidden or isinstance(about, str):  # or a linked folder that was entered before
                continue
            if name.lower().endswith(extensions()):
                layout.require_unicode(place, name)
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

    What an earlier notebook will make is not checked.
    """
    others = Counter[str]()
    if not parameters.is_own():
        _require(next(paths_of(parameters, others), None), parameters, others)
    if parameters.memory:
        memory.classes_of(parameters.memory)
    if parameters.checkpoint:
        _network(evaluate.opened(parameters)[0], parameters)


def _network(checkpoint: Checkpoint, parameters: Predict) -> tuple[nn.Module, list[str]]:
    """The network, and a line for each weight not taken unchanged; a memory needs no head."""
    try:
        return checkpoint.network()
    except NoHead:
        if not parameters.memory:
            raise
        return checkpoint.network(["none"])


def start(parameters: Predict) -> Start:
    """Find the pictures and open the checkpoint; a ValueError if one of them is missing."""
    others = Counter[str]()
    paths = sorted({*paths_of(parameters, others)})
    _require(next(iter(paths), None), parameters, others)
    if others:
        print(f"data: not read, by the endings of the files: {unread(others)}")
    checkpoint, inference = evaluate.opened(parameters)
    model, lines = _network(checkpoint, parameters)
    for line in lines:
        print(line)
    places, remembered, hashes = parameters.places, None, dict[Path, str]()
    if parameters.memory:
        remembered = memory.opened(parameters.memory, inference.reading())
        hashes = memory.hashes(sorted({*remembered.items, *paths}))
        names, places = remembered.classes, [*places, parameters.memory]
    else:
        names = checkpoint.facts.get("classes") or published_classes(checkpoint.path, model)
    found = processes.shared(lambda: [weights.fingerprint(checkpoint.path), *map(folder.fingerprint, places)])
    fingerprint = [*found, *hashes.values()]
    return Start(Pictures(paths, inference.reading()), model, names, inference, fingerprint, remembered, hashes)


def published_classes(path: str, model: Any) -> list[str]:
    """Names of the classes of a head that has none: ImageNet's, if timm publishes the weights for it; else numbers."""
    subset = timm.data.infer_imagenet_subset(model) if weights.is_published(path) else None
    return [*timm.data.ImageNetInfo(subset).label_descriptions()] if subset else [*map(str, range(model.num_classes))]


def predict(parameters: Predict, inputs: Start) -> list[Row]:
    """Predict in <out>/predictions; return the rows of predictions.csv, in the order of the pictures."""
    root, states = (Path(parameters.out) / name for name in ("predictions", "checkpoints/predictions"))
    identity = {**parameters.identity(), **inputs.inference.identity(), "source": inputs.fingerprint}
    head = header(identity, _by_head, _by_memory, license=None)
    by = json.dumps([inputs.fingerprint[0], inputs.inference.identity(), head["code"]])

    def make() -> processes.Contents:
        return _by_memory(inputs, parameters.neighbours, root, by) if parameters.memory else _by_head(inputs)

    processes.fill_once(root, head, lambda: (make(), {}), states=states)
    return tables.read(root / "predictions.csv", text=NAMES)


def _by_head(inputs: Start) -> processes.Contents:
    """The table of what the head names."""
    model = inputs.model.to(processes.state().device)
    found = evaluation.likeliest(model, inputs.pictures, inputs.inference, len(PLACES))
    return {"predictions.csv": tables.to_text(_rows(inputs, _problems(inputs.pictures), *found))}


def _by_memory(inputs: Start, neighbours: int, root: Path, by: str) -> processes.Contents:
    """The table of what the memory's nearest name, and the features; those that `root` keeps are not computed again."""
    images, hashes, pictures = inputs.remembered, inputs.hashes, inputs.pictures
    assert images is not None
    files = [item for item in images.items if isinstance(item, Path)]  # all: a memory is a folder
    earlier = {} if folder.Folder(root).verify() else memory.kept(root / memory.FILE, by)
    new = {hashed: path for path, hashed in hashes.items() if hashed not in earlier}
    print(f"{len(images)} pictures remembered, {len(pictures)} asked; features to compute: {len(new)}")
    features, problems = {**earlier}, dict[str, str]()
    if new:
        fresh = Pictures([*new.values()], inputs.inference.reading())
        rows = evaluation.features(inputs.model.to(processes.state().device), fresh, inputs.inference)
        features |= dict(zip(new, rows, strict=True))
        problems = {hashes[fresh.paths[i]]: problem for i, problem in _problems(fresh).items()}
    if lost := [problems[hashes[path]] for path in files if hashes[path] in problems]:
        raise ValueError(f"memory: {lost[0]}")
    known, asked = (np.stack([features[hashes[path]] for path in paths]) for paths in (files, pictures.paths))
    votes = memory.votes(images, known, asked, neighbours)
    unread = {i: problems[hashes[path]] for i, path in enumerate(pictures.paths) if hashes[path] in problems}
    table = _rows(inputs, unread, votes.labels, votes.shares, votes)
    kept = {hashed: features[hashed] for hashed in sorted({*hashes.values()} - problems.keys())}
    return {"predictions.csv": tables.to_text(table), memory.FILE: memory.to_bytes(kept, by)}


def _problems(pictures: Pictures) -> dict[int, str]:
    """Number -> why a picture cannot be read, of all processes."""
    return {i: problem for each in gather_object([pictures.problems]) for i, problem in each.items()}


def _rows(
    inputs: Start, problems: dict[int, str], labels: np.ndarray, shares: np.ndarray, votes: memory.Votes | None = None
) -> list[Row]:
    """A row for each picture; where one cannot be read, all but file and problem are empty.

    labels (n, k) and shares (n, k): its classes, likeliest first, and their probabilities.
    """
    pictures, rows = inputs.pictures, []
    if len(problems) == len(pictures):
        raise ValueError(f"data: none of {len(pictures)} pictures can be read; {problems[0]}")
    named = [[inputs.classes[label] for label in row] for row in labels.tolist()]
    groups = [("class", named, "probability", shares)]
    if votes and inputs.remembered:
        nearest = [[*map(inputs.remembered.name, row)] for row in votes.nearest.tolist()]
        groups.append(("nearest", nearest, "similarity", votes.similarity))
    for i, name in enumerate(pictures.names):
        row: Row = {"file": name}
        for text, texts, number, numbers in groups:
            seen = [] if i in problems else [*zip(texts[i], numbers[i].astype(float).tolist(), strict=True)]
            for place, (one, value) in zip(PLACES, itertools.chain(seen, itertools.repeat((None, None))), strict=False):
                row[f"{text}{place}"] = one
                row[f"{number}{place}"] = None if value is None else round(value, 4)
        rows.append({**row, "problem": problems.get(i)})
    return rows


def likened(inputs: Start, rows: Sequence[Row], chosen: Sequence[int]) -> tuple[list[np.ndarray], list[str]]:
    """For a sheet of 1 + len(PLACES) columns: each chosen picture and its nearest in the memory, with their titles.

    Where the memory has fewer, the rest of a row is blank.
    """
    images = inputs.remembered
    assert images is not None
    numbers = {images.name(i): i for i in range(len(images))}
    pictures, titles, blank = [], [], np.full((1, 1, 3), 255, np.uint8)
    for i in chosen:
        row = rows[i]
        pictures.append(inputs.pictures.pixels(i))
        titles.append(f"{row['class'][:14]}?")
        for place in PLACES:
            nearest = numbers.get(row[f"nearest{place}"])
            known = None if nearest is None else images.classes[images.labels[nearest]][:14]
            pictures.append(blank if nearest is None else images.pixels(nearest))
            titles.append(f"{known} {row[f'similarity{place}']:.2f}" if known else "")
    return pictures, titles
