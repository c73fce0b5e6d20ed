"""The figures and numbers of an experiment on one page: report.html, with its figures inside, and its gallery."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ofdb_core.base import provenance, record, units
from ofdb_core.base.own import Own
from ofdb_core.base.parameters import NotebookParameters
from ofdb_core.base.record import Entry, Figure, Run
from ofdb_core.families import registry
from ofdb_core.show import gallery, pages, plot

PAGE = "report.html"
OUTCOMES = ("5_finetune_comparison", "5_segment_comparison")  # figures that show the outcome
INKS = b"<style>svg{--ink:#4a5159}@media(prefers-color-scheme:dark){svg{--ink:#b9c0c7}}</style>"  # of lines and words
# The first of these stages that ran supplies the outcome's numbers
AS_RESULT = ("5_finetune", "5_segment", "6_evaluate", "6_predict", "4_pretrain")
EXPLORE = (
    '<p class="lead">Choose one of the run\'s systems by its number, drag its maps, and see the fractal follow.</p>'
)
EXPLORED = """import {mount} from "explorer";

const mine = async (number) => {
  if (!data[number]) throw new Error(`this page has the systems 0 to ${data.length - 1}`);
  return data[number];
};
mount(document.getElementById("explorer"), {system: data[0], mine});"""
WIDE = 2.0  # the ratio of width to height
MOST_NUMBERS = 4  # of the outcome; the others are with their notebook


def embedded(out: Path, figure: Figure) -> str:
    """A figure as text for a page; a ValueError if the file is not the one that was drawn."""
    data = record.picture(out, figure)
    if data is None:
        raise ValueError(f"{out / figure['file']}: missing or not as it was drawn; run its notebook again")
    return themed(data) if Path(figure["file"]).suffix == ".svg" else pages.as_data(data, "image/png")


def themed(svg: bytes) -> str:
    """An SVG figure as the address of a picture whose words and lines suit a light or a dark page."""
    data = svg.replace(b"<defs>", b"<defs>" + INKS, 1).replace(plot.INK.encode(), b"var(--ink)")
    return pages.as_data(data, "image/svg+xml")


def _figure(out: Path, figure: Figure) -> str:
    data, caption = embedded(out, figure), pages.escape(figure["caption"])
    return pages.figure(data, caption, wide=_wide((out / figure["file"]).read_bytes()))


def _wide(data: bytes) -> bool:
    """Whether a figure, an SVG or PNG file's bytes, is too wide to be read across a phone."""
    if box := re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', data[:2000]):
        width, height = map(float, box.groups())
    else:
        width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return width > WIDE * height


def _section(out: Path, notebook: str, entry: Entry, above: list[Figure]) -> str:
    """One notebook, without the figures that are shown above."""
    items = [("good" if check["holds"] else "bad", pages.escape(check["sentence"])) for check in entry["checks"]]
    checks, stage = "".join(f'<li class="{kind}">{words}</li>' for kind, words in items), pages.escape(notebook)
    return "\n".join(
        [
            f'<section id="{stage}"><h2>{pages.escape(heading(notebook))} <small>{stage}</small></h2>',
            pages.table(entry["results"].items()),
            *(_figure(out, figure) for figure in entry["figures"] if figure not in above),
            f'<ul class="checks">{checks}</ul>',
            "<details><summary>parameters and versions</summary>",
            pages.table(entry["parameters"].items()),
            pages.table([("started", entry["started"]), ("commit", entry["commit"]), *entry["versions"].items()]),
            "</details></section>",
        ]
    )


class Report(NotebookParameters):
    """Parameters of notebook 6_report."""

    title: str = "OFDB Lab"
    """Title of the page."""

    def code(self) -> tuple[Callable, ...]:
        return (page,)


def heading(stage: str) -> str:
    """The title of a stage: the first line of its notebook or, if that is shared, the family's title."""
    path = provenance.notebook_of(stage)
    if path.stem != stage:
        titles = {own.name: family.title for family in registry.families().values() for own in family.stages}
        return titles.get(stage, stage)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells[0]["source"][0].lstrip("# ").strip()


def leading(names: Iterable[str]) -> list[str]:
    """The names of the figures that open the report: the outcome, and the data of each family in it."""
    names, covers = set(names), [family.cover for family in registry.families().values()]
    return [name for name in (*OUTCOMES, *covers) if name in names]


