"""python -m benchmarks.tour [RUN]: what the README and docs/tour.md show of a finished quickstart.

It writes docs/tour.md with its figures, and what came of the run as results/quickstart/.
"""

import argparse
import itertools
import shutil
import statistics
from pathlib import Path

from PIL import Image

from benchmarks import pages
from ofdb_core.base import files, project, provenance, record
from ofdb_core.data import tables
from ofdb_core.stages import comparison
from ofdb_core.stages.recipes import Finetune

DOCS = provenance.PROJECT / "docs"
WIDEST = 1000  # pixels, of a figure
LOOK = {"quality": 70, "method": 6}  # of WebP
HEADINGS = {
    "0_explore_ifs": "A fractal from a few maps",
    "1_search_categories": "Which systems become categories",
    "2_render_2d": "The images",
    "3_render_3d": "In space",
    "4_pretrain": "Pre-training",
    "5_finetune": "Fine-tuning on real images",
}
FIGURES = {  # name -> a sentence or two, after the caption that the run gave it
    "0_explore_ifs_maps": "Each coloured parallelogram is where a map takes the dashed square.",
    "0_explore_ifs_growth": "The chaos game: draw a map by chance, move the point by it, mark where it lands.",
    "1_search_categories_accepted": "A random system becomes a category if its points fill a fifth of the picture.",
    "1_search_categories_rejected": "Most systems are sparse, and are thrown away.",
    "2_render_2d_contact_sheet": "Every visited pixel gets a small random patch. One image is all that a category has.",
    "2_render_2d_instances": "Training can also draw each image anew, with other patches or coefficients.",
    "3_render_3d_contact_sheet": "The same idea with maps of space: each model is a cloud of points.",
    "3_render_3d_views": "A category's images are views of its model.",
    "4_pretrain_batch": "Random crops replace the other instances of a category.",
    "4_pretrain_training": "The network learns to tell the categories apart.",
    "5_finetune_accuracy": "Both networks see the same images in the same order; only the starting weights differ.",
    "5_finetune_comparison": "Below: what pre-training has to beat. [What to expect](../README.md#what-to-expect).",
}


def write(run):
    """Write all of it from the folder of a finished quickstart."""
    entries = record.read(run)
    figures = {Path(figure["file"]).stem: figure for entry in entries.values() for figure in entry["figures"]}
    if missing := FIGURES.keys() - figures.keys():
        raise SystemExit(f"{run}: lacks {', '.join(sorted(missing))}; run ./run_all.sh first")
    shutil.rmtree(DOCS / "tour", ignore_errors=True)
    shown = {name: _figure(run, figures[name]) for name in FIGURES}
    files.write_whole(DOCS / "tour.md", _page(entries, figures, shown))
    tables.write(pages.RESULTS / "quickstart" / "accuracy.csv", _accuracies(run, entries))
    pages.write_tables()


def _figure(run, figure):
    """Copy a figure to docs/tour, a picture as WebP, no wider than it must be; return its name there."""
    data = record.picture(run, figure)
    if data is None:
        raise SystemExit(f"{run / figure['file']}: missing or not as it was drawn; run its notebook again")
    path = DOCS / "tour" / Path(figure["file"]).name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".svg":
        path.write_bytes(data)
        return path.name
    with Image.open(run / figure["file"]) as stored:
        image = stored.convert("RGBA")
        image.thumbnail((WIDEST, 2 * WIDEST))
        image.save(path.with_suffix(".webp"), "WEBP", **LOOK)
    return path.with_suffix(".webp").name


def _page(entries, figures, shown):
    last = entries["5_finetune"]
    lines = [
        "# A tour",
        "",
        "What `./run_all.sh` draws: the quickstart in a dozen figures. The notebooks have more of them, and the code.",
        f"`python -m benchmarks.tour` wrote this page from a run of {last['started'][:10]} ({last['machine']}).",
    ]
    for stage, names in itertools.groupby(FIGURES, _stage):
        lines += ["", f"## {HEADINGS[stage]}"]
        for name in names:
            caption = figures[name]["caption"]
            lines += ["", f"![{caption}](tour/{shown[name]})", "", f"{caption} {FIGURES[name]}"]
    return "\n".join([*lines, ""])


def _stage(name):
    return next(stage for stage in HEADINGS if name.startswith(stage))


def _accuracies(run, entries):
    """A row for each start and each baseline: mean and spread of the repeats."""
    entry = entries["5_finetune"]
    values = entry["parameters"]
    (shots,) = values["shots"]
    found: dict[str, list[float]] = {}
    results = tables.read(run / "finetune" / "results.csv")
    for row in results:
        found.setdefault(row["start"], []).append(row["accuracy"])
    for row in tables.read(run / "finetune" / "baselines.csv"):
        found.setdefault(f"{row['features']}, {row['judge']}", []).append(row["accuracy"])
    done = comparison.Comparison(Finetune.of({**values, "out": str(run)}), results)
    differences, late = done.gains("accuracy", shots=shots), done.gained_late("accuracy", shots=shots)
    about = {
        "date": entry["started"][:10],
        "commit": entry["commit"],
        "machine": entry["machine"],
        "versions": " ".join(f"{name}={version}" for name, version in entry["versions"].items()),
    }
    return [
        {
            "method": method,
            "steps": values["steps"] if method in values["starts"] else 0,
            "shots": shots,
            "test_images": results[0]["test_images"],
            "repeats": len(accuracies),
            "mean": f"{statistics.mean(accuracies):.6f}",
            "std": f"{statistics.stdev(accuracies):.6f}",
            "difference": differences.get(method, ""),
            "late": f"{100 * statistics.mean(late[method]):.1f}" if method in late else "",
            "minutes": f"{sum(entry.get('seconds', 0.0) for entry in entries.values()) / 60:.1f}",
            **about,
        }
        for method, accuracies in found.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tour", description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, default=project.RUNS / "quickstart")
    write(parser.parse_args().run)
