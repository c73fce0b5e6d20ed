"""docs/how-to.md: each task is done as the page says, by its own commands."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ofdb_core.base import provenance
from ofdb_core.base.folder import Folder
from ofdb_core.data import samples, tables

TEXT = (provenance.PROJECT / "docs" / "how-to.md").read_text(encoding="utf-8")
TASKS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def blocks(task, language):
    """The blocks of code below a heading."""
    return re.findall(rf"```{language}\n(.*?)```", TASKS[task], re.DOTALL)


def run(place, *commands):
    for command in commands:
        subprocess.run(["bash", "-euc", command], cwd=place, check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of a user's: their photos, and the command."""
    place = tmp_path_factory.mktemp("user")
    script = place / "run_all.sh"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m ofdb_core "$@"\n')
    script.chmod(0o755)
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name, shade in (("dark", 40), ("light", 200)):
            (place / "photos" / part / name).mkdir(parents=True)
            for i in range(8):
                pixels = np.clip(rng.normal(shade, 20, (30, 40, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / "photos" / part / name / f"{i}.jpg")
    return place


@pytest.mark.slow
def test_my_own_systems_my_own_images_and_what_is_taken_along(place):
    run(place, *blocks("Make a data set of my own systems", "bash"))
    assert sorted(path.name for path in (place / "plants").iterdir()) == ["fern.csv", "triangle.csv"]
    images = samples.Images.from_folder(place / "runs" / "plants" / "images")
    assert images.classes == ["fern", "triangle"]
    run(place, *blocks("Draw a picture for a wall, or a film for a talk", "bash"))
    assert max(Image.open(place / "fern.png").size) == 1000
    assert [Image.open(place / name).n_frames for name in ("sway.webp", "turn.gif")] == [12, 12]
    assert "<polygon" in (place / "maps.svg").read_text()
    run(place, *blocks("Open my systems in Apophysis or Fractint", "bash"))
    assert sorted(path.name for path in (place / "plants-again").iterdir()) == ["fern.csv", "triangle.csv"]
    run(place, *blocks("Pre-train on a few classes", "bash"))
    for name in ("plants", "plants-live"):
        assert Folder(place / "runs" / name / "pretrain").verify() == []
    run(place, *blocks("Fine-tune on my own images", "bash"))
    rows = tables.read(place / "runs" / "photos" / "finetune" / "predictions.csv")
    assert {row["file"] for row in rows} == {f"{name}/{i}.jpg" for name in ("dark", "light") for i in range(8)}
    assert np.mean([row["class"] == row["predicted"] for row in rows]) > 0.9
    run(place, *blocks("Name the classes of my pictures", "bash"))
    rows = tables.read(place / "runs" / "named" / "predictions" / "predictions.csv")
    assert np.mean([row["class"] in row["file"] for row in rows]) > 0.9
    assert len(rows) == 32
    run(place, *blocks("Name my pictures by examples, without training", "bash"))
    rows = tables.read(place / "runs" / "memory" / "predictions" / "predictions.csv")
    assert np.mean([row["nearest"].split("/")[0] == row["class"] for row in rows]) > 0.9
    named = re.findall(r"^\| `(runs/[\w/.]+)", TASKS["Take the results along"], re.MULTILINE)
    assert [name for name in named if not (place / name).exists()] == ["runs/photos/trackers/"]  # only with a tracker


@pytest.mark.slow
def test_a_loop_of_my_own(place):
    (code,) = blocks("Get batches for a training loop of my own", "python")
    assert len([line for line in code.splitlines() if line]) <= 4
    done = subprocess.run([sys.executable, "-P", "-c", f"import torchvision\n{code}"], cwd=place, capture_output=True)
    assert done.stdout.decode().splitlines() == ["torch.Size([8, 3, 64, 64]) torch.Size([8, 2])"] * 2


def test_fractals_are_mixed_into_a_loop_of_my_own(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    if not (place / "plants").exists():
        run(place, blocks("Make a data set of my own systems", "bash")[0].partition("./run_all.sh")[0])
    (code,) = blocks("Mix fractals into a training loop of my own", "python")
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(code, {})
    shapes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("torch")]
    assert shapes == ["torch.Size([8, 3, 64, 64]) torch.Size([8])"] * 2


def test_a_view_is_kept_by_the_call_on_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(blocks("Take the results along", "python")[0], {})
    assert Image.open("mine.png").size == (800, 800)
