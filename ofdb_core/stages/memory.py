"""Visual memory: a folder of named pictures, <memory>/<class>/<file>, whose nearest ones name others without training.

The folder is all that is remembered: whoever adds, moves or removes a file changes the memory. Features belong to the
bytes of a file, wherever it lies, and are computed once; <out>/predictions/features.safetensors keeps them.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from ofdb_core.base import files, threads
from ofdb_core.data import layout, samples
from ofdb_core.data.decoding import Reading, extensions

FILE = "features.safetensors"  # features (n, D) float32 of length 1; sha256 (n, 32) uint8, of the pictures' files
BY = "by"  # the key of what computed them: weights, view and code

Features = dict[str, np.ndarray]  # SHA-256 of a picture's file -> (D,) float32


def classes_of(place: str | Path) -> list[str]:
    """The names in a memory; a ValueError if there are none."""
    try:
        return [folder.name for folder in layout.class_folders(place, "image", extensions())]
    except ValueError as error:
        raise ValueError(f"memory: {error}") from error


def opened(place: str | Path, reading: Reading) -> samples.Images:
    """The pictures of a memory; a name may have none. A ValueError if there are none at all, or some are unreadable."""
    images = samples.Images.from_folder(place, reading=reading, classes=classes_of(place))
    samples.require_readable(images)
    return samples.look_at(images)


def hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each file; a file that cannot be read has that of its path, so that it equals no other."""

    def hashed(path: Path) -> str:
        with contextlib.suppress(OSError):
            if path.is_file():
                return files.sha256(path)
        return hashlib.sha256(os.fsencode(path)).hexdigest()

    paths = [*paths]
    tasks = (functools.partial(hashed, path) for path in paths)
    return dict(zip(paths, threads.in_order(tasks, os.cpu_count() or 1), strict=True))


def to_bytes(features: Features, by: str) -> bytes:
    """The bytes of FILE."""
    keys = np.frombuffer(bytes.fromhex("".join(features)), np.uint8).reshape(-1, 32)
    return safetensors.numpy.save({"features": np.stack([*features.values()]), "sha256": keys}, {BY: by})


def kept(path: Path, by: str) -> Features:
    """The features in FILE; none if something else computed them, or they are no features."""
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get(BY) != by:
                return {}
            rows, keys = (file.get_tensor(name) for name in ("features", "sha256"))
    except (OSError, SafetensorError):  # no whole file
        return {}
    right = rows.dtype == np.float32 and rows.ndim == 2 and keys.dtype == np.uint8 and keys.shape == (len(rows), 32)
    names = (key.tobytes().hex() for key in keys)
    return dict(zip(names, rows, strict=True)) if right and np.isfinite(rows).all() else {}


@dataclass(frozen=True)
class Votes:
    """The vote of a memory on n pictures; the likeliest class and the nearest picture come first.

    labels (n, c) int64 and shares (n, c): classes and their shares of the vote; nearest (n, k) int64 and similarity
    (n, k): numbers of pictures in the memory, and cosines.
    """

    labels: np.ndarray
    shares: np.ndarray
    nearest: np.ndarray
    similarity: np.ndarray


def votes(memory: samples.Images, known: np.ndarray, asked: np.ndarray, neighbours: int) -> Votes:
    """The vote of the nearest neighbours, each by the inverse of its distance.

    known (m, D) and asked (n, D): features of the memory's pictures and of those in question.
    """
    from sklearn.neighbors import KNeighborsClassifier  # it takes a second to import

    judge = KNeighborsClassifier(min(neighbours, len(known)), weights="distance").fit(known, memory.labels)
    distances, nearest = judge.kneighbors(asked)
    shares = judge.predict_proba(asked)
    order = np.argsort(-shares, axis=1, kind="stable")
    return Votes(judge.classes_[order], np.take_along_axis(shares, order, 1), nearest, 1 - distances**2 / 2)
