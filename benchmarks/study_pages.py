"""The tables of docs/study.md, from results/study/study.csv (`benchmarks.study`)."""

import numpy as np
from scipy import stats

from ofdb_core.base import provenance
from ofdb_core.data import tables
from ofdb_core.run import experiments
from ofdb_core.stages import comparison
from ofdb_core.training import intervals

FOLDER = provenance.PROJECT / "results" / "study"
HITS = FOLDER / "hits.npz"  # group, seed and data set -> the share of the draws in which each test image was right
RAW, RANDOM, SHIPPED = "raw pixels", "random weights", "ofdb:small"  # groups beside the kinds of pre-training
FIRST, USUAL = "pattern", "24 px, mean 0.11"  # what the others are compared with, and what it sees
JUDGE, OTHER_JUDGE = "logistic regression", "nearest neighbour"
NIGHT = 8 * 3600  # seconds
TUNED, SCRATCH = FOLDER / "finetune.csv", "from scratch"
AGAINST = (RANDOM, "scattered", "noise", "stored")  # FIRST minus these is what counts,
COUNTS = "emoji"  # on this data set
PREDICTORS = {  # what may be known of a network without a real image
    "compactness": "intraclass compactness",
    "own_categories": "accuracy on its own categories",
    "own_loss": "loss on its own categories",
}
NOTED = (*PREDICTORS, "samples", "seconds")  # columns of a kind's rows alone: what was seen, how long it took
# Kinds that differ in categories, samples or pixels: what is known of their own categories is not to be compared.
OTHER_SCALE = (
    *("few", "categories-128", "pixels-16", "pixels-32"),
    *("samples-24k", "samples-384k", "noise-384k", "scattered-384k", "perlin-384k"),
)
LONGEST = (
    "samples-384k",
    "noise-384k",
    "scattered-384k",
    "perlin-384k",
    FIRST,
)  # of fractals, and what stands beside it
CONTROLS = ("scattered", "noise", "shuffled")
SCALES: dict[str, dict[float, str]] = {  # axis -> its values, each a kind
    "images a category, stored": {1: "stored", 10: "instances-10", 100: "instances-100"},
    "delta of 1p-frac": {0.01: "delta-0.01", 0.05: "delta-0.05", 0.1: "1p-frac", 0.2: "delta-0.2", 0.4: "delta-0.4"},
    "categories": {32: "few", 128: "categories-128", 1000: "pattern"},
    "samples": {24_000: "samples-24k", 96_000: "pattern", 384_000: "samples-384k"},
    "pixels": {16: "pixels-16", 24: "pattern", 32: "pixels-32"},
}


def kept():
    """All rows."""
    path = FOLDER / "study.csv"
    return [row | {name: row.get(name, "") for name in NOTED} for row in (tables.read(path) if path.is_file() else [])]


def rows(judge=JUDGE):
    """What was judged by one of the judges."""
    return [row for row in kept() if row["judge"] == judge]


def read_hits():
    """What HITS holds."""
    if not HITS.is_file():
        return {}
    with np.load(HITS) as kept:
        return dict(kept)


def hits_of(group, seed, data):
    """The name in HITS."""
    return f"{group}/{seed}/{data}"


def is_primary(group, seen):
    """Whether a group takes part in the differences that count."""
    return group in (FIRST, *AGAINST) and seen == USUAL


def accuracies(judged):
    """Data set -> (group, what is seen) -> seed -> accuracy."""
    found: dict[str, dict[tuple[str, str], dict[int, float]]] = {}
    for row in judged:
        found.setdefault(row["data"], {}).setdefault((row["group"], row["seen"]), {})[row["seed"]] = row["accuracy"]
    return found


def _table(heads, lines):
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))


def _groups(found):
    """The kinds in the order of the plan; before the first that sees as much, its raw pixels and random weights."""
    groups = dict.fromkeys(group for of in found.values() for group in of)
    plan = [*experiments.sweep("study")["variant"], SHIPPED]

    def place(group):
        name, seen = group
        if name in plan:
            return plan.index(name), 2
        return min(plan.index(kind) for kind, sees in groups if kind in plan and sees.startswith(seen)), name == RANDOM

    return sorted(groups, key=place)


def _name(group, seen):
    return f"{group}, {seen}" if group in (RAW, RANDOM) else group


def accuracy_table(judge=JUDGE):
    """Accuracy in percent by group and data set."""
    judged = rows(judge)
    found = accuracies(judged)
    lines = []
    for group in _groups(found):
        seeds = max(len(of.get(group, {})) for of in found.values())
        cells = [_spread([*of[group].values()]) if group in of else "" for of in found.values()]
        lines.append([_name(*group), str(seeds), *cells])
    by_chance = {row["data"]: 100 / row["classes"] for row in judged}
    lines.append(["chance", "", *(f"{share:.1f}" for share in by_chance.values())])
    machines = "; ".join(sorted({row["machine"] for row in judged}))
    planned, had = experiments.sweep("study")["variant"], {group for group, _ in _groups(found)}
    lacking = ", ".join(f"`{name}`" for name in planned if name not in had)
    text = f"{_table([f'pre-trained on ({judge})', 'n', *found], lines)}\n\nMeasured on: {machines}."
    return f"{text} Not run yet: {lacking}." if lacking else text


