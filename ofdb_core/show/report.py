"""The figures and numbers of an experiment on one page: report.html, with its figures inside."""

import base64
import html
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ofdb_core.base import files, provenance, record
from ofdb_core.base.parameters import StageParameters
from ofdb_core.base.record import Entry, Run
from ofdb_core.families import registry

OUTCOME = "5_finetune_comparison"  # the figure that shows what came of it

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid #ddd; } h2 small { font-weight: normal; color: #888; }
figure { margin: 1.5rem 0; } img { max-width: 100%; } figcaption { color: #555; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
summary { cursor: pointer; color: #1f6f8b; } .holds { color: #2a7a3b; } code { overflow-wrap: anywhere; }
"""


def _table(pairs: Iterable[tuple[str, object]]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>" for name, value in pairs
    )
    return f"<table>{rows}</table>"


def embedded(out: Path, figure: Entry) -> str:
    """A figure as text, as a page holds a picture; a ValueError where the file is not the one that was drawn."""
    data = record.picture(out, figure)
    if data is None:
        raise ValueError(f"{out / figure['file']}: missing or not as it was drawn; run its notebook again")
    return base64.b64encode(data).decode()


def _figure(out: Path, figure: Entry) -> str:
    data, caption = embedded(out, figure), html.escape(figure["caption"])
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    )


def _section(out: Path, notebook: str, entry: Entry, above: list[Entry]) -> str:
    """One notebook, without the figures that are shown above."""
    checks = "".join(f'<li class="holds">holds: {html.escape(check["sentence"])}</li>' for check in entry["checks"])
    seconds = html.escape(f", {entry['seconds']} s") if "seconds" in entry else ""
    stage = html.escape(notebook)
    return "\n".join(
        [
            f'<section id="{stage}"><h2>{html.escape(heading(notebook))} <small>{stage}</small></h2>',
            _table(entry["results"].items()),
            *(_figure(out, figure) for figure in entry["figures"] if figure not in above),
            f"<ul>{checks}</ul>",
            f"<details><summary>parameters and what it ran on{seconds}</summary>",
            _table(entry["parameters"].items()),
            _table([("started", entry["started"]), ("commit", entry["commit"]), ("machine", entry["machine"])]),
            _table(entry["versions"].items()),
            "</details></section>",
        ]
    )


@dataclass(frozen=True)
class Report(StageParameters):
    """6_report."""

    title: str

    def code(self) -> tuple[Callable, ...]:
        return (page,)


def heading(stage: str) -> str:
    """The first line of a stage's notebook, in which it says what it is about; of a shared one, the family's title."""
    path = provenance.notebook_of(stage)
    if path.stem != stage:
        titles = {own.name: family.title for family in registry.families().values() for own in family.stages}
        return titles.get(stage, stage)
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells[0]["source"][0].lstrip("# ").strip()


def leading(names: Iterable[str]) -> list[str]:
    """Of the names of figures, those that open the report: what came of it, and the data of each family in it."""
    names, covers = set(names), [family.cover for family in registry.families().values()]
    return [name for name in (OUTCOME, *covers) if name in names]


def page(out: Path, title: str, entries: dict[str, Entry]) -> str:
    """The page as text, its strongest figures first. out: the experiment's folder; entries: notebook -> its record."""
    figures = {Path(figure["file"]).stem: figure for entry in entries.values() for figure in entry["figures"]}
    above = [figures[name] for name in leading(figures)]
    sections = [_section(out, notebook, entry, above) for notebook, entry in entries.items()]
    links = " · ".join(f'<a href="#{stage}">{stage}</a>' for stage in map(html.escape, entries))
    holding = sum(check["holds"] for entry in entries.values() for check in entry["checks"])
    last = list(entries.values())[-1]
    about = html.escape(f"{holding} checks hold · {last['started'][:10]} · commit {last['commit']} · {last['machine']}")
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    first = "".join(_figure(out, figure) for figure in above)
    body = f"<h1>{html.escape(title)}</h1><p>{about}</p>{first}<p>{links}</p>{''.join(sections)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def write(run: Run, title: str) -> Path:
    """Write report.html into the run's folder, with the run itself in its place among the others; return its path."""
    entries = {**record.read(run.folder), run.notebook: run.entry}
    path = run.folder / "report.html"
    files.write_whole(path, page(run.folder, title, dict(sorted(entries.items()))))
    return path
