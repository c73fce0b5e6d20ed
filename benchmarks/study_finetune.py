"""python -m benchmarks.study_finetune SWEEP: what fine-tuning makes of the study's pre-trainings.

SWEEP: a folder of `./run_all.sh sweep study-finetune`. Adds its cells to results/study/finetune.csv, a row for each
evaluation of each training, and writes the table and figure of docs/study.md.
"""

import argparse
from pathlib import Path

from benchmarks import pages, study_figures, study_pages
from benchmarks.study import kind, seed_of
from ofdb_core.base import provenance
from ofdb_core.data import tables


def curves(sweep):
    """A row for each evaluation of each training of the finished cells: kind, seed, start, rate, step, accuracy."""
    for cell in sorted(path.parents[1] for path in sweep.glob("cells/*/finetune/results.csv")):
        trainings = {row["name"]: row for row in tables.read(cell / "finetune" / "results.csv")}
        for row in tables.read(cell / "finetune" / "evaluations.csv"):
            known = trainings[row["name"]]
            about = {"kind": kind(cell), "seed": seed_of(cell), "start": known["start"]}
            yield about | {"learning_rate": known["learning_rate"], "step": row["step"], "accuracy": row["accuracy"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study_finetune", description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path, help="the folder of a sweep of study-finetune")
    about = {"commit": provenance.commit(), "machine": provenance.machine()}
    found = [{**row, **about} for row in curves(parser.parse_args().sweep)]
    known = {(row["kind"], row["seed"]) for row in found}
    before = tables.read(study_pages.TUNED) if study_pages.TUNED.is_file() else []
    others = [row for row in before if (row["kind"], row["seed"]) not in known]
    tables.write(study_pages.TUNED, others + found)
    study_figures.draw()
    pages.write_tables()
