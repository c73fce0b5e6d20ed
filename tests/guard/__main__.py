"""python -m tests.guard [--minutes N] [--only NAME ...] [--seed N]: the standing guard for as long as it is given.

Half of the time is for hostile files, shared by the readers, half for kills. The figures go to results/guard.csv and
docs/trust.md. What failed is printed with its seed: --only NAME --seed N --tries 1 repeats it.
"""

import argparse
import contextlib
import datetime
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.pages import between
from ofdb_core.base import files, provenance
from ofdb_core.data import tables

from . import kills, limits
from .readers import READERS

RESULTS, PAGE = provenance.PROJECT / "results" / "guard.csv", provenance.PROJECT / "docs" / "trust.md"
MARKS = ("<!-- figures -->", "<!-- end figures -->")
KILLS = {f"kill: {name}": name for name in kills.SUBJECTS}
STARTS = 300  # seconds for a process to start and to end


def _seeds(first: int, tries: int | None, seconds: float) -> Iterator[int]:
    """Seeds for as long as the time or the number lasts; always one."""
    until = time.monotonic() + seconds
    for i in itertools.count():
        if i and (time.monotonic() > until if tries is None else i >= tries):
            return
        yield first + i


def read(name: str, first: int, tries: int | None, seconds: float, place: Path) -> tuple[int, dict[int, str]]:
    """The number of attempts, and seed -> problem; in a process of its own, which a file may bring down."""
    words = [sys.executable, "-m", "tests.guard", "--only", name, "--seed", str(first), "--child", str(place)]
    words += ["--minutes", str(seconds / 60), *([] if tries is None else ["--tries", str(tries)])]
    with subprocess.Popen(words, cwd=provenance.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        limit = None if tries else seconds + STARTS
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs where no signal reaches it
            process.wait(limit)
        process.kill()
        told = process.communicate()[0].decode()
    problems: dict[int, str] = dict(json.loads(line) for line in told.splitlines())
    last = int((place / "seed").read_text()) if (place / "seed").exists() else first
    if process.returncode:
        problems[last] = f"the process died (status {process.returncode})"
    return last - first + 1, problems


def _child(name: str, options: argparse.Namespace) -> None:
    """Attempt after attempt; each problem is a line of JSON."""
    reader, place, real = READERS[name], Path(options.child), sys.stdout
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        reader.read(reader.put(reader.valid(), place / "valid"))
        for seed in _seeds(options.seed, options.tries, options.minutes * 60):
            (place / "seed").write_text(str(seed))
            if problem := limits.attempt(reader, Random(seed), place):
                print(json.dumps([seed, problem]), file=real, flush=True)


def kill(name: str, first: int, tries: int | None, seconds: float, place: Path) -> tuple[int, dict[int, str]]:
    """The number of processes that were killed, and seed -> problem."""
    count, problems = 0, {}
    kills.whole(name, place)
    for seed in _seeds(first, tries, seconds):
        hits, problem = kills.attempt(name, Random(seed), place)
        print(f"    seed {seed}: {', '.join(hits) or 'nothing was hit'}", flush=True)
        count += len(hits)
        if problem:
            problems[seed] = problem
    return count, problems


def table(rows: list[tables.Row]) -> str:
    """The page's table, from the rows of results/guard.csv."""
    lines = ["| what | tried | failed | seconds | commit |", "|---|---|---|---|---|"]
    names = ("name", "tried", "failed", "seconds", "commit")
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    machines = sorted({row["machine"] for row in rows})
    return "\n".join([*lines, "", f"Made by `python -m tests.guard` on: {'; '.join(machines)}."])


def _keep(rows: list[tables.Row]) -> None:
    """Write rows into results/guard.csv, beside those of other names, and the table into the page."""
    before = {row["name"]: row for row in (tables.read(RESULTS) if RESULTS.exists() else [])}
    every = {**before, **{row["name"]: row for row in rows}}
    kept = [every[name] for name in (*READERS, *KILLS) if name in every]
    tables.write(RESULTS, kept)
    files.write_whole(PAGE, between(PAGE.read_text(), MARKS, table(kept)))


def main() -> int:
    every = [*READERS, *KILLS]
    parser = argparse.ArgumentParser(prog="python -m tests.guard", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only", nargs="+", choices=every, metavar="NAME", help="; ".join(every))
    parser.add_argument("--seed", type=int, default=Random().randrange(2**32), help="of the first attempt")
    parser.add_argument("--tries", type=int, help="of each, instead of a time; nothing is written then")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.only[0], options)
        return 0
    chosen, rows, about = options.only or every, [], _about()
    kinds = [[name for name in chosen if name in group] for group in (READERS, KILLS)]
    for group in kinds:
        for name in group:
            seconds = options.minutes * 60 / len(group) / sum(1 for some in kinds if some)
            began, how = time.monotonic(), (options.seed, options.tries, seconds)
            with tempfile.TemporaryDirectory(prefix="ofdb-guard-") as place:
                tried, problems = (
                    kill(KILLS[name], *how, Path(place)) if name in KILLS else read(name, *how, Path(place))
                )
            took = time.monotonic() - began
            print(f"{name}: {tried} tried, {len(problems)} failed, from seed {options.seed}", flush=True)
            for seed, problem in list(problems.items())[:20]:
                print(f"    seed {seed}: {problem}", flush=True)
            row = {"name": name, "tried": tried, "failed": len(problems), "seconds": round(took), "seed": options.seed}
            rows.append({**row, **about})
    if options.tries is None:
        _keep(rows)
    return 1 if any(row["failed"] for row in rows) else 0


def _about() -> dict[str, Any]:
    versions = " ".join(f"{name}={version}" for name, version in provenance.versions().items())
    about = {"date": datetime.date.today().isoformat(), "commit": provenance.commit(), "machine": provenance.machine()}
    return {**about, "versions": versions}


if __name__ == "__main__":
    sys.exit(main())
