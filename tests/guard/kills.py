"""Runs that are killed at random moments and resumed: at their end they hold the bytes of a run that nobody stopped.

What is hit is the runner, the kernel, or a process that works for it: at the start, in a search, a rendering or a
training, while a state is saved, or while an archive is unpacked.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import psutil
import yaml
from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.training import weights
from tests.helpers import tiny

PATIENCE = 300  # seconds that a run may take, or need to notice that a part of it is gone
FEW = {
    "1_search_categories.categories": 30,
    "search_points": 500,
    "filling_rate": 0.0005,
    "image_size": 64,
    "points": 20_000,
    "workers": 1,
}
TRAINING = {**tiny.PRETRAIN, "model_options": {**tiny.VIT, "embed_dim": 96}, "loader_workers": 1}
TRAINING |= {"steps": 40, "save_steps": 1, "auto_augment": None, "data": "images"}
TUNING = {**tiny.FINETUNE, "starts": ["from scratch"]}
TUNING |= {"shots": [0], "repeats": 1, "steps": 4, "save_steps": 1, "loader_workers": 1}


@dataclass(frozen=True)
class Subject:
    """A command, where it is hit (name -> whether it is there, by its folder), and the folders that it fills."""

    words: Callable[[Path, Path], list[str]]
    moments: dict[str, Callable[[Path], bool]]
    folders: tuple[str, ...]


def _overrides(**values: object) -> list[str]:
    texts = {
        name: value if isinstance(value, str) else yaml.safe_dump(value).strip(" .\n") for name, value in values.items()
    }
    return [word for name, text in texts.items() for word in ("-p", name, text)]


def _experiment(out: Path, _: Path) -> list[str]:
    stages = "1_search_categories", "2_render_2d", "4_pretrain"
    training = {f"4_pretrain.{name}": value for name, value in TRAINING.items()}
    return ["2d-ofdb-1k", *stages, "--out", str(out), *_overrides(**FEW, **training)]


def _unpacking(out: Path, place: Path) -> list[str]:
    """A fine-tuning on a data set in an archive, which the runner itself unpacks."""
    path, pixels = place / "shades.zip", np.random.default_rng(0)
    if not path.exists():
        with zipfile.ZipFile(path, "w") as file:
            for i in range(1200):
                with file.open(f"{'val' if i % 4 == 0 else 'train'}/{i % 3}/{i}.png", "w") as entry:
                    Image.fromarray(pixels.integers(0, 256, (24, 24), np.uint8)).save(entry, "png")
    checkpoint = place / "model.safetensors"
    if not checkpoint.exists():
        checkpoint.write_bytes(weights.to_bytes(tiny.network(), tiny.FACTS))
    values = {**TUNING, "data": str(path), "data_root": str(out / "data"), "checkpoint": str(checkpoint)}
    return ["finetune", "5_finetune", "--out", str(out), *_overrides(**values)]


def _launched(out: Path, place: Path) -> list[str]:
    """A training in two processes."""
    data = place / "shades"
    if not data.exists():
        tiny.folder_of_shades(data)
    two = ["--launch", "--multi_gpu --num_processes 2"]
    return ["2d-ofdb-1k", "4_pretrain", "--out", str(out), *two, *_overrides(**{**TRAINING, "data": str(data)})]


def _any(pattern: str) -> Callable[[Path], bool]:
    return lambda out: next(iter(out.glob(pattern)), None) is not None


SUBJECTS = {
    "experiment": Subject(
        _experiment,
        {
            "start": lambda out: True,
            "search": _any("categories.manifest.part"),
            "render": _any("images.manifest.part"),
            "training": _any("checkpoints/pretrain/*.pt"),
            "saving": _any("checkpoints/pretrain/.*.part"),
        },
        ("categories", "images", "pretrain"),
    ),
    "unpacking": Subject(_unpacking, {"unpacking": _any("data/shades.manifest.part")}, ("data/shades", "finetune")),
}
SUBJECTS["launched"] = Subject(
    _launched,
    {name: SUBJECTS["experiment"].moments[name] for name in ("start", "training", "saving")},
    ("pretrain",),
)
VICTIMS = ("runner", "kernel", "worker")


def start(words: list[str], log: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(provenance.PROJECT)}
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "ofdb_core", *words], env=environment, stdout=file, stderr=file, cwd=log.parent
        )


def _processes(runner: psutil.Process, victim: str) -> list[psutil.Process]:
    """The runner, its kernels and launchers, or what works for these; where nothing does, these."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = runner.children()
        below = [process for child in children for process in child.children(recursive=True)]
        return {"runner": [runner], "kernel": children, "worker": below or children}[victim]
    return []


def _hit(
    process: subprocess.Popen[bytes], out: Path, there: Callable[[Path], bool], victim: str, rng: Random
) -> str | None:
    """Wait for the moment and a little longer, then kill; what was killed, or None where the run ended first."""
    runner, until = psutil.Process(process.pid), time.monotonic() + PATIENCE
    wait = rng.random() ** 2
    while not there(out):
        if process.poll() is not None or time.monotonic() > until:
            return None
        time.sleep(0.001)
    time.sleep(wait)
    while process.poll() is None and time.monotonic() < until:
        if victims := _processes(runner, victim):
            with contextlib.suppress(psutil.NoSuchProcess):
                rng.choice(victims).kill()
                return victim
        time.sleep(0.001)
    return None


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a run comes to its end; what does not is ended."""
    try:
        process.wait(PATIENCE)
        return True
    except subprocess.TimeoutExpired:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            one.kill()
        process.wait()
        return False


def _digests(subject: Subject, out: Path) -> dict[str, str]:
    return {name: Folder(out / name).digest() for name in subject.folders}


def whole(name: str, place: Path) -> dict[str, str]:
    """Folder -> digest, of a run that nobody stops; done once below a place."""
    subject, out = SUBJECTS[name], place / f"{name}-whole"
    if not out.exists():
        process = start(subject.words(out, place), place / "log.txt")
        if not _ended(process) or process.returncode:
            raise RuntimeError(f"{name}: not even a run that nobody stops ends well; see {place / 'log.txt'}")
    return _digests(subject, out)


def attempt(name: str, rng: Random, place: Path, *, kills: int = 3) -> tuple[list[str], str | None]:
    """Run, kill and resume; what was hit, as 'saving kernel', and what went wrong, or None."""
    subject, expected = SUBJECTS[name], whole(name, place)
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as below:
        out, log = Path(below) / "out", Path(below) / "log.txt"
        hits: list[str] = []
        words = subject.words(out, place)
        for _ in range(kills):
            moment, victim = rng.choice(sorted(subject.moments)), rng.choice(VICTIMS)
            process = start(words, log)
            hit = _hit(process, out, subject.moments[moment], victim, rng)
            if not _ended(process):
                return hits, f"after {moment} {victim} was hit, the run hangs"
            if hit:
                hits.append(f"{moment} {hit}")
            elif process.returncode:
                return hits, f"a run that nobody hit ended with {process.returncode}: {_end_of(log)}"
        process = start(words, log)
        if not _ended(process) or process.returncode:
            return hits, f"after {', '.join(hits)} it does not go on: {_end_of(log)}"
        problems = [problem for folder_name in subject.folders for problem in Folder(out / folder_name).verify()]
        problems += [f"{path.name}: left behind" for path in out.rglob("*.part")]
        if problems or _digests(subject, out) != expected:
            return hits, f"after {', '.join(hits)} the bytes are others: {', '.join(problems[:3])}"
        return hits, None


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]