def _ran(entries: dict[str, Entry]) -> str:
    """What ran, how long, and on what."""
    spent = {stage: entry.get("seconds", 0.0) for stage, entry in entries.items()}
    took = {stage: units.duration(seconds) if seconds else "(this page)" for stage, seconds in spent.items()}
    rows = "".join(
        f'<tr><th><a href="#{pages.escape(stage)}">{pages.escape(stage)}</a></th>'
        f'<td class="tight">{took[stage]}</td><td class="spare" style="width: 30%"><span class="bar" '
        f'style="width: {100 * spent[stage] / (max(spent.values()) or 1):.1f}%"></span></td>'
        f"<td>{sum(check['holds'] for check in entry['checks'])} of {len(entry['checks'])}</td></tr>"
        for stage, entry in entries.items()
    )
    machines = dict.fromkeys(entry["machine"] for entry in entries.values())
    commits = dict.fromkeys(str(entry["commit"]) for entry in entries.values())
    on = pages.table([("machine", "; ".join(machines)), ("commit", ", ".join(commits))])
    heads = '<th>notebook</th><th>took</th><th class="spare"></th><th>checks that hold</th>'
    return (
        f'<div class="scroll"><table style="width: 100%"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{on}"
    )


def page(out: Path, title: str, entries: dict[str, Entry], beside: str | None = None, *, explorer: bool = False) -> str:
    """The page as text: the outcome, what ran, each notebook.

    out: the experiment's folder; entries: notebook -> its record; beside: the gallery's file, if there is one;
    explorer: include that of the run's 2D systems, if it has any.
    """
    figures = {Path(figure["file"]).stem: figure for entry in entries.values() for figure in entry["figures"]}
    above = [figures[name] for name in leading(figures)]
    results: dict[str, object] = next((entries[stage]["results"] for stage in AS_RESULT if stage in entries), {})
    last = list(entries.values())[-1]
    checks = [check["holds"] for entry in entries.values() for check in entry["checks"]]
    took = units.duration(sum(entry.get("seconds", 0.0) for entry in entries.values()))
    about = f"{last['started'][:10]} · {len(entries)} notebooks in {took} · {sum(checks)} of {len(checks)} checks hold"
    systems = gallery.systems(out) if explorer else []
    explored = {"explore": "Its categories, to explore"} if systems else {}
    sections = {stage: heading(stage) for stage in entries}
    links = {"outcome": "What came of it", **explored, "ran": "What ran", **sections}
    headlines = [entry["headline"]["sentence"] for entry in entries.values() if "headline" in entry]
    parts = [
        f'<h1>{pages.escape(title)}</h1><p class="lead">{pages.escape(about)}</p>',
        '<section id="outcome">',
        *(f"<p><b>{pages.escape(sentence)}</b></p>" for sentence in headlines),
        pages.numbers(dict(list(results.items())[:MOST_NUMBERS])),
        *(_figure(out, figure) for figure in above),
        f'<p><a href="{beside}">Look through all categories</a></p>' if beside else "",
        "</section>",
        f'<section id="explore"><h2>Its categories, to explore</h2>{explorer_of(systems)}</section>' if systems else "",
        f'<section id="ran"><h2>What ran, and on what</h2>{_ran(entries)}</section>',
        *(_section(out, notebook, entry, above) for notebook, entry in entries.items()),
    ]
    return pages.page(title, f'<div class="sided">{pages.contents(links)}<main>{"".join(parts)}</main></div>')


def explorer_of(systems: list[list[list[float]]]) -> pages.Text:
    """The explorer as a part of any page; the reader chooses one of the systems (tables) by number."""
    live = pages.script(["explorer.js"], EXPLORED, systems)
    return f'<style>{pages.own("explorer.css")}</style>{EXPLORE}<div id="explorer"></div>{live}'


def write(run: Run, title: str) -> Path:
    """Write report.html, with the run's own entry, into its folder; return its path.

    Write gallery.html beside it, if the run has images.
    """
    before = {name: entry for name, entry in sorted(record.read(run.folder).items()) if name < run.notebook}
    entries = {**before, run.notebook: run.entry}
    beside = gallery.write(run.folder, f"{title}: its categories", entries)
    whole = page(run.folder, title, entries, beside.name if beside else None, explorer=True)
    return Own(run.folder).write(PAGE, whole)
