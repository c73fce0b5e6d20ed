"""python -m benchmarks.gpu [--minutes M] [--tiny]: what a machine with a GPU shows in some minutes.

Whether batches that are finished on the GPU have the CPU's bits; the steps a second of `benchmarks.training`, in
results/gpu.csv, for at most half of the time; and for the rest ViT-Tiny on 2D-OFDB-1k in runs/gpu, with milestones,
which `python -m benchmarks.frozen runs/gpu digits` reads afterwards on any machine. --tiny tries all of it on a CPU.
"""

import argparse
import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from benchmarks import __main__ as measuring
from benchmarks import prepared, training
from benchmarks.pages import RESULTS
from ofdb_core.base import project, provenance
from ofdb_core.batches.prefetch import prefetch
from ofdb_core.batches.source import Batches
from ofdb_core.data import tables

STEPS = 20  # batches that are compared
PROGRAM = (sys.executable, "-m", "ofdb_core")
STOPPED = 75  # the status of a training that was stopped, with its state saved
EXPERIMENT = ("2d-ofdb-1k", "1_search_categories", "2_render_2d", "4_pretrain")
MILESTONES = ("-p", "milestones", str([125 * 2**i for i in range(11)]))  # up to 128,000 steps
TINY = (
    *("-p", "categories", "8", "-p", "batch_size", "4", "-p", "steps", "2", "-p", "warmup_steps", "1"),
    *("-p", "milestones", "[1]", "-p", "required_gain", "0"),
)


def differing(batch, images):
    """The number of the first batches of a recipe whose bits are not those that the CPU makes, one by one."""
    how, root = training.recipe_of("train_tiny", batch), prepared.released(images)
    source = Batches(how.opened(how.data, root), how, seed=how.seed)
    device = "cuda" if training.KIND == "GPU" else "cpu"
    found = 0
    for step, made in enumerate(prefetch(source, STEPS, workers=training.WORKERS, device=device)):
        found += not all(torch.equal(one.cpu(), other) for one, other in zip(made, source.batch(step), strict=True))
    return found


def speeds(cases, batch, images, until):
    """A row for each case and trainer, as long as there is time; batch: in place of each case's own."""
    for case, trainer in itertools.product(cases, training.TRAINERS):
        if time.monotonic() < until:
            size = batch or training.CASES[case][2][training.KIND]
            row = {"case": case, "trainer": trainer, "batch": size}
            yield {**row, **measuring.in_a_process("training", case, size, trainer, "speed", images)}
        else:
            print(f"{case}, {trainer}: left out, no time", flush=True)


def pretrain(out, words, seconds):
    """Run the experiment with these words until it ends, or is stopped after these seconds."""
    command = [*PROGRAM, *EXPERIMENT, "--out", str(out), *words]
    with subprocess.Popen(command) as process:
        try:
            status = process.wait(max(1, seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            status = process.wait()
    if status not in (0, STOPPED, -signal.SIGTERM):  # the last: before it had begun
        raise SystemExit(f"{' '.join(command)} ended with status {status}")


def main(out, minutes, tiny):
    """Do all of it; the speeds are written before the pre-training begins."""
    began = time.monotonic()
    cases, batch, images = (["train_tiny"], 2, 8) if tiny else ([*training.CASES], None, 1000)
    differ = differing(batch or 256, images)
    print(f"batches made on the {training.KIND}: {differ} of {STEPS} differ from the CPU's bits", flush=True)
    about = {"differing_batches": differ, "commit": provenance.commit(), "machine": provenance.machine()}
    rows = []
    for row in speeds(cases, batch, images, began + 30 * minutes):
        print(row, flush=True)
        rows.append({**row, **about})
        tables.write(RESULTS / "gpu.csv", rows)
    pretrain(out, TINY if tiny else MILESTONES, began + 60 * minutes - time.monotonic())
    print(f"{out}: python -m benchmarks.frozen {out} digits")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=project.RUNS / "gpu", help="the folder of the pre-training")
    parser.add_argument("--minutes", type=float, default=9.0, help="all of it, less the seconds of stopping (9)")
    parser.add_argument("--tiny", action="store_true", help="one case, small batches, two steps: a try on a CPU")
    asked = parser.parse_args()
    main(asked.out, asked.minutes, asked.tiny)
