"""Every reader of the project, with valid files to begin with and what makes them hostile."""

import contextlib
import functools
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np
import torch
from PIL import Image

from ofdb_core.base import folder, record
from ofdb_core.base.folder import Folder
from ofdb_core.base.manifests import Header
from ofdb_core.data import ply, tables
from ofdb_core.formulas import ifs, streams, system_files
from ofdb_core.run import experiments, parameter_files, reasons
from ofdb_core.show import report
from ofdb_core.training import states
from tests.helpers import tiny

from . import formats, theirs
from .mutations import BYTES, VICTIM, Files, Mutation, altered_json


@dataclass(frozen=True)
class Reader:
    """read(folder) reads what lies there; valid() -> name -> bytes; writes: whether it may write there.

    also: errors beside ValueError that its docstring promises; mend: what an attacker can make fit again (a hash).
    """

    name: str
    valid: Callable[[], Files]
    read: Callable[[Path], object]
    mutations: tuple[Mutation, ...] = BYTES
    writes: bool = False
    also: tuple[type[Exception], ...] = ()
    mend: Callable[[Files, Random], Files] = field(default=lambda files, rng: files)
    odd: bool = False  # whether links, pipes and folders may stand where a file should

    @staticmethod
    def put(files: Files, inside: Path) -> Path:
        """Write the files below a folder, and return it."""
        for name, data in files.items():
            (inside / name).parent.mkdir(parents=True, exist_ok=True)
            (inside / name).write_bytes(data)
        return inside

    def write(self, inside: Path, rng: Random) -> None:
        """Valid files, one of which is hostile."""
        files = dict(self.valid())
        name = rng.choice(sorted(files))
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            try:
                files[name] = rng.choice(self.mutations)(files[name], rng)
            except (ValueError, RecursionError):  # no JSON any more
                break
        files = self.mend(files, rng)
        self.put(files, inside)
        if name not in files:  # it was given the name that fits
            return
        if self.odd and rng.random() < 0.2:
            _put_something_else(inside / name, rng)


def _put_something_else(path: Path, rng: Random) -> None:
    path.unlink()
    kind = rng.choice(("nothing", "folder", "pipe", "zeros", "loop", "dangling", "outside", "up"))
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "nothing":
        targets: dict[str, str | Path] = {"zeros": "/dev/zero", "loop": path, "dangling": "nowhere", "up": ".."}
        path.symlink_to(targets.get(kind, Path("..", VICTIM).resolve()))


def _systems() -> Files:
    files = {}
    for number, d in enumerate((2, 3)):
        text = io.BytesIO()
        ifs.save(ifs.sample(streams.Mersenne(1), d), text)
        files[f"{number:05d}.csv"] = text.getvalue()
    return files


def _many_systems() -> Files:
    named = {f"n{i}": ifs.table(ifs.sample(streams.Mersenne(i))) for i in range(3)}
    flame = system_files.to_flame(named, {name: [[-1, -1], [1, 1]] for name in named})
    return {"some.ifs": system_files.to_fractint(named).encode(), "more.flame": flame.encode()}


def _read_many(inside: Path) -> None:
    for name in ("some.ifs", "more.flame"):
        ifs.load_folder(inside / name)


def _starts() -> Files:
    return {"00000.csv": ifs.csv(ifs.sample(streams.Mersenne(1)), 12)}


def _table() -> Files:
    return {"table.csv": tables.to_text([{"step": i, "loss": 0.5, "name": "a, b"} for i in range(3)]).encode()}


def _parameters() -> Files:
    values = {**tiny.PRETRAIN, "crop_scale": [0.5, 1.0], "auto_augment": "rand-m9-mstd0.5-inc1"}
    lines = "".join(f"  {key}: {json.dumps(value)}  # why\n" for key, value in values.items())
    shared = b"variants:\n  base:\n    4_pretrain:\n      steps: 8\n"
    return {"tiny.yaml": f"extends: shared/base\n4_pretrain:\n{lines}".encode(), "shared.yaml": shared}


def _read_parameters(inside: Path) -> None:
    with mock.patch.object(experiments, "PARAMS", inside):
        parameter_files.checked("tiny", ["4_pretrain"], [], Path("out"))


MADE = [(f"{i}/made.txt", functools.partial(bytes, f"{i}", "ascii")) for i in range(3)]
HEAD: Header = {"parameters": {"a": 1}, "code": "b", "versions": {}}


class _Stopped(Exception):
    """What ends a folder's filling in its middle."""


def _stop() -> bytes:
    raise _Stopped


@functools.cache
def _filled(part: bool) -> Files:
    """A finished or an unfinished folder `set`, wherever it keeps what it says of itself."""
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(_Stopped):
        root, last = Path(place) / "set", ("2/made.txt", _stop)
        made: list[tuple[str, Callable[[], bytes]]] = [*MADE[:2], last] if part else [*MADE]
        try:
            Folder(root).fill(HEAD, made, total=3, workers=1)
        finally:
            every = [path for path in Path(place).rglob("*") if path.is_file()]
            files = {path.relative_to(place).as_posix(): path.read_bytes() for path in every}
    return files


CANNOT_WRITE = (FileExistsError, IsADirectoryError)  # of `Folder.fill`, where others' files are in its way


