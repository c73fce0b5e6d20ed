"""python -m benchmarks [case ...] [--sizes N ...] [--runs N]: a table, also as results/<case>.csv and in the README."""

import argparse
import datetime
import json
import statistics
import subprocess
import sys

from benchmarks.cases import CASES
from ofdb_core import record

RESULTS = record.PROJECT / "results"
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

MARKS = ("<!-- benchmarks -->", "<!-- end -->")


def _one(case, size):
    """A measurement in a process of its own, as `cases` prints it; what goes wrong there is shown."""
    words = [sys.executable, "-m", "benchmarks.cases", case, str(size)]
    told = subprocess.run(words, cwd=record.PROJECT, capture_output=True, text=True)
    if told.returncode:
        sys.exit(f"{case} {size} failed:\n{told.stderr}")
    return json.loads(told.stdout.splitlines()[-1])


def measure(case, size, runs):
    """The row of the table, from so many runs in processes of their own."""
    found = [_one(case, size) for _ in range(runs)]
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
        "ms_each": f"{each * 1000:.4g}",
        "baseline_ms_each": f"{baseline * 1000:.4g}" if baseline else "",
        "times_faster": f"{baseline / each:.4g}" if baseline else "",
    }


def table():
    """The README's table, as text, from results/*.csv."""
    names = ("case", "size", "median_s", "peak_mb", "disk_mb", "ms_each", "baseline_ms_each", "times_faster")
    lines = [
        "| case | size | seconds (median) | peak MB | files, MB | ms for one | plain Python, ms | times faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    machines = set()
    for path in sorted(RESULTS.glob("*.csv")):
        for row in record.read_csv(path):
            unit = {"ms_each": f" ({row['each']})"}
            lines.append("| " + " | ".join(f"{row[name]}{unit.get(name, '')}" for name in names) + " |")
            machines.add(row["machine"])
    return "\n".join([*lines, "", f"Measured on: {'; '.join(sorted(machines))}."])


def write_readme():
    """Put the table between its two marks in the README."""
    path = record.PROJECT / "README.md"
    before, _, rest = path.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    record.write_whole(path, f"{before}{MARKS[0]}\n{table()}\n{MARKS[1]}{after}")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="case", help=", ".join(CASES))
    parser.add_argument("--sizes", nargs="+", type=int, help="instead of each case's own sizes")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    about = {
        "date": datetime.date.today().isoformat(),
        "commit": record.commit(),
        "machine": record.machine(),
        "versions": " ".join(f"{name}={version}" for name, version in record.versions().items()),
    }
    print("  ".join(f"{name:>16}" for name in HEADINGS))
    for case in options.cases or CASES:
        rows = [measure(case, size, options.runs) for size in options.sizes or CASES[case][1]]
        for row in rows:
            print("  ".join(f"{row[name]:>16}" for name in HEADINGS), flush=True)
        path, sizes = RESULTS / f"{case}.csv", [row["size"] for row in rows]
        others = [row for row in (record.read_csv(path) if path.exists() else []) if row["size"] not in sizes]
        rows = sorted([*others, *({**row, **about} for row in rows)], key=lambda row: row["size"])
        record.write_csv(path, rows)
    write_readme()


if __name__ == "__main__":
    main()
