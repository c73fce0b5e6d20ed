"""python -m benchmarks.shipped [RUN]: take a finished pre-training into the package, as ofdb:<name of the run>.

Its weights, their model card and config.json, and the record of the run that made them.
"""

import argparse
import json
from pathlib import Path

from ofdb_core.base import project, record
from ofdb_core.base.folder import Folder
from ofdb_core.training import places

FILES = (places.WEIGHTS, places.CONFIG, "README.md")
STAGES = ("1_search_categories", "4_pretrain")


def write(run):
    """Copy the files of a finished pre-training that are as they were written."""
    results, entries, target = Folder(run / "pretrain"), record.read(run), places.SHIPPED / run.name
    if problems := results.verify(entries["4_pretrain"]["writes"]["pretrain"]):
        raise SystemExit(f"{results.root}: {problems[0]}")
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (target / name).write_bytes((results.root / name).read_bytes())
    kept = {stage: entries[stage] for stage in STAGES if stage in entries}
    (target / record.FILE).write_text(json.dumps(kept, indent=1) + "\n")
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shipped", description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=project.RUNS / "small")
    print(write(parser.parse_args().run))
