"""python -m benchmarks [case ...] [--sizes N ...] [--runs N]: tables, as CSV in results/ and in the pages.

The kernels' cases are in `cases` and `samples`, a file of results each; those of training in `training`.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import pages, training
from benchmarks.cases import CASES
from ofdb_core.base import provenance
from ofdb_core.data import tables

HEADINGS = (
    "case",
    "size",
    "runs",
    "median_s",
    "min_s",
    "max_s",
    "peak_mb",
    "ms_each",
    "baseline_ms_each",
    "times_faster",
)

TRAINING_HEADINGS = (
    "case",
    "device",
    "precision",
    "batch",
    "workers",
    "ofdb_steps_per_s",
    "timm_steps_per_s",
    "constant_steps_per_s",
    "times_faster",
    "of_constant",
)
KEY = ("case", "device", "size", "batch")  # a measurement replaces the one of the same work


def in_a_process(module, *words, **environment):
    """A measurement in a process of its own, as `module` prints it; what goes wrong there is shown."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)]
    where = {**os.environ, **environment}
    told = subprocess.run(command, capture_output=True, text=True, cwd=provenance.PROJECT, env=where)
    if told.returncode:
        sys.exit(f"{' '.join(command[3:])} failed:\n{told.stderr}")
    return json.loads(told.stdout.splitlines()[-1])


def measure(case, size, runs):
    """The row of the table, from n runs in processes of their own."""
    found = [in_a_process("cases", case, size) for _ in range(runs)]
    seconds = [one["seconds"] for one in found]
    each = statistics.median(seconds) / found[0]["items"]
    baseline = statistics.median(one["baseline"] for one in found) if found[0]["baseline"] else None
    return {
        "case": case,
        "size": size,
        "runs": runs,
        "median_s": f"{statistics.median(seconds):.4g}",
        "min_s": f"{min(seconds):.4g}",
        "max_s": f"{max(seconds):.4g}",
        "peak_mb": round(max(one["peak_mb"] for one in found)),
        "disk_mb": f"{found[0]['disk_mb']:.4g}" if found[0]["disk_mb"] else "",
        "each": found[0]["unit"],
        **_memory([one["memory_mb"] for one in found]),
        "ms_each": f"{each * 1000:.4g}",
        "baseline_ms_each": f"{baseline * 1000:.4g}" if baseline else "",
        "times_faster": f"{baseline / each:.4g}" if baseline else "",
    }


def _memory(found):
    """Columns of the memory of all processes, where it was measured."""
    if not all(found):
        return {}
    ours, theirs = (statistics.median(each) for each in zip(*found, strict=True))
    return {"memory_mb": round(ours), "baseline_memory_mb": round(theirs)}


def measure_training(case, batch, runs):
    """The row of the table of training: n runs with each trainer, in turns, and a profiled one.

    The first run of a trainer compiles from nothing, and the others find what it left.
    """
    found: dict[str, list[Any]] = {trainer: [] for trainer in training.TRAINERS}
    with tempfile.TemporaryDirectory() as root:
        caches = {trainer: {"TORCHINDUCTOR_CACHE_DIR": f"{root}/{trainer}"} for trainer in found}
        for _ in range(runs):
            for trainer, cache in caches.items():
                found[trainer].append(in_a_process("training", case, batch, trainer, "speed", **cache))
        shares = {
            trainer: in_a_process("training", case, batch, trainer, "shares", CUDA_LAUNCH_BLOCKING="1", **cache)
            for trainer, cache in caches.items()
        }
    one = found["ofdb"][0]
    row = {"case": case, "device": one["device"], "precision": one["precision"], "batch": batch}
    row |= {"workers": one["workers"], "steps": one["steps"], "runs": runs}
    speeds = {trainer: [run["steps_per_s"] for run in rounds] for trainer, rounds in found.items()}
    for trainer, rounds in found.items():
        row |= {
            f"{trainer}_steps_per_s": f"{statistics.median(speeds[trainer]):.4g}",
            f"{trainer}_min": f"{min(speeds[trainer]):.4g}",
            f"{trainer}_max": f"{max(speeds[trainer]):.4g}",
            f"{trainer}_first_step_s": f"{rounds[0]['first_step_s']:.4g}",
            f"{trainer}_peak_mb": round(max(run["peak_mb"] for run in rounds)),
            **{f"{trainer}_{part}": f"{share:.3f}" for part, share in shares[trainer].items()},
        }
    ratios = {
        name: statistics.median(speeds["ofdb"]) / statistics.median(speeds[name]) for name in ("timm", "constant")
    }
    return {**row, "times_faster": f"{ratios['timm']:.4g}", "of_constant": f"{ratios['constant']:.4g}"}


def _print(cells):
    print("  ".join(f"{cell:>16}" for cell in cells), flush=True)


def _keep(path, rows):
    """Write rows into a file of results, beside those of other work."""

    def key(row):
        return tuple(row.get(name) for name in KEY)

    new = {key(row) for row in rows}
    others = [row for row in (tables.read(path) if path.exists() else []) if key(row) not in new]
    tables.write(path, sorted([*others, *rows], key=key))


def main():
    every = [*CASES, *training.CASES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *every], metavar="case", help=", ".join(every))
    parser.add_argument("--sizes", nargs="+", type=int, help="instead of each case's own; of training: the batch")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": provenance.commit(),
        "machine": provenance.machine(),
        "versions": " ".join(f"{name}={version}" for name, version in provenance.versions().items()),
    }
    heading: tuple[str, ...] = ()
    for case in options.cases or every:
        if case in CASES:
            names, measured, sizes, file = HEADINGS, measure, CASES[case][1], case
        else:
            sizes = [training.CASES[case][2][training.KIND]]
            names, measured, file = TRAINING_HEADINGS, measure_training, "training"
        if names != heading:
            heading = names
            _print(heading)
        for size in options.sizes or sizes:
            row = measured(case, size, options.runs)
            _print(row[name] for name in heading)
            _keep(pages.RESULTS / f"{file}.csv", [{**row, **about}])
    pages.write_tables()


if __name__ == "__main__":
    main()
