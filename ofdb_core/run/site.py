"""The site: a folder of static pages to look at without running anything, from a file or any static host, offline.

It holds a run's notebooks as they were executed and its report, a gallery of the published families, the tables of
results/, and what the package's docstrings say. No page asks for anything that is not in the folder.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ofdb_core.base import files, project, record
from ofdb_core.data import tables
from ofdb_core.families import registry
from ofdb_core.run import api, executed, parameter_files, stages
from ofdb_core.run.experiments import UsageError
from ofdb_core.show import gallery, pages, report

DATA = project.DATA / "site"  # of the gallery, kept for the next time
RESULTS = project.SOURCE / "results"
FAMILIES = ("2d-ofdb-1k", "3d-ofdb-1k", "visualatom-1k")  # the experiments whose data sets are shown
CATEGORIES = 1000  # of each of them
ABOUT = ("machine", "commit", "versions")  # the columns of a table of results that are the same in many rows
TILE, PICTURES = 72, 4  # of the gallery: pixels of a tile, and how many a category has at most


@dataclass(frozen=True)
class _Card:
    """A page of the site, as the first page offers it."""

    file: str
    title: str
    words: str


def write(run: Path, site: Path, *, categories: int = CATEGORIES) -> Path:
    """Write the site of a finished run into a folder; return its first page.

    A UsageError where the run is none, or the folder holds what is no site.
    """
    entries = record.read(run)
    if not entries:
        raise UsageError(f"{run}: no finished run; ./run_all.sh makes the quickstart's, or name another")
    if site.exists() and any(site.iterdir()) and not (site / "index.html").exists():
        raise UsageError(f"{site}: is there, and no site; give another --out")
    cards = []
    for name, page in _pages(run, entries, categories):
        files.write_whole(site / name.file, _with_way_home(page(), "../" * name.file.count("/")))
        print(f"{site / name.file}: {(site / name.file).stat().st_size / 1e6:.1f} MB", flush=True)
        cards.append(name)
    files.write_whole(site / "index.html", _index(cards, entries, run))
    return site / "index.html"


def _pages(run: Path, entries: dict[str, record.Entry], categories: int) -> Iterator[tuple[_Card, Callable[[], str]]]:
    title = entries.get("6_report", {"parameters": {}})["parameters"].get("title", run.name)
    yield (
        _Card(
            "gallery.html",
            "The gallery",
            "Every category of the published families: sort, filter, open, and drag its maps.",
        ),
        functools.partial(_gallery, categories),
    )
    yield (
        _Card("report.html", "A report", f"{title}: what came of it, what ran, on what, and how long."),
        functools.partial(report.page, run, title, entries, explorer=True),
    )
    for stage in entries:
        if (run / f"{stage}.ipynb").is_file():
            words = report.heading(stage)
            yield (
                _Card(f"notebooks/{stage}.html", words, stage),
                functools.partial(executed.page, run / f"{stage}.ipynb", words),
            )
    yield (
        _Card(
            "results.html", "Measurements", "Speed and memory beside plain Python and timm, with versions and machine."
        ),
        _results,
    )
    yield _Card("api.html", "The package", "Modules and functions, from their docstrings."), api.page


def _with_way_home(page: str, up: str) -> str:
    return page.replace(pages.TOP, f'{pages.TOP}<p><a href="{up}index.html">OFDB Lab</a></p>', 1)


def _gallery(categories: int) -> str:
    """The page of the three families, made by the experiments' own parameters."""
    sets = []
    print(
        f"for the gallery, {categories} categories each of {', '.join(FAMILIES)} are made below {DATA} once", flush=True
    )
    for name in FAMILIES:
        out, given = DATA / name, [("categories", str(categories))]
        chosen = [stage for stage in parameter_files.notebooks(name) if stages.stages()[stage].write]
        for stage, parameters in parameter_files.checked(name, chosen, given, out).items():
            stages.stages()[stage].write(parameters)  # type: ignore[misc]
        drawn = {registry.family_of(stage).name: parameters}
        sets += gallery.of_folder(out, drawn, side=TILE, pictures=PICTURES)
    return gallery.page("The gallery", [{**each, "files": None} for each in sets])


def _results() -> str:
    """The tables of results/, a section each, and bars of how much faster the project is."""
    sections, bars = [], []
    for path in sorted(RESULTS.glob("*.csv")):
        rows = tables.read(path)
        names = [name for name in rows[0] if name not in ("case", *ABOUT)]
        about = dict.fromkeys(" · ".join(str(row[name]) for name in ABOUT if name in row) for row in rows)
        shown = pages.table(([row[name] for name in names] for row in rows), names)
        notes = "".join(f"<p>{pages.escape(line)}</p>" for line in about)
        sections.append(
            f'<section id="{path.stem}"><h3>{pages.escape(path.stem)}</h3>{shown}'
            f"<details><summary>machine and versions</summary>{notes}</details></section>"
        )
        bars += [
            (f"{path.stem} ({row['size']})", row["times_faster"])
            for row in rows
            if row.get("times_faster") and "size" in row
        ]
    body = (
        '<h1>Measurements</h1><p class="lead">What is compared ran in a process of its '
        "own, against the same work in plain Python and NumPy, or in timm, in the same run.</p>"
        "<h2>How many times faster <small>in brackets the size of the case; bars on a logarithmic scale</small></h2>"
        f"{pages.bars(bars)}<h2>The tables</h2>{''.join(sections)}"
    )
    return pages.page("Measurements", body)


def _index(cards: list[_Card], entries: dict[str, record.Entry], run: Path) -> str:
    """The first page: what this is, and what to open."""
    covers = [figure for entry in entries.values() for figure in entry["figures"]]
    names = {Path(figure["file"]).stem: figure for figure in covers}
    hero = [names[name] for name in report.leading(names)[1:2]] or []
    picture = "".join(f'<img src="{report.embedded(run, figure)}" alt="">' for figure in hero)
    main = [card for card in cards if "/" not in card.file]
    notebooks = [card for card in cards if "/" in card.file]
    body = (
        '<h1>OFDB Lab</h1><p class="lead">Pre-training vision models from formulas: one image a category, no '
        "photograph. These pages need no installation and no network.</p>"
        f'<figure>{picture}</figure><div class="cards">{_links(main)}</div>'
        f'<h2>The notebooks, as they ran</h2><div class="cards">{_links(notebooks)}</div>'
    )
    return pages.page("OFDB Lab", body)


def _links(cards: list[_Card]) -> str:
    return "".join(
        f'<a href="{card.file}"><h3>{pages.escape(card.title)}</h3><p>{pages.escape(card.words)}</p></a>'
        for card in cards
    )
