"""The tables of the pages, as text, from results/*.csv; `write_tables` puts each between its two marks in its page."""

from collections.abc import Callable

from benchmarks import published, samples, study_pages, training
from benchmarks.cases import CASES
from ofdb_core.base import files, provenance
from ofdb_core.data import tables
from ofdb_core.training import intervals

RESULTS = provenance.PROJECT / "results"
MARKS = ("<!-- benchmarks -->", "<!-- end -->")
TRAINING_MARKS = ("<!-- training -->", "<!-- end training -->")
SAMPLE_MARKS = ("<!-- samples -->", "<!-- end samples -->")
QUICKSTART_MARKS = ("<!-- quickstart -->", "<!-- end quickstart -->")


def _measured_on(rows):
    return f"Measured on: {'; '.join(sorted({row['machine'] for row in rows}))}."


def table():
    """The table of the kernels in docs/results.md, as text, from results/*.csv."""
    names = ("case", "size", "median_s", "peak_mb", "disk_mb", "ms_each", "baseline_ms_each", "times_faster")
    lines = [
        "| case | size | seconds (median) | peak MB | files, MB | ms for one | plain Python, ms | times faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    measured = []
    for path in sorted(RESULTS.glob("*.csv")):
        for row in tables.read(path) if path.stem in CASES.keys() - samples.CASES.keys() else []:
            unit = {"ms_each": f" ({row['each']})"}
            lines.append("| " + " | ".join(f"{row[name]}{unit.get(name, '')}" for name in names) + " |")
            measured.append(row)
    return "\n".join([*lines, "", _measured_on(measured)])


def sample_table():
    """The table of docs/samples.md, as text, from results/sample_*.csv."""
    lines = ["| case | size | ms | timm, ms | times faster | MB | timm, MB |", "|---|---|---|---|---|---|---|"]
    names, measured = ("case", "size", "ms_each", "baseline_ms_each", "times_faster"), []
    for case in samples.CASES:
        path = RESULTS / f"{case}.csv"
        for row in tables.read(path) if path.exists() else []:
            memory = [row.get(name, "") for name in ("memory_mb", "baseline_memory_mb")]
            lines.append("| " + " | ".join(map(str, [*(row[name] for name in names), *memory])) + " |")
            measured.append(row)
    return "\n".join([*lines, "", _measured_on(measured)])


def _share(value):
    return "" if value in (None, "") else f"{value:.0%}"


def _percent(row, trainer):
    return " / ".join(f"{row[f'{trainer}_{part}']:.0%}" for part in training.PARTS)


def _training_rows():
    path = RESULTS / "training.csv"
    return tables.read(path) if path.exists() else []


def training_table():
    """The table of steps in docs/results.md, as text, from results/training.csv; what that lacks was not measured."""
    parts = " / ".join(training.PARTS)
    lines = [
        f"| case | device | batch | steps/s | of a constant batch's | timm, steps/s | {parts} | timm: {parts} | "
        "first step, s | peak MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = _training_rows()
    for kind in ("CPU", "GPU"):
        for case, (_, _, batches) in training.CASES.items():
            found = [row for row in rows if row["case"] == case and (row["device"] == "CPU") == (kind == "CPU")]
            if not found:
                lines.append(f"| {case} | {kind} | {batches[kind]} | not measured |" + " |" * 6)
            for row in found:
                cells = [case, f"{row['device']}, {row['precision']}", row["batch"]]
                cells += [row["ofdb_steps_per_s"], _share(row.get("of_constant")), row["timm_steps_per_s"]]
                cells += [_percent(row, "ofdb"), _percent(row, "timm"), row["ofdb_first_step_s"], row["ofdb_peak_mb"]]
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, "", _measured_on(rows)])


def quickstart_table():
    """What came of the quickstart, for README.md, from results/quickstart/accuracy.csv (`benchmarks.tour`)."""
    rows = tables.read(RESULTS / "quickstart" / "accuracy.csv")
    names = {
        "pre-trained": "pre-trained on fractals for a minute, then fine-tuned",
        "shipped": "`ofdb:small`, pre-trained for longer, then fine-tuned",
        "from scratch": "the same network from scratch",
        "raw pixels, nearest neighbour": "no network: nearest neighbour of raw pixels",
        "raw pixels, logistic regression": "no network: logistic regression of raw pixels",
    }
    frozen = {"pre-trained": "the pre-trained network", "shipped": "`ofdb:small`", "random weights": "random weights"}
    for start, text in frozen.items():
        names[f"frozen, {start}, middle block, logistic regression"] = (
            f"logistic regression of tokens of {text}, frozen"
        )
    one, known = rows[0], {row["method"]: row for row in rows}
    late = ", ".join(f"{known[method]['late']:+.1f}" for method in ("pre-trained", "shipped", "from scratch"))
    shown = [(text, known[method]) for method, text in names.items()]
    lines = [
        f"| {one['shots']} images a class, {one['steps']} steps | correct of {one['test_images']} |",
        "|---|---|",
        *(f"| {text} | {row['mean']:.1%} ± {row['std']:.1%} |" for text, row in shown),
        "",
        f"Mean and standard deviation of {one['repeats']} repeats, with one pre-training each. Minus the network from "
        f"scratch: after a minute {one['difference']}; `ofdb:small` {known['shipped']['difference']}. In the last "
        f"third of the steps the three still gained {late} points. The notebooks of the quickstart "
        f"worked for {one['minutes']:.0f} minutes, beside the start of their kernels "
        f"({one['machine']}, {one['date']}).",
    ]
    return "\n".join(lines)


