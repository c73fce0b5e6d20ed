"""python -m benchmarks.robustness SWEEP ...: what the trainings of `params/study-mixing.yaml` stand.

SWEEP: a folder of `./run_all.sh sweep study-mixing -p variant ...`. 200 test images are corrupted once, as
`evaluate -p corruptions all` does it, and shown to the last weights of every training. Adds to results/study/mixing.csv
the trainings that it lacks, one by one, and writes the table of docs/robustness.md after each: it can be stopped.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks import pages
from ofdb_core.base import provenance
from ofdb_core.batches.corruptions import Corruption
from ofdb_core.batches.recipe import CORRUPTIONS, STRENGTHS
from ofdb_core.batches.source import Plain
from ofdb_core.data import real_images, tables
from ofdb_core.data.samples import Images
from ofdb_core.run import plain_yaml
from ofdb_core.stages import evaluate
from ofdb_core.stages.inference import Evaluate
from ofdb_core.training import evaluation

MOST = 200  # test images that are looked at, evenly spread over all
FILE = pages.RESULTS / "study" / "mixing.csv"
KEY = ("data", "variant", "steps", "repeat")  # of a training


def suffering(test, inference, strengths=STRENGTHS):
    """Corruption -> the pictures that a network sees of the test images under it; None: as they are."""
    order = [None, *(Corruption(name, strength) for name in CORRUPTIONS for strength in strengths)]
    found = {}
    for how in order:
        source = Plain(test, inference, corruption=how)
        seen = np.concatenate([source.raw_batch(step).pictures.numpy() for step in range(len(source))])
        found[how] = Images(seen[..., 0] if seen.shape[3] == 1 else seen, test.labels, test.classes)
    return found


def judged(model, inference, pictures):
    """Errors and calibration errors of a network, clean and in the mean over what the pictures suffer; and by name."""
    rows = []
    for how, images in pictures.items():
        guessed = evaluation.guess(model, images, inference)
        wrong = 1 - evaluation.accuracy(guessed.classes, images.labels)
        of = {"error": wrong, **evaluation.calibration(guessed, images.labels)}
        rows.append({"name": how.name if how else None, **of})
    found = {}
    for column in ("error", "rms", "ece"):
        found[f"clean_{column}"] = rows[0][column]
        found[f"corrupted_{column}"] = np.mean([row[column] for row in rows if row["name"]])
    for name in dict.fromkeys(row["name"] for row in rows[1:]):
        found[f"error_{name}"] = np.mean([row["error"] for row in rows if row["name"] == name])
    return {column: round(float(value), 5) for column, value in found.items()}


def measure(sweep, known=(), strengths=STRENGTHS):
    """A row for each training of a sweep's finished cells that is not among the known rows, one by one."""
    pictures, had = None, [tuple(row[name] for name in KEY) for row in known]
    for cell in sorted((sweep / "cells").glob("variant=*")):
        if not (cell / "finetune" / "results.csv").is_file():
            print(f"{cell}: not finished, left out")
            continue
        settings = plain_yaml.parse((cell / "5_finetune.yaml").read_bytes())
        for row in tables.read(cell / "finetune" / "results.csv"):
            about = {"data": Path(settings["data"]).name, "variant": cell.name.partition("=")[2]}
            about |= {"steps": settings["steps"], "repeat": row["repeat"]}
            if tuple(about.values()) in had:
                continue
            file = f"from-scratch_{row['shots'] or 'all'}_{row['repeat']}"
            opened, inference = evaluate.opened(Evaluate(checkpoint=str(cell / "finetune" / file), batch_size=256))
            if pictures is None:
                test = real_images.images_of(settings["data"], None, inference.reading(), inference.reading())[1]
                every = -(-len(test) // MOST)
                few = Images(test.items[::every], test.labels[::every], test.classes, reading=inference.reading())
                pictures = suffering(few, inference, strengths)
            judgement = judged(opened.network()[0], inference, pictures)
            yield {**about, "test_images": len(pictures[None]), **judgement}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sweeps", nargs="+", type=Path)
    where = {"commit": provenance.commit(), "machine": provenance.machine()}
    rows = tables.read(FILE) if FILE.is_file() else []
    for sweep in parser.parse_args().sweeps:
        for row in measure(sweep, tuple(rows)):
            rows.append({**row, **where})
            tables.write(FILE, rows)
            pages.write_tables()
            print(rows[-1], flush=True)
    pages.write_tables()