def _spread(values):
    return f"{100 * np.mean(values):.1f}" + (f" ± {100 * np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def _gaps(of, one, other):
    """Differences seed by seed of two groups of a data set; of raw pixels, to each seed."""
    there = of.get(other, {})
    if other[0] == RAW and there:
        there = dict.fromkeys(of.get(one, {}), next(iter(there.values())))
    return [of[one][seed] - there[seed] for seed in of.get(one, {}) if seed in there]


def _gap(of, one, other):
    """Their mean in points with its interval; empty where nothing can be said."""
    gaps = _gaps(of, one, other)
    if not (interval := intervals.of_mean(gaps)):
        return ""
    low, high = (100 * end for end in interval)
    return f"{100 * np.mean(gaps):+.1f} ({low:+.1f} to {high:+.1f})"


def kinds_of(found):
    """The kinds of pre-training among the groups, in the order of the plan."""
    return [group for group in _groups(found) if group[0] not in (RAW, RANDOM, SHIPPED)]


def length_table():
    """What longer trainings bring, for docs/evidence.md: accuracy by the samples seen, and how long they took."""
    judged = rows()
    found = accuracies(judged)
    lengths = {kind: samples for samples, kind in SCALES["samples"].items()}
    lengths |= {row["group"]: row["samples"] for row in judged if row["group"] == SHIPPED}
    lines = []
    for name, samples in {RAW: "", RANDOM: "0", **lengths}.items():
        group = name, "24 px" if name == RAW else USUAL
        seeds = max(len(of.get(group, {})) for of in found.values())
        took = [row["seconds"] for row in judged if row["group"] == name and row["seconds"] != ""]
        minutes = f"{np.mean(took) / 60:.1f}" if took else ""
        cells = [_spread([*of[group].values()]) if group in of else "" for of in found.values()]
        if seeds:
            lines.append([name, f"{samples:,}" if isinstance(samples, int) else samples, minutes, str(seeds), *cells])
    table = _table(["", "samples", "minutes", "n", *found], lines)
    rates = [row["samples"] / row["seconds"] for row in judged if row["group"] in lengths and row["seconds"] != ""]
    if not rates:
        return table
    least, most = (NIGHT * rate / 1e6 for rate in (min(rates), max(rates)))
    return f"{table}\n\nAt these rates a night of eight hours would see {least:.0f} to {most:.0f} million samples."


def baseline_table(name):
    """Differences in points, with 95 % intervals: each kind minus raw pixels, or random weights, that see the same."""
    found, lines = accuracies(rows()), []
    for kind, seen in kinds_of(found):
        baseline = name, seen.partition(",")[0] if name == RAW else seen
        lines.append([kind, *(_gap(of, (kind, seen), baseline) for of in found.values())])
    return _table([f"minus {name}", *found], [line for line in lines if any(line[1:])])


def difference_table():
    """Differences in points, with 95 % intervals: each kind of the usual pixels minus the first kind."""
    found, first = accuracies(rows()), (FIRST, USUAL)
    lines = [
        [kind, *(_gap(of, (kind, seen), first) for of in found.values())]
        for kind, seen in kinds_of(found)
        if kind != FIRST and seen.startswith("24 px")
    ]
    return _table([f"minus `{FIRST}`", *found], [line for line in lines if any(line[1:])])


def longer_table():
    """Differences in points, with 95 % intervals: fractals of the longest training minus what stands beside them."""
    lines = []
    for judge in (JUDGE, OTHER_JUDGE):
        found = accuracies(rows(judge))
        first, *beside = [next((group for group in kinds_of(found) if group[0] == kind), None) for kind in LONGEST]
        for other in [(RAW, "24 px"), (RANDOM, USUAL), *filter(None, beside)] if first else []:
            cells = [_gap(of, first, other) for of in found.values()]
            lines += [[other[0], judge, *cells]] if any(cells) else []
    return _table([f"`{LONGEST[0]}` minus", "judge", *accuracies(rows())], lines)


def primary_table():
    """The differences that count: intervals over seeds, and over seeds and test images; p-values after Holm."""
    of, first = accuracies(rows()).get(COUNTS, {}), (FIRST, USUAL)
    gaps = {name: _gaps(of, first, (name, USUAL)) for name in AGAINST}
    gaps = {name: values for name, values in gaps.items() if len(values) > 1}
    chances = {name: stats.ttest_1samp(values, 0).pvalue for name, values in gaps.items()}
    held, least, kept = {}, 0.0, read_hits()
    for rank, name in enumerate(sorted(chances, key=chances.__getitem__)):
        least = held[name] = max(least, min(1.0, (len(chances) - rank) * chances[name]))
    lines = [
        [name, _gap(of, first, (name, USUAL)), _over_images(kept, name, len(values)), f"{held[name]:.3f}"]
        for name, values in gaps.items()
    ]
    heads = [f"`{FIRST}` minus, on {COUNTS}", "points (95 %, over seeds)", "95 %, over seeds and images", "p (Holm)"]
    return _table(heads, lines)


def _over_images(hits, other, seeds):
    """The interval of a difference by a bootstrap over seeds and test images, both groups on the same."""
    named = [np.stack([hits[hits_of(group, seed, COUNTS)] for seed in range(seeds)]) for group in (FIRST, other)]
    gaps, random = (named[0].astype(float) - named[1]) / 255, np.random.default_rng(0)
    seeds, images = gaps.shape
    drawn = [
        gaps[random.integers(seeds, size=seeds)][:, random.integers(images, size=images)].mean() for _ in range(2000)
    ]
    low, high = 100 * np.percentile(drawn, [2.5, 97.5])
    return f"{low:+.1f} to {high:+.1f}"


def predictor_table():
    """Rank correlations of accuracy with what is known without real images, over the kinds of one scale."""
    known: dict[str, dict[str, list[float]]] = {}  # group -> column -> values
    judged = rows()
    for row in judged:
        if row["compactness"] != "" and row["group"] not in OTHER_SCALE:
            for column in (*PREDICTORS, row["data"]):
                value = row["accuracy"] if column == row["data"] else row[column]
                known.setdefault(row["group"], {}).setdefault(column, []).append(value)
    sets, lines = [*accuracies(judged)], []
    for column, text in PREDICTORS.items():
        for without, more in (((), ""), (CONTROLS, ", without controls")):
            chosen = [of for group, of in known.items() if group not in without]
            pairs = {data: [(np.mean(of[column]), np.mean(of[data])) for of in chosen if data in of] for data in sets}
            lines.append([text + more, str(len(chosen)), *(_correlation(np.array(pairs[data])) for data in sets)])
    return _table(["rank correlation with", "kinds", *sets], lines)


def _correlation(pairs):
    """Spearman's rank correlation of (n, 2) values, with its 95 % interval (Bonett and Wright 2000)."""
    if len(pairs) < 5:
        return ""
    found = stats.spearmanr(*pairs.T).statistic
    reach = stats.norm.ppf((1 + intervals.CONFIDENCE) / 2) * np.sqrt((1 + found**2 / 2) / (len(pairs) - 3))
    with np.errstate(divide="ignore"):  # the interval of a perfect one is a point
        low, high = np.tanh(np.arctanh(found) + np.array([-reach, reach]))
    return f"{found:+.2f} ({low:+.2f} to {high:+.2f})"


def tuned():
    """Kind, or SCRATCH -> seed -> the rows of its fine-tuning, by steps; a seed has one training from scratch."""
    found: dict[str, dict[int, dict]] = {}
    for row in tables.read(TUNED) if TUNED.is_file() else []:
        name = SCRATCH if row["start"] == SCRATCH else row["kind"]
        found.setdefault(name, {}).setdefault(row["seed"], {})[row["step"]] = row
    return {name: {seed: [*rows.values()] for seed, rows in seeds.items()} for name, seeds in found.items()}


def tuned_table():
    """What fine-tuning reached from each kind and from scratch, and what its last third still brought."""
    found, lines = tuned(), []
    for name, seeds in found.items():
        last = {seed: rows[-1]["accuracy"] for seed, rows in seeds.items()}
        late = comparison.late_gains(seeds.values(), "accuracy")
        there = {seed: rows[-1]["accuracy"] for seed, rows in found.get(SCRATCH, {}).items()}
        gaps = [last[seed] - there[seed] for seed in last if seed in there] if name != SCRATCH else []
        rates = ", ".join(f"{rate:g}" for rate in sorted({rows[0]["learning_rate"] for rows in seeds.values()}))
        gap = intervals.points(gaps) if gaps else ""
        lines.append([name, str(len(seeds)), _spread([*last.values()]), gap, intervals.points(late), rates])
    heads = ["fine-tuned from", "n", "mnist5k", f"minus {SCRATCH}", "gained in the last third of the steps", "rates"]
    return _table(heads, lines)


TABLES = (
    ("primary", primary_table),
    ("accuracies", accuracy_table),
    ("neighbours", lambda: accuracy_table(OTHER_JUDGE)),
    ("untrained", lambda: baseline_table(RANDOM)),
    ("raw", lambda: baseline_table(RAW)),
    ("differences", difference_table),
    ("longer", longer_table),
    ("predictors", predictor_table),
    ("tuned", tuned_table),
)
