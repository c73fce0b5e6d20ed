"""python -m benchmarks.cluster [--categories N]: the same images by one worker of a cluster, and by two, in turns.

FractalDB as published (362 px), a thousand images of each category. Only a machine with two free cores tells anything.
Writes results/cluster.csv and the table in docs/machines.md.
"""

import argparse
import contextlib
import statistics
import tempfile
import time

from benchmarks import pages, prepared
from ofdb_core.base import cluster, files, provenance
from ofdb_core.data import tables
from ofdb_core.families import fractaldb

TURNS, WORKERS = 2, (1, 2)
MARKS = ("<!-- cluster -->", "<!-- end cluster -->")


def seconds(categories, workers):
    """The seconds of a rendering by so many workers, after a first one, of a category, that compiles."""
    found = prepared.categories(categories)
    with contextlib.ExitStack() as stack:
        stack.enter_context(cluster.started(f"local:{workers}"))
        for count in (1, categories):
            out = stack.enter_context(tempfile.TemporaryDirectory())
            began = time.perf_counter()
            fractaldb.write(fractaldb.Render(out=out, systems=str(found), categories=count))
            spent = time.perf_counter() - began
    return spent


def measure(categories):
    """A row for each number of workers: images a second (median), and of what so many would do without any loss."""
    turns = [{workers: seconds(categories, workers) for workers in WORKERS} for _ in range(TURNS)]
    rates = {workers: 1000 * categories / statistics.median(turn[workers] for turn in turns) for workers in WORKERS}
    about = {"images": 1000 * categories, "commit": provenance.commit(), "machine": provenance.machine()}
    efficiency = {workers: rates[workers] / workers / rates[1] for workers in WORKERS}
    return [
        {"workers": workers, "images_per_s": f"{rate:.0f}", "efficiency": f"{efficiency[workers]:.2f}", **about}
        for workers, rate in rates.items()
    ]


def table(rows):
    """The table of docs/machines.md."""
    lines = ["| workers | images a second | efficiency |", "|---|---|---|"]
    lines += [f"| {row['workers']} | {row['images_per_s']} | {row['efficiency']} |" for row in rows]
    return "\n".join([*lines, "", f"{rows[0]['images']} images of FractalDB; {rows[0]['machine']}."])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--categories", type=int, default=10)
    measured = measure(parser.parse_args().categories)
    tables.write(pages.RESULTS / "cluster.csv", measured)
    page = provenance.PROJECT / "docs" / "machines.md"
    files.write_whole(page, pages.between(page.read_text(encoding="utf-8"), MARKS, table(measured)))