def frozen_table():
    """What frozen features of ofdb:small tell, for docs/evidence.md, from results/frozen/small.csv."""
    rows = tables.read(RESULTS / "frozen" / "small.csv")
    most, reading = max(row["samples"] for row in rows if row["samples"] != ""), "tokens of the middle block"
    wanted = {"raw pixels": ("raw pixels", ""), "random weights": (reading, 0), "ofdb:small": (reading, most)}
    lines = [f"| images, a class to train on | judge | {' | '.join(wanted)} |", f"|---|---|{'---|' * len(wanted)}"]
    for data, judge in dict.fromkeys((row["data"], row["judge"]) for row in rows):
        of = [row for row in rows if (row["data"], row["judge"]) == (data, judge)]
        found = [[row["accuracy"] for row in of if (row["reading"], row["samples"]) == key] for key in wanted.values()]
        distinct = [values if len(set(values)) > 1 else values[:1] for values in found]  # draws of all images are one
        cells = " | ".join(map(intervals.mean_of, distinct))
        lines.append(f"| {data}, {of[0]['shots']}; {of[0]['test_images']} to test | {judge} | {cells} |")
    one = rows[0]
    return "\n".join([*lines, "", f"After {most:,} samples; {one['machine']}, {one['commit'][:7]}."])


def control_table():
    """The same of a control at an equal budget, the fractals' dots scattered, from results/frozen/scattered.csv."""
    every = {name: tables.read(RESULTS / "frozen" / f"{name}.csv") for name in ("small", "scattered")}
    seen = max(row["samples"] for row in every["scattered"] if row["samples"] != "")
    lines = ["| images, a class to train on | judge | fractals | the same dots, scattered |", "|---|---|---|---|"]
    for data, judge in dict.fromkeys((row["data"], row["judge"]) for row in every["scattered"]):
        key = data, judge, "tokens of the middle block", seen
        found = [
            [row for row in rows if (row["data"], row["judge"], row["reading"], row["samples"]) == key]
            for rows in every.values()
        ]
        cells = " | ".join(intervals.mean_of([row["accuracy"] for row in rows]) for rows in found)
        lines.append(f"| {data}, {found[0][0]['shots']}; {found[0][0]['test_images']} to test | {judge} | {cells} |")
    one = every["scattered"][0]
    return "\n".join([*lines, "", f"After {seen:,} samples each; {one['machine']}, {one['commit'][:7]}."])


def _place(name, first):
    """A key to sort names by: some of them first, in their order."""
    return (first.index(name), "") if name in first else (len(first), name)


def robustness_table():
    """What the study of mixing pictures found, for docs/robustness.md, from results/study/mixing.csv."""
    path = RESULTS / "study" / "mixing.csv"
    rows = tables.read(path) if path.is_file() else []
    error, columns = "corrupted_error", ("clean_error", "corrupted_rms", "corrupted_ece")
    against = ("plain", "fractals")
    heads = (
        "data, steps",
        "mixed with",
        "mean corruption error",
        *(f"minus {name}" for name in against),
        "clean error",
    )
    heads = (*heads, "RMS calibration error", "ECE")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]

    def of(*kind):
        return {row["repeat"]: row for row in rows if (row["data"], row["steps"], row["variant"]) == kind}

    kinds = dict.fromkeys((row["data"], row["steps"], row["variant"]) for row in rows)
    studies = list(dict.fromkeys(kind[:2] for kind in kinds))
    for data, steps, variant in sorted(kinds, key=lambda kind: (studies.index(kind[:2]), *_place(kind[2], against))):
        found = of(data, steps, variant)
        cells = [f"{data}, {steps:,}", "nothing" if variant == "plain" else variant]
        cells += [intervals.mean_of([row[error] for row in found.values()])]
        for number, name in enumerate(against, 1):
            other = of(data, steps, name)
            gaps = [found[seed][error] - other[seed][error] for seed in found if seed in other]
            cells.append("" if variant in against[:number] or not gaps else intervals.points(gaps))
        cells += [intervals.mean_of([row[column] for row in found.values()]) for column in columns]
        lines.append(f"| {' | '.join(cells)} |")
    said = [f"{rows[0]['test_images']} test images. {_measured_on(rows)}"] if rows else []
    return "\n".join([*lines, "", *said])


TABLES: tuple[tuple[str, tuple[str, str], Callable[[], str]], ...] = (
    ("README.md", QUICKSTART_MARKS, quickstart_table),
    ("docs/evidence.md", ("<!-- frozen -->", "<!-- end frozen -->"), frozen_table),
    ("docs/evidence.md", ("<!-- control -->", "<!-- end control -->"), control_table),
    ("docs/evidence.md", ("<!-- lengths -->", "<!-- end lengths -->"), study_pages.length_table),
    ("docs/results.md", MARKS, table),
    ("docs/results.md", TRAINING_MARKS, training_table),
    ("docs/robustness.md", ("<!-- study -->", "<!-- end study -->"), robustness_table),
    ("docs/samples.md", SAMPLE_MARKS, sample_table),
    *(("docs/study.md", (f"<!-- {name} -->", f"<!-- end {name} -->"), made) for name, made in study_pages.TABLES),
    *(("docs/full-size.md", marks, made) for marks, made in published.tables_by_marks()),
)


def between(text, marks, made):
    """The text with what was made between two marks, in the place of what was there."""
    first, last = marks
    before, _, rest = text.partition(first)
    _, _, after = rest.partition(last)
    return f"{before}{first}\n{made}\n{last}{after}"


def write_tables():
    """Put each table between its two marks in its page."""
    for name, marks, made in TABLES:
        path = provenance.PROJECT / name
        files.write_whole(path, between(path.read_text(encoding="utf-8"), marks, made()))