def _read_folder(inside: Path) -> None:
    root = inside / "set"
    Folder(root).verify()
    if Folder(root).is_complete():
        Folder(root).digest()
    folder.fingerprint(root)
    Folder(root).fill({**HEAD, "code": "c"}, MADE[:2], total=2, workers=1)


@functools.cache
def _record() -> Files:
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "png")
    name = "figures/6_report_x.png"
    entry = {
        "parameters": {"out": "", "title": "a"},
        "code": "b",
        "commit": "c",
        "versions": {"numpy": "2"},
        "machine": "m",
        "started": "2026-01-01T00:00:00",
        "reads": {"record.json": "d"},
        "writes": {"images": "e"},
        "figures": [{"file": name, "caption": "f", "sha256": hashlib.sha256(picture.getvalue()).hexdigest()}],
        "checks": [{"sentence": "g", "holds": True}],
        "results": {"h": 1},
        "seconds": 1.5,
    }
    return {record.FILE: json.dumps({"notebooks": {"6_report": entry}}).encode(), name: picture.getvalue()}


def _read_record(inside: Path) -> None:
    (inside / "6_report.ipynb").write_text('{"metadata": {"papermill": {"end_time": "then"}}}')
    entries = record.read(inside)
    for entry in entries.values():
        record.altered_figures(inside, entry)
    reasons.reason("6_report", report.Report(out=str(inside), title="a"), inside)
    if entries:
        report.page(inside, "a", entries)


@functools.cache
def _state() -> Files:
    data = io.BytesIO()
    torch.save({"model": tiny.network().state_dict(), "step": 3, "rows": [{"loss": 0.5}]}, data)
    return {states.ABOUT: json.dumps(HEAD, indent=1).encode(), "000000003-x.pt": data.getvalue()}


def _hashed(files: Files, rng: Random) -> Files:
    data = files["000000003-x.pt"]
    digest = hashlib.sha256(data).hexdigest()[: states.DIGITS]
    return {states.ABOUT: files[states.ABOUT], f"000000003-{rng.choice((digest, digest, 'f' * 16))}.pt": data}


def _read_state(inside: Path) -> None:
    states.Store(inside, HEAD, changed="refuse").newest()


READERS = {
    reader.name: reader
    for reader in (
        Reader("IFS CSV", _systems, lambda inside: ifs.load_folder(inside), also=(FileNotFoundError,), odd=True),
        Reader(".ifs and .flame", _many_systems, _read_many, also=(FileNotFoundError,), odd=True),
        Reader("IFS CSV, start", _starts, lambda inside: ifs.starts(inside), also=(FileNotFoundError,), odd=True),
        Reader("table CSV", _table, lambda inside: tables.read(inside / "table.csv"), odd=True),
        Reader(
            "PLY", lambda: {"cloud.ply": ply.encode(np.eye(3))}, lambda inside: ply.load(inside / "cloud.ply"), odd=True
        ),
        Reader("YAML parameter file", _parameters, _read_parameters, odd=True),
        Reader(
            "manifest",
            lambda: _filled(part=False),
            _read_folder,
            (*BYTES, *[altered_json] * 4),
            writes=True,
            also=CANNOT_WRITE,
            odd=True,
        ),
        Reader(
            "unfinished folder",
            lambda: _filled(part=True),
            _read_folder,
            writes=True,
            also=CANNOT_WRITE,
            odd=True,
        ),
        Reader("record", _record, _read_record, (*BYTES, *[altered_json] * 4), writes=True, odd=True),
        Reader("training state", _state, _read_state, (*BYTES, altered_json, formats.other_tensor), mend=_hashed),
        Reader(
            "checkpoint",
            formats.checkpoints,
            formats.read_checkpoints,
            (*BYTES, formats.altered_header, formats.other_tensor),
            odd=True,
        ),
        Reader(
            "archive",
            formats.archives,
            formats.read_archives,
            (*BYTES, *[formats.packed_anew] * 3),
            writes=True,
            odd=True,
        ),
        Reader("shards", formats.shards, formats.read_shards, odd=True),
        Reader("table of labels", formats.labelled, formats.read_labelled, writes=True, odd=True),
        Reader("scenes", formats.scenes_of_masks, formats.read_scenes, odd=True),
        Reader("image folder", formats.pictures, formats.read_pictures, mend=formats.one_picture, odd=True),
        Reader("picture of any mode", theirs.moded, theirs.read_moded, mend=theirs.one_moded, odd=True),
        Reader(
            "pictures and memory", theirs.asked, theirs.read_asked, (*BYTES, *[theirs.altered_header] * 4), odd=True
        ),
        Reader("code", theirs.codes, theirs.read_codes, (*BYTES, *[theirs.altered_code] * 4), odd=True),
        Reader(
            "VOC annotation", theirs.annotations, theirs.read_annotations, (*BYTES, theirs.altered_number), odd=True
        ),
        Reader(
            "executed notebook",
            theirs.notebook,
            theirs.read_notebook,
            (*BYTES, *[altered_json] * 4),
            writes=True,
            odd=True,
        ),
        Reader("others' checkpoint", theirs.networks, theirs.read_networks, (*BYTES, formats.other_tensor), odd=True),
        Reader(
            "config.json",
            theirs.configured,
            theirs.read_configured,
            (*BYTES, *[theirs.altered_config] * 8),
            mend=theirs.of_config,
            odd=True,
        ),
        Reader("--out folder", theirs.own_files, theirs.write_own, writes=True, also=CANNOT_WRITE, odd=True),
    )
}
